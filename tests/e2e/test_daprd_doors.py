"""Where `tandem daprd` listens, how it calls an app over HTTP/2, and what a reload means for it."""

import http.client
import signal
import socket
import sys
import threading
import unittest
from urllib.parse import urlsplit

from harness import PATIENCE, TandemTest, get, post, request, source
from program import Program, serve_beside

sys.path.insert(0, str(source() / "tools"))
import python_sdk  # noqa: E402

sys.path.insert(0, str(python_sdk.site_packages()))
import grpc  # noqa: E402
from dapr.proto.runtime.v1 import dapr_pb2_grpc, metadata_pb2  # noqa: E402


class UnixConnection(http.client.HTTPConnection):
    def __init__(self, path):
        super().__init__("localhost", timeout=PATIENCE)
        self.path = path

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(PATIENCE)
        self.sock.connect(str(self.path))


class DoorsTest(TandemTest):
    def test_unix_sockets(self):
        program = Program()
        self.addCleanup(program.close)
        one = serve_beside(self, program.port, unix_domain_socket=self.folder)
        by_http, by_grpc = (self.folder / f"dapr-prog-{api}.socket" for api in ("http", "grpc"))
        connection = UnixConnection(by_http)
        self.addCleanup(connection.close)
        connection.request("POST", "/v1.0/invoke/prog/method/a?x=1", body=b"text")
        got = connection.getresponse()
        self.assertEqual(got.status, 200)
        self.assertIn(b'"path": "/a?x=1"', got.read())
        with grpc.insecure_channel(f"unix:{by_grpc}") as channel:
            stub = dapr_pb2_grpc.DaprStub(channel)
            for _ in range(3):
                self.assertEqual(stub.GetMetadata(metadata_pb2.GetMetadataRequest(), timeout=PATIENCE).id, "prog")
        one.stop()
        self.assertFalse(by_http.exists())
        self.assertFalse(by_grpc.exists())

    def test_several_addresses_have_the_same_port(self):
        one = serve_beside(self, None, dapr_listen_addresses="127.0.0.1,127.0.0.2")
        port = urlsplit(one.app.dapr_url).port
        for address in ("127.0.0.1", "127.0.0.2"):
            self.assertEqual(get(f"http://{address}:{port}/v1.0/metadata").json()["id"], "prog")
            with grpc.insecure_channel(f"{address}:{one.app.dapr_grpc.rsplit(':', 1)[1]}") as channel:
                stub = dapr_pb2_grpc.DaprStub(channel)
                self.assertEqual(stub.GetMetadata(metadata_pb2.GetMetadataRequest(), timeout=PATIENCE).id, "prog")


class H2cTest(TandemTest):
    def test_an_app_that_speaks_h2c(self):
        # A guest's own port speaks both versions, so it is an app of either kind.
        app = self.run_guest("echo", "--app-id", "behind").app
        one = serve_beside(self, urlsplit(app.url).port, app_protocol="h2c")
        body = bytes(range(256)) * 4096
        answer = request(f"{one.app.dapr_url}/v1.0/invoke/prog/method/echo", method="POST", body=body)
        self.assertEqual((answer.status, answer.body == body), (200, True), answer)

    def test_what_it_is_sent_begins_with_the_preface(self):
        with socket.create_server(("127.0.0.1", 0)) as listener:
            begin = []

            def take():
                while True:
                    try:
                        connection, _ = listener.accept()
                    except OSError:
                        return
                    with connection:
                        connection.settimeout(PATIENCE)
                        if data := connection.recv(24):  # nothing: only looked whether the port listens
                            begin.append(data)

            threading.Thread(target=take, daemon=True).start()
            one = serve_beside(self, listener.getsockname()[1], app_protocol="h2c")
            answer = get(f"{one.app.dapr_url}/v1.0/invoke/prog/method/a")
            self.assertEqual(answer.status, 500)
            self.assertEqual(answer.json()["errorCode"], "ERR_DIRECT_INVOKE")
        self.assertTrue(begin and all(one.startswith(b"PRI * HTTP/2.0") for one in begin), begin)


