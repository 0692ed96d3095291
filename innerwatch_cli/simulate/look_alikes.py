"""Innocent work that looks like an insider's: the migration, the changed trail, the key switched off, the root user.

What looks so within ordinary work (busy days, call-backs, supervisors, on-call nights, exports) is where that work is.
"""

from collections.abc import Iterator
from datetime import date
from random import Random

from innerwatch_cli.simulate import cloud, trail
from innerwatch_cli.simulate.cast import OPERATORS
from innerwatch_cli.simulate.company import ACCOUNT
from innerwatch_cli.simulate.estate import GLOBAL, HOME, PROFILES, STAGING, TRAIL
from innerwatch_cli.simulate.records import Record
from innerwatch_cli.simulate.worktime import HOUR, MINUTE, instant
from innerwatch_cli.simulate.world import World

STORIES: dict[str, str] = {
    "busy_day": "A Monday after an outage brought twice the cases, and the whole desk looked up twice the customers.",
    "cover": "Agents worked on cases of absent colleagues, which are assigned to somebody else.",
    "call_back": "Customers rang again after their case was closed, and the agent opened their data once more.",
    "mistyped_search": "Agents mistyped a number or took a namesake, and so saw a customer who had no case.",
    "case_system_outage": "For an hour the console lost its link to the case system, so that no lookup carried a case.",
    "supervisor_review": "Supervisors read many cases of their team, none of which is assigned to them.",
    "new_hire": "New agents searched more, erred more and did less until they had learned the work.",
    "on_call_night": "Whoever was on call worked in production at night because the pager rang.",
    "marketing_export": "Campaign managers exported whole segments for the month's newsletter.",
    "quarterly_report": "An analyst queried and exported far more than usual for the quarter's figures.",
    "migration": "An engineer moved customers' objects to a new store over a weekend, under an approved change.",
    "contractor_left": "A contractor's engagement ended as agreed, and the access key was switched off that day.",
    "leaver_innocent": "Gave notice, and went on with ordinary work until the end.",
    "on_leave": "A support agent was on leave and did nothing meanwhile; colleagues took over the cases.",
    "role_change": "A support agent became a data analyst: other systems and other data from one day to the next.",
    "promotion": "A support agent was promoted, with the same work as before.",
    "team_move": "A support agent moved to another team, with other colleagues and another supervisor.",
    "trail_changed": "Security had the account's trail record more data events, and nothing else followed.",
    "root_used": "The root user signed in, with a second factor, to change the billing contact.",
}


def day(world: World, today: date) -> Iterator[Record]:
    yield from _migration(world, today)
    yield from _key_off(world, today)
    yield from _trail_changed(world, today)
    yield from _root_used(world, today)


def migration_day(world: World) -> date:
    """The first Saturday after 45 % of the period."""
    days = world.period.span(0.45, 1.0)[:-1]
    return next((day for day in days if day.weekday() == 5), days[0])


def _migration(world: World, today: date) -> Iterator[Record]:
    """Reads object after object, and writes them elsewhere: one weekend, thousands of customers, one engineer."""
    if today != migration_day(world):
        return
    people = world.cast.parts["migration"]
    for number, person in enumerate(people):
        rng = world.streams("migration", person.id)
        start = instant(today, rng.uniform(8, 11) * 60, person.site.zone)
        count = min(6000, 200 + 8 * len(world.company.people))
        work = world.attendance.off_shift(person, today, start, 8 * 60, rng)
        if work is None:
            continue
        base = cloud.session(world, rng, work, start, console=False)
        session = f"CHG-{2000 + rng.randint(1, 900)}"
        who = trail.role(
            rng,
            world.estate,
            "migration-runner",
            session,
            start,
            work.address,
            work.habits.tool,
            source_identity=person.email,
            employee_id=person.id,
        )
        yield trail.assume(rng, start, base, who, alike="migration")
        clock = start + MINUTE
        share = world.customers.count // len(people)
        first = number * share + rng.randrange(max(1, share - count))
        for index in range(count):
            customer = f"C-{100001 + min(first + index, world.customers.count - 1)}"
            key = f"customers/{customer}/profile.json"
            size = rng.randint(900, 9000)
            yield trail.s3_object(rng, clock, who, "GetObject", PROFILES, key, size=size, alike="migration")
            if index % 25 == 24:
                key = f"batch-{index // 25:04d}/customers.ndjson"
                yield trail.s3_object(rng, clock, who, "PutObject", STAGING, key, size=25 * size, alike="migration")
            clock += int(rng.expovariate(1 / (4 * HOUR / count)))


