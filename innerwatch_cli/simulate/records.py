"""One log record on its way to a file, and the records of the applications (contract `innerwatch.access/1`)."""

from collections.abc import Sequence
from random import Random
from typing import Any, NamedTuple

from innerwatch import instants
from innerwatch_cli.simulate.attendance import Workday

CONSOLE = "support-console"
WAREHOUSE = "data-warehouse"
SIGN_IN = "sign_in"  # marks, among an insider's records, those with which any work begins
LISTED = 1000  # an export of more customers states only how many


class Record(NamedTuple):
    time: int
    log: str  # "app/support-console", "cloudtrail/eu-west-1"
    id: str
    body: dict[str, Any]
    employee_id: str = ""
    customers: tuple[str, ...] = ()  # whose data it showed
    alike: str = ""  # what it would be mistaken for: a kind of look-alike


def access(
    rng: Random,
    time: int,
    who: Workday,
    application: str,
    action: str,
    *,
    customers: Sequence[str] = (),
    fields: Sequence[str] = (),
    records: int | None = None,
    case: str = "",
    recipient: str = "",
    size: int = 0,
    outcome: str = "success",
    alike: str = "",
) -> Record:
    identity = f"{rng.getrandbits(80):020x}"
    person = who.person
    body: dict[str, Any] = {
        "schema": "innerwatch.access/1",
        "id": identity,
        "time": instants.iso(time),
        "application": application,
        "actor": {"id": person.username, "email": person.email},
        "session": who.session(application),
        "action": action,
        "outcome": outcome,
    }
    if customers and len(customers) <= LISTED:
        body["customers"] = list(customers)
    if fields:
        body["fields"] = list(fields)
    if records is not None or customers:
        body["records"] = len(customers) if records is None else records
    if case:
        body["case"] = case
    body["source"] = {"ip": who.address, "user_agent": who.habits.browser}
    if recipient:
        body["recipient"] = recipient
    if size:
        body["bytes"] = size
    shown = tuple(body.get("customers", ())) if outcome == "success" else ()
    return Record(time, f"app/{application}", identity, body, person.id, shown, alike)
