"""The audit chain: whatever is done to its records afterwards is found, and the first wrong one is named."""

import hashlib
import json
from collections.abc import Callable

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from innerwatch.audit import chain
from innerwatch.audit.chain import FIRST, Broken, Entry, Line, Record, Who, digest, first_fault, linked, sealed

ANA = Who("arn:aws:iam::123456789012:user/ana", "E-1")
NOW = 1_770_000_000_000


def made(number: int) -> list[Line]:
    lines: list[Line] = []
    for place in range(number):
        entry = Entry(action="denied", who=ANA, request=place, why=f"fetch: it was asked for the {place}. time")
        lines.append(sealed(entry, lines[-1] if lines else None, NOW + place))
    return lines


def witnessed(lines: list[Line]) -> dict[int, set[str]]:
    return {line.sequence: {line.hash} for line in lines}


def rewritten(line: Line, before: Line | None = None, **changes: object) -> Line:
    """Altered with its hash renewed, as somebody does who knows how it is made."""
    record = json.loads(line.text) | changes | ({"previous": before.hash} if before else {})
    text = json.dumps(record, sort_keys=True, separators=(",", ":"))
    return Line(line.sequence, text, hashlib.sha256(text.encode()).hexdigest())


def test_a_whole_chain_has_no_fault() -> None:
    lines = made(5)
    assert first_fault(lines) is None
    assert first_fault(lines, witnessed(lines)) is None
    assert [record.sequence for record in linked(lines)] == [1, 2, 3, 4, 5]
    assert [record.sequence for record in linked(lines[2:])] == [3, 4, 5]
    assert first_fault([]) is None
    assert first_fault([], {}) is None


