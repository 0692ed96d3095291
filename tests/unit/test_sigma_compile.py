"""Compilation: what a rule becomes, and the line that says what is wrong with it."""

import zipfile
from pathlib import Path
from typing import Any

import pytest

from innerwatch.detection.predicate import compiled as judged_by
from innerwatch.detection.rules import CompiledRule, dump, load
from innerwatch.errors import UserError
from innerwatch.fields import Field
from innerwatch_cli.paths import RULES
from innerwatch_cli.sigma import Compilation, compile_all, compile_rules, to_lucene
from innerwatch_cli.sigma.taxonomy import TAXONOMIES, Kind, Taxonomy, UnknownFieldError
from innerwatch_cli.sigma.threats import threats

DATA = Path(__file__).parents[3] / "shared" / "data" / "sigma"
HEAD = "title: T\nid: 0e95725d-7320-415d-80f7-004da920fc11\nlogsource: {product: app, service: access}\n"


def compiled(tmp_path: Path, text: str, **options: Any) -> Compilation:
    path = tmp_path / "rule.yml"
    path.write_text(text)
    return compile_all([path], **options)


def one(tmp_path: Path, detection: str) -> CompiledRule:
    result = compiled(tmp_path, f"{HEAD}detection:\n{detection}")
    assert not result.errors, result.errors[0]
    return result.rules[0]


# --- queries


@pytest.mark.parametrize(
    ("detection", "query", "exact"),
    [
        ("  a: {customers: C-1}\n  condition: a", 'access.customer.id:"c\\-1"', True),
        (
            "  a: {access.customer.id: [C-1, 'x*']}\n  condition: a",
            '(access.customer.id:"c-1" OR access.customer.id:x*) OR innerwatch.oversized:("access.customer.id")',
            True,
        ),
        ("  a: {records|gte: 10}\n  condition: a", "access.records:[10 TO *]", True),
        ("  a: {event.action: x}\n  b: {case: null}\n  condition: a or not b", None, True),
        (
            "  a: {event.action|re: 'Get.*'}\n  condition: a",
            '(_exists_:event.action) OR innerwatch.oversized:("event.action")',
            False,
        ),
        ("  a: {event.action|cased: X}\n  condition: a", 'event.action:"x"', False),
        ("  a: {event.action|cased: X}\n  condition: not a", "(NOT ((NOT *:*)))", False),
        ("  a: ['key word']\n  condition: a", "*:*", False),
        ("  a: {event.original|contains: x}\n  condition: a", "*:*", False),
        ("  a: {source.ip|cidr: 192.0.2.0/24}\n  condition: a", 'source.ip:"192.0.2.0/24"', True),
    ],
)
def test_queries(tmp_path: Path, detection: str, query: str | None, exact: bool) -> None:
    rule = one(tmp_path, detection)
    assert rule.exact is exact
    if query is not None:
        assert rule.query == query.replace("c\\-1", "c-1")


def test_a_negation_stands_in_parentheses(tmp_path: Path) -> None:
    rule = one(tmp_path, "  a: {event.action: x}\n  b: {event.action: y}\n  condition: a or not b")
    assert rule.query == 'event.action:"x" OR (NOT (event.action:"y"))'


def test_compiled_rules_travel_as_json(tmp_path: Path) -> None:
    rules = compiled(
        tmp_path, f"{HEAD}detection:\n  a: {{customers|contains: x, records|gt: 1.5}}\n  condition: not a"
    ).rules
    assert load(dump(rules)) == rules


def test_the_hash_follows_the_meaning_and_not_the_words(tmp_path: Path) -> None:
    detection = "  a: {customers: x}\n  condition: a"
    rule = one(tmp_path, detection)
    renamed = compiled(tmp_path, f"{HEAD.replace('title: T', 'title: Other')}detection:\n{detection}").rules[0]
    other = one(tmp_path, detection.replace("x", "y"))
    assert renamed.content == rule.content
    assert other.content != rule.content


def test_lucene_is_refused_where_it_does_not_decide(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="cannot decide"):
        to_lucene(one(tmp_path, "  a: {event.action|re: x}\n  condition: a"))


# --- fields

ROWS = (
    Field("source.address", "keyword", "", raw="sourceIPAddress"),
    Field("aws.flattened.request", "flattened", "", raw="requestParameters", match="aws.match.request"),
)


