"""Scope against the truth: of simulated companies, of logs with gaps, and of reports that were tampered with."""

import csv
import gzip
import json
import os
import random
import re
import time
from collections import defaultdict
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import boto3
import pytest
from click.testing import CliRunner
from elasticsearch import Elasticsearch
from elasticsearch.helpers import bulk, scan

import enrich_logs
from innerwatch import elastic, instants, pipeline
from innerwatch.customers import CustomerObjects
from innerwatch.directory import DynamoStore, apply_feed
from innerwatch.errors import UserError
from innerwatch.hr import load_feed
from innerwatch.values import SetAside
from innerwatch_cli import files, index_templates, options
from innerwatch_cli.commands.coverage import as_dict
from innerwatch_cli.commands.scope import scope
from innerwatch_cli.coverage import Covered
from innerwatch_cli.coverage.minutes import Findings, Reason, Trail, floor, intervals
from innerwatch_cli.simulate import simulate
from innerwatch_cli.simulate.customers import OBJECTS
from tests import trail_files
from tests.chain import LEDGER, TABLE, empty_account
from tests.delivery import HOURS, KEY, NINE, SLOT, Delivery
from tests.trail_files import BUCKET, MINUTE
from tests.unit.test_scope_tally import hit

pytestmark = pytest.mark.elasticsearch

COMPANIES = int(os.environ.get("INNERWATCH_SCOPE_COMPANIES", "2"))
START, END = "2026-03-02", "2026-03-16"
CUSTOMERS = 2000  # of a company of the smallest size


def asked(namespace: str, folder: Path, *options: str) -> dict[str, Any]:
    done = CliRunner().invoke(scope, ["--namespace", namespace, "--out", str(folder), "--json", *options])
    assert done.exception is None, done.exception
    summary: dict[str, Any] = json.loads(done.stdout)
    return summary


def refused(*options: str) -> str:
    done = CliRunner().invoke(scope, list(options))
    assert isinstance(done.exception, UserError), (done.exception, done.output)
    return str(done.exception)


def customers(folder: Path, certainty: str = "") -> set[str]:
    lines = (json.loads(line) for line in (folder / "customers.jsonl").read_bytes().splitlines())
    return {it["customer_id"] for it in lines if certainty in ("", it["certainty"])}


# --- simulated companies


class Log(NamedTuple):
    """One object: when its events happened, and what each of them showed to whom."""

    path: Path
    first: int
    last: int


class Company:
    """A simulated company's documents, and the truth of it as its raw logs have it."""

    def __init__(self, folder: Path, seed: int) -> None:
        self.folder = folder
        simulate(seed=seed, people=20, days=14, out=folder)
        self.truth = json.loads((folder / "truth.json").read_bytes())
        self.accounts = self._accounts()
        self.certain: dict[str, set[str]] = defaultdict(set)  # HR id → customers
        self.seen: dict[str, set[str]] = defaultdict(set)  # the same, also where the person is not certain
        self.logs = [self._read(path) for path in files.expand([folder / "cloudtrail", folder / "app"])]

    def _accounts(self) -> dict[str, str]:
        """What raw logs call somebody → HR id."""
        found = {}
        with (self.folder / "hr" / "employees.csv").open(newline="") as file:
            for row in csv.DictReader(file):
                for name in ("email", "username", "identity_center_user_id", "iam_user"):
                    if row[name]:
                        found[row[name].rpartition("/")[2]] = row["employee_id"]
        return found

    def _read(self, path: Path) -> Log:
        """Reads an object without any code of ours, and notes what its records showed."""
        content = gzip.decompress(path.read_bytes())
        if path.is_relative_to(self.folder / "app"):
            records = [json.loads(line) for line in content.splitlines()]
            times = [instants.from_rfc3339(it["time"]) for it in records]
            for it in records:
                if it["outcome"] == "success":
                    who = self.accounts[it["actor"]["id"]]
                    self.certain[who] |= set(it.get("customers", ()))
                    self.seen[who] |= set(it.get("customers", ()))
        else:
            records = json.loads(content)["Records"]
            times = [instants.from_rfc3339(it["eventTime"]) for it in records]
            for it in records:
                found = re.match(r"customers/(C-\d+)/", (it.get("requestParameters") or {}).get("key") or "")
                account_name, certain = caller(it["userIdentity"])
                if found and account_name in self.accounts and "errorCode" not in it:
                    who = self.accounts[account_name]
                    self.seen[who].add(found[1])
                    if certain:
                        self.certain[who].add(found[1])
        return Log(path, min(times), max(times))

    def index(self, es: Elasticsearch, namespace: str) -> None:
        people = options.directory([self.folder / "hr" / "employees.csv", self.folder / "hr" / "owners.csv"])
        cases = options.cases(sorted((self.folder / "cases").glob("*.csv")))
        known = CustomerObjects([OBJECTS])

        def documents() -> Iterator[Any]:
            for log in self.logs:
                events = pipeline.read(files.chunks(log.path), files.uri(log.path))
                for item in pipeline.enriched(events, people, namespace, known, cases):
                    assert not isinstance(item, SetAside), item.reason
                    yield item

        for _, lines in elastic.batches(documents(), namespace):
            assert not elastic.create(es, lines, deadline=time.monotonic() + 60).refused
        es.indices.refresh(index=f"logs-*-{namespace}")


