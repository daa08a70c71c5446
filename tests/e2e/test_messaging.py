"""Guests that take and send messages by wasmCloud's interfaces or by the draft of wasi:messaging."""

import json
import unittest

from harness import TandemTest, cache_folder, get, guest, post, tandem
from observe import wait_until

RESOURCES = """apiVersion: dapr.io/v1alpha1
kind: Component
metadata: {name: bus}
spec: {type: pubsub.in-memory, version: v1}
---
apiVersion: dapr.io/v1alpha1
kind: Component
metadata: {name: another}
spec: {type: pubsub.in-memory, version: v1}
---
apiVersion: dapr.io/v2alpha1
kind: Subscription
metadata: {name: orders}
spec:
  pubsubname: bus
  topic: orders
  routes: {default: /orders}
scopes: [messenger]
---
apiVersion: dapr.io/v2alpha1
kind: Subscription
metadata: {name: copies}
spec:
  pubsubname: bus
  topic: copies
  routes: {default: /copies}
scopes: [listener]
"""


class MessagingTest(TandemTest):
    def serve(self, name, more="messagingPubsub: bus"):
        self.write("resources/all.yaml", RESOURCES)
        # The listener keeps what comes by its topic handler, and tells it over HTTP.
        both = self.run_file(f"""
version: 1
common: {{resourcesPath: "{self.folder}/resources"}}
apps:
- {{appID: messenger, module: "{guest(name)}", appPort: 0, daprHTTPPort: 0, daprGRPCPort: 0, instances: 1, {more}}}
- {{appID: listener, module: "{guest('event_calls')}", appPort: 0, daprHTTPPort: 0, daprGRPCPort: 0, instances: 1}}
""", apps=2)
        self.messenger, self.listener = both.apps["messenger"], both.apps["listener"]
        return both

    def publish(self, data, content_type="text/plain"):
        answer = post(f"{self.messenger.dapr_url}/v1.0/publish/bus/orders", data, headers={"content-type": content_type})
        self.assertEqual(answer.status, 204, answer)

    def copies(self, count):
        """The messages that have come, each as its fields."""
        def lines():
            return [line.split("\t") for line in get(f"{self.listener.url}/topic").text.splitlines()]
        wait_until(lambda: len(lines()) >= count, f"{count} copies")
        return lines()

    def test_wasmcloud(self):
        both = self.serve("messaging_wasmcloud")
        self.publish("hello")
        (copy,) = self.copies(1)
        self.assertEqual((copy[0], copy[1], copy[4], copy[8]), ("bus", "copies", "messenger", "hello"))
        self.assertEqual(copy[7], "application/octet-stream")
        # A message that is refused comes again.
        self.publish("fail")
        self.assertEqual(self.copies(2)[1][8], "fail")
        both.wait_for_log(app_id="messenger", msg="cannot deliver to the app: the app has not taken the message: not yet")
        # What Dapr's pub/sub does not have is an error that says so.
        self.publish("request")
        self.assertIn("request is not supported", self.copies(3)[2][8])

    def test_wasi(self):
        self.serve("messaging_wasi")
        self.publish("hello")
        (copy,) = self.copies(1)
        self.assertEqual((copy[0], copy[1], copy[4], copy[7], copy[8]),
                         ("bus", "copies", "messenger", "text/plain", "hello"))
        self.publish("fail")
        self.assertEqual(self.copies(2)[1][8], "fail")

    def test_the_first_pubsub_is_the_default(self):
        both = self.serve("messaging_wasi", more="env: {}")
        self.publish("hello")
        # It goes to `another`, where nobody listens.
        wait_until(lambda: get(f"{both.metrics_url}").text.count('component="another"') > 0, "an event of another")
        self.assertEqual(get(f"{self.listener.url}/topic").text, "")

    def test_inspect(self):
        for name, interface in (("messaging_wasmcloud", "wasmcloud:messaging/handler@0.2.0"),
                                ("messaging_wasi", "wasi:messaging/incoming-handler@0.2.0-draft")):
            said = json.loads(tandem("inspect", "--json", "--cache-folder", cache_folder(), guest(name)).stdout)
            self.assertEqual((said["runs"], said["blueprint"], said["reason"]), (True, 3, f"it exports {interface}"))
            self.assertEqual(said["lacking"], [])


if __name__ == "__main__":
    unittest.main()
