"""`innerwatch pseudonyms`: the key's file, its change, and asking for somebody whom HR names."""

import json
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
from click.testing import CliRunner, Result
from moto import mock_aws

from innerwatch.errors import UserError
from innerwatch_cli.commands.pseudonyms import pseudonyms

HR = "employee_id,name,email,username\nE-1,Ana Novak,ana@example.com,ana.novak\n"


@pytest.fixture
def feed(tmp_path: Path) -> Path:
    path = tmp_path / "people.csv"
    path.write_text(HR)
    return path


def run(*arguments: str | Path) -> Result:
    done = CliRunner().invoke(pseudonyms, list(map(str, arguments)))
    if done.exception is not None and not isinstance(done.exception, SystemExit):
        raise done.exception
    return done


def of(place: str | Path, feed: Path, *texts: str) -> list[str]:
    return run("of", *texts, "--hr", feed, "--pseudonyms", place).stdout.splitlines()


def test_a_key_is_made_changed_and_asked(tmp_path: Path, feed: Path) -> None:
    key = tmp_path / "key.json"
    run("new", key)
    assert stat.S_IMODE(key.stat().st_mode) == 0o600
    before = of(key, feed, "E-1", "ana.novak", "ana@example.com")
    assert len(set(before)) == 3
    assert before[2].endswith("@example.com")
    with pytest.raises(UserError, match=r"key\.json: is there already; expected a new file"):
        run("new", key)
    made = json.loads(key.read_text())
    run("rotate", key)
    changed = json.loads(key.read_text())
    assert changed["key"] != made["key"] == changed["earlier"][0]["key"]
    assert stat.S_IMODE(key.stat().st_mode) == 0o600
    assert [path.name for path in tmp_path.iterdir() if "key" in path.name] == ["key.json"]
    # A feed on disk says nothing of when it was recorded: its people count as known from their first day on.
    assert of(key, feed, "E-1", "ana.novak", "ana@example.com") == before


def test_somebody_whom_hr_does_not_name_is_said_to_be_nobody(tmp_path: Path, feed: Path) -> None:
    key = tmp_path / "key.json"
    run("new", key)
    done = run("of", "E-9", "--hr", feed, "--pseudonyms", key)
    assert "E-9: nobody in the directory has it" in done.stderr
    assert done.stdout.startswith("p-")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("rotate", "none.json"), "none.json: the pseudonyms' key cannot be read"),
        (("of", "E-1"), "--pseudonyms is missing; expected the key's file, or secretsmanager:ID"),
        (("new", "no/such/folder/key.json"), "cannot be written: No such file or directory"),
    ],
)
def test_a_users_mistake_is_one_line(
    arguments: tuple[str, ...], said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UserError) as refused:
        run(*arguments)
    assert said in str(refused.value)


@pytest.fixture
def secrets(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "testing")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-central-1")
    with mock_aws():
        yield boto3.client("secretsmanager")


def test_the_stacks_key_is_changed_where_it_lies(secrets: Any, feed: Path) -> None:
    secrets.create_secret(Name="key", SecretString=json.dumps({"key": "k" * 64, "earlier": []}))
    (before,) = of("secretsmanager:key", feed, "E-1")
    run("rotate", "secretsmanager:key")
    said = json.loads(secrets.get_secret_value(SecretId="key")["SecretString"])
    assert [item["key"] for item in said["earlier"]] == ["k" * 64]
    assert of("secretsmanager:key", feed, "E-1") == [before]
    with pytest.raises(UserError, match="the secret 'none' cannot be read"):
        run("rotate", "secretsmanager:none")
