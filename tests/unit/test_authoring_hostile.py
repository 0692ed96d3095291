"""Whatever stands in a rule or its cases, `check` answers with problems, never with a traceback."""

import copy
import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from innerwatch.errors import UserError
from innerwatch_cli.authoring import cases
from innerwatch_cli.authoring.check import check
from innerwatch_cli.sigma import compile_rules

SINGLE: dict[str, Any] = {
    "title": "Export",
    "id": "0e95725d-7320-415d-80f7-004da920fc11",
    "name": "export",
    "status": "test",
    "level": "high",
    "date": "2026-01-01",
    "tags": ["attack.exfiltration", "attack.t1567"],
    "falsepositives": ["Audits"],
    "related": [{"id": "0e95725d-7320-415d-80f7-004da920fc12", "type": "derived"}],
    "logsource": {"product": "app", "service": "access"},
    "detection": {
        "selection": {"event.action|contains": ["export", "download"], "records|gte": 5},
        "either": [{"case": None}, {"source.ip|cidr": "192.0.2.0/24"}],
        "condition": "selection and 1 of either*",
    },
}
CORRELATION: dict[str, Any] = {
    "title": "Exports",
    "id": "0e95725d-7320-415d-80f7-004da920fc13",
    "correlation": {
        "type": "value_count",
        "rules": ["export"],
        "group-by": ["who"],
        "timespan": "1h",
        "condition": {"field": "customers", "gte": 10},
        "aliases": {"who": {"export": "employee.id"}},
    },
}
LINE = '192.0.2.1 - - [10/Mar/2026:12:00:00 +0000] "GET / HTTP/1.1" 200 1'
CASES: dict[str, Any] = {
    "employees": [{"employee_id": "E-1", "name": "Ana", "notice_at": "2026-01-01"}],
    "cases": [
        {"name": "one", "match": True, "events": [{"schema": "innerwatch.access/1", "time": "2026-03-10T12:00:00Z"}]},
        {
            "name": "two",
            "match": False,
            "events": [LINE],
        },
    ],
}
leaf = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=8), st.sampled_from(["*", "%x%"])
)
anything = st.recursive(
    leaf,
    lambda inner: st.one_of(st.lists(inner, max_size=2), st.dictionaries(st.text(max_size=4), inner, max_size=2)),
    max_leaves=4,
)


def places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    found = [path] if path else []
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in items:
        found += places(inner, (*path, key))
    return found


@st.composite
def spoilt(draw: st.DrawFn, whole: dict[str, Any]) -> dict[str, Any]:
    """The same with one value replaced, or one key taken away or renamed."""
    value = copy.deepcopy(whole)
    *parents, key = draw(st.sampled_from(places(whole)))
    level: Any = value
    for parent in parents:
        level = level[parent]
    what = draw(st.sampled_from(["replace", "remove", "rename"]))
    if what == "replace" or isinstance(level, list):
        level[key] = draw(anything)
    else:
        kept = level.pop(key)
        if what == "rename":
            level[draw(st.text(max_size=8))] = kept
    return value


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("hostile")


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(single=spoilt(SINGLE), correlation=spoilt(CORRELATION))
def test_a_spoilt_rule_gives_problems(folder: Path, single: dict[str, Any], correlation: dict[str, Any]) -> None:
    path = folder / "rule.yml"
    path.write_text("---\n".join(yaml.safe_dump(one, sort_keys=False) for one in (single, correlation)))
    _, problems = check([path], with_cases=False)
    assert all(problem.expected for problem in problems)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(text=st.text(max_size=60))
def test_any_text_as_a_rule_gives_problems(folder: Path, text: str) -> None:
    path = folder / "text.yml"
    path.write_bytes(text.encode("utf-8", "surrogatepass"))
    _, problems = check([path], with_cases=False)
    assert problems


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(value=spoilt(CASES))
def test_spoilt_cases_give_problems(folder: Path, value: dict[str, Any]) -> None:
    rule = folder / "spoilt.yml"
    cases.path_for(rule).write_text(json.dumps(value))
    assert all(isinstance(problem, UserError) for problem in cases.problems(rule))


def test_a_file_longer_than_any_rule_is_not_read(tmp_path: Path) -> None:
    path = tmp_path / "rule.yml"
    path.write_text(f"title: {'x' * 1_000_000}")
    with pytest.raises(UserError, match=r"rule\.yml: the file has 1,000,007 bytes; expected"):
        compile_rules([path])
