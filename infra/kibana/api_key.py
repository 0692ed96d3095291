"""Prints an API key of whom ELASTICSEARCH_URL names, in the form that Kibana takes; for the demo of compose.yaml."""

import os

from elasticsearch import Elasticsearch

with Elasticsearch(os.environ["ELASTICSEARCH_URL"]) as es:
    print(es.security.create_api_key(name="innerwatch-demo", expiration="1d")["encoded"])
