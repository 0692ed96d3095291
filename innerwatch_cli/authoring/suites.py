"""From paths to suites: rule files compiled, with their cases and the rules that they refer to."""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from innerwatch.detection.windows import bases
from innerwatch.errors import UserError
from innerwatch.fields import DATASETS
from innerwatch_cli.authoring import cases
from innerwatch_cli.authoring.references import referred
from innerwatch_cli.authoring.running import Suite
from innerwatch_cli.sigma import compile_all, loading


class Loaded(NamedTuple):
    suites: list[Suite]
    errors: list[UserError]


def load(paths: Sequence[Path], pipelines: Sequence[Path] | None = None) -> Loaded:
    """A suite for every rule file that compiles and has cases; an error for every other."""
    files = loading.files(paths)
    compilation = compile_all([*files, *referred(files)], pipelines)
    known = {rule.id: rule for rule in compilation.rules}
    own = set(map(str, files))
    errors = [error for error in compilation.errors if str(error.path) in own]
    refused = {str(error.path) for error in errors}
    suites: list[Suite] = []
    for path in files:
        rules = [rule for rule in compilation.rules if rule.path == str(path)]
        if str(path) in refused or not rules:
            continue
        # What a file is about are its rules that alert; if none does, others use it, and it speaks for itself.
        rules = [rule for rule in rules if rule.alerts] or rules
        foreign = [rule for rule in rules if any(known[base].dataset not in DATASETS for base in bases(rule, known))]
        if foreign:
            what = f"Innerwatch has no logs for {foreign[0].title!r}"
            errors.append(UserError(what, "expected a log source that `innerwatch check` takes", path=path))
            continue
        try:
            suites.append(Suite(cases.load(path), tuple(rules), known, pipelines))
        except UserError as error:
            errors.append(error)
    return Loaded(suites, errors)
