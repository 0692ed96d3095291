"""HTTP on the loopback interface: GET alone, asked for under our own name alone.

A web page elsewhere can make the browser of whoever reads it ask 127.0.0.1, and by a name that resolves to 127.0.0.1
read the answer ("DNS rebinding"). Such a request has that name in its Host header, and is refused.
https://github.com/taviso/rbndr, https://www.rfc-editor.org/rfc/rfc9110#name-421-misdirected-request
"""

import errno
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from innerwatch.errors import UserError
from innerwatch_cli.view.pages import Answer, answer
from innerwatch_cli.view.questions import Source

ADDRESS = "127.0.0.1"
NAMES = (ADDRESS, "localhost")
SILENCE = 30  # seconds after which a connection that says nothing is closed

HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; style-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-store",
}


class Server(ThreadingHTTPServer):
    """Listens on 127.0.0.1. Port 0: one that is free."""

    daemon_threads = True  # a slow answer does not keep Ctrl-C waiting
    allow_reuse_address = True

    def __init__(self, source: Source, port: int) -> None:
        self.source = source
        try:
            super().__init__((ADDRESS, port), Handler)
        except OSError as error:
            if error.errno == errno.EADDRINUSE:
                raise UserError(
                    f"port {port} is in use", "expected another with --port, or --port 0 for any"
                ) from error
            if error.errno == errno.EACCES:
                raise UserError(f"port {port} is not ours to take", "expected one from 1024 on") from error
            raise

    @property
    def url(self) -> str:
        return f"http://{ADDRESS}:{self.server_port}/"

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A browser that went away in the middle is no error of ours; anything else is told as usual."""
        if not isinstance(sys.exc_info()[1], ConnectionError | TimeoutError):
            super().handle_error(request, client_address)


class Handler(BaseHTTPRequestHandler):
    server: Server
    protocol_version = "HTTP/1.1"
    server_version, sys_version = "innerwatch", ""
    timeout = SILENCE
    error_content_type = "text/plain; charset=utf-8"  # of what cannot be read as HTTP
    error_message_format = "%(code)d %(message)s\n"

    def do_GET(self) -> None:
        if not self._asked_for_us():
            name = self.headers.get("Host", "")[:80]
            self._send(Answer(421, f"This is {self.server.url}, not {name!r}.\n", "text/plain; charset=utf-8"))
            return
        self._send(answer(self.server.source, self.path))

    def _asked_for_us(self) -> bool:
        """Whether the request, by its one Host header, is for this server and not for a name that leads here."""
        hosts = self.headers.get_all("Host") or []
        port = self.server.server_port
        return len(hosts) == 1 and hosts[0].lower() in {f"{name}:{port}" for name in NAMES}

    def _refuse(self) -> None:
        self.close_connection = True  # its body, if it has one, is not read
        self._send(Answer(405, "This page is read only: GET.\n", "text/plain; charset=utf-8"), {"Allow": "GET"})

    do_HEAD = do_POST = do_PUT = do_PATCH = do_DELETE = do_OPTIONS = _refuse  # noqa: N815 the base's names

    def end_headers(self) -> None:
        for name, value in HEADERS.items():
            self.send_header(name, value)
        super().end_headers()

    def _send(self, reply: Answer, more: dict[str, str] | None = None) -> None:
        body = reply.body.encode("utf-8", "replace")
        self.send_response(reply.status)
        for name, value in (more or {}).items():
            self.send_header(name, value)
        self.send_header("Content-Type", reply.type)
        self.send_header("Content-Length", str(len(body)))
        if self.close_connection:
            self.send_header("Connection", "close")
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 the base's name
        """Nothing: addresses hold people's and customers' ids."""
