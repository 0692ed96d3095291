"""What is evaluated: a folder with logs, HR feeds, cases and answers, opened for one walk through it."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from innerwatch import justification, pipeline
from innerwatch.customers import CustomerObjects
from innerwatch.errors import UserError
from innerwatch.hr import load_feed
from innerwatch.justification import Cases, Policy
from innerwatch.justification.feeds import load_feed as case_feed
from innerwatch.values import Event, Feed, SetAside
from innerwatch_cli import files
from innerwatch_cli.evaluate import answers
from innerwatch_cli.evaluate.answers import Answers
from innerwatch_cli.simulate.company import WITHOUT_CASES
from innerwatch_cli.simulate.customers import OBJECTS

TRUTH = "truth.json"


@dataclass(frozen=True)
class Company:
    name: str
    feeds: Sequence[Feed]
    logs: Callable[[], Iterator[Event | SetAside]]
    answers: Answers
    customers: CustomerObjects | None = None
    cases: Cases | None = None


def load(folder: Path) -> Company:
    """Raises UserError where the folder holds neither a simulated company nor a labelled log set."""
    from innerwatch_cli.evaluate import labelled

    if (folder / labelled.FILE).is_file():
        return labelled.load(folder)
    if (folder / TRUTH).is_file():
        return simulated(folder)
    raise UserError(
        f"there is neither a {TRUTH} nor an {labelled.FILE}",
        "expected a folder that `innerwatch simulate` wrote, or a labelled log set (docs/evaluation.md)",
        path=folder,
    )


def simulated(folder: Path) -> Company:
    """A folder as `innerwatch simulate` writes it."""
    logs = [
        path for name in ("cloudtrail", "app") if (folder / name).is_dir() for path in files.expand([folder / name])
    ]
    return Company(
        name=str(folder),
        feeds=[load_feed(folder / "hr" / name) for name in ("employees.csv", "owners.csv")],
        logs=lambda: (event for path in logs for event in pipeline.read(files.chunks(path), files.uri(path))),
        answers=answers.simulated(folder / TRUTH),
        customers=CustomerObjects((OBJECTS,)),
        cases=justification.in_memory(
            (case_feed(folder / "cases" / name) for name in ("cases.csv", "assignments.csv")),
            Policy(roles_without_cases=WITHOUT_CASES),
        ),
    )
