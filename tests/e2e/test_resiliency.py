"""Resiliency resources through the whole binary: a program that fails by a script, and a Redis that is not there."""

import http.client
import re
import signal
import threading
import time
import unittest

from grpc_apps import GrpcAppTest, grpc
from harness import PATIENCE, get, post, request
from observe import Scrape, wait_until
from program import Program, serve_beside, start_beside
from redis_server import RedisServer

from dapr.proto.common.v1 import common_pb2  # noqa: E402
from dapr.proto.runtime.v1 import dapr_pb2_grpc, invoke_pb2, metadata_pb2  # noqa: E402

RESILIENCY = """apiVersion: dapr.io/v1alpha1
kind: Resiliency
metadata: {name: mine}
spec:
  policies:
    timeouts: {quick: 300ms}
    retries:
      thrice: {policy: constant, duration: 10ms, maxRetries: 3}
      some: {policy: constant, duration: 10ms, maxRetries: 3, matching: {httpStatusCodes: "503"}}
      patient: {policy: constant, duration: 20ms, maxRetries: -1}
      rare: {policy: constant, duration: 1h}
    circuitBreakers:
      cb: {maxRequests: 1, timeout: 500ms, trip: consecutiveFailures > 2}
      firm: {timeout: 1h, trip: consecutiveFailures > 2}
  targets:
"""

COMPONENT = """---
apiVersion: dapr.io/v1alpha1
kind: Component
metadata: {{name: {name}}}
spec: {{type: {kind}, version: v1, metadata: [{metadata}]}}
"""

ENDPOINT = """---
apiVersion: dapr.io/v1alpha1
kind: HTTPEndpoint
metadata: {{name: ext}}
spec: {{baseUrl: "http://127.0.0.1:{port}"}}
"""


def component(name, kind, **metadata):
    items = ", ".join(f'{{name: {key}, value: "{value}"}}' for key, value in metadata.items())
    return COMPONENT.format(name=name, kind=kind, metadata=items)


class Script:
    """Answers with one status after the other, then with the last one for ever."""

    def __init__(self, *statuses):
        self.statuses = list(statuses)

    def __call__(self, seen):
        status = self.statuses.pop(0) if len(self.statuses) > 1 else self.statuses[0]
        return status, {"content-type": "text/plain", "x-status": str(status)}, b"said " + seen.body


