"""`innerwatch push kibana`: rules, dashboards and the Timeline template, as far as they are not there already."""

import json
import sys
from collections import Counter
from collections.abc import Iterator
from difflib import ndiff
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from innerwatch.errors import UserError
from innerwatch_cli import options
from innerwatch_cli.console import err, out
from innerwatch_cli.paths import RULES
from innerwatch_cli.progress import bar

if TYPE_CHECKING:
    from innerwatch_cli.kibana import push, saved_objects
    from innerwatch_cli.kibana.client import Kibana, Object

SIGN = {"create": "+", "update": "~", "disable": "-"}
DONE = {"create": "created", "update": "updated", "disable": "disabled"}
LONGEST = 160  # characters of a value in the list of differences


@click.command()
@click.argument("paths", type=options.PATH, nargs=-1, metavar="[PATHS]...")
@click.option(
    "--url", envvar="KIBANA_URL", show_envvar=True, help="http(s)://host:port, and a base path if it has one."
)
@click.option("--api-key", envvar="KIBANA_API_KEY", help="Better in the environment: KIBANA_API_KEY.")
@options.space
@click.option("--dry-run", is_flag=True, help="Change nothing; show what would be, by rule and field.")
@click.option("--rules-only", is_flag=True, help="No dashboards, data views, searches, Timeline template.")
@click.option("--overwrite-edited", is_flag=True, help="Put back dashboards and the like that were edited in Kibana.")
@click.option("--disable-many", is_flag=True, help="Let most of the rules that are there be disabled.")
@options.pipelines
@options.namespace
def kibana(
    paths: tuple[Path, ...],
    url: str | None,
    api_key: str | None,
    space: str,
    dry_run: bool,
    rules_only: bool,
    overwrite_edited: bool,
    disable_many: bool,
    pipelines: tuple[Path, ...] | None,
    namespace: str,
) -> None:
    """Install rules and dashboards in Kibana 8.19 or 9.x, and renew those that changed.

    PATHS are all rules that you use, files or folders; by default those that come with Innerwatch. A rule of ours that
    is not among them is disabled, never deleted. What analysts own is never touched: exceptions, whether a rule is
    enabled, actions, filters, their tags, what they wrote under Notes in the guide. Nothing is written if any rule
    does not compile.
    """
    from innerwatch_cli.kibana import files, push
    from innerwatch_cli.kibana.client import Kibana
    from innerwatch_cli.kibana.guide import dashboards as links

    if not url:
        raise UserError("no Kibana", "give --url or set KIBANA_URL")
    if not api_key:
        raise UserError("no API key", "set KIBANA_API_KEY; docs/kibana.md says how to make one")
    target = Kibana(url, api_key, space)
    found = files.compiled(list(paths) or [RULES], pipelines, namespace, links(space, target.base))
    if files.tell(found, each=False):
        err.print("nothing was pushed", style="red")
        sys.exit(2)

    with err.status("Comparing with Kibana …"):
        rules = push.plan(found.rules, push.installed(target, found.rules), many=disable_many)
        objects = [] if rules_only else changed_objects(target)
        timelines = [] if rules_only else changed_timelines(target)
    written = [change for change in objects if overwrite_edited or change.why != "edited in Kibana"]
    show(rules, objects, written, timelines, in_full=dry_run)
    if not dry_run:
        with bar("Pushing", len(rules.changes) + bool(written) + bool(timelines)) as done:
            if written:
                target.import_objects(change.object for change in written)
                done(1)
            if timelines:
                target.import_timelines(timelines)
                done(1)
            push.apply(target, rules.changes, done)
    counts = Counter(change.action for change in rules.changes)
    out.print(
        f"{'would be ' if dry_run else ''}"
        + ", ".join(f"{word}: {counts[action]}" for action, word in DONE.items())
        + f", unchanged: {rules.unchanged}, left alone: {len(rules.foreign)}; "
        f"saved objects written: {len(written) + len(timelines)}"
    )


def changed_objects(target: "Kibana") -> "list[saved_objects.Change]":
    from innerwatch_cli.kibana import saved_objects

    wanted = saved_objects.prepared(saved_objects.read(saved_objects.OBJECTS), target.space)
    return saved_objects.plan(wanted, target.objects([saved_objects.key(item) for item in wanted]))


def changed_timelines(target: "Kibana") -> "list[Object]":
    """Timeline templates that Kibana lacks or has an earlier version of; it refuses the same version."""
    from innerwatch_cli.kibana import saved_objects

    changed = []
    for item in saved_objects.read(saved_objects.TIMELINES):
        there = target.timeline_template(item["templateTimelineId"])
        if there is None or there["templateTimelineVersion"] < item["templateTimelineVersion"]:
            changed.append(item)
    return changed


def show(
    rules: "push.Plan",
    objects: "list[saved_objects.Change]",
    written: "list[saved_objects.Change]",
    timelines: "list[Object]",
    *,
    in_full: bool,
) -> None:
    """A line for each thing that changes, `in_full` with what changes in it; and for each that is left as it is."""
    for change in rules.changes:
        names = ", ".join(name for name in change.fields if name != "version")
        out.print(f"{SIGN[change.action]} rule {change.rule['name']!r}{f': {names}' if names else ''}", markup=False)
        if in_full:
            for name, (old, new) in change.fields.items():
                for line in difference(old, new):
                    out.print(f"    {name}: {line}", markup=False)
    for item in written:
        out.print(f"{'+' if item.why == 'new' else '~'} {item.title}: {item.why}", markup=False)
    for timeline in timelines:
        out.print(f"+ timeline template {timeline['title']!r}", markup=False)
    for rule in rules.foreign:
        err.print(
            f"left alone: {rule['name']!r} has a rule of ours' id, {rule['rule_id']}, but not the tag Innerwatch",
            style="yellow",
            markup=False,
        )
    for item in objects:
        if item not in written:
            err.print(
                f"left alone: {item.title} was edited in Kibana; --overwrite-edited puts it back",
                style="yellow",
                markup=False,
            )


def difference(old: Any, new: Any) -> Iterator[str]:
    """What changes in a field: items of lists, lines of texts, or the whole value."""
    if isinstance(old, list) and isinstance(new, list):
        yield from (f"- {short(item)}" for item in old if item not in new)
        yield from (f"+ {short(item)}" for item in new if item not in old)
        if sorted(map(short, old)) == sorted(map(short, new)):
            yield "in another order"
    elif isinstance(old, str) and isinstance(new, str) and "\n" in old + new:
        yield from (short(line) for line in ndiff(old.splitlines(), new.splitlines()) if line[0] in "+-")
    else:
        yield f"{short(old)} → {short(new)}"


def short(value: Any) -> str:
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return text if len(text) <= LONGEST else f"{text[:LONGEST]}…"
