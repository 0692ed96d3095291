"""How a space of Kibana shows in paths and in ids."""

DEFAULT = "default"


def path(space: str, base: str = "") -> str:
    """What a path within a space begins with; `base` is the base path of a Kibana behind a proxy."""
    return base.rstrip("/") + ("" if space == DEFAULT else f"/s/{space}")


def identity(of: str, space: str) -> str:
    """A saved object's id in a space: Kibana lets an id be in one space only."""
    return of if space == DEFAULT else f"{of}-{space}"
