"""`innerwatch reveal` and `innerwatch audit`, on moto: what they ask, what they print, how they end."""

import io
import json
import os
from collections.abc import Iterator
from typing import Any
from unittest.mock import patch

import boto3
import pytest

import reveal
from innerwatch_cli import main
from innerwatch_cli.local_aws import ACCOUNT, environment
from tests import revealing
from tests.revealing import FUNCTION, REASON, Function, Office, with_its_own_chain


@pytest.fixture(scope="module")
def company() -> Iterator[Office]:
    with revealing.company() as found:
        yield found


@pytest.fixture
def desk(company: Office, monkeypatch: pytest.MonkeyPatch) -> Office:
    found = with_its_own_chain(company, monkeypatch)
    monkeypatch.setenv("REVEAL_FUNCTION", FUNCTION)
    monkeypatch.setenv("AUDIT_TABLE", found.name)
    monkeypatch.setenv("AUDIT_BUCKET", found.name)
    client = boto3.session.Session.client

    def with_lambda(self: boto3.session.Session, service: str, **options: Any) -> Any:
        return Lambda() if service == "lambda" else client(self, service, **options)  # type: ignore[call-overload]

    monkeypatch.setattr(boto3.session.Session, "client", with_lambda)
    return found


class Lambda:
    """Invokes the handler in this process, which moto does only in containers."""

    fails: Any = None

    def invoke(self, **asked: Any) -> dict[str, Any]:
        assert asked["FunctionName"] == FUNCTION
        if self.fails:
            return {"FunctionError": "Unhandled", "Payload": io.BytesIO(json.dumps(self.fails).encode())}
        answer = reveal.handler(json.loads(asked["Payload"]), Function())
        return {"Payload": io.BytesIO(json.dumps(answer).encode())}


class Ran:
    def __init__(self, capsys: pytest.CaptureFixture[str]) -> None:
        self.capsys = capsys

    def __call__(self, *arguments: str) -> tuple[int, str, str]:
        """Exit code, output, errors."""
        self.capsys.readouterr()
        with patch("sys.argv", ["innerwatch", *arguments]), pytest.raises(SystemExit) as ended:
            main.main()
        output = self.capsys.readouterr()
        lines = [line for line in output.out.splitlines() if not line.startswith('{"level"')]  # the function's log
        return int(ended.value.code or 0), "\n".join(lines), output.err


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Ran:
    return Ran(capsys)


def as_(desk: Office, name: str) -> Any:
    credentials = desk.people[name]
    keys = {"AWS_ACCESS_KEY_ID": credentials.access_key, "AWS_SECRET_ACCESS_KEY": credentials.secret_key}
    return environment(**keys, AWS_SESSION_TOKEN=credentials.token or "")


def test_the_commands_lead_two_people_to_a_name(desk: Office, run: Ran) -> None:
    pseudonym = desk.pseudonyms.of("E-3")
    with as_(desk, "ana"):
        assert run("reveal", "list") == (0, "no requests", "")
        code, said, _ = run("reveal", "request", pseudonym, "--reason", REASON, "--case", "CASE-9")
        assert (code, said.splitlines()[0].partition(" until")[0]) == (0, "Request 1 waits")
        assert "innerwatch reveal approve 1" in said
        code, said, wrong = run("reveal", "fetch", "1")
        assert (code, said, wrong) == (1, "", "denied, and recorded: fetch: the request is waiting\n")
    with as_(desk, "ben by sso"):
        _, said, _ = run("reveal", "list")
        assert said.splitlines()[1:] == [f"       arn:aws:iam::{ACCOUNT}:user/ana · CASE-9", f"       {REASON}"]
        code, said, _ = run("reveal", "approve", "1")
        assert (code, said.partition(" until")[0]) == (0, "Request 1 is approved")
    with as_(desk, "ana"):
        code, said, _ = run("reveal", "fetch", "1")
        assert code == 0
        assert said.splitlines()[1].split() == [pseudonym, "e-3", "E-3", "Carla", "Meyer", "carla.meyer@example.com"]
        assert said.splitlines()[-1] == f"On record as {desk.lines()[-1].hash}"
        code, said, _ = run("reveal", "fetch", "1", "--json")
        assert (code, json.loads(said)["people"][0]["name"]) == (0, "Carla Meyer")
        code, said, _ = run("reveal", "refuse", "1")
        assert (code, said.splitlines()[0]) == (0, "Request 1 is refused.")
        code, said, wrong = run("reveal", "fetch", "1", "--json")
        assert (code, json.loads(said), wrong) == (1, {"denied": "fetch: the request is refused"}, "")


