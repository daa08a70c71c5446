"""The transactional outbox: over HTTP, from a guest, after a kill, and the same messages as from a real daprd."""

import json
import os
import subprocess
import threading
import time
import unittest
from pathlib import Path

from harness import PATIENCE, TandemTest, free_ports, get, post
from observe import wait_until
from program import Program, serve_beside
from redis_server import RedisServer

DAPRD = Path(os.environ.get("TANDEM_CACHE") or Path.home() / ".cache" / "tandem") / "daprd" / "daprd"
STORE = """---
apiVersion: dapr.io/v1alpha1
kind: Component
metadata: {name: %(name)s}
spec:
  type: %(type)s
  version: v1
  metadata:
    - {name: %(key)s, value: "%(value)s"}
    - {name: outboxPublishPubsub, value: %(pubsub)s}
    - {name: outboxPublishTopic, value: orders}
"""
TRACE = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
# What a value and its metadata become, one transaction each.
WRITES = [
    {"value": "text"},
    {"value": 5},
    {"value": 100000000},
    {"value": None},
    {"value": [1, "a", {"b": 2.5}]},
    {"value": {"b": 1, "a": "<x>"}},
    {"value": {"b": [1, 2], "a": "<x>", "f": 1.5}, "contentType": "application/json"},
    {"value": "quoted", "contentType": "application/json"},
    {"value": "v", "metadata": {"id": "mine", "source": "src", "type": "typ", "subject": "sub", "my-field": "abc",
                                "data": "no", "topic": "t2", "pubsubname": "p2"}},
]


def upsert(key, **request):
    return {"operation": "upsert", "request": {"key": key, **request}}


