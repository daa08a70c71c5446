"""The two sides of a wire test: Tandem and a daprd, each a process of its own with an app behind it that echoes.

A side is started for a file's settings and one folder of resources, and is then two addresses: `http` ("host:port") and
`grpc`. Whoever starts it closes it.
"""

import os
import queue
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
import time
from pathlib import Path
from urllib.parse import urlsplit

import harness
from echo_app import EchoApp

HERE = Path(__file__).resolve().parent
APP_ID = "wire"
DELIVERY_SECONDS = 20


def daprd_program():
    """The real one, when ./dev daprd has built it."""
    cache = os.environ.get("TANDEM_CACHE") or Path.home() / ".cache" / "tandem"
    program = Path(cache) / "daprd" / "daprd"
    return program if program.is_file() else None


class Redis:
    """A server of Debian's for the files that name it; started once."""

    def __init__(self):
        self.port = harness.free_port()
        self.address = f"127.0.0.1:{self.port}"
        self.process = subprocess.Popen(
            ["redis-server", "--port", str(self.port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        for line in self.process.stdout:
            if "eady to accept connections" in line:
                break
        else:
            raise AssertionError("redis-server did not start")
        threading.Thread(target=self.process.stdout.read, daemon=True).start()

    def begin(self, settings):
        """Empty, but for what the setting `redis` puts there."""
        with socket.create_connection(("127.0.0.1", self.port), timeout=harness.PATIENCE) as connection:
            answers = connection.makefile("rb")
            for command in ["FLUSHALL", *filter(None, map(str.strip, settings["redis"].split(";")))]:
                connection.sendall(command.encode() + b"\r\n")
                if (answer := answers.readline()).startswith(b"-"):
                    raise AssertionError(f"{command}: {answer}")

    def close(self):
        self.process.terminate()
        self.process.wait()


class Postgresql:
    """The same, of PostgreSQL's: a database of its own for each file and side."""

    def __init__(self):
        self.folder = Path(tempfile.mkdtemp(prefix="tandem-wire-postgresql-"))
        self.port = harness.free_port()
        self.databases = 0
        self.address = ""
        self.bin = max(Path("/usr/lib/postgresql").glob("*/bin"), default=Path("/usr/bin"))
        # It refuses to run as root.
        self.as_user = []
        if os.geteuid() == 0:
            self.as_user = ["setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups"]
            shutil.chown(self.folder, "postgres", "postgres")
        data = self.folder / "data"
        self._run("initdb", "-D", data, "-A", "trust", "-U", "postgres", "-E", "UTF8", "--no-sync")
        self.process = subprocess.Popen(
            [*self.as_user, self.bin / "postgres", "-D", data, "-h", "127.0.0.1", "-p", str(self.port), "-k",
             self.folder, "-F"],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, cwd=self.folder)
        for line in self.process.stdout:
            if "ready to accept connections" in line:
                break
        else:
            raise AssertionError("PostgreSQL did not start")
        threading.Thread(target=self.process.stdout.read, daemon=True).start()

    def _run(self, program, *arguments):
        subprocess.run([*self.as_user, self.bin / program, *map(str, arguments)], cwd=self.folder, check=True,
                       capture_output=True, timeout=harness.PATIENCE)

    def begin(self, _settings):
        self.databases += 1
        self._run("createdb", "-h", "127.0.0.1", "-p", self.port, "-U", "postgres", f"wire{self.databases}")
        self.address = f"host=127.0.0.1 port={self.port} user=postgres database=wire{self.databases}"

    def close(self):
        self.process.send_signal(signal.SIGINT)
        self.process.wait()
        shutil.rmtree(self.folder, ignore_errors=True)


# By the folder of resources that needs one; ${name} in its files stands for the address.
SERVERS = {"redis": Redis, "postgresql": Postgresql}


def outside():
    """Where a server outside Dapr echoes, "host:port", for the resources that name one; started once, ends with the
    process."""
    global _outside
    if _outside is None:
        _outside = EchoApp()
    return f"127.0.0.1:{_outside.port}"


_outside = None


def arguments(settings, resources, folder, servers):
    """What both sides are given, in daprd's words. The resources' placeholders are filled in below `folder`."""
    out = []
    target = folder / "resources"
    target.mkdir()
    source = HERE / "resources" / resources
    for file in sorted(source.iterdir()) if source.is_dir() else []:
        text = file.read_text().replace("${folder}", str(folder))
        if "${echo}" in text:
            text = text.replace("${echo}", outside())
        for name, server in servers.items():
            text = text.replace(f"${{{name}}}", server.address)
        (target / file.name).write_text(text)
    out += ["--resources-path", str(target)]
    if settings["config"]:
        out += ["--config", str(HERE / "configurations" / settings["config"])]
    return out + settings["flags"].split()


def variables(settings):
    return dict(pair.split("=", 1) for pair in settings["env"].split())


class Tandem:
    """The app is a guest, in the process."""

    name = "tandem"

    @staticmethod
    def missing():
        """Why this side cannot be run; None: it can."""
        return None

    def __init__(self, settings, resources, folder, servers):
        self.process = harness.Tandem(
            [harness.guest("echo"), "--app-id", APP_ID, "--app-port", "0", "--dapr-http-port", "0", "--metrics-port",
             "0", "--cache-folder", harness.cache_folder(), *arguments(settings, resources, folder, servers)],
            env=variables(settings), cwd=folder)
        try:
            self.process.wait_until_serving()
        except AssertionError:
            self.process.kill()
            raise
        self.http = self.process.app.dapr_url.removeprefix("http://")
        self.grpc = self.process.app.dapr_grpc
        self.app_port = urlsplit(self.process.app.url).port

    def ended(self):
        """The exit status of a process that is ending."""
        return self.process.wait()

    @staticmethod
    def runs(settings):
        """Why a file of these settings has nothing to say here; None: it has."""
        return "a guest notes nothing" if settings["app"] == "notes" else None

    def close(self):
        self.process.kill()

    def log(self):
        return self.process.output()


class Sidecar:
    """The real daprd, beside an app."""

    name = "daprd"

    @staticmethod
    def missing():
        return None if daprd_program() else "none is built (./dev daprd builds it)"

    @staticmethod
    def command():
        return [daprd_program()]

    @staticmethod
    def runs(_settings):
        return None

    def next_delivery(self):
        """What the app gets next, as it notes it; None: nothing comes."""
        try:
            return self.app.deliveries.get(timeout=DELIVERY_SECONDS)
        except queue.Empty:
            return None

    def __init__(self, settings, resources, folder, servers):
        self.app = EchoApp(notes=settings["app"] == "notes")
        self.app_port = self.app.port
        ports = [harness.free_port() for _ in range(4)]
        self.http, self.grpc = (f"127.0.0.1:{port}" for port in ports[:2])
        self.lines = []
        self.process = subprocess.Popen(
            [*self.command(), "--app-id", APP_ID, "--app-port", str(self.app.port), "--dapr-http-port",
             str(ports[0]), "--dapr-grpc-port", str(ports[1]), "--dapr-internal-grpc-port", str(ports[2]),
             "--metrics-port", str(ports[3]), "--dapr-listen-addresses", "127.0.0.1",
             "--dapr-graceful-shutdown-seconds", "1", *arguments(settings, resources, folder, servers)],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, cwd=folder,
            env=harness.environment({"DAPR_GRPC_PORT": None, **variables(settings)}))
        for line in self.process.stdout:
            self.lines.append(line.rstrip("\n"))
            if re.search(r"dapr initialized\. Status: Running", line):
                break
        else:
            raise AssertionError(f"{self.name} ended at its start\n{self.log()}")
        threading.Thread(target=self._read, daemon=True).start()
        # Its log says that it runs a moment before its health check does.
        deadline = time.monotonic() + harness.PATIENCE
        while harness.get(f"http://{self.http}/v1.0/healthz").status != 204:
            if time.monotonic() > deadline:
                raise AssertionError(f"{self.name} does not become healthy\n{self.log()}")

    def _read(self):
        for line in self.process.stdout:
            self.lines.append(line.rstrip("\n"))

    def ended(self):
        return self.process.wait(harness.PATIENCE)

    def close(self):
        self.process.kill()
        self.process.wait()
        self.app.close()

    def log(self):
        return "\n".join(self.lines[-100:])


class TandemSidecar(Sidecar):
    """`tandem daprd` in daprd's place: the same flags, the same app beside it; what is expected is Tandem's."""

    name = "tandem"

    @staticmethod
    def missing():
        known = harness.tandem("daprd", "--version").returncode == 0
        return None if known else f"{harness.binary()} has no command `daprd`"

    @staticmethod
    def command():
        return [harness.binary(), "daprd"]
