"""A gRPC call of a wire file: the method's name and a message in protobuf's text format, through the descriptors of
Dapr's own Python SDK."""

import sys

from harness import PATIENCE, source
from wire_file import Message

sys.path.insert(0, str(source() / "tools"))
import python_sdk  # noqa: E402

sys.path.insert(0, str(python_sdk.site_packages()))
import grpc  # noqa: E402
from dapr.proto.runtime.v1 import dapr_pb2  # noqa: E402
from google.protobuf import message_factory, text_format  # noqa: E402
from google.rpc import error_details_pb2, status_pb2  # noqa: E402,F401
from grpc_status import rpc_status  # noqa: E402

METHODS = dapr_pb2.DESCRIPTOR.services_by_name["Dapr"].methods_by_name


def as_plain(message):
    """A message as dicts, lists and text, in which `*` and `~pattern` can stand for a value."""
    out = {}
    for field, value in message.ListFields():
        if field.message_type and field.message_type.GetOptions().map_entry:
            inner = field.message_type.fields_by_name["value"]
            out[field.name] = {str(k): as_plain(value[k]) if inner.message_type else plain(value[k]) for k in value}
        elif field.is_repeated:
            out[field.name] = [as_plain(one) if field.message_type else plain(one) for one in value]
        else:
            out[field.name] = as_plain(value) if field.message_type else plain(value)
    if message.DESCRIPTOR.full_name == "google.protobuf.Any" and message.type_url:
        inner = message.type_url.rsplit("/", 1)[1]
        try:
            found = message_factory.GetMessageClass(dapr_pb2.DESCRIPTOR.pool.FindMessageTypeByName(inner))
            out["value"] = as_plain(found.FromString(message.value))
        except KeyError:
            pass
    return out


def plain(value):
    return value.decode("utf-8", "backslashreplace") if isinstance(value, bytes) else value


def answer_type(first, method):
    """The type of a reply's body."""
    if first.split(" ")[0] != "OK":
        return status_pb2.Status
    return message_factory.GetMessageClass(METHODS[method].output_type)


def expected_body(reply, method):
    return as_plain(text_format.Parse(reply.body or "", answer_type(reply.first, method)()))


def call(address, request):
    """A Message whose body is protobuf text, and the same as plain values."""
    name = request.first.split()[1]
    method = METHODS[name]
    message = text_format.Parse(request.body or "", message_factory.GetMessageClass(method.input_type)())
    answer = message_factory.GetMessageClass(method.output_type)
    with grpc.insecure_channel(address) as channel:
        stub = channel.unary_unary(f"/dapr.proto.runtime.v1.Dapr/{name}", type(message).SerializeToString,
                                   answer.FromString)
        try:
            got, came = stub.with_call(message, metadata=request.headers, timeout=PATIENCE)
            headers = [(key, value) for key, value in came.initial_metadata() if isinstance(value, str)]
            first = "OK"
        except grpc.RpcError as error:
            status = rpc_status.from_call(error)
            got = status_pb2.Status(details=status.details if status else ())
            headers = []
            first = f"{error.code().name} {error.details()}"
    return Message(first, headers, text_format.MessageToString(got).rstrip("\n")), as_plain(got)
