"""The Elasticsearch that the commands work with, and its failures in one line."""

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from elastic_transport import ConnectionError as TransportConnectionError
from elastic_transport import ConnectionTimeout, SerializationError, TlsError
from elasticsearch import (
    ApiError,
    AuthenticationException,
    AuthorizationException,
    Elasticsearch,
    UnsupportedProductError,
)

from innerwatch.elastic import REQUEST_TIMEOUT, Unavailable, client
from innerwatch.errors import UserError


def url(*, start_local: bool = False) -> str:
    """ELASTICSEARCH_URL if it is set, else the local node's, which is started if need be and allowed."""
    if address := os.environ.get("ELASTICSEARCH_URL"):
        return address
    # Imported here, so that a machine where the local node cannot run works with another cluster.
    from innerwatch_cli import elastic_local

    node = elastic_local.ensure_running() if start_local else elastic_local.running()
    if node is None:
        raise UserError("no Elasticsearch", "start one with `innerwatch elastic start` or set ELASTICSEARCH_URL")
    return node.url


def connect(*, start_local: bool = False, **options: Any) -> Elasticsearch:
    """A client for `url()` that was seen to answer; every request it sends ends after 30 s. `options` are the client's.

    ELASTICSEARCH_API_KEY goes to ELASTICSEARCH_URL only. SSL_CERT_FILE names certificates to trust, as for OpenSSL.
    """
    address = url(start_local=start_local)
    if address.startswith("https:") and (certificates := os.environ.get("SSL_CERT_FILE")):
        options["ca_certs"] = certificates
    api_key = os.environ.get("ELASTICSEARCH_API_KEY") if os.environ.get("ELASTICSEARCH_URL") else None
    try:
        if not address.startswith(("http://", "https://")):
            raise ValueError(address)
        es = client(address, api_key, **options)
    except ValueError:
        raise UserError(f"ELASTICSEARCH_URL is {without_password(address)!r}", "expected http(s)://host:port") from None
    with errors(es):
        es.cluster.health(filter_path="status")
    return es


@contextmanager
def errors(es: Elasticsearch) -> Iterator[None]:
    """Turns what can be wrong with the cluster during the block into a UserError that says what to do."""
    where = next(iter(es.transport.node_pool.all())).base_url  # without user name and password
    try:
        yield
    except TlsError as error:
        raise UserError(
            f"TLS with {where} failed: {error.message.rpartition('): ')[2]}",
            "SSL_CERT_FILE may name a file of certificates to trust",
        ) from error
    except ConnectionTimeout as error:
        raise UserError(
            f"Elasticsearch at {where} did not answer within {REQUEST_TIMEOUT} s",
            "is it overloaded, or still starting?",
        ) from error
    except TransportConnectionError as error:
        raise UserError(
            f"nothing answers at {where}: {error.message.rpartition('): ')[2]}",
            "start a local node with `innerwatch elastic start`, or mend ELASTICSEARCH_URL",
        ) from error
    except AuthenticationException as error:
        raise UserError(
            f"Elasticsearch at {where} does not know who we are (401)", "set ELASTICSEARCH_API_KEY to a valid API key"
        ) from error
    except AuthorizationException as error:
        raise UserError(
            f"Elasticsearch at {where} forbids it (403): {reason(error)}",
            "give the API key the privilege that is named",
        ) from error
    except (UnsupportedProductError, SerializationError) as error:
        raise UserError(f"what answers at {where} is no Elasticsearch", "mend ELASTICSEARCH_URL") from error
    except Unavailable as error:
        raise UserError(f"Elasticsearch at {where} is too busy: {error}", "run the command again later") from error
    except ApiError as error:
        raise UserError(f"Elasticsearch at {where} answered {error.status_code}: {reason(error)}") from error


def reason(error: ApiError) -> str:
    """The cluster's own word of what was wrong, without its stack of causes."""
    body = error.body
    cause = body.get("error") if isinstance(body, dict) else None
    if isinstance(cause, dict) and cause.get("reason"):
        return str(cause["reason"])
    return str(cause or error.message)


def without_password(address: str) -> str:
    return re.sub(r"//[^/]*@", "//", address)
