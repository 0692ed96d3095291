"""Workday as JSON: Report-as-a-Service (`Report_Entry`), and what WQL and the REST API answer (`data`).

https://doc.workday.com/admin-guide/en-us/reporting-and-analytics/custom-reports-and-analytics/report-web-services.html
https://community.workday.com/sites/default/files/file-hosting/restapi/ (REST, WQL)
"""

from collections.abc import Iterator

from innerwatch.hr import entries
from innerwatch.hr.mapping import Mapping
from innerwatch.values import BadRow, Change

MARKS = ('"descriptor"', '"employeeID"', '"workerActive"', '"workerId"')

names_everybody = entries.names_everybody


def recognise(content: str, mapping: Mapping) -> bool:  # noqa: ARG001 as every format
    head = content[: entries.HEAD]
    return head[:1] in ("{", "[") and (
        '"Report_Entry"' in head or ('"data"' in head and any(mark in head for mark in MARKS))
    )


def read(content: str, name: str, mapping: Mapping) -> Iterator[Change | BadRow]:
    """Reports name people by their employee id; a feed without one by Workday's own id, managers too."""
    found = entries.listed(entries.load(content, name), "Report_Entry", "data")
    by_own_id = not any(
        isinstance(entry, dict) and any(key.lower().replace("_", "") in ("employeeid", "workerid") for key in entry)
        for entry in found
    )
    yield from entries.read(found, name, mapping, {"manager_id": ("manager.id",)} if by_own_id else {})
