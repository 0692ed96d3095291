"""The AWS API calls that people make in their ordinary work: name, parameters, answer."""

from collections.abc import Callable
from random import Random
from typing import Any, NamedTuple

from innerwatch_cli.simulate.chance import HEX, text, uuid4
from innerwatch_cli.simulate.company import ACCOUNT
from innerwatch_cli.simulate.estate import ARTIFACTS, ASSETS, DATABASES, GLOBAL, HOME, RESULTS, TRAIL, Favourites

Maker = Callable[[Random, Favourites], Any]


class Api(NamedTuple):
    source: str
    name: str
    reads: bool = True
    request: Maker = lambda rng, own: None
    response: Maker = lambda rng, own: None
    everywhere: bool = False  # logged in us-east-1, as global services are


QUERY = "SELECT {}, count(*) FROM curated.{} GROUP BY 1"


def _service(rng: Random, own: Favourites) -> str:
    return rng.choice(own.services)


def _cluster(rng: Random, own: Favourites) -> dict[str, Any]:
    return {"cluster": "prod", "services": [_service(rng, own)]}


def _log_group(rng: Random, own: Favourites) -> dict[str, Any]:
    return {"logGroupNamePrefix": f"/ecs/{_service(rng, own)}"}


def _log_query(rng: Random, own: Favourites) -> dict[str, Any]:
    service = _service(rng, own)
    return {
        "logGroupName": f"/ecs/{service}",
        "startTime": 1_770_000_000 + rng.randrange(10**7),
        "endTime": 1_780_000_000,
        "queryString": f"fields @message | filter @message like /{rng.choice(('ERROR', 'timeout', '5xx'))}/",
    }


def _instances(rng: Random, own: Favourites) -> dict[str, Any]:
    if rng.random() < 0.5:
        return {"instancesSet": {}, "filterSet": {}}
    return {"instancesSet": {"items": [{"instanceId": rng.choice(own.instances)}]}, "filterSet": {}}


def _function(rng: Random, own: Favourites) -> dict[str, Any]:
    return {"functionName": f"{_service(rng, own)}-worker"}


def _sql(rng: Random, own: Favourites) -> dict[str, Any]:
    table = rng.choice(own.tables)
    return {
        "clientRequestToken": uuid4(rng),
        "queryString": QUERY.format(rng.choice(("country", "plan", "dt")), table),
        "queryExecutionContext": {"database": "curated"},
        "resultConfiguration": {"outputLocation": f"s3://{RESULTS}/athena/"},
        "workGroup": "analysts",
    }


def _query_id(rng: Random, own: Favourites) -> dict[str, Any]:
    return {"queryExecutionId": uuid4(rng)}


def _bucket_policy(rng: Random, own: Favourites) -> dict[str, Any]:
    bucket = rng.choice((ARTIFACTS, ASSETS))
    statement = {
        "Sid": "Delivery",
        "Effect": "Allow",
        "Principal": {"Service": "cloudfront.amazonaws.com"},
        "Action": "s3:GetObject",
        "Resource": f"arn:aws:s3:::{bucket}/*",
        "Condition": {"StringEquals": {"AWS:SourceAccount": ACCOUNT}},
    }
    return {
        "bucketName": bucket,
        "policy": "",
        "Host": f"{bucket}.s3.eu-west-1.amazonaws.com",
        "bucketPolicy": {"Version": "2012-10-17", "Statement": [statement]},
    }


def _snapshot(rng: Random, own: Favourites) -> dict[str, Any]:
    return {
        "snapshotId": f"snap-{text(rng, HEX, 17)}",
        "volumeId": own.volume,
        "status": "pending",
        "ownerId": ACCOUNT,
        "volumeSize": "200",
        "encrypted": True,
    }


def _database_copy(rng: Random, own: Favourites) -> dict[str, Any]:
    database = rng.choice(DATABASES)
    return {"dBInstanceIdentifier": database, "dBSnapshotIdentifier": f"{database}-before-{rng.randint(100, 999)}"}


def _of_service(key: str, form: str = "{}") -> Maker:
    return lambda rng, own: {key: form.format(_service(rng, own))}


def _of_instance(key: str) -> Maker:
    return lambda rng, own: {key: rng.choice(own.instances)}


def _fixed(**parameters: Any) -> Maker:
    return lambda rng, own: parameters


def _one_of(key: str, *values: str) -> Maker:
    return lambda rng, own: {key: rng.choice(values)}


