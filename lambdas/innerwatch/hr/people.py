"""One row of any HR feed, already cut into our fields, as a checked Change: what all formats share."""

import re
import sys
from collections.abc import Callable, Iterable, Sequence
from collections.abc import Mapping as MappingType
from typing import Any, TypeVar

from innerwatch.directory import employment
from innerwatch.hr import accounts, dates
from innerwatch.hr.mapping import Mapping
from innerwatch.values import BadRow, Change, Holding

Value = TypeVar("Value")
Found = Sequence[Change | Holding | BadRow]
"""All that was read of a feed, in order."""

# Our fields, and the headings under which reports of Workday, BambooHR and others carry them, reduced to letters and
# digits; the first that a report has is taken. Field lists: https://community.workday.com (report-as-a-service),
# https://documentation.bamboohr.com/docs/list-of-field-names
HEADINGS: dict[str, tuple[str, ...]] = {
    "employee_id": (
        "employeeid",
        "workerid",
        "employeenumber",
        "employeeno",
        "employee#",
        "emplid",
        "empid",
        "personnelnumber",
        "personnumber",
        "staffid",
        "staffnumber",
        "associateid",
        "eeid",
        "personid",
        "worker.id",
        "id",
    ),
    "name": (
        "name",
        "fullname",
        "fullname1",
        "displayname",
        "preferredname",
        "legalname",
        "workername",
        "employeename",
        "worker",
        "worker.descriptor",
        "descriptor",
    ),
    "first_name": ("firstname", "givenname", "preferredfirstname", "legalfirstname"),
    "last_name": ("lastname", "surname", "familyname", "preferredlastname", "legallastname"),
    "email": (
        "email",
        "emailaddress",
        "workemail",
        "emailwork",
        "emailprimarywork",
        "primaryworkemail",
        "primaryworkemailaddress",
        "businessemail",
        "workemailaddress",
        "companyemail",
        "bestemail",
        "mail",
    ),
    "username": ("username", "login", "loginname", "networklogin", "userid", "userprincipalname", "samaccountname"),
    "identity_center_user_id": ("identitycenteruserid", "identitycenterid", "identitystoreuserid", "ssouserid"),
    "iam_user": ("iamuser", "iamusers", "iamusername", "awsuser", "iamuserarn"),
    "role": (
        "role",
        "jobtitle",
        "businesstitle",
        "title",
        "positiontitle",
        "jobprofile",
        "jobprofilename",
        "jobrole",
        "position",
    ),
    "department": (
        "department",
        "departmentname",
        "dept",
        "supervisoryorganization",
        "primarysupervisoryorganization",
        "organization",
        "organisation",
        "orgunit",
        "costcentername",
        "costcenter",
    ),
    "team": ("team", "teamname", "workteam", "squad", "subdepartment"),
    "location": ("location", "locationname", "worklocation", "primarylocation", "office", "site", "worksite", "city"),
    "time_zone": ("timezone", "tz", "workertimezone", "locationtimezone"),
    "shift": ("shift", "workinghours", "workshift", "workschedule"),
    "manager_id": (
        "managerid",
        "manageremployeeid",
        "managersemployeeid",
        "managerworkerid",
        "supervisoreid",
        "supervisorid",
        "manageremployeenumber",
        "reportstoid",
        "managernumber",
    ),
    "type": ("type", "workertype", "employeetype", "employmenttype", "personnelgroup", "workersubtype"),
    "status": (
        "status",
        "employmentstatus",
        "workerstatus",
        "employeestatus",
        "activestatus",
        "workeractive",
        "active",
    ),
    "hired_at": (
        "hiredat",
        "hiredate",
        "startdate",
        "dateofhire",
        "datehired",
        "originalhiredate",
        "joindate",
        "dateofjoining",
        "employmentstartdate",
        "companystartdate",
        "originalstartdate",
    ),
    "notice_at": (
        "noticeat",
        "noticedate",
        "resignationdate",
        "notificationdate",
        "noticegivendate",
        "dateofresignation",
        "resignationnotificationdate",
        "terminationnotificationdate",
        "resignationsubmitteddate",
    ),
    "last_day": (
        "lastday",
        "lastworkingdate",
        "lastworkingday",
        "lastdayofwork",
        "terminationdate",
        "enddate",
        "exitdate",
        "leavedate",
        "leavingdate",
        "dateofleaving",
        "employmentenddate",
        "contractenddate",
        "separationdate",
    ),
    "effective_date": ("effectivedate", "effectivefrom", "validfrom", "effective"),
}
FIELDS = tuple(HEADINGS)

