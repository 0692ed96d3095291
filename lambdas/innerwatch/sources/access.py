"""Applications' own access logs in the contract `innerwatch.access/1`, one JSON object a line (docs/access-log.md)."""

from innerwatch import access_contract
from innerwatch.reading import UnfitError, first_object, json_object, set_aside, shown
from innerwatch.values import Event, Origin, SetAside

DATASET = access_contract.DATASET
SPLIT = "lines"


def recognise(record: bytes) -> bool:
    schema = first_object(record).get("schema")
    return isinstance(schema, str) and schema.startswith("innerwatch.access/")


def parse(record: bytes, origin: Origin) -> Event | SetAside:
    try:
        entry = json_object(record)
        if entry.get("schema") != access_contract.SCHEMA:
            raise UnfitError(f"schema is {shown(entry.get('schema'))}; expected {access_contract.SCHEMA!r}")
        return access_contract.event(entry, origin)
    except UnfitError as why:
        return set_aside(record, origin, why)
