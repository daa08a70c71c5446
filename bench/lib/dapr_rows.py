"""Dapr's API on Tandem and on a real daprd: the same calls, one side after the other."""

import contextlib

import report
from grpc_load import CONNECTIONS as GRPC_CONNECTIONS
from grpc_load import STREAMS, h2load, state_calls
from load import wrk
from servers import NUMBER, Server, bench_program
from sidecars import DAPRD, TANDEM, VALUE, Redis, Sidecar, component, daprd_missing, who

# At how many connections the targets hold.
JUDGED = 32
TARGETS = {"memory": 2.5, "redis": 2.5, "sqlite": 8, "grpc": 2, "invoke": 4}
TARGET_P99 = 1 / 3

# What makes a commit durable on either side: the log is synced with each. It is SQLite's and both sides' default, but
# said, so that the file does not depend on it. 32 writers of one file wait for each other; daprd's are connections that
# poll SQLite's lock, so it needs longer than the default of 2 s not to answer 500.
SQLITE = {"connectionString": "file:state.db?_pragma=synchronous(FULL)", "busyTimeout": "20s"}


@contextlib.contextmanager
def running(folder, store, app_port=None):
    """side -> Sidecar. `store(side)` is the YAML of its state store."""
    with contextlib.ExitStack() as stack:
        yield {side: stack.enter_context(Sidecar(side, folder / side, store(side), app_port)) for side in who()}


def judge(verdicts, what, samples, at_least, p99_at_most=None):
    """`samples`: side -> list of Sample."""
    if DAPRD in samples:
        verdicts.rates(what, samples[TANDEM], samples[DAPRD], at_least, p99_at_most)
    else:
        verdicts.left_out(what, f"at least {at_least}", daprd_missing())


def take_turns(sidecars, runs, loads):
    """(what, side) -> list of Sample; `loads`: what -> function of a Sidecar that makes one run."""
    samples = {(what, side): [] for what in loads for side in sidecars}
    for _ in range(runs):
        for what, load in loads.items():
            for side, sidecar in sidecars.items():
                samples[what, side].append(load(sidecar))
    return samples


def table(samples):
    return report.load_table({f"{what}: {side}": runs for (what, side), runs in samples.items()})


def of(samples, what):
    return {side: runs for (name, side), runs in samples.items() if name == what}


def memory_table(sidecars):
    rows = [[side, *[f"{mb:.1f}" for mb in sidecar.server.resident_mb()]] for side, sidecar in sidecars.items()]
    return report.table(["after the load", "resident MB", "anonymous MB"], rows)


def state_over_http(connections, seconds):
    """what -> load, for a get and a set."""

    def load(script, count):
        return lambda sidecar: wrk(sidecar.server, sidecar.url(), count, seconds, script)

    return {
        f"{what}, {count} connections": load(f"state_{what}.lua", count) for count in connections for what in ("get", "set")
    }


def measure_state(out, sidecars, options, connections):
    for sidecar in sidecars.values():
        sidecar.fill()
        for what in ("set", "get"):
            wrk(sidecar.server, sidecar.url(), JUDGED, 1, f"state_{what}.lua")
    samples = take_turns(sidecars, options.runs, state_over_http(connections, options.seconds))
    for sidecar in sidecars.values():
        sidecar.check()
    out.add(table(samples))
    out.add(memory_table(sidecars))
    return samples


def judge_state(verdicts, name, samples, at_least, p99_at_most=None):
    for what in ("get", "set"):
        judge(verdicts, f"{name}: {what}", of(samples, f"{what}, {JUDGED} connections"), at_least, p99_at_most)


def http(out, verdicts, options, folder):
    out.add("## In memory, through the Dapr HTTP API\n")
    with running(folder, lambda _: component("state.in-memory")) as sidecars:
        samples = measure_state(out, sidecars, options, options.connections)
    name = "HTTP, in memory"
    if JUDGED in options.connections:
        judge_state(verdicts, name, samples, TARGETS["memory"], TARGET_P99)
    else:
        verdicts.left_out(name, f"at least {TARGETS['memory']}", f"not run with {JUDGED} connections")


def redis(out, verdicts, options, folder):
    out.add("## Redis, through the Dapr HTTP API\n")
    out.add("One redis-server, a database a side. Its own CPU is not counted.\n")
    databases = {TANDEM: "0", DAPRD: "1"}
    with contextlib.closing(Redis()) as server:

        def store(side):
            return component("state.redis", redisHost=f"127.0.0.1:{server.port}", redisPassword="", redisDB=databases[side])

        with running(folder, store) as sidecars:
            samples = measure_state(out, sidecars, options, [JUDGED])
    judge_state(verdicts, "HTTP, Redis", samples, TARGETS["redis"])


def sqlite(out, verdicts, options, folder):
    out.add("## SQLite, through the Dapr HTTP API, every set durable\n")
    out.add(f"A file a side. Both: journal_mode=WAL (their default); {SQLITE}.\n")
    with running(folder, lambda _: component("state.sqlite", **SQLITE)) as sidecars:
        samples = measure_state(out, sidecars, options, [JUDGED])
    # What a durable commit costs is the question; a get is judged as it is in memory.
    judge(verdicts, "HTTP, SQLite: get", of(samples, f"get, {JUDGED} connections"), TARGETS["memory"])
    judge(verdicts, "HTTP, SQLite: set", of(samples, f"set, {JUDGED} connections"), TARGETS["sqlite"])


def grpc(out, verdicts, options, folder):
    out.add("## In memory, through the Dapr gRPC API\n")
    out.add(f"h2load, {GRPC_CONNECTIONS} connections with {STREAMS} stream at a time, one key.\n")
    calls = state_calls("grpc", VALUE.encode())

    def load(what, seconds):
        return lambda sidecar: h2load(sidecar, calls[what], seconds)

    with running(folder, lambda _: component("state.in-memory")) as sidecars:
        # The set first, for the get to find something; and neither side is cold.
        for sidecar in sidecars.values():
            for what in ("set", "get"):
                load(what, 1)(sidecar)
        samples = take_turns(sidecars, options.runs, {what: load(what, options.seconds) for what in ("get", "set")})
        out.add(table(samples))
        out.add(memory_table(sidecars))
    for what in ("get", "set"):
        judge(verdicts, f"gRPC, in memory: {what}", of(samples, what), TARGETS["grpc"])


def native_app():
    """The app behind the sidecars: one process for both of them."""
    return Server("the native app", [bench_program("bench_native")], [NUMBER])


INVOKE = "/v1.0/invoke/bench/method/hello"


def invoke(out, verdicts, options, folder):
    out.add("## Invoke: caller, sidecar, app\n")
    out.add("The app is `native_server.cc`, one process for both sides; its own CPU is not counted.\n")
    with native_app() as app:
        with running(folder, lambda _: component("state.in-memory"), app.port) as sidecars:
            for sidecar in sidecars.values():
                sidecar.server.expect(200, b"hello", path=INVOKE)
                wrk(sidecar.server, sidecar.url(INVOKE), JUDGED, 1)

            def load(sidecar):
                return wrk(sidecar.server, sidecar.url(INVOKE), JUDGED, options.seconds)

            name = f"invoke, {JUDGED} connections"
            samples = take_turns(sidecars, options.runs, {name: load})
            for sidecar in sidecars.values():
                sidecar.server.expect(200, b"hello", path=INVOKE)
            out.add(table(samples))
            out.add(memory_table(sidecars))
    judge(verdicts, "HTTP, invoke", of(samples, name), TARGETS["invoke"])
