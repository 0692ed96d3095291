"""What is read of a document, straight from the bytes of Elasticsearch's answer. Pure.

As dicts of dicts a page takes several times as long, most of it the garbage collector's, which need not look at these.
Values are taken as they come: what is no text where Innerwatch writes one is counted and hashed all the same.
"""

from typing import Any

import msgspec

from innerwatch.customers import REQUEST

SOURCE = (
    *("@timestamp", "data_stream.dataset", "event.action", "event.outcome", "event.provider", "event.ingested"),
    *("employee.id", "employee.as_of", "employee.resolution", "user.id", "user.name", "service.name"),
    *("access.customer.id", "access.fields", "access.records", "access.justification", "access.case.id"),
    *("access.unjustified.customer.id", f"{REQUEST}.bucketName"),
)


# One value or several. Tuples of texts the garbage collector looks at just once, lists every time.
Values = tuple[Any, ...] | str | int | float | bool | None


class Part(msgspec.Struct, gc=False):
    """An object within a document. What it has not is None, as null is."""


class DataStream(Part):
    dataset: Any = None


class Event(Part):
    action: Any = None
    outcome: Any = None
    provider: Any = None
    ingested: Any = None


class Named(Part):
    id: Any = None
    name: Any = None


class Resolution(Part):
    method: Any = None
    confidence: Any = None
    reason: Any = None


class Employee(Part):
    id: Any = None
    as_of: Any = None
    resolution: Resolution | None = None


class Customers(Part):
    id: Values = None


class Unjustified(Part):
    customer: Customers | None = None


class Access(Part):
    customer: Customers | None = None
    case: Named | None = None
    fields: Values = None
    records: Any = None
    justification: Any = None
    unjustified: Unjustified | None = None


class Document(Part, rename={"time": "@timestamp"}):
    time: str
    data_stream: DataStream | None = None
    event: Event | None = None
    service: Named | None = None
    user: Named | None = None
    employee: Employee | None = None
    access: Access | None = None
    aws: Any = None


class Hit(Part, rename={"id": "_id", "document": "_source"}):
    id: str
    document: Document
    sort: tuple[int, ...] = ()  # where it stands in the view
