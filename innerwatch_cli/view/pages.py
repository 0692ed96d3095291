"""From an address to a page. Nothing here writes, and nothing a page says was taken for markup."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date
from importlib.resources import files
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

from jinja2 import PackageLoader
from markupsafe import Markup, escape

from innerwatch.errors import UserError
from innerwatch_cli import cluster, report
from innerwatch_cli.report import charts
from innerwatch_cli.report.findings import SEVERITIES, Alert, Key
from innerwatch_cli.view import questions
from innerwatch_cli.view.questions import PAGE, Cursor, Filters, Source

STATUSES = ("pre_hire", "active", "leave", "notice", "terminated", "unknown")
LEVELS = (*SEVERITIES, "informational")
LONGEST_SEARCH = 200  # characters
DEFAULT_NAMESPACE = "innerwatch"  # which commands take when none is named
CHARTS_SHOWN = 6  # measures drawn at once; the others are one click away


@dataclass(frozen=True)
class Answer:
    status: int
    body: str
    type: str = "text/html; charset=utf-8"


class Wrong(Exception):
    """An address that asks for what cannot be: `status` and why."""

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(reason)
        self.status, self.reason = status, reason


Query = Mapping[str, str]


def link(path: str, **query: Any) -> Markup:
    """An address on this page, ready for an attribute."""
    named = {name: str(value) for name, value in query.items() if value not in (None, "")}
    return Markup(escape(path + (f"?{urlencode(named)}" if named else "")))  # noqa: S704 escaped here


def link_to(key: Key) -> Markup:
    return link("/person", id=key.employee) if key.employee else link("/person", account=key.account)


TEMPLATES = report.environment(PackageLoader("innerwatch_cli.view", "."))
TEMPLATES.globals.update(link=link, link_to=link_to)
TEMPLATES.filters["typed"] = lambda value: Markup(escape(value))  # noqa: S704 as it was typed, escaped alone


def answer(source: Source, target: str) -> Answer:
    """The page at a request's target: a path and its query."""
    try:
        parts = urlsplit(target)
        page = PAGES.get(parts.path)
        if page is None:
            raise Wrong(404, "There is no such page.")
        query = {name: values[-1] for name, values in parse_qs(parts.query, max_num_fields=50).items()}
        with cluster.errors(source.es):
            return page(source, query)
    except Wrong as error:
        return _page("wrong.html.j2", source, status=error.status, reason=error.reason)
    except ValueError:  # more fields than any of our forms has
        return _page("wrong.html.j2", source, status=400, reason="That address cannot be read.")
    except UserError as error:
        return _page("wrong.html.j2", source, status=502, reason=str(error))


def _page(template: str, source: Source, *, status: int = 200, **values: Any) -> Answer:
    text = TEMPLATES.get_template(template).render(
        namespace=source.namespace,
        in_namespace="" if source.namespace == DEFAULT_NAMESPACE else f" --namespace {source.namespace}",
        here=template,
        status=status,
        **values,
    )
    return Answer(status, text)


def alerts(source: Source, query: Query) -> Answer:
    filters = Filters(
        severity=_among(query, "severity", LEVELS),
        rule=query.get("rule", ""),
        department=query.get("department", ""),
        status=_among(query, "status", STATUSES),
        since=_day(query, "since"),
        until=_day(query, "until"),
    )
    found = questions.alerts(source, filters, _cursor(query))
    stock = questions.stock(source) if not found.alerts else None
    chosen = {name: value for name, value in filters._asdict().items() if value}
    return _page("alerts.html.j2", source, found=found, filters=filters, chosen=chosen, stock=stock, levels=LEVELS)


def alert(source: Source, query: Query) -> Answer:
    found = questions.alert(source, query.get("id", ""))
    if found is None:
        raise Wrong(404, "There is no such alert.")
    return _page("alert.html.j2", source, alert=found, shown=len(found.evidence))


def event(source: Source, query: Query) -> Answer:
    found = questions.event(source, query.get("id", ""))
    if found is None:
        raise Wrong(404, "There is no such event.")
    return _page("event.html.j2", source, identity=query["id"], event=found, key=Alert("", found).person)


