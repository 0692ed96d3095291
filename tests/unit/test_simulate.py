"""A simulated company, read back from its files: it hangs together, and its answers are what its logs hold."""

import csv
import gzip
import json
import re
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from functools import cached_property
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from innerwatch import instants
from innerwatch.directory import Directory, employment, in_memory
from innerwatch.errors import UserError
from innerwatch.hr import load_feed
from innerwatch.sources import recognise
from innerwatch.values import Event, Origin
from innerwatch_cli.commands.simulate import simulate as command
from innerwatch_cli.simulate import simulate

PEOPLE, DAYS, START = 60, 28, date(2026, 3, 2)
BEGIN = instants.of(datetime(2026, 3, 2, tzinfo=UTC))
DAY = 86_400_000
FOREVER = "2100-01-01T00:00:00Z"
KINDS = {
    "case_free_lookup_and_send",
    "slow_export",
    "leaver_shares_data",
    "terminated_key_in_use",
    "logging_disabled",
    "collusion",
}
# Who acts in the account without being a person: no HR feed knows them.
PROGRAMS = {"profile-api-task", "app-server", "nightly-load", "github-deploy"}


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


@dataclass
class Written:
    """A company's files, read with nothing of the simulator's own."""

    folder: Path

    @cached_property
    def trail(self) -> list[dict[str, Any]]:
        return [
            record
            for path in sorted(self.folder.glob("cloudtrail/**/*.json.gz"))
            for record in json.loads(gzip.decompress(path.read_bytes()))["Records"]
        ]

    @cached_property
    def access(self) -> list[dict[str, Any]]:
        return [
            json.loads(line)
            for path in sorted(self.folder.glob("app/**/*.ndjson.gz"))
            for line in gzip.decompress(path.read_bytes()).splitlines()
        ]

    @cached_property
    def truth(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads((self.folder / "truth.json").read_bytes())
        return found

    @cached_property
    def directory(self) -> Directory:
        return in_memory(load_feed(self.folder / "hr" / name) for name in ("employees.csv", "owners.csv"))

    @cached_property
    def shown(self) -> dict[str, set[str]]:
        """Event id → the customers whose data the event showed."""
        found = {entry["id"]: set(entry.get("customers", ())) for entry in self.access if entry["outcome"] == "success"}
        for record in self.trail:
            key = (record["requestParameters"] or {}).get("key", "")
            match = re.match(r"customers/(C-\d+)/", key)
            if match and record["eventName"] == "GetObject" and "errorCode" not in record:
                found[record["eventID"]] = {match[1]}
        return found

    @cached_property
    def times(self) -> dict[str, int]:
        return {
            **{entry["id"]: instants.from_rfc3339(entry["time"]) for entry in self.access},
            **{record["eventID"]: instants.from_rfc3339(record["eventTime"]) for record in self.trail},
        }

    @cached_property
    def guilty(self) -> set[str]:
        return {person for insider in self.truth["insiders"] for person in insider["employee_ids"]}


@pytest.fixture(scope="module")
def company(tmp_path_factory: pytest.TempPathFactory) -> Written:
    folder = tmp_path_factory.mktemp("company")
    simulate(11, PEOPLE, DAYS, folder, START)
    return Written(folder)


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_the_same_seed_gives_the_same_bytes_and_another_seed_does_not(tmp_path: Path) -> None:
    for name, seed in (("one", 3), ("two", 3), ("other", 4)):
        simulate(seed, 20, 14, tmp_path / name)
    assert contents(tmp_path / "one") == contents(tmp_path / "two")
    assert contents(tmp_path / "one").keys() != contents(tmp_path / "other").keys()


def test_ids_are_unique(company: Written) -> None:
    ids = [entry["id"] for entry in company.access] + [record["eventID"] for record in company.trail]
    assert len(ids) == len(set(ids)) > 15_000


def test_all_kinds_of_insiders_are_there(company: Written) -> None:
    assert {insider["kind"] for insider in company.truth["insiders"]} == KINDS
    pairs = [insider for insider in company.truth["insiders"] if insider["kind"] == "collusion"]
    assert all(len(insider["employee_ids"]) == 2 for insider in pairs)


def test_the_answers_are_what_the_logs_hold(company: Written) -> None:
    known = {row["employee_id"] for row in rows(company.folder / "hr" / "employees.csv")}
    for insider in company.truth["insiders"]:
        acts = insider["event_ids"]
        assert acts
        assert len(acts) == len(set(acts))
        assert set(acts) <= company.times.keys()
        assert set(insider["employee_ids"]) <= known
        shown = set().union(*(company.shown.get(act, set()) for act in acts))
        assert shown == set(insider["customer_ids"])
        when = [company.times[act] for act in acts]
        first, last = (instants.from_rfc3339(insider[name]) // 1000 for name in ("first_act", "last_act"))
        assert (first, last) == (min(when) // 1000, max(when) // 1000)
        assert min(when) >= BEGIN + DAYS * DAY // 3


def test_insiders_do_their_ordinary_work_too(company: Written) -> None:
    acts = {act for insider in company.truth["insiders"] for act in insider["event_ids"]}
    ordinary = Counter(owner_of(company, item) for item in everything(company) if identity(item) not in acts)
    assert all(ordinary[person] > 30 for person in company.guilty)


def test_look_alikes_are_innocent_and_in_the_logs(company: Written) -> None:
    acts = {act for insider in company.truth["insiders"] for act in insider["event_ids"]}
    alikes = {alike["kind"]: alike for alike in company.truth["look_alikes"]}
    assert alikes.keys() >= {
        *("busy_day", "cover", "call_back", "supervisor_review", "new_hire", "on_call_night", "marketing_export"),
        *("quarterly_report", "migration", "contractor_left", "leaver_innocent", "role_change", "trail_changed"),
    }
    for kind, alike in alikes.items():
        assert set(alike["event_ids"]) <= company.times.keys() - acts, kind
        assert not set(alike["employee_ids"]) & company.guilty, kind
        assert alike["story"], kind
        assert alike["event_ids"] or kind in {"on_leave", "team_move", "promotion"}, kind


def everything(company: Written) -> Iterator[dict[str, Any]]:
    yield from company.access
    yield from company.trail


def identity(item: Mapping[str, Any]) -> str:
    return str(item.get("eventID") or item["id"])


def account_of(item: Mapping[str, Any]) -> str:
    """The identifier by which an actor is found; empty for what is no person."""
    if "actor" in item:
        return f"email:{item['actor']['email']}"
    who = item["userIdentity"]
    if who["type"] == "IdentityCenterUser":
        return f"identity_center:{who['onBehalfOf']['userId']}"
    if who["type"] == "IAMUser":
        return f"iam_user:123456789012:user/{who['userName']}"
    if who["type"] in ("AWSService", "Root", "WebIdentityUser"):
        return ""
    issuer = who["sessionContext"]["sessionIssuer"]["userName"]
    if issuer in PROGRAMS:
        return ""
    session = who["arn"].rpartition("/")[2]
    named = who["sessionContext"].get("sourceIdentity") or session
    return f"email:{named}" if "@" in named else f"username:{named}"


def owner_of(company: Written, item: Mapping[str, Any]) -> str:
    identifier = account_of(item)
    found = company.directory.owner(identifier.lower(), company.times[identity(item)]) if identifier else None
    return found.employee_id if found else ""


def test_every_actor_is_a_program_or_is_found_in_the_hr_feed_and_employed_then(company: Written) -> None:
    acts = {
        act
        for insider in company.truth["insiders"]
        if insider["kind"] == "terminated_key_in_use"
        for act in insider["event_ids"]
    }
    for item in everything(company):
        if not account_of(item):
            continue
        time = company.times[identity(item)]
        person = owner_of(company, item)
        assert person, item
        fact = company.directory.state(person, time)
        assert fact is not None
        status = employment.status_at(fact.employee, time)
        expected = {"terminated"} if identity(item) in acts else {"active", "notice"}
        assert status in expected, item


def test_events_lie_in_the_period_and_in_the_file_of_their_hour(company: Written) -> None:
    assert all(BEGIN <= time < BEGIN + DAYS * DAY for time in company.times.values())
    for path in company.folder.glob("app/**/*.ndjson.gz"):
        *_, application, year, month, day, name = path.parts
        for line in gzip.decompress(path.read_bytes()).splitlines():
            entry = json.loads(line)
            assert entry["time"].startswith(f"{year}-{month}-{day}T{name[:2]}")
            assert entry["application"] == application


def test_cloudtrail_objects_have_the_keys_that_aws_gives_them(company: Written) -> None:
    paths = list(company.folder.glob("cloudtrail/**/*.json.gz"))
    pattern = re.compile(
        r"cloudtrail/AWSLogs/123456789012/CloudTrail/([a-z0-9-]+)/(\d{4})/(\d\d)/(\d\d)/"
        r"123456789012_CloudTrail_\1_\2\3\4T(\d{4})Z_[A-Za-z0-9]{16}\.json\.gz"
    )
    for path in paths:
        match = pattern.fullmatch(path.relative_to(company.folder).as_posix())
        assert match, path
        delivered = instants.from_rfc3339(f"{match[2]}-{match[3]}-{match[4]}T{match[5][:2]}:{match[5][2:]}:00Z")
        for record in json.loads(gzip.decompress(path.read_bytes()))["Records"]:
            assert record["awsRegion"] == match[1]
            assert delivered - 65 * 60_000 <= instants.from_rfc3339(record["eventTime"]) < delivered
    assert len({path.parts[-5] for path in paths}) == 3  # regions


def test_cloudtrail_records_are_whole(company: Written) -> None:
    for record in company.trail:
        assert record["eventVersion"] == "1.11"
        assert record.keys() >= {
            *("userIdentity", "eventTime", "eventSource", "eventName", "awsRegion", "sourceIPAddress", "userAgent"),
            *("requestParameters", "responseElements", "requestID", "eventID", "readOnly", "eventType"),
            *("managementEvent", "recipientAccountId", "eventCategory"),
        }
        assert (record["eventCategory"] == "Management") is record["managementEvent"]
    kinds = Counter(record["userIdentity"]["type"] for record in company.trail)
    assert kinds.keys() == {"AssumedRole", "AWSService", "IdentityCenterUser", "IAMUser", "WebIdentityUser", "Root"}
    assert any(record["userIdentity"].get("sessionContext", {}).get("sourceIdentity") for record in company.trail)
    errors = sum("errorCode" in record for record in company.trail)
    assert 0.001 < errors / len(company.trail) < 0.03


def test_a_chained_sessions_key_was_handed_out_to_the_same_person(company: Written) -> None:
    given = {
        record["responseElements"]["credentials"]["accessKeyId"]: owner_of(company, record)
        for record in company.trail
        if record["eventName"] == "AssumeRole" and record["userIdentity"]["type"] == "AssumedRole"
    }
    chained = [
        record
        for record in company.trail
        if ":assumed-role/prod-operator/" in record["userIdentity"].get("arn", "")
        or ":assumed-role/migration-runner/" in record["userIdentity"].get("arn", "")
    ]
    assert len(chained) > 200
    for record in chained:
        assert given[record["userIdentity"]["accessKeyId"]] == owner_of(company, record)


def test_addresses_are_documentation_addresses(company: Written) -> None:
    addresses = {entry["source"]["ip"] for entry in company.access} | {
        record["sourceIPAddress"]
        for record in company.trail
        if not record["sourceIPAddress"].endswith(".amazonaws.com")
    }
    for address in addresses:
        assert re.match(r"192\.0\.2\.|198\.51\.100\.|203\.0\.113\.|2001:db8:", address), address


def test_the_sources_take_every_record(company: Written) -> None:
    lines = {
        "app.access": [json.dumps(entry).encode() for entry in company.access],
        "aws.cloudtrail": [json.dumps(record).encode() for record in company.trail],
    }
    for dataset, records in lines.items():
        source = recognise(records[0])
        assert source is not None
        assert dataset == source.DATASET
        parsed = [source.parse(record, Origin("test", position)) for position, record in enumerate(records, 1)]
        assert all(isinstance(event, Event) for event in parsed)


def test_hr_rows_are_in_order_and_say_the_same_as_their_dates(company: Written) -> None:
    history: dict[str, list[dict[str, str]]] = defaultdict(list)
    for row in rows(company.folder / "hr" / "employees.csv"):
        history[row["employee_id"]].append(row)
    assert len(history) == PEOPLE
    seen = {row["status"] for person in history.values() for row in person}
    assert seen == {"pre_hire", "active", "leave", "notice", "terminated"}
    for person, own in history.items():
        days = [row["effective_date"] for row in own]
        assert days == sorted(set(days))
        assert len({row["email"] for row in own}) == 1
        for row in own:
            time = employment.starts_at(row["effective_date"], row["time_zone"])
            fact = company.directory.state(person, time)
            assert fact is not None
            assert employment.status_at(fact.employee, time) == row["status"], row
            assert (row["status"] in ("notice", "terminated")) or not row["notice_at"]
            if row["type"] == "employee":
                assert bool(row["last_day"]) is (row["status"] in ("notice", "terminated"))
            else:
                assert row["last_day"]
            assert row["manager_id"] in history or row["role"] == "Managing Director"


def test_no_feed_row_is_bad(company: Written) -> None:
    for name in ("employees.csv", "owners.csv"):
        assert load_feed(company.folder / "hr" / name).bad == ()


def test_people_work_in_their_shifts_and_weekends_are_quiet(company: Written) -> None:
    on_shift: Counter[str] = Counter()
    total: Counter[str] = Counter()
    for entry in company.access:
        time = company.times[entry["id"]]
        fact = company.directory.state(owner_of(company, entry), time)
        assert fact is not None
        total[fact.employee.department] += 1
        on_shift[fact.employee.department] += bool(employment.on_shift(fact.employee, time))
    assert total["Customer Support"] > 5000
    assert all(on_shift[name] / total[name] > 0.85 for name in total if total[name] > 500), (on_shift, total)
    days = Counter(date.fromisoformat(entry["time"][:10]) for entry in company.access)
    weekdays = [count for day, count in days.items() if day.weekday() < 5]
    weekend = [count for day, count in days.items() if day.weekday() >= 5]
    assert sum(weekend) / len(weekend) < 0.5 * sum(weekdays) / len(weekdays)


def test_the_busy_day_is_busy(company: Written) -> None:
    alike = next(alike for alike in company.truth["look_alikes"] if alike["kind"] == "busy_day")
    days = Counter(datetime.fromtimestamp(company.times[act] / 1000, UTC).date() for act in alike["event_ids"])
    busy = max(days, key=lambda day: days[day])
    assert busy.weekday() == 0
    seen: dict[str, list[str]] = defaultdict(list)
    for entry in company.access:
        if entry["application"] == "support-console":
            seen[entry["time"][:10]].append(entry["actor"]["id"])
    each = {day: len(actors) / len(set(actors)) for day, actors in seen.items()}  # events a person
    others = [each[(START + timedelta(days=index)).isoformat()] for index in range(0, DAYS, 7)]
    assert each[busy.isoformat()] > 1.35 * (sum(others) - each[busy.isoformat()]) / (len(others) - 1)


def test_most_customers_are_opened_for_a_case_that_is_open_and_ones_own(company: Written) -> None:
    spans: dict[str, list[tuple[int, int]]] = defaultdict(list)
    customer: dict[str, str] = {}
    for row in rows(company.folder / "cases" / "cases.csv"):
        opened, closed = (instants.from_rfc3339(row[name] or FOREVER) for name in ("opened_at", "closed_at"))
        assert opened <= closed
        assert (row["status"] == "closed") is bool(row["closed_at"])
        spans[row["case_id"]].append((opened, closed))
        customer[row["case_id"]] = row["customer_id"]
    held: dict[str, list[tuple[str, int, int]]] = defaultdict(list)
    for row in rows(company.folder / "cases" / "assignments.csv"):
        start, end = (instants.from_rfc3339(row[name] or FOREVER) for name in ("from", "to"))
        assert start <= end
        held[row["case_id"]].append((row["employee_id"], start, end))
    assert any(len(own) > 1 for own in spans.values())  # reopened
    assert any(len({person for person, _, _ in own}) > 1 for own in held.values())  # transferred
    counts: Counter[str] = Counter()
    acts = {act for insider in company.truth["insiders"] for act in insider["event_ids"]}
    reviews = {
        act
        for alike in company.truth["look_alikes"]
        if alike["kind"] == "supervisor_review"
        for act in alike["event_ids"]
    }
    agents = {
        row["employee_id"] for row in rows(company.folder / "hr" / "employees.csv") if row["role"].endswith("Agent")
    }
    for entry in company.access:
        person = owner_of(company, entry)
        if entry["action"] != "view" or entry["id"] in acts | reviews or person not in agents:
            continue
        time, case = company.times[entry["id"]], entry.get("case")
        counts["all"] += 1
        if case is None:
            counts["without a case"] += 1
            continue
        assert entry["customers"] == [customer[case]]
        counts["open"] += any(opened <= time <= closed for opened, closed in spans[case])
        counts["own"] += any(who == person and start <= time <= end for who, start, end in held[case])
        assert any(opened <= time <= closed + 2 * DAY + DAY // 24 for opened, closed in spans[case]), entry
    assert 0.01 < counts["without a case"] / counts["all"] < 0.09
    assert counts["open"] / counts["all"] > 0.88
    assert counts["own"] / counts["all"] > 0.85


def test_a_newcomer_begins_slowly(company: Written) -> None:
    alike = next(alike for alike in company.truth["look_alikes"] if alike["kind"] == "new_hire")
    views = Counter(
        (owner_of(company, entry), entry["time"][:10])
        for entry in company.access
        if entry["action"] == "view" and entry["application"] == "support-console"
    )
    newcomer = [views[person, day] for person, day in sorted(views) if person == alike["employee_ids"][0]]
    others = [count for (person, _), count in views.items() if person != alike["employee_ids"][0]]
    assert sum(newcomer[:5]) / 5 < 0.75 * sum(others) / len(others)


@pytest.mark.parametrize(
    ("arguments", "what"),
    [
        ({"people": 19}, "--people is 19; expected a whole number from 20 to 5000"),
        ({"people": 5001}, "--people is 5001"),
        ({"days": 13}, "--days is 13; expected a whole number from 14 to 365"),
        ({"seed": -1}, "--seed is -1"),
        ({"start": date(1999, 1, 1)}, "the year is 1999"),
    ],
)
def test_arguments_that_make_no_company(arguments: dict[str, Any], what: str, tmp_path: Path) -> None:
    usual: dict[str, Any] = {"seed": 1, "people": 20, "days": 14, "out": tmp_path / "out"}
    with pytest.raises(UserError, match=re.escape(what)):
        simulate(**(usual | arguments))
    assert not (tmp_path / "out").exists()


def test_a_folder_with_other_things_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("keep me")
    with pytest.raises(UserError, match="not empty; expected an empty one, or --force"):
        simulate(1, 20, 14, tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]


def test_force_replaces_an_earlier_company_and_nothing_else(tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("keep me")
    stale = tmp_path / "app" / "support-console" / "old.ndjson.gz"
    stale.parent.mkdir(parents=True)
    stale.write_bytes(b"old")
    simulate(1, 20, 14, tmp_path, force=True)
    assert not stale.exists()
    assert (tmp_path / "mine.txt").read_text() == "keep me"
    assert (tmp_path / "truth.json").exists()


def test_a_file_in_the_folders_place(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="is no folder"):
        simulate(1, 20, 14, tmp_path / "file")


def test_the_command_says_what_it_wrote(tmp_path: Path) -> None:
    arguments = ["--people", "20", "--days", "14", "--start", "2025-10-06", "--out", str(tmp_path / "made")]
    result = CliRunner().invoke(command, arguments, catch_exceptions=False)
    assert result.exit_code == 0
    assert re.match(r"20 people, 14 days: [\d,]+ events in [\d,]+ files", result.output)
    truth = json.loads((tmp_path / "made" / "truth.json").read_bytes())
    assert (truth["seed"], truth["people"], truth["days"], truth["start"]) == (1, 20, 14, "2025-10-06")


def test_a_start_that_is_no_day(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="--start is 'monday'; expected a day such as 2026-03-02"):
        CliRunner().invoke(command, ["--start", "monday", "--out", str(tmp_path)], catch_exceptions=False)
