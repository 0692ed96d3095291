"""Where statements about cases are kept: in memory for the command and tests, in DynamoDB for the functions."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from innerwatch.append_only import AppendOnlyTable, Item, feed_name
from innerwatch.justification.model import Assignment, Span, Statement, in_order
from innerwatch.values import BadRow

KINDS = ("cases", "assignments")
ERASED = "(erased)"  # an assignee whom nobody can be


@dataclass(frozen=True, slots=True)
class CaseRow:
    """What one row of a feed says of one case."""

    line: int
    case_id: str  # lower case, as customers and assignees are
    customers: tuple[str, ...] = ()
    span: Span | None = None
    assignment: Assignment | None = None


@dataclass(frozen=True, slots=True)
class CaseFeed:
    """A feed of cases or assignments, read. `full`: it names every case that is open or was closed since the last."""

    name: str
    kinds: tuple[str, ...]  # of KINDS: what it says something about
    recorded_at: int
    full: bool
    rows: tuple[CaseRow, ...]
    bad: tuple[BadRow, ...]
    digest: str  # SHA-256 of its bytes
    bad_cases: frozenset[str] = frozenset()  # cases that its bad rows name
    largest_removal: float = 0.10  # share of the open cases; a full feed that lacks more is taken for broken


class CaseStore(Protocol):
    """Statements, which are only added to. Ids are in lower case."""

    def statements(self, case_id: str) -> Sequence[Statement]:
        """All that was ever said of a case, in the order in which it was recorded."""
        ...

    def of_customer(self, customer: str) -> Sequence[Statement]:
        """All that was ever said of the cases that a customer has or had."""
        ...

    def known(self, feed: CaseFeed) -> "MemoryCases":
        """What a feed has to be compared with: the statements about cases that it can concern, its own left out."""
        ...

    def marks(self) -> Mapping[str, int]:
        """By kind, when the latest feed of it was recorded."""
        ...

    def version(self) -> str:
        """Another text after every feed that was applied."""
        ...

    def applied(self, feed: CaseFeed) -> bool: ...

    def append(self, statements: Iterable[Statement], known: "MemoryCases", feed: CaseFeed) -> None:
        """Adds what a feed brought, and at last that it was applied. Doing it twice adds nothing."""
        ...


class MemoryCases:
    def __init__(self) -> None:
        self._statements: dict[str, list[Statement]] = {}
        self._cases: dict[str, dict[str, None]] = {}  # customer → ids of cases
        self._marks: dict[str, int] = {}
        self._applied: set[tuple[int, str]] = set()

    def statements(self, case_id: str) -> Sequence[Statement]:
        return in_order(self._statements.get(case_id, ()))

    def of_customer(self, customer: str) -> Sequence[Statement]:
        return [item for case_id in self._cases.get(customer, ()) for item in self.statements(case_id)]

    def case_ids(self) -> list[str]:
        return list(self._statements)

    def known(self, feed: CaseFeed) -> "MemoryCases":  # noqa: ARG002 all of it is at hand
        return self

    def marks(self) -> Mapping[str, int]:
        return self._marks

    def version(self) -> str:
        return str(len(self._applied))

    def applied(self, feed: CaseFeed) -> bool:
        return (feed.recorded_at, feed.digest) in self._applied

    def append(self, statements: Iterable[Statement], known: "MemoryCases", feed: CaseFeed) -> None:  # noqa: ARG002 as above
        for item in statements:
            self.add(item)
        self._marks = later(self._marks, feed)
        self._applied.add((feed.recorded_at, feed.digest))

    def add(self, item: Statement) -> None:
        self._statements.setdefault(item.case_id, []).append(item)
        for customer in item.customers:
            self._cases.setdefault(customer, {})[item.case_id] = None


class DynamoCases(AppendOnlyTable):
    """In a boto3 Table; what was said of a case stands under the case, and under each of its customers.

    | pk            | sk                            | holds                                                 |
    |---------------|-------------------------------|-------------------------------------------------------|
    | `case#ID`     | `RECORDED_AT#SHA256`          | a statement; one query gives all of a case            |
    | `customer#ID` | `CASE#RECORDED_AT#SHA256`     | the same; one query gives all of a customer's cases   |
    """

    def statements(self, case_id: str) -> Sequence[Statement]:
        return in_order(_statement(item) for item in self._query(f"case#{case_id}"))

    def of_customer(self, customer: str) -> Sequence[Statement]:
        return in_order(_statement(item) for item in self._query(f"customer#{customer}"))

    def known(self, feed: CaseFeed) -> MemoryCases:
        found = MemoryCases()
        case_ids = dict.fromkeys(row.case_id for row in feed.rows)
        if feed.full or len(case_ids) > MOST_ASKED_ONE_BY_ONE:
            items: Iterable[Item] = (item for item in self._scan() if item["pk"].startswith("case#"))
        else:
            items = (item for case_id in case_ids for item in self._query(f"case#{case_id}"))
        for item in items:
            statement = _statement(item)
            if (statement.recorded_at, statement.digest) != (feed.recorded_at, feed.digest):
                found.add(statement)
        return found

    def marks(self) -> Mapping[str, int]:
        version = self._version()
        return {kind: int(version[kind]) for kind in KINDS if kind in version}

    def append(self, statements: Iterable[Statement], known: MemoryCases, feed: CaseFeed) -> None:
        # A feed that was cut short and comes again puts the same statements under the same keys.
        with self._table.batch_writer(overwrite_by_pkeys=["pk", "sk"]) as batch:
            for said in statements:
                for item in _items(said, known.statements(said.case_id)):
                    batch.put_item(item)
        about = {"name": feed.name, "kinds": list(feed.kinds), "rows": len(feed.rows), "bad": len(feed.bad)}
        self._close(feed, about, later(self.marks(), feed))


MOST_ASKED_ONE_BY_ONE = 200  # cases; a feed that names more is compared with a scan of the whole table


def later(marks: Mapping[str, int], feed: CaseFeed) -> dict[str, int]:
    return {**marks, **{kind: max(marks.get(kind, 0), feed.recorded_at) for kind in feed.kinds}}


def _items(said: Statement, before: Sequence[Statement]) -> Iterable[Item]:
    """A statement under its case and all customers of it; what was said before goes to customers who are new."""
    yield _item(said, f"case#{said.case_id}", "")
    known = {customer for item in before for customer in item.customers}
    for customer in known.union(said.customers):
        yield _item(said, f"customer#{customer}", f"{said.case_id}#")
    for customer in set(said.customers) - known:
        for item in before:
            yield _item(item, f"customer#{customer}", f"{said.case_id}#")


def without(item: Item, names: Collection[str]) -> Item:
    """An item of the table with a person taken out of its assignments; the same where it does not name them.

    Somebody stays assigned, whoever it was: else the case would seem to have been another's, or the whole team's.
    """
    before = item.get("assignments", []) if item["pk"] != "feeds" else []
    after = [[ERASED, *rest] if who in names else [who, *rest] for who, *rest in before]
    return {**item, "assignments": after} if after != before else item


def _item(said: Statement, pk: str, prefix: str) -> Item:
    item: dict[str, Any] = {
        "pk": pk,
        "sk": f"{prefix}{feed_name(said)}",
        "case": said.case_id,
        "after": said.after,
        "customers": list(said.customers),
        "spans": [list(span) for span in said.spans],
        "assignments": [list(assignment) for assignment in said.assignments],
        "removed": said.removed,
    }
    return {name: value for name, value in item.items() if value or name == "after"}


def _statement(item: Item) -> Statement:
    recorded_at, digest = item["sk"].split("#")[-2:]
    return Statement(
        str(item["case"]),
        int(recorded_at),
        digest,
        int(item["after"]),
        tuple(item.get("customers", ())),
        tuple(Span(int(start), int(end)) for start, end in item.get("spans", ())),
        tuple(Assignment(who, team, int(start), int(end)) for who, team, start, end in item.get("assignments", ())),
        bool(item.get("removed", False)),
    )
