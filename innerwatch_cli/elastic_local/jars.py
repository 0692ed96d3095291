"""The pinned jars: fetched once, and checked against their sha256 before every start (60 ms for all 78)."""

import hashlib
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import contextmanager
from importlib.resources import files
from pathlib import Path
from typing import NamedTuple

from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TransferSpeedColumn

from innerwatch.errors import UserError
from innerwatch_cli.console import err
from innerwatch_cli.elastic_local.checks import disk
from innerwatch_cli.elastic_local.places import VERSION
from innerwatch_cli.elastic_local.state import waiting

DOWNLOADS_AT_ONCE = 8
TRIES = 3  # for one jar: a single dropped connection among 78 must not end the first start
LEAST_FREE_DISK = 300_000_000  # bytes: the jars and what the JVM learns of them
TIMEOUT = 30  # seconds without a byte
WORKSPACE = "download-"


class Jar(NamedTuple):
    place: str  # `lib`, or the Elasticsearch module that it belongs to
    coordinate: str  # Maven's group:artifact:version
    size: int  # bytes
    sha256: str

    @property
    def name(self) -> str:
        _, artifact, version = self.coordinate.split(":")
        return f"{artifact}-{version}.jar"


# Fetches a jar into a folder and returns the file; calls the last with how many bytes came, as they come.
Fetch = Callable[[Jar, Path, Callable[[int], None]], Path]


def pinned() -> list[Jar]:
    text = files("innerwatch_cli.elastic_local").joinpath("jars.txt").read_text()
    rows = (line.split() for line in text.splitlines())
    return [Jar(place, coordinate, int(size), sha256) for place, coordinate, size, sha256 in rows]


def sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def missing(folder: Path, jars: list[Jar]) -> list[Jar]:
    """Those not in the folder yet. Raises UserError if one that is there was altered."""
    absent = []
    for jar in jars:
        path = folder / jar.name
        if not path.exists():
            absent.append(jar)
        elif sha256(path) != jar.sha256:
            raise UserError(
                f"this is not {jar.coordinate} as it was pinned: its sha256 differs",
                "delete the file and start again to fetch it anew",
                path=path,
            )
    return absent


def fetch_from_maven(jar: Jar, folder: Path, arrived: Callable[[int], None]) -> Path:
    # Imported here: only a first start needs them, and they take longer to load than a warm start's other imports.
    import requests
    from jgo.maven import MavenContext, PythonResolver

    @contextmanager
    def progress(_name: str, _size: int) -> Iterator[Callable[[int], None]]:
        yield arrived

    group, artifact, version = jar.coordinate.split(":")
    trouble = ""
    for attempt in range(TRIES):
        time.sleep(attempt)
        # A folder for each try: jgo takes a file that is there for a whole one, and leaves half of one behind.
        repository = Path(tempfile.mkdtemp(dir=folder))
        maven = MavenContext(
            resolver=PythonResolver(progress_callback=progress), repo_cache=repository, timeout=TIMEOUT
        )
        try:
            return Path(maven.project(group, artifact).at_version(version).artifact().resolve())
        except requests.exceptions.ProxyError:
            trouble = "the proxy did not let it through"
        except requests.exceptions.SSLError:
            trouble = "the TLS certificate is not trusted"
        except requests.Timeout:
            trouble = f"no answer for {TIMEOUT} s"
        except requests.RequestException:
            trouble = "no connection"
        except RuntimeError:  # jgo's word for any answer but 200
            trouble = "Maven Central does not serve it"
    raise UserError(
        f"cannot download {jar.coordinate}: {trouble}",
        "expected a network with access to Maven Central, or a cache filled earlier; what was downloaded is kept",
    )


def install(folder: Path, *, progress: bool = True, fetch: Fetch = fetch_from_maven) -> list[Path]:
    """Every pinned jar, present and right to the last bit, in the order of jars.txt."""
    jars = pinned()
    folder.mkdir(parents=True, exist_ok=True)
    if missing(folder, jars):
        with waiting(folder / "install.lock"):
            if absent := missing(folder, jars):  # nobody else fetched them meanwhile
                disk(folder, LEAST_FREE_DISK)
                download(folder, absent, progress=progress, fetch=fetch)
    return [folder / jar.name for jar in jars]


def download(folder: Path, jars: list[Jar], *, progress: bool, fetch: Fetch) -> None:
    """Fetches jars aside and moves each in once it is whole and right: a killed download is gone on with later."""
    for leftover in folder.glob(f"{WORKSPACE}*"):
        shutil.rmtree(leftover)
    with (
        tempfile.TemporaryDirectory(dir=folder, prefix=WORKSPACE) as workspace,
        ThreadPoolExecutor(DOWNLOADS_AT_ONCE) as pool,
        display(jars, shown=progress) as (arrived, done),
    ):

        def place(jar: Jar) -> None:
            path = fetch(jar, Path(workspace), arrived)
            found = sha256(path)
            if found != jar.sha256:
                raise UserError(
                    f"what was downloaded as {jar.coordinate} has sha256 {found}",
                    f"expected {jar.sha256}; a proxy on the way may have altered it, and it was not kept",
                )
            path.replace(folder / jar.name)

        try:
            for future in as_completed([pool.submit(place, jar) for jar in jars]):
                future.result()
                done()
        finally:
            pool.shutdown(wait=False, cancel_futures=True)  # the first failure ends it, not the 78th


@contextmanager
def display(jars: list[Jar], *, shown: bool) -> Iterator[tuple[Callable[[int], None], Callable[[], None]]]:
    """Shows a download; gives what to call with a number of bytes that arrived, and after each jar."""
    title, size = f"Downloading Elasticsearch {VERSION}", sum(jar.size for jar in jars)
    if err.is_terminal:
        columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TransferSpeedColumn())
        with Progress(*columns, console=err, transient=True, disable=not shown) as bars:
            task = bars.add_task(title, total=size)
            yield lambda count: bars.advance(task, count), lambda: None
        return
    finished = 0

    def line() -> None:
        nonlocal finished
        finished += 1
        if shown and (finished % 20 == 0 or finished == len(jars)):
            err.print(f"  {finished} of {len(jars)} jars")

    if shown:
        err.print(f"{title}: {size / 1e6:.0f} MB, once …")
    yield lambda _: None, line
