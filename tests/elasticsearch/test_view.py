"""The local page over a small company on a real node: every page, its facts, its filters, and hostile names."""

import http.client
import threading
import uuid
from collections.abc import Iterator
from html import unescape
from typing import Any
from urllib.parse import quote, urlencode

import pytest
from elasticsearch import Elasticsearch, helpers

from innerwatch.elastic import stream_name
from innerwatch_cli import index_templates
from innerwatch_cli.report.findings import Alert, pages
from innerwatch_cli.view import questions
from innerwatch_cli.view.questions import Source
from innerwatch_cli.view.server import Server
from tests import browser, small_company
from tests.html_pages import Page

pytestmark = pytest.mark.elasticsearch


class Site:
    """A namespace's page, and what is really in the namespace."""

    def __init__(self, es: Elasticsearch, namespace: str) -> None:
        self.es, self.namespace = es, namespace
        self.server = Server(Source(es, namespace), 0)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        self.connection = http.client.HTTPConnection("127.0.0.1", self.server.server_port, timeout=30)

    def get(self, target: str, status: int = 200) -> Page:
        self.connection.request("GET", unescape(target))
        response = self.connection.getresponse()
        body = response.read().decode()
        assert response.status == status, f"{target}: {response.status}\n{body}"
        return Page(body)

    def alerts(self) -> list[Alert]:
        index = stream_name("innerwatch.alert", self.namespace)
        return [Alert(hit["_id"], hit["_source"]) for hit in pages(self.es, index, {"match_all": {}})]

    def count(self, dataset: str, query: dict[str, Any]) -> int:
        return int(self.es.count(index=stream_name(dataset, self.namespace), query=query)["count"])

    def close(self) -> None:
        self.connection.close()
        self.server.shutdown()
        self.server.server_close()