class OutboxTest(TandemTest):
    def setUp(self):
        super().setUp()
        self.redis = RedisServer(self.folder)
        self.addCleanup(self.redis.close)
        subscriptions = [{"pubsubname": "pubsub", "topic": "orders", "route": "/orders"}]
        self.program = Program({"/dapr/subscribe": lambda _: (200, {"content-type": "application/json"},
                                                              json.dumps(subscriptions).encode())})
        self.addCleanup(self.program.close)

    def store(self, name, kind, pubsub="pubsub"):
        key, value = (("connectionString", self.folder / "state.db") if kind == "state.sqlite"
                      else ("redisHost", f"127.0.0.1:{self.redis.port}"))
        return STORE % {"name": name, "type": kind, "key": key, "value": value, "pubsub": pubsub}

    def serve(self, *stores, app_id="shop", processing="60s"):
        # An event that waits for its key is under way for a second.
        broker = self.redis.component(processingTimeout=processing, redeliverInterval="200ms")
        resources = self.write("resources/all.yaml", broker + "".join(stores)).parent
        return serve_beside(self, self.program.port, app_id=app_id, resources_path=resources)

    def transact(self, url, *operations, store="store"):
        return post(f"{url}/v1.0/state/{store}/transaction", {"operations": list(operations)},
                    headers={"content-type": "application/json", "traceparent": TRACE, "tracestate": "a=b"})

    def stream(self, name):
        return [json.loads(dict(zip(fields[::2], fields[1::2]))["data"])
                for _, fields in self.redis.ask("XRANGE", name, "-", "+")]

    def streams(self):
        return sorted(key for key in self.redis.ask("KEYS", "*") if self.redis.ask("TYPE", key) == "stream")

    def own_stream(self, app_id="shop"):
        self.assertIn(f"default{app_id}ordersoutbox", self.streams())
        return f"default{app_id}ordersoutbox"

    def test_an_event_follows_its_transaction(self):
        url = self.serve(self.store("store", "state.sqlite")).app.dapr_url
        self.assertEqual(self.transact(url, upsert("k", value="new", metadata={"type": "order"}),
                                       upsert("k", value="shown", metadata={"outbox.projection": "true"})).status, 204)
        self.assertEqual(get(f"{url}/v1.0/state/store/k").json(), "new")
        (seen,) = self.program.wait_for("/orders")
        event = json.loads(seen.body)
        self.assertEqual((event["data"], event["type"], event["source"]), ("shown", "order", "shop"))
        self.assertEqual((event["topic"], event["pubsubname"]), ("orders", "pubsub"))
        self.assertTrue(event["id"].startswith("outbox-"))
        (kept,) = self.stream(self.own_stream())
        self.assertEqual(kept["id"], event["id"])
        # A value that is written without a transaction makes no event.
        post(f"{url}/v1.0/state/store", [{"key": "k", "value": "other"}])
        self.assertEqual(len(self.stream(self.own_stream())), 1)

    def test_what_a_kill_leaves_behind_goes_on(self):
        tandem = self.serve(self.store("store", "state.sqlite"), processing="3s")
        url = tandem.app.dapr_url
        wait_until(lambda: get(url + "/v1.0/metadata").json().get("subscriptions"), "the subscription")
        self.assertEqual(self.transact(url, upsert("k", value="survives")).status, 204)
        # It looks for the key a second after that.
        tandem.kill()
        self.assertEqual(len(self.stream(self.own_stream())), 1)
        self.assertEqual(self.stream("orders"), [])
        again = serve_beside(self, self.program.port, app_id="shop", resources_path=self.folder / "resources")
        seen = self.program.wait_for("/orders")[0]
        self.assertEqual(json.loads(seen.body)["data"], "survives")
        self.assertEqual(get(f"{again.app.dapr_url}/v1.0/state/store/k").json(), "survives")

    def test_what_cannot_be_published_is_not_written(self):
        tandem = self.serve(self.store("store", "state.sqlite", pubsub="nobody"))
        url = tandem.app.dapr_url
        answer = self.transact(url, upsert("k", value="lost"))
        self.assertEqual((answer.status, answer.json()["errorCode"]), (500, "ERR_PUBLISH_OUTBOX"))
        cause = "pubsub 'nobody' not found"
        self.assertEqual(answer.json()["message"], f"error while publishing outbox message: {cause}")
        self.assertEqual([(one["reason"], one["metadata"]) for one in answer.json()["details"]],
                         [("DAPR_PUBSUB_OUTBOX", {"appID": "shop", "error": cause})])
        self.assertEqual(get(f"{url}/v1.0/state/store/k").status, 204)
        tandem.wait_for_log(level="warning", msg="could not subscribe to internal outbox topic: outbox pubsub nobody not loaded")

    @unittest.skipUnless(DAPRD.exists(), f"there is no {DAPRD}: ./dev daprd builds it")
    def test_the_same_messages_as_daprd(self):
        url = self.serve(self.store("store", "state.redis")).app.dapr_url
        http_port, grpc_port, internal = free_ports(3)
        with open(self.folder / "daprd.log", "wb") as log:
            process = subprocess.Popen(
                [str(DAPRD), "--app-id", "there", "--dapr-http-port", str(http_port), "--dapr-grpc-port", str(grpc_port),
                 "--dapr-internal-grpc-port", str(internal), "--dapr-listen-addresses", "127.0.0.1",
                 "--enable-metrics=false", "--resources-path", str(self.folder / "resources")],
                stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT)
        self.addCleanup(lambda: (process.kill(), process.wait()))
        there = f"http://127.0.0.1:{http_port}"
        deadline = time.monotonic() + PATIENCE
        while True:
            try:
                wait_until(lambda: get(there + "/v1.0/healthz/outbound").status == 204, "daprd")
                break
            except OSError:
                self.assertTrue(process.poll() is None and time.monotonic() < deadline, "daprd does not serve")
                threading.Event().wait(0.05)
        for base in (url, there):
            for number, write in enumerate(WRITES):
                self.assertEqual(self.transact(base, upsert(f"k{number}", **write)).status, 204)
            self.assertEqual(self.transact(base, upsert("p", value=1), upsert(
                "p", value={"shown": True}, metadata={"outbox.projection": "true", "contentType": "application/json"}),
                {"operation": "delete", "request": {"key": "nothing"}}).status, 204)
        count = len(WRITES) + 1
        wait_until(lambda: "orders" in self.streams() and len(self.stream("orders")) >= 2 * count, "all events")
        self.assertEqual(len(self.stream("orders")), 2 * count)
        self.assertEqual({name.replace("there", "shop") for name in self.streams()}, {"orders", self.own_stream()})

        def shapes(name, source):
            # The app's own name, and what is never the same twice.
            events = [event for event in self.stream(name) if event["source"] in (source, "src")]
            for event in events:
                self.assertTrue(event.pop("id").startswith("outbox-"))
                self.assertTrue(event.pop("time"))
                self.assertEqual(event.pop("traceid")[:36], TRACE[:36])
                event["source"] = event["source"].replace(source, "app")
            return events
        self.assertEqual(shapes(self.own_stream("shop"), "shop"), shapes(self.own_stream("there"), "there"))

        def sort(events):
            return sorted(events, key=lambda event: json.dumps(event, sort_keys=True))
        both = {source: shapes("orders", source) for source in ("shop", "there")}
        self.assertEqual(len(both["shop"]), len(both["there"]))
        self.assertEqual(sort([e for e in both["shop"] if e["source"] == "app"]),
                         sort([e for e in both["there"] if e["source"] == "app"]))
        # No key is left of them.
        wait_until(lambda: not [key for key in self.redis.ask("KEYS", "*") if key.startswith("outbox-")], "the keys")


if __name__ == "__main__":
    unittest.main()
