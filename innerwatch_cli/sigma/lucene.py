"""Lucene queries that miss no match: pySigma's backend, with what it gets wrong mended.

A test that Elasticsearch can't decide (a regular expression, a cased string, a date's hour) is widened to one that
selects every document in which it could hold; below a `not` it is narrowed instead, since the complement of too much
would be too little. Whatever is selected is then judged by `innerwatch.detection.predicate`.

Query syntax: https://www.elastic.co/docs/reference/query-languages/query-dsl/query-dsl-query-string-query
"""

import re
from typing import Any, ClassVar

from sigma.backends.elasticsearch.elasticsearch_lucene import LuceneBackend
from sigma.conditions import ConditionFieldEqualsValueExpression, ConditionNOT, ConditionValueExpression
from sigma.conversion.state import ConversionState
from sigma.types import (
    SigmaBool,
    SigmaCasedString,
    SigmaCIDRExpression,
    SigmaCompareExpression,
    SigmaExists,
    SigmaExpansion,
    SigmaFieldReference,
    SigmaNull,
    SigmaNumber,
    SigmaRegularExpression,
    SigmaString,
    SigmaTimestampPart,
    SpecialChars,
)

from innerwatch.folding import fold
from innerwatch.oversized import LONGEST_KEYWORD
from innerwatch_cli.sigma.conditions import INTEGERS, WHOLE_NUMBER, as_address
from innerwatch_cli.sigma.taxonomy import Kind, Taxonomy

EVERYTHING = "*:*"
NOTHING = "(NOT *:*)"
OVERSIZED = "innerwatch.oversized"
LARGEST_WHOLE = 10**15  # below it a whole number has one text, and one with a fraction of zero
RANGES = {"LT": "[* TO {0}}}", "LTE": "[* TO {0}]", "GT": "{{{0} TO *]", "GTE": "[{0} TO *]"}
SPECIAL = re.compile(r"[^\w.@]")  # escaped in names and values; escaping more than is needed does no harm
ANY = SpecialChars.WILDCARD_MULTI


