"""A log set of one's own: monthly HR snapshots as history, logons as CSV, answers; and mistakes in such a folder."""

import shutil
from pathlib import Path

import pytest

from innerwatch import instants
from innerwatch.behaviour import DATASET as BEHAVIOUR
from innerwatch.directory import in_memory
from innerwatch.errors import UserError
from innerwatch.hr import load_feed
from innerwatch_cli.evaluate import chain, companies, measures
from innerwatch_cli.paths import RULES
from innerwatch_cli.sigma import compile_rules
from tests import labelled


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("set") / "logs"
    assert labelled.make(folder, people=30, months=3) > 2000
    return folder


@pytest.fixture
def folder(made: Path, tmp_path: Path) -> Path:
    """A copy to spoil."""
    return Path(shutil.copytree(made, tmp_path / "set"))


def test_who_tries_computers_at_night_is_found_and_nobody_else_is_flagged(made: Path) -> None:
    rules = [rule for rule in compile_rules([RULES]) if rule.dataset == BEHAVIOUR]
    figures = measures.summary([chain.walk(made, rules, [])], [])
    assert (figures["planted"], figures["found"], figures["wrongly_flagged_people"]) == (2, 2, 0)
    assert figures["median_days_to_detection"] <= 1
    assert figures["events_set_aside"] == 0


def test_snapshots_are_history_and_who_is_missing_from_one_has_left_by_then(folder: Path) -> None:
    feeds = [load_feed(path) for path in sorted((folder / "LDAP").glob("*.csv"))]
    assert [instants.iso(feed.recorded_at)[:10] for feed in feeds] == ["2010-01-01", "2010-02-01", "2010-03-01"]
    february = folder / "LDAP" / "2010-02.csv"
    lines = february.read_text().splitlines(keepends=True)
    february.write_text("".join(line for line in lines if ",U00007," not in line))
    (folder / "LDAP" / "2010-03.csv").unlink()
    people = in_memory(load_feed(path) for path in sorted((folder / "LDAP").glob("*.csv")))
    seen = [people.state("U00007", instants.from_rfc3339(f"2010-{day}T12:00:00Z")) for day in ("01-31", "02-01")]
    assert [fact.employee.status if fact else None for fact in seen] == ["", "terminated"]


def test_a_name_that_tells_no_month_is_refused(folder: Path) -> None:
    path = folder / "LDAP" / "2010-01.csv"
    with pytest.raises(UserError, match=r"staff\.csv: the name 'staff' tells no time.*expected one such as %Y-%m"):
        load_feed(path.rename(path.with_name("staff.csv")))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("logs: [", r"evaluation\.yml:1: is no YAML"),
        ("a list", "is no mapping"),
        ("hr: x\nlogs: [{paths: logon.csv}]\nanswers: {path: insiders.csv}\nnoise: 1", "'noise' is not known"),
        ("hr: x\nanswers: {path: insiders.csv}", "`logs` is no list of entries with `paths`"),
        ("logs: [{paths: logon.csv}]\nanswers: {path: insiders.csv}", "`hr` names no feed"),
        ("logs: [{paths: logon.csv}]\nhr: LDAP/*.csv", "`answers` has no `path`"),
        ("logs: [{paths: logon.csv}]\nhr: no/*.csv\nanswers: {path: insiders.csv}", r"nothing is called no/\*\.csv"),
        ("logs: [{paths: logon.csv}]\nhr: [1]\nanswers: {path: insiders.csv}", "`hr` holds 1"),
        ("logs: [{paths: logon.csv}]\nhr: LDAP/*.csv\nanswers: {path: no.csv}", r"no\.csv: cannot be read"),
        (
            "logs: [{paths: logon.csv}]\nhr: LDAP/*.csv\nanswers: {path: insiders.csv}",
            r"insiders\.csv:2: '0.*' is no time: .*expected an RFC 3339 time",
        ),
    ],
)
def test_what_is_wrong_in_the_file_is_said_in_one_line(folder: Path, text: str, message: str) -> None:
    (folder / "evaluation.yml").write_text(text)
    with pytest.raises(UserError, match=message):
        companies.load(folder)


def test_an_answer_about_nobody_in_hr_is_refused(folder: Path) -> None:
    path = folder / "insiders.csv"
    path.write_text(path.read_text() + "nobody,01/02/2010 06:49:00,01/03/2010 06:49:00,night\n")
    with pytest.raises(UserError, match=r"insiders\.csv:4: 'nobody' is nobody in the HR feeds"):
        companies.load(folder)


def test_answers_lack_a_column(folder: Path) -> None:
    (folder / "insiders.csv").write_text("user,start,end\n")
    with pytest.raises(UserError, match=r"insiders\.csv:1: no column scenario"):
        companies.load(folder)
