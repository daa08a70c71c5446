"""--enable-api-logging: a line for each call of the Dapr API. The same calls are made of the real daprd, where one is
built, and its lines have to have the same fields."""

import json
import os
import subprocess
import sys
import threading
import unittest
from pathlib import Path

from harness import PATIENCE, TandemTest, binary, environment, free_ports, get, parse_log_line, post, request, source
from observe import wait_until
from program import daprd_flags, serve_beside

sys.path.insert(0, str(source() / "tools"))
import python_sdk  # noqa: E402

sys.path.insert(0, str(python_sdk.site_packages()))
import grpc  # noqa: E402

DAPRD = Path(os.environ.get("TANDEM_CACHE") or Path.home() / ".cache" / "tandem") / "daprd" / "daprd"
DAPR = "/dapr.proto.runtime.v1.Dapr/"

STORE = """apiVersion: dapr.io/v1alpha1
kind: Component
metadata: {name: statestore}
spec: {type: state.in-memory, version: v1}
"""

CONFIGURATION = """apiVersion: dapr.io/v1alpha1
kind: Configuration
metadata: {{name: logs}}
spec:
  tracing: {{samplingRate: "0"}}
  logging:
    apiLogging: {{enabled: true, obfuscateURLs: {obfuscate}, omitHealthChecks: {omit}}}
  api:
    denied:
      - {{name: lock, version: v1alpha1, protocol: http}}
      - {{name: metadata, version: v1, protocol: grpc}}
"""

# Method, target: what both sides are asked over HTTP, and what the line is to say of it in the two manners.
HTTP = [
    ("GET", "/v1.0/healthz/outbound", "HealthzOutbound", None),
    ("POST", "/v1.0/state/statestore", "SaveState", None),
    ("GET", "/v1.0/state/statestore/a%20b?x=y", "GetState", "GET /v1.0/state/statestore/a b"),
    ("GET", "/v1.0/state//statestore/a%20b", "GetState", "GET /v1.0/state//statestore/a b"),
    ("GET", "/v1.0/state/nowhere/k", "GetState", None),
    ("POST", "/v1.0/publish/nowhere/a/b", "PublishEvent", None),
    ("POST", "/v1.0/publish/bulk/nowhere/a", "BulkPublishEvent", None),
    ("POST", "/v1.0-alpha1/lock/x", "InvokeService", None),
    ("GET", "/nothing", "InvokeService", None),
    ("PUT", "/v1.0/metadata/label", "PutMetadata", None),
    ("POST", "/v1.0/workflows/dapr/x/start", "StartWorkflow", None),
]
GRPC = [DAPR + "GetState", "/other.Service/Do"]


class Sidecar:
    """Either side: where it is asked, and what it has logged of the API."""

    def __init__(self, http, grpc_address, lines):
        self.http = http
        self.grpc = grpc_address
        self.lines = lines

    def logged(self, message):
        keys = ("method", "code", "size", "useragent", "level", "scope")
        found = [one for one in map(parse_log_line, list(self.lines)) if one.get("msg") == message]
        return [{key: one[key] for key in keys if key in one} for one in found]


def make_calls(side, token):
    headers = {"dapr-api-token": token, "user-agent": "a test"}
    for method, target, _, _ in HTTP:
        body = [{"key": "a b", "value": "text"}] if target == "/v1.0/state/statestore" else b""
        request(side.http + target, method, body if method != "GET" else None, headers=headers)
    get(side.http + "/v1.0/state/statestore/a", headers={"user-agent": "a stranger"})
    with grpc.insecure_channel(side.grpc, options=[("grpc.primary_user_agent", "a test")]) as channel:
        for method in [*GRPC, DAPR + "GetMetadata"]:
            for one in (token, None):
                try:
                    channel.unary_unary(method)(b"", timeout=PATIENCE,
                                                metadata=(("dapr-api-token", one),) if one else ())
                except grpc.RpcError:
                    pass


