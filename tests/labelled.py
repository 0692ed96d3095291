"""A labelled log set: monthly LDAP-like snapshots, logons with US dates, two people who try machines at night.

python tests/labelled.py FOLDER [PEOPLE] [MONTHS]
"""

import csv
import random
import sys
from collections.abc import Iterable, Iterator, Sequence
from datetime import date, datetime, timedelta
from pathlib import Path

HEADINGS = (
    *("employee_name", "user_id", "email", "role", "business_unit", "functional_unit", "department", "team"),
    "supervisor",
)
ROLES = ("Salesman", "ProductionLineWorker", "ElectricalEngineer", "Technician", "Manager", "ITAdmin")
FIRST = date(2010, 1, 1)
US = "%m/%d/%Y %H:%M:%S"
Row = tuple[datetime, str, str, str]
LOGON = """
name: logon
format: csv
recognise: {date: "*", user: "*", pc: "*", activity: "*"}
fields:
  time: {path: date, format: "%m/%d/%Y %H:%M:%S"}
  id: id
  application: {value: windows}
  actor.id: user
  action: {path: activity, map: {Logon: login, Logoff: logout}}
  host: pc
"""
HR_MAPPING = """
format: table
full: true
as_of: "%Y-%m"
columns: {employee_id: user_id, username: user_id, name: employee_name}
"""
EVALUATION = """
logs: [{paths: logon.csv, mapping: logon.yml}]
hr: "LDAP/*.csv"
answers: {path: insiders.csv, date_format: "%m/%d/%Y %H:%M:%S"}
"""


def make(folder: Path, people: int = 1000, months: int = 17, insiders: int = 2, seed: int = 1) -> int:
    """Writes the set into a folder; gives the number of logon rows."""
    (folder / "LDAP").mkdir(parents=True)
    for name, text in (("logon.yml", LOGON), ("LDAP/hr-mapping.yml", HR_MAPPING), ("evaluation.yml", EVALUATION)):
        (folder / name).write_text(text)
    company = Company(random.Random(seed), people, months, insiders)
    for snapshot in company.snapshots:
        staff = [
            (f"Person {user[1:]}", user, f"{user}@example.com", role, "1", "Unit", "Department", team(user), "Boss")
            for user, role in company.role.items()
            if snapshot < company.leaves.get(user, date.max)
        ]
        write(folder / "LDAP" / f"{snapshot:%Y-%m}.csv", HEADINGS, staff)
    rows = sorted(row for number in range(company.days) for row in company.day(number))
    write(
        folder / "logon.csv",
        ("id", "date", "user", "pc", "activity"),
        ((f"{{R{number:08d}}}", f"{when:{US}}", *rest) for number, (when, *rest) in enumerate(rows)),
    )
    acts = {
        user: (FIRST + timedelta(days=found[0]), FIRST + timedelta(days=found[-1]))
        for user, found in company.nights.items()
    }
    write(
        folder / "insiders.csv",
        ("user", "start", "end", "scenario"),
        (
            (user, f"{first:%m/%d/%Y} 00:00:00", f"{last:%m/%d/%Y} 23:59:59", "night")
            for user, (first, last) in acts.items()
        ),
    )
    return len(rows)


def team(user: str) -> str:
    return f"Team {int(user[1:]) % 20}"


def write(path: Path, headings: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    with path.open("w", newline="") as file:
        csv.writer(file).writerows((headings, *rows))


class Company:
    """Everybody works at a computer of their own, administrators at others' too; a few leave."""

    def __init__(self, rng: random.Random, people: int, months: int, insiders: int) -> None:
        self.rng = rng
        self.snapshots = [date(FIRST.year + month // 12, month % 12 + 1, 1) for month in range(months)]
        self.days = (self.snapshots[-1] - FIRST).days + 28
        self.users = [f"U{number:05d}" for number in range(people)]
        self.role = {user: rng.choice(ROLES) for user in self.users}
        self.habits = {user: (rng.gauss(8, 0.7), rng.gauss(9, 0.5)) for user in self.users}
        self.leaves = {user: rng.choice(self.snapshots[1:]) for user in rng.sample(self.users, people // 50)}
        staying = [user for user in self.users if user not in self.leaves and self.role[user] != "ITAdmin"]
        span = range(self.days // 2, self.days - 10)
        self.nights = {user: sorted(rng.sample(span, 6)) for user in rng.sample(staying, insiders)}

    def day(self, number: int) -> Iterator[Row]:
        day = FIRST + timedelta(days=number)
        midnight = datetime(day.year, day.month, day.day)  # noqa: DTZ001 as such logs are
        for user in self.users:
            if day >= self.leaves.get(user, date.max):
                continue
            if number in self.nights.get(user, ()):
                yield from self.night(user, midnight + timedelta(hours=self.rng.uniform(1, 3)))
            if day.weekday() < 5 and self.rng.random() > 0.05:
                yield from self.work(user, midnight)

    def work(self, user: str, midnight: datetime) -> Iterator[Row]:
        rng, (begins, lasts) = self.rng, self.habits[user]
        start = midnight + timedelta(hours=max(5, rng.gauss(begins, 0.3)))
        end = start + timedelta(hours=max(3, rng.gauss(lasts, 0.4)))
        several = self.role[user] == "ITAdmin" or rng.random() < 0.02
        others = rng.sample(self.users, rng.randint(1, 3)) if several else ()
        for place, owner in enumerate((user, *others)):
            yield start + timedelta(minutes=40 * place), user, f"PC-{owner[1:]}", "Logon"
            yield end + timedelta(minutes=3 * place), user, f"PC-{owner[1:]}", "Logoff"

    def night(self, user: str, clock: datetime) -> Iterator[Row]:
        for owner in self.rng.sample(self.users, 12):
            yield clock, user, f"PC-{owner[1:]}", "Logon"
            clock += timedelta(minutes=self.rng.uniform(1, 4))
            yield clock, user, f"PC-{owner[1:]}", "Logoff"


if __name__ == "__main__":
    print(make(Path(sys.argv[1]), *map(int, sys.argv[2:])), "rows")
