"""What the directory knows a person by, as far as that can stand in a log."""

from collections.abc import Iterator
from typing import NamedTuple

from innerwatch.values import Employee, Ownership


class Identity(NamedTuple):
    """Texts are `kind:value` as in `values.Evidence`, and `name:Ana Novak`; what was said of a person at one time."""

    employee_id: str
    texts: tuple[str, ...]
    recorded_at: int | None  # when the directory first heard of it; None: never


def of_employee(employee: Employee, recorded_at: int) -> list[Identity]:
    texts = [f"employee:{employee.id}", *employee.identifiers]
    texts += [f"name:{employee.name}"] if employee.name else []
    texts += [f"email:{employee.email}"] if employee.email else []
    found = [Identity(employee.id, tuple(dict.fromkeys(texts)), recorded_at)]
    if manager := employee.manager_id:  # whom not every feed has a row of
        found.append(Identity(manager, (f"employee:{manager}",), recorded_at))
    return found


def of_ownership(ownership: Ownership) -> list[Identity]:
    people = dict.fromkeys(holder.employee_id for holder in ownership.holders)
    return [Identity(person, (ownership.identifier,), ownership.recorded_at) for person in people]


def value(text: str) -> tuple[str, str]:
    """Kind and value of an identity's text, the value as a log has it: without store, AWS account or path."""
    kind, _, rest = text.partition(":")
    if kind in ("identity_center", "iam_user"):
        rest = rest.rpartition("/")[2]
    return kind, rest


def values(identity: Identity) -> Iterator[tuple[str, str]]:
    for text in identity.texts:
        yield value(text)