def test_anybody_gets_the_hash_with_common_tools() -> None:
    """Keys sorted, no spaces, text as it is: what RFC 8785 asks for of records that hold texts and whole numbers."""
    entry = Entry(action="requested", who=ANA, pseudonyms=("p-aaaaaaaaaaaaaaaa",), reason='Fall "Ä" \\ 7\t€')
    (line,) = [sealed(entry, None, NOW)]
    assert line.text == json.dumps(json.loads(line.text), sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    assert line.hash == hashlib.sha256(line.text.encode()).hexdigest()
    assert json.loads(line.text)["previous"] == FIRST == "0" * 64


def test_a_clock_that_goes_back_takes_no_record_with_it() -> None:
    first = sealed(Entry(action="denied", who=ANA), None, NOW)
    assert sealed(Entry(action="denied", who=ANA), first, NOW - 5000).record.at == NOW


# --- what somebody does to it: the chain afterwards, and the first record that is wrong


def remove(lines: list[Line], place: int, _other: int) -> tuple[list[Line], int]:
    return lines[:place] + lines[place + 1 :], lines[place].sequence


def alter(lines: list[Line], place: int, _other: int) -> tuple[list[Line], int]:
    line = lines[place]
    changed = line._replace(text=line.text.replace("E-1", "E-2"))
    return [*lines[:place], changed, *lines[place + 1 :]], line.sequence


def alter_with_its_hash(lines: list[Line], place: int, _other: int) -> tuple[list[Line], int]:
    changed = rewritten(lines[place], why="fetch: nothing of note")
    return [*lines[:place], changed, *lines[place + 1 :]], lines[place].sequence


def write_anew_from(lines: list[Line], place: int, _other: int) -> tuple[list[Line], int]:
    """All that follow are made to fit."""
    found = [*lines[:place], rewritten(lines[place], why="fetch: nothing of note")]
    for line in lines[place + 1 :]:
        found.append(rewritten(line, found[-1]))
    return found, lines[place].sequence


def swap(lines: list[Line], place: int, other: int) -> tuple[list[Line], int]:
    """Each stands under the sequence of the other."""
    found = list(lines)
    one, two = lines[place], lines[other]
    found[place], found[other] = two._replace(sequence=one.sequence), one._replace(sequence=two.sequence)
    return found, min(one.sequence, two.sequence)


def out_of_order(lines: list[Line], place: int, other: int) -> tuple[list[Line], int]:
    found = list(lines)
    found[place], found[other] = found[other], found[place]
    return found, lines[min(place, other)].sequence


def insert(lines: list[Line], place: int, _other: int) -> tuple[list[Line], int]:
    """One more is put in, and all that follow are moved and made to fit."""
    before = lines[place - 1] if place else None
    found = [*lines[:place], sealed(Entry(action="denied", who=Who("arn", "E-9")), before, NOW + place)]
    for line in lines[place:]:
        moved = line._replace(sequence=line.sequence + 1)
        found.append(rewritten(moved, found[-1], sequence=moved.sequence))
    return found, place + 1


def cut_off(lines: list[Line], place: int, _other: int) -> tuple[list[Line], int]:
    return lines[:place], place + 1


def fork(lines: list[Line], place: int, _other: int) -> tuple[list[Line], int]:
    """Another end from here on, as if the rest had never been."""
    found = lines[:place]
    for later in range(place, len(lines)):
        found.append(sealed(Entry(action="denied", who=Who("arn", "E-9")), found[-1] if found else None, NOW + later))
    return found, place + 1


def repeat(lines: list[Line], place: int, _other: int) -> tuple[list[Line], int]:
    return [*lines[: place + 1], *lines[place:]], lines[place].sequence


ATTACKS: list[Callable[[list[Line], int, int], tuple[list[Line], int]]] = [
    *(remove, alter, alter_with_its_hash, write_anew_from, swap, out_of_order, insert, cut_off, fork, repeat),
]
# Those that leave a chain which fits: only its witnesses tell.
FITTING = (write_anew_from, insert, cut_off, fork)


@pytest.mark.parametrize("attack", ATTACKS, ids=lambda attack: attack.__name__)
@given(number=st.integers(2, 30), data=st.data())
def test_every_attack_is_found_and_the_first_wrong_record_named(
    attack: Callable[[list[Line], int, int], tuple[list[Line], int]], number: int, data: st.DataObject
) -> None:
    place = data.draw(st.integers(0, number - 1))
    other = data.draw(st.integers(0, number - 1).filter(lambda other: other != place))
    lines = made(number)
    attacked, first_wrong = attack(lines, place, other)
    found = first_fault(attacked, witnessed(lines))
    assert found is not None
    assert found.sequence == first_wrong
    if attack not in FITTING:
        last_changed = attack is alter_with_its_hash and place == number - 1
        last_gone = attack is remove and place == number - 1
        assert (first_fault(attacked) is None) == (last_changed or last_gone), "without witnesses"


@given(place=st.integers(0, 9), text=st.text(max_size=30))
def test_no_text_passes_for_a_record(place: int, text: str) -> None:
    lines = made(10)
    lines[place] = Line(place + 1, text, digest(text))
    found = first_fault(lines)
    assert found is not None
    assert (found.sequence, "no record" in found.what) == (place + 1, True)
    with pytest.raises(Broken):
        linked(lines)


def test_a_record_that_is_written_in_another_way_is_not_ours() -> None:
    (line,) = made(1)
    text = json.dumps(json.loads(line.text))
    found = first_fault([Line(1, text, digest(text))])
    assert found
    assert str(found) == "record 1 was altered: it is not written as this function writes"


def test_only_the_last_may_lack_its_witness() -> None:
    lines = made(4)
    seen = witnessed(lines)
    del seen[4]
    assert first_fault(lines, seen) is None
    seen[5] = {FIRST}
    assert str(first_fault(lines, seen)).startswith("record 4 was never witnessed")
    del seen[5], seen[2]
    assert str(first_fault(lines, seen)).startswith("record 2 was never witnessed")


def test_what_somebody_has_looked_at_may_lack_its_witness() -> None:
    lines = made(4)
    seen = witnessed(lines)
    del seen[2]
    assert first_fault(lines, seen, accepted=[2]) is None
    assert str(first_fault(lines, seen, accepted=[3])).startswith("record 2 was never witnessed")


def test_the_fault_says_what_is_wrong() -> None:
    lines = made(3)
    assert str(first_fault([*lines, lines[1]])) == "record 2 stands twice or in the wrong place"
    assert str(first_fault([*lines[:2], rewritten(lines[2], sequence=9)])) == (
        "record 3 was moved: it says that it is record 9"
    )
    with pytest.raises(Broken, match="the audit chain is broken: record 2 is missing"):
        linked([lines[0], lines[2]])


def test_a_false_witness_beside_the_true_one_is_found() -> None:
    lines = made(3)
    seen = witnessed(lines)
    seen[2] |= {"f" * 64}
    assert str(first_fault(lines, seen)).startswith("record 2 is not the one that was witnessed")


def test_a_time_that_goes_back_is_found() -> None:
    lines = made(2)
    lines[1] = rewritten(lines[1], time="2020-01-01T00:00:00.000Z")
    assert str(first_fault(lines)) == "record 2 is earlier than the one before it"


@pytest.mark.parametrize("attack", [remove, alter, swap, out_of_order, repeat], ids=lambda attack: attack.__name__)
def test_nothing_is_decided_over_a_broken_chain(
    attack: Callable[[list[Line], int, int], tuple[list[Line], int]],
) -> None:
    with pytest.raises(Broken, match=r"record [3-6]"):
        linked(attack(made(9), 4, 2)[0][1:])


def test_a_record_has_no_field_that_its_hash_does_not_cover() -> None:
    (line,) = made(1)
    assert set(json.loads(line.text)) == set(msgspec.structs.asdict(line.record)) == set(Record.__struct_fields__)
    assert chain.CUT_OFF in str(first_fault([], {1: {FIRST}}))
