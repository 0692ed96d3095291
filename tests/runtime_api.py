"""Lambda's Runtime API, so that AWS's own runtime client runs the built package as it does in AWS.

https://docs.aws.amazon.com/lambda/latest/dg/runtimes-api.html
"""

import json
import queue
import threading
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, NamedTuple

ARN = "arn:aws:lambda:eu-central-1:123456789012:function:innerwatch"


class Answer(NamedTuple):
    """What a function answered; `error` is AWS's shape of one (errorMessage, errorType, stackTrace), or empty."""

    value: Any
    error: dict[str, Any]


class _Invocation(NamedTuple):
    id: str
    body: bytes
    deadline: int  # milliseconds since 1970


class RuntimeApi:
    """The side of the Lambda service: hands out invocations one at a time and takes the answers."""

    def __init__(self) -> None:
        self.waiting: queue.Queue[_Invocation | None] = queue.Queue()
        self.answers: queue.Queue[tuple[str, Answer]] = queue.Queue()
        self.taken = threading.Event()  # the runtime asked for work and got it
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), type("Bound", (_Handler,), {"api": self}))
        self._server.daemon_threads, self._server.block_on_close = True, False
        self.address = f"127.0.0.1:{self._server.server_address[1]}"
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()

    def close(self) -> None:
        self.waiting.put(None)  # whoever still asks for work
        self._server.shutdown()
        self._server.server_close()

    def send(self, event: Any, seconds: float = 60.0) -> str:
        """Asks for an invocation; `event` as a value, or as the bytes of its JSON. Gives the request's id."""
        name = str(uuid.uuid4())
        body = event if isinstance(event, bytes) else json.dumps(event).encode()
        self.taken.clear()
        self.waiting.put(_Invocation(name, body, int((time.time() + seconds) * 1000)))
        return name

    def answer(self, name: str, seconds: float = 60.0) -> Answer:
        """Raises queue.Empty where none comes in time."""
        while True:
            found, answer = self.answers.get(timeout=seconds)
            if found == name:
                return answer

    def invoke(self, event: Any, seconds: float = 60.0) -> Answer:
        return self.answer(self.send(event, seconds), seconds)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = -1
    api: RuntimeApi

    def handle(self) -> None:
        with suppress(ConnectionError):  # the function was killed
            super().handle()

    def do_GET(self) -> None:  # /2018-06-01/runtime/invocation/next
        found = self.api.waiting.get()
        if found is None:
            self.close_connection = True
            return
        headers = {
            "Lambda-Runtime-Aws-Request-Id": found.id,
            "Lambda-Runtime-Deadline-Ms": str(found.deadline),
            "Lambda-Runtime-Invoked-Function-Arn": ARN,
            "Content-Type": "application/json",
        }
        self._reply(200, found.body, headers)
        self.api.taken.set()

    def do_POST(
        self,
    ) -> None:  # /2018-06-01/runtime/invocation/ID/response, …/ID/error, or /2018-06-01/runtime/init/error
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])) or b"null")
        *_, name, kind = self.path.split("/")
        self._reply(202, b'{"status":"OK"}', {"Content-Type": "application/json"})
        self.api.answers.put((name, Answer(None, body) if kind == "error" else Answer(body, {})))

    def _reply(self, status: int, body: bytes, headers: dict[str, str]) -> None:
        self.send_response(status)
        for header in (*headers.items(), ("Content-Length", str(len(body)))):
            self.send_header(*header)
        self.end_headers()
        self.wfile.write(body)
        self.wfile.flush()

    def log_message(self, format: str, *args: object) -> None:
        pass


@contextmanager
def runtime_api() -> Iterator[RuntimeApi]:
    api = RuntimeApi()
    try:
        yield api
    finally:
        api.close()
