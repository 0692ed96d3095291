"""What a function is told by its environment; infra/template.yaml sets it. Names no secret, only where one is kept."""

import os
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Self

import msgspec

from innerwatch.errors import UserError
from innerwatch.justification.policy import Policy

# Elastic's rule for the parts of a data stream's name:
# https://www.elastic.co/docs/reference/fleet/data-streams#data-streams-naming-scheme
NAMESPACE = re.compile(r"[^A-Z\\/*?\"<>| ,#:-]{1,100}")

# An ARN as STS names a caller, with * and ? in its name only: who may approve is of a named account.
APPROVER = re.compile(r"arn:aws[a-z-]*:(iam|sts)::[0-9]{12}:(user|assumed-role|federated-user)/[\w+=.@/*?-]+", re.ASCII)


def checked_namespace(value: str) -> str:
    if not NAMESPACE.fullmatch(value):
        raise UserError(
            f"namespace {value!r} cannot be part of a data stream's name",
            'expected 1 to 100 characters, lower case, without \\ / * ? " < > | , # : - or a space',
        )
    return value


# Powertools' own variable; the template names it after the stack, so that the metrics of two stacks do not mix.
METRICS_NAMESPACE = os.environ.get("POWERTOOLS_METRICS_NAMESPACE", "Innerwatch")

EXPECTED = {
    "ELASTICSEARCH_URL": "http(s)://host:port",
    "DIRECTORY_TABLE": "the DynamoDB table of the employee directory",
    "CASES_TABLE": "the DynamoDB table of cases and assignments",
    "LEDGER_TABLE": "the DynamoDB table of the ledger of objects",
    "FAILED_BUCKET": "the bucket for records that were set aside",
    "ELASTICSEARCH_CHECK_SECRET": "the secret of an API key that may read the log streams",
    "PSEUDONYM_SECRET": "the secret of the key of pseudonyms",
    "AUDIT_TABLE": "the DynamoDB table of the audit chain",
    "AUDIT_BUCKET": "the bucket of its witnesses",
}


@dataclass(frozen=True, slots=True)
class Settings:
    elasticsearch_url: str = ""
    elasticsearch_secret: str = ""  # Secrets Manager id of the writer's API key; empty: the cluster asks for none
    elasticsearch_check_secret: str = ""  # of a key with `read` on the log streams, for what an attempt left unfinished
    namespace: str = "innerwatch"
    directory_table: str = ""
    customer_objects: tuple[str, ...] = ()  # patterns, see innerwatch.customers
    cases_table: str = ""
    justification: Policy = field(default_factory=Policy)  # graces, and jobs without cases
    ledger_table: str = ""
    pseudonym_secret: str = ""  # Secrets Manager id of the key of pseudonyms; empty: people stand under their names
    failed_bucket: str = ""  # where records that were set aside go, with their reason
    audit_table: str = ""
    audit_bucket: str = ""
    reveal_approvers: tuple[str, ...] = ()  # patterns of the ARNs of who may approve
    reveal_hours: int = 8  # for which an approval holds

    @classmethod
    def from_env(cls, env: Mapping[str, str] = os.environ, *, needs: Iterable[str] = ()) -> Self:
        """All settings that are there. UserError for a wrong one, or where one of `needs` (keys of EXPECTED) is not."""
        for name in needs:
            require(name, env.get(name, ""))
        url = env.get("ELASTICSEARCH_URL", "")
        if url and not url.startswith(("http://", "https://")):
            raise UserError(f"ELASTICSEARCH_URL is {url!r}", f"expected {EXPECTED['ELASTICSEARCH_URL']}")
        return cls(
            elasticsearch_url=url,
            elasticsearch_secret=env.get("ELASTICSEARCH_SECRET", ""),
            elasticsearch_check_secret=env.get("ELASTICSEARCH_CHECK_SECRET", ""),
            namespace=checked_namespace(env.get("NAMESPACE", "innerwatch")),
            directory_table=env.get("DIRECTORY_TABLE", ""),
            customer_objects=_texts("CUSTOMER_OBJECTS", env.get("CUSTOMER_OBJECTS", "[]")),
            cases_table=env.get("CASES_TABLE", ""),
            justification=Policy.read(env.get("JUSTIFICATION", "")),
            ledger_table=env.get("LEDGER_TABLE", ""),
            pseudonym_secret=env.get("PSEUDONYM_SECRET", ""),
            failed_bucket=env.get("FAILED_BUCKET", ""),
            audit_table=env.get("AUDIT_TABLE", ""),
            audit_bucket=env.get("AUDIT_BUCKET", ""),
            reveal_approvers=_approvers(env.get("REVEAL_APPROVERS", "")),
            reveal_hours=_hours(env.get("REVEAL_HOURS", "8")),
        )


def require(name: str, value: str) -> str:
    if not value:
        raise UserError(f"{name} is not set", f"expected {EXPECTED[name]}")
    return value


def _texts(name: str, value: str) -> tuple[str, ...]:
    try:
        return msgspec.json.decode(value, type=tuple[str, ...])
    except msgspec.DecodeError as error:
        raise UserError(f"{name} is {value[:80]!r}: {error}", "expected a JSON list of texts") from error


def _approvers(value: str) -> tuple[str, ...]:
    found = tuple(text.strip() for text in value.split(",") if text.strip())
    for text in found:
        if not APPROVER.fullmatch(text):
            raise UserError(
                f"REVEAL_APPROVERS has {text[:200]!r}",
                "expected such as arn:aws:sts::123456789012:assumed-role/AWSReservedSSO_PrivacyOfficer_*/*",
            )
    return found


def _hours(value: str) -> int:
    if not re.fullmatch(r"[0-9]{1,3}", value, re.ASCII) or not 1 <= int(value) <= 168:
        raise UserError(f"REVEAL_HOURS is {value[:80]!r}", "expected a number of hours from 1 to 168")
    return int(value)