def caller(identity: Mapping[str, Any]) -> tuple[str, bool]:
    """An account's name, and whether AWS itself authenticated it, in the order of identity.METHODS."""
    if "onBehalfOf" in identity:
        return str(identity["onBehalfOf"]["userId"]), True
    if source := (identity.get("sessionContext") or {}).get("sourceIdentity"):
        return str(source), False
    if identity.get("type") == "IAMUser":
        return str(identity["userName"]), True
    arn = str(identity.get("arn", ""))
    return arn.rpartition("/")[2], "/AWSReservedSSO_" in arn


def covered(company: Company, lost: list[Log]) -> list[dict[str, Any]]:
    """What coverage would print, had these objects been delivered and never been indexed."""
    start, end = (instants.from_rfc3339(f"{day}T00:00:00Z") for day in (START, END))
    found = []
    for folder, reason in (("cloudtrail", Reason.MISSING), ("app", Reason.FEWER_DOCUMENTS)):
        findings = Findings(start, end)
        if folder == "app":
            findings.add(Reason.NOT_SIGNED, start, end - 1, "")
        for log in lost:
            if log.path.is_relative_to(company.folder / folder):
                findings.add(reason, log.first, log.last, str(log.path))
        spans = intervals(findings.start, findings.end, findings)
        found.append(as_dict(Covered(Trail("logs", f"{folder}/"), spans, 0, 0, 0)))
    return found


def lose(es: Elasticsearch, namespace: str, lost: list[Log]) -> None:
    query = {"terms": {"log.file.path": [files.uri(log.path) for log in lost]}}
    hits = scan(es, index=f"logs-*-{namespace}", query={"query": query, "_source": False})
    deletions = [{"_op_type": "delete", "_index": it["_index"], "_id": it["_id"]} for it in hits]
    assert deletions
    bulk(es, deletions, refresh=True)


