"""From pySigma's condition trees to the conditions that `innerwatch.detection` judges documents by."""

import re
from ipaddress import ip_address
from typing import Any

from sigma.conditions import (
    ConditionAND,
    ConditionFieldEqualsValueExpression,
    ConditionNOT,
    ConditionOR,
    ConditionValueExpression,
)
from sigma.types import (
    CompareOperators,
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
    SigmaRegularExpressionFlag,
    SigmaString,
    SigmaTimestampPart,
    SpecialChars,
    TimestampPart,
)

from innerwatch.detection.rules import All, AnyOf, Condition, FieldTest, Not, Op, Part
from innerwatch.folding import fold
from innerwatch_cli.sigma.taxonomy import Taxonomy

FLAGS = {
    SigmaRegularExpressionFlag.IGNORECASE: "i",
    SigmaRegularExpressionFlag.MULTILINE: "m",
    SigmaRegularExpressionFlag.DOTALL: "s",
}
PARTS: dict[TimestampPart, Part] = {
    TimestampPart.MINUTE: "minute",
    TimestampPart.HOUR: "hour",
    TimestampPart.DAY: "day",
    TimestampPart.WEEK: "week",
    TimestampPart.MONTH: "month",
    TimestampPart.YEAR: "year",
}
OPERATORS: dict[CompareOperators, Op] = {
    CompareOperators.LT: "lt",
    CompareOperators.LTE: "lte",
    CompareOperators.GT: "gt",
    CompareOperators.GTE: "gte",
}
WHOLE_NUMBER = re.compile(r"-?(0|[1-9]\d{0,14})", re.ASCII)
INTEGERS = frozenset({"long", "integer", "short", "byte", "unsigned_long"})


class NotSupportedError(ValueError):
    """A rule asks for something whose meaning we could not keep; it is refused with this reason."""

    def __init__(self, what: str, expected: str = "") -> None:
        super().__init__(what)
        self.expected = expected


def condition(tree: Any, taxonomy: Taxonomy) -> Condition:
    """Raises NotSupportedError."""
    match tree:
        case ConditionAND():
            return All(tuple(condition(arg, taxonomy) for arg in tree.args))
        case ConditionOR():
            return AnyOf(tuple(condition(arg, taxonomy) for arg in tree.args))
        case ConditionNOT():
            return Not(condition(tree.args[0], taxonomy))
        case ConditionFieldEqualsValueExpression():
            return field_test(tree.field, tree.value, taxonomy)
        case ConditionValueExpression():
            return keyword(tree.value)
    raise NotSupportedError(f"no meaning is known for {type(tree).__name__} in a condition")


def field_test(path: str, value: Any, taxonomy: Taxonomy) -> Condition:  # noqa: C901 one line for each type of value
    """The lower-cased twin of a flattened field is asked, the original only where upper and lower case differ."""
    kind = taxonomy.kind(path)
    field = kind.query
    match value:
        case SigmaExpansion():
            return AnyOf(tuple(field_test(path, one, taxonomy) for one in value.values))
        case SigmaCasedString():
            return string_test(path, value, "")
        case SigmaString():
            return string_test(field, value, kind.type)
        case SigmaTimestampPart():
            return FieldTest(field, "number", value.number, part=PARTS[value.timestamp_part])
        case SigmaNumber():
            return FieldTest(field, "number", value.number)
        case SigmaBool():
            return FieldTest(field, "boolean", value.boolean)
        case SigmaRegularExpression():
            return FieldTest(path, "re", regex(value), flags=flags(value))
        case SigmaCIDRExpression():
            return FieldTest(field, "cidr", str(value.network))
        case SigmaCompareExpression():
            part = PARTS[value.number.timestamp_part] if isinstance(value.number, SigmaTimestampPart) else ""
            return FieldTest(field, OPERATORS[value.op], value.number.number, part=part)
        case SigmaFieldReference():
            other = taxonomy.kind(value.field).query
            return FieldTest(field, "fieldref", other, flags=reference_flags(value))
        case SigmaExists():
            return FieldTest(field, "exists", bool(value))
        case SigmaNull():
            return FieldTest(field, "null")
    raise NotSupportedError(f"no meaning is known for a value of type {type(value).__name__}")


