"""Runs the detection engine in child processes and kills them. One process that forks: a new Python takes its time.

Reads orders from standard input, one JSON object a line, and answers each with whether the child was killed.
"""

import json
import os
import signal
import sys
import time
from pathlib import Path
from typing import Any

from innerwatch import elastic
from innerwatch.detection.engine import detect
from innerwatch.detection.rules import load


def run(order: dict[str, Any]) -> None:
    """A run that ends itself at a request, before it is sent or after its answer has come, where the order says so."""
    es = elastic.client(order["url"])
    send, sent = es.transport.perform_request, 0

    def counted(*args: Any, **options: Any) -> Any:
        nonlocal sent
        sent += 1
        if sent == order["request"] and order["before"]:
            os.kill(os.getpid(), signal.SIGKILL)
        answer = send(*args, **options)
        if sent == order["request"]:
            os.kill(os.getpid(), signal.SIGKILL)
        return answer

    es.transport.perform_request = counted  # type: ignore[method-assign]  # a spy
    detect(es, load(Path(order["rules"]).read_bytes()), namespace=order["namespace"], now=order["now"])


def obey(order: dict[str, Any]) -> bool:
    child = os.fork()
    if not child:
        try:
            run(order)
        finally:
            os._exit(0)
    if order["seconds"]:
        time.sleep(order["seconds"])
        os.kill(child, signal.SIGKILL)
    return os.WIFSIGNALED(os.waitpid(child, 0)[1])


if __name__ == "__main__":
    for line in sys.stdin:
        print(json.dumps({"killed": obey(json.loads(line))}), flush=True)
