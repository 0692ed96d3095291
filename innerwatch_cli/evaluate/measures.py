"""The numbers, from what each company came to. docs/evaluation.md says what each means."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from statistics import median
from typing import Any, NamedTuple

from innerwatch_cli.evaluate.answers import Insider
from innerwatch_cli.evaluate.baselines import Score
from innerwatch_cli.evaluate.chain import Result
from innerwatch_cli.evaluate.counting import DAY
from innerwatch_cli.evaluate.flags import in_time, innocent

WITHIN = (0, 1, 2, 4, 7, 14)  # days after the first act by which an insider is found or not
PER = 10_000  # person-days
ALLOWED = 1.0  # wrongly flagged people per 10,000 person-days that a baseline may have, or as many as we have


class Finding(NamedTuple):
    company: str
    insider: Insider
    days: float | None  # from the first malicious act to the first right flag; None: never
    rules: tuple[str, ...]


def summary(results: Sequence[Result], compared: Iterable[str]) -> dict[str, Any]:
    findings = [finding for result in results for finding in findings_of(result)]
    right = {(result.name, flag.person) for result in results for flag in result.flags if flag.insider is not None}
    wrong = {(result.name, flag.person) for result in results for flag in result.flags if flag.insider is None}
    person_days = sum(result.person_days for result in results)
    days = sum(result.days for result in results)
    flagging = sum(sum(result.flagging.values()) for result in results)
    alerts = sum(sum(result.alerts.values()) for result in results)
    return {
        "companies": [result.name for result in results],
        "events": sum(result.events for result in results),
        "events_set_aside": sum(result.set_aside for result in results),
        "person_days": person_days,
        **figures(findings, len(right), len(wrong), person_days),
        "flagging_alerts_per_day": ratio(flagging, days),
        "alerts_per_day": ratio(alerts, days),
        "by_kind": by_kind(findings),
        "by_rule": by_rule(results, days),
        "baselines": {name: baseline(name, results, len(wrong)) for name in compared},
        "missed": [told(finding) for finding in findings if finding.days is None],
        "wrong": [
            {
                "company": result.name,
                "employee_id": person,
                "name": result.names.get(person, ""),
                "look_alike": result.answers.look_alikes.get(person),
                "rules": sorted({flag.rule for flag in result.flags if flag.person == person and flag.insider is None}),
            }
            for result in results
            for person in sorted({flag.person for flag in result.flags if flag.insider is None})
        ],
    }


def findings_of(result: Result) -> list[Finding]:
    found = []
    for place, insider in enumerate(result.answers.insiders):
        flags = [flag for flag in result.flags if flag.insider == place]
        days = (min(flag.time for flag in flags) - insider.first) / DAY if flags else None
        found.append(Finding(result.name, insider, days, tuple(sorted({flag.rule for flag in flags}))))
    return found


def figures(findings: Sequence[Finding], right: int, wrong: int, person_days: int) -> dict[str, Any]:
    """What every detector is measured by. `right` and `wrong` are numbers of people."""
    days = [finding.days for finding in findings if finding.days is not None]
    return {
        "planted": len(findings),
        "found": len(days),
        "recall": ratio(len(days), len(findings)),
        "precision": ratio(right, right + wrong),
        "wrongly_flagged_people": wrong,
        "wrongly_flagged_per_10000_person_days": ratio(PER * wrong, person_days),
        "median_days_to_detection": round(median(days), 2) if days else None,
        "median_days_missed_as_never": _median_with_missed(findings),
    }


def _median_with_missed(findings: Sequence[Finding]) -> float | None:
    """The median over all insiders, those never found counted as found after all others; None if it is one of those."""
    days = sorted(float("inf") if finding.days is None else finding.days for finding in findings)
    middle = median(days) if days else float("inf")
    return round(middle, 2) if middle != float("inf") else None


def ratio(part: float, whole: float) -> float | None:
    return round(part / whole, 4) if whole else None


def by_kind(findings: Iterable[Finding]) -> dict[str, Any]:
    kinds: dict[str, list[Finding]] = defaultdict(list)
    for finding in findings:
        kinds[finding.insider.kind].append(finding)
    return {
        kind: {
            "planted": len(some),
            "found": len(days),
            "recall": ratio(len(days), len(some)),
            "median_days_to_detection": round(median(days), 2) if days else None,
            "found_within_days": {limit: sum(day <= limit for day in days) for limit in WITHIN},
        }
        for kind, some in sorted(kinds.items())
        for days in [[finding.days for finding in some if finding.days is not None]]
    }


def by_rule(results: Sequence[Result], days: float) -> list[dict[str, Any]]:
    alerts = sum((result.alerts for result in results), Counter[str]())
    flagging = sum((result.flagging for result in results), Counter[str]())
    right: dict[str, set[tuple[str, str]]] = defaultdict(set)
    wrong: dict[str, set[tuple[str, str]]] = defaultdict(set)
    for result in results:
        for flag in result.flags:
            (wrong if flag.insider is None else right)[flag.rule].add((result.name, flag.person))
    return [
        {
            "rule": rule,
            "flags": bool(flagging[rule]),
            "alerts": count,
            "alerts_per_day": ratio(count, days),
            "insiders_flagged": len(right[rule]),
            "wrongly_flagged_people": len(wrong[rule]),
        }
        for rule, count in sorted(alerts.items(), key=lambda item: (-item[1], item[0]))
    ]


def told(finding: Finding) -> dict[str, Any]:
    return {
        "company": finding.company,
        "kind": finding.insider.kind,
        "employee_ids": list(finding.insider.people),
        "story": finding.insider.story,
    }


# --- baselines


def baseline(name: str, results: Sequence[Result], ours: int) -> dict[str, Any]:
    """The same figures for a baseline, at the threshold that finds most insiders with no more people flagged wrongly.

    The threshold is chosen with hindsight, on the very logs that it is judged on: no baseline can do better than this.
    """
    person_days = sum(result.person_days for result in results)
    allowed = max(ours, int(ALLOWED * person_days / PER))
    threshold = _threshold(name, results, allowed)
    findings: list[Finding] = []
    right: set[tuple[str, str]] = set()
    wrong: set[tuple[str, str]] = set()
    flagged = 0
    for result in results:
        first: dict[int, int] = {}
        for score in result.scores[name]:
            if score.value <= threshold:
                continue
            flagged += 1
            places = _places(score, result)
            if places:
                right.add((result.name, score.person))
            elif innocent(score.person, score.time, result.answers):
                wrong.add((result.name, score.person))
            for place in places:
                first[place] = min(score.time, first.get(place, score.time))
        for place, insider in enumerate(result.answers.insiders):
            days = (first[place] - insider.first) / DAY if place in first else None
            findings.append(Finding(result.name, insider, days, ()))
    return {
        "threshold": round(threshold, 4),
        **figures(findings, len(right), len(wrong), person_days),
        "flagging_alerts_per_day": ratio(flagged, sum(result.days for result in results)),
        "by_kind": by_kind(findings),
    }


def _places(score: Score, result: Result) -> list[int]:
    """The insiders whom a flag on that person-day finds."""
    return [
        place
        for place, insider in enumerate(result.answers.insiders)
        if score.person in insider.people and in_time(score.time, insider)
    ]


def _threshold(name: str, results: Sequence[Result], allowed: int) -> float:
    """The lowest above which no more than `allowed` people are flagged wrongly."""
    worst: dict[tuple[str, str], float] = {}
    for result in results:
        for score in result.scores[name]:
            key = result.name, score.person
            if score.value > worst.get(key, float("-inf")) and innocent(score.person, score.time, result.answers):
                worst[key] = score.value
    values = sorted(worst.values(), reverse=True)
    return values[allowed] if allowed < len(values) else float("-inf")
