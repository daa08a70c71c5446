"""Medians, noise and ratios as Markdown, on the terminal and in bench/results (which is not committed)."""

import datetime
import os
import platform
import re
import statistics
from pathlib import Path

RESULTS = Path(__file__).resolve().parent.parent / "results"


def median(values):
    return statistics.median(values)


def count(value):
    return f"{value:,.0f}"


def micros(value):
    return f"{value:,.0f} µs" if value < 10_000 else f"{value / 1000:,.1f} ms"


def spread(values, form=count):
    """The noise: least and most of the runs."""
    return f"{form(min(values))} .. {form(max(values))}"


def table(head, rows):
    lines = ["| " + " | ".join(head) + " |", "| --- |" + " ---: |" * (len(head) - 1)]
    return "\n".join(lines + ["| " + " | ".join(str(cell) for cell in row) + " |" for row in rows]) + "\n"


def load_table(samples):
    """`samples`: name -> list of Sample."""
    rows = []
    for name, runs in samples.items():
        rates = [run.rate for run in runs]
        rows.append(
            [
                name,
                count(median(rates)),
                spread(rates),
                micros(median([run.p50 for run in runs])),
                micros(median([run.p99 for run in runs])),
                f"{median([run.user for run in runs]):.1f}",
                f"{median([run.system for run in runs]):.1f}",
            ]
        )
    return table(["side", "requests/s", "runs", "p50", "p99", "CPU user µs", "CPU kernel µs"], rows)


def machine():
    """One line about where the figures come from."""
    cpu = re.search(r"^model name\s*:\s*(.+)$", Path("/proc/cpuinfo").read_text(), re.MULTILINE)
    load = os.getloadavg()[0]
    return (
        f"{datetime.date.today()}, {cpu.group(1) if cpu else platform.machine()}, {os.cpu_count()} cores, "
        f"Linux {platform.release()}, load average before the runs {load:.1f}"
    )


class Report:
    """Printed as it grows, written at the end."""

    def __init__(self, name):
        self.name = name
        self.text = ""

    def add(self, text):
        self.text += text + "\n"
        print(text, flush=True)

    def save(self):
        RESULTS.mkdir(exist_ok=True)
        stamp = datetime.datetime.now().strftime("%Y%m%d-%H%M%S")
        path = RESULTS / f"{self.name}-{stamp}.md"
        path.write_text(self.text, encoding="utf-8")
        print(f"written to {path}")
