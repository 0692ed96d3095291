"""The CSVs of Microsoft Purview's HR connector: resignations, job levels, reviews, improvement plans, profiles.

https://learn.microsoft.com/purview/import-hr-data. They name people by mail address, hold only what is news, and what
they say holds from its date on. Ratings and remarks are not kept: no rule needs them. Rows may be short of cells.
"""

from collections.abc import Iterator
from collections.abc import Mapping as MappingType
from dataclasses import replace

from innerwatch.errors import UserError
from innerwatch.hr import dates, people, text
from innerwatch.hr.mapping import Mapping
from innerwatch.hr.people import Found
from innerwatch.values import BadRow, Change

SCENARIOS: dict[str, tuple[str, ...]] = {
    "resignation": ("resignationdate", "lastworkingdate"),
    "job level": ("effectivedate", "newlevel"),
    "performance review": ("effectivedate", "remarks"),
    "performance improvement plan": ("effectivedate", "improvementremarks"),
    "employee profile": ("employeefirstname", "employeelastname"),
}
COLUMNS = {
    "emailaddress": "email",
    "username": "username",
    "employeefirstname": "first_name",
    "employeelastname": "last_name",
    "employeecity": "location",
    "employeedept": "department",
    "employeetype": "type",
    "employeerole": "role",
    "newlevel": "role",
    "resignationdate": "notice_at",
    "lastworkingdate": "last_day",
}


def recognise(content: str, mapping: Mapping) -> bool:
    headings = {people.plain(heading) for heading in text.header(content, mapping.delimiter)}
    return "emailaddress" in headings and any(headings.issuperset(needed) for needed in SCENARIOS.values())


def names_everybody(content: str, found: Found) -> bool:  # noqa: ARG001 it holds only what is news
    return False


def read(content: str, name: str, mapping: Mapping) -> Iterator[Change | BadRow]:
    rows = text.rows(content, mapping.delimiter)
    first = next(rows, None)
    headings = [people.plain(cell) for cell in first.cells] if isinstance(first, text.Row) else []
    if "emailaddress" not in headings or len(headings) < 2:
        raise UserError(
            f"no column for email; found: {', '.join(headings)}", "expected EmailAddress", path=name, line=1
        )
    for row in rows:
        if isinstance(row, BadRow):
            yield row
            continue
        missing = len(headings) - len(row.cells)
        fitted = text.fitted(row._replace(cells=row.cells + [""] * missing), len(headings))
        yield fitted if isinstance(fitted, BadRow) else _change(fitted.line, text.as_dict(headings, fitted), mapping)


def _change(line: int, cells: MappingType[str, str], mapping: Mapping) -> Change | BadRow:
    """An empty cell states nothing. A resignation holds from the day on which notice was given."""
    if not cells["emailaddress"]:
        return BadRow(line, "EmailAddress is empty; expected the person's mail address")
    values = {ours: cells[theirs] for theirs, ours in COLUMNS.items() if cells.get(theirs)}
    change = people.change(line, values, mapping)
    if isinstance(change, BadRow):
        return change
    try:
        since = dates.when(cells.get("effectivedate", ""), mapping.date_format)
    except ValueError as error:
        return BadRow(line, f"EffectiveDate: {error}", email=cells["emailaddress"])
    return replace(change, effective=since or change.attributes.get("notice_at") or None, carried=True)
