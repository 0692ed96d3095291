"""Queries miss no match: what Elasticsearch selects holds every document that the predicate matches, and no others
where the query is said to be exact. Rules and documents are made by hypothesis, out of what is known to be hard.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from elasticsearch import Elasticsearch
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from innerwatch.detection.predicate import compiled
from innerwatch.detection.rules import CompiledRule
from innerwatch.fields import COMMON, Field
from innerwatch.folding import fold
from innerwatch_cli import index_templates
from innerwatch_cli.sigma import loading
from innerwatch_cli.sigma.compiling import Compilation, Compiler
from innerwatch_cli.sigma.taxonomy import Taxonomy

pytestmark = pytest.mark.elasticsearch

INDEX = "sigma-queries"
ROWS = (
    *COMMON,
    Field("word", "keyword", ""),
    Field("other", "keyword", ""),
    Field("n", "long", ""),
    Field("flag", "boolean", ""),
    Field("ip", "ip", ""),
    Field("day", "date", ""),
    Field("rp", "flattened", "", match="rp_match"),
)
MOST = 20  # documents in an example
TAXONOMY = Taxonomy("app.access", ROWS)

# Characters that some layer takes for syntax, or that upper and lower case disagree on.
HARD = 'aAbB \\*?"<>/:()[]{}^$.|+-~!&=\n\t,éÉßİıſKΣςσ😀0'
texts = st.one_of(
    st.text(HARD, max_size=6),
    st.sampled_from(
        ["", "true", "False", "5", "5.0", "-3", "10.0.0.7", "::ffff:10.0.0.7", "2001:db8::1", "NOT", "AND b"]
    ),
    st.text(max_size=4).filter(lambda text: text.isprintable()),
)
numbers = st.one_of(st.integers(-6, 6), st.integers(-(2**53), 2**53))
floats = st.sampled_from([0.5, -1.5, 5.0, 2.25])
addresses = st.sampled_from(["10.0.0.7", "10.0.1.9", "::ffff:10.0.0.7", "2001:db8::1", "2001:DB8:0::1", "192.0.2.1"])
days = st.sampled_from(["2026-01-01T20:15:00.000Z", "2026-12-31T03:00:00.000Z", "2026-06-30T23:59:59.999Z"])


def some(values: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.one_of(values, st.lists(values, min_size=1, max_size=3))


leaf = st.one_of(texts, st.integers(-6, 6), floats, st.booleans())
below = st.one_of(some(leaf), st.none(), st.just([]), st.just({}), st.fixed_dictionaries({"k": some(leaf)}))
documents = st.fixed_dictionaries(
    {},
    optional={
        "word": some(st.one_of(texts, st.integers(-6, 6), floats, st.booleans())),
        "other": some(texts),
        "n": some(st.integers(-6, 6)),
        "flag": some(st.booleans()),
        "ip": some(addresses),
        "day": some(days),
        "rp": st.dictionaries(st.sampled_from(["k", "k.k", "K", "j"]), below, min_size=1, max_size=3),
    },
)

words = st.sampled_from(["word", "rp.k", "rp", "rp.k.k"])
fields = st.sampled_from(["word", "n", "flag", "ip", "day", "rp.k", "rp"])
patterns = st.one_of(texts, st.text(HARD + "**??", max_size=6))
items = st.one_of(
    st.tuples(fields, some(patterns)),
    st.tuples(fields, some(st.one_of(st.integers(-6, 6), floats, st.booleans()))),
    st.tuples(words.map(lambda name: f"{name}|contains"), some(patterns)),
    st.tuples(words.map(lambda name: f"{name}|startswith"), some(patterns)),
    st.tuples(words.map(lambda name: f"{name}|endswith"), some(patterns)),
    st.tuples(words.map(lambda name: f"{name}|cased"), some(patterns)),
    st.tuples(words.map(lambda name: f"{name}|contains|all"), st.lists(patterns, min_size=2, max_size=2)),
    st.tuples(words.map(lambda name: f"{name}|re"), st.sampled_from(["a", "^a$", "A.b", "a|b", "[ab]+", "$", "é"])),
    st.tuples(words.map(lambda name: f"{name}|re|i"), st.sampled_from(["a", "^A$", "B"])),
    st.tuples(
        st.sampled_from(["ip|cidr", "word|cidr"]), st.sampled_from(["10.0.0.0/24", "2001:db8::/32", "0.0.0.0/0"])
    ),
    st.tuples(fields.map(lambda name: f"{name}|exists"), st.booleans()),
    st.tuples(fields, st.none()),
    st.tuples(st.just("word|fieldref"), st.sampled_from(["other", "rp.k", "n"])),
    st.tuples(st.sampled_from(["n|gt", "n|gte", "n|lt", "n|lte", "word|gt", "rp.k|lte"]), st.integers(-6, 6)),
    st.tuples(st.sampled_from(["n|neq", "word|neq"]), st.one_of(texts, st.integers(-6, 6))),
    st.tuples(st.sampled_from(["day|hour", "day|year", "day|week"]), st.sampled_from([20, 3, 2026, 1, 53])),
    st.tuples(st.sampled_from(["day|hour|gte", "day|month|lt"]), st.sampled_from([20, 3])),
)
selections = st.one_of(
    st.lists(items, min_size=1, max_size=2).map(dict),
    st.lists(patterns.filter(bool), min_size=1, max_size=2),
)
conditions = st.sampled_from(
    [
        "a",
        "not a",
        "a and b",
        "a or b",
        "a and not b",
        "a or not b",
        "not (a or not b)",
        "not (a and b)",
        "not a and not b",
    ]
)


def compile_one(detection: dict[str, Any]) -> CompiledRule | None:
    """The compiled rule, or None where Sigma itself refuses it."""
    text = yaml.safe_dump(
        {"title": "t", "logsource": {"product": "app", "service": "access"}, "detection": detection}, allow_unicode=True
    )
    result = Compilation()
    parsed = [item for item in loading.parse(text, Path("r.yml")) if isinstance(item, loading.Document)]
    Compiler({"app.access": TAXONOMY}).run(parsed, result)
    return result.rules[0] if result.rules else None


def folded(value: Any) -> Any:
    """What a parser writes into the twin of a flattened field."""
    if isinstance(value, str):
        return fold(value)
    if isinstance(value, list):
        return [folded(item) for item in value]
    if isinstance(value, dict):
        return {key: folded(item) for key, item in value.items()}
    return value


def with_twin(document: dict[str, Any]) -> dict[str, Any]:
    return {**document, "rp_match": folded(document["rp"])} if "rp" in document else document


@pytest.fixture(scope="module")
def index(es: Elasticsearch) -> Iterator[str]:
    es.indices.delete(index=INDEX, ignore_unavailable=True)
    es.indices.create(
        index=INDEX,
        settings={"index": {"analysis": index_templates.ANALYSIS, "number_of_shards": 1, "refresh_interval": "-1"}},
        mappings={"date_detection": False, "properties": index_templates.properties(ROWS)},
    )
    yield INDEX
    es.indices.delete(index=INDEX)


def selected(es: Elasticsearch, index: str, rule: CompiledRule) -> set[int]:
    answer = es.search(index=index, query={"query_string": {"query": rule.query}}, size=100, source=False)
    return {int(hit["_id"]) for hit in answer["hits"]["hits"]}


@settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    st.lists(documents, min_size=1, max_size=MOST),
    st.lists(st.tuples(selections, selections, conditions), min_size=10, max_size=10),
)
@example(
    [{"word": "", "rp": {"k": None}}],
    [
        ({"word": None}, {"rp|exists": wanted}, condition)
        for wanted in (True, False)
        for condition in ("a or b", "not b")
    ],
)
def test_the_query_selects_every_match_and_no_more_where_it_is_exact(
    es: Elasticsearch, index: str, docs: list[dict[str, Any]], rules: list[tuple[Any, Any, str]]
) -> None:
    operations: list[dict[str, Any]] = [{"delete": {"_id": str(place)}} for place in range(len(docs), MOST)]
    docs = [with_twin(document) for document in docs]
    for place, document in enumerate(docs):
        operations += [{"index": {"_id": str(place)}}, document]
    answer = es.bulk(index=index, operations=operations, refresh=True)
    refused = [item for item in answer["items"] if "error" in item.get("index", {})]
    assert not refused
    for a, b, condition in rules:
        detection: dict[str, Any] = {"a": a, "condition": condition}
        if "b" in condition:
            detection["b"] = b
        rule = compile_one(detection)
        if rule is None or rule.condition is None:
            continue
        judge = compiled(rule.condition)
        matches = {place for place, document in enumerate(docs) if judge(document)}
        candidates = selected(es, index, rule)
        missed, extra = matches - candidates, candidates - matches
        assert not missed, (detection, rule.query, [docs[place] for place in missed])
        assert not (rule.exact and extra), (detection, rule.query, [docs[place] for place in extra])


@pytest.mark.parametrize("modifier", ["", "|startswith", "|endswith", "|contains", "|cased"])
@pytest.mark.parametrize("field", ["word", "rp.k"])
def test_every_hard_character_in_every_place(es: Elasticsearch, index: str, field: str, modifier: str) -> None:
    words = [text for char in HARD for text in (char, f"a{char}", f"{char}a", f"A{char}b", f"{char}{char}")]
    docs = [with_twin({"word": word} if field == "word" else {"rp": {"k": word}}) for word in words]
    operations: list[dict[str, Any]] = []
    for place, document in enumerate(docs):
        operations += [{"index": {"_id": str(place)}}, document]
    assert not es.bulk(index=index, operations=operations, refresh=True)["errors"]
    for word in words:
        # Escaped as Sigma asks: a backslash before what would be a wildcard, or another backslash.
        value = "".join(f"\\{char}" if char in "\\*?" else char for char in word)
        rule = compile_one({"a": {f"{field}{modifier}": value}, "condition": "a"})
        assert rule is not None
        assert rule.condition is not None
        judge = compiled(rule.condition)
        matches = {place for place, document in enumerate(docs) if judge(document)}
        answer = es.search(index=index, query={"query_string": {"query": rule.query}}, size=1000, source=False)
        candidates = {int(hit["_id"]) for hit in answer["hits"]["hits"]}
        assert words.index(word) in matches
        assert matches <= candidates
        assert not rule.exact or matches == candidates
