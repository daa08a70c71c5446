"""Service invocation from one process to another: by mDNS, Dapr's default, and by static names."""

import http.client
import os
import socket
import struct
import sys
import time
import unittest
from urllib.parse import urlsplit

from harness import (PATIENCE, PORTS_AS_NAMES, Answer, RawConnection, TandemTest, free_port, get, guest, post, request,
                     source, tandem)

sys.path.insert(0, str(source() / "tools"))
import python_sdk  # noqa: E402

sys.path.insert(0, str(python_sdk.site_packages()))
import grpc  # noqa: E402
from dapr.proto.common.v1 import common_pb2  # noqa: E402
from dapr.proto.runtime.v1 import dapr_pb2_grpc, invoke_pb2  # noqa: E402



class RemoteTest(TandemTest):
    """Two processes, `here` and `there`. Names are the test's own: others run beside it, and mDNS reaches them all."""

    def start_there(self, app_id, *arguments):
        return self.run_guest("echo", "--app-id", app_id, *arguments)

    def name(self, word):
        return f"{word}-{os.getpid()}-{self._testMethodName.replace('_', '-')}"[:60]

    def url(self, here, app_id, method):
        return f"{here.app.dapr_url}/v1.0/invoke/{app_id}/method/{method}"

    def check_invocations(self, here, app_id):
        """Whatever an invocation can carry, there and back."""
        for method in ("GET", "POST", "PUT", "DELETE", "PATCH"):
            answer = request(self.url(here, app_id, "method"), method)
            self.assertEqual((answer.status, answer.text), (200, method))
        answer = post(self.url(here, app_id, "any/thing?x=%20&y"), b"\0\1body", headers={"content-type": "application/x-mine"})
        self.assertEqual((answer.body, answer.headers["content-type"]), (b"\0\1body", "application/x-mine"))
        self.assertEqual(get(self.url(here, app_id, "path/a%20b?q=1")).text, "/path/a%20b?q=1")
        self.assertEqual(get(self.url(here, app_id, "status/418")).status, 418)
        self.assertEqual(get(self.url(here, app_id, "status/204")).status, 204)
        self.assertEqual(request(self.url(here, app_id, "path"), "HEAD").status, 200)
        headers = get(self.url(here, app_id, "headers"),
                      headers={"dapr-caller-app-id": "somebody", "x-mine": "1"}).text.lower().splitlines()
        self.assertIn("x-mine: 1", headers)
        self.assertIn(f"dapr-caller-app-id: {here.app.app_id}", headers)
        self.assertIn(f"dapr-callee-app-id: {app_id}", headers)
        self.assertIn("dapr-caller-namespace: default", headers)
        self.assertTrue(any(line.startswith("forwarded: for=") for line in headers), headers)
        self.assertEqual(get(here.app.dapr_url + "/path", headers={"dapr-app-id": app_id}).text, "/path")

    def check_the_trace(self, here, app_id):
        trace = "0af7651916cd43dd8448eb211c80319c"
        text = get(self.url(here, app_id, "headers"),
                   headers={"traceparent": f"00-{trace}-b7ad6b7169203331-01"}).text.lower()
        self.assertRegex(text, f"(?m)^traceparent: 00-{trace}-")

    def invoke_over_grpc(self, here, app_id, method, body=b"", verb=common_pb2.HTTPExtension.POST):
        """Dapr's InvokeService, with its answer and the call."""
        channel = grpc.insecure_channel(here.app.dapr_grpc)
        self.addCleanup(channel.close)
        message = common_pb2.InvokeRequest(method=method, content_type="text/plain",
                                           http_extension=common_pb2.HTTPExtension(verb=verb))
        message.data.value = body
        return dapr_pb2_grpc.DaprStub(channel).InvokeService.with_call(
            invoke_pb2.InvokeServiceRequest(id=app_id, message=message), timeout=PATIENCE)


