"""What a building block costs on top of its store: from inside a guest, and through the Dapr HTTP API.

usage: ./dev bench state [--quick] [--runs N] [--seconds N] [--calls N]

All sides run in this one session, take turns, and are judged by the median of their turns. Prints Markdown.
"""

import argparse
import contextlib
import json
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

# In place of this folder, where http.py would hide the standard library's http.
sys.path[0] = str(Path(__file__).resolve().parent / "lib")

import report
from load import wrk
from servers import ROOT, TANDEM_APP, TANDEM_DAPR, Failed, Server, bench_program, guest, run_benchmark, tandem_command

# Nanoseconds that a guest's call may cost above the store's own.
TARGET_ABOVE_NS = 1000
PRODUCERS = 32
VALUE = "v" * 32 + "w" * 32

COMPONENT = """apiVersion: dapr.io/v1alpha1
kind: Component
metadata:
  name: statestore
spec:
  type: {type}
  version: v1
  metadata: [{metadata}]
"""


def arguments():
    parser = argparse.ArgumentParser(prog="./dev bench state", description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="runs of 1 s: to see that it works, not to judge by")
    parser.add_argument("--runs", type=int, default=5, help="turns a side (default 5)")
    parser.add_argument("--seconds", type=int, help="of one run (default 3)")
    parser.add_argument("--calls", type=int, help="of one guest, in memory (default 1,000,000)")
    parsed = parser.parse_args()
    parsed.seconds = parsed.seconds or (1 if parsed.quick else 3)
    parsed.calls = parsed.calls or (100_000 if parsed.quick else 1_000_000)
    return parsed


def figures(*command):
    """The lines "name figure" that bench_state prints."""
    done = subprocess.run([str(word) for word in command], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    if done.returncode != 0:
        raise Failed(f"{command} failed:\n{done.stderr}")
    return {name: float(figure) for name, figure in (line.split() for line in done.stdout.splitlines())}


def start_app(name, folder, component):
    resources = folder / "resources"
    resources.mkdir(parents=True)
    (resources / "statestore.yaml").write_text(component, encoding="utf-8")
    command = tandem_command(guest("state_calls"), "--resources-path", resources, "--app-id", "bench")
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
    items = [{"key": f"k{n}", "value": VALUE} for n in range(1000)] + [{"key": "bench", "value": VALUE}]
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
    out.add(f"## In memory: nanoseconds a call, {calls:,} calls in one guest\n")
    out.add(report.table(["what", "clock", "median", "runs", "to reach", ""], rows))


def sqlite(out, options, server, program, folder):
    """Operations a second on the same file, every set durable."""
    milliseconds = options.seconds * 1000
    loads = {
        "set, Dapr HTTP API, 1 connection": ("state_set.lua", 1),
        f"set, Dapr HTTP API, {PRODUCERS} connections": ("state_set.lua", PRODUCERS),
        "get, Dapr HTTP API, 1 connection": ("state_get.lua", 1),
        f"get, Dapr HTTP API, {PRODUCERS} connections": ("state_get.lua", PRODUCERS),
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
    rates = {}
    # The log of a new file grows with each set, which costs; bench_state too begins when it has stopped growing.
    wrk(server, server.url("", server.ports[1]), PRODUCERS, 1, "state_set.lua")
    for _ in range(options.runs):
        for mode, names in programs.items():
            for name, figure in figures(program, mode, folder / f"{mode}.db", milliseconds, PRODUCERS).items():
                rates.setdefault(names[name], []).append(figure)
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
    out.add(f"## SQLite: operations a second, {options.seconds} s a run, every set durable\n")
    out.add("The last column is over the bare loop: a commit a set for one caller, group commit for many.\n")
    out.add(report.table(["what", "median", "runs", "over bare SQLite"], rows))


def dapr_http(out, options, server):
    samples = {}
    dapr = server.url("", server.ports[1])
    for _ in range(options.runs):
        for connections in (1, 32, 256):
            for what in ("get", "set"):
                name = f"{what}, {connections} connections"
                samples.setdefault(name, []).append(wrk(server, dapr, connections, options.seconds, f"state_{what}.lua"))
    out.add("## In memory through the Dapr HTTP API\n")
    out.add(report.load_table(samples))


def run(options):
    out = report.Report("state")
    out.add(f"# ./dev bench state\n\n{report.machine()}. {options.runs} alternating runs a side.\n")
    program = bench_program("bench_state")
    # On a real disk: what a durable commit costs is the point. /tmp may be memory.
    place = ROOT / "build" / "bench"
    place.mkdir(parents=True, exist_ok=True)
    folder = Path(tempfile.mkdtemp(dir=place))
    try:
        with contextlib.ExitStack() as stack:
            memory = COMPONENT.format(type="state.in-memory", metadata="")
            server = stack.enter_context(start_app("in memory", folder / "memory", memory))
            in_memory(out, options, server, program)
            dapr_http(out, options, server)
        with contextlib.ExitStack() as stack:
            file = COMPONENT.format(type="state.sqlite", metadata='{name: connectionString, value: "server.db"}')
            server = stack.enter_context(start_app("SQLite", folder / "sqlite", file))
            sqlite(out, options, server, program, folder)
    finally:
        shutil.rmtree(folder)
    out.save()


if __name__ == "__main__":
    run_benchmark("state", run, arguments())
