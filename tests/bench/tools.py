"""What several measurements share: a fair clock, and a node of their own."""

import gc
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from elasticsearch import Elasticsearch

from innerwatch import elastic
from innerwatch_cli import elastic_local, index_templates
from innerwatch_cli.local_aws import environment


def seconds(run: Callable[[], object]) -> float:
    """Processor time, which other work on the machine does not add to."""
    gc.collect()
    began = time.process_time()
    run()
    return time.process_time() - began


@contextmanager
def own_node(home: Path) -> Iterator[Elasticsearch]:
    """A node of the bench's own, which goes with its folder: a local node cannot delete data streams."""
    with environment(INNERWATCH_HOME=str(home)):
        try:
            es = elastic.client(elastic_local.ensure_running().url)
            index_templates.install(es)
            yield es
            es.close()
        finally:
            elastic_local.stop()
