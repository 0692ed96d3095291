"""`innerwatch evidence` in moto's AWS and on a real Elasticsearch: what is proven, and every way in which it is not."""

import gzip
import hashlib
import json
import uuid
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from elasticsearch import Elasticsearch

from innerwatch.errors import UserError
from innerwatch.ledger import Ledger
from innerwatch_cli import files
from innerwatch_cli.commands.evidence import evidence
from innerwatch_cli.commands.ingest import ingest
from innerwatch_cli.local_aws import LocalAws
from tests.chain import LEDGER, access, empty_account, lines
from tests.delivery import NINE, Delivery
from tests.trail_files import BUCKET, HOUR, CloudTrail, File

pytestmark = pytest.mark.elasticsearch


@pytest.fixture
def aws(elasticsearch: Elasticsearch, namespace: str) -> Iterator[LocalAws]:
    with empty_account(elasticsearch, namespace) as local:
        local.bucket(BUCKET)
        yield local


class Case(Delivery):
    """Hours of a trail, read; and the command."""

    def read(self, hours: int) -> None:
        self.make(hours)
        self.announce([self.put(file) for file in [*self.files, *self.digests]])

    def alert(self, ids: Sequence[str]) -> str:
        identity = uuid.uuid4().hex
        document = {
            "@timestamp": "2026-03-31T12:00:00.000Z",
            "data_stream": {"type": "logs", "dataset": "innerwatch.alert", "namespace": self.namespace},
            "event": {"kind": "alert", "id": identity},
            "innerwatch": {"alert": {"evidence": {"id": list(ids), "index": [], "count": len(ids)}}},
        }
        index = f"logs-innerwatch.alert-{self.namespace}"
        self.es.index(index=index, id=identity, document=document, op_type="create", refresh=True)
        return identity

    def ids(self, *slots: int) -> list[str]:
        """The first event of each of these files."""
        found = [min(self.documents(slot), key=lambda hit: hit["_source"]["log"]["offset"]) for slot in slots]
        return [hit["_id"] for hit in found]

    def change(self, identity: str, changed: dict[str, Any]) -> None:
        index = f"logs-*-{self.namespace}"
        (hit,) = self.es.search(index=index, query={"ids": {"values": [identity]}})["hits"]["hits"]
        self.es.update(index=hit["_index"], id=identity, doc=changed, refresh=True)

    def proof(self, *arguments: str, code: int = 0, keys: bool = True) -> dict[str, Any]:
        given = ["--public-keys", str(self.keys)] if keys else []
        asked = [*arguments, *given, "--namespace", self.namespace, "--json"]
        done = CliRunner().invoke(evidence, asked, env={"LEDGER_TABLE": LEDGER})
        assert done.exception is None or isinstance(done.exception, SystemExit), done.exception
        assert done.exit_code == code, done.output
        found: dict[str, Any] = json.loads(done.stdout)
        return found


@pytest.fixture
def make(aws: LocalAws, elasticsearch: Elasticsearch, namespace: str, tmp_path: Path) -> Callable[..., Case]:
    def made(*, versions: bool = True, hours: int = 2) -> Case:
        if versions:
            aws.s3.put_bucket_versioning(Bucket=BUCKET, VersioningConfiguration={"Status": "Enabled"})
        case = Case(aws, elasticsearch, namespace, tmp_path)
        case.read(hours)
        return case

    return made


def outcomes(proof: dict[str, Any]) -> list[tuple[str, str]]:
    return [(it["outcome"], it["why"]) for it in proof["events"]]


def altered(file: File, *changes: tuple[bytes, bytes]) -> File:
    content = gzip.decompress(file.body)
    for old, new in changes:
        assert old in content
        content = content.replace(old, new)
    return File(file.key, gzip.compress(content, mtime=0), file.metadata)


