"""Bulk subscribe: several events in one call of the app, each with a status of its own. Declared and programmatic, over
brokers in memory and in Redis; and the same JSON from a real daprd where there is one."""

import collections
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
from redis_server import RedisServer, wait_for_count

DAPRD = Path(os.environ.get("TANDEM_CACHE") or Path.home() / ".cache" / "tandem") / "daprd" / "daprd"
IN_MEMORY = """apiVersion: dapr.io/v1alpha1
kind: Component
metadata: {name: pubsub}
spec:
  type: pubsub.in-memory
  version: v1
  metadata: [{name: maxConcurrentHandlers, value: "50"}]
"""
DECLARED = """---
apiVersion: dapr.io/v2alpha1
kind: Subscription
metadata: {name: orders}
spec:
  pubsubname: pubsub
  topic: orders
  routes: {default: /on-orders}
  bulkSubscribe: {enabled: true, maxMessagesCount: 20, maxAwaitDurationMs: 200}
"""


class BulkApp:
    """Counts what it gets by the data of the events; `answer(data)` is the word of an entry's status, None for none."""

    def __init__(self, answer=lambda data: "SUCCESS", declares=True, dead=None):
        self.answer = answer
        self.lock = threading.Lock()
        self.bulks = []
        self.seen = collections.Counter()
        self.dead = collections.Counter()
        bulk = {"enabled": True, "maxMessagesCount": 20, "maxAwaitDurationMs": 200}
        subscriptions = [{"pubsubname": "pubsub", "topic": "orders", "route": "/on-orders", "bulkSubscribe": bulk,
                          **({"deadLetterTopic": dead} if dead else {})},
                         {"pubsubname": "pubsub", "topic": "dead", "route": "/on-dead"}]
        self.program = Program({"/dapr/subscribe": lambda _: (200, {"content-type": "application/json"}, json.dumps(
            subscriptions if declares else subscriptions[1:]).encode()),
            "/on-orders": self.on_orders, "/on-dead": self.on_dead})

    def on_orders(self, seen):
        bulk = json.loads(seen.body)
        statuses = []
        with self.lock:
            self.bulks.append(({name.lower(): value for name, value in seen.headers.items()}, bulk))
            for entry in bulk["entries"]:
                data = entry["event"]["data"]
                self.seen[data] += 1
                if (word := self.answer(data)) is not None:
                    statuses.append({"entryId": entry["entryId"], "status": word})
        return 200, {"content-type": "application/json"}, json.dumps({"statuses": statuses}).encode()

    def on_dead(self, seen):
        with self.lock:
            self.dead[json.loads(seen.body)["data"]] += 1
        return 200, {}, b""


