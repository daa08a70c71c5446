"""Events from a publisher over HTTP into an app: how many a second, and how old they are when they come."""

import contextlib
import subprocess
from dataclasses import dataclass

import report
from app_sides import CORES, running, wait_until
from servers import Failed, bench_program
from sidecars import DAPRD, TANDEM, Redis, component, daprd_missing

CONNECTIONS = 32
TARGETS = {"memory": 5, "redis": 3}
TARGET_P99 = 0.25
# Of the events that were published, how many may be on their way at the end of a run: more is a queue that grows.
LEFT_SHARE = 0.02
# How near the search comes to the highest rate that a side keeps up with; a turn begins so far above the last one's.
STEP = 1.07
MODULUS = 2**64


@dataclass
class Run:
    """One run. `rate` is of deliveries, a second, `left` what was on its way when it ended; ages in microseconds,
    `cpu` in microseconds an event."""

    rate: float
    events: int
    left: int
    p50: float
    p99: float
    user: float
    system: float

    @property
    def cpu(self):
        return self.user + self.system

    @property
    def steady(self):
        return self.left <= max(LEFT_SHARE * self.events, 2 * CONNECTIONS)


def micros_of(age):
    """The lower end of a class of counts.rs."""
    if age < 32:
        return age
    return (32 + age % 32) << (age // 32 - 1)


def percentile(ages, share):
    """`ages`: class -> events."""
    left = share * sum(ages.values())
    for age, events in sorted(ages.items()):
        left -= events
        if left <= 0:
            return max(1, micros_of(age))
    return 0


def publish(side, seconds, rate):
    """What bench_events prints, by name."""
    path = "/v1.0/publish/pubsub/events"
    command = [bench_program("bench_events"), side.dapr, path, CONNECTIONS, int(seconds * 1000), int(rate)]
    done = subprocess.run([str(word) for word in command], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    if done.returncode != 0:
        raise Failed(f"publishing to {side.name} failed:\n{done.stderr}\n" + "\n".join(side.lines[-10:]))
    return {name: float(figure) if "." in figure else int(figure) for name, figure in map(str.split, done.stdout.splitlines())}


def load(side, seconds, rate=0):
    """Publishes for `seconds`, at `rate` or as fast as the side takes events, and waits until the app has had each of
    them once."""
    before, cpu_before = side.counted(), side.cpu_seconds()
    published = publish(side, seconds, rate)
    events = published["events"]
    left = events - (side.counted()["count"] - before["count"])
    wait_until(lambda: side.counted()["count"] - before["count"] >= events, f"{side.name} has not delivered all events")
    after, cpu_after = side.counted(), side.cpu_seconds()
    if any((after[name] - before[name] - published[name]) % MODULUS for name in ("sum", "squares")):
        raise Failed(f"{side.name}: {after['count'] - before['count']} deliveries of {events} events are not those published")
    ages = {age: count - before["ages"].get(age, 0) for age, count in after["ages"].items()}
    user, system = ((a - b) * 1e6 / events for a, b in zip(cpu_after, cpu_before))
    return Run((events - left) / seconds, events, left, percentile(ages, 0.5), percentile(ages, 0.99), user, system)


def highest(side, seconds):
    """The run with the highest rate that the side keeps up with: no queue grows."""
    found = load(side, seconds)
    if found.steady:
        return found
    above, found = found.events / seconds, None
    below = 0
    while found is None or above / below > STEP:
        middle = above / 1.5 if found is None else (above + below) / 2
        tried = load(side, seconds, middle)
        if tried.steady:
            found, below = tried, middle
        else:
            above = middle
    return found


def next_turn(side, seconds, last):
    """The same from near the last turn's: a step up, and down until the side keeps up."""
    rate = last.rate * STEP
    while not (tried := load(side, seconds, rate)).steady:
        rate /= STEP
    return tried


def warm_up(side):
    """The subscription has begun when an event comes; then neither side is cold."""
    side.connect()

    def one_has_come():
        publish(side, 0.01, 100)
        return side.counted()["count"] > 0

    wait_until(one_has_come, f"{side.name}: no event has come")
    settled = []

    def settle():
        settled.append(side.counted()["count"])
        return len(settled) > 20 and settled[-20] == settled[-1]

    wait_until(settle, f"{side.name}: events of the start have not come")
    load(side, 1)


def tables(out, top, paced, rate, sides):
    def rows(runs_of):
        for side, runs in runs_of.items():
            rates = [run.rate for run in runs]
            yield [
                side,
                report.count(report.median(rates)),
                report.spread(rates),
                report.micros(report.median([run.p50 for run in runs])),
                report.micros(report.median([run.p99 for run in runs])),
                f"{report.median([run.user for run in runs]) / 1000:.4f}",
                f"{report.median([run.system for run in runs]) / 1000:.4f}",
            ]

    head = ["side", "events/s", "runs", "age p50", "age p99", "user CPU s per 1,000", "kernel CPU s per 1,000"]
    out.add("The highest rate at which no queue grows:\n")
    out.add(report.table(head, rows(top)))
    out.add(f"At {rate:,.0f} events a second, half of what daprd keeps up with:\n")
    out.add(report.table(head, rows(paced)))
    memory = [[name, " + ".join(f"{mb:.1f}" for mb in side.resident_mb())] for name, side in sides.items()]
    out.add(report.table(["after all of it", "resident MB"], memory))


def measure(out, verdicts, options, folder, name, resource, target):
    out.add(f"{CONNECTIONS} connections publish over HTTP; a guest, or a native app behind daprd, subscribes.\n")
    with running(folder, resource, "--instances", CORES) as sides:
        for side in sides.values():
            warm_up(side)
        last = {side: highest(sides[side], options.seconds) for side in sides}
        top = {side: [] for side in sides}
        paced = {side: [] for side in sides}
        rate = last.get(DAPRD, last[TANDEM]).rate / 2
        for _ in range(options.runs):
            for side in sides:
                last[side] = next_turn(sides[side], options.seconds, last[side])
                top[side].append(last[side])
            for side in sides:
                paced[side].append(load(sides[side], options.seconds, rate))
        tables(out, top, paced, rate, sides)
    at_least = f"at least {target}"
    if DAPRD not in sides:
        return verdicts.left_out(name, at_least, daprd_missing())
    verdicts.rates(f"{name}: delivered", top[TANDEM], top[DAPRD], target, unit="events/s")
    ours, theirs = ([run.p99 for run in paced[side]] for side in (TANDEM, DAPRD))
    verdicts.at_most(f"{name}: age at the app, p99", ours, theirs, TARGET_P99)


def memory(out, verdicts, options, folder):
    out.add("## Events in memory\n")
    measure(out, verdicts, options, folder, "in memory", lambda _: component("pubsub.in-memory", "pubsub"), TARGETS["memory"])


def redis(out, verdicts, options, folder):
    out.add("## Events over Redis streams\n")
    out.add("One redis-server, a database a side. Its own CPU is not counted.\n")
    databases = {TANDEM: "0", DAPRD: "1"}
    with contextlib.closing(Redis()) as server:

        def resource(side):
            address = f"127.0.0.1:{server.port}"
            return component("pubsub.redis", "pubsub", redisHost=address, redisPassword="", redisDB=databases[side])

        measure(out, verdicts, options, folder, "Redis", resource, TARGETS["redis"])
