"""A Tandem and a real daprd on one Kafka: each reads what the other publishes, the records are the same, and one consumer
group may have both.

Needs the daprd that `./dev daprd` builds into the cache; without one every test here is skipped, and says so.
"""

import itertools
import json
import os
import shutil
import subprocess
import tempfile
import threading
import time
import unittest
from pathlib import Path

from harness import PATIENCE, TandemTest, free_ports, get, post
from kafka_server import KafkaServer
from observe import wait_until
from program import Program, serve_beside
from test_kafka import Subscriber

DAPRD = Path(os.environ.get("TANDEM_CACHE") or Path.home() / ".cache" / "tandem") / "daprd" / "daprd"
NUMBER = 100
kafka = None
folder = None
numbers = itertools.count()


def setUpModule():
    global kafka, folder
    if not DAPRD.exists():
        return
    folder = Path(tempfile.mkdtemp(prefix="tandem-kafka-"))
    kafka = KafkaServer(folder)


def tearDownModule():
    if kafka is not None:
        kafka.close()
        shutil.rmtree(folder, ignore_errors=True)


@unittest.skipUnless(DAPRD.exists(), f"there is no {DAPRD}: ./dev daprd builds it")
class KafkaDaprdTest(TandemTest):
    def setUp(self):
        super().setUp()
        number = next(numbers)
        self.topic, self.group = f"orders-{number}", f"shop-{number}"

    def subscriber(self, **more):
        one = Subscriber(self.topic, **more)
        self.addCleanup(one.program.close)
        return one

    def resources(self, text=None):
        """A folder of its own for each process: a change in another's would be taken over."""
        return self.write(f"resources-{next(numbers)}/all.yaml", text or kafka.component()).parent

    def tandem(self, program, app_id, text=None):
        return serve_beside(self, program.port, app_id=app_id, resources_path=self.resources(text)).app.dapr_url

    def daprd(self, program, app_id, text=None):
        http_port, grpc_port, internal = free_ports(3)
        with open(self.folder / f"daprd-{app_id}.log", "wb") as log:
            process = subprocess.Popen(
                [str(DAPRD), "--app-id", app_id, "--app-port", str(program.port), "--dapr-http-port",
                 str(http_port), "--dapr-grpc-port", str(grpc_port), "--dapr-internal-grpc-port", str(internal),
                 "--dapr-listen-addresses", "127.0.0.1", "--enable-metrics=false", "--resources-path",
                 str(self.resources(text))], stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT)
        self.addCleanup(lambda: (process.kill(), process.wait()))
        url = f"http://127.0.0.1:{http_port}"
        deadline = time.monotonic() + PATIENCE
        while True:
            try:
                if get(url + "/v1.0/healthz", timeout=5).status == 204:
                    return url
            except OSError:
                pass
            self.assertTrue(process.poll() is None and time.monotonic() < deadline, "daprd does not serve:\n" +
                            (self.folder / f"daprd-{app_id}.log").read_text()[-3000:])
            threading.Event().wait(0.05)

    def publish(self, url, word, query="?metadata.colour=red&metadata.partitionKey=k"):
        names = [f"{word} {number}" for number in range(NUMBER)]
        for name in names:
            answer = post(f"{url}/v1.0/publish/pubsub/{self.topic}{query}", name, headers={"content-type": "text/plain"})
            self.assertEqual(answer.status, 204)
        return names

    def test_each_reads_what_the_other_publishes(self):
        here, there = self.subscriber(), self.subscriber()
        tandem, daprd = self.tandem(here.program, "here"), self.daprd(there.program, "there")
        names = self.publish(daprd, "from daprd") + self.publish(tandem, "from Tandem")
        entries = [{"entryId": str(number), "event": f"bulk {number}", "contentType": "text/plain",
                    "metadata": {"partitionKey": f"entry {number}"}} for number in range(10)]
        for url in (daprd, tandem):
            answer = post(f"{url}/v1.0-alpha1/publish/bulk/pubsub/{self.topic}?metadata.colour=red", entries)
            self.assertEqual(answer.status, 204, answer)
        for one in (here, there):
            wait_until(lambda: one.count() == len(names) + 10 and sum(one.taken.values()) == len(names) + 20,
                       "all orders")
        for group in ("here", "there"):
            wait_until(lambda: kafka.lag(self.topic, group) == 0, f"the commits of {group}", pause=0.05)
        # The same fields, but for those of each event; the same key is in the same partition whoever has published it.
        shapes = {"from daprd": set(), "from Tandem": set()}
        places = {}
        for record in kafka.records(self.topic):
            event = json.loads(record["payload"])
            headers = dict(zip(record["headers"][::2], record["headers"][1::2]))
            places.setdefault(record["key"], set()).add(record["partition"])
            if event["data"].startswith("from"):
                shapes[event["data"].rsplit(" ", 1)[0]].add(
                    (record["key"], record["partition"], frozenset(event), event["datacontenttype"], event["type"],
                     event["pubsubname"], event["topic"], tuple(sorted(headers.items()))))
        self.assertEqual(shapes["from daprd"], shapes["from Tandem"])
        self.assertEqual(len(shapes["from daprd"]), 1)
        self.assertEqual({key: len(found) for key, found in places.items() if len(found) > 1}, {})
        # Both tell their app the same about the same message.
        told = [{data: {name.lower(): value for name, value in seen.headers.items()}
                 for seen in one.program.of("/on-orders") if (data := json.loads(seen.body)["data"]).startswith("from")}
                for one in (here, there)]
        for data in names:
            headers = [{name: value for name, value in one[data].items()
                        if name not in ("host", "user-agent", "accept-encoding", "content-length", "traceparent",
                                        "tracestate")} for one in told]
            self.assertEqual(headers[0], headers[1])

    def test_both_in_one_group(self):
        here, there = self.subscriber(), self.subscriber()
        tandem, daprd = self.tandem(here.program, self.group), self.daprd(there.program, self.group)
        names = []
        round_ = 0
        # Each gets one of the two partitions, once the group has settled.
        while not (here.count() and there.count()):
            round_ += 1
            names += self.publish(tandem, f"one {round_}", query="") + self.publish(daprd, f"two {round_}", query="")
            self.assertLess(round_, 50)
        wait_until(lambda: len({*here.taken, *there.taken}) == len(names), "all orders")
        print(f"\n{here.count()} here, {there.count()} there, "
              f"{sum((here.taken + there.taken).values()) - len(names)} twice", flush=True)
        wait_until(lambda: kafka.lag(self.topic, self.group) == 0, "the commits", pause=0.05)

    def test_bindings(self):
        seen = {}
        for name, start in (("here", self.tandem), ("there", self.daprd)):
            program = Program({"/events": lambda _: (200, {}, b"")})
            self.addCleanup(program.close)
            text = kafka.component("events", "bindings.kafka", topics=self.topic, publishTopic=self.topic,
                                   consumerGroup=name)
            seen[name] = (program, start(program, name, text))
        for name, (_, url) in seen.items():
            for data in ("text", {"n": 1}):
                answer = post(f"{url}/v1.0/bindings/events",
                              {"operation": "create", "data": data, "metadata": {"partitionKey": "k", "colour": "red"}})
                self.assertEqual(answer.status, 204, answer)
        told = []
        for program, _ in seen.values():
            events = [one for one in program.wait_for("/events", 5) if one.method == "POST"]
            told.append([(one.body, {name.lower(): value for name, value in one.headers.items()
                                     if name.lower().startswith("__") or name.lower() in ("colour", "partitionkey")})
                         for one in events])
        self.assertEqual(told[0], told[1])
        self.assertEqual([body for body, _ in told[0]], [b'"text"', b'{"n":1}'] * 2)


if __name__ == "__main__":
    unittest.main()
