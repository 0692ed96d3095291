"""Behaviour: each person's day in numbers, against that person's own days and against those of people in the same job.

`collect` turns enriched documents into person-days, `score` turns person-days, in the order of time, into behaviour
documents, `risk` sums up what is known of a person, and `measuring` does all three on Elasticsearch. The first three
are pure, and know nothing that came later. docs/behaviour.md holds the method, the formulas and their sources.
"""

DATASET = "innerwatch.behaviour"
