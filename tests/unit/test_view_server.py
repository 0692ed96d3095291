"""The local page's server: whom it answers, with which headers, and that what it repeats stays text."""

import http.client
import socket
import threading
from collections.abc import Iterator
from http.client import HTTPResponse
from urllib.parse import quote

import pytest
from elasticsearch import Elasticsearch

from innerwatch.errors import UserError
from innerwatch_cli.view.questions import Source
from innerwatch_cli.view.server import Server
from tests.html_pages import Page

HOSTILE = "\"><script>alert('1')</script>&\u202e"


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    """Its Elasticsearch is a port on which nobody listens."""
    with socket.socket() as reserved:
        reserved.bind(("127.0.0.1", 0))
        es = Elasticsearch(f"http://127.0.0.1:{reserved.getsockname()[1]}", max_retries=0)
        with Server(Source(es, "test"), 0) as running:
            threading.Thread(target=running.serve_forever, daemon=True).start()
            yield running
            running.shutdown()
        es.close()


def ask(server: Server, target: str, method: str = "GET", host: str | None = None) -> tuple[HTTPResponse, str]:
    connection = http.client.HTTPConnection("127.0.0.1", server.server_port, timeout=20)
    connection.putrequest(method, target, skip_host=True)
    if host != "":
        connection.putheader("Host", host or f"127.0.0.1:{server.server_port}")
    connection.endheaders()
    response = connection.getresponse()
    body = response.read().decode()
    connection.close()
    return response, body


def test_it_listens_on_the_loopback_interface_alone(server: Server) -> None:
    assert server.socket.getsockname()[0] == "127.0.0.1"


@pytest.mark.parametrize(
    "host",
    ["evil.example.com", "evil.example.com:{port}", "127.0.0.1", "127.0.0.1:1", "127.0.0.1.evil.example:{port}", ""],
)
def test_a_request_under_another_name_is_refused(server: Server, host: str) -> None:
    response, body = ask(server, "/style.css", host=host.format(port=server.server_port))
    assert response.status == 421
    assert "font" not in body


@pytest.mark.parametrize("name", ["127.0.0.1", "localhost", "LOCALHOST"])
def test_its_own_names_are_answered(server: Server, name: str) -> None:
    response, body = ask(server, "/style.css", host=f"{name}:{server.server_port}")
    assert response.status == 200
    assert "prefers-color-scheme: dark" in body


@pytest.mark.parametrize("place", [0, 1])
def test_two_host_headers_are_one_too_many(server: Server, place: int) -> None:
    hosts = [f"127.0.0.1:{server.server_port}"]
    hosts.insert(place, "evil.example.com")
    connection = http.client.HTTPConnection("127.0.0.1", server.server_port, timeout=20)
    connection.putrequest("GET", "/style.css", skip_host=True)
    for host in hosts:
        connection.putheader("Host", host)
    connection.endheaders()
    assert connection.getresponse().status == 421
    connection.close()


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE", "OPTIONS", "HEAD"])
def test_it_is_read_only(server: Server, method: str) -> None:
    response, _ = ask(server, "/", method)
    assert response.status == 405
    assert response.headers["Allow"] == "GET"


@pytest.mark.parametrize("target", ["/style.css", "/nowhere", "/", "/?severity=no"])
def test_every_answer_has_the_headers(server: Server, target: str) -> None:
    headers = ask(server, target)[0].headers
    policy = headers["Content-Security-Policy"]
    assert policy.startswith("default-src 'none'; style-src 'self';")
    assert "unsafe" not in policy
    assert "frame-ancestors 'none'" in policy
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Referrer-Policy"] == "no-referrer"
    assert headers["Cross-Origin-Resource-Policy"] == "same-origin"
    assert headers["Cache-Control"] == "no-store"
    assert "Python" not in (headers["Server"] or "")


def test_without_elasticsearch_the_page_says_so(server: Server) -> None:
    response, body = ask(server, "/")
    assert response.status == 502
    assert "innerwatch elastic start" in Page(body).text


@pytest.mark.parametrize(
    "target",
    [
        "/?severity={hostile}",
        "/?since={hostile}",
        "/?after={hostile}",
        "/customers?person=a&offset={hostile}",
        "/person",
        "/person?since=2026-02-30&id=a",
        "/?after=12~x&since=31.03.2026",
        "/?" + "&".join(f"a{n}=1" for n in range(60)),
    ],
)
def test_an_address_that_cannot_be_is_said_to_be_wrong_in_plain_text(server: Server, target: str) -> None:
    response, body = ask(server, target.format(hostile=quote(HOSTILE)))
    assert response.status == 400
    Page(body)
    assert "<script" not in body
    assert "\u202e" not in body


def test_pages_that_are_not(server: Server) -> None:
    for target in ("/nowhere", "/..%2f..%2fetc/passwd", "/alert/", "//example.com/", "/style.css/../view.css"):
        assert ask(server, target)[0].status == 404


def test_a_method_that_is_none_gets_an_answer_without_markup(server: Server) -> None:
    response, body = ask(server, "/", "<script>")
    assert response.status == 501
    assert response.headers["Content-Type"].startswith("text/plain")
    assert response.headers["X-Content-Type-Options"] == "nosniff"
    assert body.startswith("501 ")


def test_a_port_in_use_is_one_line(server: Server) -> None:
    with pytest.raises(UserError, match=rf"^port {server.server_port} is in use; expected another with --port"):
        Server(server.source, server.server_port)
