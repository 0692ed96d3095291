"""The two ways in which something can be wrong: the user must mend it, or one record is set aside."""

from pathlib import Path


class UserError(Exception):
    """Something the user gave is wrong. Its text is the one line they see; the command then exits with 2.

    Reads `path:line:column: what is wrong; what was expected`, with the parts that are known.
    """

    def __init__(
        self,
        what: str,
        expected: str = "",
        *,
        path: Path | str | None = None,
        line: int | None = None,
        column: int | None = None,
    ) -> None:
        self.what, self.expected, self.path, self.line, self.column = what, expected, path, line, column
        place = ":".join(str(part) for part in (path, line, column) if part is not None)
        text = f"{what}; {expected}" if expected else what
        # One line, whatever a library's own message held.
        super().__init__(" ".join(f"{place}: {text}".split()) if place else " ".join(text.split()))
