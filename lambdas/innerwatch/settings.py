"""What a function is told by its environment; infra/template.yaml sets it. Names no secret, only where one is kept."""

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self

import msgspec

from innerwatch.errors import UserError

# Elastic's rule for the parts of a data stream's name:
# https://www.elastic.co/docs/reference/fleet/data-streams#data-streams-naming-scheme
NAMESPACE = re.compile(r"[^A-Z\\/*?\"<>| ,#:-]{1,100}")


def checked_namespace(value: str) -> str:
    if not NAMESPACE.fullmatch(value):
        raise UserError(
            f"namespace {value!r} cannot be part of a data stream's name",
            'expected 1 to 100 characters, lower case, without \\ / * ? " < > | , # : - or a space',
        )
    return value


@dataclass(frozen=True, slots=True)
class Settings:
    elasticsearch_url: str
    elasticsearch_secret: str = ""  # Secrets Manager id of the writer's API key; empty: the cluster asks for none
    namespace: str = "innerwatch"
    directory_table: str = ""
    customer_objects: tuple[str, ...] = ()  # patterns, see innerwatch.customers
    failed_bucket: str = ""  # where records that were set aside go, with their reason

    @classmethod
    def from_env(cls, env: Mapping[str, str] = os.environ) -> Self:
        url = env.get("ELASTICSEARCH_URL", "")
        if not url.startswith(("http://", "https://")):
            raise UserError(f"ELASTICSEARCH_URL is {url!r}", "expected http(s)://host:port")
        return cls(
            elasticsearch_url=url,
            elasticsearch_secret=env.get("ELASTICSEARCH_SECRET", ""),
            namespace=checked_namespace(env.get("NAMESPACE", "innerwatch")),
            directory_table=env.get("DIRECTORY_TABLE", ""),
            customer_objects=_texts("CUSTOMER_OBJECTS", env.get("CUSTOMER_OBJECTS", "[]")),
            failed_bucket=env.get("FAILED_BUCKET", ""),
        )


def _texts(name: str, value: str) -> tuple[str, ...]:
    try:
        return msgspec.json.decode(value, type=tuple[str, ...])
    except msgspec.DecodeError as error:
        raise UserError(f"{name} is {value[:80]!r}: {error}", "expected a JSON list of texts") from error
