"""Programs by their user agents, as Elasticsearch's own processor describes them."""

import time
from typing import Any

import pytest

from innerwatch.user_agents import describe

WINDOWS = {"name": "Windows", "version": "10", "full": "Windows 10"}


@pytest.mark.parametrize(
    ("user_agent", "expected"),
    [
        ("AWS Internal", {"name": "Other", "device": {"name": "Other"}}),
        (
            "aws-cli/2.15.30 Python/3.11.8 Linux/5.10.205 exe/x86_64 prompt/off command/s3.ls",
            {
                "name": "aws-cli",
                "version": "2.15.30",
                "os": {"name": "Linux", "version": "5.10.205", "full": "Linux 5.10.205"},
                "device": {"name": "Other"},
            },
        ),
        (
            "Boto3/1.34.0 md/Botocore#1.34.0 ua/2.0 os/linux md/arch#x86_64 lang/python#3.12.1",
            {"name": "Boto3", "version": "1.34.0", "os": {"name": "Linux"}, "device": {"name": "Spider"}},
        ),
        (
            "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/120.0.0.0",
            {"name": "Chrome", "version": "120.0.0.0", "os": WINDOWS, "device": {"name": "Other"}},
        ),
        (
            "Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:121.0) Gecko/20100101 Firefox/121.0",
            {"name": "Firefox", "version": "121.0.", "os": WINDOWS, "device": {"name": "Other"}},
        ),
        (
            "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605 Version/17.1 Safari/605",
            {
                "name": "Safari",
                "version": "17.1",
                "os": {"name": "Mac OS X", "version": "10.15.7", "full": "Mac OS X 10.15.7"},
                "device": {"name": "Mac"},
            },
        ),
    ],
)
def test_programs_systems_and_devices(user_agent: str, expected: dict[str, Any]) -> None:
    assert describe(user_agent) == {"original": user_agent, **expected}


def test_a_hostile_user_agent_is_described_quickly_and_kept_whole() -> None:
    began = time.monotonic()
    for text in ("Mozilla/5.0 (" + "Linux; " * 50_000, "a" * 1_000_000, "(" * 100_000, "Android " * 50_000 + "Build/"):
        assert describe(text)["original"] == text
    assert time.monotonic() - began < 10
