"""Rule files as Kibana's rules, and what is said of them on standard error."""

from collections.abc import Sequence
from pathlib import Path

from innerwatch_cli.authoring.references import compile_with_referred
from innerwatch_cli.console import err
from innerwatch_cli.kibana.rules import LINKS, Export, export


def compiled(paths: Sequence[Path], pipelines: Sequence[Path] | None, namespace: str, links: str = LINKS) -> Export:
    """The rules of files and folders for Kibana; those that do not compile are among the refused."""
    rules, known, errors = compile_with_referred(paths, pipelines)
    found = export(rules, {rule.id: rule for rule in known}, namespace, links)
    return found._replace(refused=[*errors, *found.refused])


def tell(found: Export, *, each: bool = True) -> bool:
    """Says how many rules Kibana does not get, which (`each`), and why; whether any of them runs nowhere."""
    for rule, why in found.engine if each else ():
        err.print(
            f"{rule.path}: {why}; `innerwatch detect` runs it, the promotion rule raises its alerts", markup=False
        )
    native = len(found.rules) - bool(found.engine)
    err.print(
        f"for Kibana: {native}, run by `innerwatch detect`: {len(found.engine)}, "
        f"serving a correlation only: {found.serving}, refused: {len(found.refused)}",
        markup=False,
    )
    for error in found.refused:
        err.print(str(error), style="red", markup=False)
    return bool(found.refused)
