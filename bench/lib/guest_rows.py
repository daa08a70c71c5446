"""A building block called by host function, next to the same calls made in C++ and to bare SQLite."""

import json
import subprocess
import threading
import time

import report
from load import wrk
from servers import TANDEM_APP, TANDEM_DAPR, Failed, Server, bench_program, guest, tandem_command
from sidecars import APP_ID, KEYS, VALUE, component

# Nanoseconds that a guest's call may cost above the store's own.
TARGET_ABOVE_NS = 1000
# Durable sets of this many guests, over as many producers of the bare loop.
TARGET_OVER_BARE = 0.7
PRODUCERS = 32
# Sets of one request: seldom enough that HTTP does not count, often enough to end in time.
SETS_A_REQUEST = 50


def figures(*command):
    """The lines "name figure" that bench_state prints."""
    done = subprocess.run([str(word) for word in command], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    if done.returncode != 0:
        raise Failed(f"{command} failed:\n{done.stderr}")
    return {name: float(figure) for name, figure in (line.split() for line in done.stdout.splitlines())}


def start_app(name, folder, store):
    resources = folder / "resources"
    resources.mkdir(parents=True)
    (resources / "statestore.yaml").write_text(store, encoding="utf-8")
    command = tandem_command(guest("state_calls"), "--resources-path", resources, "--app-id", APP_ID)
    server = Server(name, command, [TANDEM_APP, TANDEM_DAPR], folder=folder)
    try:
        fill(server)
    except BaseException:
        server.stop()
        raise
    return server


def fill(server):
    """Every key that the loads go round in, and the guest's own; each door is checked with the other's value."""
    dapr = server.ports[1]
    items = [{"key": f"k{n}", "value": VALUE} for n in range(KEYS)] + [{"key": "bench", "value": VALUE}]
    json_type = {"Content-Type": "application/json"}
    server.expect(204, b"", "POST", "/v1.0/state/statestore", body=json.dumps(items), headers=json_type, port=dapr)
    server.expect(200, f'"{VALUE}"'.encode(), path="/v1.0/state/statestore/k999", port=dapr)
    server.expect(200, f'"{VALUE}"'.encode(), path="/get/k999")


def guest_ns(server, path, body=None):
    status, text = server.request("POST" if body else "GET", path, body)
    if status != 200:
        raise Failed(f"{server.name}: {path} answered {status}: {text!r}")
    return float(text)


def in_memory(out, options, server, program):
    """From inside a guest, next to the same call made in C++. CPU time is judged: a busy machine is not in it."""
    calls = options.calls
    cpu = {"guest": [], "service_get_ns": [], "store_get_ns": []}
    wall = {"get": [], "set": []}
    guest_ns(server, "/bench?n=1000")
    for _ in range(options.runs):
        before = sum(server.cpu_seconds())
        wall["get"].append(guest_ns(server, f"/bench?n={calls}"))
        cpu["guest"].append((sum(server.cpu_seconds()) - before) * 1e9 / calls)
        wall["set"].append(guest_ns(server, f"/bench-set?n={calls // 10}", VALUE))
        for name, figure in figures(program, "memory", calls).items():
            cpu[name].append(figure)
    above = [a - b for a, b in zip(cpu["guest"], cpu["store_get_ns"])]

    def row(what, clock, values, target="", verdict=""):
        return [what, clock, f"{report.median(values):,.0f}", report.spread(values), target, verdict]

    verdict = "reached" if report.median(above) < TARGET_ABOVE_NS else "missed"
    rows = [
        row("get, in the guest (`tandem:dapr/state`)", "CPU", cpu["guest"]),
        row("get, C++ through StateService", "CPU", cpu["service_get_ns"]),
        row("get, C++ on the store itself", "CPU", cpu["store_get_ns"]),
        row("get in the guest, above the store itself", "CPU", above, f"under {TARGET_ABOVE_NS:,}", verdict),
        row("get, in the guest", "wall", wall["get"]),
        row("set of 64 bytes, in the guest", "wall", wall["set"]),
    ]
    out.add(f"## In a guest, in memory: nanoseconds a call, {calls:,} calls in one guest\n")
    out.add(report.table(["what", "clock", "median", "runs", "to reach", ""], rows))


def guests_at_once(server, seconds):
    """Durable sets a second of PRODUCERS guests, each of which has one under way at any time."""
    ends = time.monotonic() + seconds
    counts, failures = [0] * PRODUCERS, []

    def one(number):
        try:
            while time.monotonic() < ends:
                guest_ns(server, f"/bench-set?n={SETS_A_REQUEST}", VALUE)
                counts[number] += SETS_A_REQUEST
        except Failed as failure:
            failures.append(failure)

    began = time.monotonic()
    threads = [threading.Thread(target=one, args=(number,)) for number in range(PRODUCERS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if failures:
        raise failures[0]
    return sum(counts) / (time.monotonic() - began)


def sqlite(out, verdicts, options, server, program, folder):
    """Operations a second on the same file, every set durable."""
    milliseconds = options.seconds * 1000
    loads = {
        f"{what}, Dapr HTTP API, {count} connection{'s' if count > 1 else ''}": (f"state_{what}.lua", count)
        for what in ("set", "get")
        for count in (1, PRODUCERS)
    }
    programs = {
        "bare": {
            "set_1": "set, bare SQLite, a commit a set",
            "set_group": f"set, bare SQLite, group commit, {PRODUCERS} producers",
            "get_1": "get, bare SQLite, one thread",
        },
        "store": {
            "set_1": "set, component called from C++, 1 producer",
            "set_group": f"set, component called from C++, {PRODUCERS} producers",
            "get_1": "get, component called from C++, 1 caller",
            "get_many": f"get, component called from C++, {PRODUCERS} callers",
        },
    }
    # The app is idle while the bare loop has its file.
    files = {"bare": folder / "server.db", "store": folder / "store.db"}
    many_guests = f"set, {PRODUCERS} guests at once"
    rates = {}
    # The log of a new file grows with each set, which costs; bench_state too begins when it has stopped growing.
    wrk(server, server.url("", server.ports[1]), PRODUCERS, 1, "state_set.lua")
    for _ in range(options.runs):
        for mode, names in programs.items():
            for name, figure in figures(program, mode, files[mode], milliseconds, PRODUCERS).items():
                rates.setdefault(names[name], []).append(figure)
            # Next to the bare loop, since the disk's sync is another one a minute later.
            if mode == "bare":
                rates.setdefault(many_guests, []).append(guests_at_once(server, options.seconds))
        for name, (script, connections) in loads.items():
            url = server.url("", server.ports[1])
            rates.setdefault(name, []).append(wrk(server, url, connections, options.seconds, script).rate)
        for what, call in {"set": "/bench-set?n=1000", "get": "/bench?n=10000"}.items():
            rates.setdefault(f"{what}, in the guest, one at a time", []).append(1e9 / guest_ns(server, call, VALUE))
    bare = {
        "set": (programs["bare"]["set_1"], programs["bare"]["set_group"]),
        "get": (programs["bare"]["get_1"], programs["bare"]["get_1"]),
    }
    rows = []
    for name, values in sorted(rates.items(), key=lambda item: (item[0][:3] != "set", -report.median(item[1]))):
        many = str(PRODUCERS) in name
        peer = rates[bare[name[:3]][1 if many else 0]]
        ratio = report.median([a / b for a, b in zip(values, peer)])
        rows.append([name, report.count(report.median(values)), report.spread(values), f"{ratio:.2f}"])
    out.add(f"## In a guest, SQLite: operations a second, {options.seconds} s a run, every set durable\n")
    out.add("The last column is over the bare loop: a commit a set for one caller, group commit for many.\n")
    out.add(report.table(["what", "median", "runs", "over bare SQLite"], rows))
    what = f"{PRODUCERS} guests / bare group commit on the same file: durable sets a second"
    verdicts.at_least(what, rates[many_guests], rates[programs["bare"]["set_group"]], TARGET_OVER_BARE)


def run(out, verdicts, options, folder):
    program = bench_program("bench_state")
    with start_app("in memory", folder / "memory", component("state.in-memory")) as server:
        in_memory(out, options, server, program)
    store = component("state.sqlite", connectionString="server.db")
    with start_app("SQLite", folder / "sqlite", store) as server:
        sqlite(out, verdicts, options, server, program, folder / "sqlite")
