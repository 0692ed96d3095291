"""The answer to a question: all numbers as plain JSON-able values, and the customers one by one."""

import hashlib
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping
from itertools import combinations
from typing import Any, NamedTuple

from elasticsearch import Elasticsearch

from innerwatch import __version__, instants
from innerwatch.errors import UserError
from innerwatch_cli.scope import bounds, writing
from innerwatch_cli.scope.gaps import Coverage
from innerwatch_cli.scope.question import Question
from innerwatch_cli.scope.reading import DAY, Reader
from innerwatch_cli.scope.tally import CERTAIN, POSSIBLE, PROBABLE, UNLOGGED, Seen, Tally

SCHEMA = "innerwatch.scope/1"
LISTED = 100  # of what the blind spots list one by one, the largest; the rest is counted
PROFILE = ("name", "role", "department", "status")


class Answer(NamedTuple):
    summary: dict[str, Any]
    tally: Tally

    def customers(self) -> Iterator[Seen]:
        return self.tally.seen()


def answer(
    es: Elasticsearch,
    question: Question,
    coverage: Coverage | None,
    *,
    rules: tuple[Mapping[str, Any], ...] = (),
    began: Callable[[int], Callable[[int], None]] = lambda _: lambda _: None,
) -> Answer:
    """Reads every event of the question once. `began` is told how many they are, and gives what to tell of progress."""
    reader = Reader(es, question)
    documents = reader.anything()
    if not documents:
        raise UserError(
            f"no document of namespace {question.namespace!r} is from {instants.iso(question.start)} to "
            f"{instants.iso(question.end)}",
            "expected a time of which logs were indexed",
        )
    tally = Tally(question)
    with reader.view() as view:
        spans = view.spans()
        advance = began(sum(span.events for span in spans))
        for hits in view.slices(spans):
            tally.add(hits)
            advance(len(hits))
    programs = reader.programs()
    rate = reader.busiest() if coverage and coverage.lacking else None
    sums = Sums()
    for seen in tally.seen():
        sums.add(seen)
    totals = bounds.totals(question, tally, sums.strengths, coverage, rate, programs["customers_about"])
    versions = sorted(tally.versions)
    summary = {
        "schema": SCHEMA,
        "question": question.as_json(),
        "totals": totals.as_json(),
        "blind_spots": _blind_spots(question, tally, sums, coverage, reader, programs),
        "people": _people(question, sums, reader.profiles()),
        "seen_by_several": _several(sums),
        "systems": sums.systems.as_json(),
        "fields": sums.fields.as_json(),
        "justification": sums.justification.as_json(),
        "evidence": tally.evidence(),
        "customers": {"count": len(tally.customers), "sha256": sums.digest.hexdigest()},
        "data": {
            "documents": documents,
            "newest_ingested": tally.newest,
            "directory": {
                "versions": len(versions),
                "first": instants.iso(versions[0]) if versions else None,
                "last": instants.iso(versions[-1]) if versions else None,
            },
            "rules": [dict(rule) for rule in rules],
            "engine": __version__,
        },
        "query": reader.query,
    }
    return Answer(summary, tally)


class Counts:
    """Customers and accesses, by name."""

    def __init__(self) -> None:
        self.customers: Counter[str] = Counter()
        self.accesses: Counter[str] = Counter()

    def add(self, accesses: Mapping[str, int]) -> None:
        """One customer's accesses by name."""
        for name, count in accesses.items():
            self.customers[name] += 1
            self.accesses[name] += count

    def as_json(self, name: str = "name") -> list[dict[str, Any]]:
        """The largest first."""
        return [
            {name: it, "customers": count, "accesses": self.accesses[it]}
            for it, count in sorted(self.customers.items(), key=_largest)
        ]


