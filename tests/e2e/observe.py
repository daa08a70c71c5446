"""What tests see of a process from outside, and ways to ask it many things at once."""

import os
import re
import select
import threading
import time
from pathlib import Path

from harness import PATIENCE, get

MIB = 1 << 20


class Usage:
    """Memory, processor time and descriptors of a Tandem process, from /proc."""

    def __init__(self, tandem):
        self.folder = Path("/proc") / str(tandem.process.pid)

    def _status(self, key):
        for line in (self.folder / "status").read_text().splitlines():
            if line.startswith(key + ":"):
                return int(line.split()[1]) * 1024
        raise AssertionError(f"no {key} in {self.folder}/status")

    @property
    def resident(self):
        """Bytes of memory in use now."""
        return self._status("VmRSS")

    @property
    def peak(self):
        """The most bytes since reset_peak()."""
        return self._status("VmHWM")

    def reset_peak(self):
        (self.folder / "clear_refs").write_text("5")

    @property
    def processor_ticks(self):
        fields = (self.folder / "stat").read_text().rsplit(")", 1)[1].split()
        return int(fields[11]) + int(fields[12])

    @property
    def descriptors(self):
        return len(os.listdir(self.folder / "fd"))


class Scrape:
    """What a process tells Prometheus, at one moment."""

    SERIES = re.compile(r'^(\w+)(?:\{(.*)\})? (\S+)$')
    LABEL = re.compile(r'(\w+)="((?:[^"\\]|\\.)*)"')

    def __init__(self, tandem):
        tandem.wait_for(lambda: tandem.metrics_url, "the metrics' address")
        answer = get(tandem.metrics_url)
        if answer.status != 200:
            raise AssertionError(f"the metrics are answered {answer.status}")
        self.text = answer.text
        self.series = {}  # (name, labels as a frozenset of pairs) -> value
        for line in self.text.splitlines():
            if line and not line.startswith("#"):
                name, labels, value = self.SERIES.match(line).groups()
                self.series[name, frozenset(self.LABEL.findall(labels or ""))] = float(value)

    def value(self, name, /, **labels):
        """Of the series with exactly these labels; 0 when there is none."""
        return self.series.get((name, frozenset(labels.items())), 0)

    def total(self, name, /, **labels):
        """Of all series with at least these labels."""
        wanted = set(labels.items())
        return sum(value for (one, have), value in self.series.items() if one == name and wanted <= have)

    def labels(self, name):
        """The names of the labels of a family, as a set for each of its series."""
        return [{key for key, _ in have} for one, have in self.series if one == name]

    def kinds(self):
        """Family -> counter, gauge or histogram."""
        return dict(re.findall(r"^# TYPE (\w+) (\w+)$", self.text, re.MULTILINE))


def wait_until(condition, what, timeout=PATIENCE, pause=0.005):
    """For what no log line tells: looks again and again, and fails when it does not come."""
    deadline = time.monotonic() + timeout
    looked = threading.Event()
    while not condition():
        if time.monotonic() > deadline:
            raise AssertionError(f"{timeout} seconds passed, waiting for {what}")
        looked.wait(pause)


def fill(connection, data, most):
    """Sends `data` over and over until the other side takes no more, or `most` bytes have gone. How many went.

    The other side takes no more when nothing can be sent for half a second, many times the
    longest pause of a server that reads."""
    sent = 0
    connection.socket.setblocking(False)
    while sent < most:
        try:
            sent += connection.socket.send(data[: most - sent])
        except BlockingIOError:
            if not select.select([], [connection.socket], [], 0.5)[1]:
                break
    connection.socket.settimeout(PATIENCE)
    return sent


def together(count, work):
    """Runs work(0) … work(count - 1), each on its own thread; their results in order. The first failure is raised."""
    results = [None] * count
    failures = []

    def run(index):
        try:
            results[index] = work(index)
        except BaseException as failure:  # Raised below.
            failures.append(failure)

    threads = [threading.Thread(target=run, args=(index,), daemon=True) for index in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(PATIENCE)
        if thread.is_alive():
            raise AssertionError("a thread of the test does not end")
    if failures:
        raise failures[0]
    return results
