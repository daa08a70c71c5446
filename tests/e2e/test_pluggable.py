"""Pluggable components: programs behind Unix sockets, on Dapr's own SDK for them (tests/pluggable), as state store, broker
and binding of a Tandem; and the same scenarios with a real daprd where there is one, which shows that the program is
right and that the answers are the same."""

import json
import os
import shutil
import subprocess
import tempfile
import unittest
from pathlib import Path

from drivers import environments
from harness import TandemTest, binary, environment, free_ports, get, post, request
from observe import wait_until
from program import Program, daprd_flags, serve_beside

DAPRD = Path(os.environ.get("TANDEM_CACHE") or Path.home() / ".cache" / "tandem") / "daprd" / "daprd"
TRACE = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
SETTINGS = """apiVersion: dapr.io/v1alpha1
kind: Configuration
metadata: { name: settings }
spec: { tracing: { samplingRate: "1" } }
"""


def component(name, kind, scopes="", more="", **metadata):
    lines = "".join(f"  - {{name: {key}, value: {json.dumps(value)}}}\n" for key, value in metadata.items())
    return (f"apiVersion: dapr.io/v1alpha1\nkind: Component\nmetadata: {{ name: {name} }}\nspec:\n  type: {kind}\n"
            f"  version: v1\n{more}  metadata: {'' if lines else '[]'}\n{lines}{f'scopes: [{scopes}]' if scopes else ''}\n"
            "---\n")


# A component that has a secret of another one.
SECRETS_IN_VAULT = """apiVersion: dapr.io/v1alpha1
kind: Component
metadata: { name: guarded }
spec:
  type: state.parts
  version: v1
  metadata: [{ name: password, secretKeyRef: { name: login, key: password } }]
auth: { secretStore: vault }
---
"""


