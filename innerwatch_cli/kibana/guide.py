"""The investigation guide of a detection rule, in Markdown, made from the rule; and how to set the rule up."""

from pathlib import Path

from innerwatch.detection.rules import CompiledRule, tests
from innerwatch_cli.kibana import spaces
from innerwatch_cli.sigma.output import qstr

DAYS = 30
DASHBOARDS = {  # in infra/kibana, by id: what its link says
    "innerwatch-person": "The person: alerts, customers touched, systems and hours of one employee",
    "innerwatch-customers": "Customers touched, by whom and why",
}
# Ends every guide: what an analyst writes below it is kept when the rule is renewed.
NOTES = ("Notes", "Yours: what you write below this line stays when Innerwatch renews the rule.")
# Beginnings of the fields that a rule asks for → what to check then.
CHECKS: tuple[tuple[tuple[str, ...], str], ...] = (
    (
        ("employee.status", "employee.days_to_exit", "employee.last_day", "employee.notice_at", "employee.type"),
        (
            "Is the employment as HR has it? `employee.as_of` says when HR's record was read; a last day that was "
            "moved and entered late looks like this."
        ),
    ),
    (
        ("employee.role", "employee.department", "employee.team", "employee.location", "employee.manager"),
        "Is it still the person's job? A transfer that HR entered late looks like this.",
    ),
    (
        ("employee.on_shift",),
        "Was the person asked to work then: on call, overtime, travel, a swapped shift?",
    ),
    (
        ("access.case", "access.justification"),
        "Is there a case after all: opened later, in another system, mistyped?",
    ),
    (
        ("access.customer", "access.fields", "access.records", "access.bytes"),
        (
            "Which customers (`access.customer.id`) and which of their data (`access.fields`)? Are they colleagues, "
            "relatives or public figures, and have they anything in common?"
        ),
    ),
    (("email.to",), "Whose address is it (`email.to.address`), and has anybody else in the company written to it?"),
    (
        ("source.", "user_agent."),
        "Are address and program (`source.ip`, `user_agent.original`) those that the person always uses?",
    ),
    (
        (
            "aws.cloudtrail.match",
            "aws.cloudtrail.flattened",
            "aws.cloudtrail.request_parameters",
            "aws.cloudtrail.response_elements",
        ),
        (
            "What exactly was asked for (`aws.cloudtrail.flattened.request_parameters`), and what did AWS answer "
            "(`aws.cloudtrail.flattened.response_elements`, `aws.cloudtrail.error_code`)?"
        ),
    ),
)
OF_SOURCE = {
    "app.access": "What did the person do just before and after, with which customers?",
    "aws.cloudtrail": "Was it announced (a change ticket, a deployment, an incident), and by whom? What did the person "
    "do just before and after?",
}
CERTAINTY = (
    "How sure is it that it was this person? `employee.resolution.confidence` is `certain` or `asserted` where the "
    "login says so; at `guessed` the caller chose the name; `employee.resolution.reason` says why nobody was found."
)
WHO = (
    "`employee.id`, `employee.name`, `employee.role`, `employee.department`, `employee.manager.id`, `employee.type`, "
    "`employee.status` and `employee.days_to_exit` are the person's as of the event's own time, not of today."
)


SCOPE = (
    "```\ninnerwatch scope --employee ID --from DAY --to DAY\n```\n\n"
    "ID is `employee.id`. It lists the customers whose data the person saw, with the bounds of their number."
)
SCOPE_OF_ALERT = (
    "`access.customer.id` lists those in the evidence. For all whose data these people saw:\n\n"
    "```\ninnerwatch scope --alert ID\n```\n\n"
    "ID is the `event.id` of Innerwatch's alert. It gives the bounds of their number, too."
)
RECORDED = (
    "`log.file.path` names the object (bucket, key, version) and `log.offset` the record or line in it, from 1. "
    "Whether the event says what the raw record says, and whether CloudTrail signed the object:\n\n"
)
PROOF = (
    f"{RECORDED}```\ninnerwatch evidence ID\n```\n\nID is the event's own: `kibana.alert.ancestors.id`. "
    "`--json` gives the whole proof, for a file."
)
PROOF_OF_ALERT = (
    f"Of each event in the evidence, {RECORDED}```\ninnerwatch evidence ID\n```\n\nID is the `event.id` of "
    "Innerwatch's alert. `--json` gives the whole proof, for a file."
)


