"""Python programs that serve gRPC, for tests: in threads of the test, behind a Tandem process that knows their port."""

import sys
import threading
from concurrent import futures

from harness import PATIENCE, TandemTest, free_port, guest, source

sys.path.insert(0, str(source() / "tools"))
import python_sdk  # noqa: E402

sys.path.insert(0, str(python_sdk.site_packages()))
import grpc  # noqa: E402

# An app outside that speaks gRPC, and a guest beside it.
APPS = """
version: 1
apps:
  - appID: speaker
    appPort: {port}
    appProtocol: {protocol}
    daprHTTPPort: 0
    daprGRPCPort: 0
{more}
  - appID: web
    module: {module}
    appPort: 0
    daprHTTPPort: 0
    daprGRPCPort: 0
"""


class Arrivals:
    """What has come to a program, in order; a test waits for it."""

    def __init__(self):
        self._items = []
        self._news = threading.Condition()

    def add(self, item):
        with self._news:
            self._items.append(item)
            self._news.notify_all()

    def wait(self, count=1):
        """The first `count` of them."""
        with self._news:
            if not self._news.wait_for(lambda: len(self._items) >= count, PATIENCE):
                raise AssertionError(f"{len(self._items)} of {count} have come")
            return self._items[:count]


class StreamingService:
    """/test.Service/, bytes in and out, in all four kinds of streaming."""

    def __init__(self):
        self.metadata = Arrivals()
        self.ended = Arrivals()

    def _note(self, context):
        self.metadata.add(context.invocation_metadata())
        context.add_callback(lambda: self.ended.add(context.code()))

    def unary(self, request, context):
        self._note(context)
        context.send_initial_metadata((("from-app", "yes"), ("from-app-bin", b"\0\xff")))
        context.set_trailing_metadata((("after", "all"), ("after-bin", b"\xfe\0")))
        return request[::-1]

    def echo(self, request, context):
        """What has come under "-bin" keys, before and behind the message."""
        came = tuple((key, value) for key, value in context.invocation_metadata()
                     if key.endswith("-bin") and not key.startswith("grpc-"))
        context.send_initial_metadata(came)
        context.set_trailing_metadata(came)
        return request

    def fail(self, request, context):
        context.set_trailing_metadata((("after", "failure"),))
        context.abort(grpc.StatusCode.DATA_LOSS, f"no \u2713 for {request.decode()}")

    def count(self, requests, context):
        self._note(context)
        return str(sum(1 for _ in requests)).encode()

    def numbers(self, request, context):
        self._note(context)
        for i in range(int(request)):
            yield str(i).encode()

    def talk(self, requests, context):
        self._note(context)
        context.send_initial_metadata((("early", "bird"),))
        for request in requests:
            yield b"heard " + request

    def hang(self, request, context):
        self._note(context)
        yield b"begun"
        over = threading.Event()
        context.add_callback(over.set)
        over.wait(PATIENCE)

    def handler(self):
        return grpc.method_handlers_generic_handler("test.Service", {
            "Unary": grpc.unary_unary_rpc_method_handler(self.unary),
            "Echo": grpc.unary_unary_rpc_method_handler(self.echo),
            "Fail": grpc.unary_unary_rpc_method_handler(self.fail),
            "Count": grpc.stream_unary_rpc_method_handler(self.count),
            "Numbers": grpc.unary_stream_rpc_method_handler(self.numbers),
            "Talk": grpc.stream_stream_rpc_method_handler(self.talk),
            "Hang": grpc.unary_stream_rpc_method_handler(self.hang),
        })


class GrpcAppTest(TandemTest):
    def serve(self, *handlers, port=0):
        """A gRPC server of these handlers; its port."""
        server = grpc.server(futures.ThreadPoolExecutor(max_workers=16), handlers=handlers,
                             options=[("grpc.max_receive_message_length", -1), ("grpc.so_reuseport", 0)])
        port = server.add_insecure_port(f"127.0.0.1:{port}")
        server.start()
        self.addCleanup(lambda: server.stop(0).wait())
        return port

    def run_apps(self, port, more=(), env=None, protocol="grpc"):
        """The app that is served at `port` as "speaker", and a guest that echoes as "web"."""
        lines = "\n".join(f"    {line}" for line in more)
        return self.run_file(APPS.format(port=port, protocol=protocol, module=guest("echo"), more=lines), apps=2, env=env)

    def channel(self, app):
        channel = grpc.insecure_channel(app.dapr_grpc, options=[("grpc.max_receive_message_length", -1),
                                                                ("grpc.max_send_message_length", -1)])
        self.addCleanup(channel.close)
        return channel

    def assert_fails(self, call, code, message):
        with self.assertRaises(grpc.RpcError) as caught:
            call()
        self.assertEqual(caught.exception.code(), code, caught.exception.details())
        self.assertIn(message, caught.exception.details())
        return caught.exception
