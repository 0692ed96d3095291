"""The secret that makes pseudonyms, and how it is changed without anybody's pseudonym changing.

The secret is JSON, `{"key": "…", "earlier": [{"key": "…", "until": "2027-01-01T00:00:00Z"}]}`. A person keeps the
pseudonyms of the key that was in use when the directory first heard of them, so that what is normal for them, open
alerts, and what counsel was told go on under the same name; whoever came later has those of the key since.
"""

import base64
import hmac
import re
import secrets
from bisect import bisect_right
from collections.abc import Sequence
from typing import Self

import msgspec

from innerwatch import instants
from innerwatch.errors import UserError

SHORTEST = 32  # characters of a key; the template's has 64 letters and digits, some 380 bits
LENGTH = 16  # letters of a pseudonym, 5 bits each: of a million, two are alike once in a trillion tries
PSEUDONYM = re.compile(r"p-[a-z2-7]{16}")
EXPECTED = (
    f'expected {{"key": "at least {SHORTEST} characters", "earlier": [{{"key": …, "until": "2027-01-01T00:00:00Z"}}]}}'
)


def is_pseudonym(text: str) -> bool:
    """Whether it is a pseudonym, or a mail address with one."""
    return bool(PSEUDONYM.fullmatch(text.partition("@")[0]))


class _Earlier(msgspec.Struct):
    key: str
    until: str


class _Secret(msgspec.Struct):
    key: str
    earlier: list[_Earlier] = []


class Keys:
    def __init__(self, secret: _Secret, until: Sequence[int]) -> None:
        self._secret = secret
        self._until = list(until)
        self._keys = [item.key.encode() for item in secret.earlier] + [secret.key.encode()]

    @classmethod
    def parse(cls, text: str, name: str) -> Self:
        """The keys that a secret holds. Raises UserError, which names the secret and never quotes it."""
        try:
            secret = msgspec.json.decode(text, type=_Secret)
            until = [instants.from_rfc3339(item.until) for item in secret.earlier]
        except (msgspec.DecodeError, UnicodeEncodeError, ValueError) as error:
            raise UserError(f"the pseudonyms' key {name} cannot be read", EXPECTED) from error
        if min(map(len, (secret.key, *(item.key for item in secret.earlier)))) < SHORTEST:
            raise UserError(f"a key in {name} has fewer than {SHORTEST} characters", EXPECTED)
        if until != sorted(until):
            raise UserError(f"the earlier keys in {name} are not in the order of their `until`", EXPECTED)
        return cls(secret, until)

    @classmethod
    def new(cls) -> Self:
        return cls(_Secret(secrets.token_urlsafe(48)), ())

    def rotated(self, now: int) -> Self:
        """With a new key, for whoever the directory first hears of from `now` on (milliseconds)."""
        before = _Earlier(self._secret.key, instants.iso(now))
        secret = _Secret(secrets.token_urlsafe(48), [*self._secret.earlier, before])
        return type(self)(secret, [*self._until, now])

    def text(self) -> str:
        """As `parse` reads it."""
        return msgspec.json.encode(self._secret).decode()

    def pseudonym(self, text: str, recorded_at: int | None) -> str:
        """The pseudonym of a text in lower case that the directory first heard of at an instant; None: never.

        HMAC-SHA256 (RFC 2104), cut to 80 bits, in base32 (RFC 4648) in lower case.
        """
        key = self._keys[-1 if recorded_at is None else bisect_right(self._until, recorded_at)]
        digest = hmac.digest(key, text.encode(errors="surrogatepass"), "sha256")
        return f"p-{base64.b32encode(digest[: LENGTH * 5 // 8]).decode().lower()}"
