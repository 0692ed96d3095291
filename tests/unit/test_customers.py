"""Customers named by the S3 objects that hold their data."""

from typing import Any

import pytest

from innerwatch.customers import CustomerObjects
from innerwatch.errors import UserError

OBJECTS = CustomerObjects([r"example-data/customers/(?P<customer>C-\d+)/", r"[^/]+-backup/(?P<customer>\d+)\.json$"])


def added(request: Any) -> Any:
    document: dict[str, Any] = {"aws": {"cloudtrail": {"flattened": {"request_parameters": request}}}}
    OBJECTS.add(document)
    return document.get("access")


@pytest.mark.parametrize(
    ("bucket", "key", "customer"),
    [
        ("example-data", "customers/C-17/profile.json", "C-17"),
        ("eu-backup", "42.json", "42"),
        ("another-example-data", "customers/C-17/profile.json", None),
        ("example-data", "customers/all.csv", None),
    ],
)
def test_the_first_pattern_that_fits_names_the_customer(bucket: str, key: str, customer: str | None) -> None:
    expected = {"customer": {"id": [customer], "total": 1}} if customer else None
    assert added({"bucketName": bucket, "key": key}) == expected


@pytest.mark.parametrize("request_", [None, "text", {}, {"bucketName": "example-data"}, {"key": 5}])
def test_requests_of_any_form_do_no_harm(request_: Any) -> None:
    assert added(request_) is None


@pytest.mark.parametrize(("pattern", "part"), [("(", "is wrong"), ("customers/(C-1)", "no group customer")])
def test_a_wrong_pattern_is_named(pattern: str, part: str) -> None:
    with pytest.raises(UserError, match=part):
        CustomerObjects([pattern])