LONGEST = 4096  # bytes of a value: all of an employee's must fit into one item of the directory's table
LONGEST_KEY = 900  # bytes of what people and accounts are found by: a sort key holds 1024
KEYS = frozenset({"employee_id", "email", "username", "identity_center_user_id", "iam_user"})
NAME_PARTS = frozenset({"name", "first_name", "last_name"})

STATUS_WORDS: dict[str, str] = {
    **dict.fromkeys(("active", "employed", "current", "working", "a", "true", "yes", "y", "1", "enabled"), "active"),
    # An employment status that is a kind of contract instead: who has one is employed.
    **dict.fromkeys(("full-time", "part-time", "full time", "part time", "permanent", "regular", "intern"), "active"),
    **dict.fromkeys(("contractor", "contingent", "temporary", "fixed term", "furloughed"), "active"),
    **dict.fromkeys(("leave", "on leave", "loa", "leave of absence", "sabbatical", "l"), "leave"),
    **dict.fromkeys(("notice", "on notice", "notice period", "resigned", "leaving", "resignation"), "notice"),
    **dict.fromkeys(
        ("terminated", "inactive", "former", "left", "separated", "retired", "deceased", "dismissed", "t", "false",
         "no", "n", "0", "disabled", "exited", "laid off"),
        "terminated",
    ),
    **dict.fromkeys(("pre_hire", "pre-hire", "prehire", "pre hire", "future", "future hire", "onboarding",
                     "not started", "offer accepted", "p"), "pre_hire"),
}  # fmt: skip
# Of several words in a report's own names, these tell; whoever is none of them is an employee.
TYPE_WORDS = (
    ("vendor", re.compile(r"vendor|supplier|partner|external|service provider|outsourc", re.IGNORECASE)),
    (
        "contractor",
        re.compile(r"contract|contingent|consult|freelanc|agency|temp\b|temporary worker|csw", re.IGNORECASE),
    ),
)


def plain(heading: str) -> str:
    """A heading without what varies: `Worker ID`, `worker_id` and `Worker_ID` are one."""
    return re.sub(r"[^a-z0-9#.]", "", heading.lower()).removesuffix(".")


def known_columns(
    headings: Iterable[str], usual_headings: MappingType[str, tuple[str, ...]] = HEADINGS
) -> dict[str, tuple[str, ...]]:
    """Our fields, as far as the headings are usual ones."""
    found: dict[str, str] = {}
    for heading in headings:
        found.setdefault(plain(heading), heading)
    return {
        name: (next(found[usual] for usual in usual_names if usual in found),)
        for name, usual_names in usual_headings.items()
        if any(usual in found for usual in usual_names)
    }


def change(line: int, values: MappingType[str, str], mapping: Mapping) -> Change | BadRow:
    """A row whose `values` go by our field names; what the feed has no column for is not among them."""
    employee_id, email = values.get("employee_id", "").strip(), values.get("email", "").strip()
    if "employee_id" in values and not employee_id:
        return BadRow(line, "employee_id is empty; expected the person's id", email=email)
    try:
        for name, value in values.items():
            _field(name, checked_length, value, LONGEST_KEY if name in KEYS else LONGEST)
        attributes = {name: _read(name, values[name], mapping) for name in values if name in READ}
        if NAME_PARTS & values.keys():
            attributes["name"] = _name(values)
            _field("name", checked_length, attributes["name"], LONGEST)
        accounts_stated = _accounts(values)
        effective = _field("effective_date", dates.when, values.get("effective_date", ""), mapping.date_format)
    except ValueError as error:
        return BadRow(line, str(error), employee_id, email)
    return Change(line, employee_id, attributes, accounts_stated, effective)


def checked_length(text: str, longest: int) -> None:
    if len(text.encode()) > longest:
        raise ValueError(f"it has {len(text.encode())} bytes; expected at most {longest}")


def _read(name: str, value: str, mapping: Mapping) -> str:
    return _field(name, READ[name], value.strip(), mapping)


