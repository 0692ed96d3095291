"""Pages of documents: read straight from their bytes, they are what any client reads."""

import json
from typing import Any

import pytest

from innerwatch.errors import UserError
from innerwatch_cli.scope.reading import Page, Pages, converted
from innerwatch_cli.scope.tally import Tally
from tests.unit.test_scope_tally import as_read, hit, question


def answered(*hits: dict[str, Any]) -> bytes:
    """As Elasticsearch writes it: the point in time first, and more than is read."""
    body = {
        "pit_id": "view-1",
        "took": 3,
        "timed_out": False,
        "_shards": {"total": 1, "failed": 0},
        "hits": {"max_score": None, "hits": [it | {"_index": "logs", "sort": [7]} for it in hits]},
    }
    return json.dumps(body, separators=(",", ":")).encode()


def odd() -> dict[str, Any]:
    """Texts are lists, parts are null or missing, a value is a number."""
    access = {"customer": {"id": 17}, "fields": None, "records": 2**70}
    document = {"@timestamp": "2026-03-05T09:00:00.000Z", "event": None, "user": {"name": ["a", "b"]}, "access": access}
    return {"_id": "odd", "_source": document}


@pytest.mark.parametrize("hits", [[], [hit(1)], [hit(1), odd()], [hit(1, ["\u202eC-1", "\N{SNOWMAN}"])]])
def test_a_page_is_read_as_any_client_reads_it(hits: list[dict[str, Any]]) -> None:
    quick = Pages().loads(answered(*hits))
    assert isinstance(quick, Page)
    assert quick == converted(json.loads(answered(*hits)))
    assert (quick.pit_id, [it.sort for it in quick.hits.hits]) == ("view-1", [(7,)] * len(hits))


def test_half_a_surrogate_pair_is_left_to_the_clients_own_decoder() -> None:
    answer = Pages().loads(answered(hit(1, ["\ud800"])))
    tally = Tally(question())
    tally.add(converted(answer).hits.hits)
    assert list(tally.customers) == ["\ud800"]


@pytest.mark.parametrize("body", [b'{"error":{"reason":"no"},"status":400}', b'{"count":3}', b"[]"])
def test_other_answers_stay_what_they_are(body: bytes) -> None:
    assert Pages().loads(body) == json.loads(body)


def test_a_document_of_another_form_is_one_line() -> None:
    wrong = hit(1)
    wrong["_source"]["employee"] = ["E1"]
    with pytest.raises(UserError, match=r"a document is not such as Innerwatch writes: Expected `object \| null`"):
        converted(Pages().loads(answered(wrong)))


def test_what_is_no_text_is_counted_and_hashed_all_the_same() -> None:
    tally = Tally(question())
    tally.add(as_read(hit(1), odd()))
    assert set(tally.customers) == {"c-1", "17"}
    assert tally.evidence()["events"] == 2
    other = odd()
    other["_source"]["user"]["name"] = ["a", "c"]
    changed = Tally(question())
    changed.add(as_read(hit(1), other))
    assert changed.evidence()["sha256"] != tally.evidence()["sha256"]
