"""Compiled rules as queries for people and other tools: Lucene, and ES|QL that carries it.

A query that would mean something else than the rule is refused, with the reason.
"""

import re
from collections.abc import Iterable, Mapping

from innerwatch.detection.rules import CompiledRule, Correlation
from innerwatch.errors import UserError
from innerwatch_cli.sigma.taxonomy import TAXONOMIES

RUN_IT = "`innerwatch detect` runs it exactly"
# Correlation type → ES|QL that gives the same number. COUNT_DISTINCT, MEDIAN and PERCENTILE are approximations:
# https://www.elastic.co/docs/reference/query-languages/esql/functions-operators/aggregation-functions
AGGREGATES = {
    "event_count": "COUNT(*)",
    "value_count": "MV_COUNT(VALUES({field}))",
    "value_sum": "SUM({field})",
    "value_avg": "AVG({field})",
}
LIMIT = "| LIMIT 10000"  # the most that ES|QL gives; without it, it gives 1,000
OPERATORS = {"gt": ">", "gte": ">=", "lt": "<", "lte": "<=", "eq": "==", "neq": "!="}
ESCAPED = str.maketrans({"\\": "\\\\", '"': '\\"', "\n": "\\n", "\r": "\\r", "\t": "\\t"})  # in an ES|QL string
COUNTED = frozenset({"keyword", "ip", "long", "boolean", "date"})  # types of fields that ES|QL reads


def to_lucene(rule: CompiledRule) -> str:
    """The query_string of a single rule. Raises UserError where Lucene alone would match something else."""
    if rule.correlation is not None:
        raise UserError(f"{rule.title!r} is a correlation, which Lucene cannot express", RUN_IT, path=rule.path)
    if not rule.exact:
        raise UserError(f"{rule.title!r} asks for what Lucene alone cannot decide", RUN_IT, path=rule.path)
    return rule.query


def to_esql(rule: CompiledRule, rules: Iterable[CompiledRule] = ()) -> str:
    """The same as ES|QL. A correlation, whose other rules are among `rules`, is asked for the one window that ends now.

    Raises UserError where ES|QL would give something else.
    """
    if rule.correlation is not None:
        return _aggregated(rule, rule.correlation, {other.id: other for other in rules})
    return f"FROM {_stream(rule)} METADATA _id, _index, _version\n| WHERE {qstr(to_lucene(rule))}\n{LIMIT}"


def _stream(rule: CompiledRule) -> str:
    return f"logs-{rule.dataset}-*" if rule.dataset else "logs-*"


def _name(path: str) -> str:
    return ".".join(f"`{part}`" if re.search(r"\W", part) else part for part in path.split("."))


def qstr(lucene: str) -> str:
    """A Lucene query as a condition of ES|QL."""
    return f'QSTR("{lucene.translate(ESCAPED)}")'


def _aggregated(rule: CompiledRule, correlation: Correlation, rules: Mapping[str, CompiledRule]) -> str:
    def refuse(what: str) -> UserError:
        return UserError(f"{rule.title!r} {what}", RUN_IT, path=rule.path)

    if correlation.type not in AGGREGATES:
        raise refuse(f"is a {correlation.type} correlation, which ES|QL cannot express exactly")
    if not all(source.rule in rules for source in correlation.sources):
        raise refuse("refers to rules that were not given")
    bases = [rules[source.rule] for source in correlation.sources]
    if any(base.correlation is not None for base in bases):
        raise refuse("is a chain, which ES|QL cannot express")
    if len({base.dataset for base in bases}) > 1:
        raise refuse("spans several log sources, which one QSTR cannot tell apart")
    fields = {source.group_by[source.rule] + source.value[source.rule] for source in correlation.sources}
    if len(fields) > 1:
        raise refuse("groups different fields by an alias, which ES|QL cannot express")
    (source,) = {(source.group_by[source.rule], source.value[source.rule]) for source in correlation.sources}
    groups, values = source
    dataset = bases[0].dataset
    if dataset and any(TAXONOMIES[dataset].kind(path).type not in COUNTED for path in (*groups, *values)):
        raise refuse("counts or groups by a flattened field, which ES|QL does not read")
    if len(values) > 1:
        raise refuse("counts combinations of values, which ES|QL cannot express")
    query = " OR ".join(f"({to_lucene(base)})" for base in bases) if len(bases) > 1 else to_lucene(bases[0])
    measure = AGGREGATES[correlation.type].format(field=_name(values[0]) if values else "")
    tests = " AND ".join(f"measure {OPERATORS[operator]} {limit:g}" for operator, limit in correlation.tests)
    present = "".join(f"\n| WHERE {_name(path)} IS NOT NULL" for path in groups)
    by = f" BY {', '.join(map(_name, groups))}" if groups else ""
    return (
        f"FROM {_stream(bases[0])}\n"
        f"| WHERE @timestamp >= NOW() - {correlation.timespan} milliseconds AND @timestamp <= NOW()\n"
        f"| WHERE {qstr(query)}{present}\n"
        f"| STATS measure = {measure}, first_event = MIN(@timestamp), last_event = MAX(@timestamp){by}\n"
        f"| WHERE {tests}\n{LIMIT}"
    )
