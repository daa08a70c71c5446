"""`tandem daprd`: the sidecar of a program in another process, as daprd is one, over HTTP."""

import http.client
import json
import os
import re
import subprocess
import threading
import unittest
from urllib.parse import urlsplit

from harness import PATIENCE, RawConnection, TandemTest, binary, get, post, request, tandem
from program import INITIALIZED, Program, certificate, serve_beside, start_beside

BROKER = """apiVersion: dapr.io/v1alpha1
kind: Component
metadata: {name: pubsub}
spec: {type: pubsub.in-memory, version: v1}
---
apiVersion: dapr.io/v1alpha1
kind: Component
metadata: {name: statestore}
spec: {type: state.in-memory, version: v1}
---
apiVersion: dapr.io/v2alpha1
kind: Subscription
metadata: {name: declared}
spec: {pubsubname: pubsub, topic: declared, routes: {default: /declared}}
"""


def invoke(one, path, app="prog", **options):
    return request(f"{one.app.dapr_url}/v1.0/invoke/{app}/method{path}", **options)


class ProgramTest(TandemTest):
    def program(self, routes=None, **options):
        one = Program(routes, **options)
        self.addCleanup(one.close)
        return one

    def assert_refused(self, answer, cause):
        """As daprd says that an app could not be called."""
        self.assertEqual(answer.status, 500, answer)
        self.assertEqual(answer.json()["errorCode"], "ERR_DIRECT_INVOKE")
        self.assertRegex(answer.json()["message"], f"^failed to invoke, id: prog, err: {cause}")


    def assert_too_large(self, one, size):
        """A body of so many bytes is refused before it is sent."""
        with RawConnection(one.app.dapr_url) as client:
            client.send(f"POST /v1.0/invoke/prog/method/up HTTP/1.1\r\nHost: x\r\nContent-Length: {size}\r\n\r\n")
            self.assertIn(b"HTTP/1.1 500 ", client.read_until(b"stream too large"))


