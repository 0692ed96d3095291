"""Which program a user agent names, by the rules of uap-core, which Elasticsearch's `user_agent` processor uses too.

https://www.elastic.co/docs/reference/enrich-processor/user-agent-processor
"""

import re
from functools import cache, lru_cache
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ua_parser import Matchers

LONGEST = 2048  # characters that are looked at: a longer user agent is no program's
GROUP = re.compile(r"\$(\d)")


@lru_cache(maxsize=4096)
def describe(user_agent: str) -> dict[str, Any]:
    """ECS `user_agent.*`. The same text gives the same object: to be read, not changed."""
    programs, systems, devices = _rules()
    looked_at = user_agent[:LONGEST]
    name, version = _first(programs, looked_at, ("$2", "$3", "$4", "$5"))
    device, _ = _first(devices, looked_at, ())
    found: dict[str, Any] = {"original": user_agent, "name": name or "Other", "device": {"name": device or "Other"}}
    if name == "Firefox" and version.count(".") == 1:
        version += "."  # so it comes out of the older rules that Elasticsearch has, and its users search for it
    if version:
        found["version"] = version
    name, version = _first(systems, looked_at, ("$2", "$3", "$4", "$5"))
    if name:
        found["os"] = {"name": name, "version": version, "full": f"{name} {version}"} if version else {"name": name}
    return found


@cache
def _rules() -> "Matchers":
    """Loaded at first use: compiling more than a thousand expressions takes a tenth of a second."""
    from ua_parser import load_builtins

    return load_builtins()


def _first(rules: list[Any], user_agent: str, groups: tuple[str, ...]) -> tuple[str, str]:
    """Name and version by the first rule that matches; empty where none does."""
    for rule in rules:
        match = rule.pattern.search(user_agent)
        if match is None:
            continue
        given = (rule.major, rule.minor, rule.patch, rule.patch_minor) if groups else ()
        parts: list[str] = []
        for template, group in zip(given, groups, strict=True):
            part = _filled(template or group, match)
            if part is None:
                break
            parts.append(part)
        return _filled(rule.family, match) or "", ".".join(parts)
    return "", ""


def _filled(template: str, match: re.Match[str]) -> str | None:
    """The template with its `$1` … replaced by the groups; None where it is nothing but a group without a value."""
    if GROUP.fullmatch(template):
        number = int(template[1:])
        return match[number] if number <= (match.re.groups) else None
    return GROUP.sub(lambda found: match[int(found[1])] or "" if int(found[1]) <= match.re.groups else "", template)