@pytest.mark.parametrize("seed", range(1, COMPANIES + 1))
def test_the_customers_of_every_insider_are_found_exactly_and_bounded_where_logs_are_lost(
    elasticsearch: Elasticsearch, namespace: str, tmp_path: Path, seed: int
) -> None:
    index_templates.install(elasticsearch)
    company = Company(tmp_path / "company", seed)
    company.index(elasticsearch, namespace)
    period = ("--from", START, "--to", END)
    whole = tmp_path / "whole.json"
    whole.write_text(json.dumps(covered(company, [])))
    for number, insider in enumerate(company.truth["insiders"]):
        who = [option for person in insider["employee_ids"] for option in ("--employee", person)]
        acts = tmp_path / f"acts{number}.txt"
        acts.write_text("\n".join(insider["event_ids"]))
        asked(namespace, tmp_path / f"acts{number}", *who, *period, "--events", str(acts))
        assert customers(tmp_path / f"acts{number}", "certain") == set(insider["customer_ids"]), insider["kind"]

        summary = asked(namespace, tmp_path / f"all{number}", *who, *period, "--coverage", str(whole))
        certain, everything = (
            set().union(*(seen[person] for person in insider["employee_ids"]))
            for seen in (company.certain, company.seen)
        )
        assert customers(tmp_path / f"all{number}", "certain") == certain, insider["kind"]
        assert customers(tmp_path / f"all{number}", "probable") == everything - certain, insider["kind"]
        assert set(insider["customer_ids"]) <= certain
        assert (summary["totals"]["lower"], summary["totals"]["probable"]) == (len(certain), len(everything))
        assert summary["blind_spots"]["coverage"]["lacking_minutes"] == 0

    lost = random.Random(seed).sample(company.logs, len(company.logs) // 20)
    lose(elasticsearch, namespace, lost)
    less = tmp_path / "less.json"
    less.write_text(json.dumps(covered(company, lost)))
    minutes = {
        (log.path.relative_to(company.folder).parts[0], minute)
        for log in lost
        for minute in range(floor(log.first), floor(log.last) + MINUTE, MINUTE)
    }
    fewer = 0
    for number, insider in enumerate(company.truth["insiders"]):
        who = [option for person in insider["employee_ids"] for option in ("--employee", person)]
        everything = set().union(*(company.seen[person] for person in insider["employee_ids"]))
        base = ("--customer-base", str(CUSTOMERS)) if number % 2 else ()
        folder = tmp_path / f"less{number}"
        summary = asked(namespace, folder, *who, *period, "--coverage", str(less), *base)
        totals = summary["totals"]
        assert totals["lower"] <= len(everything), insider["kind"]
        assert totals["upper"] is None or len(everything) <= totals["upper"], insider["kind"]
        assert not base or totals["upper"] is not None
        blind = {
            (gap["trail"].split("/")[-2], minute)
            for gap in summary["blind_spots"]["coverage"]["gaps"]
            if gap["lacking"]
            for minute in range(instants.from_rfc3339(gap["start"]), instants.from_rfc3339(gap["end"]), MINUTE)
        }
        assert blind == minutes
        fewer += totals["lower"] < len(everything)
    assert fewer, "what was lost concerned nobody: then this has shown nothing"


# --- coverage found out by the command itself


HR = "employee_id,name,email,username,status\nE1,Ana Ruiz,ana.ruiz@example.com,ana.ruiz,active\n"


def test_the_blind_spots_are_the_minutes_of_the_object_that_is_gone(
    elasticsearch: Elasticsearch, namespace: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = iter(range(10_000))
    plain = trail_files.event

    def event(number: str, instant: int) -> dict[str, Any]:
        return plain(number, instant) | {
            "requestParameters": {"bucketName": "profiles", "key": f"customers/C-{next(made)}/profile.json"}
        }

    monkeypatch.setattr(trail_files, "event", event)
    objects = json.dumps([r"profiles/customers/(?P<customer>C-\d+)/"])
    with empty_account(elasticsearch, namespace, CUSTOMER_OBJECTS=objects) as aws:
        (tmp_path / "employees.csv").write_text(HR)
        apply_feed(DynamoStore(boto3.resource("dynamodb").Table(TABLE)), load_feed(tmp_path / "employees.csv"))
        aws.bucket(BUCKET)
        aws.s3.put_bucket_versioning(Bucket=BUCKET, VersioningConfiguration={"Status": "Enabled"})
        delivery = Delivery(aws, elasticsearch, namespace, tmp_path)
        delivery.trail = trail_files.CloudTrail(KEY)
        delivery.make(HOURS + 2)
        lost = 7
        there = [file for slot, file in enumerate(delivery.files) if slot != lost]
        delivery.announce([delivery.put(file) for file in [*there, *delivery.digests]])
        end = instants.iso(NINE + HOURS * 3_600_000)
        asked_of = ["--employee", "E1", "--from", instants.iso(NINE), "--to", end]
        prove = ["--log-bucket", BUCKET, "--ledger", LEDGER, "--public-keys", str(delivery.keys)]
        summary = asked(namespace, tmp_path / "r", *asked_of, *prove)
        enrich_logs.parts.cache_clear()
    coverage = summary["blind_spots"]["coverage"]
    (gap,) = coverage["gaps"]
    assert (gap["start"], gap["end"]) == (instants.iso(NINE + lost * SLOT), instants.iso(NINE + (lost + 1) * SLOT))
    assert (gap["lacking"], gap["reasons"], coverage["lacking_minutes"]) == (True, ["object missing"], 10)
    total, named = 24 * 5, 23 * 5
    assert summary["totals"]["lower"] == named
    assert summary["totals"]["busiest_minute"] == 1
    assert summary["totals"]["upper"] == named + 10 >= total


# --- the command


def fill(es: Elasticsearch, namespace: str, *hits: dict[str, Any]) -> None:
    index_templates.install(es)
    stream = f"logs-app.access-{namespace}"
    actions = [{"_op_type": "create", "_index": stream, "_id": it["_id"], "_source": it["_source"]} for it in hits]
    bulk(es, actions, refresh=True)


DAY = ("--from", "2026-03-05", "--to", "2026-03-06")


def test_several_people_the_case_and_the_account(elasticsearch: Elasticsearch, namespace: str, tmp_path: Path) -> None:
    case: dict[str, Any] = {"case": {"id": "CASE-7"}}
    fill(
        elasticsearch,
        namespace,
        hit(1, ["C-1", "C-2"]),
        hit(2, ["C-2", "C-3"], employee="E2", **case),
        hit(3, ["C-4"], employee="E3"),
        hit(4, ["C-5"], outcome="failure"),
        hit(5, ["C-6"], employee=None),
        hit(6, ["C-7"], time="2026-03-06T00:00:00.000Z"),
    )
    both = asked(namespace, tmp_path / "both", "--employee", "E1", "--employee", "e2", *DAY)
    assert customers(tmp_path / "both", "certain") == {"C-1", "C-2", "C-3"}
    assert customers(tmp_path / "both", "possible") == {"C-6"}
    assert customers(tmp_path / "both") == {"C-1", "C-2", "C-3", "C-6"}
    assert both["seen_by_several"] == {
        "customers": 1,
        "pairs": [{"people": ["E1", "e2"], "customers": 1}],
        "more_pairs": 0,
    }
    assert both["blind_spots"]["failed_attempts"] == 1
    named = asked(namespace, tmp_path / "case", "--case", "CASE-7")
    assert named["question"]["people"] == ["E2"]
    assert customers(tmp_path / "case") == {"C-2", "C-3"}
    other = asked(namespace, tmp_path / "account", "--employee", "E1", "--account", "nobody.else", *DAY)
    assert other["totals"]["lower"] == 0


def test_an_alert_says_who_and_when(elasticsearch: Elasticsearch, namespace: str, tmp_path: Path) -> None:
    fill(elasticsearch, namespace, hit(1), hit(2, ["C-2"], time="2026-03-05T12:00:00.000Z"))
    alert = {
        "@timestamp": "2026-03-05T09:00:00.000Z",
        "rule": {"id": "r", "name": "Rule", "version": "1"},
        "innerwatch": {
            "alert": {
                "first": "2026-03-05T09:00:00.000Z",
                "last": "2026-03-05T09:00:00.000Z",
                "employee": {"id": ["E1"]},
            }
        },
    }
    stream = f"logs-innerwatch.alert-{namespace}"
    elasticsearch.index(index=stream, id="alert-1", document=alert, op_type="create", refresh=True)
    summary = asked(namespace, tmp_path / "r", "--alert", "alert-1")
    assert customers(tmp_path / "r") == {"C-1"}
    assert summary["data"]["rules"] == [{"id": "r", "name": "Rule", "version": "1"}]
    assert "no alert has the id 'other'" in refused("--alert", "other", "--namespace", namespace)


def test_a_report_is_proven_and_what_was_changed_since_is_named(
    elasticsearch: Elasticsearch, namespace: str, tmp_path: Path
) -> None:
    second = "2026-03-05T12:00:00.000Z"
    fill(
        elasticsearch, namespace, hit(1), hit(2, ["C-2"], time="2026-03-04T09:00:00.000Z"), hit(3, ["C-3"], time=second)
    )
    asked(namespace, tmp_path / "r", "--employee", "E1", "--from", "2026-03-04", "--to", "2026-03-06")
    for name in ("summary.json", "report.html"):
        done = CliRunner().invoke(scope, ["--verify", str(tmp_path / "r" / name)])
        assert (done.exit_code, done.stdout.startswith("proven: 3 events")) == (0, True), done.output

    (found,) = elasticsearch.search(index=f"logs-*-{namespace}", query={"ids": {"values": ["event-3"]}})["hits"]["hits"]
    elasticsearch.delete(index=found["_index"], id="event-3", refresh=True)
    done = CliRunner().invoke(scope, ["--verify", str(tmp_path / "r" / "summary.json")])
    assert done.exit_code == 1
    assert "totals.lower: the report says 3, it is 2" in done.stdout
    assert "evidence.days.2026-03-05.events: the report says 2, it is 1" in done.stdout
    assert "evidence.days.2026-03-04" not in done.stdout

    late = hit(3, ["C-3"], time=second)
    late["_source"]["event"]["ingested"] = "2999-01-01T00:00:00.000Z"
    fill(elasticsearch, namespace, late)
    page = tmp_path / "r" / "summary.json"
    page.write_text(page.read_text().replace('"lower": 3', '"lower": 2'))
    done = CliRunner().invoke(scope, ["--verify", str(page)])
    assert done.exit_code == 1
    assert "totals.lower: the report says 2, it is 3" in done.stdout
    assert "1 of the events were indexed or stamped anew since the report was made" in done.stdout


def test_pages_and_slices_lose_and_double_nothing(
    elasticsearch: Elasticsearch, namespace: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hits = [
        hit(number, [f"C-{number % 40}"], time=f"2026-03-05T{number % 3:02d}:00:0{number % 7}.000Z")
        for number in range(200)
    ]
    fill(elasticsearch, namespace, *hits)
    whole = asked(namespace, tmp_path / "whole", "--employee", "E1", *DAY)
    monkeypatch.setattr("innerwatch_cli.scope.reading.SLICE", 7)
    sliced = asked(namespace, tmp_path / "sliced", "--employee", "E1", *DAY)
    assert sliced["evidence"] == whole["evidence"]
    assert (sliced["evidence"]["events"], sliced["totals"]["lower"]) == (200, 40)
    assert sliced["customers"] == whole["customers"]


def test_what_is_asked_wrongly_is_one_line(elasticsearch: Elasticsearch, namespace: str, tmp_path: Path) -> None:
    fill(elasticsearch, namespace, hit(1))
    here = ("--namespace", namespace, "--out", str(tmp_path / "r"))
    assert "no document of namespace" in refused("--employee", "E9", *DAY, *here)
    assert "is of employee 'E9'; expected an id as HR has it" in refused("--employee", "E9", *DAY, *here)
    empty = refused("--employee", "E1", "--from", "2027-01-01", "--to", "2027-01-02", *here)
    assert "is from 2027-01-01T00:00:00.000Z to 2027-01-02T00:00:00.000Z; expected a time of which logs" in empty
    backwards = refused("--employee", "E1", "--from", "2026-03-06", "--to", "2026-03-05", *here)
    assert backwards == "--to is not after --from; expected a span of time"
    assert "--from: 'yesterday'" in refused("--employee", "E1", "--from", "yesterday", "--to", "2026-03-05", *here)
    assert "the time is not given" in refused("--employee", "E1", *here)
    assert "no access names case 'X'" in refused("--case", "X", *here)
    assert "--customer-base is 0" in refused("--employee", "E1", *DAY, "--customer-base", "0", *here)
    assert not (tmp_path / "r").exists()
