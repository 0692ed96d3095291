"""Sigma rules in, compiled rules out: what `innerwatch.detection` runs, and queries for people and other tools.

docs/semantics.md says what a rule means, with the clause of the Sigma specification for each point.
"""

from innerwatch_cli.sigma.compiling import Compilation, compile_all, compile_rules
from innerwatch_cli.sigma.output import to_esql, to_lucene

__all__ = ["Compilation", "compile_all", "compile_rules", "to_esql", "to_lucene"]
