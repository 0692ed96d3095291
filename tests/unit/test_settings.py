"""What a function's environment must hold, and how it is told what is wrong with it."""

import pytest

from innerwatch.errors import UserError
from innerwatch.settings import EXPECTED, Settings


@pytest.mark.parametrize("name", sorted(EXPECTED))
def test_a_setting_that_is_missing_is_one_clear_error(name: str) -> None:
    with pytest.raises(UserError, match=rf"^{name} is not set; expected "):
        Settings.from_env({}, needs=[name])


def test_a_function_needs_only_its_own() -> None:
    assert Settings.from_env({"LEDGER_TABLE": "ledger"}, needs=["LEDGER_TABLE"]) == Settings(ledger_table="ledger")


@pytest.mark.parametrize(
    ("env", "why"),
    [
        ({"ELASTICSEARCH_URL": "host:9200"}, "ELASTICSEARCH_URL is 'host:9200'"),
        ({"NAMESPACE": "A-B"}, "namespace 'A-B' cannot be part"),
        ({"CUSTOMER_OBJECTS": "x"}, "CUSTOMER_OBJECTS is 'x'"),
    ],
)
def test_a_wrong_setting_is_named(env: dict[str, str], why: str) -> None:
    with pytest.raises(UserError, match=why):
        Settings.from_env(env)
