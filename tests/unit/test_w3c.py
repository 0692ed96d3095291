"""W3C extended log files: each line with the header that says what its words are."""

from innerwatch import w3c
from innerwatch.values import Origin, SetAside


def test_each_line_comes_with_the_latest_header_and_its_own_place() -> None:
    damage = SetAside(Origin("f", 9), "cut off")
    lines: list[tuple[int, bytes] | SetAside] = [
        (1, b"before any header"),
        (2, b"#Version: 1.0"),
        (3, b"#Fields: a b\r"),
        (4, b"1\t2"),
        (6, b"#Fields: c"),
        (7, b"3"),
        damage,
    ]
    assert list(w3c.rows(lines)) == [
        (1, b"before any header"),
        (4, b"#Fields: a b\n1\t2"),
        (7, b"#Fields: c\n3"),
        damage,
    ]
