"""How HR feeds are read: dates in every form, tables in every dialect, and what is refused with which reason."""

import gzip
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from innerwatch.errors import UserError
from innerwatch.hr import FORMATS, accounts, dates, load_feed, load_mapping, read_feed
from innerwatch.values import BadRow, Change


@pytest.mark.parametrize(
    "text",
    [
        "2026-03-02", "2026/03/02", "2026.3.2", "20260302", "2026-03-02Z", "2026-03-02-08:00", "2026-03-02+05:30",
        "2026-03-02T15:18:02.4675041+05:30", "2026-03-02T15:18:02.7117540", "2026-03-02T09:15:49Z",
        "2026-03-02 09:15:49", "2026-03-02 09:15:49.123 UTC", "2026-03-02T00:00:00.000+0000", "20260302T091549Z",
        "02.03.2026", "2.3.2026", "2-Mar-2026", "02 March 2026", "Mar 2, 2026", "March 2 2026", "Mon, 02 Mar 2026",
        "Monday, 2 March 2026", "46083", "46083.75", "1772445600", "1772445600000", "/Date(1772445600000)/",
        "/Date(1772445600000+0000)/", " 2026-03-02 ",
    ],
)  # fmt: skip
def test_a_date_in_any_form_is_that_day(text: str) -> None:
    assert dates.day(text) == "2026-03-02"


@pytest.mark.parametrize(
    "text", ["", "-", "N/A", "null", "0000-00-00", "9999-12-31", "12/31/9999", "31.12.2099", "2099-12-31T00:00:00Z"]
)
def test_no_date_and_never_are_empty(text: str) -> None:
    assert dates.day(text) == ""


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("03/02/2026", "can be 2026-03-02 or 2026-02-03; expected `date_format` in the mapping"),
        ("2026-02-30", "is no date that exists: day is out of range for month"),
        ("2026-13-01", "is no date that exists: month must be in 1..12"),
        ("1026-01-01", "is before 1900"),
        ("03/02/26", "is no date; expected a date such as 2026-03-31"),
        ("soon", "is no date"),
        ("2 Foo 2026", "'Foo' is no month"),
        ("٢٠٢٦-٠٣-٠٢", "is no date"),
    ],
)
def test_what_is_no_date_or_can_be_two_is_told(text: str, reason: str) -> None:
    with pytest.raises(ValueError, match=reason.replace("(", r"\(")):
        dates.day(text)


def test_a_date_that_can_be_only_one_needs_no_format() -> None:
    assert [dates.day(text) for text in ("13/02/2026", "02/13/2026", "02/02/2026")] == ["2026-02-13"] * 2 + [
        "2026-02-02"
    ]


def test_a_format_decides() -> None:
    assert dates.day("03/02/2026", ("%d/%m/%Y",)) == "2026-02-03"
    assert dates.day("03/02/26", ("%d/%m/%Y", "%m/%d/%y")) == "2026-03-02"
    assert dates.day("2026-03-02", ("%d/%m/%Y",)) == "2026-03-02"


def test_an_effective_date_is_an_instant_only_with_time_and_offset() -> None:
    assert dates.when("2026-03-02T10:00:00.1234567+01:00") == 1772442000123
    assert dates.when("2026-03-02T00:00:00Z") == "2026-03-02"
    assert dates.when("2026-03-02T10:00:00") == "2026-03-02"
    assert dates.when("") is None


@settings(max_examples=500, deadline=None)
@given(st.text() | st.from_regex(r"[0-9A-Za-z/.:+\-TZ ]{1,30}"))
def test_any_text_is_a_day_or_a_value_error(text: str) -> None:
    try:
        found = dates.day(text)
    except ValueError:
        return
    assert found == "" or dates.day(found) == found


@pytest.mark.parametrize(
    ("text", "identifier"),
    [
        ("arn:aws:iam::123456789012:user/Team/Ana", "iam_user:123456789012:user/team/ana"),
        ("iam_user:123456789012:user/ana", "iam_user:123456789012:user/ana"),
        ("iam_user:arn:aws-us-gov:iam::123456789012:user/ana", "iam_user:123456789012:user/ana"),
        ("iam_user:ana", "iam_user:user/ana"),
        ("arn:aws:iam::123456789012:role/Nightly", "role:arn:aws:iam::123456789012:role/nightly"),
        ("AKIAIOSFODNN7EXAMPLE", "access_key:akiaiosfodnn7example"),
        ("Ana@Example.com", "email:ana@example.com"),
        ("username:ana@example.com", "email:ana@example.com"),
        ("identity_center:D-123/9067-AB", "identity_center:d-123/9067-ab"),
        ("agent-7", "username:agent-7"),
    ],
)
def test_accounts_are_written_as_logs_give_them(text: str, identifier: str) -> None:
    assert accounts.identifier(text) == identifier


