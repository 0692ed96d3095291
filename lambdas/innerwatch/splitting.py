"""Cuts the decompressed chunks of an object into its records, whatever the object's size, in little memory.

`SPLITTERS[kind](chunks, uri)` yields `(position, record)`, positions from 1, and a SetAside for what cannot be cut.

A `json` object is CloudTrail's `{"Records": [...]}`, an array, one record, or one record a line. What lies between two
records of a large object is found by trying: a window of many records is valid JSON, as an array, only if it was cut
between two of them. Where that fails, brackets are counted one by one, which is slower and copes with anything.
"""

import re
from collections.abc import Callable, Iterable, Iterator

import msgspec

from innerwatch import csv_rows, w3c
from innerwatch.values import RAW_KEPT, Origin, SetAside

LONGEST_RECORD = 8 * 1024 * 1024  # bytes; CloudTrail's own limit is 256 KiB
WINDOW = 1024 * 1024  # bytes that are cut into records at a time
TRIES = 4  # places at which a window may be cut before brackets are counted instead
PATIENCE = 64  # records whose brackets are then counted before the next try

SPACE = b" \t\n\r"
BOM = b"\xef\xbb\xbf"
WRAPPER = re.compile(rb'\{\s*"Records"\s*:\s*\[')
LIST = re.compile(rb"\s*:\s*\[")
FIRST_KEY = re.compile(rb'\{\s*"[^"\\]{1,80}"')
# A whole string, a quote whose string goes on beyond the data, or a bracket.
TOKEN = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"|["{}\[\]]', re.DOTALL)
STRING_END = re.compile(rb'[^"\\]*+(?:\\.[^"\\]*+)*+"', re.DOTALL)
SCALAR = re.compile(rb'(?:null|true|false|-?\d[\d.eE+-]*|"(?:[^"\\]|\\.)*")(?=\s*[,\]])', re.DOTALL)
BACKSLASHES = re.compile(rb"\\*\Z")

ELEMENTS = msgspec.json.Decoder(list[msgspec.Raw])
VALUES = msgspec.json.Decoder(msgspec.Raw)
NOT_JSON = (msgspec.DecodeError, RecursionError)

Records = Iterator[tuple[int, bytes] | SetAside]


class Corrupt(Exception):
    """The data ends here, for a reason that is its text: raised by whoever provides the chunks."""


class _UnreadableError(Exception):
    """No record can be found from here on. `raw` is what stands here."""

    def __init__(self, reason: str, raw: bytes) -> None:
        super().__init__(reason)
        self.raw = raw[:RAW_KEPT]


class _TooLong(Exception):
    """One record was skipped, since it is longer than any may be. `raw` is its beginning."""

    def __init__(self, raw: bytes) -> None:
        super().__init__(f"the record is longer than {LONGEST_RECORD} bytes, which no record of a log should be")
        self.raw = raw[:RAW_KEPT]


