"""Dapr's gRPC API of a running process, through Dapr's own Python SDK; errors are compared field by field."""

import json
import os
import socket
import sys
import unittest

from harness import PATIENCE, TandemTest, environment, get, guest, post, source, tandem
from observe import wait_until

sys.path.insert(0, str(source() / "tools"))
import python_sdk  # noqa: E402

sys.path.insert(0, str(python_sdk.site_packages()))
import grpc  # noqa: E402
from dapr.clients import DaprClient  # noqa: E402
from dapr.clients.exceptions import DaprGrpcError  # noqa: E402
from dapr.clients.grpc._request import TransactionalStateOperation, TransactionOperationType  # noqa: E402
from dapr.clients.grpc._state import Concurrency, Consistency, StateItem, StateOptions  # noqa: E402
from dapr.proto.common.v1 import common_pb2  # noqa: E402
from dapr.proto.runtime.v1 import dapr_pb2, dapr_pb2_grpc, invoke_pb2, metadata_pb2, pubsub_pb2, state_pb2  # noqa: E402

from google.rpc import error_details_pb2  # noqa: E402
from grpc_status import rpc_status  # noqa: E402

TYPES = {"ErrorInfo": error_details_pb2.ErrorInfo, "ResourceInfo": error_details_pb2.ResourceInfo,
         "BadRequest": error_details_pb2.BadRequest, "Help": error_details_pb2.Help}
STORE = "statestore"
TRACING = """apiVersion: dapr.io/v1alpha1
kind: Configuration
metadata: {{name: tracing}}
spec: {{tracing: {{samplingRate: "{}"}}}}
"""

def details_of(error):
    """The google.rpc details of a failed call, each as (type, {field: value}) of what is set."""
    status = rpc_status.from_call(error)
    out = []
    for any_message in status.details if status else ():
        name = any_message.TypeName().rsplit(".", 1)[1]
        message = TYPES[name].FromString(any_message.value)
        fields = {}
        for field, value in message.ListFields():
            if field.name == "metadata":
                value = dict(value)
            elif field.is_repeated:
                value = [{f.name: v for f, v in one.ListFields()} for one in value]
            fields[field.name] = value
        out.append((name, fields))
    return out

def info(reason, **metadata):
    fields = {"reason": reason, "domain": "dapr.io"}
    if metadata:
        fields["metadata"] = {name.replace("__", "."): value for name, value in metadata.items()}
    return ("ErrorInfo", fields)

class GrpcTest(TandemTest):
    def setUp(self):
        super().setUp()
        self.tandem = self.start_tandem()

    def start_tandem(self):
        return self.run_guest("echo")

    def client(self, app=None):
        """The SDK, which asks the HTTP API whether the sidecar is there."""
        app = app or self.tandem.app
        os.environ["DAPR_HTTP_PORT"] = app.dapr_url.rsplit(":", 1)[1]
        os.environ["DAPR_GRPC_PORT"] = app.dapr_grpc.rsplit(":", 1)[1]
        client = DaprClient(app.dapr_grpc)
        self.addCleanup(client.close)
        return client

    def stub(self, app=None):
        channel = grpc.insecure_channel((app or self.tandem.app).dapr_grpc)
        self.addCleanup(channel.close)
        return dapr_pb2_grpc.DaprStub(channel)

    def assert_fails(self, call, code, message, *details):
        with self.assertRaises(grpc.RpcError) as caught:
            call()
        error = caught.exception
        self.assertEqual(error.code(), code, error)
        self.assertEqual(error.details(), message)
        self.assertEqual(details_of(error), list(details))