def test_names_map_through_the_table() -> None:
    taxonomy = Taxonomy("aws.cloudtrail", ROWS)
    assert taxonomy.path("sourceIPAddress") == taxonomy.path("source.address") == "source.address"
    assert taxonomy.path("requestParameters.a.b") == "aws.flattened.request.a.b"
    assert taxonomy.kind("aws.flattened.request.a.b") == Kind(
        "flattened", "aws.match.request.a.b", root="aws.match.request", listed="aws.match.request"
    )
    with pytest.raises(UnknownFieldError) as raised:
        taxonomy.path("sourceIpAdress")
    assert raised.value.remedy == "did you mean sourceIPAddress or source.address?"


@pytest.mark.parametrize(
    ("name", "path"),
    [
        ("time", "@timestamp"),
        ("id", "event.id"),
        ("application", "service.name"),
        ("action", "event.action"),
        ("outcome", "event.outcome"),
        ("actor.id", "user.id"),
        ("actor.name", "user.name"),
        ("actor.email", "user.email"),
        ("session", "access.session.id"),
        ("customers", "access.customer.id"),
        ("fields", "access.fields"),
        ("records", "access.records"),
        ("case", "access.case.id"),
        ("recipient", "email.to.address"),
        ("bytes", "access.bytes"),
        ("source.ip", "source.ip"),
        ("source.user_agent", "user_agent.original"),
    ],
)
def test_a_rule_on_access_may_use_the_contracts_own_names(name: str, path: str) -> None:
    assert TAXONOMIES["app.access"].path(name) == path
    if name != path:
        with pytest.raises(UnknownFieldError):
            TAXONOMIES["aws.cloudtrail"].path(name)


def test_placeholders_come_from_pipelines(tmp_path: Path) -> None:
    text = f"{HEAD}detection:\n  a: {{customers|expand: '%celebrities%'}}\n  condition: a"
    assert "placeholder %celebrities%" in str(compiled(tmp_path, text, pipelines=[]).errors[0])
    pipeline = tmp_path / "celebrities.txt"
    pipeline.write_text(
        "name: who is famous\npriority: 10\nvars: {celebrities: [C-1, C-2]}\n"
        "transformations: [{type: value_placeholders, include: [celebrities]}]\n"
    )
    rule = compiled(tmp_path, text, pipelines=[pipeline]).rules[0]
    assert rule.query == 'access.customer.id:"c-1" OR access.customer.id:"c-2"'


def test_filters_apply(tmp_path: Path) -> None:
    text = (
        f"{HEAD}detection:\n  a: {{customers: x}}\n  condition: a\n---\ntitle: F\n"
        "logsource: {product: app, service: access}\n"
        "filter:\n  rules: [0e95725d-7320-415d-80f7-004da920fc11]\n  f: {user.name: bot}\n  condition: not f\n"
    )
    result = compiled(tmp_path, text)
    assert not result.errors
    assert result.rules[0].query == 'access.customer.id:"x" AND (NOT (user.name:"bot"))'
    missing = compiled(tmp_path, text.replace("[0e95725d-7320-415d-80f7-004da920fc11]", "[nothing]"))
    assert "a rule 'nothing' that is not there" in str(missing.errors[0])


# --- threats


def test_techniques_go_with_their_own_tactics() -> None:
    found = threats(["attack.exfiltration", "attack.collection", "attack.t1530", "attack.t1567.002", "cve.2020-1"])
    assert [(one["tactic"]["id"], [part["id"] for part in one["technique"]]) for one in found] == [
        ("TA0010", ["T1567"]),
        ("TA0009", ["T1530"]),
    ]
    assert threats(["attack.t1530"])[0]["tactic"]["name"] == "Collection"
    assert threats(["attack.t9999", "attack.nonsense"]) == ()


# --- correlations

BASES = """
---
title: A
name: a
id: 0e95725d-7320-415d-80f7-00000000000a
logsource: {product: app, service: access}
detection: {s: {event.action: a}, condition: s}
---
title: B
name: b
id: 0e95725d-7320-415d-80f7-00000000000b
logsource: {product: aws, service: other}
detection: {s: {eventName: b}, condition: s}
"""


def correlation(body: str, name: str = "c", identity: str = "c") -> str:
    return f"title: {name}\nname: {name}\nid: 0e95725d-7320-415d-80f7-00000000000{identity}\ncorrelation:\n{body}"


