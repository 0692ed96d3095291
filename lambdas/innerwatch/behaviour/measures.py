"""How the measures of a day are compared. What they count is in the field table, in the same order."""

from typing import NamedTuple

from innerwatch import fields


class Measure(NamedTuple):
    """How a measure is compared.

    On the scale `count` differences count as they are, and `floor` is the least that a usual spread is taken for, in
    the measure's own unit. On the scale `log` ratios count: values are compared as ln(value + floor), so that nothing
    far below `floor` makes a difference.
    """

    name: str
    scale: str
    floor: float


class Rolling(NamedTuple):
    """A measure that is the sum of another one's last days."""

    of: str
    days: int
    least: float = 0  # instead: the number of days on which it was so much or more


NAMES = tuple(fields.MEASURES)
SCALES: dict[str, tuple[str, float]] = {
    "events": ("log", 20),
    "customers": ("log", 10),
    "records": ("log", 50),
    "without_case": ("count", 1.5),
    "unjustified": ("count", 1.5),
    "unjustified_share": ("count", 0.1),
    "rare_fields": ("count", 1.5),
    "shared_customers": ("count", 0.7),
    "exports": ("count", 1.5),
    "records_exported": ("log", 20),
    "bytes_exported": ("log", 100000),
    "sent_without_case": ("count", 0.7),
    "services": ("log", 4),
    "buckets": ("count", 2),
    "objects_read": ("log", 20),
    "bytes_read": ("log", 1e07),
    "changes": ("log", 10),
    "denied": ("log", 5),
    "off_shift": ("log", 10),
    "odd_hours": ("count", 1.5),
    "hosts": ("count", 1),
    "new_addresses": ("count", 1),
    "new_networks": ("count", 1),
    "new_user_agents": ("count", 1),
    "new_hosts": ("count", 1),
    "new_services": ("count", 1),
    "new_actions": ("count", 2),
    "new_buckets": ("count", 1),
    "without_case_14d": ("log", 5),
    "sent_without_case_14d": ("count", 1.5),
    "unjustified_14d": ("log", 5),
    "export_days_14d": ("count", 1),
    "records_exported_14d": ("log", 25),
    "bytes_read_7d": ("log", 2e07),
}
MEASURES: tuple[Measure, ...] = tuple(Measure(name, *SCALES[name]) for name in NAMES)
ROLLING: dict[str, Rolling] = {
    "without_case_14d": Rolling("without_case", 14),
    "sent_without_case_14d": Rolling("sent_without_case", 14),
    "unjustified_14d": Rolling("unjustified", 14),
    "export_days_14d": Rolling("records_exported", 14, least=5),
    "records_exported_14d": Rolling("records_exported", 14),
    "bytes_read_7d": Rolling("bytes_read", 7),
}
PLACES = {name: place for place, name in enumerate(NAMES)}
