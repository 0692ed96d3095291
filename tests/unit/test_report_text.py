"""How values read, where a raw record lies, and what the small charts draw."""

import re
from datetime import date
from typing import Any

import pytest

from innerwatch_cli.report import charts, environment, text


def test_what_turns_a_line_around_is_written_out() -> None:
    template = environment().from_string("<b>{{ name }}</b>")
    assert template.render(name="exe\u202egpj.<i>") == "<b>exe\\u202egpj.&lt;i&gt;</b>"
    assert text.visible("Zoë مرحبا 李") == "Zoë مرحبا 李"
    assert text.safe("a\x00\ud800<") == "a\\u0000\\ud800&lt;"


@pytest.mark.parametrize(
    ("path", "offset", "place"),
    [
        ("s3://logs/a/b c.gz?versionId=v/1", 3, ("logs", "a/b c.gz", "v/1", 3)),
        ("s3://logs/a.gz", 1, ("logs", "a.gz", "", 1)),
        ("cloudwatch-logs://group/stream", 7, ("", "cloudwatch-logs://group/stream", "", 7)),
    ],
)
def test_the_raw_records_address(path: str, offset: int, place: tuple[Any, ...]) -> None:
    assert text.place({"log": {"file": {"path": path}, "offset": offset}}) == place


@pytest.mark.parametrize(
    ("path", "address"),
    [
        ("s3://logs/a/b c+d.gz?versionId=v.1_", "logs?prefix=a/b%20c%2Bd.gz&versionId=v.1_"),
        ("s3://logs/a&versionId=x#y.gz", "logs?prefix=a%26versionId%3Dx%23y.gz"),
        ("s3://logs/\ud800é", "logs?prefix=%3F%C3%A9"),
        ("s3://amzn-s3-demo-logs/a.gz", ""),
        ("s3://evil?x/a.gz", ""),
        ("s3://a/../b", ""),
        ("/var/log/access.log", ""),
        ("kinesis://stream/shard?sequenceNumber=7", ""),
    ],
)
def test_an_objects_page_in_awss_console(path: str, address: str) -> None:
    where = text.place({"log": {"file": {"path": path}, "offset": 1}})
    assert where is not None
    assert text.console(where) == (text.CONSOLE + address if address else "")


def test_what_was_computed_has_no_raw_record() -> None:
    assert text.place({"behaviour": {}}) is None


def test_long_ids_are_cut_with_their_length() -> None:
    assert text.short("x" * 8191) == "x" * 120 + "… (8,191 characters)"


def test_times_read_as_people_read_them_and_others_stay() -> None:
    assert text.when("2026-03-02T09:14:03.221Z") == "Mon 02 Mar 2026, 09:14"
    assert text.when(0) == "Thu 01 Jan 1970, 00:00"
    assert text.when("soon") == "soon"


def document(day: str, value: float, score: float, **usual: Any) -> dict[str, Any]:
    return {
        "behaviour": {"date": day, "customers": {"value": value, "score": score, "basis": "own 9 days", **usual}},
        "user": {"risk": {"calculated_score_norm": score}},
    }


OWN = {"median": 10.0, "mad": 0.2, "high": 14.0, "days": 9}
DAYS = [
    document("2026-03-02", 9, 0.0, own=OWN),
    document("2026-03-03", 60, 88.0, own=OWN, peers={"median": 12.0, "mad": 0.1, "high": 15.0, "people": 6}),
]


def test_a_measure_is_shown_beside_what_is_usual() -> None:
    (one,) = charts.series(DAYS)
    assert one.note == "distinct customers whose data was shown"
    assert one.peak.unusual
    own = one.points[0].own
    # On a logarithmic scale with a floor of 10: (10 + 10) · e^±0.2 - 10.
    assert own is not None
    assert (round(own.low, 2), own.median, round(own.high, 2)) == (6.37, 10.0, 14.43)
    assert charts.told(one.peak) == "Tue 03 Mar: 60; own usual 10, peers' usual 12, score 88 (own 9 days)"
    drawn = charts.behaviour(one, date(2026, 3, 2), date(2026, 3, 3))
    assert drawn.count('class="band"') == 2
    assert drawn.count('class="peers"') == 1
    assert drawn.count("mark high") == 1


def test_what_never_was_is_not_drawn() -> None:
    assert charts.series([document("2026-03-02", 0, 0.0)]) == []


def test_a_sum_over_days_says_what_it_sums() -> None:
    assert (
        charts.note("unjustified_14d") == "distinct customers looked up one by one without justification, over 14 days"
    )


def test_risk_is_a_bar_in_the_colour_of_its_level() -> None:
    drawn = charts.risk(DAYS, date(2026, 3, 2), date(2026, 3, 3))
    assert re.findall(r'class="mark (\w+)"><title>([^<]*)', drawn) == [("high", "Tue 03 Mar: 88")]


def test_unusual_days_are_told_in_words() -> None:
    day = DAYS[1] | {"behaviour": DAYS[1]["behaviour"] | {"unusual": ["customers", "gone"]}}
    assert charts.unusual(day) == [
        "distinct customers whose data was shown: 60; own usual 10, peers' usual 12, score 88 (own 9 days)"
    ]
