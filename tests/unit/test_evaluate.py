"""What `innerwatch evaluate` counts: whom it takes for found and for wrongly flagged, and what its figures say."""

import json
import random
from collections.abc import Sequence
from pathlib import Path

import pytest

from innerwatch import pipeline
from innerwatch.behaviour import DATASET as BEHAVIOUR
from innerwatch.detection.predicate import compiled
from innerwatch.detection.rules import All, AnyOf, CompiledRule, FieldTest, Not
from innerwatch.detection.ruleset import ACTION, needs
from innerwatch.detection.windows import Match
from innerwatch.directory import in_memory
from innerwatch.errors import UserError
from innerwatch.values import Event
from innerwatch_cli.commands import evaluate as command
from innerwatch_cli.evaluate import baselines, companies, flags, measures
from innerwatch_cli.evaluate.answers import Answers, Insider
from innerwatch_cli.evaluate.baselines import Score
from innerwatch_cli.evaluate.chain import Result
from innerwatch_cli.evaluate.counting import DAY, MEASURES, Counting
from innerwatch_cli.evaluate.matching import Alert, Matcher
from innerwatch_cli.paths import RULES
from innerwatch_cli.sigma import compile_rules
from innerwatch_cli.simulate import simulate

ROOT = Path(__file__).parents[2]
START = 1_772_409_600_000  # 2 March 2026


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("company") / "logs"
    simulate(seed=3, people=20, days=14, out=folder)
    return folder


# --- which rules are asked


def equals(field: str, value: str, *, cased: bool = False) -> FieldTest:
    return FieldTest(field, "equals", value, cased=cased)


@pytest.mark.parametrize(
    ("condition", "values"),
    [
        (equals(ACTION, "view"), {"view"}),
        (equals(ACTION, "view", cased=True), None),  # the value is not folded
        (equals("event.outcome", "view"), None),
        (AnyOf((equals(ACTION, "view"), equals(ACTION, "read"))), {"view", "read"}),
        (AnyOf((equals(ACTION, "view"), equals("event.outcome", "failure"))), None),
        (All((equals("event.outcome", "failure"), equals(ACTION, "view"))), {"view"}),
        (Not(equals(ACTION, "view")), None),
        (FieldTest(ACTION, "startswith", "Get"), None),
    ],
)
def test_the_values_that_a_match_needs(condition: FieldTest | All | AnyOf | Not, values: set[str] | None) -> None:
    assert needs(condition, ACTION) == values


def test_every_rule_matches_exactly_what_its_own_predicate_matches(small: Path) -> None:
    company = companies.load(small)
    rules = compile_rules([RULES])
    matcher = Matcher(rules)
    people = in_memory(company.feeds)
    items = pipeline.enriched(company.logs(), people, "test", company.customers, company.cases)
    events = random.Random(1).sample([item for item in items if isinstance(item, Event)], 2000)
    for event in events:
        matcher.add(event)
    asked = {rule.id for rule in matcher.run} | {
        s.rule for r in matcher.run if r.correlation for s in r.correlation.sources
    }
    compared = 0
    for rule in rules:
        if rule.condition is None or rule.id not in asked:
            continue
        holds = compiled(rule.condition)
        expected = [event.id for event in events if event.dataset == rule.dataset and holds(event.document)]
        assert [match.id for match in matcher.matches[rule.id]] == expected, rule.title
        compared += len(expected)
    assert compared > 1000


# --- who is flagged, and whether rightly


def alert(times: dict[str, int], person: str = "e-1", level: str = "high", ends: Sequence[int] = ()) -> Alert:
    """An alert with evidence by id, an hour after START for each hour given."""
    evidence = tuple(
        Match("base", START + hours * 3_600_000, name, "app.access", {"employee.id": (person,)})
        for name, hours in times.items()
    )
    fired = tuple(START + hours * 3_600_000 for hours in ends) or tuple(match.time for match in evidence)
    return Alert(CompiledRule(id="r", title="Rule", level=level), "a", evidence, fired)


def answers(*acts: str, first: int = 10, last: int = 20, people: tuple[str, ...] = ("e-1",)) -> Answers:
    span = START + first * 3_600_000, START + last * 3_600_000
    return Answers((Insider("theft", people, *span, acts=frozenset(acts) if acts else None),), {})


