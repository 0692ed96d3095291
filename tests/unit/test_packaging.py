"""The package for Lambda: the same bytes twice, everything that the handlers import, nothing that stays here."""

import json
import re
import subprocess
import sys
import zipfile
from importlib.metadata import requires
from pathlib import Path

import msgspec
import pytest
from packaging.requirements import Requirement

from innerwatch.detection import rules
from innerwatch.errors import UserError
from innerwatch_cli import packaging
from innerwatch_cli.paths import RULES
from innerwatch_cli.sigma import compile_rules

ROOT = Path(__file__).parents[2]
HANDLERS = sorted(path.stem for path in (ROOT / "lambdas").glob("*.py"))


@pytest.fixture(scope="module")
def package(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return packaging.build(tmp_path_factory.mktemp("package") / "lambda.zip", packaging.LOCAL)


@pytest.fixture(scope="module")
def unpacked(package: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("task")
    with zipfile.ZipFile(package) as archive:
        archive.extractall(folder)
    return folder


def test_the_same_bytes_twice(package: Path, tmp_path: Path) -> None:
    assert packaging.build(tmp_path / "again.zip", packaging.LOCAL).read_bytes() == package.read_bytes()


@pytest.mark.parametrize("python", [packaging.LOCAL.python, packaging.LAMBDA.python])
def test_lambdas_platform_changes_native_libraries_only(package: Path, tmp_path: Path, python: str) -> None:
    """For the Python that runs the tests, and as `make package` does it, where Lambda's Python is to be had."""
    try:
        built = packaging.build(tmp_path / "arm.zip", packaging.Target(python, packaging.LAMBDA.platform))
    except UserError as error:
        if python == packaging.LOCAL.python or "on the PATH" not in str(error):
            raise
        pytest.skip(f"what Lambda gets is not built here: {error}")
    with zipfile.ZipFile(built) as archive, zipfile.ZipFile(package) as local:
        libraries = [archive.read(name) for name in archive.namelist() if name.endswith(".so")]
        assert python_files(archive) == python_files(local)
    assert libraries
    # ELF's e_machine: 183 is AArch64. https://refspecs.linuxfoundation.org/elf/gabi4+/ch4.eheader.html
    assert {int.from_bytes(library[18:20], "little") for library in libraries} == {183}


def python_files(archive: zipfile.ZipFile) -> set[str]:
    """Python's files, the compiled ones without the version that is part of their names."""
    names = (re.sub(r"\.cpython-\d+\.pyc$", ".pyc", name) for name in archive.namelist())
    return {name for name in names if name.endswith((".py", ".pyc"))}


def test_it_holds_what_runs_in_aws_and_nothing_else(package: Path) -> None:
    assert package.stat().st_size <= packaging.LARGEST
    with zipfile.ZipFile(package) as archive:
        names = archive.namelist()
        assert {entry.date_time for entry in archive.infolist()} == {packaging.EARLIEST}
        assert {entry.external_attr >> 16 for entry in archive.infolist()} == {0o644}
    assert names == sorted(names)
    top = {name.split("/")[0] for name in names}
    assert {f"{name}.py" for name in HANDLERS} | {"innerwatch"} <= top
    assert not top & {"boto3", "botocore", "sigma", "innerwatch_cli", "click", "rich", "moto", "tests", "bin"}
    assert not [name for name in names if "/tests/" in name or name.endswith(".pyi")]


def test_every_module_comes_compiled_and_never_to_be_checked(package: Path) -> None:
    with zipfile.ZipFile(package) as archive:
        names = set(archive.namelist())
        for name in names:
            if name.endswith(".py"):
                folder, _, stem = name.removesuffix(".py").rpartition("/")
                compiled = f"{folder}/__pycache__/{stem}.{sys.implementation.cache_tag}.pyc".removeprefix("/")
                assert compiled in names
                # PEP 552: bit 0 of the flags says a hash stands instead of a time, bit 1 that it is to be checked
                assert int.from_bytes(archive.read(compiled)[4:8], "little") == 0b01


@pytest.mark.parametrize("handler", HANDLERS)
def test_a_handler_needs_the_package_and_boto3_only(unpacked: Path, tmp_path: Path, handler: str) -> None:
    """boto3 and what it needs come with Lambda's Python; here they are borrowed from the development environment."""
    names = boto3_and_its_needs()
    installed = Path(subprocess.__file__).parent, *map(Path, sys.path)
    site = next(path for path in installed if (path / "boto3").is_dir())
    for name in names:
        found = site / name if (site / name).exists() else site / f"{name}.py"
        (tmp_path / found.name).symlink_to(found)
    code = (
        "import json, sys; sys.path[:0] = [sys.argv[1]]; sys.path.append(sys.argv[2]); "
        f"import {handler}; {handler}.handler; "
        "print(json.dumps([m.__file__ for m in list(sys.modules.values()) if getattr(m, '__file__', None)]))"
    )
    environment = {"AWS_DEFAULT_REGION": "eu-central-1", "PYTHONDONTWRITEBYTECODE": "1"}
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-c", code, str(unpacked), str(tmp_path)],
        capture_output=True,
        text=True,
        env=environment,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    files = json.loads(done.stdout)
    assert str(unpacked / f"{handler}.py") in files
    assert not [file for file in files if str(ROOT) in file and str(site) not in file]


def boto3_and_its_needs() -> list[str]:
    modules = {"python-dateutil": "dateutil"}
    names, left = set[str](), ["boto3"]
    while left:
        name = left.pop()
        if name not in names:
            names.add(name)
            left += [found.name for found in map(Requirement, requires(name) or []) if not found.marker]
    return sorted(modules.get(name, name) for name in names)


def test_the_rules_come_compiled_as_detection_reads_them_and_without_a_path_of_this_machine(package: Path) -> None:
    with zipfile.ZipFile(package) as archive:
        found = rules.load(archive.read("rules.json"))
    assert found == [msgspec.structs.replace(rule, path=path) for rule, path in zip(ours(), paths(), strict=True)]
    assert len(found) > 50


def ours() -> list[rules.CompiledRule]:
    return compile_rules([RULES])


def paths() -> list[str]:
    return [Path(rule.path).relative_to(RULES).as_posix() for rule in ours()]


def test_rules_of_the_companys_own_replace_ours(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    own = tmp_path / "own"
    own.mkdir()
    one = next(RULES.rglob("application_access_refused_many_times.yml"))
    (own / one.name).write_bytes(one.read_bytes())
    monkeypatch.setenv("RULES", str(own))
    assert {rule.path for rule in rules.load(packaging.rules_json(packaging.rules_given()))} == {one.name}
    monkeypatch.setenv("RULES", f"{RULES}:{own / 'absent'}")
    with pytest.raises(UserError, match="absent"):
        packaging.rules_json(packaging.rules_given())


def test_a_missing_python_is_named(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"no python2\.0 on the PATH can be run; expected one, to compile"):
        packaging.build(tmp_path / "lambda.zip", packaging.Target("2.0", ""))


def test_mapping_files_come_along_checked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = (
        "name: desk\nrecognise: {kind: audit}\nfields: {time: at, application: {value: desk}, action: a, actor.id: w}\n"
    )
    (tmp_path / "desk.yml").write_text(text)
    monkeypatch.setenv("MAPPINGS", str(tmp_path))
    folder = packaging.mappings_given()
    assert folder is not None
    assert packaging.mapping_files(folder) == {"desk.yml": text.encode()}
    (tmp_path / "desk.yml").write_text("name: desk\n")
    with pytest.raises(UserError, match=r"desk.yml:1: recognise is missing"):
        packaging.mapping_files(folder)
    with pytest.raises(UserError, match="holds no mapping file"):
        packaging.mapping_files(tmp_path / "none")