@pytest.mark.parametrize(
    "arguments",
    [
        ("request", "p-k3v7m2qd4xw6zj5a", "--reason", REASON),
        ("approve", "1"),
        ("refuse", "1"),
        ("fetch", "1"),
        ("list",),
    ],
)
def test_without_a_deployed_stack_nothing_is_revealed(
    run: Ran, arguments: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in [name for name in os.environ if name.startswith(("AWS_", "REVEAL_")) or name == "STACK"]:
        monkeypatch.delenv(name)
    code, said, wrong = run("reveal", *arguments)
    assert (code, said) == (2, "")
    assert wrong == (
        "only a deployed stack reveals: nothing on this machine knows who asks, or keeps a record that stays; "
        "expected --stack, or --function with the stack's output RevealFunction\n"
    )


def test_what_is_wrong_is_said_in_one_line(desk: Office, run: Ran, monkeypatch: pytest.MonkeyPatch) -> None:
    said = run("reveal", "list", "--function", "innerwatch-reveal")
    assert said[0] == 2
    assert said[2].startswith("'innerwatch-reveal' is no function's ARN; expected arn:aws:lambda:")
    said = run("reveal", "request", "carla.meyer", "--reason", REASON)
    assert (said[0], said[2]) == (2, "'carla.meyer' is no pseudonym; expected p- and 16 letters and digits\n")
    monkeypatch.setattr(Lambda, "fails", {"errorType": "Broken", "errorMessage": "the audit chain is broken: record 2"})
    said = run("reveal", "list")
    assert said[0] == 2
    assert said[2].startswith("nothing is told: the audit chain is broken: record 2; ")
    said = run("audit", "list", "--stack", "", "--table", "")
    assert (said[0], said[2]) == (2, "no record is named; expected --stack, or --table and --bucket\n")


def test_without_credentials_nobody_is_asked(desk: Office, run: Ran, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"):
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    code, _, wrong = run("reveal", "list")
    assert (code, wrong.partition(";")[0]) == (2, "there are no AWS credentials")


def test_the_audit_is_shown_and_verified(desk: Office, run: Ran) -> None:
    assert run("audit", "verify") == (0, "0 records", "")
    number = desk.approved()
    desk.invoke("ana", action="fetch", request=number)
    desk.invoke("nobody", action="fetch", request=number)
    lines = desk.lines()
    code, said, _ = run("audit", "verify", "--receipt", lines[1].hash)
    assert (code, said.splitlines()[1]) == (0, f"the last is {lines[-1].hash}")
    assert said.startswith("4 records, whole, 20")
    code, said, wrong = run("audit", "verify", "--receipt", "f" * 64)
    assert (code, said, wrong) == (1, "", f"broken: no record has the hash {'f' * 64}\n")
    _, said, _ = run("audit", "list", "--json")
    assert said.splitlines() == [line.text for line in lines]
    _, said, _ = run("audit", "list")
    requested, approved, revealed, denied = said.splitlines()
    assert f"requested  E-1 (arn:aws:iam::{ACCOUNT}:user/ana)  request 1 · p-" in requested
    assert requested.endswith(REASON)
    assert f"approved   E-2 (arn:aws:iam::{ACCOUNT}:user/privacy/ben)  request 1" in approved
    assert "revealed   E-1" in revealed
    assert "denied     nobody known (arn:aws:iam::123456789012:user/privacy/robot)" in denied
    assert denied.endswith("fetch: nobody in the directory has this identifier")


def test_a_broken_audit_ends_with_1_and_names_the_record(desk: Office, run: Ran) -> None:
    desk.approved()
    key: Any = {"chain": {"S": "reveal"}, "sequence": {"N": "2"}}
    text, hash_ = desk.lines()[1].text.replace("E-2", "E-5"), desk.lines()[1].hash
    desk.aws.dynamodb.put_item(TableName=desk.name, Item={**key, "record": {"S": text}, "hash": {"S": hash_}})
    said = run("audit", "verify")
    assert said == (1, "", "broken: record 2 was altered: its hash is another\n")
    desk.aws.dynamodb.put_item(TableName=desk.name, Item={**key, "record": {"S": "odd"}, "hash": {"S": hash_}})
    code, said_, wrong = run("audit", "list")
    assert (code, said_.splitlines()[1]) == (0, "    2  is no record: odd")
    assert wrong == ""
    desk.aws.dynamodb.delete_item(TableName=desk.name, Key=key)
    said = run("audit", "verify")
    assert said == (1, "", "broken: record 2 is missing, as is all after it: the end was cut off\n")


def test_a_last_record_without_a_witness_is_said_and_is_no_fault(desk: Office, run: Ran) -> None:
    desk.request()
    with patch.object(desk.trail, "_s3", Unwritable(desk.trail._s3)), pytest.raises(AttributeError):
        desk.request()
    code, said, wrong = run("audit", "verify")
    assert (code, said.startswith("2 records, whole"), "has no witness yet" in wrong) == (0, True, True)
    desk.request()
    code, said, wrong = run("audit", "verify")
    assert (code, said, wrong.partition(",")[0]) == (1, "", "broken: record 2 was never witnessed")
    code, said, _ = run("audit", "verify", "--accept", "2")
    assert (code, said.startswith("3 records, whole")) == (0, True)


class Unwritable:
    def __init__(self, s3: Any) -> None:
        self.list_object_versions = s3.list_object_versions


def test_what_is_written_while_the_audit_reads_is_no_fault(
    desk: Office, run: Ran, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk.request()
    trail = type(desk.trail)
    lines = trail.lines

    def meanwhile(self: Any) -> Any:
        desk.request()
        desk.request()
        found = list(lines(self))
        desk.request()
        return iter(found)

    monkeypatch.setattr(trail, "lines", meanwhile)
    code, said, wrong = run("audit", "verify")
    assert (code, said.startswith("3 records, whole"), wrong) == (0, True, "")
