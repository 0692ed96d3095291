"""BambooHR as JSON: the directory and reports (`employees`), datasets (`data`), and one employee alone.

https://documentation.bamboohr.com/reference/get-employees-directory
https://documentation.bamboohr.com/docs/list-of-field-names
"""

from collections.abc import Iterator

from innerwatch.hr import entries
from innerwatch.hr.mapping import Mapping
from innerwatch.values import BadRow, Change

names_everybody = entries.names_everybody

# Its `id` is always there, the company's own number need not be; `supervisorEId` is the supervisor's `id`.
PREFERRED = {"employee_id": ("id", "eeid"), "manager_id": ("supervisoreid",)}


def recognise(content: str, mapping: Mapping) -> bool:  # noqa: ARG001 as every format
    head = content[: entries.HEAD]
    return head[:1] in ("{", "[") and any(mark in head for mark in ('"employees"', '"data"', '"firstName"', '"eeid"'))


def read(content: str, name: str, mapping: Mapping) -> Iterator[Change | BadRow]:
    found = entries.listed(entries.load(content, name), "employees", "data")
    yield from entries.read(found, name, mapping, PREFERRED)