def _field(name: str, read: Callable[..., Value], *arguments: Any) -> Value:
    """What `read` makes of a field; a complaint of its begins with the field's name."""
    try:
        return read(*arguments)
    except ValueError as error:
        raise ValueError(f"{name}: {error}") from error


def _accounts(values: MappingType[str, str]) -> dict[str, tuple[str, ...]]:
    stated: dict[str, dict[str, None]] = {}
    for name, (kind, read) in ACCOUNTS.items():
        if name in values:
            stated.setdefault(kind, {})
            for item in _field(name, accounts.several, values[name], read):
                stated.setdefault(item.partition(":")[0], {})[item] = None
    return {kind: tuple(items) for kind, items in stated.items()}


def _name(values: MappingType[str, str]) -> str:
    parts = (values.get("first_name", ""), values.get("last_name", ""))
    return values.get("name", "") or " ".join(part for part in parts if part)


def _status(text: str, mapping: Mapping) -> str:
    word = text.strip().lower()
    if not word:
        return ""
    found = mapping.statuses.get(word) or STATUS_WORDS.get(word)
    if found is None and "leave" in word and "leaver" not in word:
        found = "leave"
    if found is None and word.startswith("terminated"):
        found = "terminated"
    if found is None:
        raise ValueError(
            f"{text[:60]!r} is not known; expected {', '.join(employment.STATUSES)}, or a line under `statuses` in the "
            "mapping"
        )
    return found


def _type(text: str, mapping: Mapping) -> str:
    if not text.strip():
        return ""
    named = mapping.types.get(text.strip().lower())
    return named or next((name for name, words in TYPE_WORDS if words.search(text)), "employee")


def _time_zone(text: str, mapping: Mapping) -> str:  # noqa: ARG001 read as all checked fields are
    employment.zone(text)
    return sys.intern(text)


def _shift(text: str, mapping: Mapping) -> str:  # noqa: ARG001 as above
    employment.working_hours(text)
    return sys.intern(text)


def _email(text: str, mapping: Mapping) -> str:  # noqa: ARG001 as above
    if text and "@" not in text:
        raise ValueError(f"{text[:60]!r} is no mail address")
    return text


def _day(text: str, mapping: Mapping) -> str:
    return dates.day(text, mapping.date_format)


def _as_it_is(text: str, mapping: Mapping) -> str:  # noqa: ARG001 as above
    return sys.intern(text)  # many people have the same


READ: dict[str, Callable[[str, Mapping], str]] = {
    **dict.fromkeys(("role", "department", "team", "location", "manager_id"), _as_it_is),
    **dict.fromkeys(("hired_at", "notice_at", "last_day"), _day),
    "email": _email,
    "status": _status,
    "type": _type,
    "time_zone": _time_zone,
    "shift": _shift,
}
ACCOUNTS: dict[str, tuple[str, Callable[[str], str]]] = {
    "email": ("email", lambda text: f"email:{text.lower()}"),
    "username": ("username", accounts.username),
    "identity_center_user_id": ("identity_center", lambda text: f"identity_center:{text.lower()}"),
    "iam_user": ("iam_user", accounts.iam_user),
}


def flattened(entry: MappingType[str, Any]) -> dict[str, str]:
    """A JSON entry as headings and texts: nested names with dots, of a list the first item.

    An object with a `descriptor`, as Workday writes references, also stands for it under its own name.
    """
    found: dict[str, str] = {}

    def add(name: str, value: Any) -> None:
        if isinstance(value, list):
            value = value[0] if value else ""
        if isinstance(value, dict):
            for key, inner in value.items():
                add(f"{name}.{key}" if name else str(key), inner)
            shown = value.get("descriptor", value.get("Descriptor"))
            if name and isinstance(shown, str):
                found.setdefault(name, shown)
        elif isinstance(value, bool):
            found[name] = "true" if value else "false"
        elif isinstance(value, str | int | float):
            found[name] = str(value).strip()
        elif value is None:
            found[name] = ""

    add("", dict(entry))
    return found


def picked(row: MappingType[str, str], columns: MappingType[str, tuple[str, ...]]) -> dict[str, str]:
    """The cells of a row by our field names; a field whose column the row lacks is left out."""
    return {
        field: " ".join(row[name] for name in names if row.get(name))
        for field, names in columns.items()
        if any(name in row for name in names)
    }
