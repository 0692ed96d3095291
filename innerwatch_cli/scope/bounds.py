"""How many customers at least and at most, and what must hold for that to be true: see docs/scope.md. Pure."""

from collections import Counter
from collections.abc import Iterator
from typing import Any, NamedTuple

from innerwatch.errors import UserError
from innerwatch_cli.scope.gaps import Coverage
from innerwatch_cli.scope.question import Question
from innerwatch_cli.scope.tally import CERTAIN, POSSIBLE, PROBABLE, Tally

RECORDS, MISSING = "records without a customer", "minutes without logs"


class Part(NamedTuple):
    """What the upper bound adds, and why. `customers` is None where no number can be given."""

    name: str
    customers: int | None
    why: str


class Totals(NamedTuple):
    lower: int  # customers of certain accesses
    probable: int  # of certain and probable ones
    upper: int | None  # None: nothing limits it
    parts: tuple[Part, ...]  # what the upper bound is made of
    capped: bool  # whether the number of all customers is the limit, since the parts together are no smaller
    assumptions: tuple[tuple[str, str], ...]  # what must hold, and what would be if it did not
    rate: int | None  # the busiest person-minute; None: not needed

    def as_json(self) -> dict[str, Any]:
        return {
            "lower": self.lower,
            "probable": self.probable,
            "upper": self.upper,
            "upper_is_number_of_all_customers": self.capped,
            "upper_is_made_of": [part._asdict() for part in self.parts],
            "busiest_minute": self.rate,
            "assumptions": [{"assumption": text, "otherwise": otherwise} for text, otherwise in self.assumptions],
        }


def totals(
    question: Question,
    tally: Tally,
    counts: Counter[str],
    coverage: Coverage | None,
    rate: int | None,
    programs: int,
) -> Totals:
    """`counts`: customers by strength; `rate`: the most that anybody saw in a minute, needed where minutes lack."""
    lower, probable = counts[CERTAIN], counts[CERTAIN] + counts[PROBABLE]
    named = probable + counts[POSSIBLE]
    parts = [Part("customers named", probable, "in accesses that are certainly or probably these people's")]
    if counts[POSSIBLE]:
        parts.append(Part("customers of possible accesses", counts[POSSIBLE], "nobody knows who it was, or guesses"))
    parts += silent(tally)
    lacking = coverage.lacking if coverage else 0
    if lacking:
        parts.append(_missing(lacking, len(question.people), rate))
    if question.base is not None and named > question.base:
        what = f"--customer-base is {question.base:,}, and the logs name {named:,} customers"
        raise UserError(what, "expected the number of all customers that there were at any time")
    sums = [part.customers for part in parts]
    upper = None if any(it is None for it in sums) else sum(it for it in sums if it is not None)
    capped = question.base is not None and (upper is None or upper >= question.base)
    return Totals(
        lower,
        probable,
        question.base if capped else upper,
        tuple(parts),
        capped,
        tuple(_assumptions(question, coverage, rate, parts, programs, tally)),
        rate,
    )


def silent(tally: Tally) -> list[Part]:
    """Accesses that do not say whose data they showed: as many customers as records, or any number."""
    counted = sum(it.events - it.uncounted for it in tally.silences.values())
    records = sum(it.records for it in tally.silences.values())
    uncounted = sum(it.uncounted for it in tally.silences.values())
    parts = []
    if counted:
        why = f"{counted:,} accesses say how many records they showed and not whose: each may be another customer's"
        parts.append(Part(RECORDS, records, why))
    if uncounted:
        why = f"{uncounted:,} accesses say neither whose data they showed nor how many records"
        parts.append(Part("accesses without customer or number", None, why))
    return parts


def _missing(minutes: int, people: int, rate: int | None) -> Part:
    name = MISSING
    if not rate:
        return Part(name, None, f"{minutes:,} minutes, and no access of the time that would show how many at most")
    why = (
        f"{minutes:,} minutes of logs are missing; at most {rate:,} customers a minute were seen by any one person in "
        f"the rest of the time, and {people:,} {'person is' if people == 1 else 'people are'} asked about"
    )
    return Part(name, minutes * rate * people, why)


def _assumptions(
    question: Question,
    coverage: Coverage | None,
    rate: int | None,
    parts: list[Part],
    programs: int,
    tally: Tally,
) -> Iterator[tuple[str, str]]:
    names = {part.name for part in parts}
    yield ACCOUNTS
    yield SYSTEMS
    if programs:
        saw = f"Such accounts saw about {programs:,} customers in the time; these are in no number here."
        yield PROGRAMS, saw
    if RECORDS in names:
        yield RECORD, "Records of several customers each would be more."
    if tally.harmless:
        yield f"{', '.join(question.harmless)}: no customers' data.", f"{tally.harmless:,} accesses were left out."
    if MISSING in names and rate:
        limit = f"{question.base:,}, all customers," if question.base is not None else "No number that is known here"
        yield RATE.format(rate), f"{limit} is then the limit."
    if question.base is not None:
        yield f"There were {question.base:,} customers in all.", "The upper bound would be another."
    if coverage is None:
        yield UNEXAMINED, OPEN
        return
    if not coverage.of_trails:
        yield UNEXAMINED_PART.format("CloudTrail's"), OPEN
    if not coverage.of_objects:
        yield UNEXAMINED_PART.format("The applications'"), OPEN
    if coverage.unvouched:
        yield UNVOUCHED.format(coverage.unvouched), OPEN


ACCOUNTS = (
    "These people alone used their accounts, and they used nobody else's certain or asserted account.",
    "Shared or stolen credentials would move accesses from one person to another.",
)
SYSTEMS = (
    "What systems log is true, and every system in which these people can see customers' data sends its logs.",
    "What a system does not log, no number here contains.",
)
PROGRAMS = "None of these people acted through a service, an instance or another account that is no person's."
RECORD = "A record that an access showed without naming the customer belongs to one customer."
RATE = (
    "In the missing minutes, none of these people saw more than {:,} customers a minute, which is the most that "
    "anybody was seen to see in a minute of the time."
)
UNEXAMINED = "The logs of the time are complete. This was not examined: no coverage was given."
UNEXAMINED_PART = "{} logs of the time are complete. They were not examined: the coverage given is of others."
UNVOUCHED = (
    "Nothing is missing in {:,} minutes for which nobody vouches (application logs, trails without digest files, or "
    "time that was not examined)."
)
OPEN = "Any number of accesses may be missing, and with them customers."