class _Feed:
    """The chunks as one text, of which only `data` is held; `at` is the place in it that has been read to."""

    def __init__(self, chunks: Iterable[bytes]) -> None:
        self._pieces = _pieces(chunks)
        self._passed = 0  # bytes that were read and let go
        self.data = b""
        self.at = 0
        self.ended = False
        self.corrupt = ""  # why it ended, where that was no proper end

    def more(self) -> bool:
        """Hold one more piece; what lies before `at` is let go, so places in `data` shift by what `at` was."""
        piece = self._next()
        if not piece:
            return False
        self._hold(self.data[self.at :] + piece)
        return True

    def fill(self, size: int) -> None:
        """Hold at least so many bytes from `at` on, unless the data ends; joined at once, since that copies least."""
        missing = size - (len(self.data) - self.at)
        if missing <= 0 or self.ended:
            return
        parts = [self.data[self.at :]]
        while missing > 0 and (piece := self._next()):
            parts.append(piece)
            missing -= len(piece)
        self._hold(b"".join(parts))

    def _next(self) -> bytes:
        """The next piece; empty, once the data has ended."""
        try:
            piece = next(self._pieces, b"")
        except Corrupt as why:
            self.corrupt = str(why) or "the data is corrupt"
            piece = b""
        self.ended = self.ended or not piece
        return piece

    def _hold(self, data: bytes) -> None:
        self._passed += self.at
        self.data, self.at = data, 0

    def peek(self) -> bytes:
        """The next byte that is no space, empty at the end; `at` is then its place."""
        while True:
            rest = self.data[self.at : self.at + 64].lstrip(SPACE)
            if rest:
                self.at += len(self.data[self.at : self.at + 64]) - len(rest)
                return rest[:1]
            self.at = min(self.at + 64, len(self.data))
            if self.at == len(self.data) and not self.more():
                return b""

    def unreadable(self, expected: str) -> _UnreadableError:
        found = self.data[self.at : self.at + 20]
        place = self._passed + self.at + 1
        if not found:
            return _UnreadableError(self.corrupt or f"the data ends at byte {place}; expected {expected}", b"")
        return _UnreadableError(f"byte {place} begins {found!r}; expected {expected}", self.data[self.at :])


def _pieces(chunks: Iterable[bytes]) -> Iterator[bytes]:
    for chunk in chunks:
        for start in range(0, len(chunk), WINDOW):
            yield chunk[start : start + WINDOW]


def split_json(chunks: Iterable[bytes], uri: str) -> Records:
    feed = _Feed(chunks)
    position = 0
    found: list[bytes] | _TooLong | _UnreadableError = []
    for found in _documents(feed):
        if isinstance(found, list):
            yield from enumerate(found, position + 1)
            position += len(found)
        else:
            position += 1
            yield SetAside(Origin(uri, position), str(found), found.raw)
    if feed.corrupt and not isinstance(found, _UnreadableError):
        yield SetAside(Origin(uri, position + 1), feed.corrupt)


# Records come in lists, as many as were found at once: to pass each through all these hands took longer than to cut it.
_Items = Iterator[list[bytes] | _TooLong | _UnreadableError]


def _documents(feed: _Feed) -> _Items:
    """The records of JSON texts that follow one another; one that cannot be read is the last that is looked at."""
    feed.fill(WINDOW)
    feed.at = len(BOM) if feed.data.startswith(BOM) else 0
    first = feed.peek()
    if first == b"{" and not WRAPPER.match(feed.data, feed.at) and _is_lines(feed.data[feed.at :]):
        yield from _lines(feed)
        return
    try:
        while byte := feed.peek():
            yield from _document(feed, byte)
    except _UnreadableError as error:
        yield error


def _document(feed: _Feed, byte: bytes) -> _Items:
    feed.fill(min(WINDOW, 4096))
    if byte == b"[":
        feed.at += 1
        yield from _elements(feed)
    elif match := WRAPPER.match(feed.data, feed.at):
        feed.at = match.end()
        yield from _elements(feed)
        _skip(feed, 1)
    elif byte == b"{":
        try:
            record = _value(feed, wrapper=True)
        except _TooLong as error:
            yield error
            return
        if record is not None:
            yield [record]
        else:  # `Records` came after other keys
            yield from _elements(feed)
            _skip(feed, 1)
    else:
        raise feed.unreadable("JSON: an object with Records, an array, or one record a line")


def _is_lines(data: bytes) -> bool:
    """Whether a text that begins an object is one record a line: then a line that is broken costs no other.

    In no object that goes over several lines, the second line is a whole object.
    """
    first, newline, rest = data.partition(b"\n")
    if not newline:
        return False
    return _is_json(first) or (_is_json(line := rest.partition(b"\n")[0]) and line.lstrip(SPACE).startswith(b"{"))


def _is_json(text: bytes) -> bool:
    try:
        VALUES.decode(text)
    except NOT_JSON:
        return False
    return True


