"""Under a legal hold nothing of a person is erased, and their documents outlive the streams that they were in."""

import json
import re
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from elasticsearch import Elasticsearch

from innerwatch.elastic import stream_name
from innerwatch.errors import UserError
from innerwatch.fields import DATASETS
from innerwatch_cli.commands.scope import scope
from innerwatch_cli.report.findings import Key
from innerwatch_cli.rights import documents, erasing, purging
from innerwatch_cli.rights.register import Register
from innerwatch_cli.view import questions
from tests.elasticsearch.person import MARKER, Company, company, everything, held, index, ran

pytestmark = pytest.mark.elasticsearch

NEXT_YEAR = (datetime.now(UTC) + timedelta(days=365)).date().isoformat()
WHY = ["--reason", "Case 17 O 1/26", "--until", NEXT_YEAR]


@pytest.fixture(scope="module")
def known(elasticsearch: Elasticsearch, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Company]:
    folder = tmp_path_factory.mktemp("known")
    return folder / "hr.csv", company(elasticsearch, f"known{folder.stat().st_ino}", folder)


@pytest.fixture
def filled(
    elasticsearch: Elasticsearch, namespace: str, known: tuple[Path, Company], monkeypatch: pytest.MonkeyPatch
) -> str:
    monkeypatch.setattr(purging, "PATIENCE", 0)
    index(elasticsearch, namespace, known[1])
    return namespace


def place(namespace: str, known: tuple[Path, Company], employee: str = "E-1") -> str:
    said = held(["place", employee, *WHY, "--namespace", namespace, "--hr", str(known[0])]).output
    match = re.search(r"Hold (\w+) on", said)
    assert match, said
    return match[1]


