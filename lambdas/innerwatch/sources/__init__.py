"""Log sources: one module each, one line each in `SOURCES`.

A source is a module with
- `DATASET`, a key of `fields.DATASETS`;
- `SPLIT`, how its objects fall into records: a key of `splitting.SPLITTERS` (`json` or `lines`);
- `recognise(record: bytes) -> bool`: whether an object that begins with this record is of this source;
- `parse(record: bytes, origin: Origin) -> Event | SetAside`: a pure function of its two arguments.
"""

from types import ModuleType

from innerwatch.sources import access, cloudtrail

SOURCES: dict[str, ModuleType] = {
    "aws.cloudtrail": cloudtrail,
    "app.access": access,
}


def recognise(key: str, record: bytes) -> ModuleType | None:
    """The source of the object or file `key` that begins with `record`, or None where no source knows it."""
    return next((source for source in SOURCES.values() if source.recognise(record)), None)
