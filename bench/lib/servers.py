"""The programs under test: started on free ports, checked once, stopped, and read in /proc while they run."""

import http.client
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
PAGE_KB = os.sysconf("SC_PAGE_SIZE") // 1024
TICKS = os.sysconf("SC_CLK_TCK")

# How a program says where it serves: Tandem's log line, wasmtime's line, the native server's bare number.
TANDEM_APP = re.compile(r'app_url="?http://127\.0\.0\.1:(\d+)')
TANDEM_DAPR = re.compile(r'dapr_url="?http://127\.0\.0\.1:(\d+)')
WASMTIME = re.compile(r"http://127\.0\.0\.1:(\d+)")
NUMBER = re.compile(r"^(\d+)$")


class Failed(Exception):
    """A benchmark cannot go on, with the reason for a person."""


def run_benchmark(name, run, options):
    """`run(options)`, with every server stopped whatever happens, also at SIGTERM."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(f"bench {name}: stopped"))
    try:
        run(options)
    except Failed as failure:
        sys.exit(f"bench {name}: {failure}")


def needed(variable, default):
    """A path from ./dev, or where it puts it."""
    path = Path(os.environ.get(variable) or ROOT / default)
    if not path.exists():
        raise Failed(f"{path} is not there: ./dev bench builds it")
    return path


class Server:
    """One running program. Its output is kept: it is what explains a failure."""

    def __init__(self, name, command, patterns, environment=None, folder=None):
        self.name = name
        self.lines = []
        self.ports = []
        self.started = time.monotonic()
        self.process = subprocess.Popen(
            [str(word) for word in command],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env={**os.environ, **(environment or {})},
            cwd=folder,
            close_fds=False,
            text=True,
            errors="replace",
        )
        try:
            for line in self.process.stdout:
                self.lines.append(line.rstrip())
                found = [pattern.search(line) for pattern in patterns]
                if all(found):
                    self.ports = [int(match.group(1)) for match in found if match.groups()]
                    break
            else:
                raise Failed(f"{name} did not start: {command}\n" + "\n".join(self.lines[-20:]))
        except BaseException:
            self.process.kill()
            self.process.wait()
            raise
        # The pipe must not fill up.
        threading.Thread(target=self._drain, daemon=True).start()

    def _drain(self):
        for line in self.process.stdout:
            self.lines.append(line.rstrip())
            del self.lines[:-200]

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()

    @property
    def port(self):
        return self.ports[0]

    def url(self, path="/", port=None):
        return f"http://127.0.0.1:{port or self.port}{path}"

    def stop(self):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(10)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()

    def request(self, method="GET", path="/", body=None, headers=None, port=None):
        """Status and body."""
        connection = http.client.HTTPConnection("127.0.0.1", port or self.port, timeout=120)
        try:
            connection.request(method, path, body, headers or {})
            answer = connection.getresponse()
            return answer.status, answer.read()
        except OSError as error:
            raise Failed(f"{self.name}: {method} {path}: {error}\n" + "\n".join(self.lines[-20:])) from error
        finally:
            connection.close()

    def expect(self, status, answer, method="GET", path="/", **more):
        """The answer is right, or there is nothing to measure."""
        got = self.request(method, path, **more)
        if got != (status, answer):
            raise Failed(f"{self.name}: {method} {path} answered {got}, not {(status, answer)}\n" + "\n".join(self.lines[-20:]))

    def cpu_seconds(self):
        """User and system time of the process so far."""
        fields = Path(f"/proc/{self.process.pid}/stat").read_text().rsplit(")", 1)[1].split()
        return int(fields[11]) / TICKS, int(fields[12]) / TICKS

    def resident_mb(self):
        """VmRSS in MB, and the part of it that no file backs."""
        text = Path(f"/proc/{self.process.pid}/status").read_text()
        kb = {name: int(value) for name, value in re.findall(r"^(\w+):\s+(\d+) kB", text, re.MULTILINE)}
        return kb["VmRSS"] / 1024, kb["RssAnon"] / 1024


def first_answer_ms(command, pattern, environment=None):
    """From exec to the end of the first answer, which is right, of a program that is stopped after it."""
    with Server("start", command, [pattern], environment) as server:
        with socket.create_connection(("127.0.0.1", server.port), timeout=60) as connection:
            connection.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
            answer = b""
            while piece := connection.recv(65536):
                answer += piece
        took = (time.monotonic() - server.started) * 1000
        if not answer.startswith(b"HTTP/1.1 200") or b"hello" not in answer:
            raise Failed(f"the first answer is wrong: {answer!r}")
        return took


def tandem_command(module, *flags, workers=0):
    """`tandem run` as a user starts it, on free ports."""
    tandem = needed("TANDEM_BINARY", "build/release/tandem")
    ports = ["--app-port", "0", "--dapr-http-port", "0", "--dapr-grpc-port", "0", "--metrics-port", "0"]
    return [tandem, "run", module, *ports, "--workers", workers, *flags]


def guest(name):
    return needed("TANDEM_GUESTS", "build/guests") / f"{name}.wasm"


def bench_program(name):
    """bench_native or bench_state of the build that ./dev has made."""
    path = needed("TANDEM_BUILD", "build/release") / "bench" / name
    if not path.exists():
        raise Failed(f"{path} is not there: ./dev bench builds it")
    return path


def go_program(folder):
    """The Go module in bench/<folder>, built; no module but the standard library's."""
    program = ROOT / "build" / "bench" / folder
    program.parent.mkdir(parents=True, exist_ok=True)
    command = ["go", "build", "-trimpath", "-o", str(program), "."]
    done = subprocess.run(command, cwd=ROOT / "bench" / folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    if done.returncode != 0:
        raise Failed(f"{folder} cannot be built:\n{done.stdout}")
    return program


def wasmtime():
    """The wasmtime command line tool, built once."""
    done = subprocess.run([ROOT / "tools" / "peers.sh", "wasmtime"], check=True, stdout=subprocess.PIPE, text=True)
    return Path(done.stdout.split()[-1])