class BulkSubscribeTest(TandemTest):
    def app(self, *arguments, **options):
        one = BulkApp(*arguments, **options)
        self.addCleanup(one.program.close)
        return one

    def serve(self, app, component, app_id="shop"):
        tandem = serve_beside(self, app.program.port, app_id=app_id,
                              resources_path=self.write("resources/all.yaml", component).parent)
        self.wait_until_subscribed(tandem.app.dapr_url)
        return tandem.app.dapr_url

    def wait_until_subscribed(self, url):
        wait_until(lambda: len(get(url + "/v1.0/metadata").json().get("subscriptions", [])) == 2, "the subscriptions")

    def redis(self):
        redis = RedisServer(self.folder)
        self.addCleanup(redis.close)
        return redis

    def publish_many(self, url, names):
        entries = [{"entryId": name, "event": name, "contentType": "text/plain"} for name in names]
        self.assertEqual(post(f"{url}/v1.0/publish/bulk/pubsub/orders", entries).status, 204)

    def check_sizes(self, app, names):
        wait_until(lambda: len(app.seen) == len(names), "all events")
        self.assertEqual(set(app.seen.values()), {1})
        sizes = [len(bulk["entries"]) for _, bulk in app.bulks]
        self.assertEqual(sum(sizes), len(names))
        self.assertLessEqual(max(sizes), 20)
        self.assertGreater(max(sizes), 1)

    def test_in_memory_programmatic(self):
        app = self.app()
        names = [f"order {number}" for number in range(100)]
        self.publish_many(self.serve(app, IN_MEMORY), names)
        self.check_sizes(app, names)
        headers, bulk = app.bulks[0]
        self.assertEqual(headers["content-type"], "application/json")
        self.assertEqual((bulk["topic"], bulk["pubsubname"], bulk["type"]),
                         ("orders", "pubsub", "com.dapr.event.sent.bulk"))
        entry = bulk["entries"][0]
        self.assertEqual(entry["contentType"], "application/cloudevents+json")
        self.assertEqual((entry["event"]["topic"], entry["event"]["source"]), ("orders", "shop"))

    def test_in_redis_declared(self):
        redis, app = self.redis(), self.app(declares=False)
        names = [f"order {number}" for number in range(300)]
        self.publish_many(self.serve(app, redis.component(concurrency=100) + DECLARED), names)
        self.check_sizes(app, names)
        wait_for_count(lambda: redis.pending("orders", "shop"), 0, "unacknowledged messages")

    def test_each_entry_has_its_status(self):
        redis = self.redis()
        words = {"taken": "SUCCESS", "dropped": "DROP", "refused": "RETRY", "forgotten": None}
        app = self.app(lambda data: words[data] if app.seen[data] == 1 else "SUCCESS")
        url = self.serve(app, redis.component(processingTimeout="1s", redeliverInterval="200ms", concurrency=100))
        self.publish_many(url, list(words))
        wait_until(lambda: app.seen["refused"] == 2 and app.seen["forgotten"] == 2, "what was not taken, again")
        wait_for_count(lambda: redis.pending("orders", "shop"), 0, "unacknowledged messages")
        self.assertEqual((app.seen["taken"], app.seen["dropped"]), (1, 1))

    def test_dead_letters(self):
        app = self.app(lambda data: {"good": "SUCCESS", "bad": "DROP"}.get(data, "RETRY"), dead="dead")
        self.publish_many(self.serve(app, IN_MEMORY), ["good", "bad", "worse"])
        wait_until(lambda: app.dead == {"bad": 1, "worse": 1}, "the dead letters")
        self.assertEqual(set(app.seen.values()), {1})

    @unittest.skipUnless(DAPRD.exists(), f"there is no {DAPRD}: ./dev daprd builds it")
    def test_the_same_bulk_from_daprd(self):
        redis = self.redis()
        component = redis.component(concurrency=100)
        here, there = self.app(), self.app()
        url = self.serve(here, component, "here")
        http_port, grpc_port, internal = free_ports(3)
        with open(self.folder / "daprd.log", "wb") as log:
            process = subprocess.Popen(
                [str(DAPRD), "--app-id", "there", "--app-port", str(there.program.port), "--dapr-http-port",
                 str(http_port), "--dapr-grpc-port", str(grpc_port), "--dapr-internal-grpc-port", str(internal),
                 "--dapr-listen-addresses", "127.0.0.1", "--enable-metrics=false", "--resources-path",
                 str(self.folder / "resources")], stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT)
        self.addCleanup(lambda: (process.kill(), process.wait()))
        deadline = time.monotonic() + PATIENCE
        while True:
            try:
                self.wait_until_subscribed(f"http://127.0.0.1:{http_port}")
                break
            except OSError:
                self.assertTrue(process.poll() is None and time.monotonic() < deadline, "daprd does not serve")
                threading.Event().wait(0.05)
        self.publish_many(url, [f"order {number}" for number in range(40)])
        for app in (here, there):
            wait_until(lambda: len(app.seen) == 40, "all events")

        def shape(app):
            headers, bulk = app.bulks[0]
            entry = bulk["entries"][0]
            return {"headers": {headers["content-type"], headers["pubsubname"]}, "bulk": list(bulk), "entry": list(entry),
                    "type": bulk["type"], "metadata": bulk["metadata"], "content": entry["contentType"],
                    "entry metadata": entry["metadata"], "event": sorted(entry["event"])}
        self.assertEqual(shape(here), shape(there))


if __name__ == "__main__":
    unittest.main()