def test_aliases_are_resolved_for_each_rule(tmp_path: Path) -> None:
    body = (
        "  type: temporal\n  rules: [a, b]\n  group-by: [who]\n  timespan: 90m\n"
        "  aliases: {who: {a: user.name, b: userIdentity.userName}}\n"
    )
    rule = compiled(tmp_path, correlation(body) + BASES).rules[-1]
    assert rule.correlation is not None
    assert [list(source.group_by.values()) for source in rule.correlation.sources] == [
        [("user.name",)],
        [("userIdentity.userName",)],
    ]
    assert rule.correlation.timespan == 90 * 60_000
    assert rule.correlation.tests == (("gte", 2.0),)


def test_rules_that_only_serve_a_correlation_raise_no_alerts(tmp_path: Path) -> None:
    body = "  type: event_count\n  rules: [a]\n  group-by: user.name\n  timespan: 1h\n  condition: {gt: 1, lte: 2.5}\n"
    rules = {rule.name: rule for rule in compiled(tmp_path, correlation(body) + BASES).rules}
    assert {name: rule.alerts for name, rule in rules.items()} == {"a": False, "b": True, "c": True}
    assert rules["c"].correlation is not None
    assert rules["c"].correlation.tests == (("gt", 1.0), ("lte", 2.5))
    both = compiled(tmp_path, correlation(body + "  generate: true\n") + BASES)
    assert all(rule.alerts for rule in both.rules)


# --- what is wrong, where, and what to do

COUNT = "  type: event_count\n  rules: [a]\n  group-by: [user.name]\n  timespan: 1h\n  condition: {gte: 10}\n"
WRONG: list[tuple[str, str]] = [
    (
        f"{HEAD}detection:\n  a: {{custmers: x}}\n  condition: a",
        r":5:7: .*no field 'custmers'; did you mean customers\?",
    ),
    (
        f"{HEAD}detection:\n  a:\n    customers|contain: x\n  condition: a",
        r":6:5: Unknown modifier 'contain'; did you mean contains\?",
    ),
    (f"{HEAD}detection:\n  a:\n    customers|utf16le: x\n  condition: a", r":6:5: .*pySigma calls it wide"),
    (
        f"{HEAD}detection:\n  a: {{customers: x}}\n  condition: b",
        r":6:14: Detection 'b' not defined in detections; .*\(a\)",
    ),
    (f"{HEAD}detection:\n  a: {{customers: x}}\n  condition: a and", r":6:14: Expected"),
    (f"{HEAD}detection:\n  a: {{customers: x}}\n  condition: 1 of b*", r"`of b\*` matches no search identifier"),
    (
        f"{HEAD}detection:\n  a: {{customers: x}}\n  condition: a | count() > 3",
        r":6:14: .*replaced by Sigma correlations",
    ),
    (f"{HEAD}detection:\n  a: {{customers: []}}\n  condition: a", r"customers has no value; write null"),
    (f"{HEAD}detection:\n  a: {{customers|re: '(['}}\n  condition: a", r":5:7: Regular expression"),
    (f"{HEAD}detection:\n  a: {{source.ip|cidr: 10.0.0.1/8}}\n  condition: a", r":5:7: Invalid CIDR"),
    (
        f"{HEAD}detection:\n  a: {{records|gt: many}}\n  condition: a",
        r":5:7: Modifier SigmaGreaterThanModifier incompatible",
    ),
    (f"{HEAD}detection: x", r":4:12: `detection` is not a map"),
    ("title: T\ndetection:\n  a: {customers: x}\n  condition: a", r"the rule has no log source"),
    (correlation(COUNT.replace("[a]", "[x]")) + BASES, r":6:10: .*refers to a rule 'x' that is not there"),
    (correlation(COUNT.replace("[a]", "[c]")) + BASES, r":6:10: .*refers to itself"),
    (
        correlation(COUNT.replace("[a]", "[d]")) + "---\n" + correlation(COUNT.replace("[a]", "[c]"), "d", "d") + BASES,
        r"refers to itself through others",
    ),
    (correlation(COUNT.replace("1h", "1 hour")) + BASES, r":8:13: Timespan '1 hour' is invalid"),
    (
        correlation(COUNT.replace("event_count", "events")) + BASES,
        r":5:9: 'events' is no valid.*expected event_count, ",
    ),
    (correlation(COUNT.replace("gte: 10", "field: x")) + BASES, r":9:14: "),
    (correlation(COUNT.replace("event_count", "value_count")) + BASES, r"without field reference"),
    (correlation(COUNT.replace("user.name", "user.nam")) + BASES, r"no field 'user.nam'; did you mean user.name or"),
    (
        correlation(
            "  type: temporal\n  rules: [a, b]\n  group-by: [user.name]\n  timespan: 1h\n  condition: not a or not b\n"
        )
        + BASES,
        r"absences alone",
    ),
    (
        correlation(
            "  type: temporal_ordered\n  rules: [a, b]\n  group-by: user.name\n  timespan: 1h\n  condition: {gte: 1}\n"
        )
        + BASES,
        r"needs all of its rules",
    ),
]