class ExactLucene(LuceneBackend):
    """One condition at a time: `select(tree)` gives the query and whether it alone decides."""

    convert_or_as_in: ClassVar[bool] = False  # values of one field are not alike: each has its own form

    def __init__(self, taxonomy: Taxonomy) -> None:
        super().__init__()
        self.taxonomy = taxonomy
        self._negated = False
        self._exact = True
        self._long: set[str] = set()

    def select(self, tree: Any) -> tuple[str, bool]:
        self._negated, self._exact, self._long = False, True, set()
        query = str(self.convert_condition(tree, ConversionState()))
        if self._long and self.taxonomy.dataset:
            query = f"({query}) OR {OVERSIZED}:({' OR '.join(sorted(self._long))})"
        return query, self._exact

    # --- structure

    def convert_condition_not(self, cond: ConditionNOT, state: ConversionState) -> str:
        """In parentheses always: Lucene takes `a OR NOT b` for `a AND NOT b`."""
        self._negated = not self._negated
        inner = self.convert_condition_group(cond.args[0], state)
        self._negated = not self._negated
        return f"(NOT {inner})"

    def compare_precedence(self, outer: Any, inner: Any) -> bool:
        return isinstance(inner, ConditionNOT) or super().compare_precedence(outer, inner)

    def escape_and_quote_field(self, field_name: str) -> str:
        return SPECIAL.sub(r"\\\g<0>", field_name)

    def convert_condition_val(self, cond: ConditionValueExpression, state: ConversionState) -> str:  # noqa: ARG002 pySigma's signature
        """A keyword may stand in any value of any field, which no index holds."""
        return self._wide(EVERYTHING)

    def convert_condition_field_eq_val(self, cond: ConditionFieldEqualsValueExpression, state: ConversionState) -> str:  # noqa: ARG002 pySigma's signature
        return self._field(self.taxonomy.kind(cond.field), cond.value)

    def _field(self, kind: Kind, value: Any) -> str:  # noqa: C901 one line for each type of value
        if kind.type == "unindexed":
            return self._wide(EVERYTHING)
        match value:
            case SigmaExpansion():
                return f"({' OR '.join(self._field(kind, one) for one in value.values)})"
            case SigmaCasedString():
                return self._wide(self._text(kind, value))
            case SigmaString():
                return self._text(kind, value)
            case SigmaTimestampPart():
                return self._wide(self._exists(kind))
            case SigmaNumber():
                return self._number(kind, value.number)
            case SigmaBool():
                return self._boolean(kind, value.boolean)
            case SigmaRegularExpression():
                return self._piece_of_text(kind)
            case SigmaCIDRExpression():
                return self._network(kind, str(value.network))
            case SigmaCompareExpression():
                return self._comparison(kind, value)
            case SigmaFieldReference():
                return self._reference(kind, self.taxonomy.kind(value.field))
            case SigmaExists():
                return self._existence(kind, bool(value))
            case SigmaNull():
                return self._null(kind)
        raise TypeError(f"no query for a value of type {type(value).__name__}")

    # --- what Elasticsearch can't decide

    def _wide(self, candidates: str) -> str:
        self._exact = False
        return NOTHING if self._negated else candidates

    def _exists(self, kind: Kind) -> str:
        return f"_exists_:{self._name(kind)}"

    def _exists_above(self, kind: Kind) -> str:
        """For a key of a flattened field that may hold an object: it has no term of its own."""
        return f"_exists_:{self.escape_and_quote_field(kind.root or kind.query)}"

    def _name(self, kind: Kind) -> str:
        return self.escape_and_quote_field(kind.query)

    def _may_be_long(self, kind: Kind) -> None:
        """A value too long is not indexed: where that would hide a match, the field's name makes a candidate of it."""
        if not self._negated and kind.type in ("keyword", "flattened"):
            self._long.add(_quoted(kind.listed))

    # --- text

    def _text(self, kind: Kind, value: SigmaString) -> str:
        if not value.contains_special():
            return self._whole_text(kind, "".join(map(str, value.s)))
        if kind.type not in ("keyword", "flattened"):
            return self._wide(self._exists(kind))
        self._may_be_long(kind)
        pattern, exact = _pattern(value)
        if kind.type == "keyword":
            query = f"{self._name(kind)}:{pattern}"
            return query if exact else self._wide(query)
        # A key of a flattened field takes a prefix, and no other wildcards.
        if value.startswith(ANY) and value.endswith(ANY):
            return self._piece_of_text(kind)
        if kind.root and exact and value.endswith(ANY) and not value[:-1].contains_special():
            return f"{self._name(kind)}:{pattern}"
        return self._wide(self._exists(kind))

    def _whole_text(self, kind: Kind, text: str) -> str:
        if kind.type in ("keyword", "flattened"):
            if len(text) > LONGEST_KEYWORD:
                self._may_be_long(kind)
                return self._wide(NOTHING)
            if not text or (kind.type == "flattened" and not kind.root):
                return self._wide(self._exists(kind))
            return f"{self._name(kind)}:{_quoted(fold(text))}"
        if kind.type == "ip" and as_address(text):
            return f"{self._name(kind)}:{_quoted(text)}"
        if kind.type in INTEGERS and WHOLE_NUMBER.fullmatch(text):
            return self._number(kind, int(text))
        if kind.type == "boolean" and fold(text) in ("true", "false"):
            return self._boolean(kind, fold(text) == "true")
        return self._wide(self._exists(kind))

    def _piece_of_text(self, kind: Kind) -> str:
        """What is looked for in objects too."""
        self._may_be_long(kind)
        return self._wide(self._exists_above(kind))

    # --- numbers, truth values, addresses

    def _number(self, kind: Kind, number: float) -> str:
        if isinstance(number, int) and abs(number) < LARGEST_WHOLE:
            if kind.type in INTEGERS:
                return f'{self._name(kind)}:"{number}"'
            if kind.type == "keyword" or kind.root:
                return f'({self._name(kind)}:"{number}" OR {self._name(kind)}:"{number}.0")'
        return self._wide(self._exists(kind))

    def _boolean(self, kind: Kind, wanted: bool) -> str:
        if kind.type in ("boolean", "keyword") or kind.root:
            return f"{self._name(kind)}:{self.bool_values[wanted]}"
        return self._wide(self._exists(kind))

    def _comparison(self, kind: Kind, value: SigmaCompareExpression) -> str:
        limit = value.number
        whole = isinstance(limit.number, int) and abs(limit.number) < LARGEST_WHOLE
        if kind.type in INTEGERS and whole and not isinstance(limit, SigmaTimestampPart):
            return f"{self._name(kind)}:{RANGES[value.op.name].format(limit.number)}"
        return self._wide(self._exists(kind))

    def _network(self, kind: Kind, network: str) -> str:
        if kind.type == "ip":
            return f'{self._name(kind)}:"{network}"'
        return self._wide(self._exists(kind))

    # --- whether there is a value, and other fields' values

    def _existence(self, kind: Kind, wanted: bool) -> str:
        if not wanted:
            self._negated = not self._negated
        self._may_be_long(kind)
        query = self._exists(kind)
        if (
            kind.type == "flattened"
        ):  # one that holds nothing but nulls is there, but not indexed; nor is a key's object
            self._exact = False
            query = query if self._negated else EVERYTHING
        if not wanted:
            self._negated = not self._negated
        return query if wanted else f"(NOT {query})"

    def _null(self, kind: Kind) -> str:
        self._negated = not self._negated
        self._may_be_long(kind)
        query = self._exists(kind)
        if kind.root:  # a key that holds an object has a value, but not a term
            self._exact = False
            query = query if self._negated else self._exists_above(kind)
        self._negated = not self._negated
        return f"(NOT {query})"

    def _reference(self, own: Kind, other: Kind) -> str:
        if other.type == "unindexed":
            return self._wide(EVERYTHING)
        self._may_be_long(own)
        self._may_be_long(other)
        return self._wide(f"({self._exists(own)} AND {self._exists(other)})")


def _quoted(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _pattern(value: SigmaString) -> tuple[str, bool]:
    """A wildcard query, and whether it says all that the string says.

    `<` and `>` cannot be escaped at the start of a term, where they begin a range: any one character stands for them.
    """
    pattern, exact = "", True
    for part in value.s:
        if isinstance(part, SpecialChars):
            pattern += "*" if part is ANY else "?"
            continue
        text = SPECIAL.sub(r"\\\g<0>", fold(str(part)))
        if "<" in text or ">" in text:
            text, exact = text.replace("\\<", "?").replace("\\>", "?"), False
        pattern += text
    return pattern, exact
