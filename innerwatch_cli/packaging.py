"""`make package`: what runs in AWS as the zip that infra/template.yaml deploys, the same bytes from the same sources.

Python finds its libraries in `/var/task`, which no function may write to: so compiled files come along, marked as never
to be compared with their source ("unchecked hash", PEP 552), or every cold start would compile everything anew.
The Sigma rules come as `rules.json`, compiled, since pySigma stays here.
https://docs.aws.amazon.com/lambda/latest/dg/python-package.html
"""

import os
import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import click
import msgspec

from innerwatch.detection import rules as compiled
from innerwatch.errors import UserError
from innerwatch.sources import mapped
from innerwatch_cli import options
from innerwatch_cli.paths import RULES

ROOT = Path(__file__).parents[1]
LOCK = ROOT / "requirements-lambda.lock"
RULES_FILE = "rules.json"
MAPPINGS_FOLDER = "mappings"  # as lambdas/innerwatch/wiring.py looks for it
LARGEST = 10 * 2**20  # bytes zipped
EARLIEST = (1980, 1, 1, 0, 0, 0)  # the first time that a zip can hold
NOT_NEEDED = (
    "bin/*",  # the libraries' own commands
    ".lock",
    "*.dist-info/RECORD",  # these three tell how it was installed; metadata and licences stay
    "*.dist-info/INSTALLER",
    "*.dist-info/REQUESTED",
    "**/tests/**/*",
    "**/*.pyi",
    "aws_lambda_powertools/event_handler/**/*",  # answers HTTP, which no function of ours does; 3 MB
    "elasticsearch/dsl/**/*",  # classes to build queries with; ours are plain dicts
    "dateutil/zoneinfo/*.tar.gz",  # Python's own zoneinfo reads tzdata
    "zstandard/_cffi.*",  # 11 MB for PyPy; CPython takes the other backend
    "zstandard/backend_cffi.py",
)


class Target(NamedTuple):
    """Where the package runs. `platform` by uv's names, empty for this machine."""

    python: str
    platform: str


# As infra/template.yaml says. Lambda's Amazon Linux 2023 has glibc 2.34, and so takes wheels for 2.28.
LAMBDA = Target("3.13", "aarch64-manylinux_2_28")
LOCAL = Target(f"{sys.version_info.major}.{sys.version_info.minor}", "")


def build(
    zip_path: Path,
    target: Target = LAMBDA,
    rules: Sequence[Path] = (RULES,),
    pipelines: Sequence[Path] | None = None,
    mappings: Path | None = None,
) -> Path:
    """Makes the zip, whose handlers, packages, `rules.json` and `mappings/` stand at its top.

    `mappings` is a folder of mapping files (docs/access-log.md). Raises UserError if what it needs is missing, or a
    rule or mapping is wrong.
    """
    python = interpreter(target.python)
    detection = rules_json(rules, pipelines)
    logs = mapping_files(mappings) if mappings else {}
    with tempfile.TemporaryDirectory(prefix="innerwatch-package-") as name:
        folder = Path(name)
        _install(folder, target)
        for pattern in NOT_NEEDED:
            for path in folder.glob(pattern):
                if path.is_file():
                    path.unlink()
        shutil.copytree(
            ROOT / "lambdas", folder, ignore=shutil.ignore_patterns("__pycache__", "*.pyc"), dirs_exist_ok=True
        )
        _compile(folder, python)
        (folder / RULES_FILE).write_bytes(detection)
        (folder / MAPPINGS_FOLDER).mkdir()  # of which an empty one leaves nothing in the zip
        for file, content in logs.items():
            (folder / MAPPINGS_FOLDER / file).write_bytes(content)
        zip_path.parent.mkdir(parents=True, exist_ok=True)
        paths = (path for path in folder.rglob("*") if path.is_file())
        pack({path.relative_to(folder).as_posix(): path.read_bytes() for path in paths}, zip_path)
    if (size := zip_path.stat().st_size) > LARGEST:
        raise UserError(f"{zip_path} has {size} bytes", f"expected at most {LARGEST}")
    return zip_path


def rules_given() -> Sequence[Path]:
    """Those that RULES names, with `:` between; else ours."""
    return [Path(name) for name in os.environ.get("RULES", "").split(os.pathsep) if name] or [RULES]