class ResiliencyTest(GrpcAppTest):
    def program(self, routes=None):
        program = Program(routes)
        self.addCleanup(program.close)
        return program

    def serve_grpc(self, handler):
        return GrpcAppTest.serve(self, handler)

    def redis(self):
        folder = self.folder / "redis"
        folder.mkdir()
        server = RedisServer(folder)
        self.addCleanup(server.close)
        return server

    def resources(self, targets, *more):
        text = RESILIENCY + targets + "".join(more)
        return self.write("resources/all.yaml", text).parent

    def serve(self, program, targets, *more):
        return serve_beside(self, program.port, dapr_graceful_shutdown_seconds=1,
                            resources_path=self.resources(targets, *more))

    def invoke(self, one, app, method, body=b"body", **options):
        return post(f"{one.app.dapr_url}/v1.0/invoke/{app}/method/{method}", body, **options)

    def refusal(self, app, why):
        return {"errorCode": "ERR_DIRECT_INVOKE", "message": f"failed to invoke, id: {app}, err: {why}"}

    def test_a_flaky_app_is_asked_again(self):
        program = self.program({"/flaky": Script(503, 503, 200), "/broken": Script(500), "/odd": Script(503, 500, 200)})
        one = self.serve(program, "    apps: {prog: {retry: thrice}, ext: {retry: some}}\n",
                         ENDPOINT.format(port=program.port))
        answer = self.invoke(one, "prog", "flaky")
        self.assertEqual((answer.status, answer.body), (200, b"said body"))
        self.assertEqual([seen.body for seen in program.of("/flaky")], [b"body"] * 3)
        # The last answer is the caller's, as it is.
        answer = self.invoke(one, "prog", "broken")
        self.assertEqual((answer.status, answer.body, answer.headers["x-status"]), (500, b"said body", "500"))
        self.assertEqual(len(program.of("/broken")), 4)
        # Of an endpoint's answers the status decides.
        self.assertEqual(self.invoke(one, "ext", "odd").status, 500)
        self.assertEqual(len(program.of("/odd")), 2)
        scrape = Scrape(one)
        labels = {"app_id": "prog", "name": "mine", "namespace": "", "flow_direction": "outbound", "policy": "retry",
                  "status": ""}
        self.assertEqual(scrape.value("dapr_resiliency_count", target="app_prog", **labels), 2)
        self.assertEqual(scrape.value("dapr_resiliency_activations_total", target="app_prog", **labels), 2)
        self.assertEqual(scrape.value("dapr_resiliency_activations_total", target="app_ext", **labels), 1)
        self.assertEqual(scrape.value("dapr_resiliency_loaded", app_id="prog", name="mine", namespace=""), 1)
        self.assertEqual(get(f"{one.app.dapr_url}/v1.0/metadata").json()["resiliencies"], [{"name": "mine"}])
        one.wait_for_log(scope="tandem.resiliency", level="warning",
                         msg="Error processing operation endpoint[prog]. Retrying in 10ms...")

    def test_an_app_that_takes_too_long(self):
        release = threading.Event()
        self.addCleanup(release.set)

        def slow(_):
            release.wait(PATIENCE)
            return 200, {}, b""

        program = self.program({"/slow": slow})
        # Nobody reads its late answers.
        program.server.handle_error = lambda *_: None
        one = self.serve(program, "    apps: {prog: {timeout: quick, retry: thrice}, ext: {timeout: quick}}\n",
                         ENDPOINT.format(port=program.port))
        answer = self.invoke(one, "prog", "slow")
        self.assertEqual((answer.status, answer.json()), (500, self.refusal("prog", "context deadline exceeded")))
        self.assertEqual(len(program.wait_for("/slow", 4)), 4)
        answer = self.invoke(one, "ext", "slow")
        self.assertEqual((answer.status, answer.json()), (500, self.refusal("ext", "context deadline exceeded")))
        self.assertEqual(len(program.of("/slow")), 5)

    def test_a_breaker_of_an_app(self):
        program = self.program({"/bad": Script(503), "/good": Script(200), "/mended": Script(503, 503, 503, 200)})
        one = self.serve(program, "    apps: {prog: {circuitBreaker: firm}, prog.default: {circuitBreaker: cb}}\n")
        self.assertEqual([self.invoke(one, "prog", "bad").status for _ in range(3)], [503] * 3)
        answer = self.invoke(one, "prog", "bad")
        self.assertEqual((answer.status, answer.json()), (500, self.refusal("prog", "circuit breaker is open")))
        self.assertEqual(len(program.of("/bad")), 3)
        one.wait_for_log(scope="tandem.resiliency",
                         msg='Circuit breaker "prog:bad" changed state from closed to open')
        # It is the method's.
        self.assertEqual(self.invoke(one, "prog", "good").status, 200)
        # One that opens for a short while.
        for _ in range(3):
            self.assertEqual(self.invoke(one, "prog.default", "mended").status, 503)
        wait_until(lambda: self.invoke(one, "prog.default", "mended").status == 200, "the breaker to let a call through")
        one.wait_for_log(msg='Circuit breaker "prog.default:mended" changed state from half-open to closed')

    def test_the_grpc_api_says_it_in_its_own_words(self):
        program = self.program({"/flaky": Script(503, 200), "/bad": Script(503)})
        one = self.serve(program, "    apps: {prog: {retry: thrice}, ext: {circuitBreaker: firm}}\n",
                         ENDPOINT.format(port=program.port))
        with grpc.insecure_channel(one.app.dapr_grpc) as channel:
            stub = dapr_pb2_grpc.DaprStub(channel)

            def invoke(app, method):
                extension = common_pb2.HTTPExtension(verb=common_pb2.HTTPExtension.POST)
                message = common_pb2.InvokeRequest(method=method, http_extension=extension)
                return stub.InvokeService(invoke_pb2.InvokeServiceRequest(id=app, message=message), timeout=PATIENCE)

            self.assertEqual(invoke("prog", "flaky").data.value, b"said ")
            self.assertEqual(len(program.of("/flaky")), 2)
            for _ in range(3):
                with self.assertRaises(grpc.RpcError):
                    invoke("ext", "bad")
            with self.assertRaises(grpc.RpcError) as refused:
                invoke("ext", "bad")
            self.assertEqual((refused.exception.code(), refused.exception.details()),
                             (grpc.StatusCode.UNKNOWN, "circuit breaker is open"))
            self.assertEqual([r.name for r in stub.GetMetadata(metadata_pb2.GetMetadataRequest()).resiliencies], ["mine"])

    def test_an_app_that_speaks_grpc_is_asked_again(self):
        calls = []
        over = threading.Event()
        self.addCleanup(over.set)

        def on_invoke(request, context):
            asked = common_pb2.InvokeRequest.FromString(request)
            calls.append((asked.method, dict(context.invocation_metadata()).get("own"), asked.data.value))
            turn = sum(1 for one in calls if one[0] == asked.method)
            if asked.method == "slow" and turn == 1:
                over.wait(PATIENCE)
            if asked.method == "broken" or (asked.method == "flaky" and turn < 3):
                context.set_trailing_metadata((("turn", str(turn)),))
                context.abort(grpc.StatusCode.UNAVAILABLE, f"not on turn {turn}")
            answer = common_pb2.InvokeResponse(content_type="text/own")
            answer.data.value = asked.data.value.upper()
            return answer.SerializeToString()

        def nothing(_request, _context):
            return b""

        handler = grpc.method_handlers_generic_handler("dapr.proto.runtime.v1.AppCallback", {
            "OnInvoke": grpc.unary_unary_rpc_method_handler(on_invoke),
            **{name: grpc.unary_unary_rpc_method_handler(nothing)
               for name in ("ListTopicSubscriptions", "ListInputBindings")}})
        one = serve_beside(self, self.serve_grpc(handler), app_protocol="grpc", dapr_graceful_shutdown_seconds=1,
                           resources_path=self.resources(
                               "    apps: {prog: {retry: thrice, timeout: quick, circuitBreaker: firm}}\n"))
        with grpc.insecure_channel(one.app.dapr_grpc) as channel:
            stub = dapr_pb2_grpc.DaprStub(channel)

            def invoke(method):
                message = common_pb2.InvokeRequest(method=method)
                message.data.value = b"abc"
                answer = stub.InvokeService(invoke_pb2.InvokeServiceRequest(id="prog", message=message),
                                            timeout=PATIENCE, metadata=[("own", "yes")])
                return answer.data.value

            def refusal(method):
                with self.assertRaises(grpc.RpcError) as refused:
                    invoke(method)
                return refused.exception

            self.assertEqual(invoke("flaky"), b"ABC")
            self.assertEqual(calls, [("flaky", "yes", b"abc")] * 3)
            # A call that has had its time is asked for once more.
            self.assertEqual(invoke("slow"), b"ABC")
            # The last answer is the caller's; the breaker opens on the way to it.
            error = refusal("broken")
            self.assertEqual((error.code(), error.details()), (grpc.StatusCode.UNKNOWN, "circuit breaker is open"))
            self.assertEqual(sum(1 for one in calls if one[0] == "broken"), 3)

    def test_a_redis_that_comes_back(self):
        redis = self.redis()
        host = f"127.0.0.1:{redis.port}"
        one = self.serve(self.program(), "    components: {store: {outbound: {retry: patient}}}\n",
                         component("store", "state.redis", redisHost=host, redisPassword=""))
        url = f"{one.app.dapr_url}/v1.0/state/store"
        self.assertEqual(post(url, [{"key": "k", "value": 1}]).status, 204)
        redis.kill()
        answers = []
        reader = threading.Thread(target=lambda: answers.append(get(f"{url}/k")))
        reader.start()
        one.wait_for_log(scope="tandem.resiliency", level="warning",
                         msg="Error processing operation component[store] output. Retrying in 20ms...")
        self.assertEqual(answers, [])
        redis.start()
        reader.join(PATIENCE)
        self.assertEqual((answers[0].status, answers[0].body), (200, b"1"))
        one.wait_for_log(scope="tandem.resiliency",
                         msg=re.compile(r"^Recovered processing operation component\[store\] output after \d+ attempts$"))

    def test_a_breaker_of_a_redis_that_is_killed(self):
        redis = self.redis()
        host = f"127.0.0.1:{redis.port}"
        one = self.serve(self.program(), "    components: {store: {outbound: {circuitBreaker: firm}}, "
                                         "other: {outbound: {circuitBreaker: cb}}}\n",
                         component("store", "state.redis", redisHost=host, redisPassword=""),
                         component("other", "state.redis", redisHost=host, redisPassword="", keyPrefix="none"))
        url = f"{one.app.dapr_url}/v1.0/state/store"
        self.assertEqual(post(url, [{"key": "k", "value": 1}]).status, 204)
        redis.kill()
        wait_until(lambda: "circuit breaker is open" in get(f"{url}/k").text, "the breaker to open")
        opened = "circuit breaker is open"
        self.assertEqual(get(f"{url}/k").json(), {"errorCode": "ERR_STATE_GET",
                                                  "message": f"fail to get k from state store store: {opened}"})
        self.assertEqual(post(url, [{"key": "k", "value": 2}]).json(),
                         {"errorCode": "ERR_STATE_SAVE", "message": f"failed saving state in state store store: {opened}"})
        self.assertEqual(request(f"{url}/k", "DELETE").json(),
                         {"errorCode": "ERR_STATE_DELETE", "message": f"failed deleting state with key k: {opened}"})
        self.assertEqual(post(f"{url}/bulk", {"keys": ["k"]}).json(),
                         {"errorCode": "ERR_STATE_BULK_GET", "message": opened})
        upsert = {"operation": "upsert", "request": {"key": "k", "value": 1}}
        self.assertEqual(post(f"{url}/transaction", {"operations": [upsert]}).json(),
                         {"errorCode": "ERR_STATE_TRANSACTION",
                          "message": f"error while executing state transaction: {opened}"})
        scrape = Scrape(one)
        self.assertEqual(scrape.total("dapr_resiliency_cb_state", status="open", target="Statestore_store"), 1)
        self.assertEqual(scrape.total("dapr_resiliency_cb_state", status="closed", target="Statestore_store"), 0)
        other = f"{one.app.dapr_url}/v1.0/state/other/prog"
        wait_until(lambda: opened in get(other).text, "the other breaker to open")
        redis.start()
        wait_until(lambda: get(other).status == 204, "the other breaker to close")
        self.assertIn(opened, get(f"{url}/k").text)

    def test_a_redis_that_stands_still(self):
        redis = self.redis()
        host = f"127.0.0.1:{redis.port}"
        one = self.serve(self.program(), "    components: {store: {outbound: {timeout: quick}}, "
                                         "pub: {outbound: {timeout: quick}}}\n",
                         component("store", "state.redis", redisHost=host, redisPassword=""),
                         component("pub", "pubsub.redis", redisHost=host, redisPassword=""))
        api = f"{one.app.dapr_url}/v1.0"
        self.assertEqual(post(f"{api}/state/store", [{"key": "k", "value": 1}]).status, 204)
        redis.process.send_signal(signal.SIGSTOP)
        self.addCleanup(redis.process.send_signal, signal.SIGCONT)
        began = time.monotonic()
        self.assertEqual(get(f"{api}/state/store/k").json()["message"],
                         "fail to get k from state store store: context deadline exceeded")
        self.assertLess(time.monotonic() - began, PATIENCE / 2)
        answer = post(f"{api}/publish/pub/topic", b"x").json()
        self.assertEqual(answer["message"],
                         "error when publishing to topic topic in pubsub pub: context deadline exceeded")
        redis.process.send_signal(signal.SIGCONT)
        self.assertEqual(get(f"{api}/state/store/k").body, b"1")

    def test_events_are_delivered_again_before_they_are_given_up(self):
        subscriptions = (b'[{"pubsubname": "pub", "topic": "t", "route": "/t", "deadLetterTopic": "dead"},'
                         b'{"pubsubname": "pub", "topic": "u", "route": "/u", "deadLetterTopic": "dead"},'
                         b'{"pubsubname": "pub", "topic": "dead", "route": "/dead"}]')
        program = self.program({
            "/dapr/subscribe": lambda _: (200, {"content-type": "application/json"}, subscriptions),
            "/t": Script(500, 503, 200), "/u": Script(500), "/dead": Script(200)})
        one = self.serve(program, "    components: {pub: {inbound: {retry: thrice}}}\n",
                         component("pub", "pubsub.in-memory"))
        self.assertEqual(post(f"{one.app.dapr_url}/v1.0/publish/pub/t", {"n": 1}).status, 204)
        program.wait_for("/t", 3)
        self.assertEqual(post(f"{one.app.dapr_url}/v1.0/publish/pub/u", {"n": 2}).status, 204)
        dead = program.wait_for("/dead")
        self.assertEqual(len(program.of("/u")), 4)
        self.assertEqual(len(program.of("/t")), 3)
        self.assertIn(b'"n":2', dead[0].body.replace(b" ", b""))
        self.assertEqual(Scrape(one).total("dapr_resiliency_activations_total", flow_direction="inbound",
                                           policy="retry", target="Pubsub_pub"), 2)

    def test_bindings_both_ways(self):
        program = self.program({"/timer": Script(500, 200), "/target": Script(503, 503, 200)})
        one = self.serve(
            program, "    components: {timer: {inbound: {retry: thrice}}, out: {outbound: {retry: thrice}}}\n",
            component("timer", "bindings.cron", schedule="@every 50ms", direction="input"),
            component("out", "bindings.http", url=f"http://127.0.0.1:{program.port}/target"))
        answer = post(f"{one.app.dapr_url}/v1.0/bindings/out", {"operation": "post", "data": "x"})
        self.assertEqual((answer.status, len(program.of("/target"))), (200, 3))
        program.wait_for("/timer", 3)
        scrape = Scrape(one)
        for target, direction in (("Binding_out", "outbound"), ("Binding_timer", "inbound")):
            self.assertEqual(scrape.total("dapr_resiliency_activations_total", flow_direction=direction, policy="retry",
                                          target=target), 1)

    def test_default_policies(self):
        program = self.program({"/flaky": Script(503, 200)})
        text = RESILIENCY.replace("      thrice:", "      DefaultAppRetryPolicy:").replace("  targets:\n", "")
        one = serve_beside(self, program.port, resources_path=self.write("resources/all.yaml", text).parent)
        self.assertEqual(self.invoke(one, "prog", "flaky").status, 200)

    def test_another_apps_resource_has_no_effect(self):
        program = self.program({"/broken": Script(500)})
        text = RESILIENCY + "    apps: {prog: {retry: thrice}}\nscopes: [somebody]\n"
        one = serve_beside(self, program.port, resources_path=self.write("resources/all.yaml", text).parent)
        self.assertEqual(self.invoke(one, "prog", "broken").status, 500)
        self.assertEqual(len(program.of("/broken")), 1)
        self.assertNotIn("resiliencies", get(f"{one.app.dapr_url}/v1.0/metadata").json())

    def test_mistakes_are_told_with_file_and_line(self):
        text = RESILIENCY.replace("consecutiveFailures > 2", "requests * 2 > 5") + "    apps: {prog: {retry: twice}}\n"
        folder = self.write("resources/all.yaml", text).parent
        one = start_beside(self, self.program().port, resources_path=folder)
        self.assertNotEqual(one.wait(), 0)
        said = one.output()
        self.assertIn(f"{folder}/all.yaml:13: spec.policies.circuitBreakers.cb.trip", said)
        self.assertIn(f"{folder}/all.yaml:16: there is no retry \"twice\" among the policies", said)

    def test_a_stop_waits_for_no_retry_without_end(self):
        redis = self.redis()
        one = self.serve(self.program(), "    components: {store: {outbound: {retry: patient}}}\n",
                         component("store", "state.redis", redisHost=f"127.0.0.1:{redis.port}", redisPassword=""))
        redis.kill()
        reader = threading.Thread(target=self.read_or_be_cut, args=(f"{one.app.dapr_url}/v1.0/state/store/k",))
        reader.start()
        one.wait_for_log(scope="tandem.resiliency", level="warning")
        one.signal()
        one.wait()
        reader.join(PATIENCE)

    def test_a_stop_waits_for_no_retry_that_is_far_away(self):
        program = self.program({"/broken": Script(500)})
        one = self.serve(program, "    apps: {prog: {retry: rare}}\n")
        url = f"{one.app.dapr_url}/v1.0/invoke/prog/method/broken"
        callers = [threading.Thread(target=self.read_or_be_cut, args=(url,)) for _ in range(3)]
        for caller in callers:
            caller.start()
        program.wait_for("/broken", 3)
        one.signal()
        one.wait()
        for caller in callers:
            caller.join(PATIENCE)
        self.assertEqual(len(program.of("/broken")), 3)

    def read_or_be_cut(self, url):
        try:
            get(url)
        except (OSError, http.client.HTTPException):
            pass


if __name__ == "__main__":
    unittest.main()
