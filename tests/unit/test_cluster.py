"""What can be wrong with a cluster, in one line each that names the address and the remedy."""

import ipaddress
import re
import socket
import ssl
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from innerwatch.errors import UserError
from innerwatch_cli import cluster

Serve = Callable[..., HTTPServer]

ELASTIC = {"X-Elastic-Product": "Elasticsearch", "Content-Type": "application/json"}
HEALTHY = b'{"status":"green"}'


@pytest.fixture
def serve() -> Iterator[Serve]:
    """A server on 127.0.0.1 that gives every request the same answer; keeps the headers it was sent."""
    servers: list[HTTPServer] = []

    def start(status: int, headers: dict[str, str], body: bytes, certificate: Path | None = None) -> HTTPServer:
        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                seen.append(dict(self.headers))
                self.send_response(status)
                for name, value in headers.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, format: str, *args: object) -> None:
                pass

        seen: list[dict[str, str]] = []
        server = HTTPServer(("127.0.0.1", 0), Handler)
        server.seen = seen  # type: ignore[attr-defined]  # read by the tests
        if certificate:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(certificate)
            server.socket = context.wrap_socket(server.socket, server_side=True)
        servers.append(server)
        Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
        return server

    yield start
    for server in servers:
        server.shutdown()
        server.server_close()


@pytest.fixture(autouse=True)
def clean(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("ELASTICSEARCH_URL", "ELASTICSEARCH_API_KEY", "SSL_CERT_FILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("INNERWATCH_HOME", str(tmp_path / "home"))


def address(server: HTTPServer, scheme: str = "http") -> str:
    return f"{scheme}://127.0.0.1:{server.server_port}"


def connect(monkeypatch: pytest.MonkeyPatch, url: str) -> None:
    monkeypatch.setenv("ELASTICSEARCH_URL", url)
    cluster.connect().close()


def complaint(monkeypatch: pytest.MonkeyPatch, url: str) -> str:
    with pytest.raises(UserError) as error:
        connect(monkeypatch, url)
    assert "\n" not in str(error.value)
    return str(error.value)


def test_without_any_elasticsearch_both_remedies_are_named() -> None:
    with pytest.raises(UserError, match=r"^no Elasticsearch; start one with `innerwatch elastic start` or set ELASTIC"):
        cluster.connect()


def test_the_api_key_is_sent_and_only_to_the_cluster_it_is_for(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    server = serve(200, ELASTIC, HEALTHY)
    monkeypatch.setenv("ELASTICSEARCH_API_KEY", "a2V5")
    connect(monkeypatch, address(server))
    assert server.seen[-1]["authorization"] == "ApiKey a2V5"  # type: ignore[attr-defined]  # see `serve`
    monkeypatch.delenv("ELASTICSEARCH_URL")
    monkeypatch.setattr(cluster, "url", lambda *, start_local: address(server))  # as of the local node
    cluster.connect().close()
    assert "authorization" not in server.seen[-1]  # type: ignore[attr-defined]  # see `serve`


@pytest.mark.parametrize(
    "url", ["elastic", "localhost:9200", "ftp://127.0.0.1:9200", "http://127.0.0.1:99999", "http://[::1"]
)
def test_an_address_that_is_none(monkeypatch: pytest.MonkeyPatch, url: str) -> None:
    message = complaint(monkeypatch, url)
    assert message.startswith(f"ELASTICSEARCH_URL is '{url}'")
    assert "expected http(s)://host:port" in message


def test_nobody_listens(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as reserved:
        reserved.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{reserved.getsockname()[1]}"
        message = complaint(monkeypatch, url)
    assert message.startswith(f"nothing answers at {url}: ")
    assert "Connection refused; start a local node with `innerwatch elastic start`" in message


def test_nothing_comes_back(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("innerwatch.elastic.REQUEST_TIMEOUT", 0.2)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}"
        assert complaint(monkeypatch, url).startswith(f"Elasticsearch at {url} did not answer within")


def test_a_password_in_the_address_is_not_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    for url in ("http://elastic:secret@127.0.0.1:9", "ftp://elastic:secret@host:9", "http://elastic:secret@host:99999"):
        assert "secret" not in complaint(monkeypatch, url)


@pytest.mark.parametrize(
    ("status", "body", "text"),
    [
        (401, b'{"error":{"reason":"missing authentication credentials"}}', "(401); set ELASTICSEARCH_API_KEY"),
        (
            403,
            b'{"error":{"reason":"action [cluster:monitor/health] is unauthorized"}}',
            "forbids it (403): action [cluster:monitor/health] is unauthorized; give the API key",
        ),
        (503, b'{"error":{"reason":"no master"}}', "answered 503: no master"),
        (502, b"<html>Bad gateway</html>", "answered 502"),
        (404, b"{}", "answered 404"),
    ],
)
def test_a_cluster_that_refuses(
    serve: Serve, monkeypatch: pytest.MonkeyPatch, status: int, body: bytes, text: str
) -> None:
    headers = ELASTIC if body.startswith(b"{") else {"Content-Type": "text/html"}
    server = serve(status, headers, body)
    message = complaint(monkeypatch, address(server))
    assert f"Elasticsearch at {address(server)}" in message
    assert text in message


@pytest.mark.parametrize(("kind", "body"), [("text/html", b"<html></html>"), ("application/json", b"{}")])
def test_something_else_answers(serve: Serve, monkeypatch: pytest.MonkeyPatch, kind: str, body: bytes) -> None:
    server = serve(200, {"Content-Type": kind}, body)
    assert complaint(monkeypatch, address(server)).startswith(f"what answers at {address(server)} is no Elasticsearch;")


def test_tls_where_the_other_side_has_none(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    url = address(serve(200, ELASTIC, HEALTHY), "https")
    assert complaint(monkeypatch, url).startswith(f"TLS with {url} failed: ")


def test_a_certificate_of_ones_own_is_refused_unless_it_is_named(
    serve: Serve, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    certificate = self_signed(tmp_path / "certificate.pem")
    url = address(serve(200, ELASTIC, HEALTHY, certificate), "https")
    message = complaint(monkeypatch, url)
    assert re.match(rf"TLS with {url} failed: .*self.signed certificate.*; SSL_CERT_FILE may name", message)
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "gone.pem"))
    assert complaint(monkeypatch, url).startswith(f"TLS with {url} failed: ")
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    connect(monkeypatch, url)


def self_signed(path: Path) -> Path:
    key, now = ec.generate_private_key(ec.SECP256R1()), datetime.now(UTC)
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "es.example.com")])
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(hours=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False)
        .sign(key, hashes.SHA256())
    )
    path.write_bytes(
        key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()) + certificate.public_bytes(Encoding.PEM)
    )
    return path
