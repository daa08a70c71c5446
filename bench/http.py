"""What an HTTP request into a guest costs: Tandem, `wasmtime serve` and a native handler side by side.

usage: ./dev bench http [--quick] [--runs N] [--seconds N] [--connections 1,32,256] [--only TEXT]

All sides run in this one session, take turns, and are judged by the median of their turns. Prints Markdown.
"""

import argparse
import contextlib
import sys
import time
from pathlib import Path

# In place of this folder, where this file's own name would hide the standard library's http.
sys.path[0] = str(Path(__file__).resolve().parent / "lib")

import report
from load import wrk
from servers import (
    NUMBER,
    TANDEM_APP,
    WASMTIME,
    Server,
    bench_program,
    first_answer_ms,
    guest,
    run_benchmark,
    tandem_command,
    wasmtime,
)

REUSED = "Tandem, instances reused (the default)"
FRESH = "Tandem, --isolation request"
PEER = "wasmtime serve, defaults"
PEER_REUSE = "wasmtime serve, reuse and pooling on"
NATIVE = "native handler in the same server"
EXTRA = {
    "Go: Tandem": ("hello_go", "tandem"),
    "Go: wasmtime serve, reuse and pooling on": ("hello_go", "wasmtime"),
    "JavaScript: Tandem": ("hello_js", "tandem"),
    "JavaScript: wasmtime serve, reuse and pooling on": ("hello_js", "wasmtime"),
}

# (what, over what, at least, stretch)
TARGETS = [
    (REUSED, PEER, 6.0, None),
    (REUSED, PEER_REUSE, 1.3, 1.5),
    (REUSED, NATIVE, 0.7, None),
    (FRESH, PEER, 1.5, 2.0),
]
TARGET_START_MS = 30
TARGET_RESIDENT_MB = 30
# The trial behind the targets used this many; the others are printed beside it.
JUDGED = 32


def arguments():
    parser = argparse.ArgumentParser(prog="./dev bench http", description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="runs of 1 s: to see that it works, not to judge by")
    parser.add_argument("--runs", type=int, default=5, help="turns a side (default 5)")
    parser.add_argument("--seconds", type=int, help="of one run (default 3)")
    parser.add_argument("--connections", default="1,32,256", help="list (default 1,32,256)")
    parser.add_argument("--only", default="", help="leave out sides whose name does not contain this")
    parser.add_argument("--starts", type=int, default=10, help="cold starts to time (default 10)")
    parsed = parser.parse_args()
    parsed.seconds = parsed.seconds or (1 if parsed.quick else 3)
    parsed.connections = [int(number) for number in parsed.connections.split(",")]
    return parsed


def wasmtime_command(module, *flags):
    # -S cli: guests of real toolchains import more than wasi:http.
    return [wasmtime(), "serve", "-S", "cli", "--addr", "127.0.0.1:0", *flags, module]


def reuse_flags():
    return ["-O", "pooling-allocator=y", "--max-instance-reuse-count", "1000000000"]


def sides():
    """name -> (command, how it says its port)."""
    hello = guest("hello")
    all_sides = {
        REUSED: (tandem_command(hello), TANDEM_APP),
        PEER_REUSE: (wasmtime_command(hello, *reuse_flags()), WASMTIME),
        NATIVE: ([bench_program("bench_native")], NUMBER),
        FRESH: (tandem_command(hello, "--isolation", "request"), TANDEM_APP),
        PEER: (wasmtime_command(hello), WASMTIME),
    }
    for name, (module, who) in EXTRA.items():
        if who == "tandem":
            all_sides[name] = (tandem_command(guest(module)), TANDEM_APP)
        else:
            all_sides[name] = (wasmtime_command(guest(module), *reuse_flags()), WASMTIME)
    return all_sides


def measure(servers, connections, runs, seconds):
    """The sides take turns, so that what else the machine does meets all of them."""
    samples = {name: [] for name in servers}
    for _ in range(runs):
        for name, server in servers.items():
            samples[name].append(wrk(server, server.url(), connections, seconds))
    return samples


def ratio_rows(samples_by_connections):
    judged = JUDGED if JUDGED in samples_by_connections else max(samples_by_connections)
    rows = []
    for what, over, least, stretch in TARGETS:
        if any(name not in samples for samples in samples_by_connections.values() for name in (what, over)):
            continue
        cells = {}
        for connections, samples in samples_by_connections.items():
            ratios = [a.rate / b.rate for a, b in zip(samples[what], samples[over])]
            cells[connections] = (report.median(ratios), f"{report.median(ratios):.2f} ({min(ratios):.2f} .. {max(ratios):.2f})")
        target = f"{least}" + (f" ({stretch} is the stretch)" if stretch else "")
        verdict = "reached" if cells[judged][0] >= least else "missed"
        rows.append([f"{what} / {over}", target, *[text for _, text in cells.values()], verdict])
    return rows


def start_times(starts):
    command = tandem_command(guest("hello"))
    first_answer_ms(command, TANDEM_APP)  # compiles and caches
    return [first_answer_ms(command, TANDEM_APP) for _ in range(starts)]


def idle_memory():
    """Resident and anonymous MB of a hello app: after its first answer, once it is idle."""
    with Server("idle", tandem_command(guest("hello")), [TANDEM_APP]) as server:
        server.expect(200, b"hello")
        time.sleep(2)
        return server.resident_mb()


def process_rows(options):
    times = start_times(options.starts)
    resident, anonymous = idle_memory()
    start, memory = report.median(times), f"{resident:.1f} MB ({anonymous:.1f} MB anonymous)"
    return [
        [
            "start of `tandem run` to first answer, module cached",
            f"under {TARGET_START_MS} ms",
            f"{start:.1f} ms ({min(times):.1f} .. {max(times):.1f})",
            "reached" if start < TARGET_START_MS else "missed",
        ],
        [
            "resident memory, hello guest, idle",
            f"under {TARGET_RESIDENT_MB} MB",
            memory,
            "reached" if resident < TARGET_RESIDENT_MB else "missed",
        ],
    ]


def run(options):
    out = report.Report("http")
    out.add(f"# ./dev bench http\n\n{report.machine()}. wrk, {options.runs} alternating runs of {options.seconds} s a side.\n")
    out.add("## The process\n")
    out.add(report.table(["what", "to reach", "measured (noise)", ""], process_rows(options)))
    with contextlib.ExitStack() as stack:
        servers = {}
        for name, (command, pattern) in sides().items():
            if options.only.lower() in name.lower():
                servers[name] = stack.enter_context(Server(name, command, [pattern]))
                servers[name].expect(200, b"hello")
                wrk(servers[name], servers[name].url(), 32, 1)
        everything = {}
        for connections in options.connections:
            main = {name: server for name, server in servers.items() if name not in EXTRA}
            chosen = servers if connections == JUDGED else main
            everything[connections] = measure(chosen, connections, options.runs, options.seconds)
            out.add(f"## {connections} connections\n")
            out.add(report.load_table(everything[connections]))
        rows = ratio_rows(everything)
        if rows:
            out.add(f"## Ratios, median (noise), judged at {JUDGED} connections\n")
            out.add(report.table(["ratio of requests/s", "at least", *[f"{c}" for c in everything], ""], rows))
        memory = [
            [name, *[f"{mb:.1f}" for mb in server.resident_mb()]] for name, server in servers.items()
        ]
        out.add("## Memory after the load\n")
        out.add(report.table(["side", "resident MB", "anonymous MB"], memory))
    out.save()


if __name__ == "__main__":
    run_benchmark("http", run, arguments())
