"""An engineer on notice who opens a snapshot or a bucket to an outside account."""

from collections.abc import Callable, Iterator
from datetime import date
from random import Random
from typing import Any

from innerwatch_cli.simulate import cloud, trail
from innerwatch_cli.simulate.cast import LEAVER_SHARES, Insider
from innerwatch_cli.simulate.chance import HEX, text
from innerwatch_cli.simulate.company import ACCOUNT
from innerwatch_cli.simulate.estate import DATABASES, RESULTS
from innerwatch_cli.simulate.records import SIGN_IN, Record
from innerwatch_cli.simulate.worktime import MINUTE
from innerwatch_cli.simulate.world import World

OUTSIDE = "444455556666"  # an account that is not the company's


class LeaverShares:
    kind = LEAVER_SHARES

    def __init__(self, world: World, insider: Insider, rng: Random) -> None:
        self.people, self.rng = insider.people, rng
        person = insider.people[0]
        leaving = person.jobs[-1]
        notice, last = leaving.notice_at or world.period.last, leaving.last_day or world.period.last
        days = [day for day in world.period.watched if notice < day <= last]
        usable = world.attendance.workdays(person, days) or days
        self.way = rng.choice(("disk", "database", "bucket"))
        self.day = rng.choice(usable)
        self.reads = rng.choice((0, 0, rng.randint(8, 40)))
        after = [day for day in usable if day > self.day]
        self.again = rng.choice(after) if after and rng.random() < 0.4 else None
        self.late = rng.random() < 0.5
        what = {"disk": "a disk snapshot", "database": "a database snapshot", "bucket": f"the bucket {RESULTS}"}[
            self.way
        ]
        self.story = f"{person.name} gave notice on {notice} and opened {what} to the outside account {OUTSIDE}" + (
            f", after reading {self.reads} customers' profiles." if self.reads else "."
        )

    def acts(self, world: World, today: date) -> Iterator[Record]:
        person, rng = self.people[0], self.rng
        if today not in (self.day, self.again):
            return
        work = None if self.late else world.attendance.workday(person, today)
        work = work or world.attendance.evening(person, today, rng)
        if work is None:
            return
        clock = work.moment(rng, 0.1, 0.6)
        console = rng.random() < 0.4
        who = yield from cloud.signed_in(world, rng, clock, work, console=console, alike=SIGN_IN)
        clock += MINUTE // 2
        if today == self.day:
            for _ in range(self.reads):
                yield cloud.profile_read(rng, clock, who, world.customers.several(rng, 1)[0])
                clock += int(rng.uniform(1, 25) * 1000)
        yield from SHARING[self.way](rng, clock + MINUTE, who, world.estate.favourites(person.id).volume)


def _share_disk(rng: Random, time: int, who: trail.Principal, volume: str) -> Iterator[Record]:
    snapshot = f"snap-{text(rng, HEX, 17)}"
    answer = {
        "snapshotId": snapshot,
        "volumeId": volume,
        "status": "pending",
        "ownerId": ACCOUNT,
        "encrypted": True,
    }
    yield trail.call(
        rng, time, who, "ec2", "CreateSnapshot", read_only=False, request={"volumeId": volume}, response=answer
    )
    request = {
        "snapshotId": snapshot,
        "createVolumePermission": {"add": {"items": [{"userId": OUTSIDE}]}},
        "attributeType": "CREATE_VOLUME_PERMISSION",
    }
    time += int(rng.uniform(4, 25) * MINUTE)
    yield trail.call(
        rng, time, who, "ec2", "ModifySnapshotAttribute", read_only=False, request=request, response={"_return": True}
    )


def _share_database(rng: Random, time: int, who: trail.Principal, volume: str) -> Iterator[Record]:
    database = rng.choice(DATABASES)
    snapshot = f"{database}-{rng.choice(('manual', 'copy', 'before-upgrade'))}-{rng.randint(100, 999)}"
    request: dict[str, Any] = {"dBInstanceIdentifier": database, "dBSnapshotIdentifier": snapshot}
    answer = {**request, "status": "creating", "engine": "postgres", "snapshotType": "manual", "encrypted": True}
    yield trail.call(rng, time, who, "rds", "CreateDBSnapshot", read_only=False, request=request, response=answer)
    request = {"dBSnapshotIdentifier": snapshot, "attributeName": "restore", "valuesToAdd": [OUTSIDE]}
    shared = {"attributeName": "restore", "attributeValues": [OUTSIDE]}
    answer = {"dBSnapshotIdentifier": snapshot, "dBSnapshotAttributes": [shared]}
    time += int(rng.uniform(8, 40) * MINUTE)
    yield trail.call(
        rng, time, who, "rds", "ModifyDBSnapshotAttribute", read_only=False, request=request, response=answer
    )


def _share_bucket(rng: Random, time: int, who: trail.Principal, volume: str) -> Iterator[Record]:
    statement = {
        "Sid": rng.choice(("PartnerRead", "Reporting", "Stmt1")),
        "Effect": "Allow",
        "Principal": {"AWS": f"arn:aws:iam::{OUTSIDE}:root"},
        "Action": ["s3:GetObject", "s3:ListBucket"],
        "Resource": [f"arn:aws:s3:::{RESULTS}", f"arn:aws:s3:::{RESULTS}/*"],
    }
    request = {
        "bucketName": RESULTS,
        "policy": "",
        "Host": f"{RESULTS}.s3.eu-west-1.amazonaws.com",
        "bucketPolicy": {"Version": "2012-10-17", "Statement": [statement]},
    }
    resources = [{"accountId": ACCOUNT, "type": "AWS::S3::Bucket", "ARN": f"arn:aws:s3:::{RESULTS}"}]
    yield trail.call(
        rng, time, who, "s3", "PutBucketPolicy", read_only=False, request=request, resources=resources,
        host=f"{RESULTS}.s3.eu-west-1.amazonaws.com",
    )  # fmt: skip


SHARING: dict[str, Callable[[Random, int, trail.Principal, str], Iterator[Record]]] = {
    "disk": _share_disk,
    "database": _share_database,
    "bucket": _share_bucket,
}
