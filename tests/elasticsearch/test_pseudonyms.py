"""A company under pseudonyms, beside the same under its names: nobody is found, and everything else is."""

import csv
import json
import re
import uuid
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from elasticsearch import Elasticsearch
from elasticsearch.helpers import scan

from innerwatch import pipeline
from innerwatch.errors import UserError
from innerwatch.pseudonyms import Keys, Pseudonyms, hiding
from innerwatch_cli import files, options
from innerwatch_cli.commands.enrich import enrich
from innerwatch_cli.commands.ingest import ingest
from innerwatch_cli.commands.restamp import restamp
from innerwatch_cli.commands.scope import scope
from tests import small_company
from tests.elasticsearch.test_view import Site

pytestmark = pytest.mark.elasticsearch

START, END = "2026-03-02", "2026-03-16"
COLUMNS = ("employee_id", "name", "email", "username", "identity_center_user_id", "iam_user")


class Both:
    """One company in two namespaces: under names, and under pseudonyms."""

    def __init__(self, es: Elasticsearch, folder: Path) -> None:
        self.es, self.folder = es, folder
        self.company = folder / "company"
        self.plain, self.hidden = (f"test{uuid.uuid4().hex[:12]}" for _ in range(2))
        self.key = folder / "key.json"
        keys = Keys.new()
        self.key.write_text(keys.text())
        small_company.load(es, self.plain, self.company)
        small_company.load(es, self.hidden, self.company, keys=keys)
        self.feeds = [self.company / "hr" / "employees.csv", self.company / "hr" / "owners.csv"]
        people = options.directory(self.feeds)
        assert people is not None
        self.pseudonyms = Pseudonyms(keys, people.identities())
        self.people = re.compile(rf"(?<![^\W_])({'|'.join(map(re.escape, sorted(self.names())))})(?![^\W_])")

    def names(self) -> set[str]:
        """Everything by which HR knows anybody."""
        found = set()
        with (self.company / "hr" / "employees.csv").open(newline="") as file:
            for row in csv.DictReader(file):
                found |= {row[column].rpartition("/")[2].lower() for column in COLUMNS if row[column]}
                found |= {row["email"].partition("@")[0].lower()}
        with (self.company / "hr" / "owners.csv").open(newline="") as file:
            found |= {re.split("[:/]", row["identifier"])[-1].lower() for row in csv.DictReader(file)}
        return found

    def documents(self, namespace: str) -> Iterator[Mapping[str, Any]]:
        """Of every index: events, alerts, behaviour, checkpoints."""
        for index in (f"logs-*-{namespace}", f"innerwatch-*-{namespace}"):
            yield from scan(self.es, index=index, query={"query": {"match_all": {}}})

    def of(self, namespace: str, dataset: str) -> list[dict[str, Any]]:
        return [dict(hit) for hit in scan(self.es, index=f"logs-{dataset}-{namespace}")]


@pytest.fixture(scope="module")
def both(elasticsearch: Elasticsearch, tmp_path_factory: pytest.TempPathFactory) -> Both:
    return Both(elasticsearch, tmp_path_factory.mktemp("both"))


def lower(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False).lower()


def test_nobody_is_found_in_any_field_of_any_document(both: Both) -> None:
    """Nor in an id; and the search is one that finds them where they stand under their names."""
    indices = set()
    for hit in both.documents(both.hidden):
        indices.add(hit["_index"])
        found = both.people.search(lower([hit["_id"], hit.get("_source")]))
        assert found is None, (hit["_index"], found, hit)
    kinds = ("aws.cloudtrail", "app.access", "innerwatch.alert", "innerwatch.behaviour", "innerwatch-checkpoints")
    for kind in kinds:
        assert any(kind in index for index in indices), indices
    named = [hit for hit in both.documents(both.plain) if both.people.search(lower(hit["_source"]))]
    assert len(named) > 1000
    for kind in kinds[:4]:
        assert any(kind in hit["_index"] for hit in named), kind


