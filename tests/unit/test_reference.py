"""What is made from the field table is up to date."""

from pathlib import Path

import pytest

from innerwatch.fields import DATASETS
from innerwatch_cli.reference import ROOT, SECTIONS, files


@pytest.mark.parametrize(("path", "content"), files().items(), ids=lambda value: str(value)[:40])
def test_made_files_are_as_the_table_makes_them(path: Path, content: str) -> None:
    assert (ROOT / path).read_text() == content, "run `make docs`"


def test_no_template_is_left_over() -> None:
    assert {path.name for path in (ROOT / "infra/elasticsearch").glob("*.json")} == {
        path.name for path in files() if path.suffix == ".json"
    }


def test_every_field_is_on_the_page() -> None:
    shown = {row.name for _, rows in SECTIONS.values() for row in rows}
    assert {row.name for rows in DATASETS.values() for row in rows} == shown


@pytest.mark.parametrize("dataset", DATASETS)
def test_no_field_stands_twice_with_another_type(dataset: str) -> None:
    types: dict[str, str] = {}
    for row in DATASETS[dataset]:
        assert types.setdefault(row.name, row.type) == row.type, row.name