class StaticNamesTest(RemoteTest):
    """By a pattern in which the app id is the port."""

    def setUp(self):
        super().setUp()
        self.port = free_port()
        self.app_id = str(self.port)
        self.names = self.write("names.yaml", PORTS_AS_NAMES)

    def start_here(self, *arguments, module="echo"):
        return self.run_guest(module, "--app-id", "here", "--config", self.names, *arguments)

    def start_there(self, *arguments):
        return super().start_there(self.app_id, "--dapr-internal-grpc-port", self.port, "--config", self.names,
                                   *arguments)

    def test_over_http(self):
        self.start_there()
        here = self.start_here()
        self.check_invocations(here, self.app_id)
        self.check_the_trace(here, self.app_id)

    def test_over_grpc(self):
        self.start_there()
        here = self.start_here()
        answer, call = self.invoke_over_grpc(here, self.app_id, "orders/17", b"a body")
        self.assertEqual((answer.data.value, answer.content_type), (b"a body", "text/plain"))
        self.assertIn(("dapr-http-status", "200"), call.initial_metadata())
        with self.assertRaises(grpc.RpcError) as caught:
            self.invoke_over_grpc(here, self.app_id, "status/404")
        self.assertEqual((caught.exception.code(), caught.exception.details()), (grpc.StatusCode.NOT_FOUND, "Not Found"))

    def test_by_a_guest(self):
        self.start_there()
        here = self.start_here(module="hostile")
        answer = get(f"{here.app.url}/outbound?url=http://anything/path&app-id={self.app_id}")
        self.assertEqual((answer.status, answer.text), (200, "/path"))
        port = here.app.dapr_url.rsplit(":", 1)[1]
        url = f"http://localhost:{port}/v1.0/invoke/{self.app_id}/method/method"
        self.assertEqual(get(f"{here.app.url}/outbound?url={url}").text, "GET")

    def test_long_bodies_stream(self):
        self.start_there()
        here = self.start_here("--max-body-size", "64Mi")
        body = os.urandom(1 << 20) * 10
        answer = post(self.url(here, self.app_id, "echo"), body)
        self.assertEqual(answer.status, 200)
        self.assertTrue(answer.body == body)

        def pieces():
            for at in range(0, len(body), 100_000):
                yield body[at:at + 100_000]

        self.assertEqual(post_chunked(self.url(here, self.app_id, "count"), pieces()).text, str(len(body)))

    def test_a_body_over_the_limit(self):
        self.start_there()
        here = self.start_here()
        answer = post_chunked(self.url(here, self.app_id, "count"), (b"x" * 100_000 for _ in range(60)))
        self.assertEqual(answer.status, 500)
        self.assertEqual(answer.json()["errorCode"], "ERR_DIRECT_INVOKE")
        self.assertIn("stream too large", answer.json()["message"])

    def test_a_peer_that_is_killed_and_comes_back(self):
        there = self.start_there()
        here = self.start_here()
        self.assertEqual(get(self.url(here, self.app_id, "path")).status, 200)
        there.kill()
        # The call that finds nobody is tried again for three seconds: the app is back before that.
        self.start_there()
        self.assertEqual(get(self.url(here, self.app_id, "path")).status, 200)

    def test_nobody_is_there(self):
        here = self.start_here()
        began = time.monotonic()
        answer = get(self.url(here, self.app_id, "path"))
        took = time.monotonic() - began
        self.assertEqual((answer.status, answer.json()["errorCode"]), (500, "ERR_DIRECT_INVOKE"))
        self.assertTrue(answer.json()["message"].startswith(
            f"failed to invoke, id: {self.app_id}, err: failed to invoke target {self.app_id} after 3 retries. Error: "
            "rpc error: code = Unavailable desc = "), answer)
        self.assertGreater(took, 2.9)
        # A body without a length that is still coming cannot be sent again.
        with RawConnection(here.app.dapr_url) as raw:
            raw.send(f"POST /v1.0/invoke/{self.app_id}/method/path HTTP/1.1\r\nhost: x\r\n"
                     "transfer-encoding: chunked\r\n\r\n")
            said = raw.read_until(b"}")
        self.assertIn(f"failed to invoke, id: {self.app_id}, err: rpc error: code = Unavailable desc = ".encode(), said)
        with self.assertRaises(grpc.RpcError) as caught:
            self.invoke_over_grpc(here, self.app_id, "path")
        self.assertEqual(caught.exception.code(), grpc.StatusCode.INTERNAL)
        self.assertIn(f"failed to invoke target {self.app_id} after 3 retries", caught.exception.details())

    def test_the_stop_waits_for_a_call_from_another_process(self):
        there = self.start_there()
        here = self.start_here()
        self.assertEqual(get(self.url(here, self.app_id, "path")).status, 200)
        there.stop()
        self.assertEqual(there.log(msg="stopped")[0]["level"], "info")


