"""The customers: ids only, and a mail address for each."""

from random import Random

from innerwatch_cli.simulate import names

FIRST_ID = 100001
# One customer's data are one object, under the customer's id: what CUSTOMER_OBJECTS is set to for such a company.
OBJECTS = r"[^/]+/customers/(?P<customer>C-\d+)/"
COURIER = "claims@courier.example.net"  # to whom agents pass on what was lost on the way


class Customers:
    """C-100001 and on. Some need help often, most hardly ever."""

    def __init__(self, count: int) -> None:
        self.count = count

    def one(self, rng: Random) -> str:
        if rng.random() < 0.15:  # the same twentieth of them calls again and again
            return self._id(20 * rng.randrange(self.count // 20))
        return self._id(rng.randrange(self.count))

    def several(self, rng: Random, count: int) -> list[str]:
        return [self._id(number) for number in rng.sample(range(self.count), min(count, self.count))]

    def stretch(self, first: int, count: int) -> list[str]:
        """Neighbours by id, as a list that is worked off has them; after the last comes the first."""
        return [self._id(number % self.count) for number in range(first, first + count)]

    def _id(self, number: int) -> str:
        return f"C-{FIRST_ID + number}"


def mail(customer: str) -> str:
    """The address that a customer gave: the same one each time. Some are a firm's, which several customers share."""
    number = int(customer[2:])
    if number % 12 == 0:
        return f"accounts@firm{number // 60}.example.org"  # of five neighbours
    first = names.plain(names.FIRST[number * 7 % len(names.FIRST)])
    last = names.plain(names.LAST[number * 11 % len(names.LAST)])
    return f"{first}.{last}{number % 9973}@example.{'org' if number % 3 else 'net'}"