def read(data: bytes, name: str = "feed.csv", mapping: bytes = b"") -> tuple[list[Change], list[BadRow]]:
    feed = read_feed(data, name, 0, load_mapping(mapping, "hr-mapping.yml") if mapping else None)
    return [row for row in feed.rows if isinstance(row, Change)], list(feed.bad)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b" \n", "feed.csv: the feed is empty; expected at least one person"),
        (b"<xml/>", "feed.csv: is no HR feed that is known; expected one of scim, workday, bamboohr"),
        (b"\x00\x01\xff\xfe", "feed.csv"),
        (b"Name,Email\nAna,a@example.com\n", "feed.csv: no column for employee_id; found: Name, Email; expected one"),
        (b"employee_id,name,employee_id\n1,Ana,2\n", "feed.csv:1: two columns are called 'employee_id'"),
        (b"employee_id,name\n1,J\xf6rg\n", "feed.csv:2: byte 20 is not UTF-8; expected UTF-8, UTF-16, or `encoding`"),
        (gzip.compress(b"employee_id,name\n1,Ana\n")[:-9], "feed.csv: the gzip data is cut off before its end"),
        (gzip.compress(b"employee_id,name\n1,Ana\n")[:-8] + b"\0" * 8, "feed.csv: the gzip data is damaged"),
        (b'{"employees": [', "feed.csv:1: is no JSON: Input data was truncated; expected one value, or one a line"),
        (b'{"employees": [{"firstName": "Ana"}]}', "feed.csv: no column for employee_id; found: firstName"),
        (b'{"a": 1}', "feed.csv: is no HR feed that is known"),
        (b"identifier;employee_id;valid_from\n", ""),
    ],
)  # fmt: skip
def test_a_feed_that_is_none_is_refused_with_its_place(data: bytes, message: str) -> None:
    if not message:
        assert read(data) == ([], [])
        return
    with pytest.raises(UserError) as error:
        read(data)
    assert str(error.value).startswith(message)


@pytest.mark.parametrize(
    ("mapping", "message"),
    [
        (b"colums: {}\n", "m.yml:1: 'colums' is not known; expected format, full, columns"),
        (b"full: true\ncolumns: {salary: Pay}\n", "m.yml:2: 'columns': 'salary' is not known; expected employee_id"),
        (b"full: maybe\n", "m.yml:1: 'full': 'maybe' is neither true nor false"),
        (b"statuses: {Away: gone}\n", "m.yml:1: 'statuses': 'gone' is not known; expected pre_hire, active"),
        (b"largest_removal: 20\n", "m.yml:1: 'largest_removal': 20 is no share; expected a number from 0 to 1"),
        (b"a: [\n", "m.yml:2: is no YAML"),
        (b"- a\n", "m.yml: is no mapping"),
        (b"delimiter: ab\n", "m.yml:1: 'delimiter': 'ab' is not one character"),
        (b"format: xml\n", "m.yml:1: 'format': 'xml' is not known; expected scim, workday"),
    ],
)  # fmt: skip
def test_a_wrong_mapping_is_refused_with_its_line(mapping: bytes, message: str) -> None:
    with pytest.raises(UserError) as error:
        load_mapping(mapping, "m.yml")
    assert str(error.value).startswith(message)


def test_a_mapping_in_json() -> None:
    mapping = load_mapping(
        b'{"columns": {"name": ["A", "B"]}, "largest_removal": "20%", "date_format": "%d"}', "m.json"
    )
    assert (mapping.columns, mapping.largest_removal, mapping.date_format) == ({"name": ("A", "B")}, 0.2, ("%d",))
    with pytest.raises(UserError, match=r"m.json:1:10: is no JSON"):
        load_mapping(b'{"full": }', "m.json")


def test_a_heading_that_the_mapping_names_must_be_there() -> None:
    with pytest.raises(UserError, match="no column for role; found: id, Job; expected one of Position"):
        read(b"id,Job\n1,x\n", mapping=b"columns: {role: Position}\n")


def test_rows_that_cannot_be_taken_are_set_aside_with_their_line_and_the_rest_goes_in() -> None:
    data = (
        b"employee_id,name,hired_at,time_zone,shift\n"
        b"1,Ana,2020-01-06,Europe/Lisbon,Mon-Fri 09:00-17:30\n"
        b"\n"
        b"2,Ben\n"
        b"3,Cem,yesterday,,\n"
        b",Dana,,,\n"
        b"5,Eli,,Nowhere/Land,\n"
        b"6,Fay,,,9 to 5\n"
        b"7,Gus,,,,\n"
        b"8,Hal,,,,extra\n"
        b'9,"Ida,,,\n'
        b"10,Jon,,,\n"
    )
    rows, bad = read(data)
    assert [row.employee_id for row in rows] == ["1", "7", "10"]
    assert [row.line for row in bad] == [4, 5, 6, 7, 8, 10, 11]
    assert [row.reason.split(";")[0] for row in bad] == [
        "the row has 2 cells",
        "hired_at: 'yesterday' is no date",
        "employee_id is empty",
        "time_zone: 'Nowhere/Land' is no time zone",
        "shift: shift '9 to 5' is not understood",
        "the row has 6 cells",
        "the quoting is broken: unexpected end of data",
    ]


