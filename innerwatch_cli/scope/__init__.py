"""Scope: exactly which customers' data some people have seen, how sure that is, and what it cannot say.

`question` is what is asked, `reading` asks Elasticsearch, `tally` counts, `gaps` and `bounds` say what the numbers do
not cover, `answer` puts all together, `writing` makes the files of it, `verifying` does it all again and compares.
"""

from innerwatch_cli.scope.answer import Answer, answer
from innerwatch_cli.scope.question import Question

__all__ = ["Answer", "Question", "answer"]
