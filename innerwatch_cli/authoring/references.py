"""Where the rules are that correlations refer to."""

from collections.abc import Iterable, Sequence
from pathlib import Path

from innerwatch.detection.rules import CompiledRule
from innerwatch.errors import UserError
from innerwatch_cli.authoring.correlation import references
from innerwatch_cli.paths import RULES
from innerwatch_cli.sigma import compile_all, loading
from innerwatch_cli.sigma.loading import Document


def documents(paths: Iterable[Path]) -> list[Document]:
    """The rules in files, as far as they can be read."""
    return [item for path in paths for item in loading.read(path) if isinstance(item, Document)]


def by_name(rules: Iterable[Document]) -> dict[str, Document]:
    """Rules by what correlations call them: id or name."""
    names = ((name, rule) for rule in rules for name in (rule.data.get("id"), rule.data.get("name")))
    return {name: rule for name, rule in names if isinstance(name, str)}


def referred(files: Sequence[Path]) -> list[Path]:
    """Other files with the rules that those in `files` refer to: in the same folder, or in the pack they are of."""
    given = documents(files)
    found: list[Path] = []
    candidates = [(path, documents([path])) for path in neighbours(files)] if _missing(given) else []
    while missing := _missing(given):
        new = [(path, inside) for path, inside in candidates if path not in found and missing & set(by_name(inside))]
        if not new:
            break
        found += [path for path, _ in new]
        given += [rule for _, inside in new for rule in inside]
    return found


def compile_with_referred(
    paths: Sequence[Path], pipelines: Sequence[Path] | None
) -> tuple[list[CompiledRule], list[CompiledRule], list[UserError]]:
    """The rules of files and folders; these with all that they refer to; the errors in those files."""
    files = loading.files(paths)
    own = set(map(str, files))
    compilation = compile_all([*files, *referred(files)], pipelines)
    errors = [error for error in compilation.errors if str(error.path) in own]
    return [rule for rule in compilation.rules if rule.path in own], compilation.rules, errors


def leaning_on(changed: Sequence[Path], files: Iterable[Path]) -> list[Path]:
    """The changed files, and those whose correlations refer to rules in them, over any number of steps."""
    known = {path: documents([path]) for path in files}
    found = list(changed)
    while True:
        names = set(by_name(rule for path in found for rule in known.get(path, ())))
        new = [
            path
            for path, rules in known.items()
            if path not in found and any(names & set(references(rule.data)) for rule in rules)
        ]
        if not new:
            return found
        found += new


def _missing(rules: Sequence[Document]) -> set[str]:
    return {name for rule in rules for name in references(rule.data)} - set(by_name(rules))


def neighbours(files: Sequence[Path]) -> list[Path]:
    """The rule files around others: in the same folders and, for rules of the pack, in all of it."""
    near = {path for folder in {path.parent for path in files} for path in folder.iterdir()}
    if any(RULES.resolve() in path.resolve().parents for path in files):
        near |= set(RULES.rglob("*"))
    given = {path.resolve() for path in files}
    rules = {path.resolve(): path for path in near if path.suffix in loading.SUFFIXES}
    return sorted(path for resolved, path in rules.items() if resolved not in given)