def people(source: Source, query: Query) -> Answer:
    text = query.get("q", "").strip()[:LONGEST_SEARCH]
    found = questions.people(source, text)
    stock = questions.stock(source) if not found else None
    return _page("people.html.j2", source, people=found, text=text, stock=stock)


def person(source: Source, query: Query) -> Answer:
    key = _key(query, "id")
    if key is None:
        raise Wrong(400, "Whom? Expected id=HR-ID or account=NAME in the address.")
    found = questions.person(source, key, _day(query, "since"), _day(query, "until"))
    if found is None:
        raise Wrong(404, f"Nothing is known of {key.employee or key.account}.")
    series = charts.series(found.behaviour)
    peak = max(found.behaviour, key=_norm, default=None)
    newest = found.behaviour[-1] if found.behaviour else None
    return _page(
        "person.html.j2",
        source,
        person=found,
        series=series,
        # All that was ever unusual is drawn at once.
        drawn=max(CHARTS_SHOWN, sum(one.peak.unusual for one in series)),
        newest=newest,
        peak=peak if newest and peak and _norm(peak) > _norm(newest) else None,
    )


def _norm(document: Mapping[str, Any]) -> float:
    return float(document["user"]["risk"]["calculated_score_norm"])


def customers(source: Source, query: Query) -> Answer:
    customer = query.get("customer", "").strip(" ")
    key = _key(query, "person")
    if key is not None:
        return _customers_of(source, query, key)
    seen = questions.who_saw(source, customer)
    raised = questions.alerts_on(source, customer) if customer else []
    stock = questions.stock(source) if not seen.contacts else None
    return _page("customers.html.j2", source, found=seen, customer=customer, alerts=raised, stock=stock)


def _customers_of(source: Source, query: Query, key: Key) -> Answer:
    since, until, offset = _day(query, "since"), _day(query, "until"), _offset(query)
    inside = {"bool": {"filter": [key.query, *questions.within(since, until)]}}
    found = questions.customers_of(source, inside, offset)
    known = questions.newest(source, key)
    if known is None or not (found.contacts or offset):
        raise Wrong(404, f"{key.employee or key.account} saw no customer's data in these days.")
    name = known.get("employee", {}).get("name") or key.employee or key.account
    return _page(
        "customers_of.html.j2",
        source,
        key=key,
        name=name,
        found=found,
        offset=offset,
        page=PAGE,
        since=since,
        until=until,
    )


def style(_source: Source, _query: Query) -> Answer:
    sheets = (files("innerwatch_cli.report") / "style.css", files("innerwatch_cli.view") / "view.css")
    return Answer(200, "\n".join(sheet.read_text() for sheet in sheets), "text/css; charset=utf-8")


PAGES: dict[str, Callable[[Source, Query], Answer]] = {
    "/": alerts,
    "/alert": alert,
    "/event": event,
    "/people": people,
    "/person": person,
    "/customers": customers,
    "/style.css": style,
}


# --- what stands in an address


def _key(query: Query, name: str) -> Key | None:
    employee, account = query.get(name, ""), query.get("account", "")
    return Key(employee, "" if employee else account) if employee or account else None


def _among(query: Query, name: str, values: tuple[str, ...]) -> str:
    value = query.get(name, "")
    if value and value not in values:
        raise Wrong(400, f"{name} is {value[:80]!r}; expected one of {', '.join(values)}.")
    return value


def _day(query: Query, name: str) -> date | None:
    value = query.get(name, "")
    try:
        return date.fromisoformat(value) if value else None
    except ValueError:
        raise Wrong(400, f"{name} is {value[:80]!r}; expected a day such as 2026-03-31.") from None


def _cursor(query: Query) -> Cursor | None:
    value = query.get("after", "")
    time, separator, identity = value.partition("~")
    if not value:
        return None
    if not separator or not time.removeprefix("-").isdecimal() or len(time) > 18:
        raise Wrong(400, "after is no place in the list; expected one that a link of this page names.")
    return Cursor(int(time), identity)


def _offset(query: Query) -> int:
    value = query.get("offset", "0")
    if not value.isdecimal() or len(value) > 6 or int(value) > questions.FURTHEST:
        raise Wrong(400, f"offset is {value[:80]!r}; expected a number up to {questions.FURTHEST}.")
    return int(value)
