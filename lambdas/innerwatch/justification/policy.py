"""How much grace a company gives: what counts as justified although no case was open and assigned at that instant."""

from dataclasses import dataclass, fields
from typing import Self

import msgspec

from innerwatch.errors import UserError

MINUTE = 60_000  # milliseconds
DAY = 24 * 60 * MINUTE


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """Settings, with what is usual. docs/justification.md gives the reasons."""

    # Zendesk's standard automation closes a solved ticket for good after four days; until then the customer's answer
    # opens it again. https://support.zendesk.com/hc/en-us/articles/4408883801626
    call_back_days: float = 4.0
    early_minutes: float = 30.0  # a customer was looked up, and then the case opened
    transfer_minutes: float = 60.0  # before an assignment begins, and after it ends
    review_days: float = 30.0  # after closing, in which a supervisor may look at how a case was handled
    managers: int = 2  # levels above the assignee that count as supervisors
    roles_without_cases: tuple[str, ...] = ()  # jobs, as HR names them, whose access needs no case

    def __post_init__(self) -> None:
        object.__setattr__(self, "roles_without_cases", tuple(role.lower() for role in self.roles_without_cases))

    @classmethod
    def read(cls, text: str) -> Self:
        """From JSON, as in the environment variable JUSTIFICATION. Raises UserError."""
        expected = f"expected a JSON object with some of {', '.join(item.name for item in fields(cls))}"
        try:
            given = msgspec.json.decode(text or "{}", type=dict[str, object])
            if unknown := given.keys() - {item.name for item in fields(cls)}:
                raise UserError(f"JUSTIFICATION: {min(unknown)!r} is no setting", expected)
            policy = msgspec.convert(given, cls)
        except (msgspec.DecodeError, msgspec.ValidationError) as error:
            raise UserError(f"JUSTIFICATION is {text[:80]!r}: {error}", expected) from error
        for item in fields(cls):
            if isinstance(value := getattr(policy, item.name), int | float) and not 0 <= value <= 3650:
                raise UserError(f"JUSTIFICATION: {item.name} is {value}", "expected a number from 0 to 3650")
        return policy

    @property
    def call_back(self) -> int:
        return int(self.call_back_days * DAY)

    @property
    def early(self) -> int:
        return int(self.early_minutes * MINUTE)

    @property
    def transfer(self) -> int:
        return int(self.transfer_minutes * MINUTE)

    @property
    def review(self) -> int:
        return int(self.review_days * DAY)
