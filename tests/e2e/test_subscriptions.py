"""What an app is subscribed to, from the folders and from its own answer: no subscription stops the process."""

import re
import unittest

from harness import TandemTest, get, guest, post

BROKER = """apiVersion: dapr.io/v1alpha1
kind: Component
metadata:
  name: {name}
spec:
  type: pubsub.in-memory
  version: v1
{scopes}---
"""
SUBSCRIPTION = """apiVersion: dapr.io/v2alpha1
kind: Subscription
metadata:
  name: {name}
spec:
  pubsubname: {pubsub}
  topic: {topic}
  routes:
    {routes}
---
"""


def broker(name, scopes=""):
    return BROKER.format(name=name, scopes=f"scopes: [{scopes}]\n" if scopes else "")


def subscription(name, topic, routes, pubsub="pubsub"):
    return SUBSCRIPTION.format(name=name, topic=topic, routes=routes, pubsub=pubsub)


class SubscriptionsTest(TandemTest):
    def topics(self, app):
        metadata = get(app.dapr_url + "/v1.0/metadata").json()
        return {(one["topic"], one["rules"][0]["path"]) for one in metadata["subscriptions"]}

    def test_what_cannot_be_started_is_said_and_the_rest_runs(self):
        resources = self.write("resources/all.yaml", broker("pubsub") +
                               subscription("a", "good", "default: /good") +
                               subscription("b", "good", "default: /again") +
                               subscription("d", "lost", "default: /lost", pubsub="nobody")).parent
        one = self.run_guest("echo", "--app-id", "mine", "--resources-path", resources)
        self.assertEqual(self.topics(one.app), {("good", "/good")})
        self.assertEqual(post(one.app.dapr_url + "/v1.0/publish/pubsub/good", {}).status, 204)
        (twice,) = one.log(level="warning", topic="good")
        self.assertRegex(twice["used"], "^/good .*all.yaml")
        self.assertRegex(twice["not_used"], "^/again .*all.yaml")
        (lost,) = one.log(level="warning", topic="lost")
        self.assertEqual(lost["pubsub"], "nobody")

    def test_a_guests_own_answer_stops_nothing(self):
        # It asks for events of "pubsub".
        resources = self.write("resources/bus.yaml", broker("bus")).parent
        one = self.run_guest("orders", "--resources-path", resources)
        self.assertEqual(one.get("/healthz").status, 204)
        (said,) = one.log(level="warning", topic="orders")
        self.assertEqual((said["pubsub"], said["route"]), ("pubsub", "/orders-events"))

    def test_a_subscription_of_all_to_the_pubsub_of_one(self):
        resources = self.write("resources/all.yaml", broker("pubsub", scopes="a") + broker("twos", scopes="b") +
                               subscription("s", "news", "default: /news")).parent
        apps = "".join(f'  - {{appID: {name}, module: "{guest("echo")}", appPort: 0, daprHTTPPort: 0}}\n'
                       for name in "ab")
        both = self.run_file(f'version: 1\ncommon: {{resourcesPath: "{resources}"}}\napps:\n{apps}', apps=2)
        self.assertEqual(self.topics(both.apps["a"]), {("news", "/news")})
        self.assertNotIn("subscriptions", get(both.apps["b"].dapr_url + "/v1.0/metadata").json())
        (passed_over,) = both.log(level="info", app_id="b", topic="news")
        self.assertIn("scopes", passed_over["msg"])
        self.assertEqual(both.log(level=re.compile("warning|error"), topic="news"), [])

    def test_a_command_is_not_asked(self):
        one = self.run_guest("counter_cmd", "--app-id", "counter")
        one.wait_for(lambda: one.metrics_url, "the metrics' address")
        runs = re.search(r'(?m)^tandem_guest_instances_started_total\{app_id="counter"\} (\d+)$',
                         get(one.metrics_url).text)
        self.assertEqual(runs[1], "0")
        self.assertEqual(one.post("/", "one two\n").json()["words"], 2)

    def test_plain_text_is_no_list_and_no_warning(self):
        one = self.run_guest("hello")
        self.assertEqual(one.get("/dapr/subscribe").status, 200)
        self.assertEqual(one.log(level="warning", msg=re.compile("subscriptions")), [])


if __name__ == "__main__":
    unittest.main()
