"""Events that come to a guest by its own exports: tandem:dapr/{topic,binding,configuration}-handler."""

import json
import re
import unittest

from harness import TandemTest, get, post, request, tandem, guest, cache_folder
from observe import wait_until
from redis_server import RedisServer

COMPONENT = """apiVersion: dapr.io/v1alpha1
kind: Component
metadata: {{name: {name}}}
spec:
  type: {kind}
  version: v1
  metadata:
{metadata}
---
"""
SUBSCRIPTION = """apiVersion: dapr.io/v2alpha1
kind: Subscription
metadata: {{name: {topic}}}
spec:
  pubsubname: pubsub
  topic: {topic}
  routes: {{default: /declared}}
{more}
---
"""


def component(name, kind, **metadata):
    lines = "\n".join(f"  - {{name: {key}, value: {json.dumps(value)}}}" for key, value in metadata.items())
    return COMPONENT.format(name=name, kind=kind, metadata=lines or "  []")


PUBSUB = component("pubsub", "pubsub.in-memory")
STATE = component("statestore", "state.in-memory")


class GuestEventsTest(TandemTest):
    def serve(self, name, *resources, arguments=("--instances", "1")):
        self.write("resources/all.yaml", "".join(resources))
        self.tandem = self.run_guest(name, "--app-id", "app", "--resources-path", self.folder / "resources", *arguments)
        return self.tandem

    def publish(self, topic, data, content_type="text/plain", query="", **headers):
        answer = post(f"{self.tandem.app.dapr_url}/v1.0/publish/pubsub/{topic}{query}", data,
                      headers={"content-type": content_type, **headers})
        self.assertEqual(answer.status, 204, answer)

    def seen(self, kind, count, where=lambda line: True):
        """At least so many of what has come, each as its fields."""
        def lines():
            return [line.split("\t") for line in self.tandem.get(f"/{kind}").text.splitlines()]
        wait_until(lambda: len([line for line in lines() if where(line)]) >= count, f"{count} of {kind}")
        return [line for line in lines() if where(line)]

    def test_a_topic(self):
        self.serve("event_calls", PUBSUB, SUBSCRIPTION.format(topic="news", more=""))
        self.publish("orders", "hello", query="?metadata.ttlInSeconds=60")
        self.publish("orders", b"\0\xff", "application/octet-stream")
        self.publish("orders", json.dumps({"a": [1, 2]}), "application/json")
        self.publish("orders", json.dumps({"specversion": "1.0", "id": "7", "source": "me", "type": "order.made",
                                           "subject": "s", "number": 5, "datacontenttype": "text/xml", "data": "<a/>"}),
                     "application/cloudevents+json")
        text, binary, object_, event = self.seen("topic", 4)
        for one in (text, binary, object_, event):
            self.assertEqual(one[:3], ["pubsub", "orders", "/"])
            self.assertEqual(one[6], "1.0")
            self.assertIn("topic=orders", one[9])
        self.assertEqual((text[4], text[5], text[7], text[8]), ("app", "com.dapr.event.sent", "text/plain", "hello"))
        self.assertRegex(text[9], "expiration=20")
        self.assertIn("traceparent=", text[9])
        self.assertEqual((binary[7], binary[8]), ("application/octet-stream", "00ff"))
        self.assertEqual((object_[7], json.loads(object_[8])), ("application/json", {"a": [1, 2]}))
        self.assertEqual((event[3:6], event[7:9]), (["7", "me", "order.made"], ["text/xml", "<a/>"]))
        self.assertIn("number=5", event[9])
        self.assertIn("subject=s", event[9])

        # A payload without an envelope, and a declared subscription.
        self.publish("raw", "as it is", query="?metadata.rawPayload=true")
        (raw,) = self.seen("topic", 1, lambda line: line[1] == "raw")
        self.assertEqual(raw[8], "as it is")
        self.publish("news", "declared")
        (declared,) = self.seen("topic", 1, lambda line: line[1] == "news")
        self.assertEqual(declared[2], "/declared")
        listed = get(f"{self.tandem.app.dapr_url}/v1.0/metadata").json()["subscriptions"]
        self.assertEqual({(one["topic"], one["type"], one.get("deadLetterTopic", "")) for one in listed},
                         {("orders", "PROGRAMMATIC", "poison"), ("raw", "PROGRAMMATIC", ""),
                          ("news", "DECLARATIVE", "")})

    def test_verdicts(self):
        self.serve("event_calls", PUBSUB, SUBSCRIPTION.format(topic="poison", more=""),
                   SUBSCRIPTION.format(topic="news", more=""))
        # Without a dead-letter topic a retry comes again.
        self.publish("news", "retry-once")
        first, again = self.seen("topic", 2, lambda line: line[1] == "news")
        self.assertEqual(first[3], again[3])
        # With one, what the guest drops goes there.
        self.publish("orders", "drop")
        (dropped,) = self.seen("topic", 1, lambda line: line[1] == "poison")
        self.assertEqual((dropped[2], dropped[8]), ("/declared", "drop"))

    def test_a_trap_throws_the_instance_away(self):
        self.serve("event_calls", PUBSUB)
        self.publish("orders", "before")
        self.seen("topic", 1)
        # It has a dead-letter topic, so that it does not come for ever.
        self.publish("orders", "trap")
        failed = self.tandem.wait_for_log(msg="the guest failed")
        self.assertEqual(failed["export"], "topic-handler.handle")
        self.assertIn("unreachable", failed["error"])
        self.publish("orders", "after")
        self.assertEqual([line[8] for line in self.seen("topic", 1)], ["after"], "the memory is a new instance's")

    def test_an_event_that_takes_too_long(self):
        self.serve("event_calls", PUBSUB, arguments=("--instances", "1", "--request-timeout", "300ms"))
        self.publish("orders", "spin")
        late = self.tandem.wait_for_log(msg="a call ran out of time and its instance was stopped")
        self.assertEqual(late["target"], "topic-handler.handle")
        self.publish("orders", "after")
        self.assertEqual([line[8] for line in self.seen("topic", 1)], ["after"])

    def test_a_bulk_subscription(self):
        bulk = "  bulkSubscribe: {enabled: true, maxMessagesCount: 3, maxAwaitDurationMs: 50}"
        self.serve("event_calls", PUBSUB, SUBSCRIPTION.format(topic="news", more=bulk))
        for number in range(7):
            self.publish("news", f"n{number}")
        self.assertEqual(sorted(line[8] for line in self.seen("topic", 7)), [f"n{number}" for number in range(7)])

    def test_bindings(self):
        files = self.folder / "files"
        self.serve("event_calls", component("ticker", "bindings.cron", schedule="@every 50ms"),
                   component("unasked", "bindings.cron", schedule="@every 50ms"),
                   component("store", "bindings.localstorage", rootPath=str(files)))
        events = self.seen("binding", 2)
        self.assertEqual({one[0] for one in events}, {"ticker"})
        self.assertIn("readTimeUTC=", events[0][2])
        # Its answer names a binding that gets the data next.
        wait_until(lambda: any(file.read_text() == "onward" for file in files.glob("*")), "a file with the data")
        self.tandem.wait_for_log(msg="app has not subscribed to binding", binding="unasked")

    def test_configuration(self):
        redis = RedisServer(self.folder)
        self.addCleanup(redis.close)
        self.serve("event_calls", component("config", "configuration.redis", redisHost=f"127.0.0.1:{redis.port}"))
        self.tandem.wait_for_log(msg="subscribed to configuration", store="config", keys="watched")
        redis.ask("SET", "watched", "1||v1")
        self.assertEqual(self.seen("configuration", 1)[0][:4], ["config", "watched", "1", "v1"])
        # What it asks for later comes the same way, until it wants no more.
        self.assertEqual(self.tandem.get("/subscribe/later").status, 200)
        redis.ask("SET", "later", "2")
        self.assertEqual(self.seen("configuration", 1, lambda line: line[1] == "later")[0][2], "2")

    def test_configuration_for_a_guest_with_routes_only(self):
        redis = RedisServer(self.folder)
        self.addCleanup(redis.close)
        self.serve("state_calls", component("config", "configuration.redis", redisHost=f"127.0.0.1:{redis.port}"))
        subscribed = self.tandem.get("/subscribe-configuration/watched")
        self.assertEqual(subscribed.status, 200, subscribed)
        redis.ask("SET", "watched", "1||v1")
        # It has no such route: it is asked, and what it says is logged.
        said = self.tandem.wait_for_log(msg=re.compile("did not reach the subscriber: .* status 404"))
        self.assertEqual((said["app_id"], said["component"]), ("app", "config"))
        self.assertEqual(self.tandem.get(f"/unsubscribe-configuration/{subscribed.text}").status, 204)
        self.assertEqual(self.tandem.get(f"/unsubscribe-configuration/{subscribed.text}").headers["x-code"],
                         "not-found")

    def guest_without_http(self, name):
        self.serve(name, PUBSUB, STATE)
        url = self.tandem.app.dapr_url
        for number in range(20):
            self.publish("orders", json.dumps({"specversion": "1.0", "id": str(number), "source": "me", "type": "t",
                                               "data": f"value {number}"}), "application/cloudevents+json")
        self.publish("orders", "drop")
        self.publish("orders", "trap")
        self.publish("orders", json.dumps({"specversion": "1.0", "id": "last", "source": "me", "type": "t",
                                           "data": "last"}), "application/cloudevents+json")
        for key in [*map(str, range(20)), "last"]:
            wait_until(lambda: get(f"{url}/v1.0/state/statestore/{key}").status == 200, f"event {key}")
        self.assertEqual(get(f"{url}/v1.0/state/statestore/7").text, "value 7")
        self.assertEqual(self.tandem.get("/").status, 404)
        self.assertEqual(request(f"{url}/v1.0/invoke/app/method/x").status, 404)

    def test_a_go_guest_without_http(self):
        self.guest_without_http("topics_go")

    def test_a_javascript_guest_without_http(self):
        self.guest_without_http("topics_js")

    def test_inspect_knows_it(self):
        done = tandem("inspect", "--json", "--cache-folder", cache_folder(), guest("topics_go"))
        said = json.loads(done.stdout)
        self.assertEqual((said["kind"], said["blueprint"], said["runs"]), ("component that takes events", 3, True))


if __name__ == "__main__":
    unittest.main()
