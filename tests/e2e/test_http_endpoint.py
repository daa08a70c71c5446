"""Servers outside Dapr as callees: HTTPEndpoint resources and full URLs, by every way in."""

import http.server
import json
import sys
import threading
import unittest
from urllib.parse import quote

from harness import TandemTest, cache_folder, get, guest, post, request, source

sys.path.insert(0, str(source() / "tools"))


class Target(http.server.BaseHTTPRequestHandler):
    """Answers with what it was asked, as JSON."""

    protocol_version = "HTTP/1.1"

    def do_any(self):
        length = int(self.headers.get("content-length") or 0)
        body = self.rfile.read(length)
        answer = json.dumps({"method": self.command, "path": self.path, "body": body.decode("latin-1"),
                             "headers": {k.lower(): v for k, v in self.headers.items()}}).encode()
        self.send_response(418 if self.path.endswith("/teapot") else 200)
        self.send_header("content-length", str(len(answer)))
        self.send_header("x-answer", "target")
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(answer)

    do_GET = do_POST = do_PUT = do_DELETE = do_PATCH = do_HEAD = do_any

    def log_message(self, *_):
        pass


ENDPOINTS = """
apiVersion: dapr.io/v1alpha1
kind: HTTPEndpoint
metadata: {{name: weather}}
spec:
  baseUrl: http://127.0.0.1:{port}/v2
  headers:
    - {{name: x-key, secretKeyRef: {{name: WEATHER_KEY}}}}
    - {{name: accept-language, value: de}}
---
apiVersion: dapr.io/v1alpha1
kind: HTTPEndpoint
metadata: {{name: hidden}}
scopes: [somebody-else]
spec: {{baseUrl: "http://127.0.0.1:{port}"}}
---
apiVersion: dapr.io/v1alpha1
kind: HTTPEndpoint
metadata: {{name: down}}
spec: {{baseUrl: "http://127.0.0.1:1"}}
"""


