"""Document ids: the same record always gets the same one, so that reading it twice indexes it once."""

import hashlib

from innerwatch.values import Origin

# Elasticsearch refuses longer ones: https://www.elastic.co/docs/reference/elasticsearch/mapping-reference/mapping-id-field
MAX_BYTES = 512


def of_origin(origin: Origin) -> str:
    """The id of a record that has none of its own: a hash of where it was read."""
    return _hash(f"{origin.uri}\n{origin.position}")


def of_content(origin: Origin, record: bytes) -> str:
    """The id of a record that should have its own and has none: a hash of where it was read and of what it says."""
    place = f"{origin.uri}\n{origin.position}\n".encode("utf-8", "surrogateescape")
    return hashlib.blake2b(place + record, digest_size=20).hexdigest()


def of_record(namespace: str, own_id: str) -> str:
    """The id of a record that has its own, kept apart from another application's record with the same one."""
    text = f"{namespace}:{own_id}"
    return text if len(text.encode("utf-8", "replace")) <= MAX_BYTES else _hash(text)


def _hash(text: str) -> str:
    return hashlib.blake2b(text.encode("utf-8", "surrogateescape"), digest_size=20).hexdigest()
