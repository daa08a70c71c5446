"""Debian's redis-server for a test, and the few commands with which a test looks into it."""

import socket
import subprocess
import threading
import time

from harness import PATIENCE, free_port

COMPONENT = """apiVersion: dapr.io/v1alpha1
kind: Component
metadata:
  name: {name}
spec:
  type: pubsub.redis
  version: v1
  metadata:
    - {{name: redisHost, value: "{host}:{port}"}}
    - {{name: redisPassword, value: ""}}
{more}
"""


class RedisServer:
    """Every write is on disk before it is answered, so that a killed server comes back with all that it has said."""

    def __init__(self, folder, host="127.0.0.1", prefix=()):
        """`prefix` are the words before the command, for a server in a network namespace, where `host` is."""
        self.folder = folder
        self.host = host
        self.prefix = prefix
        self.port = free_port()
        self.process = None
        self.start()

    def start(self):
        self.process = subprocess.Popen(
            [*self.prefix, "redis-server", "--port", str(self.port), "--bind", self.host, "--protected-mode", "no",
             "--dir", str(self.folder), "--save", "", "--appendonly", "yes", "--appendfsync", "always"],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        for line in self.process.stdout:
            if "eady to accept connections" in line:
                break
        else:
            raise AssertionError("redis-server did not start")
        # It must not stand still because nobody reads what it says.
        self.reader = threading.Thread(target=self.process.stdout.read, daemon=True)
        self.reader.start()

    def kill(self):
        """As a crash would."""
        self.process.kill()
        self.process.wait()
        self.reader.join(PATIENCE)
        self.process.stdout.close()

    def close(self):
        if self.process.poll() is None:
            self.kill()

    def ask(self, *words):
        """One command; its answer: text, a number, None or a list of those."""
        with socket.create_connection((self.host, self.port), timeout=PATIENCE) as connection:
            request = b"*%d\r\n" % len(words)
            for word in words:
                data = word if isinstance(word, bytes) else str(word).encode()
                request += b"$%d\r\n%s\r\n" % (len(data), data)
            connection.sendall(request)
            with connection.makefile("rb") as answer:
                return read_answer(answer)

    def pending(self, topic, group):
        """How many messages the group has been given and not acknowledged; -1 without such a group."""
        answer = self.ask("XPENDING", topic, group)
        return answer[0] if isinstance(answer, list) else -1

    def component(self, name="pubsub", **metadata):
        """The YAML of a pubsub.redis here."""
        more = "\n".join(f'    - {{name: {key}, value: "{value}"}}' for key, value in metadata.items())
        return COMPONENT.format(name=name, host=self.host, port=self.port, more=more)


def read_answer(stream):
    line = stream.readline().decode().rstrip("\r\n")
    kind, rest = line[:1], line[1:]
    if kind == ":":
        return int(rest)
    if kind == "$":
        return None if rest == "-1" else stream.read(int(rest) + 2)[:-2].decode(errors="replace")
    if kind == "*":
        return None if rest == "-1" else [read_answer(stream) for _ in range(int(rest))]
    return rest


def wait_for_count(look, wanted, what, timeout=PATIENCE):
    """Until look() says `wanted`."""
    deadline = time.monotonic() + timeout
    pause = threading.Event()
    while (seen := look()) != wanted:
        if time.monotonic() > deadline:
            raise AssertionError(f"{what}: {seen}, not {wanted}")
        pause.wait(0.01)
