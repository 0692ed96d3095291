"""What a document says of a person, as of its own time."""

from innerwatch.enrich import employee_fields
from innerwatch.instants import from_rfc3339
from innerwatch.values import Employee, Fact

LEAVER = Employee(id="E-1", hired_at="2024-01-08", notice_at="2026-03-10", last_day="2026-03-31")
CONTRACTOR = Employee(id="E-2", type="contractor", hired_at="2024-01-08", last_day="2026-03-31")


def fields(employee: Employee, time: str) -> dict[str, object]:
    return employee_fields(Fact(employee, 0, 0), from_rfc3339(time))


def test_nobody_knew_of_the_last_day_before_notice_was_given() -> None:
    before, after = fields(LEAVER, "2026-03-09T12:00:00Z"), fields(LEAVER, "2026-03-10T12:00:00Z")
    assert before["status"] == "active"
    assert not {"notice_at", "last_day", "days_to_exit"} & set(before)
    assert (after["status"], after["notice_at"], after["days_to_exit"]) == ("notice", "2026-03-10", 21)


def test_the_end_of_an_engagement_is_known_from_its_start() -> None:
    assert fields(CONTRACTOR, "2024-02-01T12:00:00Z")["days_to_exit"] == 789
    assert fields(CONTRACTOR, "2026-04-12T12:00:00Z")["days_to_exit"] == -12
