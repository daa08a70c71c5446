"""Service invocation between a Tandem and a real daprd, both ways, over Dapr's internal gRPC without mTLS.

Needs the daprd that `./dev daprd` builds into the cache; without one every test here is skipped, and says so.
"""

import http.server
import os
import subprocess
import sys
import threading
import time
import unittest
from pathlib import Path

from harness import PATIENCE, PORTS_AS_NAMES, TandemTest, free_ports, get, post, request, source

sys.path.insert(0, str(source() / "tools"))
import python_sdk  # noqa: E402

sys.path.insert(0, str(python_sdk.site_packages()))
import grpc  # noqa: E402
from dapr.proto.common.v1 import common_pb2  # noqa: E402
from dapr.proto.runtime.v1 import dapr_pb2_grpc, invoke_pb2  # noqa: E402

DAPRD = Path(os.environ.get("TANDEM_CACHE") or Path.home() / ".cache" / "tandem") / "daprd" / "daprd"


class EchoHandler(http.server.BaseHTTPRequestHandler):
    """Answers as the guest `echo` does."""

    protocol_version = "HTTP/1.1"

    def body(self):
        if "chunked" in self.headers.get("transfer-encoding", ""):
            data = b""
            while size := int(self.rfile.readline(), 16):
                data += self.rfile.read(size)
                self.rfile.readline()
            self.rfile.readline()
            return data
        return self.rfile.read(int(self.headers.get("content-length", 0)))

    def answer(self):
        body = self.body()
        word, _, rest = self.path.partition("?")[0].lstrip("/").partition("/")
        status = int(rest) if word == "status" else 200
        said = {"method": self.command, "path": self.path, "count": str(len(body)), "status": "",
                "headers": "".join(f"{name}: {value}\n" for name, value in self.headers.items())}.get(word)
        out = body if said is None else said.encode()
        self.send_response(status)
        if said is None and "content-type" in self.headers:
            self.send_header("content-type", self.headers["content-type"])
        self.send_header("content-length", str(len(out)))
        self.send_header("x-echo", "yes")
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(out)

    do_GET = do_POST = do_PUT = do_DELETE = do_PATCH = do_HEAD = answer

    def log_message(self, *_):
        pass


class Daprd:
    """A running daprd with an echo app beside it."""

    def __init__(self, folder, app_id, internal_port, *arguments):
        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), EchoHandler)
        self.server.daemon_threads = True
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        self.app_id = app_id
        http_port, grpc_port = free_ports(2)
        self.url = f"http://127.0.0.1:{http_port}"
        self.grpc = f"127.0.0.1:{grpc_port}"
        self.log = open(folder / f"daprd-{app_id}.log", "w+b")
        self.process = subprocess.Popen(
            [str(DAPRD), "--app-id", app_id, "--app-port", str(self.server.server_port), "--dapr-http-port",
             str(http_port), "--dapr-grpc-port", str(grpc_port), "--dapr-internal-grpc-port", str(internal_port),
             "--dapr-internal-grpc-listen-address", "127.0.0.1", "--dapr-listen-addresses", "127.0.0.1",
             "--enable-metrics=false", "--max-body-size", "64Mi", *map(str, arguments)],
            stdin=subprocess.DEVNULL, stdout=self.log, stderr=subprocess.STDOUT)

    def wait_until_serving(self):
        deadline = time.monotonic() + PATIENCE
        while True:
            try:
                if get(self.url + "/v1.0/healthz", timeout=5).status == 204:
                    return self
            except OSError:
                pass
            if self.process.poll() is not None or time.monotonic() > deadline:
                self.log.seek(0)
                raise AssertionError(f"daprd does not serve\n{self.log.read().decode(errors='replace')}")
            # Nothing tells when it does.
            threading.Event().wait(0.05)

    def stop(self):
        if self.log.closed:
            return
        self.process.kill()
        self.process.wait()
        self.server.shutdown()
        self.server.server_close()
        self.log.close()


