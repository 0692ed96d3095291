"""Rules' regular expressions and wildcards mean what `re` says, and end."""

import fnmatch
import re
import threading
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from innerwatch.detection.predicate import compiled
from innerwatch.detection.regex import TooSlowError, searcher
from innerwatch.detection.rules import FieldTest
from innerwatch.errors import UserError
from innerwatch_cli.authoring.runaway import runs_away

PARTS = [".*", ".*?", ".+", "a", "b", "^", "$", "|", "(a)", "(?:b|ab)", "a*", "[ab]?", "(?=a)", "(?<=a)", r"\.", ".*b"]


def usual(pattern: str, text: str) -> bool | None:
    try:
        return re.compile(pattern).search(text) is not None
    except (re.error, FutureWarning):
        return None


@given(st.lists(st.sampled_from(PARTS), max_size=6).map("".join), st.text("ab.\n", max_size=12))
def test_a_search_finds_what_re_finds(pattern: str, text: str) -> None:
    expected = usual(pattern, text)
    if expected is not None:
        assert searcher(pattern)(text) is expected


@given(st.lists(st.sampled_from([".*", ".", "a", "b", r"\*"]), max_size=8).map("".join), st.text("ab*\n", max_size=12))
def test_wildcards_match_what_they_say(pattern: str, text: str) -> None:
    glob = pattern.replace(r"\*", "[*]").replace(".*", "\0").replace(".", "?").replace("\0", "*")
    assert compiled(FieldTest("a", "like", pattern))({"a": text}) is fnmatch.fnmatchcase(text, glob)


def test_wildcards_take_time_with_the_length_alone() -> None:
    began = time.process_time()
    assert not compiled(FieldTest("a", "like", ".*a.*a.*a.*a.*a.*b.*"))({"a": "a" * 200_000})
    assert time.process_time() - began < 5  # it would be years


def test_a_leading_repeat_is_not_tried_at_every_place() -> None:
    began = time.process_time()
    assert not searcher(".*foo")("a" * 1_000_000)
    assert time.process_time() - began < 5  # 400 s otherwise


@pytest.mark.parametrize("pattern", ["(a+)+$", "^(a|a)*b", r"(\w+\s?)*\Z"])
def test_a_search_that_runs_away_is_ended(pattern: str) -> None:
    found = searcher(pattern, seconds=0.05)
    with pytest.raises(TooSlowError, match=r"takes more than 0\.05 s for one value; expected one without"):
        found("a" * 60 + "!")
    assert isinstance(TooSlowError("x"), UserError)
    assert found("aab") is (pattern != "(a+)+$")  # and the next value is judged


def test_no_timer_is_left_behind() -> None:
    searcher("a+", seconds=0.01)("a")
    until = time.process_time() + 0.05
    while time.process_time() < until:
        pass


def test_in_other_threads_it_searches_without_an_end() -> None:
    answers: list[bool] = []
    thread = threading.Thread(target=lambda: answers.append(searcher("a+b")("aab")))
    thread.start()
    thread.join()
    assert answers == [True]


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        ("(a+)+$", True),
        (r"^(\w+\s?)*$", True),
        ("(a|a)*$", True),
        ("(.+,)+$", True),
        ("foo(x+x+)+y", True),
        ("(.*)*x", True),
        (r"^([a-z0-9])(([-.]|_+)?([a-z0-9]+))*@example", True),
        ("^([^:]|:[^:]|::[^0-9:]|:::|::123456789012)*:?$", False),
        (r"(\w+\.)+example", False),
        ("a.*b.*c", False),
        ("([0-9a-f]{2}:){5}", False),
        ("(?>a+)+$", False),
        (r"(?i)powershell.*-enc\s+", False),
        ("plain", False),
    ],
)
def test_what_runs_away_is_known_before_it_does(pattern: str, expected: bool) -> None:
    assert runs_away(pattern, "") is expected


@given(st.text(r"ab()|*+?{}[]^$\.,:0-9", max_size=12))
def test_any_expression_can_be_tried(pattern: str) -> None:
    if usual(pattern, "") is not None:
        assert runs_away(pattern, "") in (True, False)
