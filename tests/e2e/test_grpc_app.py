"""An app that speaks gRPC, written with the App of Dapr's Python SDK: invoked over HTTP and gRPC, receiving events."""

import os

from grpc_apps import Arrivals, GrpcAppTest, free_port, grpc
from harness import get, post, request
from observe import wait_until
from program import certificate

from dapr.clients import DaprClient  # noqa: E402
from dapr.clients.grpc._response import InvokeMethodResponse, TopicEventResponse  # noqa: E402
from dapr.ext.grpc import App, Rule, SubscriptionMessage  # noqa: E402
from dapr.proto.common.v1 import common_pb2  # noqa: E402
from dapr.proto.runtime.v1 import dapr_pb2_grpc, invoke_pb2  # noqa: E402


class GrpcAppSdkTest(GrpcAppTest):
    def setUp(self):
        super().setUp()
        self.events = Arrivals()
        self.dead = Arrivals()
        self.metadata = Arrivals()
        self.healthy = True
        self.port = free_port()
        self.app = App()
        self.describe()

    def describe(self):
        """What the app serves."""
        @self.app.method(name="upper")
        def upper(call):
            self.metadata.add(call.metadata)
            return InvokeMethodResponse(call.data.upper(), "text/own", headers=(("x-own", "header"),))

        @self.app.method(name="odd%41")
        def odd(call):
            return InvokeMethodResponse(b"odd", "text/own")

        @self.app.subscribe(pubsub_name="pubsub", topic="orders", metadata={"own": "value"})
        def orders(event: SubscriptionMessage):
            self.events.add(event)

        @self.app.subscribe(pubsub_name="pubsub", topic="bad", dead_letter_topic="dead")
        def bad(event: SubscriptionMessage):
            return TopicEventResponse("drop")

        @self.app.subscribe(pubsub_name="pubsub", topic="dead")
        def dead(event: SubscriptionMessage):
            self.dead.add(event)

        def health():
            if not self.healthy:
                raise RuntimeError("not well")
        self.app.register_health_check(health)

    def start_app(self):
        self.app._server.add_insecure_port(f"127.0.0.1:{self.port}")
        self.app._server.start()
        self.addCleanup(self.app.stop)

    def run_both(self, more=(), env=None):
        self.start_app()
        tandem = self.run_apps(self.port, more, env)
        self.wait_until_ready(tandem)
        return tandem

    def wait_until_ready(self, tandem):
        url = tandem.apps["speaker"].dapr_url
        wait_until(lambda: get(url + "/v1.0/healthz").status == 204, "a healthy sidecar")

    def invoke_url(self, app, method):
        return f"{app.dapr_url}/v1.0/invoke/speaker/method/{method}"

    def client(self, app):
        os.environ["DAPR_HTTP_PORT"] = app.dapr_url.rsplit(":", 1)[1]
        client = DaprClient(app.dapr_grpc)
        self.addCleanup(client.close)
        return client

    def test_invoked_over_http(self):
        tandem = self.run_both(env={"APP_API_TOKEN": "for the app"})
        for app in tandem.apps.values():
            answer = post(self.invoke_url(app, "upper?q=1"), b"loud", headers={"x-in": "1", "content-type": "text/x"})
            self.assertEqual((answer.status, answer.body), (200, b"LOUD"))
            self.assertEqual(answer.headers["content-type"], "text/own")
            self.assertEqual(answer.headers["x-own"], "header")
        for metadata in self.metadata.wait(2):
            seen = dict(metadata)
            self.assertEqual(seen["x-in"], ["1"])
            self.assertEqual(seen["dapr-content-type"], ["text/x"])
            self.assertEqual(seen["dapr-api-token"], ["for the app"])
            self.assertEqual(len(seen["traceparent"]), 1)
        # It is given the method itself, which is no path of a URL.
        self.assertEqual(post(self.invoke_url(app, "odd%2541"), b"").body, b"odd")
        missing = request(self.invoke_url(app, "nothing"), "PUT", b"")
        self.assertIn(missing.status, (500, 501))
        self.assertIn(missing.json()["code"], (2, 12))

    def test_invoked_over_grpc(self):
        tandem = self.run_both()
        for app in tandem.apps.values():
            answer = self.client(app).invoke_method("speaker", "upper", "soft", content_type="text/plain")
            self.assertEqual((answer.data, answer.content_type), (b"SOFT", "text/own"))
            self.assertEqual(dict(answer.headers)["x-own"], ["header"])

    def test_events_published_over_http_arrive(self):
        tandem = self.run_both()
        web = tandem.apps["web"].dapr_url
        self.assertEqual(post(f"{web}/v1.0/publish/pubsub/orders", {"n": [1, "<&>"]}).status, 204)
        self.assertEqual(post(f"{web}/v1.0/publish/pubsub/orders", "plain \u2713",
                              headers={"content-type": "text/plain"}).status, 204)
        self.assertEqual(post(f"{web}/v1.0/publish/pubsub/orders?metadata.key=value", b"\0\xff",
                              headers={"content-type": "application/octet-stream"}).status, 204)
        events = self.events.wait(3)
        self.assertEqual([(e.data_content_type(), e.raw_data()) for e in events[1:]],
                         [("text/plain", "plain \u2713".encode()), ("application/octet-stream", b"\0\xff")])
        event = events[0]
        self.assertEqual(event.data(), {"n": [1, "<&>"]})
        self.assertEqual((event.source(), event.type(), event.spec_version(), event.topic(), event.pubsub_name()),
                         ("web", "com.dapr.event.sent", "1.0", "orders", "pubsub"))
        self.assertTrue(event.id())
        self.assertEqual(event.extensions()["pubsubname"], "pubsub")
        self.assertIn("traceparent", event.metadata())
        self.assertEqual(event.metadata()["pubsubname"], "pubsub")

    def test_dropped_events_go_to_the_dead_letter_topic(self):
        tandem = self.run_both()
        self.assertEqual(post(f"{tandem.apps['web'].dapr_url}/v1.0/publish/pubsub/bad", {"n": 1}).status, 204)
        (event,) = self.dead.wait()
        self.assertEqual(event.data(), {"n": 1})

    def test_routing_rules_decide_who_is_called(self):
        gadgets, rest = Arrivals(), Arrivals()

        @self.app.subscribe(pubsub_name="pubsub", topic="routed", rule=Rule('event.data.kind == "gadget"', 1))
        def on_gadget(event: SubscriptionMessage):
            gadgets.add(event)

        @self.app.subscribe(pubsub_name="pubsub", topic="routed", rule=Rule('event.data.kind != "gadget"', 2))
        def on_rest(event: SubscriptionMessage):
            rest.add(event)
        web = self.run_both().apps["web"].dapr_url
        for kind in ("gadget", "widget", "gadget"):
            self.assertEqual(post(f"{web}/v1.0/publish/pubsub/routed", {"kind": kind}).status, 204)
        self.assertEqual([event.data()["kind"] for event in gadgets.wait(2)], ["gadget", "gadget"])
        self.assertEqual([event.data()["kind"] for event in rest.wait()], ["widget"])

    def test_subscriptions_are_listed(self):
        tandem = self.run_both()
        metadata = get(tandem.apps["speaker"].dapr_url + "/v1.0/metadata").json()
        self.assertEqual([(s["pubsubname"], s["topic"], s.get("deadLetterTopic", ""), s["type"])
                          for s in sorted(metadata["subscriptions"], key=lambda s: s["topic"])],
                         [("pubsub", "bad", "dead", "PROGRAMMATIC"), ("pubsub", "dead", "", "PROGRAMMATIC"),
                          ("pubsub", "orders", "", "PROGRAMMATIC")])
        self.assertEqual(metadata["appConnectionProperties"]["protocol"], "grpc")
        self.assertEqual(metadata["appConnectionProperties"]["port"], self.port)

    def test_an_app_may_start_later_and_again(self):
        tandem = self.run_apps(self.port)
        app = tandem.apps["speaker"]
        self.assertEqual(post(self.invoke_url(app, "upper"), b"x").status, 503)
        self.start_app()
        self.wait_until_ready(tandem)
        wait_until(lambda: post(self.invoke_url(app, "upper"), b"x").body == b"X", "the app")
        self.app.stop()
        wait_until(lambda: post(self.invoke_url(app, "upper"), b"x").status == 503, "the app to be gone")

    def test_own_services_beside_the_callbacks(self):
        echo = grpc.method_handlers_generic_handler(
            "own.Service", {"Echo": grpc.unary_unary_rpc_method_handler(lambda data, context: data)})
        self.app._server.add_generic_rpc_handlers((echo,))
        tandem = self.run_both()
        call = self.channel(tandem.apps["web"]).unary_unary("/own.Service/Echo")
        self.assertEqual(call(b"own", metadata=(("dapr-app-id", "speaker"),)), b"own")

    def test_over_tls_whatever_its_certificate_is(self):
        echo = grpc.method_handlers_generic_handler(
            "own.Service", {"Echo": grpc.unary_unary_rpc_method_handler(lambda data, context: data)})
        self.app._server.add_generic_rpc_handlers((echo,))
        certificates, key = (file.read_bytes() for file in certificate(self.folder))
        self.app._server.add_secure_port(f"127.0.0.1:{self.port}",
                                         grpc.ssl_server_credentials([(key, certificates)]))
        self.app._server.start()
        self.addCleanup(self.app.stop)
        tandem = self.run_apps(self.port, protocol="grpcs")
        self.wait_until_ready(tandem)
        for app in tandem.apps.values():
            self.assertEqual(post(self.invoke_url(app, "upper"), b"loud").body, b"LOUD")
        call = self.channel(tandem.apps["web"]).unary_unary("/own.Service/Echo")
        self.assertEqual(call(b"own", metadata=(("dapr-app-id", "speaker"),)), b"own")
        metadata = get(tandem.apps["speaker"].dapr_url + "/v1.0/metadata").json()
        self.assertEqual(metadata["appConnectionProperties"]["protocol"], "grpcs")
        self.assertEqual(len(metadata["subscriptions"]), 3)
        # An app that speaks in the open is none of that kind.
        plain = self.serve(echo)
        refused = self.run_apps(plain, protocol="grpcs").apps["speaker"]
        self.assertEqual(post(self.invoke_url(refused, "upper"), b"x").status, 503)

    def test_its_health_is_checked(self):
        tandem = self.run_both(more=["enableAppHealthCheck: true", "appHealthProbeInterval: 1",
                                     "appHealthProbeTimeout: 500", "appHealthThreshold: 1"])
        web = tandem.apps["web"]
        wait_until(lambda: post(self.invoke_url(web, "upper"), b"x").status == 200, "a healthy app")
        self.healthy = False
        wait_until(lambda: post(self.invoke_url(web, "upper"), b"x").status != 200, "a refusal")
        stub = dapr_pb2_grpc.DaprStub(self.channel(web))
        message = invoke_pb2.InvokeServiceRequest(id="speaker", message=common_pb2.InvokeRequest(method="upper"))
        self.assert_fails(lambda: stub.InvokeService(message), grpc.StatusCode.INTERNAL, "app is not in a healthy state")
        self.healthy = True
        wait_until(lambda: post(self.invoke_url(web, "upper"), b"x").status == 200, "an answer")
        self.assertEqual(stub.InvokeService(message).content_type, "text/own")


if __name__ == "__main__":
    import unittest
    unittest.main()
