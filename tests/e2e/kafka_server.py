"""A real Kafka broker for a test (tests/kafka/broker.py), and the few questions with which a test looks into it."""

import json
import os
import socket
import struct
import subprocess
import sys
import threading
import time
from pathlib import Path

from harness import PATIENCE, free_ports

BROKER = Path(__file__).resolve().parent.parent / "kafka"
sys.path.insert(0, str(BROKER))
import broker  # noqa: E402

COMPONENT = """apiVersion: dapr.io/v1alpha1
kind: Component
metadata:
  name: {name}
spec:
  type: {kind}
  version: v1
  metadata:
{metadata}
---
"""
LIST_OFFSETS, METADATA, OFFSET_FETCH = 2, 3, 9  # kinds of requests, each in its version 1
NEWEST, OLDEST = -1, -2


class KafkaServer:
    """Its data survive kill(); the ports stay the same. A topic has two partitions."""

    def __init__(self, folder):
        self.folder = folder
        broker.prepared()
        self.port, self.controller, self.sasl_port, self.mtls_port = free_ports(4)
        self.process = None
        self.start()

    def start(self):
        self.log = open(self.folder / "broker.log", "ab")
        self.process = subprocess.Popen(
            [sys.executable, "-B", BROKER / "broker.py", str(self.folder),
             *map(str, (self.port, self.controller, self.sasl_port, self.mtls_port))],
            stdin=subprocess.DEVNULL, stdout=self.log, stderr=subprocess.STDOUT,
            env={**os.environ, "TANDEM_TEST_KAFKA_PARTITIONS": "2"})
        deadline = time.monotonic() + 90
        pause = threading.Event()
        while not self.answers():
            if self.process.poll() is not None or time.monotonic() > deadline:
                raise AssertionError("the broker does not start:\n" + (self.folder / "broker.log").read_text()[-4000:])
            pause.wait(0.05)

    def kill(self):
        """As a crash would."""
        self.process.kill()
        self.process.wait()
        self.log.close()

    def close(self):
        if self.process.poll() is None:
            self.kill()

    @property
    def address(self):
        return f"127.0.0.1:{self.port}"

    @property
    def certificates(self):
        return broker.prepared() / "certificates"

    # --- the protocol ---

    def ask(self, kind, body):
        with socket.create_connection(("127.0.0.1", self.port), timeout=PATIENCE) as connection:
            request = struct.pack(">hhih", kind, 1, 7, 4) + b"test" + body
            connection.sendall(struct.pack(">i", len(request)) + request)
            with connection.makefile("rb") as stream:
                (size,) = struct.unpack(">i", stream.read(4))
                return Reader(stream.read(size)[4:])

    def answers(self):
        try:
            return len(self.partitions()) >= 0
        except (OSError, struct.error):
            return False

    def partitions(self):
        """The topics that are there, each with its number of partitions."""
        answer = self.ask(METADATA, struct.pack(">i", -1))
        answer.list(lambda: (answer.number(">i"), answer.text(), answer.number(">i"), answer.text()))
        answer.number(">i")

        def topic():
            _, name, _ = answer.number(">h"), answer.text(), answer.number(">b")
            parts = answer.list(lambda: (answer.number(">h"), answer.number(">i"), answer.number(">i"),
                                         answer.list(lambda: answer.number(">i")),
                                         answer.list(lambda: answer.number(">i"))))
            return name, len(parts)

        return dict(answer.list(topic))

    def ends(self, topic, time_=NEWEST):
        """The offset of the next message, or of the first one, of each partition."""
        count = self.partitions().get(topic, 0)
        body = struct.pack(">ii", -1, 1) + text(topic) + struct.pack(">i", count)
        for number in range(count):
            body += struct.pack(">iq", number, time_)
        answer = self.ask(LIST_OFFSETS, body)
        (ends,) = answer.list(lambda: (answer.text(), answer.list(lambda: (
            answer.number(">i"), answer.number(">h"), answer.number(">q"), answer.number(">q")))))
        return {number: offset for number, _, _, offset in ends[1]}

    def committed(self, topic, group):
        count = self.partitions().get(topic, 0)
        body = text(group) + struct.pack(">i", 1) + text(topic) + struct.pack(f">i{count}i", count, *range(count))
        answer = self.ask(OFFSET_FETCH, body)
        (found,) = answer.list(lambda: (answer.text(), answer.list(lambda: (
            answer.number(">i"), answer.number(">q"), answer.text(), answer.number(">h")))))
        return {number: max(offset, 0) for number, offset, _, _ in found[1]}

    def lag(self, topic, group):
        """How many messages the group has not said that it has taken."""
        taken = self.committed(topic, group)
        return sum(end - max(taken.get(number, 0), 0) for number, end in self.ends(topic).items())

    def records(self, topic):
        """All of them: {"topic", "partition", "offset", "key", "payload", "headers", …}."""
        out = subprocess.run(["kcat", "-b", self.address, "-t", topic, "-C", "-e", "-q", "-J"], capture_output=True,
                             text=True, timeout=PATIENCE, check=True).stdout
        return [json.loads(line) for line in out.splitlines()]

    # --- components ---

    def component(self, name="pubsub", kind="pubsub.kafka", **metadata):
        """The YAML of a component here."""
        every = {"brokers": self.address, "authType": "none", "initialOffset": "oldest", "heartbeatInterval": "200ms",
                 "sessionTimeout": "6s", **metadata}
        lines = "\n".join(f"    - {{name: {key}, value: {json.dumps(str(value))}}}" for key, value in every.items())
        return COMPONENT.format(name=name, kind=kind, metadata=lines)


class Reader:
    """What Kafka's answers are made of, one after the other."""

    def __init__(self, data):
        self.data = data
        self.at = 0

    def number(self, form):
        (value,) = struct.unpack_from(form, self.data, self.at)
        self.at += struct.calcsize(form)
        return value

    def text(self):
        size = self.number(">h")
        if size < 0:
            return None
        self.at += size
        return self.data[self.at - size : self.at].decode()

    def list(self, one):
        return [one() for _ in range(self.number(">i"))]


def text(word):
    return struct.pack(">h", len(word)) + word.encode()
