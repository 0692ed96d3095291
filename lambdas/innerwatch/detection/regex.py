"""Regular expressions of rules, with an end to their searching: a hostile value must not hold up detection.

Python's `re` goes back and tries again, for some expressions and values exponentially often. It does look for signals
meanwhile, so a timer of the processor's time ends it; that works in the main thread, where commands run.
https://docs.python.org/3/library/signal.html#signal.setitimer
"""

import re
import signal
import threading
from collections.abc import Callable
from types import FrameType

from innerwatch.errors import UserError

SECONDS = 1.0  # of processor time for one value; an ordinary one takes microseconds
FLAGS = {"i": re.IGNORECASE, "m": re.MULTILINE, "s": re.DOTALL}
REMEDY = "expected one without repeats that can share out the same text in many ways, such as a+ for (a+)+"

# Whether something is found does not depend on these, and each would be tried at every place of the value.
IDLE = re.compile(r"(?:\.\*\??(?![?*+{]))+")


class TooSlowError(UserError):
    """An expression had not ended its search of one value in time."""


def searcher(pattern: str, flags: str = "", seconds: float = SECONDS) -> Callable[[str], bool]:
    """A function that says whether `pattern` is found in a text. It raises TooSlowError."""
    options = re.RegexFlag(0)
    for letter in flags:
        options |= FLAGS[letter]
    idle = IDLE.match(pattern)
    search = re.compile(pattern[idle.end() :] if idle else pattern, options).search
    if not set(pattern) & set("*+{"):  # without repeats it cannot take long
        return lambda text: search(text) is not None

    def found(text: str) -> bool:
        if threading.current_thread() is not threading.main_thread():
            return search(text) is not None
        before = signal.signal(signal.SIGVTALRM, _stop)
        signal.setitimer(signal.ITIMER_VIRTUAL, seconds)
        try:
            return search(text) is not None
        except _TimeIsUpError:
            what = f"the regular expression {pattern!r} takes more than {seconds:g} s for one value"
            raise TooSlowError(what, REMEDY) from None
        finally:
            signal.setitimer(signal.ITIMER_VIRTUAL, 0)
            signal.signal(signal.SIGVTALRM, before)

    return found


class _TimeIsUpError(Exception):
    pass


def _stop(_signal: int, _frame: FrameType | None) -> None:
    raise _TimeIsUpError
