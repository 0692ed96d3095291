"""Why a condition does not come out as wanted, without a server."""

from pathlib import Path
from typing import Any

import pytest

from innerwatch.detection.rules import All, AnyOf, Condition, FieldTest, Not
from innerwatch_cli.authoring.explain import Detection, mismatches
from innerwatch_cli.authoring.running import Selected
from innerwatch_cli.sigma import compile_rules

EXPORT = FieldTest("event.action", "equals", "export")
MANY = FieldTest("access.records", "gte", 50)
DOCUMENT: dict[str, Any] = {"event": {"action": "view"}, "access": {"records": 7, "customer": {"id": ["C-1", "C-2"]}}}


@pytest.mark.parametrize(
    ("condition", "wanted", "expected"),
    [
        (EXPORT, True, [("event.action", '"export"', '"view"')]),
        (EXPORT, False, []),
        (All((EXPORT, MANY)), True, [("event.action", '"export"', '"view"'), ("access.records", "≥ 50", "7")]),
        (Not(FieldTest("access.records", "lt", 50)), True, [("access.records", "not < 50", "7")]),
        (
            AnyOf((EXPORT, FieldTest("event.action", "startswith", "down"))),
            True,
            [("event.action", '"export" or starts with "down"', '"view"')],
        ),
        (FieldTest("access.case.id", "exists", value=True), True, [("access.case.id", "a value", "nothing")]),
        (FieldTest("access.case.id", "null"), False, [("access.case.id", "a value that is not null", "nothing")]),
        (FieldTest("access.customer.id", "equals", "c-3"), True, [("access.customer.id", '"c-3"', '"C-1", "C-2"')]),
        (FieldTest("event.action", "re", "^ex", flags="i"), True, [("event.action", "matches /^ex/i", '"view"')]),
        (
            FieldTest("event.action", "equals", "View", cased=True),
            True,
            [("event.action", '"View" in this very case', '"view"')],
        ),
        (FieldTest("@timestamp", "gte", 20, part="hour"), True, [("@timestamp", "hour ≥ 20", "nothing")]),
        (FieldTest("", "contains", "secret"), True, [("", 'contains "secret"', "no such text in any field")]),
        (
            FieldTest("user.id", "fieldref", "employee.id"),
            True,
            [("user.id", "equal to the field employee.id", "nothing")],
        ),
    ],
)
def test_the_tests_that_make_a_condition_fail_are_named(
    condition: Condition, wanted: bool, expected: list[tuple[str, str, str]]
) -> None:
    assert list(map(tuple, mismatches(condition, DOCUMENT, wanted=wanted))) == expected


RULE = """
title: Export
id: 0e95725d-7320-415d-80f7-004da920fc11
logsource: {product: app, service: access}
detection:
  selection: {event.action: export}
  many: {records|gte: 50}
  unknown: {records: null}
  filter_main_case: {case|exists: true}
  filter_main_report: {application: report}
  condition: selection and (many or unknown) and not 1 of filter_main_*
"""


@pytest.fixture
def detection(tmp_path: Path) -> Detection:
    path = tmp_path / "rule.yml"
    path.write_text(RULE)
    return Detection.of(compile_rules([path])[0])


def blamed(detection: Detection, document: dict[str, Any], *, wanted: bool) -> list[tuple[str, str, bool]]:
    item = Selected("1", document, selected=True, holds=True)
    return [(why.selection, why.field, why.matched) for why in detection.why(item, 1, wanted=wanted)]


def test_only_the_selections_that_matter_are_blamed_for_a_miss(detection: Detection) -> None:
    """`unknown` does not hold either, but `many` does, and one of them is enough."""
    document = {"event": {"action": "view"}, "access": {"records": 90}}
    assert blamed(detection, document, wanted=True) == [("selection", "action (event.action)", False)]


def test_either_selection_is_blamed_where_none_of_them_holds(detection: Detection) -> None:
    document = {"event": {"action": "export"}, "access": {"records": 9}}
    assert blamed(detection, document, wanted=True) == [
        ("many", "records (access.records)", False),
        ("unknown", "records (access.records)", False),
    ]


def test_a_filter_is_blamed_for_a_miss(detection: Detection) -> None:
    document = {"event": {"action": "export"}, "access": {"records": 90, "case": {"id": "CASE-1"}}}
    assert blamed(detection, document, wanted=True) == [("filter_main_case", "case (access.case.id)", True)]


def test_a_wrong_match_names_what_matched_and_what_did_not_hold_it_off(detection: Detection) -> None:
    document = {"event": {"action": "export"}, "access": {"records": 90}, "service": {"name": "crm"}}
    assert blamed(detection, document, wanted=False) == [
        ("selection", "action (event.action)", True),
        ("many", "records (access.records)", True),
        ("filter_main_case", "case (access.case.id)", False),
        ("filter_main_report", "application (service.name)", False),
    ]
