"""What a compiled rule is: plain values, which `innerwatch_cli.sigma` makes from Sigma and JSON carries to AWS.

A rule is either single (it has a `condition` on one event) or a correlation (it has a `correlation` of other rules).
"""

import hashlib
from collections.abc import Iterable, Iterator
from typing import Any, Literal

import msgspec

Op = Literal[
    "equals",  # the whole text
    "startswith",
    "endswith",
    "contains",
    "like",  # a regular expression for the whole text: what Sigma's wildcards become
    "re",  # a regular expression that is searched for
    "number",  # numeric equality, or equal text
    "boolean",
    "lt",
    "lte",
    "gt",
    "gte",
    "cidr",
    "exists",
    "null",
    "fieldref",
    "seen",  # in a correlation's expression: the rule of that name matched
]
Part = Literal["", "minute", "hour", "day", "week", "month", "year"]


class FieldTest(msgspec.Struct, tag="test", frozen=True, omit_defaults=True):
    """One test of one field, true when any of the field's values passes it."""

    field: str  # dotted path in the document; empty: any field at all (Sigma's keywords)
    op: Op
    value: str | int | float | bool | None = None  # text is folded (`predicate.fold`) already unless cased
    cased: bool = False
    flags: str = ""  # of `re`: any of i, m, s; of `fieldref`: startswith, endswith or contains
    part: Part = ""  # compare this part of a date instead of the value


class All(msgspec.Struct, tag="and", frozen=True):
    of: tuple["Condition", ...]


class AnyOf(msgspec.Struct, tag="or", frozen=True):
    of: tuple["Condition", ...]


class Not(msgspec.Struct, tag="not", frozen=True):
    of: "Condition"


Condition = FieldTest | All | AnyOf | Not


class Source(msgspec.Struct, frozen=True, omit_defaults=True):
    """A rule that a correlation refers to, and the fields that it takes from that rule's events, aliases resolved.

    The fields are given for each single rule at the end of the chain: for the rule itself unless it is a correlation.
    """

    rule: str  # the rule's id
    name: str  # as the correlation's expression calls it
    group_by: dict[str, tuple[str, ...]] = {}  # id of a single rule → paths, as many as the correlation groups by
    value: dict[str, tuple[str, ...]] = {}  # id of a single rule → paths of the values that are counted


class Correlation(msgspec.Struct, frozen=True, omit_defaults=True):
    type: str  # one of `windows.TYPES`
    sources: tuple[Source, ...]  # in the order of Sigma's `rules`
    timespan: int  # milliseconds
    group_by: tuple[str, ...] = ()  # the names that the rule groups by, for people to read
    tests: tuple[tuple[str, float], ...] = ()  # (gte, 10): all must hold
    percentile: float = 50.0
    expression: Condition | None = None  # an extended condition: `seen` tests of source names


class CompiledRule(msgspec.Struct, frozen=True, omit_defaults=True):
    id: str
    title: str
    level: str = "medium"
    status: str = ""
    description: str = ""
    tags: tuple[str, ...] = ()
    falsepositives: tuple[str, ...] = ()
    references: tuple[str, ...] = ()
    author: str = ""
    license: str = ""
    version: str = ""  # the day of the last change
    name: str = ""
    path: str = ""  # the file it was compiled from
    threat: tuple[dict[str, Any], ...] = ()  # ECS threat.*: each tactic of the tags with its own techniques
    logsource: dict[str, str] = {}
    dataset: str = ""  # a key of `fields.DATASETS`; empty: a log source that Innerwatch does not have
    query: str = ""  # Lucene query_string that selects every match, and more unless `exact`
    exact: bool = False  # whether `query` alone decides
    condition: Condition | None = None
    correlation: Correlation | None = None
    alerts: bool = True  # False: only a correlation uses it

    @property
    def content(self) -> str:
        """A hash of what the rule means: it changes when the rule would match differently, not when its text does."""
        meaning = (self.dataset, self.condition, self.correlation)
        return hashlib.sha256(msgspec.json.encode(meaning)).hexdigest()[:16]


def dump(rules: Iterable[CompiledRule]) -> bytes:
    return msgspec.json.encode(list(rules))


def load(data: bytes) -> list[CompiledRule]:
    """Raises msgspec.ValidationError where `data` are no compiled rules."""
    return msgspec.json.decode(data, type=list[CompiledRule])


def tests(condition: Condition | None) -> Iterator[FieldTest]:
    """Every test in a condition."""
    if isinstance(condition, FieldTest):
        yield condition
    elif isinstance(condition, Not):
        yield from tests(condition.of)
    elif condition is not None:
        for item in condition.of:
            yield from tests(item)