def paths(value: Any, above: str = "") -> Iterator[tuple[str, str]]:
    """Dotted path and text, of every text in a document."""
    if isinstance(value, dict):
        for name, item in value.items():
            yield from paths(item, f"{above}.{name}" if above else str(name))
    elif isinstance(value, list):
        for item in value:
            yield from paths(item, above)
    elif isinstance(value, str):
        yield above, value


def test_one_field_let_through_would_be_found(both: Both, monkeypatch: pytest.MonkeyPatch) -> None:
    people = options.directory(both.feeds)
    current = options.pseudonyms(options.load_keys(str(both.key)), people)
    logs = files.expand((both.company / "cloudtrail", both.company / "app"))

    def documents() -> Iterator[dict[str, Any]]:
        for path in logs:
            for item in pipeline.enriched(pipeline.read(files.chunks(path), files.uri(path)), people, "x", None, None):
                assert hasattr(item, "document")
                yield item.document

    holding: dict[str, dict[str, Any]] = {}  # path that holds somebody → a document in which it does
    for document in documents():
        for path, text in paths(document):
            if path not in holding and both.people.search(text.lower()):
                holding[path] = document
    assert len(holding) > 25, sorted(holding)
    assert current is not None
    for path, document in holding.items():
        hidden = dict(document)
        current().hide(hidden)
        assert not both.people.search(lower(hidden)), path
        if path in ("employee.id", "employee.name", "employee.email", "employee.manager.id"):
            continue  # these are replaced whatever else is kept: tests/unit/test_pseudonyms.py
        monkeypatch.setattr(hiding, "KEPT", hiding.KEPT | {path})
        monkeypatch.setattr(hiding, "FLATTENED", frozenset())
        monkeypatch.setattr(hiding, "ACCOUNTS", hiding.ACCOUNTS - {path})
        monkeypatch.setattr(hiding, "KINDS", hiding._kinds())
        let_through = dict(document)
        Pseudonyms(options.load_keys(str(both.key)), people.identities() if people else ()).hide(let_through)
        monkeypatch.undo()
        assert both.people.search(lower(let_through)), f"{path}: the search would not have seen it"


def test_the_same_alerts_are_raised(both: Both) -> None:
    def summary(namespace: str, of: Any) -> list[Any]:
        found = []
        for hit in both.of(namespace, "innerwatch.alert"):
            source, alert = hit["_source"], hit["_source"]["innerwatch"]["alert"]
            people = alert.get("employee", {}).get("id", [])
            events = [] if "behaviour" in str(alert["evidence"]["index"]) else sorted(alert["evidence"]["id"])
            found.append((source["rule"]["id"], alert["first"], alert["last"], events, sorted(map(of, people))))
        return sorted(found, key=str)

    plain = summary(both.plain, both.pseudonyms.of)
    assert len(plain) > 5
    assert summary(both.hidden, str) == plain


def test_the_same_is_normal_for_everybody(both: Both) -> None:
    def measured(namespace: str, of: Any) -> dict[Any, Any]:
        found = {}
        for hit in both.of(namespace, "innerwatch.behaviour"):
            source = hit["_source"]
            values = {
                name: (it["value"], it.get("score"), it.get("own"), it.get("peers"))
                for name, it in source["behaviour"].items()
                if isinstance(it, dict) and "value" in it
            }
            risk = source["user"]["risk"]["calculated_score_norm"]
            found[of(source["employee"]["id"]), source["behaviour"]["date"]] = (values, risk)
        return found

    plain = measured(both.plain, both.pseudonyms.of)
    assert len(plain) > 100
    assert measured(both.hidden, str) == plain


def test_scope_gives_the_same_customers(both: Both) -> None:
    truth = json.loads((both.company / "truth.json").read_bytes())
    for number, insider in enumerate(truth["insiders"]):
        folders = []
        for namespace, of in ((both.plain, str), (both.hidden, both.pseudonyms.of)):
            folder = both.folder / f"scope-{namespace}-{number}"
            who = [option for person in insider["employee_ids"] for option in ("--employee", of(person))]
            period = ("--from", START, "--to", END)
            done = CliRunner().invoke(
                scope, ["--namespace", namespace, "--out", str(folder), "--json", *who, *period, "--by", "a test"]
            )
            assert done.exception is None, done.exception
            folders.append((folder, json.loads(done.stdout)))
        (_, plain), (folder, hidden) = folders
        for name in ("lower", "probable", "upper"):
            assert hidden["totals"][name] == plain["totals"][name]
        assert hidden["customers"]["count"] == plain["customers"]["count"] > 0
        for path in folder.iterdir():
            assert not both.people.search(path.read_text(errors="replace").lower()), path


