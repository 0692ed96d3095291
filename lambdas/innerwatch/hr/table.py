"""CSV of any dialect and any columns: Workday and BambooHR reports, spreadsheets, and our own effective-dated table.

Our own has the columns employee_id, name, email, username, identity_center_user_id, iam_user, role, department, team,
location, time_zone, shift, manager_id, type, status, hired_at, notice_at, last_day, effective_date; a row with an
effective date states what holds from that day on.
"""

from collections.abc import Iterator, Sequence
from collections.abc import Mapping as MappingType

from innerwatch.errors import UserError
from innerwatch.hr import people, text
from innerwatch.hr.mapping import Mapping
from innerwatch.values import BadRow, Change


def recognise(content: str, mapping: Mapping) -> bool:
    """Any table with more than one column will do."""
    return content[:1] not in "{[" and len(text.header(content, mapping.delimiter)) > 1


def names_everybody(content: str, found: people.Found) -> bool:  # noqa: ARG001 as every format
    """A table without effective dates is a snapshot of the whole company, unless its mapping says otherwise."""
    return not any(isinstance(row, Change) and row.effective is not None for row in found)


def read(content: str, name: str, mapping: Mapping) -> Iterator[Change | BadRow]:
    for row, values in picked(content, name, mapping):
        if isinstance(row, BadRow):
            yield BadRow(row.line, row.reason, values.get("employee_id", ""), values.get("email", ""))
        else:
            yield people.change(row.line, values, mapping)


def picked(
    content: str,
    name: str,
    mapping: Mapping,
    usual_headings: MappingType[str, tuple[str, ...]] = people.HEADINGS,
    needed: Sequence[str] = ("employee_id",),
) -> Iterator[tuple[text.Row | BadRow, dict[str, str]]]:
    """Each row with its cells by our field names; of a bad row those that could be read."""
    rows = text.rows(content, mapping.delimiter)
    first = next(rows, None)
    if not isinstance(first, text.Row):
        raise UserError(first.reason if first else "the feed is empty", "expected a row of headings", path=name)
    headings = [cell.strip() for cell in first.cells]
    columns = chosen(headings, name, mapping, usual_headings, needed)
    _no_heading_twice(headings, columns, name)
    for row in rows:
        if isinstance(row, BadRow):
            yield row, {}
        else:
            yield text.fitted(row, len(headings)), people.picked(text.as_dict(headings, row), columns)


def chosen(
    headings: list[str],
    name: str,
    mapping: Mapping,
    usual_headings: MappingType[str, tuple[str, ...]] = people.HEADINGS,
    needed: Sequence[str] = ("employee_id",),
) -> MappingType[str, tuple[str, ...]]:
    """Which heading fills which field: as the mapping says, else by its usual names.

    Raises UserError where a heading that the mapping names, or one of the columns that no feed can lack, is missing.
    """
    there = {people.plain(heading): heading for heading in reversed(headings)}
    columns = people.known_columns(headings, usual_headings)
    for field, wanted in mapping.columns.items():
        for heading in wanted:
            if people.plain(heading) not in there:
                raise _missing(field, headings, [heading], name)
        columns[field] = tuple(there[people.plain(heading)] for heading in wanted)
    for field in needed:
        if field not in columns:
            raise _missing(field, headings, [field, *usual_headings[field][1:6]], name)
    return columns


def _missing(field: str, headings: list[str], expected: list[str], name: str) -> UserError:
    found = ", ".join(heading[:40] for heading in headings[:40])
    return UserError(
        f"no column for {field}; found: {found}", f"expected one of {', '.join(expected)}, or a mapping", path=name
    )


def _no_heading_twice(headings: list[str], columns: MappingType[str, tuple[str, ...]], name: str) -> None:
    for field, names in columns.items():
        for heading in names:
            if headings.count(heading) > 1:
                raise UserError(f"two columns are called {heading!r}", f"expected one for {field}", path=name, line=1)