class HttpEndpointTest(TandemTest):
    def setUp(self):
        super().setUp()
        self.target = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Target)
        self.target.daemon_threads = True
        threading.Thread(target=self.target.serve_forever, daemon=True).start()
        self.addCleanup(self.target.server_close)
        self.addCleanup(self.target.shutdown)
        self.base = f"http://127.0.0.1:{self.target.server_port}"
        self.write("resources/endpoints.yaml", ENDPOINTS.format(port=self.target.server_port))

    def run_hostile(self, *arguments):
        self.tandem = self.run_guest("hostile", "--resources-path", self.folder / "resources", *arguments,
                                     env={"WEATHER_KEY": "the key"})
        return self.tandem

    def invoke(self, target, path, method="GET", **options):
        return request(f"{self.tandem.app.dapr_url}/v1.0/invoke/{target}/method/{path}", method, **options)

    def test_by_its_name(self):
        self.run_hostile()
        for method in ("GET", "POST", "PUT", "DELETE", "PATCH"):
            answer = self.invoke("weather", "today/now?city=Z%C3%BCrich", method,
                                 body="a body" if method != "GET" else None,
                                 headers={"x-mine": "1", "accept-language": "fr", "dapr-api-token": "t"})
            self.assertEqual(answer.status, 200, answer)
            seen = answer.json()
            self.assertEqual((seen["method"], seen["path"]), (method, "/v2/today/now?city=Z%C3%BCrich"))
            self.assertEqual(seen["body"], "" if method == "GET" else "a body")
            headers = seen["headers"]
            self.assertEqual((headers["x-key"], headers["accept-language"], headers["x-mine"]), ("the key", "de", "1"))
            self.assertEqual(headers["host"], self.base.removeprefix("http://"))
            self.assertRegex(headers["traceparent"], "^00-")
            self.assertFalse([name for name in headers if name.startswith("dapr-")], headers)
            self.assertEqual(answer.headers["x-answer"], "target")
        self.assertEqual(self.invoke("weather", "x", "HEAD").status, 200)
        self.assertEqual(self.invoke("weather.default", "x").json()["path"], "/v2/x")
        self.assertEqual(self.invoke("weather", "teapot").status, 418)
        large = self.invoke("weather", "large", "POST", body="x" * 3_000_000)
        self.assertEqual(len(large.json()["body"]), 3_000_000)

    def test_by_the_header(self):
        self.run_hostile()
        answer = get(self.tandem.app.dapr_url + "/today", headers={"dapr-app-id": "weather"})
        self.assertEqual(answer.json()["path"], "/v2/today")
        answer = post(self.tandem.app.dapr_url + "/a/b?c=d", b"x", headers={"dapr-app-id": self.base})
        self.assertEqual(answer.json()["path"], "/a/b?c=d")

    def test_a_full_url(self):
        self.run_hostile()
        for url in (self.base, quote(self.base, safe="")):
            answer = self.invoke(url, "today?x=1", "POST", body="hello")
            self.assertEqual(answer.status, 200, answer)
            self.assertEqual((answer.json()["path"], answer.json()["body"]), ("/today?x=1", "hello"))

    def test_failures(self):
        self.run_hostile()
        for target, said in (("down", "failed to invoke, id: down, err: "),
                             ("http://127.0.0.1:1", "failed to invoke, id: http://127.0.0.1:1, err: ")):
            answer = self.invoke(target, "x")
            self.assertEqual((answer.status, answer.json()["errorCode"]), (500, "ERR_DIRECT_INVOKE"))
            self.assertTrue(answer.json()["message"].startswith(said), answer)
        self.assertEqual(self.invoke("hidden", "x").json()["errorCode"], "ERR_DIRECT_INVOKE")
        self.assertIn("couldn't find service: hidden", self.invoke("hidden", "x").json()["message"])

    def test_metadata_names_them(self):
        self.run_hostile()
        metadata = get(self.tandem.app.dapr_url + "/v1.0/metadata").json()
        self.assertEqual(metadata["httpEndpoints"], [{"name": "weather"}, {"name": "down"}])
        self.assertEqual(list(metadata), ["id", "runtimeVersion", "enabledFeatures", "extended", "httpEndpoints",
                                          "appConnectionProperties", "actorRuntime"])
        self.assertEqual(metadata["extended"]["cliPID"], str(self.tandem.process.pid))
        self.assertTrue(metadata["extended"]["appCommand"].endswith("hostile.wasm"))
        self.assertEqual(metadata["actorRuntime"], {"runtimeStatus": "DISABLED", "hostReady": False,
                                                    "placement": "placement: disconnected"})

    def from_guest(self, target):
        url = f"http://localhost:3500/v1.0/invoke/{target}/method/from-guest"
        return self.tandem.get(f"/outbound?url={quote(url, safe='')}")

    def test_a_guest_uses_the_operators_endpoints(self):
        self.run_hostile()
        answer = self.from_guest("weather")
        self.assertEqual(answer.status, 200, answer)
        self.assertIn('"path": "/v2/from-guest"', answer.text)
        self.assertIn('"x-key": "the key"', answer.text)

    def test_a_guests_url_needs_a_grant(self):
        self.run_hostile()
        for target in (self.base, quote(self.base, safe=""), "http://localhost:" + self.base.rsplit(":", 1)[1]):
            answer = self.from_guest(target)
            self.assertNotIn("from-guest", answer.text)
            self.assertIn("the app does not allow this host", answer.text)
        # The other two ways to name a target lead through the same door.
        url = quote("http://localhost:3500/x", safe="")
        header = self.tandem.get(f"/outbound?url={url}&app-id={quote(self.base, safe='')}")
        self.assertIn("the app does not allow this host", header.text)
        self.tandem.stop()
        self.run_hostile("--allow-outbound", self.base)
        answer = self.from_guest(self.base)
        self.assertIn('"path": "/from-guest"', answer.text)

    def test_over_grpc(self):
        import python_sdk

        sys.path.insert(0, str(python_sdk.site_packages()))
        import grpc
        from dapr.proto.common.v1 import common_pb2
        from dapr.proto.runtime.v1 import dapr_pb2_grpc, invoke_pb2, metadata_pb2

        self.run_hostile()
        with grpc.insecure_channel(self.tandem.app.dapr_grpc) as channel:
            stub = dapr_pb2_grpc.DaprStub(channel)
            message = common_pb2.InvokeRequest(
                method="today", content_type="text/plain",
                http_extension=common_pb2.HTTPExtension(verb="POST", querystring="x=1"))
            message.data.value = b"hello"
            for target, path in (("weather", "/v2/today?x=1"), (self.base, "/today?x=1")):
                answer = stub.InvokeService(invoke_pb2.InvokeServiceRequest(id=target, message=message))
                seen = json.loads(answer.data.value)
                self.assertEqual((seen["path"], seen["body"]), (path, "hello"))
            metadata = stub.GetMetadata(metadata_pb2.GetMetadataRequest())
            self.assertEqual([one.name for one in metadata.http_endpoints], ["weather", "down"])

    def test_a_bad_resource_stops_the_start(self):
        self.write("resources/bad.yaml", "apiVersion: dapr.io/v1alpha1\nkind: HTTPEndpoint\nmetadata: {name: bad}\n"
                                         "spec: {baseUrl: nowhere}\n")
        one = self.start(guest("hostile"), "--app-port", "0", "--dapr-http-port", "0", "--metrics-port", "0",
                         "--cache-folder", cache_folder(), "--resources-path", self.folder / "resources",
                         env={"WEATHER_KEY": "k"})
        self.assertEqual(one.wait(), 1)
        self.assertIn("bad.yaml:4", one.errors)
        self.assertIn("nowhere", one.errors)


if __name__ == "__main__":
    unittest.main()