class InvokeTest(ProgramTest):
    def test_every_method_with_query_headers_and_body(self):
        program = self.program()
        one = serve_beside(self, program.port)
        for method in ("GET", "POST", "PUT", "DELETE", "PATCH", "OPTIONS"):
            answer = invoke(one, "/a/b%20c?x=1&y=%2F", method=method, body=b"text",
                            headers={"X-Mine": "yes", "content-type": "text/plain", "connection": "x-hop",
                                     "x-hop": "no"})
            self.assertEqual(answer.status, 200, answer)
            got = answer.json()
            self.assertEqual((got["method"], got["path"], got["body"]), (method, "/a/b%20c?x=1&y=%2F", "text"))
            headers = got["headers"]
            self.assertEqual((headers["x-mine"], headers["content-type"]), ("yes", "text/plain"))
            self.assertEqual((headers["dapr-caller-app-id"], headers["dapr-callee-app-id"]), ("prog", "prog"))
            self.assertEqual(headers["host"], f"127.0.0.1:{program.port}")
            self.assertNotIn("x-hop", headers)
            self.assertNotIn("dapr-api-token", headers)
        head = invoke(one, "/a", method="HEAD")
        self.assertEqual((head.status, head.body), (200, b""))
        self.assertEqual(invoke(one, "/a", method="PROPFIND").json()["method"], "POST")
        by_header = get(one.app.dapr_url + "/by/header", headers={"dapr-app-id": "prog"})
        self.assertEqual(by_header.json()["path"], "/by/header")

    def test_the_programs_answer_as_it_is(self):
        program = self.program({
            "/teapot": lambda _: (418, {"x-own": "1", "content-type": "text/x"}, b"short"),
            "/moved": lambda _: (302, {"location": "/elsewhere"}, b""),
            "/none": lambda _: (204, {}, b""),
        })
        one = serve_beside(self, program.port)
        answer = invoke(one, "/teapot")
        self.assertEqual((answer.status, answer.body, answer.headers["x-own"], answer.headers["content-type"]),
                         (418, b"short", "1", "text/x"))
        moved = invoke(one, "/moved")
        self.assertEqual((moved.status, moved.headers["location"]), (302, "/elsewhere"))
        self.assertEqual(program.of("/elsewhere"), [])
        self.assertEqual(invoke(one, "/none").status, 204)
        self.assertEqual(invoke(one, "/", app="nobody").status, 500)

    def test_bodies_are_streamed_both_ways(self):
        piece = bytes(range(256)) * 256
        program = self.program({
            "/down": lambda _: (200, {}, [piece] * 128),
            "/up": lambda seen: (200, {"x-length": str(len(seen.body))}, seen.body[:10]),
        })
        one = serve_beside(self, program.port)
        self.assertEqual(invoke(one, "/down").body, piece * 128)
        # Of a length that nobody said before.
        place = urlsplit(one.app.dapr_url)
        connection = http.client.HTTPConnection(place.hostname, place.port, timeout=PATIENCE)
        self.addCleanup(connection.close)
        connection.request("POST", "/v1.0/invoke/prog/method/up", body=iter([piece] * 48), encode_chunked=True,
                           headers={"transfer-encoding": "chunked"})
        got = connection.getresponse()
        self.assertEqual((got.status, got.headers["x-length"], got.read()), (200, str(48 * len(piece)), piece[:10]))
        self.assert_too_large(one, 5 << 20)

    def test_a_slow_program_and_one_that_is_gone(self):
        go = threading.Event()

        def slow(_):
            go.wait(PATIENCE)
            return 200, {"connection": "close"}, b"slow"

        closing = {path: lambda _: (200, {"connection": "close"}, b"{}") for path in ("/quick", "/dapr/config")}
        program = self.program({"/slow": slow, **closing})
        one = serve_beside(self, program.port)
        answers = []
        waiting = threading.Thread(target=lambda: answers.append(invoke(one, "/slow")))
        waiting.start()
        program.wait_for("/slow")
        self.assertEqual(invoke(one, "/quick").status, 200)
        go.set()
        waiting.join(PATIENCE)
        self.assertEqual(answers[0].body, b"slow")
        port = program.port
        program.close()
        self.assert_refused(invoke(one, "/quick"), f'Get "http://127.0.0.1:{port}/quick": dial tcp 127.0.0.1:{port}: '
                                                   "connect: connection refused$")

    def test_without_an_app_port_there_is_no_app(self):
        one = serve_beside(self, None)
        self.assert_refused(invoke(one, "/x"), "cannot invoke local endpoint: app channel not initialized$")
        self.assertEqual(get(one.app.dapr_url + "/v1.0/healthz").status, 204)
        self.assertEqual(len(one.log(msg=re.compile("App channel is not initialized"))), 1)
        metadata = get(one.app.dapr_url + "/v1.0/metadata").json()
        self.assertEqual(metadata["id"], "prog")
        # daprd has no components that nobody named.
        self.assertNotIn("components", metadata)
        self.assertEqual(get(one.app.dapr_url + "/v1.0/state/statestore/k").status, 500)

    def test_no_more_calls_at_once_than_asked_for(self):
        lock = threading.Lock()
        at_once = [0, 0]
        two_wait = threading.Barrier(2)

        def counted(_):
            with lock:
                at_once[0] += 1
                at_once[1] = max(at_once)
            with lock:
                at_once[0] -= 1
            return 200, {}, b""

        def both(_):
            two_wait.wait(PATIENCE)
            return 200, {}, b""

        program = self.program({"/counted": counted, "/both": both})
        one = serve_beside(self, program.port, app_max_concurrency=2)
        for path, clients in (("/both", 2), ("/counted", 12)):
            statuses = []
            threads = [threading.Thread(target=lambda path=path, to=statuses: to.append(invoke(one, path).status))
                       for _ in range(clients)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join(PATIENCE)
            self.assertEqual(statuses, [200] * clients)
        self.assertLessEqual(at_once[1], 2)
        self.assertEqual(get(one.app.dapr_url + "/v1.0/metadata").json()["appConnectionProperties"]["maxConcurrency"], 2)

    def test_https(self):
        program = self.program(tls=certificate(self.folder))
        one = serve_beside(self, program.port, app_protocol="https")
        answer = invoke(one, "/safe", method="POST", body=b"secret")
        self.assertEqual((answer.status, answer.json()["body"]), (200, "secret"))
        connection = get(one.app.dapr_url + "/v1.0/metadata").json()["appConnectionProperties"]
        self.assertEqual((connection["protocol"], connection["port"]), ("https", program.port))
        one.stop()
        old = serve_beside(self, program.port, app_ssl=True)
        self.assertEqual(invoke(old, "/safe").status, 200)


class StartTest(ProgramTest):
    def test_it_waits_for_the_program_and_serves_meanwhile(self):
        program = self.program(listening=False)
        resources = self.write("resources/all.yaml", BROKER).parent
        one = start_beside(self, program.port, resources_path=resources).wait_until_serving()
        one.wait_for_log(msg=re.compile(f"^application protocol: http. waiting on port {program.port}"))
        state = one.app.dapr_url + "/v1.0/state/statestore"
        self.assertEqual(post(state, [{"key": "early", "value": 1}]).status, 204)
        self.assertEqual(get(one.app.dapr_url + "/v1.0/healthz/outbound").status, 204)
        early = get(one.app.dapr_url + "/v1.0/healthz")
        self.assertEqual((early.status, early.json()["errorCode"]), (500, "ERR_HEALTH_NOT_READY"))
        self.assertEqual(program.seen, [])
        program.listen()
        one.wait_for_log(msg=INITIALIZED)
        self.assertEqual(get(one.app.dapr_url + "/v1.0/healthz").status, 204)
        self.assertEqual([seen.path for seen in program.seen], ["/dapr/config", "/dapr/subscribe"])
        self.assertEqual(program.seen[0].headers["dapr-app-id"], "prog")

    def test_a_stop_while_it_waits_is_orderly(self):
        program = self.program(listening=False)
        one = start_beside(self, program.port).wait_until_serving()
        one.wait_for_log(msg=re.compile("waiting on port"))
        one.stop(expected=0)

    def test_what_a_program_is_not_asked(self):
        program = self.program()
        resources = self.write("resources/all.yaml", BROKER).parent
        serve_beside(self, program.port, resources_path=resources, disable_init_endpoints="config,subscribe")
        self.assertEqual(program.seen, [])

    def test_actors_of_a_program_are_named_and_not_served(self):
        program = self.program({"/dapr/config": lambda _: (200, {}, b'{"entities": ["Cat", "Dog"]}')})
        one = serve_beside(self, program.port)
        self.assertEqual(one.log(level="warning", entities="Cat,Dog")[0]["app_id"], "prog")


class EventsTest(ProgramTest):
    SUBSCRIPTIONS = [{"pubsubname": "pubsub", "topic": "own", "route": "/own"}]

    def subscriber(self, **routes):
        answer = json.dumps(self.SUBSCRIPTIONS).encode()
        return self.program({"/dapr/subscribe": lambda _: (200, {"content-type": "application/json"}, answer),
                             **{f"/{name}": route for name, route in routes.items()}})

    def resources(self):
        return self.write("resources/all.yaml", BROKER).parent

    def publish(self, one, topic, data):
        self.assertEqual(post(f"{one.app.dapr_url}/v1.0/publish/pubsub/{topic}", data).status, 204)

    def test_declared_and_own_subscriptions(self):
        tries = []

        def own(seen):
            tries.append(seen)
            return 200, {}, json.dumps({"status": "RETRY" if len(tries) == 1 else "SUCCESS"}).encode()

        program = self.subscriber(own=own)
        one = serve_beside(self, program.port, resources_path=self.resources())
        self.publish(one, "declared", {"n": 1})
        self.publish(one, "own", {"n": 2})
        (declared,) = program.wait_for("/declared")
        event = json.loads(declared.body)
        self.assertEqual((event["data"], event["topic"], event["source"], event["pubsubname"]),
                         ({"n": 1}, "declared", "prog", "pubsub"))
        self.assertEqual((declared.method, declared.headers["content-type"]), ("POST", "application/cloudevents+json"))
        again = program.wait_for("/own", 2)
        self.assertEqual({json.loads(seen.body)["id"] for seen in again}, {json.loads(again[0].body)["id"]})
        metadata = get(one.app.dapr_url + "/v1.0/metadata").json()
        self.assertEqual({(s["topic"], s["type"]) for s in metadata["subscriptions"]},
                         {("declared", "DECLARATIVE"), ("own", "PROGRAMMATIC")})

    def test_an_unhealthy_program_is_left_alone_until_it_is_well(self):
        health = {"status": 503}
        program = self.subscriber()
        program.routes["/live"] = lambda _: (health["status"], {}, b"")
        one = serve_beside(self, program.port, resources_path=self.resources(), enable_app_health_check=True,
                           app_health_check_path="/live", app_health_probe_interval=1, app_health_threshold=1)
        # It has a port, so the sidecar is ready; it has not been healthy yet, so it is asked nothing.
        self.assertEqual(get(one.app.dapr_url + "/v1.0/healthz").status, 204)
        unhealthy = "rpc error: code = Internal desc = app is not in a healthy state$"
        self.assert_refused(invoke(one, "/x"), unhealthy)
        self.assertEqual(program.of("/dapr/subscribe"), [])
        health["status"] = 200
        one.wait_for_log(msg="App entered healthy status")
        program.wait_for("/dapr/subscribe")
        one.wait_for_log(msg="subscribed", topic="own")
        self.assertEqual(invoke(one, "/x").status, 200)
        health["status"] = 500
        one.wait_for_log(msg=re.compile("App entered un-healthy status: .*500"))
        self.publish(one, "own", "later")
        self.assert_refused(invoke(one, "/x"), unhealthy)
        self.assertEqual(program.of("/own"), [])
        health["status"] = 200
        (late,) = program.wait_for("/own")
        self.assertEqual(json.loads(late.body)["data"], "later")
        self.assertEqual(len(program.of("/dapr/subscribe")), 1)

    def test_tokens_both_ways(self):
        program = self.subscriber()
        program.routes["/healthz"] = lambda seen: (204 if "dapr-api-token" not in seen.headers else 500, {}, b"")
        one = serve_beside(self, program.port, resources_path=self.resources(), enable_app_health_check=True,
                           app_health_probe_interval=1, dapr_public_port=0, dapr_public_listen_address="127.0.0.1",
                           env={"DAPR_API_TOKEN": "theirs", "APP_API_TOKEN": "ours"})
        one.wait_for_log(msg="subscribed", topic="own")
        self.assertEqual(invoke(one, "/x").status, 401)
        token = {"dapr-api-token": "theirs"}
        self.assertEqual(invoke(one, "/x", headers=token).json()["headers"]["dapr-api-token"], "ours")
        self.assertEqual(post(one.app.dapr_url + "/v1.0/publish/pubsub/own", "1", headers=token).status, 204)
        for path in ("/own", "/dapr/subscribe", "/dapr/config"):
            self.assertEqual(program.wait_for(path)[0].headers["dapr-api-token"], "ours", path)
        # Health and metadata for whoever asks, and nothing else.
        public = one.wait_for_log(msg="serving health and metadata in public")["url"]
        self.assertEqual(get(public + "/v1.0/healthz").status, 204)
        self.assertEqual(get(public + "/v1.0/metadata").json()["id"], "prog")
        for path in ("/v1.0/state/statestore/k", "/v1.0/invoke/prog/method/x", "/other"):
            self.assertEqual(get(public + path).status, 404, path)


class CommandTest(ProgramTest):
    def refused(self, *arguments):
        got = tandem("daprd", *arguments)
        self.assertEqual((got.returncode, got.stdout), (1, ""), got)
        return got.stderr

    def test_flags_in_every_form(self):
        program = self.program()
        first = self.write("one/pubsub.yaml", BROKER).parent
        second = self.write("two/state.yaml", BROKER.split("---")[1].replace("statestore", "other")).parent
        config = [self.write("a.yaml", "apiVersion: dapr.io/v1alpha1\nkind: Configuration\nmetadata: {name: a}\n"
                                       "spec: {api: {denied: [{name: state, version: v1, protocol: http}]}}\n"),
                  self.write("b.yaml", "apiVersion: dapr.io/v1alpha1\nkind: Configuration\nmetadata: {name: b}\n"
                                       "spec: {tracing: {samplingRate: '0'}}\n")]
        one = self.start("-app-id", "prog", f"-app-port={program.port}", "--dapr-http-port=0", "--dapr-grpc-port", "0",
                         "--metrics-port=0", "--dapr-listen-addresses", "127.0.0.1", "--enable-metrics", "--log-as-json",
                         "--app-max-concurrency", "-1", "--resources-path", first, f"--resources-path={second}",
                         "--config", config[0], "--config", config[1], "--placement-host-address", "localhost:50005",
                         "--scheduler-host-address=localhost:50006", "--enable-profiling", "--mode", "standalone",
                         "--enable-mtls=false", "--max-body-size", "1Mi", "--log-level", "debug",
                         command=[binary(), "daprd"])
        one.wait_until_serving()
        one.wait_for_log(msg=INITIALIZED)
        names = {c["name"] for c in get(one.app.dapr_url + "/v1.0/metadata").json()["components"]}
        self.assertEqual(names, {"pubsub", "statestore", "other"})
        for flag in ("placement-host-address", "scheduler-host-address", "enable-profiling"):
            self.assertEqual(len(one.log(level="info", msg=re.compile(f"^--{flag} is accepted and has no effect"))), 1)
        self.assertEqual(one.log(msg=re.compile("^--mode")), [])
        # Of the first file's Configuration, which the second one leaves alone.
        self.assertEqual(get(one.app.dapr_url + "/v1.0/state/statestore/k").status, 404)
        self.assert_too_large(one, 2 << 20)
        self.assertTrue(all(line.startswith("{") for line in one.lines), one.lines)

    def test_what_is_refused(self):
        self.assertIn("unknown flag: --app-prot; did you mean --app-port?", self.refused("--app-prot", "1"))
        self.assertIn("flag needs an argument: --app-id", self.refused("--app-id"))
        self.assertIn("parameter app-id cannot be empty", self.refused())
        several = self.refused("--app-id", "a.b", "--app-port", "x", "--mode", "kubernetes", "--enable-mtls")
        for text in ("app-id cannot contain dots", "--app-port: ", "--mode kubernetes", "--enable-mtls"):
            self.assertIn(text, several)
        self.assertIn('--app-max-concurrency: "many"', self.refused("--app-id", "a", "--app-max-concurrency", "many"))
        self.assertIn("conflicts with 'app-port'", self.refused("--app-id", "a", "--app-port", "3500"))

    def test_wait(self):
        program = self.program()
        one = serve_beside(self, program.port)
        done = tandem("daprd", "--wait", "--dapr-http-port", urlsplit(one.app.dapr_url).port)
        self.assertEqual(done.returncode, 0)
        self.assertRegex(done.stderr, r"\AWaiting for Dapr to be outbound ready \(timeout: 60 seconds\): url=http://"
                                      r"localhost:\d+/v1\.0/healthz/outbound\n(.*NOT ready yet.*\n)*"
                                      r"Dapr is outbound ready!\n\Z")

    def test_what_it_says_of_itself(self):
        version = tandem("version").stdout.split()[1]
        self.assertEqual(tandem("daprd", "--version").stdout, version + "\n")
        self.assertIn(f"Version: {version}\n", tandem("daprd", "-build-info").stdout)
        help_text = tandem("daprd", "--help").stdout
        for flag in ("--app-health-threshold", "--dapr-block-shutdown-duration", "--placement-host-address"):
            self.assertIn(flag, help_text)

    def test_an_empty_environment_and_the_name_daprd(self):
        program = self.program()
        link = self.folder / "bin" / "daprd"
        link.parent.mkdir()
        link.symlink_to(binary().resolve())
        one = start_beside(self, program.port, command=["/usr/bin/env", "-i", link]).wait_until_serving()
        one.wait_for_log(msg=INITIALIZED)
        self.assertEqual(invoke(one, "/x").status, 200)
        self.assertEqual(one.log(level=re.compile("warning|error")), [])

    def test_a_log_file(self):
        path = self.folder / "daprd.log"
        os.mkfifo(path)
        one = start_beside(self, None, log_file=path)
        with open(path, encoding="utf-8") as lines:
            # From this line on a signal is an orderly stop.
            self.assertTrue(any("msg=serving" in line for line in lines))
            one.signal()
            self.assertIn('msg=stopped', lines.read())
        self.assertEqual(one.wait(), 0)
        self.assertEqual(one.lines, [])


class StopTest(ProgramTest):
    def test_requests_in_flight_finish(self):
        go = threading.Event()

        def slow(_):
            go.wait(PATIENCE)
            return 200, {}, b"done"

        program = self.program({"/slow": slow})
        one = serve_beside(self, program.port, dapr_graceful_shutdown_seconds=60)
        answers = []
        waiting = threading.Thread(target=lambda: answers.append(invoke(one, "/slow")))
        waiting.start()
        program.wait_for("/slow")
        one.signal()
        one.wait_for_log(msg=re.compile("^stopping"))
        go.set()
        waiting.join(PATIENCE)
        self.assertEqual(answers[0].body, b"done")
        self.assertEqual(one.wait(), 0)

    def test_a_stop_is_put_off_until_the_program_is_unwell(self):
        health = {"status": 200}
        program = self.program({"/healthz": lambda _: (health["status"], {}, b"")})
        one = serve_beside(self, program.port, enable_app_health_check=True, app_health_probe_interval=1,
                           app_health_threshold=1, dapr_block_shutdown_duration="1h")
        one.wait_for_log(msg="App entered healthy status")
        one.signal()
        one.wait_for_log(msg=re.compile("^Blocking graceful shutdown for 3600s or until app reports unhealthy"))
        self.assertEqual(invoke(one, "/still").status, 200)
        health["status"] = 500
        one.wait_for_log(msg="App reported unhealthy, entering shutdown...")
        self.assertEqual(one.wait(), 0)

    def test_a_stop_is_put_off_no_longer_than_asked_for(self):
        program = self.program()
        one = serve_beside(self, program.port, dapr_block_shutdown_duration="100ms")
        one.signal()
        one.wait_for_log(msg="Block shutdown period expired, entering shutdown...")
        self.assertEqual(one.wait(), 0)

    def test_a_client_may_stop_it(self):
        program = self.program()
        one = serve_beside(self, program.port, dapr_block_shutdown_duration="1h")
        self.assertEqual(post(one.app.dapr_url + "/v1.0/shutdown").status, 204)
        self.assertEqual(one.wait(), 0)


class FileTest(ProgramTest):
    def test_a_program_among_the_apps_of_a_file(self):
        program = self.program()
        one = self.run_file(f"version: 1\napps:\n  - {{appID: prog, appPort: {program.port}, daprHTTPPort: 0}}\n")
        one.wait_for_log(msg=INITIALIZED)
        self.assertEqual(invoke(one, "/x", method="PUT", body=b"1").json()["method"], "PUT")

    def test_the_health_of_a_guest(self):
        one = self.run_guest("hello", "--enable-app-health-check", "--app-health-check-path", "/live")
        one.wait_for_log(msg="App entered healthy status")
        self.assertEqual(invoke(one, "/x", app="hello").status, 200)


if __name__ == "__main__":
    unittest.main()