@unittest.skipUnless(DAPRD.exists(), f"there is no {DAPRD}: ./dev daprd builds it")
class DaprdTest(TandemTest):
    def start_daprd(self, app_id, internal_port, *arguments):
        daprd = Daprd(self.folder, app_id, internal_port, *arguments)
        self.addCleanup(daprd.stop)
        return daprd.wait_until_serving()

    def name(self, word):
        return f"{word}-{os.getpid()}-{self._testMethodName.replace('_', '-')}"[:60]

    def check(self, dapr_url, caller, callee):
        """Whatever an invocation can carry, by the sidecar at `dapr_url`."""
        def url(method):
            return f"{dapr_url}/v1.0/invoke/{callee}/method/{method}"

        for method in ("GET", "POST", "PUT", "DELETE", "PATCH"):
            answer = request(url("method"), method)
            self.assertEqual((answer.status, answer.text), (200, method))
        answer = post(url("any/thing?x=%20&y"), b"\0\1body", headers={"content-type": "application/x-mine"})
        self.assertEqual((answer.body, answer.headers["content-type"]), (b"\0\1body", "application/x-mine"))
        self.assertEqual(get(url("path/a%20b?q=1")).text, "/path/a%20b?q=1")
        for status in (201, 204, 404, 418, 500, 503):
            self.assertEqual(get(url(f"status/{status}")).status, status)
        self.assertEqual(request(url("path"), "HEAD").status, 200)
        headers = get(url("headers"), headers={"x-mine": "1"}).text.lower().splitlines()
        for wanted in ("x-mine: 1", f"dapr-caller-app-id: {caller}", f"dapr-callee-app-id: {callee}"):
            self.assertIn(wanted, headers)
        self.assertTrue(any(line.startswith("forwarded: for=") for line in headers), headers)
        trace = "0af7651916cd43dd8448eb211c80319c"
        text = get(url("headers"), headers={"traceparent": f"00-{trace}-b7ad6b7169203331-01"}).text.lower()
        self.assertRegex(text, f"(?m)^traceparent: 00-{trace}-")
        body = os.urandom(1 << 20) * 10
        answer = post(url("echo"), body)
        self.assertEqual(answer.status, 200)
        self.assertTrue(answer.body == body)
        self.assertEqual(post(url("count"), body).text, str(len(body)))

    def check_grpc(self, address, callee):
        channel = grpc.insecure_channel(address)
        self.addCleanup(channel.close)
        stub = dapr_pb2_grpc.DaprStub(channel)

        def invoke(method, verb=common_pb2.HTTPExtension.POST):
            message = common_pb2.InvokeRequest(method=method, content_type="text/plain",
                                               http_extension=common_pb2.HTTPExtension(verb=verb))
            message.data.value = b"a body"
            return stub.InvokeService(invoke_pb2.InvokeServiceRequest(id=callee, message=message), timeout=PATIENCE)

        answer = invoke("orders/17")
        self.assertEqual((answer.data.value, answer.content_type), (b"a body", "text/plain"))
        with self.assertRaises(grpc.RpcError) as caught:
            invoke("status/404")
        self.assertEqual((caught.exception.code(), caught.exception.details()), (grpc.StatusCode.NOT_FOUND, "Not Found"))

    def check_both_ways(self, tandem, daprd):
        with self.subTest("Tandem calls daprd"):
            self.check(tandem.app.dapr_url, tandem.app.app_id, daprd.app_id)
            self.check_grpc(tandem.app.dapr_grpc, daprd.app_id)
        with self.subTest("daprd calls Tandem"):
            self.check(daprd.url, daprd.app_id, tandem.app.app_id)
            self.check_grpc(daprd.grpc, tandem.app.app_id)

    def test_by_mdns(self):
        (port,) = free_ports(1)
        daprd = self.start_daprd(self.name("daprd"), port)
        tandem = self.run_guest("echo", "--app-id", self.name("tandem"), "--max-body-size", "64Mi")
        self.check_both_ways(tandem, daprd)

    def test_by_static_names(self):
        """One way: `nameformat` is not among the stable components, so this daprd has it not."""
        (port,) = free_ports(1)
        daprd = self.start_daprd(str(port), port)
        tandem = self.run_guest("echo", "--app-id", self.name("tandem"), "--max-body-size", "64Mi", "--config",
                                self.write("names.yaml", PORTS_AS_NAMES))
        self.check(tandem.app.dapr_url, tandem.app.app_id, daprd.app_id)
        self.check_grpc(tandem.app.dapr_grpc, daprd.app_id)

    def test_an_app_that_is_not_there(self):
        """The same words from both."""
        (port,) = free_ports(1)
        daprd = self.start_daprd(self.name("daprd"), port)
        tandem = self.run_guest("echo", "--app-id", self.name("tandem"))
        unknown = self.name("nobody")
        answers = [get(f"{url}/v1.0/invoke/{unknown}/method/x") for url in (daprd.url, tandem.app.dapr_url)]
        self.assertEqual([(one.status, one.body) for one in answers[:1]], [(one.status, one.body) for one in answers[1:]])
        self.assertEqual(get(f"{tandem.app.dapr_url}/v1.0/invoke/{daprd.app_id}/method/path").status, 200)
        daprd.stop()
        answer = get(f"{tandem.app.dapr_url}/v1.0/invoke/{daprd.app_id}/method/path")
        self.assertEqual((answer.status, answer.json()["errorCode"]), (500, "ERR_DIRECT_INVOKE"))


if __name__ == "__main__":
    unittest.main()
