"""Routing rules in CEL: an app in HTTP, a guest, declared and programmatic, in bulk; and the same routes from a real daprd
where there is one."""

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
from program import Program, serve_beside, start_beside
from redis_server import RedisServer

DAPRD = Path(os.environ.get("TANDEM_CACHE") or Path.home() / ".cache" / "tandem") / "daprd" / "daprd"
BROKER = """apiVersion: dapr.io/v1alpha1
kind: Component
metadata: {name: pubsub}
spec: {type: pubsub.in-memory, version: v1}
"""
DECLARED = """---
apiVersion: dapr.io/v2alpha1
kind: Subscription
metadata: {name: orders}
spec:
  pubsubname: pubsub
  topic: orders
  routes:
    rules:
%s
"""
# Each event goes to the first of these that it matches.
RULES = [
    'event.type == "com.shop.gadget"',
    'event.type.startsWith("com.shop.") && event.data.total > 100',
    'has(event.data.coupon) && size(event.data.coupon) == 4',
    'event.data.total == 7',
    'event.data.total in [1.5, 2.5]',
    '"vip" in event.data.tags',
    'event.data.lines.exists(line, line.price > 99.0 && line.name.matches("^[a-z]+$"))',
    'event.data.total < 0 ? event.data.refund : false',
    'int(event.data.total) % 2 == 0 && string(event.data.total) == "4"',
]


def event(identity, data, kind="com.shop.other"):
    return {"specversion": "1.0", "id": identity, "source": "test", "type": kind, "datacontenttype": "application/json",
            "data": data}


def whole(**more):
    """The data that every rule can be evaluated on."""
    return {"total": 3, "tags": [], "lines": [], **more}


EVENTS = {
    "gadget": event("gadget", whole(), "com.shop.gadget"),
    "dear": event("dear", whole(total=100.5), "com.shop.widget"),
    "hundred": event("hundred", whole(total=100), "com.shop.widget"),
    "coupon": event("coupon", whole(coupon="\u00fc123")),
    "seven": event("seven", whole(total=7.0)),
    "half": event("half", whole(total=2.5)),
    "vip": event("vip", whole(tags=["new", "vip"])),
    "line": event("line", whole(lines=[{"price": 1, "name": "x"}, {"price": 100, "name": "lamp"}])),
    "refund": event("refund", whole(total=-1, refund=True)),
    "even": event("even", whole(total=4)),
    "odd": event("odd", whole(total=5)),
}
EXPECTED = {"gadget": "/r0", "dear": "/r1", "hundred": "/default", "coupon": "/r2", "seven": "/r3", "half": "/r4",
            "vip": "/r5", "line": "/r6", "refund": "/r7", "even": "/r8", "odd": "/default"}


class RulesApp:
    """Notes on which path each event came. `bulk`: several at once."""

    def __init__(self, subscriptions):
        self.lock = threading.Lock()
        self.paths = {}
        self.calls = collections.Counter()
        paths = [f"/r{number}" for number in range(len(RULES))] + ["/default", "/dead"]
        self.program = Program({"/dapr/subscribe": lambda _: (200, {"content-type": "application/json"},
                                                              json.dumps(subscriptions).encode()),
                                **{path: self.note for path in paths}})

    def note(self, seen):
        body = json.loads(seen.body)
        entries = body.get("entries")
        with self.lock:
            self.calls[seen.path] += 1
            for one in [entry["event"] for entry in entries] if entries else [body]:
                self.paths[one["id"]] = seen.path
        statuses = [{"entryId": entry["entryId"], "status": "SUCCESS"} for entry in entries or []]
        return 200, {"content-type": "application/json"}, json.dumps({"statuses": statuses} if entries else {}).encode()


def programmatic(**more):
    rules = [{"match": rule, "path": f"/r{number}"} for number, rule in enumerate(RULES)]
    return [{"pubsubname": "pubsub", "topic": "orders", "routes": {"rules": rules, "default": "/default"}, **more}]


