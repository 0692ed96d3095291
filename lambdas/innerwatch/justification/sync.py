"""What a feed adds to the case directory, and the guards against broken feeds."""

from dataclasses import dataclass, field

from innerwatch.errors import UserError
from innerwatch.justification.model import Statement, case
from innerwatch.justification.store import CaseFeed, CaseRow, CaseStore, MemoryCases
from innerwatch.values import FOREVER, BadRow


@dataclass(slots=True)
class CaseReport:
    """What a feed did, in numbers of cases, and its rows that were set aside."""

    new: int = 0
    changed: int = 0
    unchanged: int = 0
    removed: int = 0  # missing from a full feed
    bad: list[BadRow] = field(default_factory=list)
    repeated: bool = False  # the feed had been applied before; nothing was done


def apply_feed(store: CaseStore, feed: CaseFeed) -> CaseReport:
    """Adds what a feed says to the store. Raises UserError, and adds nothing, for a feed that must be broken."""
    if store.applied(feed):
        return CaseReport(repeated=True)
    if not feed.rows:
        found = f"none of its {len(feed.bad)} rows can be read: {feed.bad[0].reason}" if feed.bad else "it holds no row"
        raise UserError(f"{found}; nothing was changed", "expected at least one case", path=feed.name)
    known, report = store.known(feed), CaseReport(bad=list(feed.bad))
    marks = store.marks()
    after = min(max((marks.get(kind, 0) for kind in feed.kinds), default=0), feed.recorded_at)
    rows: dict[str, list[CaseRow]] = {}
    for row in feed.rows:
        rows.setdefault(row.case_id, []).append(row)
    added: list[Statement] = []
    for case_id, own in rows.items():
        said = _statement(case_id, own, feed, after)
        before = known.statements(case_id)
        if case([*before, said]) == case(before):
            report.unchanged += 1
            continue
        report.new += not before
        report.changed += bool(before)
        added.append(said)
    if feed.full:
        missing = _missing(known, feed, rows.keys() | feed.bad_cases)
        added += [Statement(case_id, feed.recorded_at, feed.digest, after, removed=True) for case_id in missing]
        report.removed = len(missing)
    store.append(added, known, feed)
    return report


def _statement(case_id: str, rows: list[CaseRow], feed: CaseFeed, after: int) -> Statement:
    return Statement(
        case_id,
        feed.recorded_at,
        feed.digest,
        after,
        tuple(dict.fromkeys(customer for row in rows for customer in row.customers)),
        tuple(dict.fromkeys(row.span for row in rows if row.span)),
        tuple(dict.fromkeys(row.assignment for row in rows if row.assignment)),
    )


def _missing(known: MemoryCases, feed: CaseFeed, named: set[str]) -> list[str]:
    """The open cases that a full feed does not name. Raises UserError where they are too many."""
    now, count, missing = feed.recorded_at, 0, []
    for case_id in known.case_ids():
        found = case(item for item in known.statements(case_id) if item.recorded_at <= now)
        if found is None or not found.spans or found.spans[-1].end != FOREVER or found.spans[-1].start > now:
            continue
        count += 1
        if case_id not in named:
            missing.append(case_id)
    if len(missing) > feed.largest_removal * count:
        raise UserError(
            f"the feed lacks {len(missing)} of the {count} cases that are open, more than "
            f"{feed.largest_removal:.0%}; nothing was changed",
            "expected a complete feed, or `full: false` in its mapping if it holds only changes",
            path=feed.name,
        )
    return missing
