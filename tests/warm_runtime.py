"""A function's process, everything imported and made ready, that forks itself for each address on standard input.

Run by the Python of Lambda with the unpacked package as the first argument. Every child is AWS's runtime client at
work for the Runtime API at its address, with no connection open yet; its process id is the line that is answered.
Starting a process anew for each of 200 kills would take minutes.
"""

import os
import signal
import sys

sys.path.insert(0, sys.argv[1])

import enrich_logs
from innerwatch import elastic

elastic.BATCH_DOCUMENTS = 10  # several requests for a small object
elastic.FIRST_PAUSE = 0.02
enrich_logs.parts()
signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody waits for them
log = os.open(sys.argv[2], os.O_WRONLY | os.O_CREAT | os.O_APPEND)


def runtime(address: str) -> None:
    os.dup2(log, sys.stdout.fileno())
    os.environ["AWS_LAMBDA_RUNTIME_API"] = address
    from awslambdaric.__main__ import main  # which looks for the address on import

    main(["", "enrich_logs.handler"])


for line in sys.stdin:
    child = os.fork()
    if not child:
        runtime(line.strip())
    print(child, flush=True)