def test_an_alert_is_proven_down_to_the_signature(make: Callable[..., Case]) -> None:
    case = make(hours=3)
    ids = [hit["_id"] for hit in case.documents(0)] + case.ids(7)
    proof = case.proof(case.alert(ids))
    assert outcomes(proof) == [("proven", "as CloudTrail signed it")] * 6
    assert proof["outcomes"] == {"proven": 6}
    assert [it["id"] for it in proof["events"]] == ids
    for it in proof["events"]:
        slot = 0 if it["id"] != ids[-1] else 7
        file, digest = case.files[slot], case.digests[0 if slot == 0 else 1]
        content = gzip.decompress(file.body)
        record = it["record"]["text"]
        assert record.encode() in content
        assert json.loads(record)["eventID"] == it["id"]
        assert it["record"]["sha256"] == hashlib.sha256(record.encode()).hexdigest()
        assert it["object"]["sha256"] == hashlib.sha256(file.body).hexdigest()
        assert it["object"]["content_sha256"] == hashlib.sha256(content).hexdigest() == it["digest"]["lists_sha256"]
        assert it["digest"]["uri"] == f"s3://{BUCKET}/{digest.key}"
        assert it["digest"]["signature"] == digest.metadata["signature"]
        assert it["digest"]["public_key_fingerprint"] == case.trail.fingerprint
        assert it["digest"]["after"] == "yes"
        assert it["where"]["uri"] == case.line(slot).uri
        assert it["where"]["version"] == case.line(slot).version
        assert json.loads(content)["Records"][it["where"]["position"] - 1]["eventID"] == it["id"]
        assert it["ledger"]["etag"] == it["object"]["etag"] == case.line(slot).etag
        assert it["notes"][-1] == f"the ledger has the same ETag, {case.line(slot).etag}"
    assert proof["events"][0]["digest"]["before"] == "no digest comes before it: it begins its chain"
    assert proof["events"][-1]["digest"]["before"] == "yes"


def test_each_damage_is_told_from_the_others(make: Callable[..., Case]) -> None:
    case = make(hours=3)
    deleted, overwritten, changed, added, untouched, lost, elsewhere = ids = case.ids(0, 1, 2, 3, 4, 12, 13)
    alert = case.alert([*ids, "gone"])
    case.remove(case.files[0].key)
    case.put(altered(case.files[1], (b"192.0.2.7", b"192.0.2.8")))  # a new version: the one that was read is there
    case.change(changed, {"user": {"name": "ben.ortiz"}})
    case.change(added, {"source": {"port": 443}})
    case.aws.s3.delete_object(Bucket=BUCKET, Key=case.files[13].key)  # a marker: the version stays
    assert case.line(12).version
    case.remove(case.digests[2].key)
    found = dict(zip([*ids, "gone"], outcomes(case.proof(alert, code=1)), strict=True))
    assert found == {
        deleted: ("gone", "this version of the object is not in the bucket any more"),
        overwritten: ("proven", "as CloudTrail signed it"),
        changed: ("differs", "the document is not what its record says: user.name"),
        added: ("differs", "the document is not what its record says: source.port"),
        untouched: ("proven", "as CloudTrail signed it"),
        lost: ("matches, unsigned", "there is no digest file of its time"),
        elsewhere: ("matches, unsigned", "there is no digest file of its time"),
        "gone": ("gone", "the document is not in Elasticsearch any more"),
    }


def test_what_hr_and_case_systems_said_since_is_no_difference(make: Callable[..., Case]) -> None:
    case = make(hours=1)
    (identity,) = case.ids(0)
    case.change(
        identity, {"employee": {"id": "E-17", "status": "notice"}, "event": {"ingested": "2026-04-01T00:00:00Z"}}
    )
    assert case.proof(identity)["outcomes"] == {"proven": 1}


def test_an_object_replaced_in_a_bucket_without_versions(make: Callable[..., Case]) -> None:
    case = make(versions=False)
    changed, moved, other, cut = case.ids(0, 1, 2, 3)
    assert case.proof(changed)["outcomes"] == {"proven": 1}
    case.put(altered(case.files[0], (b"192.0.2.7", b"192.0.2.8")))
    content = json.loads(gzip.decompress(case.files[1].body))
    content["Records"].reverse()
    case.put(File(case.files[1].key, gzip.compress(json.dumps(content).encode(), mtime=0)))
    case.put(altered(case.files[2], (b'{"Records"', b'{ "Records"')))
    case.put(File(case.files[3].key, case.files[3].body[:-30]))
    object_differs = "the object's content is not what CloudTrail signed"
    found = case.proof(changed, moved, other, cut, code=1)
    assert [outcome for outcome, _ in outcomes(found)] == ["differs"] * 4
    first, second, third, fourth = (why for _, why in outcomes(found))
    assert first == f"the document is not what its record says: source.address, source.ip, related.ip; {object_differs}"
    assert second.startswith("the document is not what its record says: _id, ")
    assert second.endswith(f"; the event is record 5 now; {object_differs}")
    assert third == object_differs
    assert fourth == object_differs or "record" in fourth
    assert found["events"][3]["object"]["content_sha256"] == ""