def string_test(path: str, value: SigmaString, kind: str) -> FieldTest:
    """A text test; on a field of addresses, numbers or truth values, text that is one is compared as one."""
    refuse_placeholders(value)
    if not value.contains_special() and not isinstance(value, SigmaCasedString):
        plain = "".join(str(part) for part in value.s)
        if kind == "ip" and (address := as_address(plain)):
            return FieldTest(path, "cidr", address)
        if kind in INTEGERS and WHOLE_NUMBER.fullmatch(plain):
            return FieldTest(path, "number", int(plain))
        if kind == "boolean" and fold(plain) in ("true", "false"):
            return FieldTest(path, "boolean", fold(plain) == "true")
    op, text = shape(value)
    return FieldTest(path, op, text, cased=isinstance(value, SigmaCasedString))


def shape(value: SigmaString) -> tuple[Op, str]:
    """A string with Sigma's wildcards as an operation and its text, folded unless the string is cased."""
    change = str if isinstance(value, SigmaCasedString) else fold
    parts = [change(part) if isinstance(part, str) else part for part in value.s]
    many = SpecialChars.WILDCARD_MULTI
    inner = [part for part in parts if not isinstance(part, str)]
    text = "".join(part for part in parts if isinstance(part, str))
    if not inner:
        return "equals", text
    if inner == [many] and parts[-1] is many:
        return "startswith", text
    if inner == [many] and parts[0] is many:
        return "endswith", text
    if inner == [many, many] and parts[0] is many and parts[-1] is many:
        return "contains", text
    return "like", "".join(
        re.escape(part) if isinstance(part, str) else ".*" if part is many else "." for part in parts
    )


def keyword(value: Any) -> Condition:
    """A value without a field: a piece of any value in the event."""
    match value:
        case SigmaExpansion():
            return AnyOf(tuple(keyword(one) for one in value.values))
        case SigmaString():
            refuse_placeholders(value)
            cased = isinstance(value, SigmaCasedString)
            op, text = shape(value)
            if op == "like":  # found anywhere, as a keyword without wildcards is
                return FieldTest("", "like", f".*{text}.*", cased=cased)
            return FieldTest("", "contains", text, cased=cased)
        case SigmaRegularExpression():
            return FieldTest("", "re", regex(value), flags=flags(value))
        case SigmaNumber():
            return FieldTest("", "contains", str(value.number))
        case SigmaBool():
            return FieldTest("", "contains", str(value.boolean).lower())
    raise NotSupportedError(f"a value of type {type(value).__name__} needs a field")


def regex(value: SigmaRegularExpression) -> str:
    refuse_placeholders(value)
    return str(value.regexp)


def flags(value: SigmaRegularExpression) -> str:
    return "".join(sorted(FLAGS[flag] for flag in value.flags))


def refuse_placeholders(value: SigmaString | SigmaRegularExpression) -> None:
    string = value.regexp if isinstance(value, SigmaRegularExpression) else value
    for part in string.s:
        if not isinstance(part, str | SpecialChars):
            what = f"nothing says what the placeholder %{part.name}% stands for"
            raise NotSupportedError(what, "expected it among the vars of a pipeline, as in sigma_rules/pipelines")


def reference_flags(value: SigmaFieldReference) -> str:
    if value.starts_with and value.ends_with:
        return "contains"
    return "startswith" if value.starts_with else "endswith" if value.ends_with else ""


def as_address(text: str) -> str:
    """A single address as a network, or nothing."""
    try:
        address = ip_address(text)
    except ValueError:
        return ""
    return f"{address}/{address.max_prefixlen}"