class MdnsTest(RemoteTest):
    def test_two_processes_find_each_other(self):
        here_id, there_id = self.name("here"), self.name("there")
        there = self.start_there(there_id)
        here = self.start_there(here_id)
        self.check_invocations(here, there_id)
        self.check_invocations(there, here_id)
        # As in daprd, mDNS knows no namespaces.
        self.assertEqual(get(self.url(here, f"{there_id}.elsewhere", "path")).status, 200)

    def test_an_app_that_moves_is_found_again(self):
        app_id = self.name("moving")
        there = self.start_there(app_id)
        here = self.start_there(self.name("here"))
        self.assertEqual(get(self.url(here, app_id, "path")).status, 200)
        there.kill()
        self.start_there(app_id)
        self.assertEqual(get(self.url(here, app_id, "path")).status, 200)

    def test_an_unknown_app(self):
        here = self.start_there(self.name("here"))
        app_id = self.name("nobody")
        began = time.monotonic()
        answer = get(self.url(here, app_id, "path"))
        took = time.monotonic() - began
        self.assertEqual(answer.status, 500)
        self.assertEqual(answer.json()["errorCode"], "ERR_DIRECT_INVOKE")
        self.assertEqual(answer.json()["message"], f"failed to invoke, id: {app_id}, err: couldn't find service: {app_id}")
        self.assertGreater(took, 0.9)

    def test_two_instances_take_turns(self):
        app_id = self.name("twice")
        calls = [self.start_there(app_id) for _ in range(2)]
        here = self.start_there(self.name("here"))
        ports = set()
        deadline = time.monotonic() + PATIENCE
        while len(ports) < len(calls) and time.monotonic() < deadline:
            ports.add(get(self.url(here, app_id, "authority")).text)
        self.assertEqual(ports, {one.app.url.removeprefix("http://") for one in calls})

    def test_the_goodbye_is_said(self):
        app_id = self.name("leaving")
        there = self.start_there(app_id)
        with listener() as heard:
            there.stop()
            wanted = struct.pack("B", len(app_id)) + app_id.encode()
            heard.settimeout(PATIENCE)
            while True:
                message = heard.recv(9000)
                if not message[2] & 0x80 or wanted not in message:
                    continue
                # A response; its first record's time to live is none.
                at = message.index(wanted) + len(wanted) + len(b"\5local\0") + 4
                if message[at:at + 4] == b"\0\0\0\0":
                    break


class RefusedNamesTest(TandemTest):
    def test_a_resolver_that_is_not_there(self):
        config = self.write("names.yaml", PORTS_AS_NAMES.replace("nameformat", "consul"))
        done = tandem("run", guest("echo"), "--config", config)
        self.assertEqual(done.returncode, 1)
        self.assertIn('names.yaml:7: spec.nameResolution.component "consul" is not supported: mdns and nameformat are',
                      done.stderr)


def listener():
    """A socket that hears what is said over mDNS on this machine."""
    one = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    one.bind(("", 5353))
    loopback = struct.pack("4s4si", socket.inet_aton("224.0.0.251"), socket.inet_aton("127.0.0.1"), 0)
    one.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP, loopback)
    return one


def post_chunked(url, pieces):
    """A request whose body has no length."""
    parts = urlsplit(url)
    connection = http.client.HTTPConnection(parts.hostname, parts.port, timeout=PATIENCE)
    try:
        connection.request("POST", parts.path, body=iter(pieces), headers={"transfer-encoding": "chunked"},
                           encode_chunked=True)
        got = connection.getresponse()
        return Answer(got.status, got.reason, got.headers, got.read())
    finally:
        connection.close()


if __name__ == "__main__":
    unittest.main()