def test_a_digest_that_cloudtrail_did_not_sign_proves_nothing(make: Callable[..., Case]) -> None:
    case = make(hours=3)
    (identity,) = case.ids(0)
    digest, following = case.digests[:2]
    unsigned = "the digest file that lists the object is not as CloudTrail signed it: "
    forgery = unsigned + "its signature is not CloudTrail's"
    case.put(altered(digest, (b'"awsAccountId": "123456789012"', b'"awsAccountId": "123456789013"')))
    assert outcomes(case.proof(identity, code=1)) == [("differs", forgery)]
    case.put(File(digest.key, digest.body, following.metadata))
    assert outcomes(case.proof(identity, code=1)) == [("differs", forgery)]
    case.put(digest)
    assert outcomes(case.proof(identity)) == [("proven", "as CloudTrail signed it")]

    right = case.keys.read_text()
    case.keys.write_text(json.dumps(CloudTrail().listed_keys()))
    unknown = f"{unsigned}CloudTrail has no public key with its fingerprint {case.trail.fingerprint}"
    assert outcomes(case.proof(identity, code=1)) == [("differs", unknown)]
    case.keys.write_text(right)

    wrong = CloudTrail(case.trail.key)
    wrong.previous = {"bucket": BUCKET, "key": digest.key, "sha256": "0" * 64, "signature": "00"}
    case.put(wrong.digest(NINE + HOUR, NINE + 2 * HOUR, []))
    broken = "the chain of digest files is broken at the one that lists the object"
    assert outcomes(case.proof(identity, code=1)) == [("differs", broken)]
    case.remove(following.key)
    (event,) = case.proof(identity)["events"]
    assert event["outcome"] == "proven"
    assert "the digest after it is not in the bucket" in event["notes"]


def test_an_applications_log_is_what_the_ledger_read(make: Callable[..., Case]) -> None:
    case = make(versions=False, hours=1)
    file = File("app/console.ndjson", lines(access(1), access(2)))
    case.announce([case.put(file)])
    (line,) = Ledger(case.aws.dynamodb, LEDGER).versions(f"s3://{BUCKET}/{file.key}")
    found = case.proof("console:r-2")
    assert outcomes(found) == [("matches, unsigned", "only CloudTrail signs its log files")]
    (event,) = found["events"]
    assert event["digest"] is None
    assert event["ledger"]["etag"] == line.etag
    assert (event["ledger"]["read"], event["ledger"]["indexed"]) == (2, 2)
    assert event["notes"] == [f"the ledger has the same ETag, {line.etag}"]
    assert event["record"]["text"] == json.dumps(access(2))
    assert event["where"]["position"] == 2
    # Its own id in the log finds it, too.
    assert case.proof("r-2")["events"][0]["id"] == "console:r-2"

    case.put(File(file.key, file.body + b"\n"))
    ((outcome, why),) = outcomes(case.proof("console:r-2", code=1))
    assert outcome == "differs"
    assert why.startswith(f"the object is another than was read: its ETag was {line.etag} and is ")


def test_what_has_no_record_to_read_again_says_so(make: Callable[..., Case]) -> None:
    case = make(hours=1)
    stream = f"logs-app.access-{case.namespace}"
    place = {"log": {"file": {"path": "kinesis://example/shard-1?sequenceNumber=7"}, "offset": 1}}
    base = {"@timestamp": "2026-03-31T10:00:00Z"}
    case.es.index(index=stream, id="s-1", document=base | place, op_type="create", refresh=True)
    behaviour = f"logs-innerwatch.behaviour-{case.namespace}"
    day = base | {"data_stream": {"type": "logs", "dataset": "innerwatch.behaviour", "namespace": case.namespace}}
    case.es.index(index=behaviour, id="d-1", document=day, op_type="create", refresh=True)
    assert outcomes(case.proof(case.alert(["s-1", "d-1"]))) == [
        ("no record", "a log stream delivered it, which keeps nothing to read again"),
        ("no record", "`innerwatch measure` computed it: it has no raw record"),
    ]
    case.es.index(index=stream, id="n-1", document=base, op_type="create", refresh=True)
    nowhere = "the document does not say where its raw record is, as every event's does"
    assert outcomes(case.proof("n-1", code=1)) == [("differs", nowhere)]


