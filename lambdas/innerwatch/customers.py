"""Whose data an S3 object holds, where its name says so: CloudTrail's data events then name the customers touched."""

import re
from collections.abc import Iterable
from typing import Any

from innerwatch.errors import UserError
from innerwatch.values import dig

LONGEST_KEY = 1024  # bytes of an S3 object's name: a longer one is none, and would not be indexed
REQUEST = "aws.cloudtrail.flattened.request_parameters"


class CustomerObjects:
    """Patterns of `bucket/key`, each a regular expression with a group named `customer`.

    For example `example-customer-data/customers/(?P<customer>C-[0-9]+)/`, matched from the bucket's first letter on.
    """

    def __init__(self, patterns: Iterable[str]) -> None:
        self._patterns = [_compiled(pattern) for pattern in patterns]

    def add(self, document: dict[str, Any]) -> None:
        """Sets `access.customer.id` of a CloudTrail document whose request names such an object."""
        request = dig(document, REQUEST)
        if not isinstance(request, dict) or not isinstance(key := request.get("key"), str):
            return
        if len(key) > LONGEST_KEY:
            return
        name = f"{request.get('bucketName', '')}/{key}"
        for pattern in self._patterns:
            if found := pattern.match(name):
                document["access"] = {"customer": {"id": [found["customer"]], "total": 1}}
                return


def _compiled(pattern: str) -> re.Pattern[str]:
    expected = "expected a regular expression of bucket/key with a group (?P<customer>…)"
    try:
        compiled = re.compile(pattern)
    except re.error as error:
        raise UserError(f"the pattern of customer objects {pattern!r} is wrong: {error}", expected) from error
    if "customer" not in compiled.groupindex:
        raise UserError(f"the pattern of customer objects {pattern!r} has no group customer", expected)
    return compiled
