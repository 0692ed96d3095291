"""What is stored of a person is found, given to them, and erased: all of it, and nothing of anybody else's."""

import hashlib
import json
import os
import re
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
from click.testing import CliRunner
from elasticsearch import Elasticsearch
from moto import mock_aws

from innerwatch.directory import DynamoStore
from innerwatch.errors import UserError
from innerwatch.pseudonyms import Keys, Pseudonyms
from innerwatch_cli.commands.ingest import ingest
from innerwatch_cli.commands.person import person
from innerwatch_cli.rights import documents, erasing, purging
from innerwatch_cli.rights.documents import Documents
from innerwatch_cli.rights.people import Person
from innerwatch_cli.rights.register import hashed
from tests.elasticsearch.person import (
    CASE_TABLE,
    DIRECTORY,
    MARCH,
    MARKER,
    Company,
    company,
    everything,
    fill_tables,
    index,
    ran,
)

pytestmark = [pytest.mark.elasticsearch, pytest.mark.usefixtures("impatient")]

HOUR = 3_600_000
TABLES = ["--table", DIRECTORY, "--cases-table", CASE_TABLE]


@pytest.fixture(autouse=True)
def aws(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "testing")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    with mock_aws():
        fill_tables()
        yield


@pytest.fixture(scope="module")
def known(elasticsearch: Elasticsearch, tmp_path_factory: pytest.TempPathFactory) -> tuple[str, Path, Company]:
    """A namespace that no test changes, the folder of its HR feed, and its documents."""
    namespace, folder = f"known{uuid.uuid4().hex[:8]}", tmp_path_factory.mktemp("known")
    return namespace, folder, company(elasticsearch, namespace, folder)


@pytest.fixture
def filled(elasticsearch: Elasticsearch, namespace: str, known: tuple[str, Path, Company]) -> str:
    """A namespace with the same documents, for one test to change."""
    index(elasticsearch, namespace, known[2])
    return namespace


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """What was deleted may stay on the disk: the last test looks there."""
    monkeypatch.setattr(purging, "PATIENCE", 0)


def found(namespace: str, employee: str = "E-1", *options: str) -> dict[str, Any]:
    arguments = ["find", employee, "--namespace", namespace, "--json", *(options or TABLES)]
    said: dict[str, Any] = json.loads(ran(arguments).stdout)
    return said


def counts(said: dict[str, Any]) -> dict[str, dict[str, int]]:
    return {
        stream.split("-")[1]: {kind: tally["documents"] for kind, tally in kinds.items()}
        for stream, kinds in said["streams"].items()
        if kinds
    }


def erase(namespace: str, folder: Path, *options: str) -> str:
    certificate = ["--certificate", str(folder / "certificate.json")]
    return ran(["erase", "E-1", "--namespace", namespace, "--yes", *certificate, *(options or TABLES)]).output


def items(table: str) -> list[dict[str, Any]]:
    return [item for item in boto3.resource("dynamodb").Table(table).scan()["Items"] if item["sk"] != "version"]


def streams(es: Elasticsearch, namespace: str) -> dict[str, dict[str, Any]]:
    return everything(es, f"logs-*-{namespace}")


def test_find_counts_what_is_theirs_and_what_names_them(known: tuple[str, Path, Company]) -> None:
    namespace, folder, _ = known
    assert counts(found(namespace, "E-1", "--hr", str(folder / "hr.csv"))) == {
        "aws.cloudtrail": {"mentions": 1},
        "app.access": {"own": 9, "mentions": 1},  # two came before HR's feed, under the account's name
        "innerwatch.alert": {"own": 1, "mentions": 1},
        "innerwatch.behaviour": {"own": 1},
    }
    said = found(namespace)
    assert said["tables"]["checkpoints"] == {"look-backs": 1}
    assert said["streams"]["logs-app.access-" + namespace]["own"]["first"] == "2026-03-01T10:00:01.000Z"
    assert said["tables"]["cases"] == {"assignments to cases": 2}
    assert said["tables"]["directory"] == {
        "accounts": 4,  # HR id, address, user name, and the one of the owner map
        "facts": 2,
        "facts of others, as their manager": 1,
        "identities": 3,  # of their own facts, of Ben's, of the owner map
        "leaving": 1,
    }