def test_an_alert_with_an_act_in_it_finds_the_insider_when_it_first_fires_with_it() -> None:
    (flag,) = flags.flags(alert({"other": 9, "act": 12, "more": 15}, ends=(13, 15)), answers("act"))
    assert (flag.insider, flag.time) == (0, START + 13 * 3_600_000)


def test_an_alert_without_an_act_does_not_find_the_insider_and_is_wrong_only_before_the_first_act() -> None:
    assert not list(flags.flags(alert({"other": 12}), answers("act")))
    (flag,) = flags.flags(alert({"other": 9}), answers("act"))
    assert flag.insider is None


def test_who_is_flagged_before_the_first_act_is_flagged_wrongly_and_later_found() -> None:
    found = list(flags.flags(alert({"other": 2, "act": 12}), answers("act")))
    assert [(flag.insider, flag.time) for flag in found] == [
        (0, START + 12 * 3_600_000),
        (None, START + 2 * 3_600_000),
    ]


def test_another_persons_acts_find_nobody() -> None:
    (flag,) = flags.flags(alert({"act": 12}, person="e-2"), answers("act"))
    assert (flag.person, flag.insider) == ("e-2", None)


def test_the_application_before_an_events_id_does_not_matter() -> None:
    (flag,) = flags.flags(alert({"console:act": 12}), answers("act"))
    assert flag.insider == 0


@pytest.mark.parametrize("level", ["low", "medium", "informational"])
def test_alerts_of_lower_levels_flag_nobody(level: str) -> None:
    assert not list(flags.flags(alert({"act": 12}, level=level), answers("act")))


@pytest.mark.parametrize(("hours", "insiders"), [(9, [None]), (10, [0]), (20, [0]), (21, [])])
def test_without_ids_of_acts_the_time_counts(hours: int, insiders: list[int | None]) -> None:
    assert [flag.insider for flag in flags.flags(alert({"any": hours}), answers())] == insiders


@pytest.mark.parametrize(
    ("days_after", "insiders"), [(-1, [None]), (0, [0]), (1, [0]), (7, [0]), (9, [])]
)  # fmt: skip
def test_a_behaviour_document_counts_on_the_days_of_the_acts_and_the_week_after(
    days_after: int, insiders: list[int | None]
) -> None:
    end_of_day = START + DAY + days_after * DAY - 1
    evidence = (Match("base", end_of_day, "document", BEHAVIOUR, {"employee.id": ("e-1",)}),)
    risky = Alert(CompiledRule(id="r", title="Risk", level="high"), "a", evidence, (end_of_day,))
    assert [flag.insider for flag in flags.flags(risky, answers("act"))] == insiders


# --- figures


def result(name: str, given: Answers, *found: flags.Flag, scores: Sequence[Score] = ()) -> Result:
    made = Result(name, given, events=10, first=START, last=START + 10 * DAY, person_days=10_000)
    made.flags += found
    made.scores["baseline"] = list(scores)
    return made


def test_figures_add_up_over_companies() -> None:
    hour = 3_600_000
    first = START + 10 * hour
    one = result(
        "one",
        answers("act"),
        flags.Flag("e-1", first + DAY, "Rule", 0),
        flags.Flag("e-1", first + 5 * DAY, "Other", 0),
        flags.Flag("e-9", START, "Rule", None),
        flags.Flag("e-9", START + DAY, "Rule", None),
    )
    two = result("two", answers("act"), flags.Flag("e-9", START, "Rule", None))
    figures = measures.summary([one, two], [])
    assert (figures["planted"], figures["found"], figures["recall"]) == (2, 1, 0.5)
    assert figures["wrongly_flagged_people"] == 2  # the same id in two companies is two people
    assert figures["wrongly_flagged_per_10000_person_days"] == 1.0
    assert figures["precision"] == round(1 / 3, 4)
    assert figures["median_days_to_detection"] == 1.0
    assert figures["median_days_missed_as_never"] is None
    assert figures["by_kind"]["theft"]["found_within_days"] == {0: 0, 1: 1, 2: 1, 4: 1, 7: 1, 14: 1}
    assert [missed["company"] for missed in figures["missed"]] == ["two"]


