"""The files of a report: nothing in them runs, whatever customers are called, and a report can be read back."""

import csv
import json
import re
import shutil
from html import unescape
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

from innerwatch.errors import UserError
from innerwatch_cli.commands.scope import scope
from innerwatch_cli.scope import verifying, writing
from innerwatch_cli.scope.question import Question
from innerwatch_cli.scope.tally import Tally
from tests.unit.test_scope_tally import HOSTILE, as_read, hit, question


def written(folder: Path, *ids: str) -> dict[str, Any]:
    tally = Tally(question())
    tally.add(as_read(*(hit(number, [identity]) for number, identity in enumerate(ids))))
    summary: dict[str, Any] = {
        "schema": "innerwatch.scope/1",
        "question": question(people=("</script><b>",)).as_json(),
        "totals": {
            "lower": len(ids),
            "probable": len(ids),
            "upper": None,
            "upper_is_number_of_all_customers": False,
            "upper_is_made_of": [],
            "assumptions": [],
        },
        "blind_spots": {
            "coverage": None,
            "possible": {"accounts": [], "more": 0},
            "programs": {"events": 0, "customers_about": 0},
            "without_customers": {"list": [], "more": 0},
            "systems": [],
            "fields_not_logged": [],
            "probable": [],
            "failed_attempts": 0,
        },
        "people": [{"id": "</script><b>", "name": "<img src=x>", "certain": 1, "probable": 0, "accesses": 1}],
        "seen_by_several": {"customers": 0, "pairs": []},
        "systems": [],
        "fields": [],
        "justification": [],
        "evidence": tally.evidence(),
        "customers": {"count": len(ids), "sha256": ""},
        "data": {
            "documents": 1,
            "newest_ingested": "",
            "directory": {"versions": 0, "first": None, "last": None},
            "rules": [],
            "engine": "0",
        },
        "made": {"by": "ana", "on": "here", "at": "2026-03-06T00:00:00.000Z"},
    }
    summary["people"][0] |= {"role": None, "department": None, "status": None}
    writing.write(folder, summary, tally.seen())
    return summary


FORMULAS = ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", "\n=1", "＝1", '=HYPERLINK("https://example.com")']


@pytest.mark.parametrize("identity", FORMULAS)
def test_no_cell_is_a_formula(tmp_path: Path, identity: str) -> None:
    written(tmp_path / "r", identity)
    with (tmp_path / "r" / "customers.csv").open(newline="", encoding="utf-8") as file:
        head, row = csv.reader(file)
    assert head[0] == "customer_id"
    assert row[0] == f"'{identity}"
    (line,) = (tmp_path / "r" / "customers.jsonl").read_bytes().splitlines()
    assert json.loads(line)["customer_id"] == identity


@given(st.text())
def test_a_cell_never_begins_as_a_formula_does(text: str) -> None:
    assert not writing.cell(text).startswith(writing.FORMULA)
    assert writing.cell(text).removeprefix("'") in (text, text.removeprefix("'"))


@pytest.mark.parametrize(("alert", "command"), [("", "ID"), ("a1 $(rm)", "'a1 $(rm)'")])
def test_the_report_says_how_its_events_are_proven(tmp_path: Path, alert: str, command: str) -> None:
    summary = written(tmp_path / "first", "C-1")
    summary["question"] |= {"alert": alert, "namespace": "other"}
    page = unescape(writing.report(summary, []))
    assert f"<code>innerwatch evidence {command} --namespace other --json > proof.json</code>" in page


def test_what_customers_and_people_are_called_stays_text(tmp_path: Path) -> None:
    summary = written(tmp_path / "r", *HOSTILE)
    page = (tmp_path / "r" / "report.html").read_text(encoding="utf-8")
    assert len(re.findall("<script", page)) == 1
    assert "alert(1)</script>" not in page
    assert "<img" not in page
    assert "\u202e" not in page
    assert "default-src 'none'" in page
    # Both files carry the same summary, and the page says nothing but it.
    from_page, from_file = (verifying.load(tmp_path / "r" / name) for name in ("report.html", "summary.json"))
    assert from_page == from_file == json.loads(json.dumps(summary))
    with (tmp_path / "r" / "customers.csv").open(newline="", encoding="utf-8") as file:
        assert len(list(csv.reader(file))) == len(HOSTILE) + 1


