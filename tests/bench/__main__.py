"""`make bench`: speed as ratios to a limit measured in the same run; never a verdict on seconds."""

from tests.bench import authoring, behaviour, compiling, detection, enrichment, scope

BENCHES = {
    "enrichment": enrichment.run,
    "authoring": authoring.run,
    "compiling": compiling.run,
    "behaviour": behaviour.run,
    "scope": scope.run,
    "detection": detection.run,
}


def main() -> None:
    for name, run in BENCHES.items():
        print(f"== {name}")
        run()


main()