def _key_off(world: World, today: date) -> Iterator[Record]:
    """What is done when a contractor leaves, and was forgotten for the one whose key lives on."""
    for person in world.cast.parts["contractor_left"]:
        job = person.job(today)
        if job is None or job.last_day != today:
            continue
        rng = world.streams("key-off", person.id)
        for operator in world.company.staff(today, *OPERATORS):
            if (work := world.attendance.workday(operator, today)) is not None:
                start = work.moment(rng, 0.6, 0.95)
                who = cloud.session(world, rng, work, start, console=False)
                request = {"userName": person.iam_user, "accessKeyId": person.access_key, "status": "Inactive"}
                yield trail.call(
                    rng, start, who, "iam", "UpdateAccessKey", region=GLOBAL, read_only=False, request=request
                )
                break


def _trail_changed(world: World, today: date) -> Iterator[Record]:
    if today not in (world.period.at(0.3), world.period.at(0.7)):
        return
    rng = world.streams("trail-changed", today)
    staff = world.company.staff(today, "Security Engineer", "Platform Lead", *OPERATORS)
    innocent = [person for person in staff if person.id not in world.cast.guilty]
    for person in innocent:
        work = world.attendance.workday(person, today)
        if work is None:
            continue
        start = work.moment(rng, 0.1, 0.8)
        who = cloud.session(world, rng, work, start, console=True)
        buckets = [f"arn:aws:s3:::{bucket}/" for bucket in (PROFILES, STAGING)]
        yield trail.call(rng, start, who, "cloudtrail", "GetEventSelectors", request={"trailName": TRAIL})
        yield put_selectors(rng, start + 2 * MINUTE, who, buckets, alike="trail_changed")
        return


def put_selectors(
    rng: Random,
    time: int,
    who: trail.Principal,
    buckets: list[str],
    *,
    management: bool = True,
    alike: str = "",
) -> Record:
    """Sets what the account's trail records: management events, and the data events of some buckets."""
    selector = {
        "readWriteType": "All",
        "includeManagementEvents": management,
        "dataResources": [{"type": "AWS::S3::Object", "values": buckets}] if buckets else [],
        "excludeManagementEventSources": [],
    }
    return trail.call(
        rng,
        time,
        who,
        "cloudtrail",
        "PutEventSelectors",
        read_only=False,
        request={"trailName": TRAIL, "eventSelectors": [selector]},
        response={
            "trailARN": f"arn:aws:cloudtrail:{HOME}:{ACCOUNT}:trail/{TRAIL}",
            "eventSelectors": [selector],
        },
        alike=alike,
    )


def _root_used(world: World, today: date) -> Iterator[Record]:
    """Once in some weeks, in the office."""
    period = world.period
    if (today - period.start).days % 45 != min(17, period.days // 2) or today.weekday() > 4:
        return
    rng = world.streams("root", today)
    start = instant(today, rng.uniform(9.5, 16) * 60, "Europe/Dublin")
    who = trail.root(rng, start, "198.51.100.10", "Mozilla/5.0 (Windows NT 10.0; Win64; x64) Chrome/144.0.0.0")
    for record in (
        trail.console_login(rng, start, who, mfa=True),
        trail.call(rng, start + MINUTE, who, "account", "GetAlternateContact", region=GLOBAL),
        trail.call(rng, start + 3 * MINUTE, who, "account", "PutAlternateContact", region=GLOBAL, read_only=False),
    ):
        yield record._replace(alike="root_used")
