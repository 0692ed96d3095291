"""The files of an answer: customers as CSV and JSON lines, the summary, the report. Nothing in them runs."""

import csv
import hashlib
import json
import shutil
import subprocess
import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from jinja2 import PackageLoader
from markupsafe import Markup

from innerwatch.errors import UserError
from innerwatch_cli.report import environment
from innerwatch_cli.scope.tally import STRENGTHS, Seen, ascii_json

CSV, JSONL, SUMMARY, REPORT, PDF = "customers.csv", "customers.jsonl", "summary.json", "report.html", "report.pdf"
SHOWN = 2000  # customers in the report; the files have all
# A spreadsheet takes a cell that begins so for a formula: https://owasp.org/www-community/attacks/CSV_Injection
FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")
COLUMNS = (
    *("customer_id", "certainty", "first_access", "last_access", "accesses", "fields", "accesses_without_fields"),
    *("systems", "actions", "justified", "unjustified", "not_known", "people"),
)
BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
BROWSER_TIME = 120  # seconds


def said(seen: Seen) -> dict[str, Any]:
    """What the files say of one customer."""
    judged = seen.counted("justification")
    return {
        "customer_id": seen.id,
        "certainty": seen.strength,
        "first_access": seen.first,
        "last_access": seen.last,
        "accesses": seen.accesses,
        "fields": seen.fields,
        "accesses_without_fields": seen.without_fields,
        "systems": seen.counted("system"),
        "actions": seen.counted("action"),
        "justified": judged.get("justified", 0),
        "unjustified": judged.get("unjustified", 0),
        "not_known": judged.get("unknown", 0) + judged.get("", 0),
        "people": seen.people,
    }


def json_line(seen: Seen) -> bytes:
    """One customer, exactly as the logs have it, in ASCII."""
    return ascii_json(said(seen)) + b"\n"


def cell(value: Any) -> str:
    """A cell that a spreadsheet takes for text: what would be a formula gets an apostrophe before it."""
    text = str(value)
    return f"'{text}" if text.startswith(FORMULA) else text


def row(seen: Seen) -> list[str]:
    values = said(seen)
    return [cell("; ".join(it) if isinstance(it := values[name], dict) else it) for name in COLUMNS]


def write(folder: Path, summary: dict[str, Any], customers: Iterable[Seen]) -> None:
    """All files into a folder that is empty, or not there yet. `summary` gets the hashes of those with customers."""
    try:
        if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
            raise UserError("is there already", "expected the name of a new folder, or an empty one", path=folder)
        folder.mkdir(parents=True, exist_ok=True)
        shown: list[Seen] = []
        with (
            (folder / CSV).open("w", encoding="utf-8", errors="backslashreplace", newline="") as table,
            (folder / JSONL).open("wb") as lines,
        ):
            writer = csv.writer(table, quoting=csv.QUOTE_ALL)
            writer.writerow(COLUMNS)
            for seen in customers:
                lines.write(json_line(seen))
                writer.writerow(row(seen))
                if len(shown) < SHOWN:
                    shown.append(seen)
        summary["files"] = {name: digest(folder / name) for name in (CSV, JSONL)}
        (folder / SUMMARY).write_text(json.dumps(summary, indent=1) + "\n", encoding="utf-8")
        page = report(summary, shown)
        (folder / REPORT).write_text(page, encoding="utf-8", errors="backslashreplace")
    except OSError as error:
        raise UserError(f"cannot be written: {error.strerror}", "expected a folder with room", path=folder) from error


def digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def report(summary: dict[str, Any], customers: list[Seen]) -> str:
    """The page for counsel, which carries the summary within it so that it can be verified by itself."""
    embedded = json.dumps(summary, ensure_ascii=True).replace("<", "\\u003c").replace(">", "\\u003e")
    return (
        environment(PackageLoader("innerwatch_cli.scope", "."))
        .get_template("scope.html.j2")
        .render(
            summary=summary,
            customers=customers,
            strengths=STRENGTHS,
            embedded=Markup(embedded),  # noqa: S704 JSON in ASCII without < and >, in a script element that is no script
            files={"csv": CSV, "jsonl": JSONL},
        )
    )


def find_browser() -> str:
    """The program that prints the report."""
    found = next(filter(None, map(shutil.which, BROWSERS)), None)
    if found is None:
        raise UserError(
            "--pdf needs a Chromium, and there is none", f"expected one of {', '.join(BROWSERS)} on the PATH"
        )
    return found


def print_pdf(folder: Path, browser: str) -> Path:
    """The report as a browser prints it."""
    target = (folder / PDF).absolute()
    with tempfile.TemporaryDirectory() as profile:
        command = [
            *(browser, "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"),
            *(f"--user-data-dir={profile}", "--no-pdf-header-footer", f"--print-to-pdf={target}"),
            (folder / REPORT).absolute().as_uri(),
        ]
        try:
            done = subprocess.run(command, capture_output=True, timeout=BROWSER_TIME, check=False)  # noqa: S603 our own words
        except (OSError, subprocess.TimeoutExpired) as error:
            raise UserError(f"{browser} does not print: {error}", "print report.html from a browser") from error
    if done.returncode or not target.exists():
        raise UserError(f"{browser} ended with {done.returncode}", "print report.html from a browser")
    return target