def guide(rule: CompiledRule, stream: str, links: str) -> str:
    """`links` are what `dashboards` makes."""
    fields = tuple(test.field for test in tests(rule.condition))
    checks = [text for prefixes, text in CHECKS if any(field.startswith(prefixes) for field in fields)]
    return _sections(
        ("What it means", rule.description or rule.title),
        ("Who it was", WHO),
        ("What to check", _list([CERTAINTY, *checks, OF_SOURCE[rule.dataset]])),
        ("False positives", _list(rule.falsepositives) or "None are known to the rule's author."),
        ("Who else", _who_else(rule, stream)),
        ("Which customers", SCOPE),
        ("Raw record and proof", PROOF),
        ("Dashboards", links),
        NOTES,
    )


def with_notes(new: str, current: str) -> str:
    """A new guide with what an analyst wrote below the end of the current one, or in its place."""
    end = _sections(NOTES)
    if end in current:
        return new + current.partition(end)[2]
    return f"{new}\n\n{current}" if current.strip() else new


def dashboards(space: str = spaces.DEFAULT, base: str = "") -> str:
    """Links to our dashboards in a space; `base` is Kibana's base path."""
    path = f"{spaces.path(space, base)}/app/dashboards#/view"
    return _list([f"[{title}]({path}/{spaces.identity(one, space)})" for one, title in DASHBOARDS.items()])


def _who_else(rule: CompiledRule, stream: str) -> str:
    command = f"innerwatch backtest {Path(rule.path).name} --days {DAYS}"
    query = (
        f"FROM {stream}\n"
        f"| WHERE @timestamp >= NOW() - {DAYS} days\n"
        f"| WHERE {qstr(rule.query)}\n"
        "| STATS events = COUNT(*), first_event = MIN(@timestamp), last_event = MAX(@timestamp)"
        " BY employee.id, employee.role, employee.department\n"
        "| SORT events DESC\n"
        "| LIMIT 100"
    )
    return (
        f"In Discover, with ES|QL:\n\n```\n{query}\n```\n\n"
        f"On the command line, beside the rule's file, with days, roles and the values that stand out:\n\n"
        f"```\n{command}\n```"
    )


def setup(rule: CompiledRule, stream: str) -> str:
    """Names the rule's own id: a copy that an analyst makes in Kibana has another."""
    return (
        f"Made from the Sigma rule `{rule.id}`. It reads the data stream `{stream}`, which Innerwatch writes, with "
        "Innerwatch's index template: it compares text without regard to case only there. `employee` fields need an HR "
        "feed."
    )


def promotion_guide(links: str) -> str:
    return _sections(
        (
            "What it means",
            (
                "Innerwatch's detection engine found what a rule describes (`rule.name`, `rule.description`): one that "
                "counts over sliding windows or compares what a query cannot. `innerwatch.alert.reason` says in one "
                "sentence who did what, how often and since when."
            ),
        ),
        ("Who it was", f"{WHO} `innerwatch.alert.employee.id` lists everybody in the evidence."),
        (
            "What to check",
            _list(
                [
                    CERTAINTY,
                    (
                        "The events behind it: `innerwatch.alert.evidence.id` lists their `event.id`s, "
                        "`innerwatch.alert.evidence.index` the data streams that hold them."
                    ),
                    (
                        "Does it go on? An alert grows with its evidence, and Kibana's alert shows it as it was first "
                        "raised; the document with the same `event.id` has the latest."
                    ),
                ]
            ),
        ),
        ("False positives", "Those of the rule that `rule.name` names are in its Sigma file, under `falsepositives`."),
        ("Who else", f"```\ninnerwatch backtest RULE --days {DAYS}\n```\n\nRULE is that Sigma file."),
        ("Which customers", SCOPE_OF_ALERT),
        ("Raw records and proof", PROOF_OF_ALERT),
        ("Dashboards", links),
        NOTES,
    )


def promotion_setup(identity: str, stream: str) -> str:
    return (
        f"Innerwatch's promotion rule `{identity}`. It reads the data stream `{stream}`, which `innerwatch detect` "
        "writes: run that on a schedule."
    )


def _list(items: tuple[str, ...] | list[str]) -> str:
    return "\n".join(f"- {item}" for item in items)


def _sections(*sections: tuple[str, str]) -> str:
    return "\n\n".join(f"## {title}\n\n{text}" for title, text in sections)