def test_the_mapping_beside_a_feed_on_disk_is_found(tmp_path: Path) -> None:
    (tmp_path / "hr-mapping.yml").write_text("columns: {employee_id: Nr}\nfull: false\n")
    (tmp_path / "people.csv").write_text("Nr;Name\n1;Ana\n")
    feed = load_feed(tmp_path / "people.csv")
    assert (feed.full, feed.on_disk, len(feed.rows)) == (False, True, 1)
    with pytest.raises(UserError, match="cannot be read: No such file or directory"):
        load_feed(tmp_path / "nobody.csv")


@settings(max_examples=400, deadline=None)
@given(
    st.binary(max_size=300)
    | st.text(alphabet='employ_id,;\t"\n\r{}[]:0123ab@', max_size=300).map(str.encode)
    | st.binary(max_size=100).map(lambda tail: b"employee_id,name,hired_at\n" + tail)
    | st.binary(max_size=100).map(lambda tail: b'{"Report_Entry":[{"Employee_ID":"1",' + tail)
)
def test_hostile_bytes_are_a_feed_or_a_user_error(data: bytes) -> None:
    try:
        feed = read_feed(data, "feed", 0)
    except UserError:
        return
    assert feed.format in FORMATS


@pytest.mark.parametrize(
    "entry",
    [
        "null", "7", "[]", '{"id": null}', '{"id": {"a": [[[]]]}}', '{"id": "1", "status": []}', '{"id": true}',
        '{"id": "1", "hireDate": {"x": 1}}', '{"id": "1", "workEmail": [1, 2]}', '{"id": 1.5}',
    ],
)  # fmt: skip
@pytest.mark.parametrize("wrapped", ['{{"employees": [{}, {{"id": "9"}}]}}', '{{"Report_Entry": [{}, {{"id": "9"}}]}}'])
def test_entries_of_wrong_types_are_set_aside_alone(entry: str, wrapped: str) -> None:
    rows, _ = read(wrapped.format(entry).encode())
    assert rows[-1].employee_id == "9"


@pytest.mark.parametrize(
    "user",
    [
        "{}", '{"id": 7}', '{"id": "1", "emails": "x", "name": [], "active": "yes"}', '{"id": "1", "emails": [1, {}]}',
        '{"id": "1", "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User": {"manager": 7}}',
    ],
)  # fmt: skip
def test_scim_users_of_wrong_types_do_no_harm(user: str) -> None:
    schema = '"schemas": ["urn:ietf:params:scim:schemas:core:2.0:User"]'
    inside = f"{{{schema}, {user[1:]}" if user != "{}" else f"{{{schema}}}"
    read(f'{{"Resources": [{inside}]}}'.encode())


def test_values_too_long_for_the_directory_are_set_aside() -> None:
    long, longer = "x" * 901, "y" * 4097
    rows, bad = read(f"employee_id,name,username\n{long},Ana,\n2,{longer},\n3,Cem,{long}\n4,Dan,d\n".encode())
    assert [row.employee_id for row in rows] == ["4"]
    assert [row.reason for row in bad] == [
        "employee_id: it has 901 bytes; expected at most 900",
        "name: it has 4097 bytes; expected at most 4096",
        "username: it has 901 bytes; expected at most 900",
    ]
    half = "z" * 4000  # each part is short enough, the name made of both is not
    _, (row,) = read(f"employee_id,first_name,last_name\n5,{half},{half}\n".encode())
    assert row.reason == "name: it has 8001 bytes; expected at most 4096"
    feed = read_feed(f"identifier,employee_id\nusername:{long},1\n".encode(), "owners.csv", 0)
    assert (feed.rows, feed.bad[0].reason) == ((), "it has 910 bytes; expected at most 900")


def test_the_mapping_in_the_documentation_is_one() -> None:
    page = (Path(__file__).parents[2] / "docs" / "hr-feeds.md").read_text()
    mapping = load_mapping(page.split("```yaml\n")[1].split("```")[0].encode(), "hr-feeds.md")
    assert (mapping.full, mapping.largest_removal, mapping.types) == (True, 0.2, {"agency": "contractor"})
