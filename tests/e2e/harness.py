"""What every end-to-end test starts from: a Tandem process of its own, guests, HTTP over http.client and raw sockets.

Needs TANDEM_BINARY, TANDEM_GUESTS and TANDEM_SOURCE, which ctest sets. Nothing here sleeps: a test waits for a line of
the log, for an answer or for the end of the process, and every wait has a limit. All ports are free ones, chosen by the
system; the log line `msg=serving` says which.

    class HelloTest(TandemTest):
        def test_hello(self):
            tandem = self.run_guest("hello")
            answer = tandem.get("/")
            self.assertEqual(answer.status, 200)
"""

import http.client
import json
import os
import random
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
import time
import unittest
from pathlib import Path
from urllib.parse import urlsplit

# Compiling a JavaScript guest takes ten seconds on a busy machine, a sanitizer build several times that.
PATIENCE = float(os.environ.get("TANDEM_TEST_PATIENCE", "120"))

# A Configuration by which an app id is the port of the app's sidecar.
PORTS_AS_NAMES = """apiVersion: dapr.io/v1alpha1
kind: Configuration
metadata:
  name: names
spec:
  nameResolution:
    component: nameformat
    configuration:
      format: "127.0.0.1:{appid}"
"""


def binary():
    return Path(os.environ["TANDEM_BINARY"])


def source():
    return Path(os.environ["TANDEM_SOURCE"])


def guest(name):
    """The path of a guest; a test that needs one that is not built fails and says so."""
    path = Path(os.environ["TANDEM_GUESTS"]) / f"{name}.wasm"
    if not path.is_file():
        raise AssertionError(f"{path} is not there: ./dev guests {name}")
    return path


def cache_folder():
    """Compiled modules, shared by all tests: a guest is compiled once. Tests of the cache take their own."""
    return Path(tempfile.gettempdir()) / f"tandem-e2e-modules-{os.getuid()}"


class Answer:
    """An HTTP answer, read to its end."""

    def __init__(self, status, reason, headers, body):
        self.status = status
        self.reason = reason
        self.headers = headers  # http.client.HTTPMessage: names in any case
        self.body = body

    @property
    def text(self):
        return self.body.decode()

    def json(self):
        return json.loads(self.body)

    def __repr__(self):
        return f"<{self.status} {self.body[:200]!r}>"


def request(url, method="GET", body=None, headers=None, timeout=PATIENCE):
    """One request on a connection of its own. A body that is neither text nor bytes is sent as JSON."""
    headers = dict(headers or {})
    if body is not None and not isinstance(body, (bytes, str)):
        body = json.dumps(body)
        headers.setdefault("content-type", "application/json")
    if isinstance(body, str):
        body = body.encode()
    parts = urlsplit(url)
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    connection = http.client.HTTPConnection(parts.hostname, parts.port, timeout=timeout)
    try:
        connection.request(method, target, body=body, headers=headers)
        got = connection.getresponse()
        return Answer(got.status, got.reason, got.headers, got.read())
    finally:
        connection.close()


def get(url, **options):
    return request(url, "GET", **options)


def post(url, body=b"", **options):
    return request(url, "POST", body, **options)