def holds(namespace: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(held(["list", "--namespace", namespace, "--json"]).stdout)
    return found


def find(namespace: str, known: tuple[Path, Company], employee: str = "E-1") -> dict[str, Any]:
    said: dict[str, Any] = json.loads(
        ran(["find", employee, "--namespace", namespace, "--hr", str(known[0]), "--json"]).stdout
    )
    return said


def seen(namespace: str, folder: Path) -> dict[str, Any]:
    """What `innerwatch scope` says of the person's March."""
    arguments = ["--employee", "E-1", "--from", "2026-03-01", "--to", "2026-04-01", "--namespace", namespace]
    said: dict[str, Any] = json.loads(ran([*arguments, "--out", str(folder), "--json"], scope).stdout)
    return said


def delete_streams(es: Elasticsearch, namespace: str, datasets: Iterable[str] = DATASETS) -> None:
    """As a lifecycle does it: the index is rolled over, and later deleted."""
    for dataset in datasets:
        old = es.indices.rollover(alias=stream_name(dataset, namespace))["old_index"]
        es.indices.delete(index=old)


def test_what_is_held_outlives_its_streams_and_is_never_counted_twice(
    elasticsearch: Elasticsearch, filled: str, known: tuple[Path, Company], tmp_path: Path
) -> None:
    before = seen(filled, tmp_path / "before")
    of_all = elasticsearch.count(index="logs-*", query={"term": {"employee.id": "E-1"}})["count"]
    identity = place(filled, known)
    (listed,) = holds(filled)
    assert (listed["employee"], listed["documents"], listed["until"]) == ("E-1", 12, NEXT_YEAR)
    # While the originals exist: the same numbers, whoever asks, by whatever pattern.
    assert elasticsearch.count(index="logs-*", query={"term": {"employee.id": "E-1"}})["count"] == of_all
    assert seen(filled, tmp_path / "same")["totals"] == before["totals"]
    assert find(filled, known)["holds"][identity]["app.access"] == 9

    originals = {key for some in known[1].values() for key in some}
    delete_streams(elasticsearch, filled)
    assert not everything(elasticsearch, f"logs-*-{filled}")
    said = find(filled, known)
    assert not any(said["streams"].values())
    assert sum(said["holds"][identity].values()) == 12
    kept = everything(elasticsearch, f"innerwatch-hold-{filled}-*")
    assert kept.keys() <= originals
    assert kept == {key: document for some in known[1].values() for key, document in some.items() if key in kept}
    again = seen(listed["namespace"], tmp_path / "held")
    assert before["totals"]["probable"] == again["totals"]["probable"] == 7
    assert again["evidence"]["events"] == before["evidence"]["events"] - OTHERS
    source = questions.Source(elasticsearch, listed["namespace"])
    assert {alert.id for alert in questions.alerts(source, questions.Filters()).alerts} == {"a-1", "a-2"}
    life = questions.person(source, Key(employee="E-1"), None, None)
    assert life is not None
    assert life.employee["id"] == "E-1"
    export = ["export", "E-1", "--namespace", filled, "--hr", str(known[0]), "--out", str(tmp_path / "export")]
    ran(export)
    files = {path.name: path.read_bytes().count(b"\n") for path in (tmp_path / "export").glob("hold-*.ndjson")}
    assert files[f"hold-{identity}-app.access.ndjson"] == 9


OTHERS = 1  # the event of an account that nobody is known to have: scope shows it as possible


def test_while_held_nothing_is_erased_and_after_release_it_is(
    elasticsearch: Elasticsearch, filled: str, known: tuple[Path, Company], tmp_path: Path
) -> None:
    erase = ["erase", "E-1", "--namespace", filled, "--hr", str(known[0]), "--yes"]
    erase += ["--certificate", str(tmp_path / "c.json")]
    ran(["erase", "E-1", "--namespace", filled, "--dry-run"])
    first = place(filled, known)  # between the dry run and the erasure
    second = place(filled, known)
    before = everything(elasticsearch, f"logs-*-{filled}")
    with pytest.raises(UserError, match=rf"under a legal hold: hold {first} .*Case 17 O 1/26.*{NEXT_YEAR}"):
        ran(erase)
    for identity in (first, second):
        with pytest.raises(UserError, match=identity):
            ran(erase)
        said = held(["release", identity, "--reason", "settled", "--yes", "--namespace", filled]).output
        assert "12 copies deleted" in said
    assert "logs-app.access" in said
    assert "nothing deletes them here" in said  # the local node has no lifecycle management
    assert "was released on" in held(["release", first, "--reason", "x", "--yes", "--namespace", filled]).output
    assert everything(elasticsearch, f"logs-*-{filled}") == before
    assert {hold["employee"] for hold in holds(filled)} == {""}, "whom it was about need not be known any more"
    assert "11 documents deleted" in ran(erase).output
    assert MARKER not in json.dumps(everything(elasticsearch, f"logs-app.access-{filled}"))


def test_update_copies_what_came_since_and_tells_of_copies_that_are_missing(
    elasticsearch: Elasticsearch, filled: str, known: tuple[Path, Company], monkeypatch: pytest.MonkeyPatch
) -> None:
    place(filled, known)
    monkeypatch.setattr(documents, "PAGE", 2)
    update = ["update", "--namespace", filled, "--hr", str(known[0])]
    assert "12 documents, 0 more" in held(update).output
    (digest,) = {hold["copies"]["app.access"]["sha256"] for hold in holds(filled)}
    new = {"@timestamp": "2026-03-09T10:00:00.000Z", "employee": {"id": "e-1"}}  # Elasticsearch ignores case
    index(elasticsearch, filled, {"app.access": {"new": new}})
    assert "13 documents, 1 more" in held(update).output
    assert {hold["copies"]["app.access"]["sha256"] for hold in holds(filled)} != {digest}
    delete_streams(elasticsearch, filled, ["app.access"])
    (hold,) = holds(filled)
    copies = f"innerwatch-hold-{filled}-{hold['id']}-app.access"
    elasticsearch.delete(index=copies, id="new", refresh=True)
    assert "held 10 copies, and 9 were there: somebody deleted some" in held(update).stderr


def test_of_a_hold_and_an_erasure_that_begin_at_once_one_is_refused(
    elasticsearch: Elasticsearch, filled: str, known: tuple[Path, Company], monkeypatch: pytest.MonkeyPatch
) -> None:
    register = Register(elasticsearch, filled)
    stale = register.read("E-1")
    place(filled, known)
    with pytest.raises(UserError, match="at the same moment"):
        register.write(stale, stale.entry)
    # The other way round: an erasure that has begun, and was killed, is too late to hold.
    monkeypatch.setattr(erasing, "run", killed)
    with pytest.raises(Killed):
        ran(["erase", "E-10", "--namespace", filled, "--yes"])
    with pytest.raises(UserError, match="an erasure of this person has begun"):
        place(filled, known, "E-10")


def killed(*_: object, **__: object) -> None:
    raise Killed


class Killed(BaseException):
    """Nothing catches it, as nothing catches SIGKILL."""


def test_what_is_held_for_others_stays_as_it_is(
    elasticsearch: Elasticsearch, filled: str, known: tuple[Path, Company], tmp_path: Path
) -> None:
    """E-1 is erased, who is the manager of E-2, who is held."""
    place(filled, known, "E-2")
    before = everything(elasticsearch, f"logs-*-{filled}")
    erase = ["erase", "E-1", "--namespace", filled, "--hr", str(known[0]), "--yes", "--texts"]
    said = ran([*erase, "--certificate", str(tmp_path / "c.json")]).output
    assert "11 documents deleted, 2 of others" in said  # and not Ben's access, nor the alert of both
    after = everything(elasticsearch, f"logs-*-{filled}")
    assert {key: after[key] for key in ("a-2", "a-3", "crm:ben.ode-1")} == {
        key: before[key] for key in ("a-2", "a-3", "crm:ben.ode-1")
    }
    certificate = json.loads((tmp_path / "c.json").read_text())
    kept = [kinds["kept"]["documents"] for kinds in certificate["found_at_the_end"]["streams"].values() if kinds]
    assert kept == [1, 1]
    assert certificate["found_at_the_end"]["held_for_others"] == 2


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["place", "E-9", *WHY], "nothing of employee 'E-9' is found"),
        (["place", "E-1", "--reason", " ", "--until", NEXT_YEAR], "--reason is empty"),
        (["place", "E-1", "--reason", "x", "--until", "2026-01-01"], "not in the future"),
        (["place", "E-1", "--reason", "x", "--until", "soon"], "expected a day"),
        (["release", "no-such", "--reason", "x"], "no hold has the id 'no-such'"),
        (["update", "no-such"], "no hold has the id 'no-such'"),
    ],
)
def test_what_a_user_can_do_wrong_is_told(namespace: str, arguments: list[str], message: str) -> None:
    with pytest.raises(UserError, match=message):
        held([*arguments, "--namespace", namespace])
