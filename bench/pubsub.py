"""What an event costs on its way into an app, and a call of an output binding: a guest of Tandem's, next to a native app
behind a real daprd.

usage: ./dev bench pubsub [--only ROWS] [--quick] [--runs N] [--seconds N]

All sides run in this one session, take turns, and are judged by the median of their turns. Prints Markdown.
"""

import argparse
import shutil
import sys
import tempfile
from pathlib import Path

# In place of this folder, where http.py would hide the standard library's http.
sys.path[0] = str(Path(__file__).resolve().parent / "lib")

import binding_rows
import event_rows
import report
from servers import ROOT, run_benchmark
from sidecars import daprd_missing
from verdicts import Verdicts

ROWS = {"memory": event_rows.memory, "redis": event_rows.redis, "binding": binding_rows.http}


def rows(text):
    chosen = text.split(",")
    unknown = [name for name in chosen if name not in ROWS]
    if unknown:
        raise argparse.ArgumentTypeError(f"there is no {', '.join(unknown)}; the rows are {', '.join(ROWS)}")
    return chosen


def positive(text):
    if not text.isdigit() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number above zero")
    return int(text)


def arguments():
    parser = argparse.ArgumentParser(prog="./dev bench pubsub", description=" ".join(__doc__.split("\n\n")[0].split()))
    parser.add_argument("--only", type=rows, default=list(ROWS), help=f"of {','.join(ROWS)} (default all)")
    parser.add_argument("--quick", action="store_true", help="one run of 1 s a side: to see that it works, not to judge by")
    parser.add_argument("--runs", type=positive, help="turns a side (default 5)")
    parser.add_argument("--seconds", type=positive, help="of one run (default 2)")
    parsed = parser.parse_args()
    parsed.runs = parsed.runs or (1 if parsed.quick else 5)
    parsed.seconds = parsed.seconds or (1 if parsed.quick else 2)
    return parsed


def run(options):
    out = report.Report("pubsub")
    out.add(f"# ./dev bench pubsub\n\n{report.machine()}. {options.runs} alternating runs of {options.seconds} s a side.\n")
    if daprd_missing():
        out.add(f"**{daprd_missing()}. Only Tandem's side runs, and what compares both is left out.**\n")
    place = ROOT / "build" / "bench"
    place.mkdir(parents=True, exist_ok=True)
    folder = Path(tempfile.mkdtemp(dir=place))
    verdicts = Verdicts()
    try:
        for name in options.only:
            ROWS[name](out, verdicts, options, folder / name)
    finally:
        shutil.rmtree(folder)
    out.add("## Targets, median of the turns (noise)\n")
    out.add(verdicts.table())
    out.save()


if __name__ == "__main__":
    run_benchmark("pubsub", run, arguments())