def test_a_line_for_each_event_and_all_of_a_single_one(make: Callable[..., Case]) -> None:
    case = make()
    first, second = case.ids(0, 1)
    asked = ["--public-keys", str(case.keys), "--namespace", case.namespace]
    done = CliRunner().invoke(evidence, [first, second, *asked])
    assert done.exit_code == 0, done.output
    told = done.stdout.splitlines()
    place = f"{case.line(0).uri} record 1"
    why = "as CloudTrail signed it; no digest comes before it: it begins its chain"
    etag = f"the ledger has the same ETag, {case.line(0).etag}"
    assert " ".join(told[0].split()) == f"proven {first} {place}: {why}; {etag}"
    assert told[2:] == ["2 events: 2 proven"]
    done = CliRunner().invoke(evidence, [first, *asked])
    assert f"SHA-256 of its content: {hashlib.sha256(gzip.decompress(case.files[0].body)).hexdigest()}" in done.stdout
    assert f"listed in: s3://{BUCKET}/{case.digests[0].key}" in done.stdout


def test_a_copy_of_the_bucket_and_local_files_need_no_aws(
    make: Callable[..., Case], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    case = make(hours=1)
    (identity,) = case.ids(0)
    folder = tmp_path / "copy"
    path = folder / case.files[0].key
    path.parent.mkdir(parents=True)
    path.write_bytes(case.files[0].body)
    local = tmp_path / "local.ndjson"
    local.write_bytes(lines(access(1)))
    done = CliRunner().invoke(ingest, [str(local), "--namespace", case.namespace])
    assert done.exit_code == 0, done.output

    def never(*_arguments: Any, **_options: Any) -> None:
        raise AssertionError("AWS was asked")

    monkeypatch.setattr("boto3.Session", never)
    found = case.proof(identity, "console:r-1", "--copy", str(folder), keys=False)
    assert outcomes(found) == [
        (
            "matches, unsigned",
            "it was read from a copy, and CloudTrail's digest files are looked up in the bucket alone",
        ),
        ("matches, unsigned", "nobody signs a file of this machine"),
    ]
    assert found["events"][0]["object"]["copy"]
    assert found["events"][1]["where"]["uri"] == files.uri(local)
    local.write_bytes(lines(access(1) | {"action": "export"}))
    path.unlink()
    assert outcomes(case.proof(identity, "console:r-1", "--copy", str(folder), code=1)) == [
        ("gone", "no copy of it is in the folders given"),
        ("differs", "the document is not what its record says: event.action"),
    ]


def test_what_is_asked_wrongly_is_one_line(elasticsearch: Elasticsearch, make: Callable[..., Case]) -> None:
    case = make(hours=1)
    (identity,) = case.ids(0)
    for arguments, said in (
        (["nothing"], "neither an alert nor an event of namespace"),
        ([identity, "--copy", "/nowhere"], "/nowhere: is no folder; expected a copy of the log bucket"),
        ([identity, "--public-keys", "/dev/null"], "/dev/null: "),
        (
            [identity, "--ledger", "none", "--public-keys", str(case.keys)],
            f"AWS refuses Query (bucket {BUCKET}): ResourceNotFoundException",
        ),
    ):
        done = CliRunner().invoke(evidence, [*arguments, "--namespace", case.namespace])
        assert isinstance(done.exception, UserError)
        assert str(done.exception).startswith(said)
    stream = f"logs-app.access-{case.namespace}"
    place = {"@timestamp": "2026-03-31T10:00:00Z", "log": {"file": {"path": "s3://example-none/a"}, "offset": 1}}
    elasticsearch.index(index=stream, id="n-1", document=place, op_type="create", refresh=True)
    done = CliRunner().invoke(evidence, ["n-1", "--namespace", case.namespace])
    assert isinstance(done.exception, UserError)
    assert "bucket example-none" in str(done.exception)
    assert "NoSuchBucket" in str(done.exception)