@pytest.fixture(scope="module")
def site(elasticsearch: Elasticsearch, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    namespace = f"test{uuid.uuid4().hex[:12]}"
    small_company.load(elasticsearch, namespace, tmp_path_factory.mktemp("company") / "company")
    opened = Site(elasticsearch, namespace)
    yield opened
    opened.close()


def test_alerts_are_listed_newest_first(site: Site) -> None:
    page, alerts = site.get("/"), site.alerts()
    assert len(alerts) >= 3
    assert f"{len(alerts)} alerts ·" in page.text
    newest = sorted(alerts, key=lambda alert: (alert.last, alert.id), reverse=True)[: questions.PAGE]
    assert [alert.name in row for alert, row in zip(newest, page.rows[1:], strict=True)] == [True] * len(newest)


FILTERS = {
    "severity": "rule.category",
    "rule": "rule.id",
    "department": "employee.department",
    "status": "employee.status",
}


@pytest.mark.parametrize("name", FILTERS)
def test_a_filter_leaves_what_it_names(site: Site, name: str) -> None:
    """Each choice that the form offers gives as many alerts as it says, and is still chosen after that."""
    choices = questions.alerts(site.server.source, questions.Filters()).choices[name]
    assert choices
    for choice in choices:
        page = site.get(f"/?{urlencode({name: choice.value})}")
        expected = site.count("innerwatch.alert", {"term": {FILTERS[name]: choice.value}})
        assert choice.events == expected
        assert len(page.rows) - 1 == min(expected, questions.PAGE)
        assert choice.value in page.selected


def test_a_period_takes_both_its_days(site: Site) -> None:
    day = max(alert.last for alert in site.alerts())[:10]
    expected = site.count("innerwatch.alert", {"range": {"@timestamp": {"gte": f"{day}||/d", "lte": f"{day}||/d"}}})
    assert expected
    assert len(site.get(f"/?since={day}&until={day}").rows) - 1 == expected
    page = site.get("/?since=2031-01-01")
    assert page.rows == []
    assert "No alert is like that" in page.text


def test_an_alert_shows_its_evidence_down_to_the_raw_record(site: Site) -> None:
    alert = next(one for one in site.alerts() if one.customers and one.count < 50 and one.document["user"].get("email"))
    assert alert.document["innerwatch"]["alert"]["evidence"]["index"] == [stream_name("app.access", site.namespace)]
    page = site.get(f"/alert?id={quote(alert.id)}")
    assert alert.reason in page.text
    assert " ".join(alert.description.split()) in page.text
    assert len(page.rows) - 1 == alert.count
    events = {
        hit["_id"]: hit["_source"]
        for hit in pages(site.es, stream_name("app.access", site.namespace), {"ids": {"values": alert.evidence_ids}})
    }
    assert events
    for event in events.values():
        key = event["log"]["file"]["path"].removeprefix("s3://example-logs/").removesuffix("?versionId=v1")
        (row,) = [row for row in page.rows if f"{key} version v1 line {event['log']['offset']}" in row]
        assert "example-logs" in row
        address = f"https://s3.console.aws.amazon.com/s3/object/example-logs?prefix={quote(key)}&versionId=v1"
        assert address in page.objects
        assert f"{event['access']['justification']}: " in row
    assert f"innerwatch evidence {alert.id} --namespace {site.namespace}" in page.text
    for customer in alert.customers:
        assert f"/customers?customer={customer}" in page.links


def test_the_last_time_somebody_saw_a_customer_leads_to_its_raw_record(site: Site) -> None:
    customer = next(one for one in site.alerts() if one.customers).customers[0]
    (newest,) = site.es.search(
        index=stream_name("app.access", site.namespace),
        query={"term": {"access.customer.id": customer}},
        sort=[{"@timestamp": "desc"}],
        size=1,
    )["hits"]["hits"]
    target = f"/event?{urlencode({'id': newest['_id']})}"
    assert target in site.get(f"/customers?customer={customer}").links
    page = site.get(target)
    log = newest["_source"]["log"]
    key = log["file"]["path"].removeprefix("s3://example-logs/").removesuffix("?versionId=v1")
    (row,) = [row for row in page.rows if f"{key} version v1 line {log['offset']}" in row]
    assert newest["_source"]["event"]["action"] in row
    assert f"innerwatch evidence {newest['_id']} --namespace {site.namespace}" in page.text
    assert f"/customers?customer={customer}" in page.links
    day = site.es.search(index=stream_name("innerwatch.behaviour", site.namespace), size=1)["hits"]["hits"][0]["_id"]
    computed = site.get(f"/event?{urlencode({'id': day})}").text
    assert "computed by innerwatch measure" in computed
    assert "innerwatch evidence" not in computed
    assert "There is no such event" in site.get("/event?id=none", 404).text


def test_a_person_has_job_days_alerts_risk_behaviour_and_customers(site: Site) -> None:
    alert = next(one for one in site.alerts() if one.customers and one.person.employee)
    employee = alert.document["employee"]
    page = site.get(f"/person?id={quote(employee['id'])}")
    for fact in (employee["name"], employee["role"], employee["department"], employee["id"], alert.name):
        assert fact in page.text
    newest = site.es.search(
        index=stream_name("innerwatch.behaviour", site.namespace),
        query={"term": {"employee.id": employee["id"]}},
        sort=[{"@timestamp": "desc"}],
        size=1,
    )["hits"]["hits"][0]["_source"]
    risk = newest["user"]["risk"]["calculated_score_norm"]
    assert f"risk {round(risk)} of 100" in page.text
    for one in newest["behaviour"]["risk"]["contributions"]:
        if one["kind"] == "alert":
            assert f"/alert?id={one['id']}" in page.links
    assert "own usual: median ± MAD" in page.text
    assert page.tags.count("figure") >= 6
    seen = site.es.search(
        index=f"logs-a*-{site.namespace}",
        size=0,
        query={"term": {"employee.id": employee["id"]}},
        aggs={"customers": {"cardinality": {"field": "access.customer.id"}}},
    )["aggregations"]["customers"]["value"]
    assert f"Customers touched: {seen:,}" in page.text
    assert "without justification:" in page.text


def test_who_saw_a_customer(site: Site) -> None:
    customer = next(one for one in site.alerts() if one.customers and one.person.employee).customers[0]
    index = f"{stream_name('app.access', site.namespace)},{stream_name('aws.cloudtrail', site.namespace)}"
    expected: dict[str, int] = {}
    for hit in pages(site.es, index, {"term": {"access.customer.id": customer}}):
        employee = hit["_source"]["employee"]
        if "name" in employee:
            expected[employee["name"]] = expected.get(employee["name"], 0) + 1
    page = site.get(f"/customers?customer={customer.lower()}")
    assert expected
    for name, times in expected.items():
        (row,) = [row for row in page.rows if row.startswith(f"{name} ") and "Alert" not in row][:1]
        assert f" {times} " in row
    assert "Alerts that concern this customer" in page.text
    assert "Nobody saw data of C-0" in site.get("/customers?customer=C-0").text


def test_a_persons_customers_are_paged_without_gap_or_repetition(site: Site) -> None:
    everybody = questions.who_saw(site.server.source).contacts
    person = max((one for one in everybody if one.key.employee), key=lambda one: one.customers)
    assert person.customers > questions.PAGE
    target: str | None = f"/customers?person={person.key.employee}"
    found: list[str] = []
    while target:
        page = site.get(target)
        found += [link.partition("customer=")[2] for link in page.links if link.startswith("/customers?customer=")]
        target = next((link for link in page.links if f"offset={len(found)}" in link), None)
    assert len(found) == len(set(found)) == person.customers
    assert not [name for name in found if name != name.upper()]  # written as the logs write it


def test_people_are_found_by_name_id_and_address(site: Site) -> None:
    listed = site.get("/people")
    names = {alert.document["employee"]["name"] for alert in site.alerts() if alert.person.employee}
    assert {name for name in names if name in listed.text} == names
    employee = next(alert.document["employee"] for alert in site.alerts() if alert.person.employee)
    for text in (employee["name"][1:5].upper(), employee["id"].lower(), employee["email"]):
        assert employee["name"] in site.get(f"/people?q={quote(text)}").text
    assert "Nobody in alerts or behaviour" in site.get("/people?q=*").text


def test_every_link_leads_to_a_page(site: Site) -> None:
    waiting, seen = ["/", "/people", "/customers"], set[str]()
    while waiting and len(seen) < 60:
        target = waiting.pop(0)
        seen.add(target)
        found = [link for link in site.get(target).links if not link.startswith("#")]
        waiting += [link for link in dict.fromkeys(found) if link not in seen and link not in waiting]
    assert {target.partition("?")[0] for target in seen} == {
        "/",
        "/people",
        "/customers",
        "/alert",
        "/event",
        "/person",
    }


# --- hostile names

HOSTILE = [
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "' onmouseover='alert(1)",
    "{{ 7 * 7 }}{% include 'x' %}",
    "\u202egpj.exe\u2066\u200f",
    "a\x00b\x1b[31m\x85",
    "../../etc?x=1&y=2#z%00",
    "C-\U0001f4a3 İ ß",
    "x" * 8000,
]


@pytest.fixture(scope="module")
def hostile(elasticsearch: Elasticsearch) -> Iterator[Site]:
    namespace = f"test{uuid.uuid4().hex[:12]}"
    index_templates.install(elasticsearch)
    actions = [action for number, name in enumerate(HOSTILE) for action in documents(namespace, number, name)]
    helpers.bulk(elasticsearch, actions, refresh=True)
    opened = Site(elasticsearch, namespace)
    yield opened
    opened.close()


def documents(namespace: str, number: int, name: str) -> Iterator[dict[str, Any]]:
    """An event, an alert and a day of somebody whose every text is `name`."""
    employee = dict.fromkeys(("id", "name", "email", "role", "department", "team", "location", "status"), name)
    time = f"2026-03-0{number + 1}T10:00:00.000Z"
    stream = {"type": "logs", "namespace": namespace}
    event: dict[str, Any] = {
        "@timestamp": time,
        "data_stream": stream | {"dataset": "app.access"},
        "event": {"kind": "event", "action": name, "outcome": name, "module": "app"},
        "employee": employee,
        "user": {"name": name},
        "source": {"address": name},
        "email": {"to": {"address": [name]}},
        "access": {
            "customer": {"id": [name]},
            "fields": [name],
            "case": {"id": name},
            "justification": "unjustified",
            "justification_reason": name,
        },
        "log": {"file": {"path": f"s3://{name}/{name}?versionId={name}"}, "offset": 1},
    }
    alert: dict[str, Any] = {
        "@timestamp": time,
        "data_stream": stream | {"dataset": "innerwatch.alert"},
        "event": {"kind": "alert", "id": f"alert-{number}", "risk_score": 73},
        "rule": {"id": name, "name": name, "description": name, "category": "high", "version": name},
        "threat": [{"technique": [{"id": name, "name": name}]}],
        "employee": employee,
        "user": {"name": name},
        "access": {"customer": {"id": [name]}},
        "innerwatch": {
            "alert": {
                "reason": name,
                "first": time,
                "last": time,
                "employee": {"id": [name, "other"]},
                "evidence": {"id": [f"event-{number}"], "count": 1},
                "group": {"fields": [name], "values": [name]},
            }
        },
    }
    day: dict[str, Any] = {
        "@timestamp": time,
        "data_stream": stream | {"dataset": "innerwatch.behaviour"},
        "event": {"kind": "metric", "id": f"day-{number}"},
        "employee": employee,
        "user": {"id": name, "risk": {"calculated_score_norm": 60.0, "calculated_level": "Moderate"}},
        "behaviour": {
            "date": time[:10],
            "score": 80.0,
            "unusual": ["customers"],
            "reason": name,
            "day": {"basis": name},
            "customers": {"value": 9, "score": 80.0, "basis": name},
            "risk": {
                "contributions": [
                    {"time": time, "kind": kind, "id": name, "name": name, "points": 1.0}
                    for kind in ("alert", "score", "rest")
                ]
            },
        },
    }
    for identity, document in ((f"event-{number}", event), (f"alert-{number}", alert), (f"day-{number}", day)):
        index = stream_name(document["data_stream"]["dataset"], namespace)
        yield {"_op_type": "create", "_index": index, "_id": identity, "_source": document}


@pytest.mark.parametrize("name", HOSTILE, ids=range(len(HOSTILE)))
def test_hostile_names_stay_text_on_every_page(hostile: Site, name: str) -> None:
    """`Page` refuses scripts, handlers and broken markup. The name is there to be read, and its own page is found."""
    number = HOSTILE.index(name)
    readable = name.replace("\u202e", "\\u202e").replace("\u2066", "\\u2066").replace("\u200f", "\\u200f")
    readable = readable.replace("\x00", "\\u0000").replace("\x1b", "\\u001b").replace("\x85", "\\u0085")
    readable = " ".join(readable[: 120 if len(name) > 120 else None].split())
    for target in (
        "/",
        "/people",
        f"/alert?id=alert-{number}",
        f"/event?id=event-{number}",
        f"/?{urlencode({'rule': name, 'department': name})}",
        f"/people?{urlencode({'q': name[:40]})}",
        f"/person?{urlencode({'id': name})}",
        f"/customers?{urlencode({'customer': name})}",
        f"/customers?{urlencode({'person': name})}",
    ):
        page = hostile.get(target)
        assert readable in page.text, target
        assert len(page.text) < 40_000, target  # no name fills the page


# --- what is not there yet


@pytest.mark.parametrize("target", ["/", "/people", "/customers"])
def test_an_empty_namespace_says_what_to_run(elasticsearch: Elasticsearch, site: Site, target: str) -> None:
    empty = Site(elasticsearch, "nothing")
    try:
        text = empty.get(target).text
        others = questions.stock(empty.server.source).others
    finally:
        empty.close()
    assert "There are no events in the namespace nothing yet" in text
    assert "innerwatch ingest FILES" in text
    assert site.namespace in others
    assert f"innerwatch view --namespace {others[0]}" in text


def test_events_without_alerts_or_behaviour_say_so(elasticsearch: Elasticsearch, namespace: str) -> None:
    index_templates.install(elasticsearch)
    event, *_ = documents(namespace, 0, "E-1")
    helpers.bulk(elasticsearch, [event], refresh=True)
    opened = Site(elasticsearch, namespace)
    try:
        assert "innerwatch detect" in opened.get("/").text
        assert "innerwatch measure" in opened.get("/person?id=e-1").text
        assert "Nothing is known of E-2" in opened.get("/person?id=E-2", 404).text
        assert "no such alert" in opened.get("/alert?id=x", 404).text
    finally:
        opened.close()


# --- many


def test_thousands_of_alerts_are_paged_one_screen_at_a_time(elasticsearch: Elasticsearch, namespace: str) -> None:
    """All of the same instant, so that only their ids tell one page from the next."""
    index_templates.install(elasticsearch)
    _, alert, _ = documents(namespace, 0, "E-1")
    total = 2100
    actions = (
        alert | {"_id": f"{n:05d}", "_source": alert["_source"] | {"event": {"id": f"{n:05d}", "kind": "alert"}}}
        for n in range(total)
    )
    helpers.bulk(elasticsearch, actions, refresh=True)
    opened = Site(elasticsearch, namespace)
    try:
        target: str | None = "/"
        found: list[str] = []
        while target:
            page = opened.get(target)
            assert "2,100 alerts" in page.text
            found += [link.partition("id=")[2] for link in page.links if link.startswith("/alert?")]
            target = next((link for link in page.links if "after=" in link), None)
        assert found == [f"{n:05d}" for n in reversed(range(total))]
    finally:
        opened.close()


# --- a real browser


def test_a_browser_reads_the_pages_as_they_are_meant(site: Site) -> None:
    """Chromium's own DOM has the same rows and links, and it says of none that it broke the page's own policy."""
    chromium = browser.binary()
    if chromium is None:
        pytest.skip(f"no Chromium on the PATH ({', '.join(browser.NAMES)}); none can be had from pip")
    alert = next(one for one in site.alerts() if one.customers and one.person.employee)
    for target in ("/", f"/alert?id={alert.id}", f"/person?id={alert.person.employee}"):
        ours = site.get(target)
        seen = browser.dom(chromium, site.server.url.rstrip("/") + target)
        assert "Content Security Policy" not in seen.log
        assert seen.html.count("<tr>") == len(ours.rows)
        assert seen.html.count("<a ") == ours.tags.count("a")
        assert seen.html.count("<svg ") == ours.tags.count("svg")
