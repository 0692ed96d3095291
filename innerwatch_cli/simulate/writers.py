"""Files: log objects under the names that AWS and the applications give them, CSV reports, the answers.

The same records give the same bytes: sorted by time, gzip without a time of its own.
"""

import csv
from collections import defaultdict
from collections.abc import Iterable, Sequence
from pathlib import Path
from random import Random
from typing import Any, Self

import msgspec
from isal import igzip

from innerwatch import instants
from innerwatch_cli.simulate.chance import Streams
from innerwatch_cli.simulate.company import ACCOUNT, Company
from innerwatch_cli.simulate.desk import Case
from innerwatch_cli.simulate.records import Record
from innerwatch_cli.simulate.worktime import HOUR, Period

ALPHANUMERIC = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"

HR_COLUMNS = (
    *("employee_id", "name", "email", "username", "identity_center_user_id", "iam_user", "role", "department", "team"),
    *("location", "time_zone", "shift", "manager_id", "type", "status", "hired_at", "notice_at", "last_day"),
    "effective_date",
)


class LogWriter:
    """Gathers records by log and hour, and writes an hour once nothing can be added to it.

    CloudTrail itself delivers every few minutes; one object an hour and region keeps a small company's few.
    """

    def __init__(self, out: Path, period: Period, streams: Streams) -> None:
        self.out, self.streams = out, streams
        self.begin, self.end = period.begin, period.end
        self.flushed = self.begin
        self.counts: dict[str, int] = defaultdict(int)
        self.files = self.bytes = 0
        self._hours: dict[tuple[int, str], list[tuple[int, bytes]]] = defaultdict(list)
        self._encode = msgspec.json.Encoder().encode
        self._folders: set[Path] = set()

    def add(self, record: Record) -> bool:
        """False for a record outside the period, which no file holds."""
        if not self.begin <= record.time < self.end:
            return False
        if record.time < self.flushed:
            raise AssertionError(f"{record.log} at {instants.iso(record.time)} comes after its hour was written")
        self._hours[record.time // HOUR, record.log].append((record.time, self._encode(record.body)))
        self.counts[record.log] += 1
        return True

    def flush(self, before: int) -> None:
        """Writes the whole hours that end by `before`."""
        last = before // HOUR
        for hour, log in sorted(key for key in self._hours if key[0] < last):
            lines = [line for _, line in sorted(self._hours.pop((hour, log)), key=lambda item: item[0])]
            if log.startswith("cloudtrail/"):
                content = b'{"Records":[' + b",".join(lines) + b"]}"
                path = self._trail_path(log.partition("/")[2], hour)
            else:
                content = b"\n".join(lines) + b"\n"
                path = self.out / log / f"{_day(hour)}/{_stamp(hour)[11:13]}.ndjson.gz"
            self._write(path, igzip.compress(content, compresslevel=1, mtime=0))
        self.flushed = max(self.flushed, last * HOUR)

    def _trail_path(self, region: str, hour: int) -> Path:
        """The key that CloudTrail gives an object, named after its delivery.

        https://docs.aws.amazon.com/awscloudtrail/latest/userguide/cloudtrail-log-file-examples.html
        """
        rng: Random = self.streams("object", region, hour)
        stamp = _stamp(hour + 1)
        delivered = f"{stamp[:4]}{stamp[5:7]}{stamp[8:10]}T{stamp[11:13]}{5 * rng.randint(0, 1):02d}Z"
        name = f"{ACCOUNT}_CloudTrail_{region}_{delivered}_{''.join(rng.choices(ALPHANUMERIC, k=16))}.json.gz"
        return self.out / "cloudtrail" / "AWSLogs" / ACCOUNT / "CloudTrail" / region / _day(hour + 1) / name

    def _write(self, path: Path, content: bytes) -> None:
        if path.parent not in self._folders:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._folders.add(path.parent)
        path.write_bytes(content)
        self.files += 1
        self.bytes += len(content)


def _stamp(hour: int) -> str:
    return instants.iso(hour * HOUR)


def _day(hour: int) -> str:
    return _stamp(hour)[:10].replace("-", "/")


class CaseWriter:
    """cases.csv: a row for each time a case was open, so several if it was reopened; assignments.csv: whose it was."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._files = [
            (folder / name).open("w", newline="", encoding="utf-8") for name in ("cases.csv", "assignments.csv")
        ]
        self._cases, self._assignments = (csv.writer(file, lineterminator="\n") for file in self._files)
        self._cases.writerow(("case_id", "customer_id", "opened_at", "closed_at", "status", "reason"))
        self._assignments.writerow(("case_id", "employee_id", "team", "from", "to"))

    def write(self, cases: Iterable[Case]) -> None:
        for case in cases:
            for number, (opened, closed) in enumerate(case.spans):
                reason = f"reopened: {case.topic}" if number else case.topic
                row = (
                    case.id,
                    case.customer,
                    _instant(opened),
                    _instant(closed),
                    "closed" if closed else "open",
                    reason,
                )
                self._cases.writerow(row)
            for employee, team, start, end in case.held:
                self._assignments.writerow((case.id, employee, team, _instant(start), _instant(end)))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        for file in self._files:
            file.close()


def _instant(milliseconds: int) -> str:
    return instants.iso(milliseconds) if milliseconds else ""


def write_hr(folder: Path, company: Company, period: Period) -> None:
    """The report as HR runs it when the period is over: all history, effective-dated; and the owner map."""
    rows = [
        (
            person.id,
            person.name,
            person.email,
            person.username,
            person.identity_center_id,
            f"{ACCOUNT}:user/{person.iam_user}" if person.iam_user else "",
            job.role,
            job.department,
            job.team,
            person.site.name,
            person.site.zone,
            str(job.shift),
            job.manager_id,
            job.type,
            job.status,
            job.hired_at,
            job.notice_at or "",
            job.last_day or "",
            job.since,
        )
        for person in company.people
        for job in person.jobs
        if job.since <= period.last
    ]
    _write_csv(folder / "employees.csv", HR_COLUMNS, rows)
    keys = [(f"access_key:{person.access_key}", person.id) for person in company.people if person.access_key]
    for agent in company.agents:
        keys.append((f"iam_user:{ACCOUNT}:user/{agent.name}", agent.owner.id))
        keys.append((f"access_key:{agent.access_key}", agent.owner.id))
    _write_csv(folder / "owners.csv", ("identifier", "employee_id"), keys)


def _write_csv(path: Path, columns: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(columns)
        writer.writerows(rows)


def write_truth(path: Path, truth: dict[str, Any]) -> None:
    path.write_bytes(msgspec.json.format(msgspec.json.encode(truth), indent=1) + b"\n")