def _lines(feed: _Feed) -> _Items:
    feed.fill(WINDOW)
    while feed.at < len(feed.data) or not feed.ended:
        block = _whole_lines(feed)
        if isinstance(block, _TooLong):
            yield block
        else:
            yield from _block(block, "" if block.endswith(b"\n") else feed.corrupt)


def _whole_lines(feed: _Feed) -> bytes | _TooLong:
    """As many whole lines as are held, at the end also one that is not; empty where none is held yet."""
    cut = feed.data.rfind(b"\n", feed.at) + 1
    if not cut and not feed.ended and len(feed.data) - feed.at <= LONGEST_RECORD:
        feed.more()
        return b""
    begin = feed.data[feed.at : cut or len(feed.data)]
    feed.at += len(begin)
    if cut or len(begin) <= LONGEST_RECORD:
        return begin
    while not cut and feed.more():
        cut = feed.data.find(b"\n") + 1
        feed.at = cut or len(feed.data)
    return _TooLong(begin)


def _block(block: bytes, corrupt: str) -> _Items:
    """The records of whole lines; one that is broken is set aside alone."""
    try:
        records = VALUES.decode_lines(block)
    except NOT_JSON:
        for line in block.split(b"\n"):
            yield from _line(line, corrupt)
        return
    whole: list[bytes] = []
    for record in records:
        text = bytes(record)
        if text.startswith(b"[") or b'"Records"' in text:
            if whole:
                yield whole
                whole = []
            yield from _line(text, corrupt)
        else:
            whole.append(text)
    if whole:
        yield whole


def _line(line: bytes, corrupt: str) -> _Items:
    feed = _Feed((line,))
    try:
        while byte := feed.peek():
            yield from _document(feed, byte)
    except _UnreadableError as error:
        yield _UnreadableError(corrupt or str(error), line)


def _elements(feed: _Feed) -> _Items:
    """The elements of an array whose bracket has been read, up to and with its end."""
    wait = 0
    byte = feed.peek()
    if byte == b"]":
        feed.at += 1
        return
    while True:
        if wait:
            wait -= 1
        else:
            found = _window(feed)
            yield found
            wait = 0 if found else PATIENCE
        try:
            record = _value(feed) if byte in (b"{", b"[") else _scalar(feed)
        except _TooLong as error:
            yield error
        else:
            yield [record or b""]  # which is never empty: only a wrapper has no record
        byte = feed.peek()
        if byte == b"]":
            feed.at += 1
            return
        if byte != b",":
            raise feed.unreadable("',' or ']' after a record")
        feed.at += 1
        byte = feed.peek()


def _scalar(feed: _Feed) -> bytes:
    """A null, a number or a short text where a record should be: none, but it costs the records after it nothing."""
    feed.fill(4096)
    match = SCALAR.match(feed.data, feed.at)
    if match is None:
        raise feed.unreadable("a record")
    feed.at = match.end()
    return match[0]


def _window(feed: _Feed) -> list[bytes]:
    """The records that begin here as far as they are held, but for the last, where cutting them by trying succeeds."""
    feed.fill(WINDOW)
    data, start = feed.data, feed.at
    head = FIRST_KEY.match(data, start)
    if head is None:
        return []
    cut = len(data)
    for _ in range(TRIES):
        cut = data.rfind(head[0], start + 1, cut)
        if cut < 0:
            return []
        comma = data.rfind(b",", start, cut)
        if comma < 0 or data[comma + 1 : cut].strip(SPACE):
            continue
        try:
            found = ELEMENTS.decode(b"".join((b"[", memoryview(data)[start:comma], b"]")))
        except NOT_JSON:
            continue
        feed.at = cut
        return [bytes(record) for record in found]
    return []