class ApiLogTest(TandemTest):
    def options(self, obfuscate="false", omit="false"):
        return {"resources_path": self.write("resources/store.yaml", STORE).parent,
                "config": self.write("config.yaml", CONFIGURATION.format(obfuscate=obfuscate, omit=omit))}

    def tandem(self, **options):
        one = serve_beside(self, None, env={"DAPR_API_TOKEN": "secret"}, **options)
        return Sidecar(one.app.dapr_url, one.app.dapr_grpc, one.lines)

    def daprd(self, **options):
        http, grpc_port, internal, metrics = free_ports(4)
        flags = daprd_flags(None, dapr_http_port=http, dapr_grpc_port=grpc_port, dapr_internal_grpc_port=internal,
                            metrics_port=metrics, **options)
        process = subprocess.Popen([str(DAPRD), *map(str, flags)], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                   stderr=subprocess.STDOUT, text=True, env=environment({"DAPR_API_TOKEN": "secret"}))
        self.addCleanup(process.wait)
        self.addCleanup(process.kill)
        side = Sidecar(f"http://127.0.0.1:{http}", f"127.0.0.1:{grpc_port}", [])
        ready = threading.Event()

        def read():
            for line in process.stdout:
                side.lines.append(line)
                if "dapr initialized" in line:
                    ready.set()
            process.stdout.close()
        threading.Thread(target=read, daemon=True).start()
        self.assertTrue(ready.wait(PATIENCE), side.lines)
        return side

    def check(self, side, obfuscated, health):
        make_calls(side, "secret")
        methods = [name if obfuscated else path or f"{method} {target}" for method, target, name, path in HTTP]
        expected = methods if health else methods[1:]
        wait_until(lambda: len(side.logged("gRPC API Called")) >= len(GRPC), "the lines of gRPC")
        lines = side.logged("HTTP API Called")
        self.assertEqual([one["method"] for one in lines], expected)
        self.assertEqual({(one["level"], one["scope"], one["useragent"]) for one in lines},
                         {("info", "dapr.runtime.http-info", "a test")})
        calls = side.logged("gRPC API Called")
        self.assertEqual([(one["method"], str(one["code"])) for one in calls], list(zip(GRPC, ("3", "2"))))
        self.assertEqual({(one["level"], one["scope"]) for one in calls}, {("info", "dapr.runtime.grpc.api-info")})
        return [(one["method"], str(one["code"]), str(one["size"])) for one in lines]

    def test_paths_as_text(self):
        lines = self.check(self.tandem(**self.options()), obfuscated=False, health=True)
        self.assertIn(("GET /v1.0/state/statestore/a b", "200", "6"), lines)

    def test_names_as_json_whatever_the_level_is(self):
        options = self.options("true", "true")
        # No line tells where it serves.
        http, grpc_port = free_ports(2)
        one = self.start(*daprd_flags(None, log_as_json=True, log_level="error", dapr_http_port=http,
                                      dapr_grpc_port=grpc_port, **options),
                         env={"DAPR_API_TOKEN": "secret"}, command=[binary(), "daprd"])
        side = Sidecar(f"http://127.0.0.1:{http}", f"127.0.0.1:{grpc_port}", one.lines)

        def healthy():
            try:
                return get(side.http + "/v1.0/healthz").status == 204
            except OSError:
                return False
        wait_until(healthy, "a healthy sidecar")
        self.check(side, obfuscated=True, health=False)
        for line in map(json.loads, one.lines):
            self.assertIsInstance(line["code"], int)
            self.assertIsInstance(line["duration"], int)

    @unittest.skipUnless(DAPRD.exists(), f"there is no {DAPRD}: ./dev daprd builds it")
    def test_as_the_real_daprd(self):
        for obfuscate, omit in (("false", "false"), ("true", "true")):
            options = self.options(obfuscate, omit)
            manner = {"obfuscated": obfuscate == "true", "health": omit == "false"}
            theirs = self.check(self.daprd(**options), **manner)
            self.assertEqual(self.check(self.tandem(**options), **manner), theirs)

    def test_the_flag_goes_before_the_configuration(self):
        one = self.tandem(**{"enable_api_logging=false": True}, **self.options())
        self.assertEqual(get(one.http + "/v1.0/healthz/outbound").status, 204)
        other = self.tandem(enable_api_logging=True)
        self.assertEqual(get(other.http + "/v1.0/healthz/outbound").status, 204)
        wait_until(lambda: other.logged("HTTP API Called"), "the line of the API")
        self.assertEqual([line["method"] for line in other.logged("HTTP API Called")], ["GET /v1.0/healthz/outbound"])
        self.assertEqual(one.logged("HTTP API Called"), [])

    def test_beside_guests(self):
        tandem = self.run_guest("echo", "--app-id", "echo", "--enable-api-logging")
        post(tandem.app.dapr_url + "/v1.0/invoke/echo/method/method")
        line = tandem.wait_for_log(msg="HTTP API Called")
        self.assertEqual((line["method"], line["app_id"]), ("POST /v1.0/invoke/echo/method/method", "echo"))


if __name__ == "__main__":
    unittest.main()