def mappings_given() -> Path | None:
    """The folder that MAPPINGS names."""
    return Path(os.environ["MAPPINGS"]) if os.environ.get("MAPPINGS") else None


def mapping_files(folder: Path) -> dict[str, bytes]:
    """The folder's mapping files by name, each checked."""
    paths = sorted(folder.glob("*.yml"))
    if not paths:
        raise UserError("holds no mapping file", "expected files *.yml, as docs/access-log.md has them", path=folder)
    for path in paths:
        mapped.Mapping.load(path)
    return {path.name: path.read_bytes() for path in paths}


def rules_json(paths: Sequence[Path], pipelines: Sequence[Path] | None = None) -> bytes:
    """The rules as `innerwatch.detection.rules.load` reads them. Where they lay on this machine is left out."""
    from innerwatch_cli.sigma import compile_rules  # pySigma takes a second, and `make package --help` needs none

    found = []
    for rule in compile_rules(paths, pipelines):
        path = Path(rule.path)
        folder = next((folder for folder in paths if path.is_relative_to(folder)), path.parent)
        name = path.name if path == folder else path.relative_to(folder).as_posix()
        found.append(msgspec.structs.replace(rule, path=name))
    return compiled.dump(found)


def interpreter(version: str) -> str:
    """A Python of the target's version: compiled files are good for no other."""
    if version == LOCAL.python:
        return sys.executable
    if found := shutil.which(f"python{version}"):
        command = [found, "-c", "import sys; print(sys.executable)"]
        environment = {**os.environ, "PYENV_VERSION": version}  # pyenv's placeholders run what this names
        answer = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)  # noqa: S603 our own
        if not answer.returncode:
            return answer.stdout.strip()
    raise UserError(f"no python{version} on the PATH can be run", f"expected one, to compile what runs on {version}")


def _install(folder: Path, target: Target) -> None:
    platform = ["--python-platform", target.platform] if target.platform else []
    command = [
        *(sys.executable, "-m", "uv", "pip", "install", "--quiet", "--no-config"),
        *("--target", str(folder), "--python-version", target.python, *platform),
        *("--require-hashes", "--no-deps", "--only-binary", ":all:", "--no-compile-bytecode"),
        *("--link-mode", "copy", "-r", str(LOCK)),
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603 our own arguments
    if done.returncode:
        raise UserError(f"the libraries cannot be installed: {done.stderr.strip()[-500:]}")


def _compile(folder: Path, python: str) -> None:
    command = [
        *(python, "-I", "-m", "compileall", "-q", "--invalidation-mode", "unchecked-hash"),
        *("-s", str(folder), "-p", "/var/task", str(folder)),  # tracebacks name the files as they stand in AWS
    ]
    environment = {"PATH": os.environ.get("PATH", ""), "PYTHONHASHSEED": "0"}
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)  # noqa: S603 our own
    if done.returncode:
        raise UserError(f"the package cannot be compiled: {done.stdout.strip()[-500:]}")


def pack(files: Mapping[str, bytes], zip_path: Path) -> None:
    """A zip of files by their names in it: the same bytes from the same content."""
    with zipfile.ZipFile(zip_path, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
        for name, content in sorted(files.items()):
            entry = zipfile.ZipInfo(name, EARLIEST)
            entry.compress_type = zipfile.ZIP_DEFLATED
            entry.create_system = 3  # Unix, wherever it is made
            entry.external_attr = 0o644 << 16  # Lambda's user must be able to read it
            archive.writestr(entry, content)


@click.command()
@click.option("--out", type=click.Path(path_type=Path, dir_okay=False), default=Path("dist/lambda.zip"))
@options.pipelines
def main(out: Path, pipelines: tuple[Path, ...] | None) -> None:
    """Makes the package for Lambda, with the rules in RULES (files and folders, `:` between) or ours.

    MAPPINGS names a folder of mapping files for logs of no known source.
    """
    try:
        build(out, LAMBDA, rules_given(), pipelines, mappings_given())
    except UserError as error:
        click.echo(str(error), err=True)
        sys.exit(2)
    click.echo(f"{out}: {out.stat().st_size / 2**20:.1f} MB for Python {LAMBDA.python}, {LAMBDA.platform}")


if __name__ == "__main__":
    main()
