"""The owner map: whose an IAM user, an access key, a role or an agent's id is. CSV with the columns
identifier, employee_id and, where it was somebody else's before, valid_from and valid_to (a day, not included)."""

from collections.abc import Iterator

from innerwatch.errors import UserError
from innerwatch.hr import accounts, dates, people, text
from innerwatch.hr.mapping import Mapping
from innerwatch.hr.people import Found
from innerwatch.values import BadRow, Holding

NEEDED = ("identifier", "employeeid")


def recognise(content: str, mapping: Mapping) -> bool:
    headings = {people.plain(heading) for heading in text.header(content, mapping.delimiter)}
    return headings.issuperset(NEEDED)


def names_everybody(content: str, found: Found) -> bool:  # noqa: ARG001 it holds only what is news
    return False


def read(content: str, name: str, mapping: Mapping) -> Iterator[Holding | BadRow]:
    rows = text.rows(content, mapping.delimiter)
    first = next(rows, None)
    headings = [people.plain(cell) for cell in first.cells] if isinstance(first, text.Row) else []
    for needed in NEEDED:
        if needed not in headings:
            raise UserError(
                f"no column for {needed}; found: {', '.join(headings)}", "expected identifier,employee_id", path=name
            )
    for row in rows:
        fitted = row if isinstance(row, BadRow) else text.fitted(row, len(headings))
        yield fitted if isinstance(fitted, BadRow) else _holding(fitted, text.as_dict(headings, fitted), mapping)


def _holding(row: text.Row, cells: dict[str, str], mapping: Mapping) -> Holding | BadRow:
    employee_id = cells["employeeid"]
    if not employee_id:
        return BadRow(row.line, "employee_id is empty; expected the owner's id")
    try:
        people.checked_length(employee_id, people.LONGEST_KEY)
        people.checked_length(cells["identifier"], people.LONGEST_KEY)
        identifier = accounts.identifier(cells["identifier"])
        start = dates.when(cells.get("validfrom", ""), mapping.date_format)
        end = dates.when(cells.get("validto", ""), mapping.date_format)
    except ValueError as error:
        return BadRow(row.line, str(error), employee_id)
    return Holding(row.line, identifier, employee_id, start, end)
