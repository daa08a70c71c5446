"""What a building block costs: through Dapr's API next to a real daprd, and from inside a guest next to its store.

usage: ./dev bench state [--only ROWS] [--quick] [--runs N] [--seconds N] [--connections 1,32,256] [--calls N]
                         [--requests N] [--soak MINUTES]

All sides run in this one session, take turns, and are judged by the median of their turns. Prints Markdown.
"""

import argparse
import shutil
import sys
import tempfile
from pathlib import Path

# In place of this folder, where http.py would hide the standard library's http.
sys.path[0] = str(Path(__file__).resolve().parent / "lib")

import dapr_rows
import guest_rows
import memory_rows
import report
from servers import ROOT, run_benchmark
from sidecars import daprd_missing
from verdicts import Verdicts

ROWS = {
    "http": dapr_rows.http,
    "redis": dapr_rows.redis,
    "sqlite": dapr_rows.sqlite,
    "grpc": dapr_rows.grpc,
    "invoke": dapr_rows.invoke,
    "guest": guest_rows.run,
    "memory": memory_rows.after_requests,
}
LEAST_SOAK_MINUTES = 3


def rows(text):
    chosen = text.split(",")
    unknown = [name for name in chosen if name not in ROWS]
    if unknown:
        raise argparse.ArgumentTypeError(f"there is no {', '.join(unknown)}; the rows are {', '.join(ROWS)}")
    return chosen


def numbers(text):
    try:
        found = [int(number) for number in text.split(",")]
    except ValueError:
        found = []
    if not found or min(found) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a list of numbers like 1,32,256")
    return found


def positive(text):
    return numbers(text)[0]


def arguments():
    parser = argparse.ArgumentParser(prog="./dev bench state", description=__doc__.splitlines()[0])
    parser.add_argument("--only", type=rows, default=list(ROWS), help=f"of {','.join(ROWS)} (default all)")
    parser.add_argument("--quick", action="store_true", help="two runs of 1 s a side: to see that it works, not to judge by")
    parser.add_argument("--runs", type=positive, help="turns a side (default 5)")
    parser.add_argument("--seconds", type=positive, help="of one run (default 3)")
    parser.add_argument("--connections", type=numbers, default="1,32,256", help="of the row http (default 1,32,256)")
    parser.add_argument("--calls", type=positive, help="of one guest, in memory (default 1,000,000)")
    parser.add_argument("--requests", type=positive, help="before memory is read (default 1,000,000)")
    parser.add_argument(
        "--soak", type=positive, metavar="MINUTES", help=f"only that: memory under load, at least {LEAST_SOAK_MINUTES} minutes"
    )
    parsed = parser.parse_args()
    if parsed.soak and parsed.soak < LEAST_SOAK_MINUTES:
        parser.error(f"--soak: at least {LEAST_SOAK_MINUTES} minutes: memory is read from the end of the second on")
    parsed.runs = parsed.runs or (2 if parsed.quick else 5)
    parsed.seconds = parsed.seconds or (1 if parsed.quick else 3)
    parsed.calls = parsed.calls or (100_000 if parsed.quick else 1_000_000)
    parsed.requests = parsed.requests or (50_000 if parsed.quick else 1_000_000)
    return parsed


def measure(out, options, folder):
    if options.soak:
        memory_rows.soak(out, options, folder / "soak")
        return
    if daprd_missing():
        out.add(f"**{daprd_missing()}. Only Tandem's side runs, and what compares both is left out.**\n")
    verdicts = Verdicts()
    for name in options.only:
        ROWS[name](out, verdicts, options, folder / name)
    out.add("## Targets, median of the turns (noise)\n")
    out.add(verdicts.table())


def run(options):
    out = report.Report("state")
    out.add(f"# ./dev bench state\n\n{report.machine()}. {options.runs} alternating runs of {options.seconds} s a side.\n")
    # On a real disk: what a durable commit costs is the point. /tmp may be memory.
    place = ROOT / "build" / "bench"
    place.mkdir(parents=True, exist_ok=True)
    folder = Path(tempfile.mkdtemp(dir=place))
    try:
        measure(out, options, folder)
    finally:
        shutil.rmtree(folder)
    out.save()


if __name__ == "__main__":
    run_benchmark("state", run, arguments())
