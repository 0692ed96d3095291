"""What programs and AWS itself do in the account, around the clock: no person, most of the objects read."""

from collections.abc import Iterator
from datetime import date, timedelta
from random import Random

from innerwatch_cli.simulate import trail
from innerwatch_cli.simulate.chance import HEX, poisson, text, uuid4
from innerwatch_cli.simulate.company import ACCOUNT
from innerwatch_cli.simulate.estate import ARTIFACTS, GLOBAL, LAKE, LOGS, PROFILES, REGIONS, RESULTS, SERVICES, TABLES
from innerwatch_cli.simulate.records import Record
from innerwatch_cli.simulate.worktime import DAY, HOUR, MINUTE, instant
from innerwatch_cli.simulate.world import World

GATEWAYS = ("192.0.2.10", "192.0.2.11", "192.0.2.12")  # from which the company's own machines call AWS
RUNNERS = tuple(f"192.0.2.{number}" for number in range(20, 40))
SDK = "aws-sdk-go-v2/1.39.2 ua/2.1 os/linux lang/go#1.25.3 md/GOARCH#arm64 exec-env/AWS_ECS_FARGATE api/s3#1.88.4"
BOTO = "Boto3/1.40.61 md/Botocore#1.40.61 ua/2.1 os/linux lang/python#3.12.12 exec-env/AWS_Lambda_python3.12"
RUNNER = (
    "aws-cli/2.31.2 md/awscrt#0.27.6 ua/2.1 os/linux#6.11.0 md/arch#x86_64 lang/python#3.13.7 exec-env/GitHubActions"
)

# How the customers' demand spreads over the hours of a day in UTC.
HOURS = (5, 4, 4, 4, 5, 6, 9, 12, 15, 17, 18, 18, 18, 19, 20, 20, 19, 17, 15, 13, 11, 9, 8, 6)