def test_a_baseline_gets_the_threshold_that_suits_it_best() -> None:
    """Two wrong people are allowed for 20,000 person-days: the third worst one's score is the threshold."""
    hour = 3_600_000
    act = START + 10 * hour
    scores = [
        Score(9.0, "wrong-1", START + DAY),
        Score(8.0, "wrong-2", START + DAY),
        Score(7.8, "wrong-4", START + DAY),
        Score(5.0, "wrong-3", START + DAY),
        Score(7.0, "wrong-3", START + 30 * DAY),
        Score(7.5, "e-1", START + DAY),  # the day of the acts
        Score(99.0, "e-1", START + 60 * DAY),  # long after the acts: neither right nor wrong
    ]
    given = answers("act")
    one, two = result("one", given, scores=scores[:5]), result("two", given, scores=scores[5:])
    found = measures.baseline("baseline", [one, two], 0)
    assert found["threshold"] == 7.8
    assert (found["wrongly_flagged_people"], found["found"]) == (2, 0)
    found = measures.baseline("baseline", [one, two], 3)  # as many as we flag wrongly, if that is more
    assert found["threshold"] == 7.0
    assert (found["wrongly_flagged_people"], found["found"]) == (3, 1)
    assert found["median_days_to_detection"] == round((START + DAY - act) / DAY, 2)


def counted(days: int, people: int, odd_day: int) -> Counting:
    """Everybody does about the same every day, but e-0 on one day."""
    rng = random.Random(5)
    made = Counting()
    for day in range(days):
        for person in range(people):
            counts = {name: rng.randint(8, 12) for name in MEASURES}
            if person == 0 and day == odd_day:
                counts = dict.fromkeys(MEASURES, 100)
            made.days[day][f"e-{person}"] = counts
            made.roles[f"e-{person}", day] = "agent"
    return made


@pytest.mark.parametrize("name", list(baselines.BASELINES))
def test_each_baseline_sees_the_odd_day_and_only_looks_back(name: str) -> None:
    pytest.importorskip("sklearn", reason="scikit-learn is not installed")
    scores = {(score.person, score.time): score.value for score in baselines.BASELINES[name](counted(30, 20, 25))}
    assert ("e-0", 26 * DAY) in sorted(scores, key=scores.__getitem__)[-10:]  # of 320
    until = {(score.person, score.time): score.value for score in baselines.BASELINES[name](counted(30, 20, 29))}
    before = {key: value for key, value in scores.items() if key[1] <= 25 * DAY}
    assert before
    assert before.items() <= until.items()  # what comes later changes nothing


# --- a whole company


def test_the_command_tells_the_figures_and_what_it_leaves_out(
    small: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(command, "find_spec", lambda name: None)
    command.evaluate.main([str(small), "--json"], standalone_mode=False)
    told = capsys.readouterr()
    assert told.err.splitlines() == ["the isolation forest is left out: scikit-learn is not installed"]
    figures = json.loads(told.out)
    truth = json.loads((small / "truth.json").read_bytes())
    assert figures["planted"] == len(truth["insiders"]) == 6
    assert figures["found"] >= 3
    assert figures["events_set_aside"] == 0
    assert 20 * 10 < figures["person_days"] <= 20 * 15
    assert list(figures["baselines"]) == ["static threshold per role", "own z-score"]
    documented = (ROOT / "docs" / "evaluation.md").read_text()
    assert [key for key in figures if f"`{key}`" not in documented] == []


def test_figures_are_shown_as_tables(small: Path, capsys: pytest.CaptureFixture[str]) -> None:
    command.show(measures.summary([result("one", answers("act"), flags.Flag("e-9", START, "A rule [/red]", None))], []))
    told = capsys.readouterr().out
    assert "0.50" not in told
    assert "missed one: theft" in told
    assert "wrong  one: e-9: A rule [/red]" in told


def test_a_folder_with_nothing_to_evaluate_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"neither a truth\.json nor an evaluation\.yml"):
        companies.load(tmp_path)