@pytest.mark.parametrize(("text", "message"), WRONG)
def test_wrong_rules_say_where_and_what(tmp_path: Path, text: str, message: str) -> None:
    result = compiled(tmp_path, text, pipelines=[])
    assert result.errors
    with pytest.raises(UserError, match=message):
        raise result.errors[0]
    assert str(result.errors[0]).startswith(f"{tmp_path / 'rule.yml'}:")
    with pytest.raises(UserError):
        compile_rules([tmp_path / "rule.yml"])


# --- SigmaHQ


@pytest.mark.skipif(not DATA.exists(), reason="SigmaHQ's rules are not beside the checkout (../shared/data/sigma)")
def test_every_sigmahq_rule_compiles_or_is_refused_with_a_reason(tmp_path: Path) -> None:
    with zipfile.ZipFile(DATA / "sigmahq-rules.zip") as archive:
        names = [name for name in archive.namelist() if name.startswith("rules") and name.endswith(".yml")]
        archive.extractall(tmp_path, names)
    result = compile_all([tmp_path], pipelines=[])
    assert len(result.rules) + len(result.errors) == len(names) == 3780
    for error in result.errors:
        assert "nothing says what the placeholder" in error.what or "no field 'src_country'" in error.what
        assert error.line is not None
    assert len(result.errors) == 25  # 24 placeholders, and a rule that expects geography from elsewhere
    assert sum(rule.exact for rule in result.rules) > 3300
    assert load(dump(result.rules)) == result.rules


def test_another_companys_values_take_the_place_of_those_that_come_with_the_rules(tmp_path: Path) -> None:
    pipeline = tmp_path / "company.yml"
    pipeline.write_text(
        "vars:\n  company_accounts: ['210000000001', '210000000002']\n"
        "  company_accounts_alternatives: ['210000000001|210000000002']\n  company_domains: [firm.example.net]\n"
        "transformations: [{type: value_placeholders}]\n"
    )
    policy = '{"Statement":[{"Principal":{"AWS":"arn:aws:iam::%s:root"}},{"Principal":{"AWS":"arn:aws:iam::%s:root"}}]}'

    def outside(pipelines: list[Path] | None, *accounts: str) -> bool:
        (rule,) = compile_rules([RULES / "aws/cloudtrail/key_shared_outside.yml"], pipelines)
        assert rule.condition is not None
        parameters = {"policy": policy % accounts}
        document = {
            "event": {"provider": "kms.amazonaws.com", "action": "PutKeyPolicy"},
            "aws": {"cloudtrail": {name: {"request_parameters": parameters} for name in ("flattened", "match")}},
        }
        return judged_by(rule.condition)(document)

    assert not outside(None, "123456789012", "123456789012")
    assert outside(None, "123456789012", "210000000001")
    assert not outside([pipeline], "210000000001", "210000000002")
    assert outside([pipeline], "210000000001", "123456789012")


def test_every_rule_of_the_pack_that_asks_for_the_company_is_refused_without_it() -> None:
    asking = [path for path in RULES.rglob("*.yml") if "|expand" in path.read_text()]
    assert len(asking) >= 11
    refused = {error.path for error in compile_all([RULES], pipelines=[]).errors}
    assert set(asking) <= refused
    assert not compile_all([RULES]).errors


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"- a", "this is no pipeline; expected a pySigma pipeline as in"),
        (b"", "this is no pipeline; expected"),
        (b"a: [", "this is no pipeline: Error in parsing"),
        (b"\xff", "this is no pipeline: 'utf-8' codec can't decode"),
        (b"transformations: [{type: nope}]", "Unknown transformation type 'nope'; expected"),
        (None, "cannot be read: No such file or directory; expected a pySigma pipeline"),
    ],
)
def test_a_wrong_pipeline_is_told_in_one_line(tmp_path: Path, content: bytes | None, said: str) -> None:
    path = tmp_path / "pipeline.yml"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(UserError) as raised:
        compile_all([RULES], [path])
    assert str(raised.value).startswith(f"{path}: ")
    assert said in str(raised.value)
