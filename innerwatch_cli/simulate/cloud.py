"""Ordinary work in AWS: sessions in the console and at the command line, each role in its own way."""

from collections.abc import Generator, Iterator
from datetime import date, timedelta
from random import Random

from innerwatch_cli.simulate import trail
from innerwatch_cli.simulate.apis import APIS, region_of
from innerwatch_cli.simulate.attendance import Workday
from innerwatch_cli.simulate.cast import DEVELOPERS, OPERATORS
from innerwatch_cli.simulate.chance import poisson, uuid4
from innerwatch_cli.simulate.company import ACCOUNT, Person
from innerwatch_cli.simulate.estate import HOME, PROFILES, Favourites
from innerwatch_cli.simulate.profiles import IN_PRODUCTION, OBJECTS, PROFILE, Profile
from innerwatch_cli.simulate.records import Record
from innerwatch_cli.simulate.trail import Principal
from innerwatch_cli.simulate.worktime import DAY, MINUTE, instant
from innerwatch_cli.simulate.world import World

OPERATE = "prod-operator"  # the role that people take on for work in production


def day(world: World, today: date) -> Iterator[Record]:
    for person in world.company.staff(today, *PROFILE):
        work = world.attendance.workday(person, today)
        if work is not None:
            yield from _sessions(world, work, world.streams("cloud", person.id, today))
            yield from _evening(world, work)
    yield from _on_call(world, today)