class UnixReloadTest(TandemTest):
    def test_a_reload_keeps_the_sockets_and_refuses_nobody(self):
        program = Program()
        self.addCleanup(program.close)
        component = "apiVersion: dapr.io/v1alpha1\nkind: Component\nmetadata: {{name: {}}}\n" \
                    "spec: {{type: state.in-memory, version: v1}}\n"
        self.write("resources/a.yaml", component.format("first"))
        one = serve_beside(self, program.port, unix_domain_socket=self.folder,
                           resources_path=self.folder / "resources")
        files = [self.folder / f"dapr-prog-{api}.socket" for api in ("http", "grpc")]
        inodes = [file.stat().st_ino for file in files]
        end = threading.Event()
        served, failed = [], []

        def ask():
            while not end.is_set():
                connection = UnixConnection(files[0])
                try:
                    connection.request("GET", "/v1.0/metadata")
                    served.append(connection.getresponse().read())
                except OSError as error:
                    failed.append(error)
                finally:
                    connection.close()

        def components():
            with grpc.insecure_channel(f"unix:{files[1]}") as channel:
                stub = dapr_pb2_grpc.DaprStub(channel)
                answer = stub.GetMetadata(metadata_pb2.GetMetadataRequest(), timeout=PATIENCE)
            return [component.name for component in answer.registered_components]

        def reload(said="reloaded"):
            count = len(one.log(msg=said))
            one.signal(signal.SIGHUP)
            one.wait_for(lambda: len(one.log(msg=said)) > count, said)

        self.assertEqual(components(), ["first"])
        asker = threading.Thread(target=ask)
        asker.start()
        try:
            for name in ("second", "third"):
                self.write("resources/a.yaml", component.format(name))
                reload()
                self.assertEqual(components(), [name])
            self.write("resources/a.yaml", component.format("fourth").replace("in-memory", "nosuch"))
            reload(said="the reload failed; what was there before goes on")
            self.assertEqual(components(), ["third"])
        finally:
            end.set()
            asker.join(PATIENCE)
        self.assertEqual(failed, [])
        self.assertIn(b"third", served[-1])
        self.assertEqual([file.stat().st_ino for file in files], inodes)
        # A file that somebody has removed is there again.
        self.write("resources/a.yaml", component.format("fifth"))
        for file in files:
            file.unlink()
        reload()
        self.assertEqual(components(), ["fifth"])
        one.stop()
        self.assertEqual([file for file in files if file.exists()], [])


class ReloadTest(TandemTest):
    def test_resources_of_a_sidecar_are_read_again(self):
        program = Program()
        self.addCleanup(program.close)
        component = "apiVersion: dapr.io/v1alpha1\nkind: Component\nmetadata: {{name: {}}}\n" \
                    "spec: {{type: state.in-memory, version: v1}}\n"
        self.write("resources/a.yaml", component.format("first"))
        one = serve_beside(self, program.port, resources_path=self.folder / "resources",
                           dapr_internal_grpc_listen_address="127.0.0.1")
        self.write("resources/a.yaml", component.format("second"))
        internal = one.wait_for_log(msg="serving other sidecars")["dapr_internal_grpc"]
        one.signal(signal.SIGHUP)
        one.wait_for_log(msg="reloaded")
        with grpc.insecure_channel(internal) as channel, self.assertRaises(grpc.RpcError) as refused:
            channel.unary_unary("/some.Service/Method")(b"", timeout=PATIENCE)
        self.assertIn("required metadata", refused.exception.details())
        metadata = get(f"{one.app.dapr_url}/v1.0/metadata").json()
        self.assertEqual([c["name"] for c in metadata["components"]], ["second"])
        self.assertEqual(post(f"{one.app.dapr_url}/v1.0/state/second", [{"key": "k", "value": 1}]).status, 204)
        program.wait_for("/dapr/config", 2)
        self.assertEqual(get(f"{one.app.dapr_url}/v1.0/invoke/prog/method/a").status, 200)
        one.stop()


if __name__ == "__main__":
    unittest.main()
