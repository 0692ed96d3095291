"""One Elasticsearch for the session: the local node, or the cluster that ELASTICSEARCH_URL names."""

from collections.abc import Iterator

import pytest
from elasticsearch import Elasticsearch

from innerwatch_cli import cluster


@pytest.fixture(scope="session")
def es() -> Iterator[Elasticsearch]:
    client = cluster.connect(start_local=True)
    yield client
    client.close()