def _value(feed: _Feed, *, wrapper: bool = False) -> bytes | None:
    """The object or array that begins here, read to its end by counting brackets.

    With `wrapper`, None once its key `Records` is found to hold an array, whose bracket is then read too.
    """
    depth = 0
    place = feed.at
    while True:
        place, depth, is_wrapper = _count(feed.data, place, depth, wrapper=wrapper)
        if is_wrapper:
            feed.at = place
            return None
        if not depth and place > feed.at:
            record = feed.data[feed.at : place]
            feed.at = place
            if len(record) > LONGEST_RECORD:
                raise _TooLong(record)
            return record
        if len(feed.data) - feed.at > LONGEST_RECORD:
            raw = feed.data[feed.at : feed.at + RAW_KEPT]
            feed.at = place
            _skip(feed, depth)
            raise _TooLong(raw)
        shift = feed.at
        if not feed.more():
            raw = feed.data[feed.at :]
            feed.at = len(feed.data)
            raise _UnreadableError(feed.corrupt or "the data ends in the middle of a record", raw)
        place -= shift


def _count(data: bytes, place: int, depth: int, *, wrapper: bool = False) -> tuple[int, int, bool]:
    """Counts brackets from `place` on: where it ended, how many were open there, and whether `Records` was found.

    It ends where none is open, at a string that goes on beyond the data, or after the last bracket.
    """
    for token in TOKEN.finditer(data, place):
        text = token[0]
        if text == b'"':
            return token.start(), depth, False
        place = token.end()
        if text in (b"{", b"["):
            depth += 1
        elif text in (b"}", b"]"):
            depth -= 1
            if not depth:
                break
        elif wrapper and depth == 1 and text == b'"Records"' and (match := LIST.match(data, place)):
            return match.end(), depth, True
    return place, depth, False


def _skip(feed: _Feed, depth: int) -> None:
    """Read on, without keeping anything, until `depth` brackets have been closed."""
    in_string = False
    while True:
        if not in_string:
            place, depth, _ = _count(feed.data, feed.at, depth)
            if not depth:
                feed.at = place
                return
            in_string = feed.data.startswith(b'"', place)
            feed.at = place + 1 if in_string else len(feed.data)
        if in_string:
            end = STRING_END.match(feed.data, feed.at)
            if end:
                feed.at, in_string = end.end(), False
                continue
            ending = BACKSLASHES.search(feed.data, feed.at)
            # Of an odd number of backslashes at the end of the data, the last belongs to what follows.
            feed.at = len(feed.data) - (len(ending[0]) % 2 if ending else 0)
        if not feed.more():
            raise _UnreadableError(feed.corrupt or "the data ends in the middle of a record", b"")


def split_lines(chunks: Iterable[bytes], uri: str) -> Records:
    """Lines without their ends; positions count the empty ones too, which are left out."""
    feed = _Feed(chunks)
    position = 0
    while feed.at < len(feed.data) or not feed.ended:
        block = _whole_lines(feed)
        if isinstance(block, _TooLong):
            position += 1
            yield SetAside(Origin(uri, position), str(block), block.raw)
            continue
        *whole, rest = block.split(b"\n")
        for line in whole:
            position += 1
            if line.strip():
                yield position, line.removesuffix(b"\r")
        if rest:  # the last line, which nothing ends
            position += 1
            if feed.corrupt:
                yield SetAside(Origin(uri, position), feed.corrupt, rest[:RAW_KEPT])
                return
            if rest.strip():
                yield position, rest
    if feed.corrupt:
        yield SetAside(Origin(uri, position + 1), feed.corrupt)


def split_csv(chunks: Iterable[bytes], uri: str) -> Records:
    return csv_rows.rows(split_lines(chunks, uri), uri)


def split_w3c(chunks: Iterable[bytes], uri: str) -> Records:
    return w3c.rows(split_lines(chunks, uri))


SPLITTERS: dict[str, Callable[[Iterable[bytes], str], Records]] = {
    "json": split_json,
    "lines": split_lines,
    "w3c": split_w3c,
    "csv": split_csv,
}
