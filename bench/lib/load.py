"""Load from wrk, and what it and the server's own CPU time say."""

import re
import subprocess
from dataclasses import dataclass
from pathlib import Path

from servers import Failed

UNITS_US = {"us": 1, "ms": 1_000, "s": 1_000_000, "m": 60_000_000}


@dataclass
class Sample:
    """One run. Latencies in microseconds; CPU is the server's, in microseconds a request."""

    rate: float
    p50: float
    p99: float
    user: float
    system: float
    requests: int

    @property
    def cpu(self):
        return self.user + self.system


def _latency(text, percentile):
    value, unit = re.search(rf"^\s+{percentile}%\s+([\d.]+)(us|ms|s|m)\s*$", text, re.MULTILINE).groups()
    return float(value) * UNITS_US[unit]


def wrk(server, url, connections, seconds, script=None, arguments=()):
    """Runs wrk for `seconds`; an answer that is not 2xx or a broken connection makes the figures worthless.

    `arguments` are the script's."""
    command = ["wrk", "--latency", "-t", str(min(connections, 2)), "-c", str(connections), "-d", f"{seconds}s"]
    command += ["--timeout", "30s"]
    if script:
        command += ["-s", str(Path(__file__).resolve().parent / script)]
    before = server.cpu_seconds()
    command += [url, "--", *map(str, arguments)]
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    after = server.cpu_seconds()
    text = done.stdout
    total = re.search(r"^\s+(\d+) requests in", text, re.MULTILINE)
    if done.returncode != 0 or not total or int(total.group(1)) == 0:
        raise Failed(f"wrk against {server.name} failed:\n{text}")
    if "Non-2xx" in text or "Socket errors" in text:
        raise Failed(f"wrk against {server.name} met errors:\n{text}\n" + "\n".join(server.lines[-10:]))
    requests = int(total.group(1))
    rate = float(re.search(r"^Requests/sec:\s+([\d.]+)", text, re.MULTILINE).group(1))
    user, system = ((a - b) * 1e6 / requests for a, b in zip(after, before))
    return Sample(rate, _latency(text, 50), _latency(text, 99), user, system, requests)