def day(world: World, today: date) -> Iterator[Record]:
    """Everything that programs do between one midnight UTC and the next."""
    people = len(world.company.people)
    midnight = instant(today, 0, "UTC")
    busy = 1.0 if today.weekday() < 5 else 0.75
    for make, count in (
        (_profile_service, busy * (30 + 1.1 * people)),
        (_instances, 20 + 0.25 * people),
        (_aws, 40 + 0.3 * people),
    ):
        yield from make(world, world.streams(make.__name__, today), midnight, round(count))
    yield from _nightly_load(world, world.streams("nightly", today), midnight, 12 + people // 5)
    if today.weekday() < 5:
        rng = world.streams("deploy", today)
        for _ in range(poisson(rng, 0.5 + people / 60)):
            yield from _deployment(world, rng, midnight + int(rng.uniform(8, 20) * HOUR))
    yield from _agents(world, today, midnight)


def _moment(rng: Random, midnight: int) -> int:
    hour = rng.choices(range(24), HOURS)[0]
    return midnight + hour * HOUR + rng.randrange(HOUR)


def _profile_service(world: World, rng: Random, midnight: int, count: int) -> Iterator[Record]:
    """The one program that reads customers' profiles all day: it is what an agent's page is made of."""
    tasks = [
        trail.role(
            rng, world.estate, "profile-api-task", text(rng, HEX, 32), midnight - rng.randrange(DAY), address, SDK
        )
        for address in GATEWAYS
    ]
    for _ in range(count):
        key = f"customers/{world.customers.one(rng)}/profile.json"
        name = "PutObject" if rng.random() < 0.12 else "GetObject"
        size = rng.randint(900, 9000)
        yield trail.s3_object(rng, _moment(rng, midnight), rng.choice(tasks), name, PROFILES, key, size=size)


def _instances(world: World, rng: Random, midnight: int, count: int) -> Iterator[Record]:
    """Machines that read their configuration, under the session that carries their own id."""
    machines = world.estate.instances
    sessions = {
        machine: trail.role(
            rng, world.estate, "app-server", machine, midnight - rng.randrange(6 * HOUR), rng.choice(GATEWAYS), BOTO
        )
        for machine in machines[:12]
    }
    for _ in range(count):
        who = sessions[rng.choice(machines[:12])]
        time = midnight + rng.randrange(DAY)
        service = rng.choice(SERVICES)
        if rng.random() < 0.7:
            request = {"name": f"/{service}/feature-flags", "withDecryption": False}
            yield trail.call(rng, time, who, "ssm", "GetParameter", request=request)
        else:
            secret = world.estate.secret_arn(f"prod/{service}/database")
            yield trail.call(rng, time, who, "secretsmanager", "GetSecretValue", request={"secretId": secret})


def _aws(world: World, rng: Random, midnight: int, count: int) -> Iterator[Record]:
    """AWS services that take on the roles made for them, and CloudTrail that delivers."""
    for _ in range(count):
        time = midnight + rng.randrange(DAY)
        region = rng.choices(REGIONS, (6, 3, 2))[0]
        kind = rng.random()
        if kind < 0.5:
            name, role = rng.choice(
                (
                    ("ecs-tasks", f"{rng.choice(SERVICES)}-task"),
                    ("lambda", f"{rng.choice(SERVICES)}-worker"),
                    ("config", "aws-service-role/config.amazonaws.com/AWSServiceRoleForConfig"),
                    ("autoscaling", "aws-service-role/autoscaling.amazonaws.com/AWSServiceRoleForAutoScaling"),
                )
            )
            arn = f"arn:aws:iam::{ACCOUNT}:role/{role}"
            keys = {"accessKeyId": trail.temporary_key(rng), "expiration": trail.expiration(time + HOUR)}
            yield trail.call(
                rng,
                time,
                trail.service(name),
                "sts",
                "AssumeRole",
                region=region,
                request={"roleArn": arn, "roleSessionName": text(rng, HEX, 32), "durationSeconds": 3600},
                response={"credentials": keys},
                resources=[{"accountId": ACCOUNT, "type": "AWS::IAM::Role", "ARN": arn}],
            )
        elif kind < 0.75:
            request = {"bucketName": LOGS, "acl": "", "Host": f"{LOGS}.s3.{region}.amazonaws.com"}
            yield trail.call(
                rng, time, trail.service("cloudtrail"), "s3", "GetBucketAcl", region=region, request=request
            )
        else:
            context = {"aws:logs:arn": f"/ecs/{rng.choice(SERVICES)}"}
            yield trail.call(
                rng,
                time,
                trail.service("logs"),
                "kms",
                "GenerateDataKey",
                region=region,
                request={"keyId": world.estate.key, "encryptionContext": context},
            )


def _nightly_load(world: World, rng: Random, midnight: int, files: int) -> Iterator[Record]:
    """The load of the data lake, from one in the morning."""
    start = midnight + HOUR + rng.randrange(10 * MINUTE)
    who = trail.role(
        rng, world.estate, "nightly-load", f"GlueJobRunnerSession-{text(rng, HEX, 8)}", start, GATEWAYS[0], BOTO
    )
    yesterday = world.period.day((midnight - world.period.begin) // DAY - 1)
    clock = start
    for number in range(files):
        key = f"curated/{TABLES[number % len(TABLES)]}/dt={yesterday}/part-{number:04d}.parquet"
        name = "GetObject" if rng.random() < 0.4 else "PutObject"
        yield trail.s3_object(rng, clock, who, name, LAKE, key, size=rng.randint(20_000, 9_000_000))
        clock += int(rng.expovariate(1 / 60) * 1000)


def _deployment(world: World, rng: Random, start: int) -> Iterator[Record]:
    """A pipeline puts a new version of a service in place."""
    name = rng.choice(SERVICES)
    runner = rng.choice(RUNNERS)
    run = rng.randint(10**9, 10**10)
    arn = f"arn:aws:iam::{ACCOUNT}:role/github-deploy"
    token = trail.web_identity(f"repo:example-org/{name}:ref:refs/heads/main", runner, RUNNER)
    session = f"GitHubActions-{run}"
    yield trail.call(
        rng,
        start,
        token,
        "sts",
        "AssumeRoleWithWebIdentity",
        request={"roleArn": arn, "roleSessionName": session, "durationSeconds": 3600},
        response={"provider": token.identity["identityProvider"], "audience": "sts.amazonaws.com"},
        resources=[{"accountId": ACCOUNT, "type": "AWS::IAM::Role", "ARN": arn}],
    )
    who = trail.role(rng, world.estate, "github-deploy", session, start, runner, RUNNER)
    version = f"1.{rng.randint(10, 60)}.{rng.randint(0, 9)}"
    steps: tuple[tuple[str, str, bool, object], ...] = (
        ("ecr", "GetAuthorizationToken", True, None),
        ("ecr", "PutImage", False, {"repositoryName": name, "imageTag": version}),
        ("ecs", "RegisterTaskDefinition", False, {"family": name}),
        ("ecs", "UpdateService", False, {"cluster": "prod", "service": name}),
        ("ecs", "DescribeServices", True, {"cluster": "prod", "services": [name]}),
        ("lambda", "UpdateFunctionCode20150331v2", False, {"functionName": f"{name}-worker"}),
    )
    clock = start
    key = f"{name}/{version}/app.zip"
    yield trail.s3_object(rng, clock + 1000, who, "PutObject", ARTIFACTS, key, size=rng.randint(200_000, 30_000_000))
    for source, event, reads, request in steps:
        clock += int(rng.uniform(3, 50) * 1000)
        yield trail.call(rng, clock, who, source, event, read_only=reads, request=request)


def _agents(world: World, today: date, midnight: int) -> Iterator[Record]:
    """The old programs with an IAM user's key: each night, or each hour, the same few calls, in the owner's name."""
    for agent in world.company.agents:
        rng = world.streams("agent", agent.name, today)
        who = trail.iam_user(world.estate, agent.name, agent.access_key, GATEWAYS[2], BOTO, agent.owner.id)
        if agent.name == "svc-nightly-report":
            clock = midnight + 4 * HOUR + rng.randrange(5 * MINUTE)
            for table in TABLES[:4]:
                key = f"curated/{table}/dt={today - timedelta(days=1)}/part-0001.parquet"
                yield trail.s3_object(rng, clock, who, "GetObject", LAKE, key, size=rng.randint(20_000, 9_000_000))
                clock += rng.randint(2000, 20_000)
            key = f"reports/{uuid4(rng)}.csv"
            yield trail.s3_object(rng, clock, who, "PutObject", RESULTS, key, size=rng.randint(2_000, 90_000))
            continue
        for hour in range(0, 24, 6):
            clock = midnight + hour * HOUR + rng.randrange(2 * MINUTE)
            yield trail.call(rng, clock, who, "ec2", "DescribeInstances", request={"instancesSet": {}, "filterSet": {}})
            yield trail.call(rng, clock + 2000, who, "iam", "ListRoles", region=GLOBAL)
