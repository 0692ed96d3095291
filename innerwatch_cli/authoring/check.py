"""Everything that is wrong with rules and their cases, found in one go."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from innerwatch.errors import UserError
from innerwatch_cli.authoring import cases, correlation, detection, header, lint, references
from innerwatch_cli.sigma import compile_all, loading
from innerwatch_cli.sigma.loading import Document


def check(
    paths: Sequence[Path], *, with_cases: bool = True, pipelines: Sequence[Path] | None = None
) -> tuple[int, list[UserError]]:
    """The number of rule files, and their problems in the order of files and lines.

    What a rule says wrongly hides what its compilation would say, since that would be the same once more.
    """
    files = loading.files(paths)
    problems: list[UserError] = []
    documents: list[Document] = []
    for path in files:
        for item in loading.read(path):
            if isinstance(item, Document):
                documents.append(item)
                problems += of_document(item)
            else:
                problems.append(item)
    problems += repeated(documents, references.documents(references.neighbours(files)))
    known = references.by_name([*references.documents(references.referred(files)), *documents])
    broken = {error.path for error in problems}
    problems += correlation.chain_problems([item for item in documents if item.path not in broken], known)
    problems += compiled(files, documents, known, {error.path for error in problems}, pipelines)
    if with_cases:
        for path in files:
            if not all("filter" in item.data for item in documents if item.path == path):
                problems += cases.problems(path)
    return len(files), sorted(problems, key=lambda error: (str(error.path), error.line or 0, error.column or 0))


def of_document(document: Document) -> Iterator[UserError]:
    yield from header.check(document)
    if "correlation" in document.data:
        yield from correlation.check(document)
    elif "filter" not in document.data:
        yield from detection.check(document)


def repeated(documents: Sequence[Document], others: Sequence[Document]) -> Iterator[UserError]:
    """Ids, names and titles that a rule shares with another one, or with one of `others`."""
    own = set(map(id, documents))
    for key in ("id", "name", "title"):
        first: dict[str, Document] = {}
        for document in (*others, *documents):
            value = document.data.get(key)
            if not isinstance(value, str):
                continue
            other = first.setdefault(value.lower(), document)
            if other is not document and id(document) in own:
                line, _ = other.place(key)
                what = f"the {key} {value!r} is taken by {other.path}:{line}"
                yield document.problem(what, f"expected another {key}" + " (`uuidgen` makes one)" * (key == "id"), key)


def compiled(
    files: Sequence[Path],
    documents: Sequence[Document],
    known: Mapping[str, Document],
    broken: set[Path | str | None],
    pipelines: Sequence[Path] | None,
) -> Iterator[UserError]:
    """What the compiler and pySigma's validators say of the files that are right so far and lean on no wrong one."""
    good = [path for path in files if path not in broken]
    leaning = {
        document.path
        for document in documents
        if any(name in known and known[name].path in broken for name in correlation.references(document.data))
    }
    result = compile_all([*good, *references.referred(good)], pipelines)
    for error in result.errors:
        if error.path in good and error.path not in leaning:
            yield error if error.expected else with_remedy(error)
    refused = {error.path for error in result.errors}
    yield from lint.check([item for item in documents if item.path in good and item.path not in refused])


def with_remedy(error: UserError) -> UserError:
    """A refusal of the compiler, which knows why but not what the author wants instead."""
    remedy = "expected what docs/semantics.md lists"
    return UserError(error.what, remedy, path=error.path, line=error.line, column=error.column)
