"""CSV logs (RFC 4180): each row becomes a record of its own, a JSON object by the names in the first row.

https://www.rfc-editor.org/rfc/rfc4180
"""

import csv
from collections.abc import Iterable, Iterator

import msgspec

from innerwatch.values import RAW_KEPT, Origin, SetAside

DELIMITERS = ",;\t|"
LONGEST_ROW = 64 * 1024  # bytes: a quotation mark that nobody closed must not swallow the file


def columns(header: bytes) -> list[str]:
    """The names in a first row; none, where it is no text or its quoting is broken."""
    try:
        return _cells(header, delimiter_of(header.decode(errors="replace")))
    except ValueError:
        return []


def rows(lines: Iterable[tuple[int, bytes] | SetAside], uri: str) -> Iterator[tuple[int, bytes] | SetAside]:
    """Each row as JSON, at the line where it begins. A row that cannot be read is set aside, alone."""
    names: list[str] = []
    delimiter = ""
    encode = msgspec.json.Encoder().encode
    for item in _joined(lines, uri):
        if isinstance(item, SetAside):
            yield item
            continue
        position, row = item
        if not names:
            delimiter = delimiter_of(row.decode(errors="replace"))
            names = columns(row)
            if not names:
                yield SetAside(Origin(uri, position), "the first row cannot be read; expected names in UTF-8", row)
                return
            continue
        try:
            cells = _cells(row, delimiter)
        except ValueError as why:
            yield SetAside(Origin(uri, position), f"{why}; expected a row of CSV", row[:RAW_KEPT])
            continue
        if len(cells) != len(names):
            reason = f"the row has {len(cells)} cells; expected {len(names)}, one for each name in the first row"
            yield SetAside(Origin(uri, position), reason, row[:RAW_KEPT])
            continue
        yield position, encode({name: cell for name, cell in zip(names, cells, strict=True) if cell})


def _joined(lines: Iterable[tuple[int, bytes] | SetAside], uri: str) -> Iterator[tuple[int, bytes] | SetAside]:
    """Lines, those of one row put together: a cell in quotation marks may hold the ends of lines.

    Where a quotation mark is not closed, its line alone is set aside and the next begins a row.
    """
    begun: list[tuple[int, bytes]] = []  # lines of a row that goes on
    size = 0
    for line in lines:
        if isinstance(line, SetAside):
            yield line
            continue
        if not begun and line[1].count(b'"') % 2 == 0:
            yield line
            continue
        begun.append(line)
        size += len(line[1])
        if len(begun) > 1 and line[1].count(b'"') % 2:
            yield begun[0][0], b"\n".join(text for _, text in begun)
        elif size <= LONGEST_ROW:
            continue
        else:
            yield from _one_by_one(begun, uri)
        begun, size = [], 0
    yield from _one_by_one(begun, uri)


def _one_by_one(lines: list[tuple[int, bytes]], uri: str) -> Iterator[tuple[int, bytes] | SetAside]:
    """Lines of a row that never ended: the first is to blame, the others hold a row each."""
    for position, text in lines[:1]:
        yield SetAside(Origin(uri, position), UNCLOSED, text[:RAW_KEPT])
    yield from lines[1:]


UNCLOSED = "a quotation mark is never closed; expected a row of CSV"


def delimiter_of(header: str) -> str:
    """Whichever the first row has most of; of as many, the first in DELIMITERS."""
    return max(DELIMITERS, key=header.count)


def _cells(row: bytes, delimiter: str) -> list[str]:
    """Raises ValueError where it is no UTF-8, or its quoting is broken."""
    text = row.decode()
    if '"' not in text:
        return [cell.strip() for cell in text.split(delimiter)]
    try:
        return [cell.strip() for cell in next(csv.reader([text], delimiter=delimiter, strict=True))]
    except csv.Error as error:
        raise ValueError(f"the quoting is broken: {error}") from error
