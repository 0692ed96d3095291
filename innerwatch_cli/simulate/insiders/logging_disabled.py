"""An administrator who first sees to it that nothing is recorded, or nobody is told."""

from collections.abc import Iterator
from datetime import date
from random import Random

from innerwatch_cli.simulate import cloud, look_alikes, trail
from innerwatch_cli.simulate.cast import LOGGING_DISABLED, Insider
from innerwatch_cli.simulate.chance import sample
from innerwatch_cli.simulate.estate import PROFILES, SERVICES, TRAIL
from innerwatch_cli.simulate.insiders.scheme import workdays
from innerwatch_cli.simulate.records import SIGN_IN, Record
from innerwatch_cli.simulate.worktime import MINUTE
from innerwatch_cli.simulate.world import World


class LoggingDisabled:
    kind = LOGGING_DISABLED

    def __init__(self, world: World, insider: Insider, rng: Random) -> None:
        self.people, self.rng = insider.people, rng
        person = insider.people[0]
        days = workdays(world, person)
        self.days = sorted(sample(rng, days, rng.choice((1, 1, 2))))
        self.way = rng.choice(("stop", "selectors", "alarms"))
        self.late = rng.random() < 0.5
        self.restores = rng.random() < 0.85
        self.story = (
            f"{person.name} {OFF[self.way]}, then read secrets and customers' profiles on {len(self.days)} day(s)"
            + (", and put everything back." if self.restores else ".")
        )

    def acts(self, world: World, today: date) -> Iterator[Record]:
        if today not in self.days:
            return
        person, rng = self.people[0], self.rng
        work = world.attendance.evening(person, today, rng) if self.late else world.attendance.workday(person, today)
        if work is None:
            return
        clock = work.moment(rng, 0.05, 0.5)
        console = rng.random() < 0.4
        who = yield from cloud.signed_in(world, rng, clock, work, console=console, alike=SIGN_IN)
        clock += MINUTE // 2
        yield _weaken(rng, clock, who, self.way, back=False)
        clock += int(rng.uniform(3, 45) * MINUTE)
        for name in sample(rng, SERVICES, rng.randint(1, 4)):
            request = {"secretId": world.estate.secret_arn(f"prod/{name}/database")}
            yield trail.call(rng, clock, who, "secretsmanager", "GetSecretValue", request=request)
            clock += int(rng.uniform(5, 90) * 1000)
        for customer in world.customers.several(rng, rng.randint(5, 60)):
            yield cloud.profile_read(rng, clock, who, customer)
            clock += int(rng.uniform(1, 20) * 1000)
        if self.restores:
            yield _weaken(rng, clock + int(rng.uniform(2, 30) * MINUTE), who, self.way, back=True)


OFF = {
    "stop": "stopped the account's own trail",
    "selectors": "had the account's own trail record next to nothing",
    "alarms": "silenced the alarms on changes of the trail",
}


def _weaken(rng: Random, time: int, who: trail.Principal, way: str, *, back: bool) -> Record:
    if way == "selectors":
        buckets = [f"arn:aws:s3:::{PROFILES}/"] if back else []
        return look_alikes.put_selectors(rng, time, who, buckets, management=back)
    if way == "stop":
        name = "StartLogging" if back else "StopLogging"
        return trail.call(rng, time, who, "cloudtrail", name, read_only=False, request={"name": TRAIL})
    name = "EnableAlarmActions" if back else "DisableAlarmActions"
    request = {"alarmNames": ["cloudtrail-changes", "bulk-object-reads"]}
    return trail.call(rng, time, who, "monitoring", name, read_only=False, request=request)