def test_an_altered_list_of_customers_is_found_out(tmp_path: Path) -> None:
    summary = written(tmp_path / "r", "C-1", "C-2")
    assert list(verifying.files(summary, tmp_path / "r")) == []
    path = tmp_path / "r" / "customers.csv"
    path.write_text(path.read_text().replace("C-2", "C-3"))
    assert list(verifying.files(summary, tmp_path / "r")) == [
        "customers.csv: is not the file that the report was made with"
    ]


def test_differences_name_where_and_what() -> None:
    before = {"totals": {"lower": 3}, "list": [1, 2], "made": {"by": "ana"}, "gone": 1}
    now = {"totals": {"lower": 4}, "list": [1, 5], "made": {"by": "bob"}}
    assert list(verifying.differences(before, now)) == [
        "gone: the report says 1, it is null",
        "list[1]: the report says 2, it is 5",
        "totals.lower: the report says 3, it is 4",
    ]
    assert list(verifying.differences({"data": {"made": 1}}, {"data": {"made": 2}}))


def test_a_folder_with_something_in_it_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "mine").write_text("x")
    with pytest.raises(UserError, match="is there already; expected the name of a new folder"):
        written(tmp_path, "C-1")


@pytest.mark.parametrize("text", ["", "{}", "[]", "<html></html>", '{"schema": "other/1"}', "\x00"])
def test_a_file_that_is_no_report_is_one_line(tmp_path: Path, text: str) -> None:
    path = tmp_path / "summary.json"
    path.write_text(text)
    with pytest.raises(UserError, match=r"summary\.json: is no report; expected summary\.json or report\.html"):
        verifying.load(path)
    with pytest.raises(UserError, match="cannot be read"):
        verifying.load(tmp_path / "none")


def test_half_a_report_is_one_line(tmp_path: Path) -> None:
    path = tmp_path / "summary.json"
    path.write_text('{"schema": "innerwatch.scope/1", "question": {"start": "yesterday"}}')
    with pytest.raises(UserError, match="is no whole report"):
        verifying.asked(verifying.load(path), path)


def test_a_question_is_read_back_as_it_was() -> None:
    asked = question(fields=("email",), base=7, events=("a", "b"), harmless=("x",), start=1000, end=2000)
    assert Question.from_json(json.loads(json.dumps(asked.as_json()))) == asked


def test_without_a_browser_there_is_no_pdf(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    done = CliRunner().invoke(scope, ["--employee", "E1", "--pdf"])
    assert isinstance(done.exception, UserError)
    assert "--pdf needs a Chromium, and there is none; expected one of chromium," in str(done.exception)


@pytest.mark.skipif(not any(map(shutil.which, writing.BROWSERS)), reason="no Chromium on the PATH to print with")
def test_a_browser_prints_the_report(tmp_path: Path) -> None:
    written(tmp_path / "r", "C-1")
    page = writing.print_pdf(tmp_path / "r", writing.find_browser())
    assert page.read_bytes().startswith(b"%PDF-")
    assert page.stat().st_size > 10_000


@pytest.mark.parametrize("arguments", [[], ["--employee", "E1", "--alert", "x"], ["--case", "c", "--alert", "x"]])
def test_it_must_be_said_whose_accesses(arguments: list[str]) -> None:
    done = CliRunner().invoke(scope, arguments)
    assert isinstance(done.exception, UserError)
    assert str(done.exception) == "it is not said whose accesses; expected one of --employee, --alert and --case"


def test_without_a_server_it_is_one_line(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("ELASTICSEARCH_URL", raising=False)
    monkeypatch.setenv("INNERWATCH_HOME", str(tmp_path))
    done = CliRunner().invoke(scope, ["--employee", "E1", "--from", "2026-03-01", "--to", "2026-03-02"])
    assert isinstance(done.exception, UserError)
    assert "no Elasticsearch" in str(done.exception)
