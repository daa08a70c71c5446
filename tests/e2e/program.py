"""A program that has Tandem beside it: an HTTP server in a thread of the test, and the sidecar that is started for it."""

import json
import re
import ssl
import subprocess
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from harness import PATIENCE, binary

# The line of daprd's that tools wait for.
INITIALIZED = re.compile(r"^dapr initialized\. Status: Running\. Init Elapsed \d+ms$")


class Seen:
    """A request that the program got."""

    def __init__(self, method, path, headers, body):
        self.method = method
        self.path = path
        self.headers = headers
        self.body = body


class Program:
    """Answers by `routes`, {path without query: function(Seen) -> (status, headers, body)}; any other path with 200 and
    what was asked as JSON. A body that is a list is sent in chunks. `seen` has every request but health probes."""

    def __init__(self, routes=None, tls=None, listening=True):
        self.routes = routes or {}
        self.seen = []
        self.news = threading.Condition()
        program = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *_):
                pass

            def body(self):
                if self.headers.get("transfer-encoding", "").lower() != "chunked":
                    return self.rfile.read(int(self.headers.get("content-length", 0)))
                body = b""
                while size := int(self.rfile.readline().split(b";")[0], 16):
                    body += self.rfile.read(size)
                    self.rfile.readline()
                self.rfile.readline()
                return body

            def answer(self):
                one = Seen(self.command, self.path, self.headers, self.body())
                status, headers, body = program.answer(one)
                self.send_response(status)
                for name, value in headers.items():
                    self.send_header(name, value)
                if isinstance(body, list):
                    self.send_header("transfer-encoding", "chunked")
                    self.end_headers()
                    for piece in body:
                        self.wfile.write(b"%x\r\n%s\r\n" % (len(piece), piece))
                    self.wfile.write(b"0\r\n\r\n")
                    return
                self.send_header("content-length", str(len(body)))
                self.end_headers()
                if self.command != "HEAD":
                    self.wfile.write(body)

            do_GET = do_HEAD = do_POST = do_PUT = do_DELETE = do_OPTIONS = do_PATCH = do_TRACE = answer

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler, bind_and_activate=False)
        self.server.daemon_threads = True
        self.server.server_bind()
        if tls:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(*tls)
            self.server.socket = context.wrap_socket(self.server.socket, server_side=True)
        self.port = self.server.server_port
        self.listens = False
        if listening:
            self.listen()

    def listen(self):
        """Until then the port is taken, and connections to it are refused."""
        self.server.server_activate()
        self.listens = True
        threading.Thread(target=self.server.serve_forever, args=(0.01,), daemon=True).start()

    def close(self):
        """The port refuses connections from now on; those that are there stay."""
        if self.listens:
            self.server.shutdown()
        self.listens = False
        self.server.server_close()

    def answer(self, one):
        path = one.path.split("?")[0]
        if path != "/healthz":
            with self.news:
                self.seen.append(one)
                self.news.notify_all()
        if path in self.routes:
            return self.routes[path](one)
        if path in ("/dapr/config", "/dapr/subscribe"):
            return 404, {}, b""
        said = {"method": one.method, "path": one.path, "headers": {k.lower(): v for k, v in one.headers.items()},
                "body": one.body.decode("latin-1")}
        return 200, {"content-type": "application/json"}, json.dumps(said).encode()

    def of(self, path):
        with self.news:
            return [one for one in self.seen if one.path.split("?")[0] == path]

    def wait_for(self, path, count=1):
        """The requests for a path, when there are so many."""
        with self.news:
            good = self.news.wait_for(lambda: len([1 for one in self.seen if one.path.split("?")[0] == path]) >= count,
                                      PATIENCE)
        if not good:
            raise AssertionError(f"{path} was not asked for {count} times, but {len(self.of(path))}")
        return self.of(path)


def certificate(folder):
    """One that nobody vouches for: the files of certificate and key."""
    key, certificate = folder / "key.pem", folder / "cert.pem"
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
                    "-keyout", key, "-out", certificate, "-days", "1", "-subj", "/CN=nobody"],
                   check=True, capture_output=True)
    return certificate, key


def daprd_flags(port, **flags):
    """For one program, on free ports. Flags of daprd by name, with underscores; a list is given several times."""
    every = {"app-id": "prog", "dapr-http-port": 0, "dapr-grpc-port": 0, "metrics-port": 0,
             "dapr-listen-addresses": "127.0.0.1", "metrics-listen-address": "127.0.0.1"}
    if port:
        every["app-port"] = port
    every.update({name.replace("_", "-"): value for name, value in flags.items()})
    out = []
    for name, value in every.items():
        for one in value if isinstance(value, list) else [value]:
            out += [f"--{name}"] if one is True else [f"--{name}", one]
    return out


def start_beside(test, port, env=None, command=None, **flags):
    """`tandem daprd` for a program at `port`, not waited for."""
    return test.start(*daprd_flags(port, **flags), env=env, command=command or [binary(), "daprd"])


def serve_beside(test, port, env=None, **flags):
    """The same, when it is ready."""
    one = start_beside(test, port, env, **flags).wait_until_serving()
    one.wait_for_log(msg=INITIALIZED)
    return one
