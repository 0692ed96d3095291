"""An HR feed's bytes as text, and tables in it as rows, in whatever dialect a spreadsheet or a report wrote them."""

import codecs
import csv
import io
import zlib
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from innerwatch.csv_rows import delimiter_of
from innerwatch.errors import UserError
from innerwatch.values import BadRow

GZIP = b"\x1f\x8b"
LARGEST = 512 * 1024 * 1024  # bytes of a feed, decompressed: a million people with room to spare


class Row(NamedTuple):
    line: int  # where it begins, counted from 1
    cells: list[str]


def decompressed(data: bytes, name: str) -> bytes:
    if not data.startswith(GZIP):
        return data
    found = bytearray()
    rest = data
    while rest:
        member = zlib.decompressobj(wbits=31)
        try:
            found += member.decompress(rest, LARGEST + 1 - len(found))
        except zlib.error as error:
            raise UserError(f"the gzip data is damaged: {error}", "expected a whole feed", path=name) from error
        if len(found) > LARGEST:
            raise UserError(f"the feed is larger than {LARGEST >> 20} MiB", "expected an HR feed", path=name)
        if not member.eof:
            raise UserError("the gzip data is cut off before its end", "expected a whole feed", path=name)
        rest = member.unused_data
    return bytes(found)


def decoded(data: bytes, name: str, encoding: str = "") -> str:
    """Text in UTF-8, in UTF-16 with its mark or without, or in the encoding that is named."""
    for mark, form in (
        (codecs.BOM_UTF8, "utf-8-sig"),
        (codecs.BOM_UTF16_LE, "utf-16"),
        (codecs.BOM_UTF16_BE, "utf-16"),
    ):
        if data.startswith(mark):
            encoding = form
    if not encoding and b"\0" in data[:4]:
        encoding = "utf-16-be" if data[:1] == b"\0" else "utf-16-le"
    try:
        return data.decode(encoding or "utf-8")
    except LookupError as error:
        raise UserError(f"encoding {encoding!r} is not known", "expected for example cp1252", path=name) from error
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise UserError(
            f"byte {error.start} is not {encoding or 'UTF-8'}",
            "expected UTF-8, UTF-16, or `encoding` in the mapping, for example cp1252",
            path=name,
            line=line,
        ) from error


def header(text: str, delimiter: str = "") -> list[str]:
    """The headings of a table; a text that is none has just one."""
    for row in rows(text, delimiter):
        return [cell.strip() for cell in row.cells] if isinstance(row, Row) else []
    return []


def rows(text: str, delimiter: str = "") -> Iterator[Row | BadRow]:
    """Every row that is not blank, the headings first. A row with broken quoting is set aside, alone."""
    lines = list(io.StringIO(text, newline=""))  # keeps ends; splits at no other character than a newline's
    start = 0
    if lines and lines[0].lower().startswith("sep="):  # how Excel is told the delimiter
        delimiter, start = delimiter or lines[0].strip()[4:], 1
    while start < len(lines) and not lines[start].strip(" \r\n\t,;|"):
        start += 1
    delimiter = delimiter or delimiter_of(lines[start] if start < len(lines) else "")
    while start < len(lines):
        reader = csv.reader(lines[start:], delimiter=delimiter, strict=True)
        done = 0
        try:
            for cells in reader:
                if any(cell.strip() for cell in cells):
                    yield Row(start + done + 1, cells)
                done = reader.line_num
            return
        except csv.Error as error:
            yield BadRow(start + done + 1, f"the quoting is broken: {error}; expected a quotation mark to be closed")
            start += done + 1


def fitted(row: Row, width: int) -> Row | BadRow:
    """The row with as many cells as there are headings; empty ones too many at its end do not count."""
    cells = row.cells
    while len(cells) > width and not cells[-1].strip():
        cells = cells[:-1]
    if len(cells) == width:
        return Row(row.line, cells)
    return BadRow(row.line, f"the row has {len(cells)} cells; expected {width}, one for each heading")


def as_dict(headings: Sequence[str], row: Row) -> dict[str, str]:
    return {name: cell.strip() for name, cell in zip(headings, row.cells, strict=False)}
