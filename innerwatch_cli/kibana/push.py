"""What a push changes in Kibana: the rules that we made against those that are there.

Ours are the fields that our rules have; all others are the analysts', and so are these within ours: whether a rule is
enabled, what stands below the guide's last heading, tags that no rule of ours can have.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from innerwatch.errors import UserError
from innerwatch_cli.kibana import guide
from innerwatch_cli.kibana.client import OURS, Conflict, Kibana
from innerwatch_cli.kibana.rules import Rule

REMOVED = "Innerwatch: removed from the pack"
# Tags that rules of ours carry: what `rules` adds, and Sigma's, which have a namespace:
# https://sigmahq.io/sigma-specification/specification/sigma-appendix-tags.html
NAMESPACES = ("attack", "car", "cve", "d3fend", "detection", "stp", "tlp")
OUR_TAGS = re.compile(rf"{OURS}(?:: .*)?|Promotion|(?:Domain|Data Source|Tactic): .*|(?:{'|'.join(NAMESPACES)})\..*")
# What PATCH cannot take away, so that the rule is put anew.
UNSETTABLE = ("building_block_type",)
# What Kibana adds to a rule and takes from nobody.
READ_ONLY = (
    "id",
    "immutable",
    "rule_source",
    "revision",
    "created_at",
    "created_by",
    "updated_at",
    "updated_by",
    "execution_summary",
    "outcome",
    "alias_target_id",
    "alias_purpose",
)
FEW = 5  # rules that may be disabled at once, whatever their share


class Change(NamedTuple):
    """What is done to one rule. `fields`: name → what is there and what will be."""

    action: str  # "create", "update" or "disable"
    rule: Rule  # as it will be, or is where it is disabled
    fields: Mapping[str, tuple[Any, Any]] = {}


class Plan(NamedTuple):
    changes: list[Change]
    unchanged: int
    foreign: list[Rule]  # in Kibana by the id of one of ours, but not made by us


def plan(wanted: Sequence[Rule], installed: Sequence[Rule], *, many: bool = False) -> Plan:
    """`installed`: the rules in Kibana with our tag or with a wanted rule's id.

    Raises UserError where most of our rules would be disabled, unless `many`.
    """
    there = {rule["rule_id"]: rule for rule in installed}
    found = Plan([], 0, [])
    unchanged = 0
    for rule in wanted:
        current = there.get(rule["rule_id"])
        if current is None:
            found.changes.append(Change("create", _as_input(rule)))
        elif OURS not in current["tags"]:
            found.foreign.append(current)
        elif fields := differences(rule, current):
            found.changes.append(Change("update", rule, fields))
        else:
            unchanged += 1
    ids = {rule["rule_id"] for rule in wanted}
    gone = [rule for rule in installed if rule["rule_id"] not in ids and _is_ours(rule)]
    retired = [rule for rule in gone if rule["enabled"] and REMOVED not in rule["tags"]]
    mine = sum(map(_is_ours, installed))
    if len(retired) > max(FEW, mine // 2) and not many:
        raise UserError(
            f"{len(retired)} of the {mine} rules that Innerwatch has in Kibana are not among those given",
            "give all rules that you use, or say --disable-many",
        )
    found.changes.extend(
        Change(
            "disable",
            rule,
            {"enabled": (True, False), "tags": (rule["tags"], [*rule["tags"], REMOVED])},
        )
        for rule in retired
    )
    return found._replace(unchanged=unchanged)


def _is_ours(rule: Rule) -> bool:
    """Whether a rule is one that we made, and no copy of it that an analyst made in Kibana, which has another id."""
    return OURS in rule["tags"] and rule["rule_id"] in rule.get("setup", "")


def differences(rule: Rule, current: Rule) -> dict[str, tuple[Any, Any]]:
    """Field → what is there and what is wanted, where that is not the same; `version` if anything is."""
    target = {
        **_as_input(rule),
        "tags": [*rule["tags"], *(tag for tag in current["tags"] if not OUR_TAGS.fullmatch(tag))],
        "note": guide.with_notes(rule["note"], current.get("note", "")),
    }
    del target["rule_id"], target["version"], target["enabled"]
    if REMOVED in current["tags"]:  # we disabled it, and it is back
        target["enabled"] = True
    if set(target["tags"]) == set(current["tags"]):  # whatever their order
        del target["tags"]
    target |= {name: None for name in UNSETTABLE if name not in rule}
    as_input = _as_input(current)
    changed = {
        name: (as_input.get(name), value)
        for name, value in target.items()
        if (as_input.get(name) or None) != (value or None)
    }
    if changed:
        # Kibana's number goes on from what is there: the one in the rule may be smaller, since a hash is in it.
        changed["version"] = (current["version"], max(rule["version"], current["version"] + 1))
    return changed


def _as_input(rule: Rule) -> Rule:
    """A rule as the API takes it: `ecs` is Kibana's to say, and a licence that is not there would stay as it was."""
    fields = [{"name": item["name"], "type": item["type"]} for item in rule.get("required_fields", ())]
    return {**rule, "license": rule.get("license", ""), "required_fields": fields}


def installed(kibana: Kibana, wanted: Sequence[Rule]) -> list[Rule]:
    """The rules in Kibana that `plan` is about."""
    found = kibana.ours()
    ids = {rule["rule_id"] for rule in found}
    others = (kibana.rule(rule["rule_id"]) for rule in wanted if rule["rule_id"] not in ids)
    return [*found, *filter(None, others)]


def apply(kibana: Kibana, changes: Sequence[Change], done: Callable[[int], None] = lambda _: None) -> None:
    """Makes the changes, one request each. Whatever stops it, those made stay, and another push makes the rest."""
    for change in changes:
        new = {name: value for name, (_, value) in change.fields.items()}
        if change.action == "create":
            _create(kibana, change.rule)
        elif any(new.get(name, "") is None for name in UNSETTABLE):
            _replace(kibana, change.rule)
        else:
            kibana.patch(change.rule["rule_id"], new)
        done(1)


def _create(kibana: Kibana, rule: Rule) -> None:
    try:
        kibana.create(rule)
    except Conflict:
        # It may be our own: a proxy that answered 504 while Kibana went on, and the second attempt met the first's.
        current = kibana.rule(rule["rule_id"])
        if current is None or OURS not in current["tags"] or differences(rule, current):
            raise


def _replace(kibana: Kibana, rule: Rule) -> None:
    """Puts the whole rule, with the analysts' part of it as it is at this moment."""
    current = kibana.rule(rule["rule_id"])
    if current is None:
        raise Conflict(f"the rule {rule['name']!r} was deleted in Kibana at this moment", "run the command again")
    kept = {name: value for name, value in _as_input(current).items() if name not in READ_ONLY}
    new = {name: value for name, (_, value) in differences(rule, current).items()}
    kibana.replace({name: value for name, value in {**kept, **new}.items() if value is not None})