def test_an_id_that_nobody_has_is_told_and_matches_nobody_else(known: tuple[str, Path, Company]) -> None:
    for employee in ("E-9", "E-*", "e?1", "E-1 OR E-2", "\0"):
        with pytest.raises(UserError, match="is found in namespace"):
            ran(["find", employee, "--namespace", known[0], *TABLES])
    with pytest.raises(UserError, match="is found in namespace"):
        ran(["erase", "E-*", "--namespace", known[0], "--yes", *TABLES])


def test_the_export_holds_everything_and_its_manifest_proves_it(
    elasticsearch: Elasticsearch, known: tuple[str, Path, Company], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(documents, "PAGE", 2)
    target = tmp_path / "export"
    arguments = ["export", "E-1", "--namespace", known[0], "--out", str(target), *TABLES]
    ran(arguments)
    manifest = json.loads((target / "manifest.json").read_text())
    assert manifest["employee"] == "E-1"
    assert set(manifest["files"]) == {path.name for path in target.iterdir()} - {"manifest.json"}
    lines = {}
    for name, said in manifest["files"].items():
        data = (target / name).read_bytes()
        assert (len(data), hashlib.sha256(data).hexdigest()) == (said["bytes"], said["sha256"])
        lines[name] = [json.loads(line) for line in data.splitlines()]
        assert len(lines[name]) == said["records"]
        assert (target / name).stat().st_mode & 0o077 == 0
    stored = streams(elasticsearch, known[0])
    exported = [line for name in ("app.access", "innerwatch.alert") for line in lines[f"{name}.ndjson"]]
    assert len({line["id"] for line in exported}) == 10
    assert all(line["document"] == stored[line["id"]] for line in exported)
    assert [line["assignments"] for line in lines["cases.ndjson"]] == [
        [["ana.zz", "tier 1", MARCH + 9 * HOUR, MARCH + 33 * HOUR]]
    ] * 2
    owned = [line["holders"] for line in lines["directory.ndjson"] if "holders" in line]
    assert [[holder[0] for holder in holders] for holders in owned] == [["E-1"]]
    assert "Ben Ode" not in (target / "directory.ndjson").read_text()
    with pytest.raises(UserError, match="not empty"):
        ran(arguments)


def test_a_dry_run_or_a_wrong_confirmation_changes_nothing(
    elasticsearch: Elasticsearch, known: tuple[str, Path, Company]
) -> None:
    namespace = known[0]
    before = streams(elasticsearch, namespace), items(DIRECTORY), items(CASE_TABLE)
    assert "Nothing was erased" in ran(["erase", "E-1", "--namespace", namespace, "--dry-run", *TABLES]).output
    refused = CliRunner().invoke(person, ["erase", "E-1", "--namespace", namespace, *TABLES], input="e-1\n")
    assert isinstance(refused.exception, UserError)
    assert (streams(elasticsearch, namespace), items(DIRECTORY), items(CASE_TABLE)) == before


def test_erasing_leaves_nothing_of_the_person_and_all_of_the_others(
    elasticsearch: Elasticsearch, known: tuple[str, Path, Company], filled: str, tmp_path: Path
) -> None:
    before, directory = streams(elasticsearch, filled), items(DIRECTORY)
    other = streams(elasticsearch, known[0])
    version = DynamoStore(boto3.resource("dynamodb").Table(DIRECTORY)).version()
    typed = ["erase", "E-1", "--namespace", filled, "--by", "officer", "--texts", *TABLES]
    typed += ["--certificate", str(tmp_path / "certificate.json")]
    result = CliRunner().invoke(person, typed, input="E-1\n", catch_exceptions=False)
    assert "11 documents deleted, 4 of others rid of the mention" in result.output
    after = streams(elasticsearch, filled)
    theirs = {key for key, document in before.items() if (document.get("employee") or {}).get("id") == "E-1"}
    early = {key for key, document in before.items() if document["@timestamp"].endswith((":31.000Z", ":32.000Z"))}
    assert before.keys() - after.keys() == theirs | early
    text = json.dumps([after, items(DIRECTORY), items(CASE_TABLE)], default=str).lower()
    for word in (MARKER.lower(), "ana.zz", '"e-1"'):
        assert word not in text
    assert len([key for key in after if after[key] != before[key]]) == 4
    assert after["a-2"]["innerwatch"]["alert"]["employee"]["id"] == ["E-2"]
    assert after["a-2"]["related"]["user"] == ["ben.ode"]
    ben = next(document for document in after.values() if document.get("event", {}).get("id") == "ben.ode-1")
    assert not ben["employee"].get("manager")
    assert everything(elasticsearch, f"innerwatch-checkpoints-{filled}").keys() == {
        "rule-1",
        "look-back#01772409600000#E-10",
    }
    assert streams(elasticsearch, known[0]) == other, "another namespace is another company"
    # The directory without them, the others as they were.
    others = [item for item in directory if not re.search(r"E-1(?!\d)", json.dumps(item, default=str))]
    assert {"employee#E-2", "employee#E-3", "employee#E-10"} <= {item["pk"] for item in items(DIRECTORY)}
    assert [item for item in items(DIRECTORY) if item in others] == others
    (owned,) = (item["holders"] for item in items(DIRECTORY) if "holders" in item)
    assert [holder[0] for holder in owned] == ["E-2"]
    assignees = {row[0] for item in items(CASE_TABLE) for row in item.get("assignments", ())}
    assert assignees == {"(erased)", "ben.ode"}
    # Warm functions, which keep what they read, look again.
    assert DynamoStore(boto3.resource("dynamodb").Table(DIRECTORY)).version() != version
    certified(tmp_path / "certificate.json")
    assert "1 person was erased" in erasing.warning(elasticsearch, filled)
    assert not erasing.warning(elasticsearch, known[0])
    assert "Erased on" in erase(filled, tmp_path)
    with pytest.raises(UserError, match="erased on"):
        found(filled)


def certified(path: Path) -> None:
    """The certificate proves it without naming the person."""
    text = path.read_text()
    said = json.loads(text)
    assert "E-1" not in text
    assert MARKER not in text
    assert (
        said["employee"]["hash"] == hashed("E-1", said["employee"]["salt"]) != hashed("E-2", said["employee"]["salt"])
    )
    assert said["by"] == "officer"
    assert counts(said["found_when_begun"])["app.access"] == {"own": 9, "mentions": 1}
    assert not any(said["found_at_the_end"]["streams"].values())
    assert not any(said["found_at_the_end"]["tables"].values())
    assert len(said["dropped_from_disk"]["left"]) == said["dropped_from_disk"]["indices"] == 4  # it takes half a minute


def test_killed_again_and_again_it_goes_on_where_it_was(
    elasticsearch: Elasticsearch, filled: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(documents, "PAGE", 2)
    left = []
    for step in (
        "innerwatch_cli.rights.documents.Documents.redact",
        "innerwatch.append_only.AppendOnlyTable.amend",
        "innerwatch_cli.rights.purging.purge",
    ):
        with monkeypatch.context() as broken:
            broken.setattr(step, killed)
            with pytest.raises(Killed):
                erase(filled, tmp_path)
        streams_now = Documents(elasticsearch, filled).find(Person("E-1", "E-1")).values()
        left.append(sum(tally.documents for kinds in streams_now for tally in kinds))
    assert left[0] > left[1] == left[2] == 0
    assert not (tmp_path / "certificate.json").exists()
    assert "nothing is found any more" in erase(filled, tmp_path)
    certificate = json.loads((tmp_path / "certificate.json").read_text())
    assert certificate["attempts"] == 4
    assert counts(certificate["found_when_begun"])["app.access"] == {"own": 9, "mentions": 1}
    assert certificate["dropped_from_disk"]["indices"] == 4  # also those that only the first attempt touched
    assert '"e-1"' not in json.dumps(streams(elasticsearch, filled)).lower()
    assert not re.search(r"E-1(?!\d)", json.dumps([items(DIRECTORY), items(CASE_TABLE)], default=str))


class Killed(BaseException):
    """Nothing catches it, as nothing catches SIGKILL."""


def killed(*_: object, **__: object) -> None:
    raise Killed


def test_under_pseudonyms_a_person_is_asked_for_by_their_id_and_the_key(
    elasticsearch: Elasticsearch, known: tuple[str, Path, Company], namespace: str, tmp_path: Path
) -> None:
    folder, key = known[1], tmp_path / "key.json"
    key.write_text(Keys.new().text())
    feed = ["--hr", str(folder / "hr.csv")]
    hidden = [*feed, "--pseudonyms", str(key)]
    for file in ("events.ndjson", "trail.json"):
        ran([str(folder / file), *hidden, "--namespace", namespace], ingest)
    before = streams(elasticsearch, namespace)
    assert "ana.zz" not in json.dumps(before)
    assert counts(found(namespace, "E-1", *hidden)) == {
        "app.access": {"own": 7, "mentions": 1},
        "aws.cloudtrail": {"mentions": 1},
    }
    pseudonym = Pseudonyms(Keys.parse(key.read_text(), "key"), []).of("E-1")
    assert counts(found(namespace, pseudonym, "--json"))["app.access"]["own"] == 7
    with pytest.raises(UserError, match="stand under pseudonyms"):
        erase(namespace, tmp_path, *TABLES)
    assert "7 documents deleted, 2 of others" in erase(namespace, tmp_path, *TABLES, "--pseudonyms", str(key))
    after = json.dumps([streams(elasticsearch, namespace), items(DIRECTORY)], default=str)
    assert pseudonym not in after
    assert not re.search(r"E-1(?!\d)", after)


# --- the disk


SURNAME = "Wyqqmaltravers"


@pytest.fixture(scope="module", autouse=True)
def erased_early(
    elasticsearch: Elasticsearch, known: tuple[str, Path, Company], tmp_path_factory: pytest.TempPathFactory
) -> tuple[str, Path]:
    """Somebody whom the module's first act erases, and whom Elasticsearch still keeps for half a minute then."""
    namespace, folder = f"disk{uuid.uuid4().hex[:8]}", tmp_path_factory.mktemp("disk")
    (folder / "hr.csv").write_text((known[1] / "hr.csv").read_text().replace(MARKER, SURNAME))
    index(elasticsearch, namespace, json.loads(json.dumps(known[2]).replace(MARKER, SURNAME)))
    elasticsearch.indices.flush(index=f"logs-*-{namespace}")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(purging, "PATIENCE", 0)
        said = erase(namespace, folder, "--texts", "--hr", str(folder / "hr.csv"))
    assert "still on the disk in 4 indices" in said
    return namespace, folder


def on_disk(text: str) -> list[str]:
    """The node's files that hold a text: Lucene keeps terms and short sources as they are."""
    data = Path(os.environ["INNERWATCH_HOME"]) / "data"
    return [str(path) for path in data.rglob("*") if path.is_file() and text.encode() in path.read_bytes()]


@pytest.mark.skipif(bool(os.environ.get("ELASTICSEARCH_URL")), reason="needs the files of the local node")
def test_in_the_end_what_was_deleted_is_gone_from_the_disk(
    erased_early: tuple[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(purging, "PATIENCE", 60)
    namespace, folder = erased_early
    assert on_disk(SURNAME.lower()), "it was not dropped yet, and can be found there"
    assert "Dropped from the disk in 4 indices" in erase(namespace, folder, "--hr", str(folder / "hr.csv"))
    assert not on_disk(SURNAME.lower())
    assert "Dropped" not in erase(namespace, folder, "--hr", str(folder / "hr.csv"))
