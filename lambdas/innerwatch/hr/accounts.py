"""Accounts as people write them in HR feeds and owner maps, made into identifiers as the directory compares them."""

import re
from collections.abc import Callable

ARN = re.compile(r"arn:[\w-]+:(iam|sts)::(\d{12}):(user|role)/(.+)", re.ASCII | re.IGNORECASE)
ACCESS_KEY = re.compile(r"A[KS]IA[A-Z2-7]{12,124}", re.ASCII | re.IGNORECASE)
IAM_USER = re.compile(r"(?:(\d{12})[:/])?(?:user/)?([\w+=,.@/-]+)", re.ASCII)
SEPARATORS = re.compile(r"[;\s]+")

KINDS = ("email", "username", "identity_center", "iam_user", "access_key", "role", "employee")


def identifier(text: str) -> str:
    """An account of any kind: as KIND:VALUE, else known by its form; a plain word is a login name.

    Raises ValueError for what can be none.
    """
    text = text.strip()
    kind, colon, value = text.partition(":")
    if colon and kind.lower() in KINDS and value.strip():
        return READERS.get(kind.lower(), _as_written(kind.lower()))(value.strip())
    if match := ARN.fullmatch(text):
        return iam_user(text) if match[3].lower() == "user" else f"role:{text.lower()}"
    if ACCESS_KEY.fullmatch(text):
        return f"access_key:{text.lower()}"
    if "@" in text:
        return f"email:{text.lower()}"
    if text and not colon and not SEPARATORS.search(text):
        return username(text)
    raise ValueError(
        f"{text[:80]!r} is no account; expected an ARN, an access key id, a mail address, a login name or KIND:VALUE "
        f"with KIND one of {', '.join(KINDS)}"
    )


def username(text: str) -> str:
    """A login name; many are mail addresses, and logs give them as such."""
    return f"{'email' if '@' in text else 'username'}:{text.lower()}"


def iam_user(text: str) -> str:
    """`arn:aws:iam::123456789012:user/ana`, `123456789012:user/ana`, or `ana` where the AWS account is not known."""
    if match := ARN.fullmatch(text):
        account, name = match[2], match[4]
    elif match := IAM_USER.fullmatch(text):
        account, name = match[1], match[2]
    else:
        raise ValueError(f"{text[:80]!r} is no IAM user; expected an ARN or 123456789012:user/NAME")
    return f"iam_user:{account}:user/{name}".lower() if account else f"iam_user:user/{name}".lower()


def several(text: str, read: Callable[[str], str]) -> tuple[str, ...]:
    """The accounts in one cell, separated by semicolons or spaces."""
    return tuple(dict.fromkeys(read(part) for part in SEPARATORS.split(text) if part))


def _as_written(kind: str) -> Callable[[str], str]:
    return lambda value: f"{kind}:{value.lower()}"


READERS: dict[str, Callable[[str], str]] = {"username": username, "iam_user": iam_user}
"""How the value of a kind is read, where it is more than lower case."""
