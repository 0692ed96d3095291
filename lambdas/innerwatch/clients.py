"""Elasticsearch as a function reaches it: with the API key that its secret holds."""

from typing import TYPE_CHECKING

from aws_lambda_powertools.utilities import parameters

from innerwatch import elastic
from innerwatch.settings import Settings, require

if TYPE_CHECKING:
    from elasticsearch import Elasticsearch


def elasticsearch(settings: Settings) -> "Elasticsearch":
    """With the function's own key; with none where no secret is set, since the cluster then asks for none."""
    return _with(settings, settings.elasticsearch_secret)


def checker(settings: Settings) -> "Elasticsearch":
    """With the key that may read the log streams. Raises UserError where a key is asked for and none is set."""
    if not settings.elasticsearch_secret:
        return elasticsearch(settings)
    return _with(settings, require("ELASTICSEARCH_CHECK_SECRET", settings.elasticsearch_check_secret))


def _with(settings: Settings, secret: str) -> "Elasticsearch":
    key = str(parameters.get_secret(secret)) if secret else None
    return elastic.client(settings.elasticsearch_url, key)
