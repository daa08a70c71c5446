"""An app behind a sidecar that answers as tests/guests/echo does, over http.server: the wire tests' other side needs one."""

import queue
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def body(self):
        if self.headers.get("transfer-encoding", "").lower() == "chunked":
            pieces = []
            while size := int(self.rfile.readline().split(b";")[0], 16):
                pieces.append(self.rfile.read(size))
                self.rfile.readline()
            while self.rfile.readline().strip():
                pass
            return b"".join(pieces)
        return self.rfile.read(int(self.headers.get("content-length", "0")))

    def answer(self, status, body=b"", content_type=None):
        self.send_response_only(status)
        if content_type:
            self.send_header("content-type", content_type)
        if status >= 200 and status not in (204, 304):
            self.send_header("content-length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def echo(self):
        body = self.body()
        if self.server.deliveries is not None and self.command in ("POST", "OPTIONS"):
            self.server.deliveries.put((self.command, self.path, self.headers.items(), body))
            # "/answer/404", "/answer/200/DROP": what an app makes of an event, in the path that it comes to.
            what, _, rest = self.path.removeprefix("/").partition("/")
            status, _, verdict = rest.partition("/") if what == "answer" else ("200", "", "")
            return self.answer(int(status), b'{"status": "%s"}' % verdict.encode() if verdict else b"")
        what, _, rest = self.path.removeprefix("/").partition("?")[0].partition("/")
        if what == "method":
            self.answer(200, self.command.encode(), "text/plain; charset=utf-8")
        elif what == "path":
            self.answer(200, self.path.encode(), "text/plain; charset=utf-8")
        elif what == "authority":
            self.answer(200, self.headers.get("host", "").encode(), "text/plain; charset=utf-8")
        elif what == "headers":
            self.answer(200, "".join(f"{name.lower()}: {value}\n" for name, value in self.headers.items()).encode())
        elif what == "status":
            self.answer(int(rest))
        elif what == "count":
            self.answer(200, str(len(body)).encode(), "text/plain; charset=utf-8")
        else:
            self.answer(200, body, self.headers.get("content-type"))

    do_GET = do_HEAD = do_POST = do_PUT = do_DELETE = do_PATCH = do_OPTIONS = echo


class Server(ThreadingHTTPServer):
    daemon_threads = True
    deliveries = None

    def handle_error(self, request, client_address):
        """A caller that goes away in the middle is no news."""


class EchoApp:
    """Serves on a free port until close(). One that notes keeps each POST in `deliveries`, as (method, path, headers,
    body), and answers it with an empty 200, or as the path says."""

    def __init__(self, notes=False):
        self.server = Server(("127.0.0.1", 0), Handler)
        if notes:
            self.server.deliveries = queue.Queue()
        self.deliveries = self.server.deliveries
        self.port = self.server.server_address[1]
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def close(self):
        self.server.shutdown()
        self.server.server_close()
