"""What the tests of the deployment share: one emulated AWS, one package for this machine."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from innerwatch_cli import packaging
from tests import ministack
from tests.ministack import Aws


@pytest.fixture(scope="session")
def aws(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Aws]:
    with ministack.running(tmp_path_factory.mktemp("ministack")) as found:
        yield found


@pytest.fixture(scope="session")
def package(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return packaging.build(tmp_path_factory.mktemp("package") / "lambda.zip", packaging.LOCAL)
