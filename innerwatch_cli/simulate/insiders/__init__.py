"""What the insiders do besides their ordinary work: one module a kind, and one line in SCHEMES.

A scheme plans its days when the company is made, and acts on them. Each draws its own pace: bold (few days, much),
steady, or slow (many days, hardly more than anybody might do).
"""

from collections.abc import Callable
from random import Random

from innerwatch_cli.simulate.cast import (
    CASE_FREE,
    COLLUSION,
    LEAVER_SHARES,
    LOGGING_DISABLED,
    SLOW_EXPORT,
    TERMINATED_KEY,
    Insider,
)
from innerwatch_cli.simulate.insiders.case_free import CaseFreeLookups
from innerwatch_cli.simulate.insiders.collusion import Collusion
from innerwatch_cli.simulate.insiders.leaver_shares import LeaverShares
from innerwatch_cli.simulate.insiders.logging_disabled import LoggingDisabled
from innerwatch_cli.simulate.insiders.scheme import Scheme
from innerwatch_cli.simulate.insiders.slow_export import SlowExport
from innerwatch_cli.simulate.insiders.terminated_key import TerminatedKey
from innerwatch_cli.simulate.world import World

SCHEMES: dict[str, Callable[[World, Insider, Random], Scheme]] = {
    CASE_FREE: CaseFreeLookups,
    SLOW_EXPORT: SlowExport,
    LEAVER_SHARES: LeaverShares,
    TERMINATED_KEY: TerminatedKey,
    LOGGING_DISABLED: LoggingDisabled,
    COLLUSION: Collusion,
}


def plan(world: World) -> list[Scheme]:
    return [
        SCHEMES[insider.kind](world, insider, world.streams("insider", number))
        for number, insider in enumerate(world.cast.insiders)
    ]
