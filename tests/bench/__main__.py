"""`make bench`: speed as ratios to a limit measured in the same run; never a verdict on seconds."""

from tests.bench import enrichment

BENCHES = {"enrichment": enrichment.run}


def main() -> None:
    for name, run in BENCHES.items():
        print(f"== {name}")
        run()


main()
