"""Calls of an app's own gRPC services through the Dapr port: every kind of streaming, and all that a call carries."""

import queue

from grpc_apps import GrpcAppTest, StreamingService, free_port, grpc
from harness import PATIENCE, PORTS_AS_NAMES

TO_SPEAKER = (("dapr-app-id", "speaker"),)


class GrpcProxyTest(GrpcAppTest):
    def setUp(self):
        super().setUp()
        self.service = StreamingService()
        self.tandem = self.run_apps(self.serve(self.service.handler()))
        self.own = self.channel(self.tandem.apps["speaker"])
        self.other = self.channel(self.tandem.apps["web"])

    def test_unary_calls_carry_metadata_both_ways(self):
        call = self.other.unary_unary("/test.Service/Unary")
        answer, done = call.with_call(b"abc", timeout=PATIENCE, metadata=TO_SPEAKER + (
            ("key", "one"), ("key", "two"), ("raw-bin", b"\0\xff"), ("dapr-api-token", "mine")))
        self.assertEqual(answer, b"cba")
        self.assertIn(("from-app", "yes"), done.initial_metadata())
        self.assertIn(("from-app-bin", b"\0\xff"), done.initial_metadata())
        self.assertIn(("after", "all"), done.trailing_metadata())
        self.assertIn(("after-bin", b"\xfe\0"), done.trailing_metadata())
        (seen,) = self.service.metadata.wait()
        self.assertEqual([value for key, value in seen if key == "key"], ["one", "two"])
        self.assertIn(("raw-bin", b"\0\xff"), seen)
        self.assertIn(("dapr-caller-app-id", "web"), seen)
        self.assertIn(("dapr-callee-app-id", "speaker"), seen)
        self.assertEqual([key for key, _ in seen if key in ("dapr-app-id", "dapr-api-token")], [])

    def test_binary_metadata_is_byte_exact_both_ways(self):
        sent = [("every-bin", bytes(range(256))), ("none-bin", b"")]
        sent += [(f"part{n}-bin", bytes(range(250, 250 + n))) for n in range(1, 5)]
        sent += [("twice-bin", b"a,b"), ("twice-bin", b"\0"), ("grown-bin", b"\xff" * 3000)]
        _, done = self.other.unary_unary("/test.Service/Echo").with_call(b"", metadata=TO_SPEAKER + tuple(sent),
                                                                         timeout=PATIENCE)
        for came in (done.initial_metadata(), done.trailing_metadata()):
            self.assertEqual(sorted(pair for pair in came if pair[0].endswith("-bin") and pair[0] != "grpc-trace-bin"),
                             sorted(sent))

    def test_an_app_calls_itself_by_its_own_port(self):
        self.assertEqual(self.own.unary_unary("/test.Service/Unary")(b"xy", metadata=TO_SPEAKER), b"yx")
        (seen,) = self.service.metadata.wait()
        self.assertEqual([key for key, _ in seen if key.startswith("dapr-")], [])

    def test_a_client_streams(self):
        count = self.other.stream_unary("/test.Service/Count")
        self.assertEqual(count((b"x" * 1000 for _ in range(300)), metadata=TO_SPEAKER), b"300")

    def test_an_app_streams(self):
        numbers = self.other.unary_stream("/test.Service/Numbers")
        self.assertEqual(list(numbers(b"300", metadata=TO_SPEAKER)), [str(i).encode() for i in range(300)])
        self.assertEqual(list(numbers(b"0", metadata=TO_SPEAKER)), [])

    def test_both_talk_in_turns_and_headers_come_first(self):
        says = queue.Queue()
        talk = self.other.stream_stream("/test.Service/Talk")(iter(says.get, None), metadata=TO_SPEAKER,
                                                              timeout=PATIENCE)
        self.assertIn(("early", "bird"), talk.initial_metadata())
        for i in range(20):
            says.put(f"{i}".encode())
            self.assertEqual(next(talk), f"heard {i}".encode())
        says.put(None)
        self.assertEqual(list(talk), [])
        self.assertEqual(talk.code(), grpc.StatusCode.OK)

    def test_statuses_of_the_app_come_back(self):
        error = self.assert_fails(lambda: self.other.unary_unary("/test.Service/Fail")(b"you", metadata=TO_SPEAKER),
                                  grpc.StatusCode.DATA_LOSS, "no \u2713 for you")
        self.assertIn(("after", "failure"), error.trailing_metadata())
        self.assert_fails(lambda: self.other.unary_unary("/test.Service/None")(b"", metadata=TO_SPEAKER),
                          grpc.StatusCode.UNIMPLEMENTED, "")

    def test_a_client_that_leaves_ends_the_call_of_the_app(self):
        hang = self.other.unary_stream("/test.Service/Hang")(b"", metadata=TO_SPEAKER)
        self.assertEqual(next(hang), b"begun")
        hang.cancel()
        self.service.ended.wait()

    def test_a_deadline_ends_the_call_of_the_app(self):
        hang = self.other.unary_stream("/test.Service/Hang")
        self.assert_fails(lambda: list(hang(b"", metadata=TO_SPEAKER, timeout=0.5)),
                          grpc.StatusCode.DEADLINE_EXCEEDED, "")
        self.service.ended.wait()

    def test_messages_have_a_limit(self):
        unary = self.other.unary_unary("/test.Service/Unary")
        size = 4 * 1024 * 1024
        self.assertEqual(len(unary(b"x" * size, metadata=TO_SPEAKER)), size)
        self.assert_fails(lambda: unary(b"x" * (size + 1), metadata=TO_SPEAKER),
                          grpc.StatusCode.RESOURCE_EXHAUSTED, "larger than max")

    def test_who_cannot_be_reached_says_so(self):
        unary = self.other.unary_unary("/test.Service/Unary")
        self.assert_fails(lambda: unary(b""), grpc.StatusCode.UNKNOWN,
                          "failed to proxy request: required metadata dapr-callee-app-id or dapr-app-id not found")
        self.assert_fails(lambda: unary(b"", metadata=(("dapr-app-id", "nobody"),)), grpc.StatusCode.UNKNOWN,
                          "couldn't find service: nobody")
        self.assert_fails(lambda: unary(b"", metadata=(("dapr-app-id", "web"),)), grpc.StatusCode.UNAVAILABLE,
                          "app web does not speak gRPC")
        callee = (("dapr-app-id", "nobody"), ("dapr-callee-app-id", "speaker"))
        self.assertEqual(unary(b"ab", metadata=callee), b"ba")

    def test_a_stop_lets_a_stream_finish(self):
        says = queue.Queue()
        talk = self.other.stream_stream("/test.Service/Talk")(iter(says.get, None), metadata=TO_SPEAKER)
        says.put(b"first")
        self.assertEqual(next(talk), b"heard first")
        self.tandem.signal()
        self.tandem.wait_for_log(msg="stopping")
        says.put(b"last")
        self.assertEqual(next(talk), b"heard last")
        says.put(None)
        self.assertEqual(list(talk), [])
        self.assertEqual(self.tandem.wait(), 0)