class Sums:
    """Over all customers, in one pass. Of possible accesses only the strength and the digest say something."""

    def __init__(self) -> None:
        self.strengths: Counter[str] = Counter()
        self.systems, self.fields, self.justification, self.without_fields = Counts(), Counts(), Counts(), Counts()
        self.probable: Counter[str] = Counter()  # cause → accesses
        self.people: defaultdict[str, Counter[str]] = defaultdict(Counter)
        self.pairs: Counter[tuple[str, str]] = Counter()
        self.several = 0
        self.own: set[str] = set()  # customers whom the people saw, certainly or probably
        self.digest = hashlib.sha256()  # of customers.jsonl

    def add(self, seen: Seen) -> None:
        self.digest.update(writing.json_line(seen))
        self.strengths[seen.strength] += 1
        if seen.strength == POSSIBLE:
            return
        self.own.add(seen.id)
        self.systems.add(seen.counted("system"))
        self.fields.add(seen.fields)
        self.justification.add({name or "not judged": it for name, it in seen.counted("justification").items()})
        self.without_fields.add(seen.counted(UNLOGGED))
        self.probable.update(seen.counted("cause"))
        certain = seen.counted(CERTAIN)
        for person, accesses in seen.people.items():
            self.people[person]["accesses"] += accesses
            self.people[person][CERTAIN if person in certain else PROBABLE] += 1
        if len(seen.people) > 1:
            self.several += 1
            self.pairs.update(combinations(seen.people, 2))


def _people(question: Question, sums: Sums, profiles: Mapping[str, Mapping[str, Any]]) -> list[dict[str, Any]]:
    return [
        {
            "id": person,
            **{name: (profiles.get(person.lower()) or {}).get(name) for name in PROFILE},
            **{name: sums.people[person][name] for name in (CERTAIN, PROBABLE, "accesses")},
        }
        for person in question.people
    ]


def _several(sums: Sums) -> dict[str, Any]:
    """Customers whom several of the people saw."""
    pairs = [{"people": list(pair), "customers": count} for pair, count in sorted(sums.pairs.items(), key=_largest)]
    return {"customers": sums.several, "pairs": pairs[:LISTED], "more_pairs": max(0, len(pairs) - LISTED)}


def _largest(item: tuple[Any, int]) -> tuple[int, Any]:
    return -item[1], item[0]


def _blind_spots(
    question: Question,
    tally: Tally,
    sums: Sums,
    coverage: Coverage | None,
    reader: Reader,
    programs: Mapping[str, int],
) -> dict[str, Any]:
    return {
        "coverage": coverage.as_json() if coverage else None,
        "possible": _possible(tally, sums.own),
        "programs": dict(programs),
        "without_customers": _silences(tally),
        "harmless_accesses": tally.harmless,
        "systems": _systems(question, reader.systems()),
        "fields_not_logged": sums.without_fields.as_json("system"),
        "probable": [
            {"cause": cause, "accesses": count} for cause, count in sorted(sums.probable.items(), key=_largest)
        ],
        "failed_attempts": reader.attempts(),
    }


def _possible(tally: Tally, own: set[str]) -> dict[str, Any]:
    """Who may have been one of the people: accounts, and how many customers they saw that these people did not."""
    accesses: Counter[tuple[str, str]] = Counter()
    customers: defaultdict[tuple[str, str], set[str]] = defaultdict(set)
    for customer, account, cause, count in tally.possible():
        accesses[account, cause] += count
        customers[account, cause].add(customer)
    found = [
        {
            "account": account,
            "cause": cause,
            "accesses": count,
            "customers": len(customers[account, cause]),
            "customers_not_seen_otherwise": len(customers[account, cause] - own),
        }
        for (account, cause), count in sorted(accesses.items(), key=_largest)
    ]
    return {"accounts": found[:LISTED], "more": max(0, len(found) - LISTED)}


def _silences(tally: Tally) -> dict[str, Any]:
    found = [
        {
            **silence._asdict(),
            "accesses": quantity.events,
            "records": quantity.records,
            "accesses_without_number": quantity.uncounted,
        }
        for silence, quantity in sorted(tally.silences.items(), key=lambda it: (-it[1].events, it[0]))
    ]
    return {"list": found[:LISTED], "more": max(0, len(found) - LISTED)}


def _systems(question: Question, systems: Mapping[str, Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Every system that logs at some time, or should: on how many of the days it did, and on which first ones not."""
    days = range(question.start - question.start % DAY, question.end, DAY)
    found = []
    wanted = {name.lower(): name for name in question.systems}
    for name in sorted({*systems, *wanted}):
        there = systems.get(name) or {"events": 0, "days": []}
        silent = [day for day in days if day not in set(there["days"])]
        found.append(
            {
                "system": wanted.get(name, name),
                "events": there["events"],
                "days": len(days),
                "days_without_events": len(silent),
                "such_as": [instants.iso(day)[:10] for day in silent[:10]],
            }
        )
    return found
