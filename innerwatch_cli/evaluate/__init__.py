"""`innerwatch evaluate`: how well detection does on logs whose insiders are known, against naive baselines.

`companies` reads a folder (a simulated company, or a `labelled` log set), `chain` runs what runs in production over it
in memory, `matching` judges the rules, `flags` says who counts as flagged and whether rightly, `baselines` does without
any of it, and `measures` puts the numbers together. docs/evaluation.md explains each number.
"""