class RoutingRulesTest(TandemTest):
    def app(self, subscriptions):
        app = RulesApp(subscriptions)
        self.addCleanup(app.program.close)
        return app

    def serve(self, app, resources, app_id="shop", count=1):
        tandem = serve_beside(self, app.program.port, app_id=app_id,
                              resources_path=self.write("resources/all.yaml", resources).parent)
        url = tandem.app.dapr_url
        wait_until(lambda: len(get(url + "/v1.0/metadata").json().get("subscriptions", [])) == count, "subscriptions")
        return tandem

    def publish(self, url, one, topic="orders"):
        answer = post(f"{url}/v1.0/publish/pubsub/{topic}", one, headers={"content-type": "application/cloudevents+json"})
        self.assertEqual(answer.status, 204)

    def check_all(self, app, url):
        for one in EVENTS.values():
            self.publish(url, one)
        wait_until(lambda: len(app.paths) == len(EVENTS), "all events")
        self.assertEqual(app.paths, EXPECTED)

    def test_programmatic(self):
        app = self.app(programmatic())
        tandem = self.serve(app, BROKER)
        self.check_all(app, tandem.app.dapr_url)
        (subscription,) = get(tandem.app.dapr_url + "/v1.0/metadata").json()["subscriptions"]
        self.assertEqual(subscription["rules"][0], {"match": RULES[0], "path": "/r0"})
        self.assertEqual(subscription["rules"][-1]["path"], "/default")

    def test_declared(self):
        app = self.app([])
        rules = "".join(f"      - match: {json.dumps(rule)}\n        path: /r{number}\n"
                        for number, rule in enumerate(RULES))
        self.check_all(app, self.serve(app, BROKER + DECLARED % (rules + "    default: /default")).app.dapr_url)

    def test_in_bulk(self):
        app = self.app(programmatic(bulkSubscribe={"enabled": True, "maxMessagesCount": 50, "maxAwaitDurationMs": 200}))
        self.check_all(app, self.serve(app, BROKER.replace("version: v1}", "version: v1, metadata: "
                                                           '[{name: maxConcurrentHandlers, value: "50"}]}')).app.dapr_url)

    def test_what_no_rule_is_about_and_what_cannot_be_evaluated(self):
        rules = [{"match": 'event.data.kind == "known"', "path": "/r0"}]
        app = self.app([{"pubsubname": "pubsub", "topic": "orders", "routes": {"rules": rules}},
                        {"pubsubname": "pubsub", "topic": "kept", "routes": {"rules": rules}, "deadLetterTopic": "dead"},
                        {"pubsubname": "pubsub", "topic": "dead", "route": "/dead"}])
        tandem = self.serve(app, BROKER, count=3)
        url = tandem.app.dapr_url
        self.publish(url, event("unknown", {"kind": "new"}))
        self.publish(url, event("known", {"kind": "known"}))
        wait_until(lambda: "known" in app.paths, "the event that a rule is about")
        self.publish(url, event("lettered", {"kind": "new"}), "kept")
        self.publish(url, event("broken", {}), "kept")
        wait_until(lambda: len(app.paths) == 3, "the dead letters")
        self.assertEqual(app.paths, {"known": "/r0", "lettered": "/dead", "broken": "/dead"})
        said = tandem.wait_for_log(level="error", topic="kept")
        self.assertIn("error finding matching route for event: No such key: kind", said["msg"])
        self.assertEqual(said["id"], "broken")
        metrics = get(tandem.metrics_url).text
        dropped = [line for line in metrics.splitlines() if line.startswith("dapr_component_pubsub_ingress_count{")
                   and 'topic="orders"' in line and 'process_status="drop"' in line]
        self.assertEqual([line.split()[-1] for line in dropped], ["1"])

    def test_a_rule_that_does_not_compile(self):
        bad = "      - match: event.type = 'x'\n        path: /r0"
        resources = self.write("resources/all.yaml", BROKER + DECLARED % bad).parent
        tandem = start_beside(self, None, app_id="shop", resources_path=resources)
        self.assertEqual(tandem.wait(), 1)
        self.assertIn("all.yaml:8", tandem.errors)
        self.assertIn("<input>:1:12: Syntax error", tandem.errors)
        # An app's own costs it that subscription.
        app = self.app([{"pubsubname": "pubsub", "topic": "orders",
                         "routes": {"rules": [{"match": "event.type.lower() == 'x'", "path": "/r0"}]}},
                        {"pubsubname": "pubsub", "topic": "good", "route": "/default"}])
        tandem = self.serve(app, BROKER)
        self.assertIn("undeclared reference to 'lower'", tandem.wait_for_log(level="error", topic="orders")["error"])

    def test_a_guest(self):
        rules = "      - match: event.type == 'known'\n        path: /known"
        resources = self.write("resources/all.yaml", BROKER + DECLARED % rules).parent
        one = self.run_guest("echo", "--app-id", "echo", "--resources-path", resources)
        for kind in ("known", "new", "known"):
            self.publish(one.app.dapr_url, event(kind, {}, kind))

        def counts():
            lines = [line for line in get(one.metrics_url).text.splitlines()
                     if line.startswith("dapr_component_pubsub_ingress_count{") and 'topic="orders"' in line]
            return {status: line.split()[-1] for line in lines for status in ("success", "drop")
                    if f'process_status="{status}"' in line}
        wait_until(lambda: counts() == {"success": "2", "drop": "1"}, "the events")

    @unittest.skipUnless(DAPRD.exists(), f"there is no {DAPRD}: ./dev daprd builds it")
    def test_the_same_routes_from_daprd(self):
        redis = RedisServer(self.folder)
        self.addCleanup(redis.close)
        here, there = self.app(programmatic()), self.app(programmatic())
        url = self.serve(here, redis.component(concurrency=100), "here").app.dapr_url
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
                wait_until(lambda: get(f"http://127.0.0.1:{http_port}/v1.0/metadata").json().get("subscriptions"),
                           "daprd's subscriptions")
                break
            except OSError:
                self.assertTrue(process.poll() is None and time.monotonic() < deadline, "daprd does not serve")
                threading.Event().wait(0.05)
        for one in EVENTS.values():
            self.publish(url, one)
        for app in (here, there):
            wait_until(lambda: len(app.paths) == len(EVENTS), "all events")
        self.assertEqual(there.paths, here.paths)
        self.assertEqual(here.paths, EXPECTED)


if __name__ == "__main__":
    unittest.main()
