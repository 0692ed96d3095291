"""Log sources: one module each, one line each in `SOURCES`.

A source is a module with
- `DATASET`, a key of `fields.DATASETS`;
- `SPLIT`, how its objects fall into records: a key of `splitting.SPLITTERS` (`json`, `lines` or `w3c`);
- `recognise(record: bytes) -> bool`: whether an object that begins with this record is of this source;
- `parse(record: bytes, origin: Origin) -> Event | SetAside`: a pure function of its two arguments.

`sources.mapped` makes a source of the same kind out of a mapping file; its `parse` also gives None, for a record that
the file says to skip.
"""

from dataclasses import replace
from typing import Protocol

from innerwatch import oversized
from innerwatch.sources import access, alb, api_gateway, cloudfront, cloudtrail, combined, ecs_json, s3_access
from innerwatch.values import Event, Origin, SetAside


class Source(Protocol):
    """What a source's module, or a mapping, offers."""

    @property
    def DATASET(self) -> str: ...  # noqa: N802 a constant of the module

    @property
    def SPLIT(self) -> str: ...  # noqa: N802 as above

    def recognise(self, record: bytes) -> bool: ...

    def parse(self, record: bytes, origin: Origin) -> Event | SetAside | None: ...


SOURCES: dict[str, Source] = {
    "aws.cloudtrail": cloudtrail,
    "innerwatch.access": access,
    "ecs": ecs_json,
    "aws.alb": alb,
    "aws.api_gateway": api_gateway,
    "aws.s3_access": s3_access,
    "aws.cloudfront": cloudfront,
    "combined": combined,
}


class NotEventsError(ValueError):
    """The object is known, and holds no events: its text says what it is."""


def parse(source: Source, record: bytes, origin: Origin) -> Event | SetAside | None:
    """A record by its source, with what holds for all of them: values too long to be indexed are named."""
    result = source.parse(record, origin)
    if isinstance(result, Event):
        result.raw = record
        if len(record) > oversized.LONGEST_KEYWORD:
            oversized.mark(result)
    elif result is not None:
        result = replace(result, dataset=source.DATASET)
    return result


def recognise(record: bytes) -> Source | None:
    """The source of an object or file that begins with `record`, or None where no source knows it.

    Raises NotEventsError for a CloudTrail digest, which lies beside the logs: it holds no record, so none is counted.
    The content decides, not the key: whatever else lies in a folder of digests is read, or set aside, as anywhere.
    """
    if cloudtrail.is_digest(record):
        raise NotEventsError("a CloudTrail digest: it holds signatures of log files, no events")
    return next((source for source in SOURCES.values() if source.recognise(record)), None)
