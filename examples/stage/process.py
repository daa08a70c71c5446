"""The Tandem process that runs an example: its ports, its log, its orderly end."""

import ctypes
import os
import re
import signal
import socket
import subprocess
import time
from pathlib import Path

from .failure import Failure

START_LIMIT = 180  # seconds; the first start compiles the modules, which a slow machine does in a minute
STOP_LIMIT = 20
ENDING = 0.3
TICK = 0.02  # between looks at what only a log or an answer tells

# key=value or key="quoted value".
FIELD = re.compile(r'([\w.]+)=(?:"((?:[^"\\]|\\.)*)"|(\S*))')
PORT = re.compile(r"^(\s*(?:appPort|daprHTTPPort):\s*)(\d+)\s*$", re.MULTILINE)
PATH = re.compile(r"^(\s*(?:module|resourcesPath):\s*)(\S+)\s*$", re.MULTILINE)
METRICS_PORT = 9090


def shown(path):
    """As a person would write it."""
    try:
        return path.relative_to(Path.cwd())
    except ValueError:
        return path


def is_free(port):
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def end_with_parent():
    """In the child: SIGTERM when run.py is gone, however it went."""
    pr_set_pdeathsig = 1
    ctypes.CDLL(None).prctl(pr_set_pdeathsig, signal.SIGTERM)


class ExampleProcess:
    """Made once; start() and stop() once."""

    def __init__(self, binary, guests, app_file, folder):
        self._binary = binary
        self._guests = guests
        self._app_file = app_file
        self._process = None
        self._apps = {}  # app id -> the fields of its "serving" line
        self.folder = folder
        self.log = folder / "tandem.log"
        self.metrics_url = ""
        self.started_in = 0.0

    @property
    def pid(self):
        return self._process.pid

    def url(self, app_id):
        return self._apps[app_id]["app_url"]

    def dapr_url(self, app_id):
        return self._apps[app_id]["dapr_url"]

    def start(self, say):
        """Returns when all apps are served. `say(name, text)` hears what a person should know meanwhile."""
        text = self._app_file.read_text()
        self._check_built([Path(path).stem for _, path in PATH.findall(text) if path.endswith(".wasm")])
        self.folder.mkdir(parents=True, exist_ok=True)
        wanted = [int(port) for _, port in PORT.findall(text)] + [METRICS_PORT]
        taken = [port for port in wanted if not is_free(port)]
        if taken:
            say("ports", f"{', '.join(map(str, taken))} in use by another program: free ones are taken in their place")
        self._launch(self._file_for(text, taken), 0 if METRICS_PORT in taken else METRICS_PORT)
        began = time.monotonic()
        self._await_serving(began, apps=text.count("appID:"), say=say)
        self.started_in = time.monotonic() - began

    def _check_built(self, guests):
        if not self._binary.is_file():
            raise Failure(f"{self._binary} is not there: ./dev build")
        missing = [n for n in guests if not (self._guests / f"{n}.wasm").is_file()]
        if missing:
            raise Failure(f"{', '.join(missing)} not built in {self._guests}: ./dev guests {' '.join(missing)}")

    def _file_for(self, text, taken):
        """The example's own tandem.yaml, or a copy where ports or the guests' folder have to differ."""
        usual_guests = (self._app_file.parent / "../../build/guests").resolve() == self._guests.resolve()
        if not taken and usual_guests:
            return self._app_file

        def port(match):
            return f"{match[1]}{0 if int(match[2]) in taken else match[2]}"

        def path(match):
            is_guest = match[2].endswith(".wasm")
            return match[1] + str(self._guests / Path(match[2]).name if is_guest else self._app_file.parent / match[2])

        copy = self.folder / "tandem.yaml"
        copy.write_text(PATH.sub(path, PORT.sub(port, text)))
        return copy

    def _launch(self, app_file, metrics_port):
        with self.log.open("wb") as log:
            self._process = subprocess.Popen(
                [self._binary, "run", "-f", app_file, "--metrics-port", str(metrics_port)],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd=self.folder,
                env={**os.environ, "DAPR_GRPC_PORT": "0"},  # nobody here calls over gRPC: any free port
                process_group=0,  # Ctrl-C is for run.py, which stops it in order
                preexec_fn=end_with_parent,
            )

    def _await_serving(self, began, apps, say):
        """Until the log says where every app is."""
        said = False
        while len(self._apps) < apps or not self.metrics_url:
            self.pause("starting")
            for line in self.log.read_text(errors="replace").splitlines():
                self._note({key: quoted or plain for key, quoted, plain in FIELD.findall(line)})
            waited = time.monotonic() - began
            if waited > 2 and not said:
                say("starting", "the first start compiles the guests to machine code; later ones take it from the cache")
                said = True
            if waited > START_LIMIT:
                raise Failure(f"the apps are not served after {START_LIMIT} s", self.log_tail())

    def _note(self, fields):
        if fields.get("msg") == "serving":
            self._apps[fields["app_id"]] = fields
        elif fields.get("msg") == "serving metrics":
            self.metrics_url = fields["url"]

    def pause(self, doing):
        """A moment of waiting, ended with a failure when the process ends in it."""
        try:
            self._process.wait(TICK)
        except subprocess.TimeoutExpired:
            return
        raise Failure(f"it broke off while {doing}")

    def explained(self, failure):
        """The failure, with what is known here: that Tandem is gone, and the end of its log."""
        if self._process is None:
            return failure
        try:
            # Its connections break a moment before it is gone.
            status = self._process.wait(ENDING)
        except subprocess.TimeoutExpired:
            return Failure(str(failure), failure.log_lines or self.log_tail())
        return Failure(f"{failure}; Tandem has ended by itself, with exit status {status}", self.log_tail())

    def wait_for_end(self):
        return self._process.wait()

    def log_tail(self, count=15):
        return self.log.read_text(errors="replace").splitlines()[-count:] if self.log.is_file() else []

    def resident_mb(self):
        status = Path(f"/proc/{self.pid}/status").read_text()
        return int(re.search(r"^VmRSS:\s+(\d+) kB", status, re.MULTILINE)[1]) // 1024

    def stop(self):
        """Whether it ended in order. A second Ctrl-C meanwhile ends it at once."""
        if self._process is None:
            return True
        if self._process.poll() is None:
            self._process.terminate()
        try:
            return self._process.wait(STOP_LIMIT) == 0
        except KeyboardInterrupt:
            self._process.terminate()
        except subprocess.TimeoutExpired:
            self._process.kill()
        self._process.wait()
        return False
