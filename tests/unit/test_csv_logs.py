"""CSV logs: rows become records, and a mapping file makes accesses of them."""

import csv
import io
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from innerwatch import csv_rows, pipeline
from innerwatch.sources.mapped import Mapping
from innerwatch.splitting import SPLITTERS
from innerwatch.values import Event, SetAside

LOGON = """\
name: logon
format: csv
recognise: {pc: "*", activity: [Logon, Logoff]}
fields:
  time: {path: date, format: "%m/%d/%Y %H:%M:%S"}
  id: id
  application: {value: workstation}
  actor.id: user
  action: {path: activity, map: {Logon: login, Logoff: logout}}
  outcome: {value: success}
  host: pc
"""
HEADER = "id,date,user,pc,activity\n"
ROW = "{L1},01/02/2010 06:49:00,NGF0157,PC-6056,Logon\n"


@pytest.fixture
def logon(tmp_path: Path) -> Mapping:
    path = tmp_path / "logon.yml"
    path.write_text(LOGON)
    return Mapping.load(path)


def split(text: bytes) -> list[dict[str, str] | SetAside]:
    return [
        item if isinstance(item, SetAside) else msgspec.json.decode(item[1]) for item in SPLITTERS["csv"]([text], "f")
    ]


def test_a_row_becomes_an_access_with_its_host(logon: Mapping) -> None:
    [event] = pipeline.read([(HEADER + ROW).encode()], "logon.csv", mappings=[logon])
    assert isinstance(event, Event)
    assert event.document["host"] == {"name": "PC-6056"}
    assert event.document["@timestamp"] == "2010-01-02T06:49:00.000Z"
    assert (event.document["event"]["action"], event.document["user"]["id"]) == ("login", "NGF0157")
    assert event.origin.position == 2


@pytest.mark.parametrize("mark", [";", "\t", "|"])
def test_the_delimiter_is_what_the_first_row_has_most_of(mark: str) -> None:
    assert split(f"a{mark}b{mark}c\n1{mark}2,5{mark}3\n".encode()) == [{"a": "1", "b": "2,5", "c": "3"}]


def test_other_files_stay_what_they_are(logon: Mapping) -> None:
    access = (
        b'{"schema": "innerwatch.access/1", "time": "2026-03-31T09:15:00Z", "application": "desk",'
        b' "action": "view", "actor": {"id": "ana"}}\n'
    )
    [event] = pipeline.read([access], "access.log", mappings=[logon])
    assert isinstance(event, Event)
    assert event.document["service"]["name"] == "desk"


def test_another_table_is_set_aside_whole(logon: Mapping) -> None:
    [item] = pipeline.read([b"a,b\n1,2\n3,4\n"], "other.csv", mappings=[logon])
    assert isinstance(item, SetAside)
    assert item.reason == "no log source recognises this record"


def test_a_broken_row_costs_no_other(logon: Mapping) -> None:
    text = HEADER + ROW + "too,few\n" + 'x,"y"z,a,b,c\n' + 'x,"y,a,b,c\n' + ROW.replace("L1", "L2")
    items = list(pipeline.read([text.encode()], "logon.csv", mappings=[logon]))
    assert [item.origin.position for item in items if isinstance(item, Event)] == [2, 6]
    assert {item.origin.position: item.reason for item in items if isinstance(item, SetAside)} == {
        3: "the row has 2 cells; expected 5, one for each name in the first row",
        4: "the quoting is broken: ',' expected after '\"'; expected a row of CSV",
        5: csv_rows.UNCLOSED,
    }


def test_a_row_that_is_no_utf8_is_set_aside(logon: Mapping) -> None:
    items = list(pipeline.read([HEADER.encode() + b"\xff,a,b,c,d\n" + ROW.encode()], "logon.csv", mappings=[logon]))
    assert [type(item) for item in items] == [SetAside, Event]


def test_a_quotation_mark_that_nobody_closes_is_named() -> None:
    [good, bad, after] = split(b'a,b\n1,2\n"3,4\n5,6\n')
    assert (good, after) == ({"a": "1", "b": "2"}, {"a": "5", "b": "6"})
    assert isinstance(bad, SetAside)
    assert (bad.origin.position, bad.reason) == (3, csv_rows.UNCLOSED)


cells = st.text(st.characters(codec="utf-8", exclude_characters="\0\r"), min_size=1, max_size=8).filter(
    lambda cell: cell.strip() == cell
)


@given(st.lists(st.tuples(cells, cells, cells), max_size=6))
def test_whatever_csv_writes_is_read_back(rows: list[tuple[str, str, str]]) -> None:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["a", "b", "c"])
    writer.writerows(rows)
    assert split(text.getvalue().encode()) == [dict(zip("abc", row, strict=True)) for row in rows]
