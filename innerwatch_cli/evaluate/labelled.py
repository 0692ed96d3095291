"""Any log set whose insiders are known: a folder with an evaluation.yml.

    logs:
      - {paths: [logon.csv], mapping: logon.yml}   # a mapping file for what is no known log source
    hr: [LDAP/*.csv]                               # oldest first by name; hr-mapping.yml beside them
    cases: [cases.csv, assignments.csv]            # optional
    answers: {path: insiders.csv, date_format: "%m/%d/%Y %H:%M:%S"}

The answers are a CSV with the columns user, start, end and scenario; a user is an employee id or a user name.
"""

import csv
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import yaml

from innerwatch import instants, justification, pipeline
from innerwatch.directory import Directory, in_memory
from innerwatch.errors import UserError
from innerwatch.hr import load_feed
from innerwatch.hr.mapping import NAMES
from innerwatch.justification.feeds import load_feed as case_feed
from innerwatch.sources.mapped import Mapping
from innerwatch.values import Event, Feed, SetAside
from innerwatch_cli import files, options
from innerwatch_cli.evaluate.answers import Answers, Insider
from innerwatch_cli.evaluate.companies import Company

FILE = "evaluation.yml"
KEYS = ("logs", "hr", "cases", "answers")
COLUMNS = ("user", "start", "end", "scenario")
REMEDY = "expected what docs/evaluation.md shows"


def load(folder: Path) -> Company:
    """Raises UserError for what is wrong in the file, or in a file that it names."""
    config = read(folder / FILE)
    feeds = [load_feed(path) for path in named(folder, config["hr"], "hr")]
    logs = [
        (path, Mapping.load(folder / log["mapping"]) if log.get("mapping") else None)
        for log in config["logs"]
        for path in files.expand(named(folder, log["paths"], "logs"))
    ]
    cases = [case_feed(path) for path in named(folder, config.get("cases", []), "cases")]

    def events() -> Iterator[Event | SetAside]:
        for path, mapping in logs:
            yield from pipeline.read(files.chunks(path), files.uri(path), mapping)

    return Company(
        name=str(folder),
        feeds=feeds,
        logs=events,
        answers=answers(folder / config["answers"]["path"], config["answers"].get("date_format", ""), feeds),
        cases=justification.in_memory(cases, options.policy()) if cases else None,
    )


def read(path: Path) -> dict[str, Any]:
    """The file, with what is needed in it there and of the right kind."""
    try:
        config = yaml.safe_load(path.read_text("utf-8"))
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else None
        raise UserError(f"is no YAML: {error.problem}", REMEDY, path=path, line=line) from error
    except (yaml.YAMLError, UnicodeDecodeError, OSError) as error:
        raise UserError(f"cannot be read: {error}", REMEDY, path=path) from error
    if not isinstance(config, dict):
        raise UserError("is no mapping", REMEDY, path=path)
    if unknown := [key for key in config if key not in KEYS]:
        raise UserError(f"{unknown[0]!r} is not known", f"expected {', '.join(KEYS)}", path=path)
    logs, given = config.get("logs"), config.get("answers")
    if not isinstance(logs, list) or not all(isinstance(log, dict) and log.get("paths") for log in logs):
        raise UserError("`logs` is no list of entries with `paths`", REMEDY, path=path)
    if not config.get("hr"):
        raise UserError("`hr` names no feed", REMEDY, path=path)
    if not isinstance(given, dict) or not isinstance(given.get("path"), str):
        raise UserError("`answers` has no `path`", REMEDY, path=path)
    return config


def named(folder: Path, patterns: Any, key: str) -> list[Path]:
    """The files that patterns name, those of each in order of their names."""
    found: list[Path] = []
    for pattern in patterns if isinstance(patterns, list) else [patterns]:
        if not isinstance(pattern, str):
            raise UserError(f"`{key}` holds {pattern!r}", "expected a path or a pattern", path=folder / FILE)
        some = sorted(path for path in folder.glob(pattern) if path.name not in NAMES)
        if not some:
            raise UserError(f"`{key}`: nothing is called {pattern}", "expected files beside it", path=folder / FILE)
        found += some
    return found


def answers(path: Path, date_format: str, feeds: Sequence[Feed]) -> Answers:
    people = in_memory(feeds)
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            rows = csv.DictReader(file, strict=True)
            missing = [name for name in COLUMNS if name not in (rows.fieldnames or ())]
            if missing:
                raise UserError(f"no column {missing[0]}", f"expected {', '.join(COLUMNS)}", path=path, line=1)
            found = [_insider(row, path, rows.line_num, date_format, people) for row in rows]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise UserError(f"cannot be read: {error}", "expected a CSV of answers", path=path) from error
    return Answers(tuple(found), {})


def _insider(row: dict[str, str], path: Path, line: int, date_format: str, people: Directory) -> Insider:
    first, last = (_instant(row[name] or "", date_format, path, line) for name in ("start", "end"))
    user = (row["user"] or "").strip()
    return Insider(
        row["scenario"] or "", (_employee(user, first, people, path, line),), first, last, story=f"user {user}"
    )


def _employee(user: str, time: int, people: Directory, path: Path, line: int) -> str:
    fact = people.state(user, time)
    employee_id = user if fact else people.owner(f"username:{user.lower()}", time).employee_id
    if not employee_id:
        raise UserError(
            f"{user!r} is nobody in the HR feeds", "expected an employee id or a user name", path=path, line=line
        )
    return employee_id


def _instant(text: str, date_format: str, path: Path, line: int) -> int:
    try:
        if not date_format:
            return instants.from_rfc3339(text.strip())
        moment = datetime.strptime(text.strip(), date_format)  # noqa: DTZ007 without an offset it is UTC, as documented
        return instants.of(moment if moment.tzinfo else moment.replace(tzinfo=UTC))
    except ValueError as error:
        expected = f"expected {date_format or 'an RFC 3339 time'}"
        raise UserError(f"{text[:60]!r} is no time: {error}", expected, path=path, line=line) from error
