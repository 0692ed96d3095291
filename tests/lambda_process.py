"""The built package, unpacked, as AWS's runtime client runs it: in a Python that has the client and boto3 only."""

import os
import subprocess
import time
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from innerwatch_cli import packaging
from tests.runtime_api import RuntimeApi, runtime_api

MEMORY = 1769 * 2**20  # bytes, as the template gives


class Package:
    def __init__(self, python: Path, folder: Path) -> None:
        """Builds the zip and unpacks it below `folder`."""
        self.python, self.task = python, folder / "task"
        with zipfile.ZipFile(packaging.build(folder / "lambda.zip", packaging.LOCAL)) as archive:
            archive.extractall(self.task)

    def environment(self, settings: Mapping[str, str]) -> dict[str, str]:
        """https://docs.aws.amazon.com/lambda/latest/dg/configuration-envvars.html, as far as anything reads it."""
        return {
            "PATH": "/usr/bin:/bin",
            "LANG": "en_US.UTF-8",
            "TZ": ":UTC",
            "LAMBDA_TASK_ROOT": str(self.task),
            "AWS_REGION": "eu-central-1",
            "AWS_DEFAULT_REGION": "eu-central-1",
            "AWS_ACCESS_KEY_ID": "123456789012",
            "AWS_SECRET_ACCESS_KEY": "test",
            "AWS_LAMBDA_FUNCTION_NAME": "innerwatch",
            "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "1769",
            "PYTHONDONTWRITEBYTECODE": "1",  # /var/task cannot be written to
            **settings,
        }

    @contextmanager
    def running(self, handler: str, settings: Mapping[str, str], log: Path) -> Iterator[RuntimeApi]:
        """A function's process of its own, cold; what it logs goes to a file."""
        with runtime_api() as api, log.open("ab") as output:
            process = subprocess.Popen(
                [
                    "/bin/sh",
                    "-c",
                    f'ulimit -v {MEMORY // 1024}; exec "$@"',
                    "sh",
                    self.python,
                    "-m",
                    "awslambdaric",
                    handler,
                ],
                cwd=self.task,
                env=self.environment({"AWS_LAMBDA_RUNTIME_API": api.address, **settings}),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
            )
            try:
                yield api
                assert process.poll() is None, f"the runtime ended with {process.returncode}"
            finally:
                process.kill()
                process.wait()

    @contextmanager
    def warm(self, settings: Mapping[str, str], log: Path) -> Iterator["Warm"]:
        """See tests/warm_runtime.py."""
        script = Path(__file__).with_name("warm_runtime.py")
        process = subprocess.Popen(
            [self.python, script, self.task, log],
            cwd=self.task,
            env=self.environment(settings),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        warm = Warm(process)
        try:
            yield warm
        finally:
            warm.end()


class Warm:
    """Forks of a warm function: as many at a time as were asked for."""

    def __init__(self, process: "subprocess.Popen[str]") -> None:
        self._process = process
        self.running: list[Fork] = []

    def fork(self) -> "Fork":
        api = RuntimeApi()
        assert self._process.stdin
        assert self._process.stdout
        print(api.address, file=self._process.stdin, flush=True)
        fork = Fork(api, int(self._process.stdout.readline()))
        self.running.append(fork)
        return fork

    def end(self) -> None:
        for fork in self.running:
            fork.kill()
        self._process.kill()
        self._process.communicate()


class Fork:
    def __init__(self, api: RuntimeApi, process: int) -> None:
        self.api, self.process, self.alive = api, process, True

    def kill(self) -> None:
        """SIGKILL, as when Lambda takes the machine away; gone when this returns."""
        if self.alive:
            self.alive = False
            os.kill(self.process, 9)
            while _exists(self.process):
                time.sleep(0.0005)
            self.api.close()


def _exists(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    return True
