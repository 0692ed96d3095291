"""An HTTP proxy that does to a real server's clients what a bad night does: see `Fault`."""

import http.client
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import NamedTuple
from urllib.parse import urlsplit


class Reply(NamedTuple):
    status: int
    body: bytes = b"{}"
    headers: tuple[tuple[str, str], ...] = (
        ("Content-Type", "application/json"),
        ("X-Elastic-Product", "Elasticsearch"),  # without it, the client takes the answer for a stranger's
    )


class Call(NamedTuple):
    """One request of a client."""

    number: int  # from 1, over all requests
    bulk: int  # from 1 for bulk requests, 0 for others
    method: str
    path: str
    body: bytes
    forward: Callable[..., Reply]  # sends it on, or another body in its place


Fault = Callable[[Call], Reply | None]
"""What becomes of a request: a reply of one's own, `call.forward()`, or None: the connection breaks without any."""


class FaultyProxy:
    """Stands before `upstream`; `fault` may be changed at any time, `stopped` makes it refuse connections."""

    def __init__(self, upstream: str, verify: str = "") -> None:
        self._upstream = urlsplit(upstream)
        self._context = ssl.create_default_context(cafile=verify) if verify else None
        self.fault: Fault = lambda call: call.forward()
        self.calls = self.bulks = 0
        self.busy = 0  # requests that are being answered at this moment
        self._lock = threading.Lock()
        self._start(0)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._port}"

    def _start(self, port: int) -> None:
        self._server = _Server(("127.0.0.1", port), self)
        self._port = self._server.server_address[1]
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        self._thread.start()

    def stop(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._server.disconnect()
        self._thread.join()

    def start(self) -> None:
        """Again, on the same port."""
        self._start(self._port)

    def count(self, path: str) -> tuple[int, int]:
        with self._lock:
            self.calls += 1
            bulk = path.partition("?")[0].endswith("_bulk")
            self.bulks += bulk
            return self.calls, self.bulks if bulk else 0

    @contextmanager
    def working(self) -> Iterator[None]:
        with self._lock:
            self.busy += 1
        try:
            yield
        finally:
            with self._lock:
                self.busy -= 1

    def connect(self) -> http.client.HTTPConnection:
        host, port = self._upstream.hostname or "", self._upstream.port
        if self._context is None:
            return http.client.HTTPConnection(host, port, timeout=60)
        return http.client.HTTPSConnection(host, port, timeout=60, context=self._context)


HOP_BY_HOP = {"connection", "content-length", "keep-alive", "transfer-encoding", "expect"}


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False

    def __init__(self, address: tuple[str, int], proxy: FaultyProxy) -> None:
        self.proxy = proxy
        self.open: set[_Handler] = set()
        super().__init__(address, _Handler)

    def disconnect(self) -> None:
        for handler in list(self.open):
            handler.hang_up()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = -1
    server: _Server
    upstream: http.client.HTTPConnection | None = None

    def handle(self) -> None:
        self.server.open.add(self)
        try:
            super().handle()
        except ConnectionError:  # whoever asked is gone, killed perhaps
            pass
        finally:
            self.server.open.discard(self)
            if self.upstream is not None:
                self.upstream.close()

    def hang_up(self) -> None:
        self.close_connection = True
        with suppress(OSError):  # it may be closed already
            self.connection.shutdown(socket.SHUT_RDWR)

    def do_GET(self) -> None:
        body = self._body()
        if len(body) < int(self.headers.get("Content-Length") or 0):
            return  # whoever asked was killed
        number, bulk = self.server.proxy.count(self.path)
        headers = {k: v for k, v in self.headers.items() if k.lower() not in HOP_BY_HOP}

        def forward(other: bytes | None = None) -> Reply:
            return self._forward(body if other is None else other, headers)

        with self.server.proxy.working():
            reply = self.server.proxy.fault(Call(number, bulk, self.command, self.path, body, forward))
        if reply is None:
            self.hang_up()
            return
        self.send_response(reply.status)
        for name, value in reply.headers:
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(reply.body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(reply.body)
        self.wfile.flush()

    def _forward(self, body: bytes, headers: dict[str, str]) -> Reply:
        """By the connection that this client's requests go on by; a new one where the server has closed it."""
        while True:
            fresh = self.upstream is None
            connection = self.upstream = self.upstream or self.server.proxy.connect()
            try:
                connection.request(self.command, self.path, body, {**headers, "Content-Length": str(len(body))})
                answer = connection.getresponse()
                kept = [(k, v) for k, v in answer.getheaders() if k.lower() not in HOP_BY_HOP]
                return Reply(answer.status, answer.read(), tuple(kept))
            except (http.client.HTTPException, ConnectionError):
                connection.close()
                self.upstream = None
                if fresh:
                    raise

    do_POST = do_PUT = do_DELETE = do_HEAD = do_GET

    def _body(self) -> bytes:
        if self.headers.get("Expect", "").lower() == "100-continue":
            self.send_response_only(100)
            self.end_headers()
            self.wfile.flush()
        return self.rfile.read(int(self.headers.get("Content-Length") or 0))

    def log_message(self, format: str, *args: object) -> None:
        pass


@contextmanager
def proxied(upstream: str, verify: str = "") -> Iterator[FaultyProxy]:
    proxy = FaultyProxy(upstream, verify)
    try:
        yield proxy
    finally:
        proxy.stop()