class StateTest(GrpcTest):
    def test_set_get_delete_of_any_bytes(self):
        client = self.client()
        for key, value in (("text", b"hello"), ("bytes", bytes(range(256))), ("json", b'{"a": [1]}'), ("empty", b""),
                           ("unicode \u00e4/?#%", "\u00fcn\u00efcode".encode()), ("large", b"x" * 1_000_000)):
            client.save_state(STORE, key, value)
            self.assertEqual(client.get_state(STORE, key).data, value, key)
            client.delete_state(STORE, key)
            self.assertEqual(client.get_state(STORE, key).data, b"", key)
            self.assertEqual(client.get_state(STORE, key).etag, "")

    def test_both_doors_see_the_same_state(self):
        client = self.client()
        client.save_state(STORE, "k", '{"n":1}')
        self.assertEqual(get(self.tandem.app.dapr_url + f"/v1.0/state/{STORE}/k").json(), {"n": 1})
        post(self.tandem.app.dapr_url + f"/v1.0/state/{STORE}", [{"key": "h", "value": "over http"}])
        self.assertEqual(client.get_state(STORE, "h").data, b'"over http"')

    def test_etags_and_options(self):
        client = self.client()
        client.save_state(STORE, "k", "1")
        first = client.get_state(STORE, "k").etag
        options = StateOptions(concurrency=Concurrency.first_write, consistency=Consistency.strong)
        client.save_state(STORE, "k", "2", etag=first, options=options)
        message = f"failed saving state in state store {STORE}: possible etag mismatch. error from state store"
        with self.assertRaises(grpc.RpcError) as caught:
            client.save_state(STORE, "k", "3", etag=first, options=options)
        self.assertEqual(caught.exception.code(), grpc.StatusCode.ABORTED)
        self.assertTrue(caught.exception.details().startswith(message), caught.exception.details())
        with self.assertRaises(grpc.RpcError) as caught:
            client.delete_state(STORE, "k", etag=first)
        self.assertEqual(caught.exception.code(), grpc.StatusCode.ABORTED)
        self.assertEqual(client.get_state(STORE, "k").data, b"2")

    def test_many_keys_at_once(self):
        client = self.client()
        client.save_bulk_state(STORE, [StateItem(key=f"k{n}", value=str(n)) for n in range(20)])
        items = client.get_bulk_state(STORE, [f"k{n}" for n in range(21)]).items
        self.assertEqual({item.key: item.data for item in items},
                         {f"k{n}": str(n).encode() if n < 20 else b"" for n in range(21)})

    def test_transactions(self):
        client = self.client()
        client.save_state(STORE, "gone", "x")
        client.execute_state_transaction(STORE, [
            TransactionalStateOperation(key="made", data="1", operation_type=TransactionOperationType.upsert),
            TransactionalStateOperation(key="gone", data="", operation_type=TransactionOperationType.delete)])
        self.assertEqual(client.get_state(STORE, "made").data, b"1")
        self.assertEqual(client.get_state(STORE, "gone").data, b"")

    def test_a_value_expires(self):
        client = self.client()
        client.save_state(STORE, "k", "v", state_metadata={"ttlInSeconds": "1000"})
        response = self.stub().GetState(state_pb2.GetStateRequest(store_name=STORE, key="k"))
        self.assertRegex(response.metadata["ttlExpireTime"], r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$")
        client.save_state(STORE, "soon", "v", state_metadata={"ttlInSeconds": "1"})
        wait_until(lambda: client.get_state(STORE, "soon").data == b"", "the value to expire")
        with self.assertRaises(grpc.RpcError) as caught:
            client.save_state(STORE, "k", "v", state_metadata={"ttlInSeconds": "soon"})
        self.assertIn(STORE, caught.exception.details())

    def test_errors_are_daprs(self):
        stub = self.stub()

        def get_of(store, key):
            return lambda: stub.GetState(state_pb2.GetStateRequest(store_name=store, key=key))

        self.assert_fails(get_of("nowhere", "k"), grpc.StatusCode.INVALID_ARGUMENT, "state store nowhere is not found",
                          info("DAPR_STATE_NOT_FOUND"))
        wrong_key = "input key/keyPrefix 'a||b' can't contain '||'"
        self.assert_fails(get_of(STORE, "a||b"), grpc.StatusCode.INVALID_ARGUMENT, wrong_key,
                          ("BadRequest", {"field_violations": [{"field": "a||b", "description": wrong_key}]}),
                          ("ResourceInfo", {"resource_type": "state", "resource_name": STORE}),
                          info("DAPR_STATE_ILLEGAL_KEY"))
        self.assert_fails(
            lambda: stub.SaveState(state_pb2.SaveStateRequest(store_name=STORE, states=[common_pb2.StateItem()])),
            grpc.StatusCode.INVALID_ARGUMENT, "state key cannot be empty", info("ERR_STATE_SAVE"))
        operation = state_pb2.TransactionalStateOperation(operationType="swap")
        self.assert_fails(
            lambda: stub.ExecuteStateTransaction(
                state_pb2.ExecuteStateTransactionRequest(storeName=STORE, operations=[operation])),
            grpc.StatusCode.UNIMPLEMENTED, "operation type swap not supported",
            info("ERR_NOT_SUPPORTED_STATE_OPERATION"))
        self.assert_fails(lambda: stub.QueryStateAlpha1(state_pb2.QueryStateRequest(store_name=STORE, query="{}")),
                          grpc.StatusCode.INTERNAL, "state store does not support querying",
                          ("ResourceInfo", {"resource_type": "state", "resource_name": STORE}),
                          info("DAPR_STATE_QUERYING_NOT_SUPPORTED"))

    def test_the_sdk_reads_the_details(self):
        with self.assertRaises(DaprGrpcError) as caught:
            self.client().get_state("nowhere", "k")
        self.assertEqual(caught.exception.code(), grpc.StatusCode.INVALID_ARGUMENT)
        self.assertEqual(caught.exception.error_code(), "DAPR_STATE_NOT_FOUND")

class StateInSqliteTest(StateTest):
    """The same where every operation completes on another thread."""

    def start_tandem(self):
        self.write("resources/store.yaml", f"""
apiVersion: dapr.io/v1alpha1
kind: Component
metadata: {{name: {STORE}}}
spec:
  type: state.sqlite
  version: v1
  metadata:
    - {{name: connectionString, value: "{self.folder}/state.db"}}
""")
        return self.run_guest("echo", "--resources-path", self.folder / "resources")


class AccessTest(GrpcTest):
    def start_tandem(self):
        path = self.write("config.yaml", """
apiVersion: dapr.io/v1alpha1
kind: Configuration
metadata: {name: c}
spec:
  api:
    allowed:
      - {name: state, version: v1, protocol: grpc}
""")
        return self.run_guest("echo", "--config", path)

    def test_only_what_is_allowed_is_there(self):
        stub = self.stub()
        self.assertEqual(stub.GetState(state_pb2.GetStateRequest(store_name=STORE, key="k")).data, b"")
        details = info("Not Implemented", http__code="501", http__error_message="requested endpoint is not available")
        self.assert_fails(lambda: stub.GetMetadata(metadata_pb2.GetMetadataRequest()), grpc.StatusCode.UNIMPLEMENTED,
                          "Not Implemented", details)
        self.assertEqual(get(self.tandem.app.dapr_url + "/v1.0/metadata").status, 200)


class PubsubTest(GrpcTest):
    def test_an_event_is_taken(self):
        client = self.client()
        client.publish_event("pubsub", "orders", json.dumps({"n": 1}), data_content_type="application/json")
        for method in (self.stub().BulkPublishEventAlpha1, self.stub().BulkPublishEvent):
            entries = [pubsub_pb2.BulkPublishRequestEntry(entry_id=str(n), event=b"x", content_type="text/plain")
                       for n in range(3)]
            answer = method(pubsub_pb2.BulkPublishRequest(pubsub_name="pubsub", topic="orders", entries=entries))
            self.assertEqual(list(answer.failedEntries), [])

    def test_errors_are_daprs(self):
        stub = self.stub()

        def publish(name, topic, **metadata):
            request = pubsub_pb2.PublishEventRequest(pubsub_name=name, topic=topic, data=b"x", metadata=metadata)
            return lambda: stub.PublishEvent(request)

        self.assert_fails(publish("nobus", "t", a="b"), grpc.StatusCode.INVALID_ARGUMENT, "pubsub nobus is not found",
                          info("DAPR_PUBSUB_NOT_FOUND"))
        empty = "topic is empty in pubsub pubsub"
        bus = {"resource_type": "pubsub", "resource_name": "pubsub", "description": empty}
        self.assert_fails(publish("pubsub", "", a="b"), grpc.StatusCode.INVALID_ARGUMENT, empty, ("ResourceInfo", bus),
                          info("DAPR_PUBSUB_TOPIC_NAME_EMPTY", a="b"))
        self.assert_fails(publish("", "t"), grpc.StatusCode.INVALID_ARGUMENT, "pubsub name is empty",
                          ("ResourceInfo", {"resource_type": "pubsub", "description": "pubsub name is empty"}),
                          info("DAPR_PUBSUB_NAME_EMPTY"))

class InvokeTest(GrpcTest):
    def start_tandem(self):
        apps = "".join(f'  - {{appID: {name}, module: "{guest("echo")}", appPort: 0, daprHTTPPort: 0}}\n'
                       for name in ("one", "two"))
        return self.run_file(f"version: 1\napps:\n{apps}", apps=2)

    def invoke(self, app, method="m", verb=common_pb2.HTTPExtension.GET, body=b"", metadata=()):
        """InvokeService as `one`: a function that calls it, for the answer and its metadata."""
        message = common_pb2.InvokeRequest(method=method, http_extension=common_pb2.HTTPExtension(verb=verb))
        message.data.value = body
        request = invoke_pb2.InvokeServiceRequest(id=app, message=message)
        stub = self.stub(self.tandem.apps["one"])
        return lambda: stub.InvokeService.with_call(request, metadata=metadata)

    def test_the_sdk_invokes_an_app_over_its_http(self):
        client = self.client(self.tandem.apps["one"])
        answer = client.invoke_method("two", "orders/17", data=b"a body", content_type="text/plain", http_verb="POST",
                                      http_querystring=(("q", "1"),))
        self.assertEqual(answer.data, b"a body")
        self.assertEqual(answer.content_type, "text/plain")
        self.assertEqual(client.invoke_method("two", "path", data=b"", http_verb="GET",
                                              http_querystring=(("q", "1"),)).data, b"/path?q=1")

    def test_what_comes_with_an_invocation(self):
        trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
        sent = (("x-mine", "1"), ("dapr-caller-app-id", "nobody"), ("traceparent", trace))
        answer, call = self.invoke("two", "headers", metadata=sent)()
        seen = dict(line.split(": ", 1) for line in answer.data.value.decode().splitlines())
        self.assertEqual(seen["x-mine"], "1")
        self.assertEqual(seen["dapr-caller-app-id"], "one")
        self.assertEqual(seen["dapr-callee-app-id"], "two")
        self.assertEqual(seen["traceparent"].split("-")[1], trace.split("-")[1])
        self.assertEqual(dict(call.initial_metadata())["dapr-http-status"], "200")

    def test_an_app_that_fails_fails_the_call(self):
        for status, code, text in ((400, grpc.StatusCode.INTERNAL, "Bad Request"),
                                   (404, grpc.StatusCode.NOT_FOUND, "Not Found"),
                                   (500, grpc.StatusCode.UNKNOWN, "Internal Server Error"),
                                   (503, grpc.StatusCode.UNAVAILABLE, "Service Unavailable")):
            self.assert_fails(self.invoke("two", f"status/{status}"), code, text,
                              info(text, http__code=str(status), http__error_message=""))

    def test_errors_are_daprs(self):
        self.assert_fails(self.invoke("nobody"), grpc.StatusCode.INTERNAL,
                          "failed to invoke, id: nobody, err: couldn't find service: nobody")
        self.assert_fails(self.invoke("two", "a?b"), grpc.StatusCode.INTERNAL,
                          "failed to invoke, id: two, err: rpc error: code = InvalidArgument desc = invalid method: "
                          'method contains forbidden character: "a?b"')

    def test_each_port_is_its_own_app(self):
        one, two = (self.client(self.tandem.apps[name]) for name in ("one", "two"))
        one.save_state(STORE, "k", "of one")
        self.assertEqual(two.get_state(STORE, "k").data, b"")
        for name in ("one", "two"):
            self.assertEqual(self.stub(self.tandem.apps[name]).GetMetadata(metadata_pb2.GetMetadataRequest()).id, name)

class SidecarTest(GrpcTest):
    def test_metadata_and_labels(self):
        client = self.client()
        client.set_metadata("mine", "yes")
        metadata = client.get_metadata()
        self.assertEqual(metadata.application_id, "echo")
        self.assertEqual({(c.name, c.type, c.version) for c in metadata.registered_components},
                         {(STORE, "state.in-memory", "v1"), ("pubsub", "pubsub.in-memory", "v1")})
        self.assertEqual(metadata.extended_metadata["mine"], "yes")
        over_http = get(self.tandem.app.dapr_url + "/v1.0/metadata").json()
        self.assertEqual(over_http["extended"], metadata.extended_metadata)
        raw = self.stub().GetMetadata(metadata_pb2.GetMetadataRequest())
        self.assertEqual(raw.runtime_version, over_http["runtimeVersion"])
        self.assertEqual(raw.app_connection_properties.port, over_http["appConnectionProperties"]["port"])

    def test_baggage_comes_back_where_calls_are_traced(self):
        untraced = self.run_guest("echo", "--config", self.write("untraced.yaml", TRACING.format(0)))
        stub = self.stub(untraced.app)
        ask = lambda stub, *values: stub.GetMetadata.with_call(
            metadata_pb2.GetMetadataRequest(), metadata=[("baggage", value) for value in values], timeout=PATIENCE)
        _, call = ask(stub, "a=1")
        self.assertNotIn("baggage", dict(call.initial_metadata()))
        traced = self.run_guest("echo", "--config", self.write("traced.yaml", TRACING.format(1)))
        stub = self.stub(traced.app)
        _, call = ask(stub, "a = 1", "b=2;p")
        self.assertEqual(dict(call.initial_metadata())["baggage"], "a=1,b=2;p")
        _, call = ask(stub)
        self.assertNotIn("baggage", dict(call.initial_metadata()))
        self.assert_fails(lambda: ask(stub, "a"), grpc.StatusCode.INVALID_ARGUMENT,
                          'invalid baggage header: invalid baggage list-member: "a"')

    def test_shutdown_ends_the_process(self):
        self.stub().Shutdown(dapr_pb2.ShutdownRequest())
        self.assertEqual(self.tandem.process.wait(PATIENCE), 0)

    def test_what_is_not_configured_says_so(self):
        channel = grpc.insecure_channel(self.tandem.app.dapr_grpc)
        self.addCleanup(channel.close)
        call = channel.unary_unary("/dapr.proto.runtime.v1.Dapr/GetSecret", lambda m: m, lambda b: b)
        self.assert_fails(lambda: call(b""), grpc.StatusCode.FAILED_PRECONDITION, "secret store is not configured")
        call = channel.unary_unary("/other.Service/Do", lambda m: m, lambda b: b)
        self.assert_fails(lambda: call(b""), grpc.StatusCode.UNKNOWN, "failed to proxy request: required metadata "
                          "dapr-callee-app-id or dapr-app-id not found")
        call = channel.unary_unary("/dapr.proto.runtime.v1.Dapr/NewInDapr", lambda m: m, lambda b: b)
        self.assert_fails(lambda: call(b""), grpc.StatusCode.UNIMPLEMENTED,
                          "method NewInDapr of service dapr.proto.runtime.v1.Dapr is not served here")

    def test_a_message_over_the_limit_is_refused(self):
        with self.assertRaises(grpc.RpcError) as caught:
            self.client().save_state(STORE, "k", b"x" * (5 << 20))
        self.assertEqual(caught.exception.code(), grpc.StatusCode.RESOURCE_EXHAUSTED)

    def test_compressed_messages_count_with_their_size_unpacked(self):
        stub = self.stub()

        def save(size, how=grpc.Compression.Gzip):
            item = common_pb2.StateItem(key="packed", value=b"x" * size)
            stub.SaveState(state_pb2.SaveStateRequest(store_name=STORE, states=[item]), compression=how)

        save(1 << 20)
        kept = stub.GetState(state_pb2.GetStateRequest(store_name=STORE, key="packed"))
        self.assertEqual(kept.data, b"x" * (1 << 20))
        with self.assertRaises(grpc.RpcError) as caught:
            save(64 << 20)
        self.assertEqual(caught.exception.code(), grpc.StatusCode.RESOURCE_EXHAUSTED)
        with self.assertRaises(grpc.RpcError) as caught:
            save(1 << 20, grpc.Compression.Deflate)
        self.assertEqual(caught.exception.code(), grpc.StatusCode.UNIMPLEMENTED)

class TokenTest(GrpcTest):
    def start_tandem(self):
        return self.run_guest("echo", env={"DAPR_API_TOKEN": "secret"})

    def test_the_token_is_asked_for(self):
        stub = self.stub()

        def call(*metadata):
            return stub.GetMetadata(metadata_pb2.GetMetadataRequest(), metadata=metadata)

        self.assertEqual(call(("dapr-api-token", "secret")).id, "echo")
        for metadata, said in (((), "missing api token in request metadata"),
                               ((("dapr-api-token", "wrong"),), "authentication error: api token mismatch")):
            self.assert_fails(lambda: call(*metadata), grpc.StatusCode.UNAUTHENTICATED, "Unauthorized",
                              info("Unauthorized", http__code="401", http__error_message=said))

class PortTest(TandemTest):
    def test_a_port_in_use_is_one_line(self):
        with socket.create_server(("127.0.0.1", 0)) as taken:
            port = taken.getsockname()[1]
            ended = tandem("run", guest("hello"), "--app-port", "0", "--dapr-http-port", "0", "--no-metrics",
                           "--dapr-grpc-port", port, env=environment())
        self.assertEqual(ended.returncode, 1)
        lines = [line for line in ended.stderr.splitlines() if "cannot listen" in line]
        self.assertEqual(len(lines), 1, ended.stderr)
        self.assertIn(f"127.0.0.1:{port} for the Dapr gRPC API of app hello: address already in use", lines[0])
        self.assertIn("--dapr-grpc-port", lines[0])

if __name__ == "__main__":
    unittest.main()
