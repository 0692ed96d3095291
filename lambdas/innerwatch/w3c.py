"""W3C extended log files: https://www.w3.org/TR/WD-logfile.html. Their lines mean something only with their header."""

from collections.abc import Iterable, Iterator

from innerwatch.values import SetAside

FIELDS = b"#Fields:"


def rows(lines: Iterable[tuple[int, bytes] | SetAside]) -> Iterator[tuple[int, bytes] | SetAside]:
    """Each line of a file together with the `#Fields:` line that says what its words are, which it needs to be read.

    Other directives are left out. A line before any `#Fields:` comes alone, for its source to refuse.
    """
    header = b""
    for line in lines:
        if isinstance(line, SetAside):
            yield line
            continue
        position, text = line
        if text.startswith(FIELDS):
            header = text.rstrip(b"\r\n") + b"\n"
        elif not text.startswith(b"#"):
            yield position, header + text
