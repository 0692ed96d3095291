"""The bounds and what they rest on, and the minutes that are not proven."""

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from innerwatch import instants
from innerwatch.errors import UserError
from innerwatch_cli.scope import bounds, gaps
from innerwatch_cli.scope.question import Question
from innerwatch_cli.scope.tally import Tally
from tests.unit.test_scope_tally import as_read, hit, question

NINE = instants.from_rfc3339("2026-03-05T09:00:00Z")
MINUTE = 60_000


def tally_of(asked: Question) -> Tally:
    """Two certain customers, one probable, one possible."""
    tally = Tally(asked)
    tally.add(
        as_read(hit(1, ["C-1", "C-2"]), hit(2, ["C-3"], confidence="asserted"), hit(3, ["C-4", "C-1"], employee=None))
    )
    return tally


PROVEN = gaps.Coverage(("company, logs/", "objects, logs/app/"), ())


def totals(asked: Question, tally: Tally, *rest: Any) -> bounds.Totals:
    return bounds.totals(asked, tally, Counter(seen.strength for seen in tally.seen()), *rest)


def missing(minutes: int, *, lacking: bool = True) -> gaps.Coverage:
    return gaps.Coverage(
        PROVEN.trails, (gaps.Gap("company, logs/", 0, minutes * MINUTE, ("object missing",), lacking),)
    )


def test_what_is_named_bounds_where_nothing_is_missing() -> None:
    asked = question()
    found = totals(asked, tally_of(asked), PROVEN, None, 0)
    assert (found.lower, found.probable, found.upper) == (2, 3, 4)
    assert len(found.assumptions) == 2


@pytest.mark.parametrize(
    ("base", "minutes", "rate", "upper", "capped"),
    [
        (None, 10, 3, 4 + 10 * 3 * 2, False),  # of two people
        (50, 10, 3, 50, True),
        (1000, 10, 3, 64, False),
        (None, 10, 0, None, False),  # nothing was seen from which a pace could be taken
        (1000, 10, 0, 1000, True),
        (4, 0, None, 4, True),
    ],
)
def test_missing_minutes_widen_the_upper_bound(
    base: int | None, minutes: int, rate: int | None, upper: int | None, capped: bool
) -> None:
    asked = question(base=base)
    found = totals(asked, tally_of(asked), missing(minutes), rate, 0)
    assert (found.lower, found.upper, found.capped) == (2, upper, capped)


def test_minutes_for_which_nobody_vouches_are_an_assumption_and_no_number() -> None:
    asked = question()
    found = totals(asked, tally_of(asked), missing(90, lacking=False), None, 0)
    assert found.upper == 4
    assert any("90 minutes for which nobody vouches" in text for text, _ in found.assumptions)
    for trail, unexamined in (
        ("company, logs/", "The applications' logs"),
        ("objects, logs/app/", "CloudTrail's logs"),
    ):
        part = totals(asked, tally_of(asked), gaps.Coverage((trail,), ()), None, 0)
        assert any(text.startswith(unexamined) for text, _ in part.assumptions)
    without = totals(asked, tally_of(asked), None, None, 0)
    assert any("not examined" in text for text, _ in without.assumptions)


def test_records_without_customers_count_one_each_and_unnumbered_accesses_have_no_limit() -> None:
    asked = question()
    tally = tally_of(asked)
    tally.add(as_read(hit(4, (), records=500)))
    found = totals(asked, tally, PROVEN, None, 12)
    assert found.upper == 504
    assert any("belongs to one customer" in text for text, _ in found.assumptions)
    assert any("12 customers" in otherwise for _, otherwise in found.assumptions)
    tally.add(as_read(hit(5, ())))
    assert totals(asked, tally, PROVEN, None, 0).upper is None
    assert totals(question(base=9000), tally, PROVEN, None, 0).upper == 9000


def test_fewer_customers_than_the_logs_name_cannot_be_all() -> None:
    asked = question(base=3)
    with pytest.raises(UserError, match="--customer-base is 3, and the logs name 4 customers"):
        totals(asked, tally_of(asked), PROVEN, None, 0)


def covered(*intervals: tuple[int, int, list[str]]) -> list[dict[str, Any]]:
    """As `innerwatch coverage --json` prints it; minutes from nine o'clock."""
    return [
        {
            "trail": {
                "bucket": "logs",
                "prefix": "",
                "account": "123456789012",
                "region": "eu-west-1",
                "name": "company",
            },
            "minutes": {},
            "intervals": [
                {
                    "start": instants.iso(NINE + start * MINUTE),
                    "end": instants.iso(NINE + end * MINUTE),
                    "state": "incomplete",
                    "reasons": [{"reason": reason, "meaning": "", "objects": 1, "example": ""} for reason in reasons],
                }
                for start, end, reasons in intervals
            ],
        }
    ]


def read(path: Path, said: Any, start: int, end: int) -> list[tuple[int, int, tuple[str, ...], bool]]:
    path.write_text(json.dumps(said))
    found = gaps.read(path, NINE + start * MINUTE, NINE + end * MINUTE)
    assert gaps.Coverage.from_json(json.loads(json.dumps(found.as_json()))) == found
    return [((it.start - NINE) // MINUTE, (it.end - NINE) // MINUTE, it.reasons, it.lacking) for it in found.gaps]


def test_gaps_are_cut_to_the_time_and_what_was_not_examined_is_one(tmp_path: Path) -> None:
    said = covered((0, 10, []), (10, 30, ["object missing"]), (30, 40, ["nobody signs these objects"]))
    assert read(tmp_path / "c.json", said, 20, 60) == [
        (20, 30, ("object missing",), True),
        (30, 40, ("nobody signs these objects",), False),
        (40, 60, (gaps.NOT_EXAMINED,), False),
    ]
    assert read(tmp_path / "c.json", said, -5, 5) == [(-5, 0, (gaps.NOT_EXAMINED,), False)]


@pytest.mark.parametrize("reason", ["digest missing", "digest altered", "chain broken", "records set aside"])
def test_where_a_signed_list_is_lacking_events_may_be(tmp_path: Path, reason: str) -> None:
    ((_, _, _, lacking),) = read(tmp_path / "c.json", covered((0, 10, [reason])), 0, 10)
    assert lacking


@pytest.mark.parametrize("reason", ["more documents than records", "read, then removed", "no digest"])
def test_where_all_is_there_or_nobody_vouches_none_is_known_to_be_missing(tmp_path: Path, reason: str) -> None:
    ((_, _, _, lacking),) = read(tmp_path / "c.json", covered((0, 10, [reason])), 0, 10)
    assert not lacking


def test_a_coverage_of_nothing_proves_nothing(tmp_path: Path) -> None:
    (tmp_path / "c.json").write_text("[]")
    with pytest.raises(UserError, match="of no trail"):
        gaps.read(tmp_path / "c.json", 0, 1)


@pytest.mark.parametrize("text", ["", "[1]", "{}", '[{"trail": {"x": "y"}, "intervals": []}]', "\xff"])
def test_a_file_that_is_no_coverage_is_one_line(tmp_path: Path, text: str) -> None:
    path = tmp_path / "c.json"
    path.write_text(text, encoding="latin-1")
    with pytest.raises(UserError, match=r"c\.json: is no coverage"):
        gaps.read(path, 0, 1)
