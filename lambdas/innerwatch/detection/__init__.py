"""Detection: compiled Sigma rules over indexed events. Knows nothing of Sigma's syntax, only of its meaning.

`rules` holds what a compiled rule is, `predicate` judges one document, `windows` judges a group's events over time,
and `engine` does both on Elasticsearch and writes the alerts. docs/semantics.md says what a match means.
"""