def _sessions(world: World, work: Workday, rng: Random) -> Iterator[Record]:
    profile = PROFILE[work.job.role]
    if work.job.type == "contractor":  # they were hired to move the customers' data to a new store
        profile = profile._replace(mix={**profile.mix, "read:staging": 14, "read:profiles": 2})
    part = work.minutes / 450
    signed_in = False
    for start in sorted(work.moment(rng, 0.01, 0.9) for _ in range(poisson(rng, profile.sessions * part))):
        keyed = bool(work.person.access_key) and rng.random() < (0.7 if work.job.type == "contractor" else 0.15)
        if keyed and work.job.type == "employee" and rng.random() < 0.5:
            who = yield from _iam_sign_in(world, rng, work, start)
        elif keyed:
            who = key_of(world, work)
        else:
            if not signed_in:
                yield authentication(world, rng, start - MINUTE, work)
                signed_in = True
            console = rng.random() < profile.console
            who = session(world, rng, work, start, console=console)
            yield from _opening(world, rng, start, work, who, console=console)
        yield from calls(world, rng, start + MINUTE // 4, work.person, who, profile, rng.randint(*profile.calls))
    for _ in range(poisson(rng, profile.operates * part)):
        yield from operating(world, rng, work, work.moment(rng, 0.05, 0.9), rng.randint(3, 9))


def _evening(world: World, work: Workday) -> Iterator[Record]:
    """Some go on a little at home."""
    rng = world.streams("evening", work.person.id, work.day)
    if rng.random() >= work.habits.evenings:
        return
    late = world.attendance.evening(work.person, work.day, rng)
    if late is not None and late.job.present:
        profile = PROFILE[late.job.role]
        who = yield from signed_in(world, rng, late.start + MINUTE, late, console=rng.random() < profile.console)
        yield from calls(world, rng, late.start + 2 * MINUTE, late.person, who, profile, rng.randint(*profile.calls))


def session(world: World, rng: Random, work: Workday, start: int, *, console: bool) -> Principal:
    """A session of the person's own permission set."""
    agent = work.habits.browser if console else work.habits.tool
    permission_set = PROFILE[work.job.role].permission_set
    who = trail.sso(rng, world.estate, work.person, permission_set, start, work.address, agent)
    if work.job.department == "Data & Analytics":  # their tools pass the person's identity on
        who.identity["onBehalfOf"] = trail.on_behalf_of(world.estate, work.person)
    return who


def key_of(world: World, work: Workday) -> Principal:
    """The person's IAM user, by its access key."""
    person = work.person
    return trail.iam_user(world.estate, person.iam_user, person.access_key, work.address, work.habits.tool, person.id)


def _iam_sign_in(world: World, rng: Random, work: Workday, start: int) -> Generator[Record, None, Principal]:
    """The console, as an IAM user: some still do."""
    person = work.person
    browser = work.habits.browser
    who = trail.iam_console(rng, world.estate, person.iam_user, start, work.address, browser, person.id)
    if rng.random() < 0.06:  # a mistyped password
        yield trail.console_login(rng, start - 20_000, who, mfa=False, failed=True)
    yield trail.console_login(rng, start, who, mfa=True)
    return who


def authentication(world: World, rng: Random, time: int, work: Workday) -> Record:
    """The person signs in to Identity Center."""
    who = trail.identity_center(rng, world.estate, work.person, work.address, work.habits.browser)
    return trail.call(
        rng,
        time,
        who,
        "signin",
        "UserAuthentication",
        read_only=False,
        additional={
            "AuthWorkflowID": uuid4(rng),
            "CredentialType": "PASSWORD,TOTP",
            "LoginTo": "https://example.awsapps.com/start",
        },
        kind="AwsServiceEvent",
        host=f"{HOME}.signin.aws",
    )


def signed_in(
    world: World, rng: Random, time: int, work: Workday, *, console: bool, alike: str = ""
) -> Generator[Record, None, Principal]:
    """All that comes before a session's first call; returns whose session it is."""
    yield authentication(world, rng, time - MINUTE, work)._replace(alike=alike)
    who = session(world, rng, work, time, console=console)
    for record in _opening(world, rng, time, work, who, console=console):
        yield record._replace(alike=alike)
    return who


def _opening(world: World, rng: Random, time: int, work: Workday, who: Principal, *, console: bool) -> Iterator[Record]:
    """How Identity Center hands a role's credentials to the console or to the command line."""
    portal = trail.identity_center(rng, world.estate, work.person, work.address, who.agent)
    request = {"role_name": PROFILE[work.job.role].permission_set, "account_id": ACCOUNT}
    name = "Federate" if console else "GetRoleCredentials"
    yield trail.call(
        rng, time, portal, "sso", name, request=None if console else request, kind="AwsServiceEvent",
        host=f"portal.sso.{HOME}.amazonaws.com",
    )  # fmt: skip
    if console:
        yield trail.console_login(rng, time + 1000, who)


def calls(
    world: World,
    rng: Random,
    start: int,
    person: Person,
    who: Principal,
    profile: Profile,
    count: int,
    alike: str = "",
) -> Iterator[Record]:
    own = world.estate.favourites(person.id)
    names, weights = list(profile.mix), list(profile.mix.values())
    clock = start
    for name in rng.choices(names, weights, k=count):
        refused = rng.random() < profile.refused
        yield _call(world, rng, clock, who, name, own, refused=refused, alike=alike)
        clock += int(rng.expovariate(1 / 50) * 1000) + 400


def _call(
    world: World, rng: Random, time: int, who: Principal, name: str, own: Favourites, *, refused: bool, alike: str
) -> Record:
    kind, _, what = name.partition(":")
    if kind in ("read", "write"):
        made = OBJECTS[what]
        key = made.key.format(
            service=rng.choice(own.services),
            table=rng.choice(own.tables),
            number=rng.randint(1, 400),
            day=world.period.day(int((time - world.period.begin) // DAY) - rng.randint(0, 5)),
            uuid=uuid4(rng),
            customer=world.customers.one(rng),
        )
        event = "GetObject" if kind == "read" else "PutObject"
        error = trail.fault(rng, who, f"s3:{event}", f"arn:aws:s3:::{made.bucket}/{key}") if refused else None
        size = 0 if refused else int(rng.triangular(*made.size, made.size[0]))
        return trail.s3_object(rng, time, who, event, made.bucket, key, size=size, error=error, alike=alike)
    api = APIS[name]
    error = trail.fault(rng, who, name, "*") if refused else None
    return trail.call(
        rng,
        time,
        who,
        api.source,
        api.name,
        region=region_of(api, own),
        read_only=api.reads,
        request=api.request(rng, own),
        response=api.response(rng, own),
        error=error,
        alike=alike,
    )


def operating(world: World, rng: Random, work: Workday, start: int, count: int, alike: str = "") -> Iterator[Record]:
    """Work in production, under the role meant for it; whose work, its `sourceIdentity` says, nearly always."""
    base = session(world, rng, work, start, console=False)
    person = work.person
    source = person.email if rng.random() < 0.93 else ""
    who = trail.role(
        rng,
        world.estate,
        OPERATE,
        person.username,
        start,
        work.address,
        work.habits.tool,
        source_identity=source,
        employee_id=person.id,
    )
    yield trail.assume(rng, start, base, who, alike=alike)
    last = start
    for record in calls(world, rng, start + 5000, person, who, IN_PRODUCTION, count, alike):
        last = record.time
        yield record
    if rng.random() < 0.1:  # a fault that shows in one customer's data
        for _ in range(rng.randint(1, 2)):
            last += int(rng.uniform(5, 90) * 1000)
            yield profile_read(rng, last, who, world.customers.one(rng), alike=alike)


def profile_read(
    rng: Random,
    time: int,
    who: Principal,
    customer: str,
    *,
    error: tuple[str, str] | None = None,
    alike: str = "",
) -> Record:
    """One customer's object in the bucket of profiles."""
    key = f"customers/{customer}/{rng.choices(('profile.json', 'documents.json'), (4, 1))[0]}"
    size = 0 if error else rng.randint(900, 9000)
    return trail.s3_object(rng, time, who, "GetObject", PROFILES, key, size=size, error=error, alike=alike)


def _on_call(world: World, today: date) -> Iterator[Record]:
    """One engineer a week answers for the nights; some nights the pager rings."""
    rng = world.streams("on-call", today)
    rota = world.company.staff(today, *OPERATORS, *DEVELOPERS[1:])
    rota = [person for person in rota if (job := person.job(today)) and job.last_day is None]
    outage = today + timedelta(days=1) in world.demand.busy  # what will keep the support desk busy
    if not rota or not (outage or rng.random() < 0.4):
        return
    person = rota[today.toordinal() // 7 % len(rota)]
    for _ in range(rng.choice((1, 1, 2))):
        start = instant(today, rng.uniform(22 * 60, 30 * 60), person.site.zone)
        work = world.attendance.off_shift(person, today, start, 75, rng)
        if work is None:
            return
        who = yield from signed_in(world, rng, start + MINUTE, work, console=True)
        yield from calls(
            world, rng, start + 2 * MINUTE, person, who, IN_PRODUCTION, rng.randint(4, 10), "on_call_night"
        )
        yield from operating(world, rng, work, start + 14 * MINUTE, rng.randint(5, 16), "on_call_night")
