"""Requests over connections that stay open, many at a time, from one thread.

Python's own HTTP client would be slower than the server it asks. This one reads what the shop's answers are: a head,
and a body with a Content-Length or in chunks.
"""

import json
import selectors
import socket
import time
from dataclasses import dataclass
from urllib.parse import urlsplit

from stage.failure import Failure

PATIENCE = 30  # seconds without any answer


@dataclass(slots=True)
class Answer:
    path: str
    status: int
    body: bytes
    seconds: float

    @property
    def text(self):
        return self.body.decode(errors="replace")

    def json(self):
        try:
            return json.loads(self.body)
        except ValueError:
            raise Failure(f"{self.path} was answered with something that is not JSON: {self.text[:200]!r}") from None


def dechunk(data):
    """The body that the chunks hold so far, and whether the last one is there."""
    body = b""
    while (line_end := data.find(b"\r\n")) >= 0:
        size = int(data[:line_end].split(b";", 1)[0], 16)
        rest = data[line_end + 2 :]
        if len(rest) < size + 2:
            break
        if size == 0:
            return body, True
        body, data = body + rest[:size], rest[size + 2 :]
    return body, False


class Connection:
    """One socket, one request at a time."""

    def __init__(self, address):
        try:
            self.socket = socket.create_connection(address, timeout=PATIENCE)
        except OSError as error:
            raise Failure(f"cannot connect to {address[0]}:{address[1]}: {error.strerror}") from None
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.index = -1
        self.path = ""
        self.began = 0.0
        self.received = b""

    def send(self, index, path, request):
        self.index, self.path, self.received = index, path, b""
        self.began = time.perf_counter()
        self.socket.sendall(request)

    def receive(self):
        """The answer when it is complete, else None."""
        piece = self.socket.recv(65536)
        if not piece:
            raise Failure(f"the connection was closed in the middle of {self.path}: {self.received[:200]!r}")
        self.received += piece
        head_end = self.received.find(b"\r\n\r\n")
        if head_end < 0:
            return None
        head = self.received[:head_end].lower()
        body = self.received[head_end + 4 :]
        at = head.find(b"\r\ncontent-length:")
        if at >= 0:
            complete = len(body) >= int(head[at + 17 :].split(b"\r\n", 1)[0])
        elif b"\r\ntransfer-encoding:" in head:
            body, complete = dechunk(body)
        else:
            complete = True  # 204
        if not complete:
            return None
        return Answer(self.path, int(head.split(b" ", 2)[1]), body, time.perf_counter() - self.began)


class Load:
    """Sends requests to one server, each on the next connection that is free."""

    def __init__(self, url, connections):
        parts = urlsplit(url)
        self._address = (parts.hostname, parts.port)
        self._host = f"{parts.hostname}:{parts.port}"
        self._connections = connections
        self.seconds = 0.0  # of the last round

    def get(self, paths):
        return self._run([(path, f"GET {path} HTTP/1.1\r\nHost: {self._host}\r\n\r\n".encode()) for path in paths])

    def post(self, path, values):
        requests = []
        for value in values:
            body = json.dumps(value).encode()
            head = (
                f"POST {path} HTTP/1.1\r\nHost: {self._host}\r\nContent-Type: application/json\r\n"
                f"Content-Length: {len(body)}\r\n\r\n"
            )
            requests.append((path, head.encode() + body))
        return self._run(requests)

    def _run(self, requests):
        """The answers, in the order of the requests."""
        answers = [None] * len(requests)
        waiting = enumerate(requests)
        connections = [Connection(self._address) for _ in range(min(self._connections, len(requests)))]
        began = time.perf_counter()
        with selectors.DefaultSelector() as selector:
            for connection in connections:
                selector.register(connection.socket, selectors.EVENT_READ, connection)
                index, (path, request) = next(waiting)
                connection.send(index, path, request)
            left = len(requests)
            while left > 0:
                ready = selector.select(PATIENCE)
                if not ready:
                    raise Failure(f"no answer from {self._host} for {PATIENCE} seconds, {left} requests are waiting")
                for key, _ in ready:
                    left -= self._step(key.data, answers, waiting)
        self.seconds = time.perf_counter() - began
        for connection in connections:
            connection.socket.close()
        return answers

    @staticmethod
    def _step(connection, answers, waiting):
        """How many answers came: one or none. The connection gets its next request."""
        try:
            answer = connection.receive()
            if answer is None:
                return 0
            answers[connection.index] = answer
            index, (path, request) = next(waiting, (-1, ("", b"")))
            if index >= 0:
                connection.send(index, path, request)
            return 1
        except OSError as error:
            raise Failure(f"the connection broke during {connection.path}: {error.strerror}") from None


class Summary:
    """What a round of requests took, as text."""

    def __init__(self, answers, seconds):
        self.times = sorted(answer.seconds for answer in answers)
        self.per_second = len(answers) / seconds

    def percentile(self, share):
        return self.times[min(len(self.times) - 1, int(len(self.times) * share))] * 1000

    def __str__(self):
        return f"p50 {self.percentile(0.5):.2f} ms  p99 {self.percentile(0.99):.2f} ms  {self.per_second:,.0f}/s"
