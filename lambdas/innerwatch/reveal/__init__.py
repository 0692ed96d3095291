"""Who is behind a pseudonym: asked for by one person with a reason, approved by another, told for a while, recorded.

`caller` lets AWS say who calls, `people` finds the employee behind that, `decisions` holds the rules and is pure,
`desk` asks them and keeps the records (innerwatch.audit). docs/reveal.md explains it.
"""

from innerwatch.reveal.caller import Caller, Unproven
from innerwatch.reveal.decisions import Ask, Terms
from innerwatch.reveal.desk import Desk

__all__ = ["Ask", "Caller", "Desk", "Terms", "Unproven"]
