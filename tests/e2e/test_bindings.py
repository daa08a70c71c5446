"""Bindings through the whole binary: timers that reach programs, guests and gRPC apps, and calls of output bindings."""

import json
import re
import threading
import unittest
from concurrent import futures

from grpc_apps import Arrivals, GrpcAppTest, grpc
from harness import PATIENCE, get, guest, post
from observe import Scrape, wait_until
from program import Program, serve_beside, start_beside

from dapr.proto.runtime.v1 import appcallback_pb2, appcallback_pb2_grpc, binding_pb2, dapr_pb2_grpc  # noqa: E402

COMPONENT = """apiVersion: dapr.io/v1alpha1
kind: Component
metadata:
  name: {name}
spec:
  type: bindings.{kind}
  version: v1
  metadata:
{metadata}
{scopes}---
"""


def component(name, kind, scopes="", **metadata):
    lines = "\n".join(f"  - name: {key}\n    value: {json.dumps(value)}" for key, value in metadata.items())
    return COMPONENT.format(name=name, kind=kind, metadata=lines, scopes=f"scopes: [{scopes}]\n" if scopes else "")


def cron(name, **metadata):
    return component(name, "cron", **{"schedule": "@every 50ms", **metadata})


class Callback(appcallback_pb2_grpc.AppCallbackServicer):
    """A gRPC app that asks for the events of `timer` and sends its answers on."""

    def __init__(self):
        self.events = Arrivals()
        self.answer = appcallback_pb2.BindingEventResponse()

    def ListTopicSubscriptions(self, request, context):
        return appcallback_pb2.ListTopicSubscriptionsResponse()

    def ListInputBindings(self, request, context):
        return appcallback_pb2.ListInputBindingsResponse(bindings=["timer"])

    def OnBindingEvent(self, request, context):
        self.events.add((request, dict(context.invocation_metadata())))
        return self.answer