def test_the_pages_show_nobody(both: Both) -> None:
    site = Site(both.es, both.hidden)
    try:
        alerts = both.of(both.hidden, "innerwatch.alert")
        person = next(hit["_source"]["employee"]["id"] for hit in alerts if "id" in hit["_source"].get("employee", {}))
        targets = ["/", "/people", f"/person?id={person}", "/customers"]
        targets += [f"/alert?id={it['_id']}" for it in alerts[:3]]
        for target in targets:
            page = site.get(target).text
            assert not both.people.search(page.lower()), target
        assert person in site.get(f"/person?id={person}").text
    finally:
        site.close()


# --- the commands


def run(command: Any, *arguments: str) -> str:
    done = CliRunner().invoke(command, list(arguments))
    assert done.exception is None, done.exception
    return done.stdout


def refused(command: Any, *arguments: str) -> str:
    done = CliRunner().invoke(command, list(arguments))
    assert isinstance(done.exception, UserError), (done.exception, done.output)
    return str(done.exception)


def test_names_and_pseudonyms_do_not_mix(both: Both) -> None:
    log = str(next(iter(files.expand([both.company / "app"]))))
    feed = ("--hr", str(both.feeds[0]))
    assert "stand under pseudonyms; expected --pseudonyms" in refused(ingest, log, *feed, "--namespace", both.hidden)
    said = refused(ingest, log, *feed, "--namespace", both.plain, "--pseudonyms", str(both.key))
    assert "stand under their names; expected another --namespace" in said
    assert "expected --hr FEED" in refused(enrich, log, "--pseudonyms", str(both.key))
    assert "expected a file that" in refused(enrich, log, *feed, "--pseudonyms", str(both.folder / "none"))
    assert "stand under pseudonyms" in refused(
        restamp, *feed, "--employee", "E10001", "--from", START, "--namespace", both.hidden
    )


def test_what_hr_said_late_reaches_documents_under_pseudonyms(both: Both) -> None:
    """And nobody is in them afterwards; a second time changes nothing."""
    rows = both.feeds[0].read_text()
    late = both.folder / "late.csv"
    late.write_text(rows.replace(",Support Agent,", ",Late Title,"))
    agent = next(row for row in csv.DictReader(rows.splitlines()) if row["role"] == "Support Agent")["employee_id"]
    asked = ["--hr", str(late), "--employee", agent, "--from", START, "--namespace", both.hidden]
    asked += ["--pseudonyms", str(both.key)]
    said = run(restamp, *asked)
    assert re.search(r"[1-9]\d* changed, 0 stay", said), said
    person = {"term": {"employee.id": both.pseudonyms.of(agent)}}
    hits = list(scan(both.es, index=f"logs-a*-{both.hidden}", query={"query": person}))
    assert {hit["_source"]["employee"]["role"] for hit in hits} == {"Late Title"}
    assert not any(both.people.search(lower(hit["_source"])) for hit in hits)
    assert ": 0 changed" in run(restamp, *asked)


def test_late_case_data_judge_documents_under_pseudonyms_as_they_would_names(both: Both) -> None:
    feeds = [option for path in sorted((both.company / "cases").glob("*.csv")) for option in ("--cases", str(path))]
    for namespace, key in ((both.plain, ()), (both.hidden, ("--pseudonyms", str(both.key)))):
        hr = [option for feed in both.feeds for option in ("--hr", str(feed))]
        said = run(restamp, *hr, *feeds, "--from", START, "--namespace", namespace, *key)
        assert re.search(r": 0 changed, [1-9]\d* stay", said), (namespace, said)
