"""Who counts as flagged, and whether rightly: the one place that says so.

A person is flagged when the analyst is shown them as somebody to look at: by an alert of a rule whose level is high or
critical, rules on behaviour documents among them (one of those fires on the person's risk). Alerts of lower levels are
there to be read with it, and feed the risk; by themselves they flag nobody.
"""

from collections.abc import Iterator
from typing import NamedTuple

from innerwatch.behaviour import DATASET as BEHAVIOUR
from innerwatch.detection.windows import Match
from innerwatch_cli.evaluate.answers import Answers, Insider
from innerwatch_cli.evaluate.matching import Alert
from innerwatch_cli.scorecard import own_id

LEVELS = frozenset({"high", "critical"})
DAY = 86_400_000
# A day's document is no act itself: it counts if its day lies among the acts' or so soon after them. Risk takes time to
# gather, but a flag a month later is no find.
LINGER = 7 * DAY


class Flag(NamedTuple):
    person: str
    time: int  # when the analyst could first see it
    rule: str  # title
    insider: int | None  # place in the answers; None: the person is flagged wrongly


def flags(alert: Alert, answers: Answers) -> Iterator[Flag]:
    """What an alert says of each person in it.

    It is right about an insider where its evidence holds one of their acts, from the first time that it fires with the
    act in it. It is wrong about everybody else, and about an insider who has not done anything yet. An alert about
    something else that an insider did later is neither.
    """
    if alert.rule.level not in LEVELS:
        return
    for person in alert.people:
        for place, insider in enumerate(answers.insiders):
            times = [match.time for match in alert.evidence if is_act(match, person, insider)]
            if times:
                shown = next((end for end in alert.ends if end >= times[0]), alert.evidence[-1].time)
                yield Flag(person, shown, alert.rule.title, place)
        if innocent(person, alert.ends[0], answers):
            yield Flag(person, alert.ends[0], alert.rule.title, None)


def innocent(person: str, time: int, answers: Answers) -> bool:
    """Whether somebody had not done anything by then."""
    return all(time < insider.first for insider in answers.of(person))


def is_act(match: Match, person: str, insider: Insider) -> bool:
    if person not in insider.people:
        return False
    if match.stream == BEHAVIOUR:
        return in_time(match.time, insider)
    named = match.fields.get("employee.id", ())
    if named and person not in named:
        return False
    if insider.acts is not None:
        return own_id(match.id) in insider.acts
    return insider.first <= match.time <= insider.last


def in_time(end_of_day: int, insider: Insider) -> bool:
    """Whether a day, by its end, is one on which a flag is right."""
    return insider.first <= end_of_day and end_of_day - DAY <= insider.last + LINGER
