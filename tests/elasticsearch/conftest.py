"""A short name for the session's Elasticsearch."""

import pytest
from elasticsearch import Elasticsearch


@pytest.fixture(scope="session")
def es(elasticsearch: Elasticsearch) -> Elasticsearch:
    return elasticsearch