THERE = """
version: 1
apps:
  - appID: "{app_id}"
    appPort: {port}
    appProtocol: grpc
    daprHTTPPort: 0
    daprGRPCPort: 0
    daprInternalGRPCPort: {app_id}
    configFilePath: names.yaml
"""


class RemoteGrpcProxyTest(GrpcAppTest):
    """The same from the sidecar of another process."""

    def setUp(self):
        super().setUp()
        self.service = StreamingService()
        self.app_id = str(free_port())
        names = self.write("names.yaml", PORTS_AS_NAMES)
        self.there = self.run_file(THERE.format(app_id=self.app_id, port=self.serve(self.service.handler())))
        self.here = self.channel(self.run_guest("echo", "--app-id", "here", "--config", names).app)
        self.metadata = (("dapr-app-id", self.app_id),)

    def test_calls_of_every_kind(self):
        answer, done = self.here.unary_unary("/test.Service/Unary").with_call(
            b"abc", timeout=PATIENCE, metadata=self.metadata + (("raw-bin", b"\0\xff"),))
        self.assertEqual(answer, b"cba")
        self.assertIn(("after-bin", b"\xfe\0"), done.trailing_metadata())
        (seen,) = self.service.metadata.wait()
        self.assertIn(("raw-bin", b"\0\xff"), seen)
        self.assertIn(("dapr-caller-app-id", "here"), seen)
        self.assertIn(("dapr-callee-app-id", self.app_id), seen)
        self.assertEqual([key for key, _ in seen if key == "dapr-app-id"], [])
        self.assertEqual(self.here.stream_unary("/test.Service/Count")(iter([b"x"] * 50), metadata=self.metadata), b"50")
        talk = self.here.stream_stream("/test.Service/Talk")(iter([b"a", b"b"]), metadata=self.metadata)
        self.assertEqual(list(talk), [b"heard a", b"heard b"])
        self.assert_fails(lambda: self.here.unary_unary("/test.Service/Fail")(b"you", metadata=self.metadata),
                          grpc.StatusCode.DATA_LOSS, "for you")

    def test_a_client_that_leaves_is_heard_there(self):
        hang = self.here.unary_stream("/test.Service/Hang")(b"", metadata=self.metadata)
        self.assertEqual(next(hang), b"begun")
        hang.cancel()
        self.service.ended.wait()

    def test_a_sidecar_that_is_gone_is_unavailable(self):
        call = self.here.unary_unary("/test.Service/Unary")
        self.assertEqual(call(b"ab", metadata=self.metadata), b"ba")
        self.there.stop()
        self.assert_fails(lambda: call(b"ab", metadata=self.metadata), grpc.StatusCode.UNAVAILABLE, "")


if __name__ == "__main__":
    import unittest
    unittest.main()