class RawConnection:
    """A socket for what http.client would not send."""

    def __init__(self, url, timeout=PATIENCE):
        parts = urlsplit(url)
        self.socket = socket.create_connection((parts.hostname, parts.port), timeout=timeout)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def send(self, data):
        self.socket.sendall(data.encode() if isinstance(data, str) else data)

    def finish(self):
        """No more will be sent; answers are still read."""
        self.socket.shutdown(socket.SHUT_WR)

    def reset(self):
        """The client is gone, without a word."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        self.socket.close()

    def read_until(self, mark):
        """All that comes, up to and with `mark`; what came after it too."""
        data = b""
        while mark not in data:
            piece = self.socket.recv(65536)
            if not piece:
                raise AssertionError(f"the connection ended before {mark!r}: {data[-200:]!r}")
            data += piece
        return data

    def read_all(self):
        """Until the other side closes; a reset counts as that."""
        data = b""
        try:
            while piece := self.socket.recv(65536):
                data += piece
        except ConnectionResetError:
            pass
        return data

    def close(self):
        self.socket.close()


# key=value or key="quoted value", as the log's text format writes them.
FIELD = re.compile(r'([\w.]+)=(?:"((?:[^"\\]|\\.)*)"|(\S*))')
ESCAPES = {"n": "\n", "r": "\r", "t": "\t"}


def unquote(text):
    return re.sub(r"\\(.)", lambda match: ESCAPES.get(match.group(1), match.group(1)), text)


def parse_log_line(line):
    """The fields of a log line in either format; empty for a line that is none."""
    if line.startswith("{"):
        try:
            return json.loads(line)
        except ValueError:
            return {}
    if not line.startswith("time="):
        return {}
    return {key: unquote(quoted) if quoted else plain for key, quoted, plain in FIELD.findall(line)}


class App:
    """Where one app of a process is served."""

    def __init__(self, app_id, url, dapr_url, dapr_grpc):
        self.app_id = app_id
        self.url = url
        self.dapr_url = dapr_url
        self.dapr_grpc = dapr_grpc  # "127.0.0.1:50001"


class Tandem:
    """A running `tandem run`, or another command that serves; its lines are read as they come."""

    def __init__(self, arguments, env=None, cwd=None, command=None):
        self.arguments = [*map(str, command or [binary(), "run"]), *map(str, arguments)]
        self.lines = []  # standard output
        self.error_lines = []  # standard error
        self.apps = {}
        self.metrics_url = None
        self._news = threading.Condition()
        self._open_streams = 2
        self.process = subprocess.Popen(
            self.arguments,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=environment(env),
            cwd=cwd,
            text=True,
            encoding="utf-8",
            errors="replace",
        )
        self._readers = [
            threading.Thread(target=self._read, args=(stream, lines), daemon=True)
            for stream, lines in ((self.process.stdout, self.lines), (self.process.stderr, self.error_lines))
        ]
        for reader in self._readers:
            reader.start()

    def _read(self, stream, lines):
        for line in stream:
            with self._news:
                lines.append(line.rstrip("\n"))
                self._note(parse_log_line(lines[-1]))
                self._news.notify_all()
        with self._news:
            self._open_streams -= 1
            self._news.notify_all()

    def _note(self, fields):
        if fields.get("scope") != "tandem.server":
            return
        if fields.get("msg") == "serving":
            self.apps[fields["app_id"]] = App(fields["app_id"], fields["app_url"], fields.get("dapr_url"),
                                             fields.get("dapr_grpc"))
        elif fields.get("msg") == "serving metrics":
            self.metrics_url = fields["url"]

    def log(self, **wanted):
        """The log lines, as fields, whose fields are those given; a compiled pattern is searched for."""

        def fits(fields, key, value):
            have = str(fields.get(key, ""))
            return bool(value.search(have)) if isinstance(value, re.Pattern) else have == str(value)

        with self._news:
            lines = [parse_log_line(line) for line in self.lines]
        return [fields for fields in lines if fields and all(fits(fields, k, v) for k, v in wanted.items())]

    def wait_for(self, condition, what, timeout=PATIENCE):
        """Until condition() holds, looked at whenever a line comes. Fails when the process ends first."""
        deadline = time.monotonic() + timeout
        with self._news:
            while not condition():
                left = deadline - time.monotonic()
                if left <= 0 or self._open_streams == 0:
                    why = "the process ended" if self._open_streams == 0 else f"{timeout} seconds passed"
                    raise AssertionError(f"{why}, waiting for {what}\n{self.output()}")
                self._news.wait(left)

    def wait_for_log(self, **wanted):
        """The first such log line."""
        self.wait_for(lambda: self.log(**wanted), f"a log line with {wanted}")
        return self.log(**wanted)[0]

    def wait_until_serving(self, apps=1):
        self.wait_for(lambda: len(self.apps) >= apps, f"{apps} served apps")
        return self

    @property
    def app(self):
        """The only app."""
        (one,) = self.apps.values()
        return one

    def get(self, path="/", **options):
        return get(self.app.url + path, **options)

    def post(self, path="/", body=b"", **options):
        return post(self.app.url + path, body, **options)

    def output(self):
        return "\n".join([*self.lines[-200:], *(f"stderr: {line}" for line in self.error_lines[-200:])])

    @property
    def errors(self):
        return "\n".join(self.error_lines)

    def signal(self, number=signal.SIGTERM):
        self.process.send_signal(number)

    def wait(self, timeout=PATIENCE):
        """The exit status; the process has to be ending already."""
        try:
            status = self.process.wait(timeout)
        except subprocess.TimeoutExpired:
            self.kill()
            raise AssertionError(f"the process does not end\n{self.output()}") from None
        for reader in self._readers:
            reader.join(timeout)
        return status

    def stop(self, expected=0):
        """SIGTERM, and the exit status that an orderly stop has."""
        if self.process.poll() is None:
            self.signal()
        status = self.wait()
        if status != expected:
            raise AssertionError(f"exit status {status}, not {expected}\n{self.output()}")

    def kill(self):
        """Ends it as a crash would, at once."""
        self.process.kill()
        self.process.wait()
        for reader in self._readers:
            reader.join(PATIENCE)
        self.process.stdout.close()
        self.process.stderr.close()


def free_ports(count):
    """TCP ports that nobody has, for a program that cannot choose one itself: below those that the system gives to
    whoever asks for any, so that nobody gets them by chance until it listens."""
    first = int(Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()[0])
    found = []
    while len(found) < count:
        port = random.randrange(10000, first)
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
        if port not in found:
            found.append(port)
    return found


def free_port():
    return free_ports(1)[0]


def environment(extra=None):
    """This process's, without what would change Tandem's defaults. The gRPC port, which few tests name, is a free one."""
    out = {
        key: value
        for key, value in os.environ.items()
        if not key.startswith("DAPR_") and key not in ("APP_ID", "APP_PORT", "NAMESPACE", "XDG_CACHE_HOME")
    }
    out["DAPR_GRPC_PORT"] = "0"
    out.update(extra or {})
    return {key: value for key, value in out.items() if value is not None}


def tandem(*arguments, env=None, cwd=None, timeout=PATIENCE):
    """Runs a command that ends by itself: the completed process, with its output as text."""
    return subprocess.run(
        [str(binary()), *map(str, arguments)],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        env=environment(env),
        cwd=cwd,
        timeout=timeout,
        check=False,
    )


class TandemTest(unittest.TestCase):
    """A test with a folder of its own, whose processes end with it. What they still run then is stopped, and has to
    stop in order."""

    def setUp(self):
        self.folder = Path(tempfile.mkdtemp(prefix="tandem-e2e-"))
        self._running = []

    def tearDown(self):
        try:
            for one in self._running:
                if one.process.poll() is None:
                    one.stop()
        finally:
            for one in self._running:
                one.kill()
            shutil.rmtree(self.folder, ignore_errors=True)

    def write(self, name, text):
        """A file in the test's folder; its path."""
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        return path

    def start(self, *arguments, env=None, cwd=None, command=None):
        """`tandem run` with these arguments, not waited for; `command` is another program and its first words."""
        one = Tandem(arguments, env, cwd or self.folder, command)
        self._running.append(one)
        return one

    def run_guest(self, name, *arguments, env=None):
        """One guest on free ports, serving."""
        ports = ["--app-port", "0", "--dapr-http-port", "0", "--metrics-port", "0", "--cache-folder", cache_folder()]
        one = self.start(guest(name), *(ports if "--cache-folder" not in arguments else ports[:-2]), *arguments, env=env)
        return one.wait_until_serving()

    def run_file(self, text, *arguments, apps=1, env=None):
        """The apps of a tandem.yaml with this text, written into the test's folder, serving. Its ports should be 0."""
        path = self.write("tandem.yaml", text)
        one = self.start("-f", path, "--metrics-port", "0", "--cache-folder", cache_folder(), *arguments, env=env)
        return one.wait_until_serving(apps)