_LIST: tuple[Api, ...] = (
    Api("sts", "GetCallerIdentity"),
    Api("ec2", "DescribeInstances", request=_instances),
    Api("ec2", "DescribeSecurityGroups", request=_fixed(filterSet={}, securityGroupSet={}, securityGroupIdSet={})),
    Api("ec2", "DescribeVolumes", request=_fixed(filterSet={}, volumeSet={})),
    Api("ec2", "DescribeSnapshots", request=_fixed(snapshotSet={}, ownersSet={"items": [{"owner": "self"}]})),
    Api("ec2", "CreateSnapshot", False, lambda rng, own: {"volumeId": own.volume}, _snapshot),
    Api("ec2", "CreateTags", False, lambda rng, own: {
        "resourcesSet": {"items": [{"resourceId": rng.choice(own.instances)}]},
        "tagSet": {"items": [{"key": "team", "value": _service(rng, own)}]},
    }, _fixed(_return=True)),
    Api("ec2", "RebootInstances", False, lambda rng, own: {
        "instancesSet": {"items": [{"instanceId": rng.choice(own.instances)}]}
    }, _fixed(_return=True)),
    Api("rds", "DescribeDBInstances", request=_one_of("dBInstanceIdentifier", *DATABASES)),
    Api("rds", "DescribeDBSnapshots", request=_one_of("dBInstanceIdentifier", *DATABASES)),
    Api("rds", "CreateDBSnapshot", False, _database_copy, lambda rng, own: {
        "status": "creating", "engine": "postgres", "snapshotType": "manual", "encrypted": True
    }),
    Api("ecs", "DescribeServices", request=_cluster),
    Api("ecs", "DescribeTasks", request=lambda rng, own: {
        "cluster": "prod", "tasks": [f"arn:aws:ecs:eu-west-1:{ACCOUNT}:task/prod/{text(rng, HEX, 32)}"]
    }),
    Api("ecs", "ListTasks", request=lambda rng, own: {"cluster": "prod", "serviceName": _service(rng, own)}),
    Api("ecs", "UpdateService", False, lambda rng, own: {
        "cluster": "prod", "service": _service(rng, own), "desiredCount": rng.randint(2, 12)
    }),
    Api("logs", "DescribeLogGroups", request=_log_group),
    Api("logs", "DescribeLogStreams", request=_of_service("logGroupName", "/ecs/{}")),
    Api("logs", "StartQuery", request=_log_query, response=_query_id),
    Api("monitoring", "DescribeAlarms", request=_fixed(maxRecords=100)),
    Api("monitoring", "ListDashboards"),
    Api("monitoring", "GetDashboard", request=_of_service("dashboardName")),
    Api("monitoring", "PutMetricAlarm", False, lambda rng, own: {
        "alarmName": f"{_service(rng, own)}-p99-latency", "threshold": rng.choice((0.5, 1, 2)), "evaluationPeriods": 3
    }),
    Api("monitoring", "DeleteAlarms", False, lambda rng, own: {
        "alarmNames": [f"{_service(rng, own)}-{rng.choice(('cpu', 'memory', 'queue-depth'))}-old"]
    }),
    *(Api("monitoring", name, False, lambda rng, own: {
        "alarmNames": [f"{_service(rng, own)}-p99-latency"]
    }) for name in ("DisableAlarmActions", "EnableAlarmActions")),
    Api("lambda", "ListFunctions20150331"),
    Api("lambda", "GetFunction20150331v2", request=_function),
    Api("lambda", "UpdateFunctionCode20150331v2", False, _function),
    Api("lambda", "UpdateFunctionConfiguration20150331v2", False, _function),
    Api("ecr", "GetAuthorizationToken"),
    Api("ecr", "DescribeImages", request=_of_service("repositoryName")),
    Api("ecr", "BatchGetImage", request=lambda rng, own: {
        "repositoryName": _service(rng, own), "imageIds": [{"imageTag": f"1.{rng.randint(10, 60)}.{rng.randint(0, 9)}"}]
    }),
    Api("cloudformation", "DescribeStacks", request=_of_service("stackName", "{}-prod")),
    Api("cloudformation", "DescribeStackEvents", request=_of_service("stackName", "{}-prod")),
    Api("secretsmanager", "ListSecrets"),
    Api("secretsmanager", "DescribeSecret", request=lambda rng, own: {"secretId": rng.choice(own.secrets)}),
    Api("secretsmanager", "GetSecretValue", request=lambda rng, own: {"secretId": rng.choice(own.secrets)}),
    Api("ssm", "GetParameter", request=lambda rng, own: {
        "name": f"/{_service(rng, own)}/{rng.choice(('flags', 'log-level', 'timeout'))}", "withDecryption": False
    }),
    Api("ssm", "DescribeInstanceInformation"),
    Api("ssm", "StartSession", False, _of_instance("target"), lambda rng, own: {
        "sessionId": f"session-{text(rng, HEX, 17)}", "tokenValue": "Value hidden due to security reasons."
    }),
    Api("ssm", "TerminateSession", False, lambda rng, own: {"sessionId": f"session-{text(rng, HEX, 17)}"}),
    Api("kms", "DescribeKey", request=_fixed(keyId="alias/prod-data")),
    Api("kms", "ListAliases"),
    Api("s3", "ListBuckets", request=_fixed(Host="s3.eu-west-1.amazonaws.com")),
    Api("s3", "GetBucketPolicy", request=_fixed(bucketName=ASSETS, policy="")),
    Api("s3", "PutBucketPolicy", False, _bucket_policy),
    Api("s3", "GetBucketLocation", request=_fixed(bucketName=ARTIFACTS, location="")),
    Api("athena", "StartQueryExecution", False, _sql, _query_id),
    Api("athena", "GetQueryExecution", request=_query_id),
    Api("athena", "GetQueryResults", request=_query_id),
    Api("athena", "ListQueryExecutions", request=_fixed(workGroup="analysts")),
    Api("glue", "GetDatabases"),
    Api("glue", "GetTables", request=_fixed(databaseName="curated")),
    Api("glue", "GetTable", request=lambda rng, own: {"databaseName": "curated", "name": rng.choice(own.tables)}),
    Api("glue", "StartJobRun", False, lambda rng, own: {"jobName": f"load-{rng.choice(own.tables)}"},
        lambda rng, own: {"jobRunId": f"jr_{text(rng, HEX, 32)}"}),
    Api("glue", "GetJobRuns", request=lambda rng, own: {"jobName": f"load-{rng.choice(own.tables)}"}),
    Api("sagemaker", "ListTrainingJobs"),
    Api("sagemaker", "DescribeTrainingJob", request=lambda rng, own: {
        "trainingJobName": f"churn-{rng.randint(100, 400)}"
    }),
    Api("cloudtrail", "DescribeTrails", request=_fixed(trailNameList=[], includeShadowTrails=True)),
    Api("cloudtrail", "GetTrailStatus", request=_fixed(name=TRAIL)),
    Api("cloudtrail", "GetEventSelectors", request=_fixed(trailName=TRAIL)),
    Api("cloudtrail", "LookupEvents", request=_fixed(maxResults=50)),
    Api("guardduty", "ListFindings", request=_fixed(detectorId="12abc34d567e8fa901bc2d34e56789f0")),
    Api("guardduty", "GetFindings", request=_fixed(detectorId="12abc34d567e8fa901bc2d34e56789f0")),
    Api("access-analyzer", "ListFindingsV2"),
    Api("iam", "ListUsers", everywhere=True),
    Api("iam", "ListRoles", everywhere=True),
    Api("iam", "ListAccessKeys", everywhere=True),
    Api("iam", "GetRole", request=_of_service("roleName", "{}-task"), everywhere=True),
    Api("iam", "ListAttachedRolePolicies", request=_of_service("roleName", "{}-task"), everywhere=True),
    Api("iam", "PutRolePolicy", False, lambda rng, own: {
        "roleName": f"{_service(rng, own)}-task", "policyName": "runtime",
        "policyDocument": '{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"sqs:*","Resource":"*"}]}',
    }, everywhere=True),
    Api("iam", "GenerateCredentialReport", False, response=_fixed(state="STARTED"), everywhere=True),
    Api("iam", "GetCredentialReport", everywhere=True),
    Api("iam", "GetAccountAuthorizationDetails", everywhere=True),
    Api("ce", "GetCostAndUsage", request=_fixed(granularity="MONTHLY", metrics=["UnblendedCost"]), everywhere=True),
    Api("ce", "GetCostForecast", request=_fixed(granularity="MONTHLY", metric="UNBLENDED_COST"), everywhere=True),
)  # fmt: skip
APIS: dict[str, Api] = {f"{api.source}:{api.name}": api for api in _LIST}


def region_of(api: Api, own: Favourites) -> str:
    """Where a call is logged; all buckets are at home."""
    if api.everywhere:
        return GLOBAL
    return HOME if api.source == "s3" else own.region