class BindingsTest(GrpcAppTest):
    def resources(self, *components):
        return self.write("resources/all.yaml", "".join(components)).parent

    def program(self, routes=None):
        program = Program(routes)
        self.addCleanup(program.close)
        return program

    def invoke(self, app, name, operation, data=None, metadata=None, **more):
        body = {"operation": operation, "data": data, "metadata": metadata or {}}
        return post(f"{app.dapr_url}/v1.0/bindings/{name}", body, **more)

    def test_a_timer_reaches_a_program(self):
        onward = json.dumps({"to": ["store"], "data": "x", "storeName": "statestore",
                             "state": [{"key": "k", "value": 1}]}).encode()
        program = self.program({
            "/timer": lambda _: (200, {"content-type": "application/json"}, onward),
            "/unwanted": lambda _: (404, {}, b""),
            "/post-only": lambda one: (405 if one.method == "OPTIONS" else 200, {}, b""),
            "/broken": lambda _: (500, {}, b"no"),
        })
        files = self.folder / "files"
        one = serve_beside(self, program.port, resources_path=self.resources(
            cron("timer"), cron("unwanted"), cron("post-only"), cron("broken", direction="input"),
            cron("routed", route="/my/route"), cron("unused", direction="output"),
            component("store", "localstorage", rootPath=str(files))))
        for path in ("/timer", "/post-only", "/my/route"):
            asked, tick, _ = program.wait_for(path, 3)[:3]
            self.assertEqual((asked.method, asked.body), ("OPTIONS", b""))
            self.assertEqual((tick.method, tick.body), ("POST", b""))
            self.assertEqual(tick.headers["content-type"], "application/json")
            self.assertEqual(tick.headers["timezone"], "Local")
            self.assertRegex(tick.headers["readtimeutc"], r"^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d(\.\d{1,9})? \+0000 UTC$")
        # What the direction says is not asked for.
        self.assertEqual({seen.method for seen in program.wait_for("/broken", 2)}, {"POST"})
        self.assertEqual([seen.method for seen in program.of("/unwanted")], ["OPTIONS"])
        self.assertEqual(one.log(msg="app has not subscribed to binding", binding="unwanted")[0]["app_id"], "prog")
        # As in daprd, an HTTP answer sends nothing on.
        self.assertEqual(list(files.iterdir()), [])

        labels = {"app_id": "prog", "namespace": "default"}

        def counted(component, success):
            return Scrape(one).value("dapr_component_input_binding_count", component=component, success=success,
                                     **labels)
        wait_until(lambda: counted("timer", "true") >= 2, "events counted")
        wait_until(lambda: counted("broken", "false") >= 2, "failures counted")
        self.assertEqual(counted("unwanted", "true"), 0)
        listed = {each["name"]: each.get("capabilities", []) for each in
                  get(one.app.dapr_url + "/v1.0/metadata").json()["components"]}
        self.assertEqual(listed["timer"], ["INPUT_BINDING"])
        self.assertEqual(listed["store"], ["OUTPUT_BINDING"])
        self.assertEqual(listed["unused"], [])
        self.assertEqual(len(one.log(level="warning", msg=re.compile("leaves nothing of it to use"))), 1)

    def test_a_timer_reaches_a_guest_that_calls_on(self):
        program = self.program()
        resources = self.resources(cron("timer", direction="input", route="/invoke/prog?path=/ticked"), cron("asked"))
        one = self.run_file(f"""
version: 1
common: {{resourcesPath: "{resources}"}}
apps:
  - {{appID: caller, module: "{guest('state_calls')}", appPort: 0, daprHTTPPort: 0, daprGRPCPort: 0}}
  - {{appID: prog, appPort: {program.port}, daprHTTPPort: 0, daprGRPCPort: 0}}
""", apps=2)
        program.wait_for("/ticked", 3)
        # Each app has the events for itself: the program has that route too.
        program.wait_for("/invoke/prog", 3)
        program.wait_for("/asked", 3)
        wait_until(lambda: Scrape(one).value("dapr_component_input_binding_count", app_id="caller", component="timer",
                                             namespace="default", success="true") >= 3, "events counted")

    def test_a_command_is_sent_only_what_is_its(self):
        resources = self.resources(cron("timer"), cron("named", direction="input"))
        one = self.run_guest("counter_cmd", "--app-id", "counter", "--resources-path", resources)
        count = "dapr_component_input_binding_count"
        wait_until(lambda: Scrape(one).total(count, component="named", success="true") >= 2, "events counted")
        self.assertEqual(Scrape(one).total(count, component="timer"), 0)

    def test_a_grpc_app_is_sent_events_and_sends_them_on(self):
        callback = Callback()
        callback.answer.to.extend(["store", "web"])
        callback.answer.data = b'{"n": 1}'
        program = self.program()
        server = grpc.server(futures.ThreadPoolExecutor(4))
        appcallback_pb2_grpc.add_AppCallbackServicer_to_server(callback, server)
        port = server.add_insecure_port("127.0.0.1:0")
        server.start()
        self.addCleanup(lambda: server.stop(0).wait())
        files = self.folder / "files"
        one = serve_beside(self, port, app_protocol="grpc", resources_path=self.resources(
            cron("timer"), cron("unwanted"), component("store", "localstorage", rootPath=str(files)),
            component("web", "http", url=f"http://127.0.0.1:{program.port}/sent")), env={"APP_API_TOKEN": "secret"})
        event, metadata = callback.events.wait(2)[1]
        self.assertEqual((event.name, event.data), ("timer", b""))
        self.assertEqual(event.metadata["timeZone"], "Local")
        self.assertEqual(metadata["dapr-api-token"], "secret")
        self.assertEqual(program.wait_for("/sent")[0].body, b'{"n":1}')
        self.assertEqual(next(files.iterdir()).read_bytes(), b'{"n":1}')
        self.assertEqual({each[0].name for each in callback.events.wait(3)}, {"timer"})
        wait_until(lambda: Scrape(one).value("dapr_component_output_binding_count", app_id="prog", component="web",
                                             namespace="default", operation="create", success="true") >= 1, "a count")

    def test_an_unhealthy_program_gets_no_events(self):
        health = {"status": 200}
        program = self.program()
        program.routes["/live"] = lambda _: (health["status"], {}, b"")
        one = serve_beside(self, program.port, resources_path=self.resources(cron("timer")),
                           enable_app_health_check=True, app_health_check_path="/live", app_health_probe_interval=1,
                           app_health_threshold=1)
        program.wait_for("/timer", 2)
        health["status"] = 503
        one.wait_for_log(msg=re.compile("un-healthy"))
        # What was on its way has come when two probes more have.
        probes = len(program.of("/live"))
        program.wait_for("/live", probes + 1)
        silent = len(program.of("/timer"))
        program.wait_for("/live", probes + 2)
        self.assertEqual(len(program.of("/timer")), silent)
        health["status"] = 200
        again = program.wait_for("/timer", silent + 2)[silent:]
        self.assertEqual([seen.method for seen in again[:2]], ["OPTIONS", "POST"])

    def test_a_stop_lets_events_finish(self):
        let_go = threading.Event()
        program = self.program({"/timer": lambda _: (200, {}, b"") if let_go.wait(PATIENCE) else None})
        one = serve_beside(self, program.port, resources_path=self.resources(cron("timer", direction="input")))
        program.wait_for("/timer", 2)
        one.signal()
        one.wait_for_log(msg="stopping")
        self.assertIsNone(one.process.poll())
        let_go.set()
        self.assertEqual(one.wait(), 0)

    def test_output_bindings_over_both_doors(self):
        program = self.program({"/base/missing": lambda _: (404, {"x-why": "gone"}, b"no such thing")})
        files = self.folder / "files"
        one = self.run_guest("echo", "--app-id", "mine", "--resources-path", self.resources(
            component("store", "localstorage", rootPath=str(files)),
            component("web", "http", url=f"http://127.0.0.1:{program.port}/base", securityToken="t",
                      securityTokenHeader="X-Token"),
            component("theirs", "localstorage", scopes="other", rootPath=str(files))))
        made = self.invoke(one.app, "store", "create", {"a": 1}, {"fileName": "d/f.json"})
        self.assertEqual((made.status, made.json()), (200, {"fileName": "d/f.json"}))
        self.assertEqual(json.loads((files / "d" / "f.json").read_bytes()), {"a": 1})
        self.assertEqual(self.invoke(one.app, "store", "delete", metadata={"fileName": "d/f.json"}).status, 204)

        sent = self.invoke(one.app, "web", "post", "text", {"path": "/x?q=1", "X-Own": "1"},
                           headers={"traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"})
        self.assertEqual(sent.status, 200)
        seen = sent.json()
        self.assertEqual((seen["method"], seen["path"], seen["body"]), ("POST", "/base/x?q=1", '"text"'))
        self.assertEqual((seen["headers"]["x-own"], seen["headers"]["x-token"]), ("1", "t"))
        self.assertIn("0af7651916cd43dd8448eb211c80319c", seen["headers"]["traceparent"])
        missing = self.invoke(one.app, "web", "get", metadata={"path": "missing"})
        self.assertEqual((missing.status, missing.headers["metadata.statuscode"], missing.headers["metadata.x-why"]),
                         (500, "404", "gone"))
        self.assertIn("couldn't find output binding theirs", self.invoke(one.app, "theirs", "list").text)

        dapr = dapr_pb2_grpc.DaprStub(self.channel(one.app))
        answer = dapr.InvokeBinding(binding_pb2.InvokeBindingRequest(name="store", operation="create", data=b"\0\xff",
                                                                  metadata={"fileName": "raw"}))
        self.assertEqual(json.loads(answer.data), {"fileName": "raw"})
        self.assertEqual((files / "raw").read_bytes(), b"\0\xff")
        self.assertEqual(self.invoke(one.app, "store", "get", metadata={"fileName": "raw"}).body, b"\0\xff")
        refused = self.assert_fails(
            lambda: dapr.InvokeBinding(binding_pb2.InvokeBindingRequest(name="web", operation="get",
                                                                     metadata={"path": "missing"})),
            grpc.StatusCode.INTERNAL, "received status code 404")
        self.assertEqual(dict(refused.initial_metadata())["metadata.statuscode"], "404")

    def test_wrong_components_stop_the_start(self):
        resources = self.resources(cron("timer", schedule="every now and then"),
                                   component("store", "localstorage", rootPath="/proc/files"),
                                   component("web", "http", url="gopher://host"))
        one = start_beside(self, None, resources_path=resources)
        self.assertNotEqual(one.wait(), 0)
        for why in ("invalid schedule format 'every now and then'", "disallowed location", "url: not a URL"):
            self.assertIn(why, one.errors + "\n".join(one.lines))


if __name__ == "__main__":
    unittest.main()
