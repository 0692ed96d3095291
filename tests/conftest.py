"""What all tests share: one Elasticsearch for the session, and a corner of it for each test."""

import os
import uuid
from collections.abc import Iterator

import pytest
from elasticsearch import Elasticsearch

from innerwatch_cli import cluster, elastic_local


@pytest.fixture(scope="session")
def elasticsearch(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Elasticsearch]:
    """A node of the tests' own: the user's jars, but neither the user's node nor data. ELASTICSEARCH_URL replaces it.

    Commands that a test runs find the same node, since INNERWATCH_HOME is set for as long as it lives.
    """
    with pytest.MonkeyPatch.context() as patch:
        if not os.environ.get("ELASTICSEARCH_URL"):
            patch.setenv("INNERWATCH_HOME", str(tmp_path_factory.mktemp("node")))
        try:
            client = cluster.connect(start_local=True)
            yield client
            client.close()
        finally:
            if not os.environ.get("ELASTICSEARCH_URL"):
                elastic_local.stop()


@pytest.fixture
def namespace() -> str:
    """A namespace for data streams that no other test uses."""
    return f"test{uuid.uuid4().hex[:12]}"