class Parts:
    """The program with the components, and the folder of its sockets; a path of a socket has to be short."""

    def __init__(self):
        self.command = [str(word) for word in environments.pluggable()]
        self.folder = Path(tempfile.mkdtemp(prefix="tandem-sockets-"))
        self.process = None
        self.start()

    def start(self):
        for socket in self.folder.glob("*.sock"):
            socket.unlink()
        self.process = subprocess.Popen(self.command, env=environment({"DAPR_COMPONENT_SOCKETS_FOLDER": str(self.folder)}),
                                        stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        wait_until(lambda: len(list(self.folder.glob("*.sock"))) == 3, "the sockets")

    def kill(self):
        self.process.kill()
        self.process.wait()

    def close(self):
        self.kill()
        shutil.rmtree(self.folder, ignore_errors=True)


class Sidecar:
    """Where a Tandem or a daprd serves; what it says of itself."""

    def __init__(self, url):
        self.url = url

    def state(self, method="GET", key="", body=None, store="store", **headers):
        return request(f"{self.url}/v1.0/state/{store}{'/' + key if key else ''}", method, body,
                       headers={name.replace("_", "-"): value for name, value in headers.items()})

    def bind(self, operation, data=None, name="bound", metadata=None, **headers):
        return post(f"{self.url}/v1.0/bindings/{name}", {"operation": operation, "data": data, "metadata": metadata or {}},
                    headers=headers)

    def capabilities(self):
        return {one["name"]: sorted(one.get("capabilities", [])) for one in
                get(self.url + "/v1.0/metadata").json()["components"]}


class PluggableTest(TandemTest):
    tells_of_failed_entries = True

    def setUp(self):
        super().setUp()
        self.parts = Parts()
        self.addCleanup(self.parts.close)
        self.sockets = {"DAPR_COMPONENTS_SOCKETS_FOLDER": str(self.parts.folder)}

    def resources(self, *components):
        return self.write("resources/all.yaml", "".join(components)).parent

    def all_components(self):
        return self.resources(
            component("store", "state.parts", url="here", number="7"), component("other", "state.Parts"),
            component("hub", "pubsub.parts"), component("bound", "bindings.parts", queue="q", direction="input, output"),
            component("vault", "secretstores.vault", prefix="the "),
            SECRETS_IN_VAULT)

    def program(self, routes=None):
        one = Program({"/dapr/subscribe": lambda _: (200, {"content-type": "application/json"}, json.dumps(
            [{"pubsubname": "hub", "topic": "orders", "route": "/orders"}]).encode()), **(routes or {})})
        self.addCleanup(one.close)
        return one

    def tandem(self, program, **flags):
        return serve_beside(self, program.port, env=self.sockets, config=self.write("settings.yaml", SETTINGS),
                            **(flags or {"resources_path": self.all_components()}))

    def sidecar(self, program):
        """The one that a scenario is about."""
        return Sidecar(self.tandem(program).app.dapr_url)

    def test_a_state_store(self):
        self.state_scenario(self.sidecar(self.program()))

    def state_scenario(self, here):
        etag = lambda key: here.state(key=key).headers["etag"]
        self.assertEqual(here.state("POST", body=[{"key": "a", "value": {"n": 1}}]).status, 204)
        got = here.state(key="a")
        self.assertEqual((got.status, got.json(), got.headers["etag"]), (200, {"n": 1}, "1"))
        self.assertEqual(here.state(key="missing").status, 204)
        # Another instance, by its name, though the program is the same.
        self.assertEqual(here.state(key="a", store="other").status, 204)

        # Several at once.
        many = [{"key": key, "value": key * 2} for key in "bcd"]
        self.assertEqual(here.state("POST", body=many).status, 204)
        got = here.state("POST", "bulk", {"keys": ["d", "missing", "b", "broken"]}).json()
        self.assertEqual({one["key"]: one.get("data") for one in got},
                         {"d": "dd", "missing": None, "b": "bb", "broken": None})
        self.assertIn("the disk is gone", [one["error"] for one in got if one["key"] == "broken"][0])

        # What the component makes of an ETag is known by the details of its error.
        old = etag("a")
        self.assertEqual(here.state("POST", body=[{"key": "a", "value": 2, "etag": old}]).status, 204)
        for body, status in (({"key": "a", "value": 3, "etag": old}, 409), ({"key": "a", "value": 3, "etag": "x"}, 400),
                             ({"key": "a", "value": 3, "options": {"concurrency": "first-write"}}, 409)):
            got = here.state("POST", body=[body])
            self.assertEqual((got.status, got.json()["errorCode"]), (status, "ERR_STATE_SAVE"), got.body)
        got = here.state("DELETE", "a", if_match=old)
        self.assertEqual((got.status, got.json()["errorCode"]), (409, "ERR_STATE_DELETE"))
        self.assertIn("another one", got.json()["message"])
        self.assertEqual(here.state("DELETE", "a", if_match=etag("a")).status, 204)
        self.assertEqual(here.state(key="a").status, 204)

        # All or nothing.
        steps = [{"operation": "upsert", "request": {"key": "e", "value": 5}},
                 {"operation": "delete", "request": {"key": "b"}}]
        self.assertEqual(here.state("POST", "transaction", {"operations": steps}).status, 204)
        self.assertEqual((here.state(key="e").json(), here.state(key="b").status), (5, 204))
        got = here.state("POST", "transaction", {"operations": [
            {"operation": "upsert", "request": {"key": "f", "value": 6}},
            {"operation": "delete", "request": {"key": "broken"}}]})
        self.assertEqual((got.status, got.json()["errorCode"]), (500, "ERR_STATE_TRANSACTION"))
        self.assertIn("rpc error: code = Aborted desc = nothing is written", got.json()["message"])
        self.assertEqual(here.state(key="f").status, 204)

        # What `ttlInSeconds` means is the component's business.
        got = here.state("POST", body=[{"key": "t", "value": 1, "metadata": {"ttlInSeconds": "soon"}}])
        self.assertEqual(got.status, 500)
        self.assertIn("the component does not know the time to live soon", got.json()["message"])
        here.state("POST", body=[{"key": "t", "value": 1, "metadata": {"ttlInSeconds": "9"}}])
        self.assertEqual(here.state(key="t").headers["metadata.ttlExpireTime"], "2040-01-02T03:04:05Z")

        got = here.state(key="broken")
        self.assertEqual((got.status, got.json()), (500, {
            "errorCode": "ERR_STATE_GET", "message": "fail to get broken from state store store: "
                                                     "rpc error: code = DataLoss desc = the disk is gone"}))
        asked = here.state(key="asked", traceparent=TRACE).json()
        self.assertEqual((asked["properties"], asked["instance"]), ({"url": "here", "number": "7"}, "store"))
        listed = here.capabilities()
        self.assertEqual(listed["store"], ["ACTOR", "ETAG", "TRANSACTIONAL", "TTL"])
        self.assertEqual(listed["hub"], ["BULK_PUBSUB", "MESSAGE_TTL"])
        self.assertEqual(listed["bound"], ["INPUT_BINDING", "OUTPUT_BINDING"])
        return asked

    def test_calls_carry_a_trace_and_a_deadline(self):
        here = self.sidecar(self.program())
        for asked in (here.state(key="asked", traceparent=TRACE).json(), here.bind("asked", traceparent=TRACE).json()):
            self.assertEqual((asked["traced"], asked["deadline"]), (True, True))

    def test_a_broker(self):
        self.broker_scenario(self.program, self.sidecar)

    def broker_scenario(self, program, sidecar):
        tries = []

        def take(one):
            tries.append(one)
            return (500 if len(tries) == 1 else 200), {}, b""

        app = program({"/orders": take})
        here = sidecar(app)
        wait_until(lambda: get(here.url + "/v1.0/metadata").json().get("subscriptions"), "the subscription")
        publish = f"{here.url}/v1.0/publish/hub"
        self.assertEqual(post(publish + "/orders", {"id": 1}).status, 204)
        # The first try failed: it comes again.
        events = [json.loads(one.body) for one in app.wait_for("/orders", 2)]
        self.assertEqual([one["data"] for one in events], [{"id": 1}] * 2)
        self.assertEqual(events[0]["id"], events[1]["id"])
        self.assertEqual((events[0]["pubsubname"], events[0]["topic"]), ("hub", "orders"))

        bulk = [{"entryId": name, "event": name, "contentType": "text/plain"} for name in ("one", "bad", "two")]
        got = post(f"{here.url}/v1.0-alpha1/publish/bulk/hub/orders", bulk)
        if self.tells_of_failed_entries:
            self.assertEqual(got.status, 500)
            self.assertEqual([one["entryId"] for one in got.json()["failedEntries"]], ["bad"])
            self.assertIn("it is bad", got.json()["failedEntries"][0]["error"])
        events = [json.loads(one.body)["data"] for one in app.wait_for("/orders", 4)]
        self.assertEqual(events[2:], ["one", "two"])

        got = post(publish + "/full", b"x")
        self.assertEqual((got.status, got.json()["errorCode"]), (500, "ERR_PUBSUB_PUBLISH_MESSAGE"))
        self.assertIn("rpc error: code = ResourceExhausted desc = no room", got.json()["message"])
        # The consumer group is the app's id.
        got = post(publish + "/asked", b"x").json()["message"]
        self.assertIn('"properties":{"consumerID":"prog"}', got)
        self.assertIn('"instance":"hub"', got)

    def test_a_binding(self):
        self.binding_scenario(self.program, self.sidecar)

    def binding_scenario(self, program, sidecar):
        tries = []

        def take(one):
            tries.append(one)
            return (500, {}, b"") if len(tries) == 1 else (200, {"content-type": "application/json"}, b'{"taken": true}')

        app = program({"/bound": take})
        here = sidecar(app)
        got = here.bind("upper", "quiet", metadata={"colour": "red"})
        self.assertEqual((got.status, got.text, got.headers["metadata.colour"]), (200, '"QUIET"', "red"))
        got = here.bind("fail")
        self.assertEqual((got.status, got.json()), (500, {
            "errorCode": "ERR_INVOKE_OUTPUT_BINDING",
            "message": "error invoking output binding bound: rpc error: code = NotFound desc = no such file"}))
        got = here.bind("paint")
        self.assertIn("binding bound does not support operation paint. supported operations:", got.json()["message"])
        self.assertIn("create upper answers asked fail", got.json()["message"])

        got = here.bind("create", {"n": 1})
        self.assertEqual((got.status, got.body), (200, b""))
        events = app.wait_for("/bound", 2)
        self.assertEqual([json.loads(one.body) for one in events], [{"n": 1}] * 2)
        self.assertEqual(events[1].headers["from"], "parts")
        # The program hears what the app has answered.
        wait_until(lambda: here.bind("answers").json() == ['{"taken": true}'], "the app's answer")

    def test_a_secret_store(self):
        here = self.sidecar(self.program())
        secrets = f"{here.url}/v1.0/secrets/vault"
        login = {"user": "the ada", "password": "the lovelace"}
        self.assertEqual(get(secrets + "/login").json(), login)
        self.assertEqual(get(secrets + "/bulk").json(), {"login": login})
        got = get(secrets + "/nothing?metadata.version=7")
        self.assertEqual((got.status, got.json()), (500, {
            "errorCode": "ERR_SECRET_GET", "message": "failed getting secret with key nothing from secret store vault: "
                                                      "rpc error: code = NotFound desc = there is no secret nothing7"}))
        self.assertEqual(here.state(key="asked", store="guarded").json()["properties"], {"password": "the lovelace"})

    def test_a_program_that_is_started_again(self):
        app = self.program()
        one = self.tandem(app)
        here = Sidecar(one.app.dapr_url)
        wait_until(lambda: get(here.url + "/v1.0/metadata").json().get("subscriptions"), "the subscription")
        self.parts.kill()
        got = here.state(key="a")
        self.assertEqual((got.status, got.json()["errorCode"]), (500, "ERR_STATE_GET"))
        self.assertIn("code = Unavailable", got.json()["message"])
        ended = one.wait_for_log(level="warning", scope="tandem.pubsub.pluggable")
        self.assertEqual((ended["component"], ended["topic"]), ("hub", "orders"))
        self.assertEqual(ended["socket"], str(self.parts.folder / "parts.sock"))
        self.parts.start()
        # Calls and streams find it again, and it is initialised before: its bindings fall over what they are not given.
        wait_until(lambda: here.state("POST", body=[{"key": "a", "value": 1}]).status == 204, "the store")
        self.assertEqual(post(f"{here.url}/v1.0/publish/hub/orders", {"id": 2}).status, 204)
        self.assertEqual(json.loads(app.wait_for("/orders")[0].body)["data"], {"id": 2})
        self.assertEqual(here.state(key="asked").json()["properties"], {"url": "here", "number": "7"})
        self.assertEqual(here.bind("create", {"n": 1}).status, 200)
        app.wait_for("/bound")
        self.assertIsNone(self.parts.process.poll())

    def refused(self, *components, **flags):
        """What is said of components that do not start."""
        one = self.start(*daprd_flags(0, resources_path=self.resources(*components), **flags), env=self.sockets,
                         command=[binary(), "daprd"])
        self.assertEqual(one.wait(), 1)
        return one.output()

    def test_what_is_refused(self):
        said = self.refused(component("a", "state.missing"), component("b", "state.parts", refuse="no licence"),
                            component("c", "pubsub.cron"), component("d", "lock.parts"))
        self.assertRegex(said, r'"a": there is no state\.missing/v1; built in: .*; no socket in \S+ serves it either')
        self.assertRegex(said, r'"b" \(state\.parts\): pluggable component at \S+/parts\.sock: rpc error: '
                               r'code = Unknown desc = refused: no licence')
        self.assertIn('"c": there is no pubsub.cron/v1', said)
        self.assertIn("component d: type lock.parts is not supported", said)

        self.parts.kill()
        said = self.refused(component("a", "state.parts", more="  initTimeout: 1s\n"))
        self.assertRegex(said, r'"a" \(state\.parts\): pluggable component at \S+/parts\.sock: rpc error: code = ')

    def test_in_place_of_a_built_in_one(self):
        app = self.program()
        one = self.tandem(app, resources_path=self.resources(component("timer", "bindings.cron", queue="x")))
        got = Sidecar(one.app.dapr_url).bind("upper", "a", name="timer")
        self.assertEqual((got.status, got.text), (200, '"A"'))

    def test_apps_that_share_a_broker(self):
        self.parts_of = self.resources(component("hub", "pubsub.parts"))
        apps = "".join(f"  - {{appID: {name}, appPort: {self.program().port}, daprHTTPPort: 0, daprGRPCPort: 0}}\n"
                       for name in ("one", "two"))
        text = f'version: 1\ncommon: {{resourcesPath: "{self.parts_of}"}}\napps:\n{apps}'
        path = self.write("tandem.yaml", text)
        one = self.start("-f", path, "--no-metrics", env=self.sockets)
        self.assertEqual(one.wait(), 1)
        self.assertIn("a pluggable pub/sub has one consumer group: set consumerID", one.output())
        self.resources(component("hub", "pubsub.parts", consumerID="both"))
        self.run_file(text, env=self.sockets, apps=2)


@unittest.skipUnless(DAPRD.exists(), f"there is no {DAPRD}: ./dev daprd builds it")
class PluggableDaprdTest(PluggableTest):
    """The scenarios once more, with a real daprd, which answers 204 whatever entries a component says have failed."""

    tells_of_failed_entries = False

    def sidecar(self, program):
        http_port, grpc_port, internal = free_ports(3)
        with open(self.folder / "daprd.log", "wb") as log:
            process = subprocess.Popen(
                [str(DAPRD), "--app-id", "prog", "--app-port", str(program.port), "--dapr-http-port", str(http_port),
                 "--dapr-grpc-port", str(grpc_port), "--dapr-internal-grpc-port", str(internal),
                 "--dapr-listen-addresses", "127.0.0.1", "--enable-metrics=false", "--resources-path",
                 str(self.all_components())], env=environment({**self.sockets, "DAPR_GRPC_PORT": None}),
                stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT)
        self.addCleanup(lambda: (process.kill(), process.wait()))
        url = f"http://127.0.0.1:{http_port}"

        def serves():
            self.assertIsNone(process.poll(), (self.folder / "daprd.log").read_text()[-4000:])
            try:
                return get(url + "/v1.0/healthz", timeout=5).status == 204
            except OSError:
                return False

        wait_until(serves, "daprd")
        return Sidecar(url)

    # What is Tandem's alone.
    test_calls_carry_a_trace_and_a_deadline = test_a_program_that_is_started_again = test_what_is_refused = None
    test_in_place_of_a_built_in_one = test_apps_that_share_a_broker = None


if __name__ == "__main__":
    unittest.main()
