"""configuration.redis with a real Redis: items, and updates to an app over HTTP, to a guest and to gRPC clients."""

import json
import os
import queue
import re
import sys
import unittest

from harness import PATIENCE, TandemTest, get, source
from observe import Scrape, wait_until
from program import Program, serve_beside, start_beside
from redis_server import RedisServer

sys.path.insert(0, str(source() / "tools"))
import python_sdk  # noqa: E402

sys.path.insert(0, str(python_sdk.site_packages()))
import grpc  # noqa: E402
from dapr.clients import DaprClient  # noqa: E402
from dapr.proto.runtime.v1 import configuration_pb2, dapr_pb2_grpc  # noqa: E402

STORE = """apiVersion: dapr.io/v1alpha1
kind: Component
metadata: {{name: items}}
spec:
  type: configuration.redis
  version: v1
  metadata:
    - {{name: redisHost, value: "127.0.0.1:{port}"}}
    - {{name: redisMaxRetryInterval, value: 100ms}}
"""


ENV = """apiVersion: dapr.io/v1alpha1
kind: Component
metadata: {name: env}
spec:
  type: secretstores.local.env
  version: v1
  metadata: [{name: prefix, value: SHOP_}]
"""


class ConfigurationTest(TandemTest):
    def setUp(self):
        super().setUp()
        self.redis = RedisServer(self.folder)
        self.addCleanup(self.redis.close)
        self.write("resources/items.yaml", STORE.format(port=self.redis.port))

    def serve(self):
        """`tandem daprd` beside a program."""
        self.program = Program()
        self.addCleanup(self.program.close)
        self.tandem = serve_beside(self, self.program.port, resources_path=self.folder / "resources")
        return self.tandem

    def url(self, path=""):
        return f"{self.tandem.app.dapr_url}/v1.0/configuration/items{path}"

    def subscribe(self, query=""):
        answer = get(self.url(f"/subscribe{query}"))
        self.assertEqual(answer.status, 200, answer)
        return answer.json()["id"]

    def updates(self, key, count=1):
        """The bodies of the POSTs for a key."""
        seen = self.program.wait_for(f"/configuration/items/{key}", count)
        for one in seen:
            self.assertEqual((one.method, one.headers["content-type"]), ("POST", "application/json"))
        return [json.loads(one.body) for one in seen]

    def test_an_app_hears_of_changes(self):
        self.redis.ask("SET", "colour", "red||1")
        self.serve()
        self.assertEqual(get(self.url("?key=colour")).json(), {"colour": {"value": "red", "version": "1"}})
        some = self.subscribe("?key=colour&key=a%2Fb")
        self.redis.ask("SET", "colour", "blue||2")
        self.assertEqual(self.updates("colour"),
                         [{"id": some, "items": {"colour": {"value": "blue", "version": "2"}}}])
        self.redis.ask("SET", "other", "x")
        self.redis.ask("SET", "a/b", "y")
        self.assertEqual(self.updates("a/b"), [{"id": some, "items": {"a/b": {"value": "y"}}}])
        self.redis.ask("DEL", "colour")
        self.assertEqual(self.updates("colour", 2)[1], {"id": some, "items": {"colour": {}}})
        self.assertEqual(self.program.of("/configuration/items/other"), [])

        every = self.subscribe()
        self.redis.ask("SET", "other", "z")
        self.assertEqual(self.updates("other"), [{"id": every, "items": {"other": {"value": "z"}}}])
        for one in (some, every):
            self.assertEqual(get(self.url(f"/{one}/unsubscribe")).json(), {"ok": True})
        self.assertEqual(get(self.url(f"/{some}/unsubscribe")).status, 500)

    def test_a_subscription_outlives_the_server(self):
        self.serve()
        some = self.subscribe("?key=colour")
        self.redis.kill()
        self.redis.start()
        # The key is told once more, as it may have changed.
        self.assertEqual(self.updates("colour"), [{"id": some, "items": {"colour": {}}}])
        self.redis.ask("SET", "colour", "green")
        self.assertEqual(self.updates("colour", 2)[1], {"id": some, "items": {"colour": {"value": "green"}}})

    def test_an_app_that_refuses_is_told_again_of_the_next_change(self):
        self.serve()
        self.program.routes["/configuration/items/colour"] = lambda _: (500, {}, b"")
        self.subscribe("?key=colour")
        self.redis.ask("SET", "colour", "1")
        self.updates("colour")
        self.tandem.wait_for_log(msg=re.compile("error sending configuration item to application, status 500"))
        self.redis.ask("SET", "colour", "2")
        self.updates("colour", 2)

    def test_a_guest_hears_too(self):
        one = self.run_guest("echo", "--resources-path", self.folder / "resources", "--app-id", "echo")
        self.tandem = one
        self.subscribe("?key=colour")
        self.redis.ask("SET", "colour", "blue")
        # The guest takes the POST; only the metrics tell from outside.
        wait_until(lambda: Scrape(one).total("dapr_http_client_completed_count", method="POST", status="200",
                                             path="/configuration/items/colour") == 1, "an update for the guest")
        self.assertEqual(Scrape(one).total("dapr_component_configuration_count", component="items", success="true",
                                           operation="subscribe"), 1)

    def test_grpc_streams(self):
        self.serve()
        with grpc.insecure_channel(self.tandem.app.dapr_grpc) as channel:
            stub = dapr_pb2_grpc.DaprStub(channel)
            request = configuration_pb2.SubscribeConfigurationRequest(store_name="items", keys=["colour"])
            stream = stub.SubscribeConfiguration(request, timeout=PATIENCE)
            first = next(stream)
            self.assertTrue(first.id)
            self.assertEqual(len(first.items), 0)
            self.redis.ask("SET", "colour", "red||7")
            update = next(stream)
            self.assertEqual((update.id, update.items["colour"].value, update.items["colour"].version),
                             (first.id, "red", "7"))
            ended = stub.UnsubscribeConfiguration(
                configuration_pb2.UnsubscribeConfigurationRequest(store_name="items", id=first.id), timeout=PATIENCE)
            self.assertTrue(ended.ok)
            with self.assertRaises(StopIteration):
                next(stream)

            # The orderly stop ends streams, and does not wait for them.
            last = stub.SubscribeConfigurationAlpha1(request, timeout=PATIENCE)
            next(last)
            self.tandem.stop()
            self.assertEqual(list(last), [])
            self.assertEqual(last.code(), grpc.StatusCode.OK)

    def test_the_python_sdk(self):
        self.write("resources/env.yaml", ENV)
        self.redis.ask("SET", "colour", "red||1")
        self.program = Program()
        self.addCleanup(self.program.close)
        one = serve_beside(self, self.program.port, env={"SHOP_KEY": "value"},
                           resources_path=self.folder / "resources")
        os.environ["DAPR_HTTP_PORT"] = one.app.dapr_url.rsplit(":", 1)[1]
        updates = queue.Queue()
        with DaprClient(one.app.dapr_grpc) as client:
            self.assertEqual(client.get_secret("env", "KEY").secret, {"KEY": "value"})
            self.assertEqual(client.get_bulk_secret("env").secrets, {"KEY": {"KEY": "value"}})
            item = client.get_configuration("items", ["colour"]).items["colour"]
            self.assertEqual((item.value, item.version), ("red", "1"))
            name = client.subscribe_configuration(
                "items", ["colour"], lambda id, update: updates.put((id, update.items["colour"].value)))
            self.redis.ask("SET", "colour", "blue")
            self.assertEqual(updates.get(timeout=PATIENCE), (name, "blue"))
            self.assertTrue(client.unsubscribe_configuration("items", name))

    def test_a_server_that_is_not_there_is_named(self):
        self.redis.kill()
        refused = start_beside(self, None, resources_path=self.folder / "resources")
        self.assertEqual(refused.wait(), 1, refused.output())
        self.assertRegex(refused.errors, r'items\.yaml:1: component "items" \(configuration\.redis\): ')


if __name__ == "__main__":
    unittest.main()
