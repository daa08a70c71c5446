#!/usr/bin/env python3
"""The .proto files of this tree against the official ones: whatever is in ours is in theirs, the same on the wire.

Official descriptors come from the Python package `dapr` and what it depends on (tools/python_sdk.py). Compared are every
message, its fields (number, type, label, presence, oneof, the message or enum that a field is of, the JSON name), every
enum and its values, and every method with its two types and its streaming.

Needs PROTOC (the compiler) and TANDEM_SOURCE, which ctest sets.
"""

import importlib
import os
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

SOURCE = Path(os.environ.get("TANDEM_SOURCE", Path(__file__).resolve().parents[2]))
sys.path.insert(0, str(SOURCE / "tools"))
import python_sdk  # noqa: E402

sys.path.insert(0, str(python_sdk.site_packages()))
from google.protobuf import descriptor_pb2, descriptor_pool  # noqa: E402

OFFICIAL = [
    "dapr.proto.common.v1.common_pb2",
    "dapr.proto.runtime.v1.appcallback_pb2",
    "dapr.proto.runtime.v1.dapr_pb2",
    "google.rpc.status_pb2",
    "google.rpc.error_details_pb2",
]
METHODS = 24 + 8  # of the Dapr service, and of what an app serves

# What no official package for clients has: the API between sidecars, as dapr/proto/internals/v1 of daprd 1.18.1 is on
# the wire. Of a field: number, type as in .proto, and whether it is repeated (a map is a repeated entry).
INTERNALS = "dapr.proto.internals.v1"
INTERNAL_FIELDS = {
    "InternalInvokeRequest": {"ver": (1, "APIVersion", False), "metadata": (2, "MetadataEntry", True),
                              "message": (3, "dapr.proto.common.v1.InvokeRequest", False)},
    "InternalInvokeRequest.MetadataEntry": {"key": (1, "string", False), "value": (2, "ListStringValue", False)},
    "InternalInvokeResponse": {"status": (1, "Status", False), "headers": (2, "HeadersEntry", True),
                               "trailers": (3, "TrailersEntry", True),
                               "message": (4, "dapr.proto.common.v1.InvokeResponse", False)},
    "InternalInvokeResponse.HeadersEntry": {"key": (1, "string", False), "value": (2, "ListStringValue", False)},
    "InternalInvokeResponse.TrailersEntry": {"key": (1, "string", False), "value": (2, "ListStringValue", False)},
    "InternalInvokeRequestStream": {"request": (1, "InternalInvokeRequest", False),
                                    "payload": (2, "dapr.proto.common.v1.StreamPayload", False)},
    "InternalInvokeResponseStream": {"response": (1, "InternalInvokeResponse", False),
                                     "payload": (2, "dapr.proto.common.v1.StreamPayload", False)},
    "ListStringValue": {"values": (1, "string", True)},
    "Status": {"code": (1, "int32", False), "message": (2, "string", False),
               "details": (3, "google.protobuf.Any", True)},
}
INTERNAL_METHODS = {"CallLocal": ("InternalInvokeRequest", "InternalInvokeResponse", False, False),
                    "CallLocalStream": ("InternalInvokeRequestStream", "InternalInvokeResponseStream", True, True)}

# What no package has at all: the protocol of pluggable components (dapr/proto/components/v1 of daprd 1.18.1), a line for
# each field, value and method in a file beside this one, as lines_of() writes it; and of it, what is left out here.
COMPONENTS = "dapr.proto.components.v1"
COMPONENT_LINES = Path(__file__).with_name("components_v1.txt")
# Queries are not a part of Tandem's state API; a stop takes the subscriptions away without a pause before.
WITHOUT = ("QueriableStateStore/", "Query", "Sorting", "Pagination.", "PubSub/Pause ", "PubSub/Resume ")

# As much of server reflection as is asked.
REFLECTION = "tandem.reflection"
REFLECTION_LINES = """ErrorResponse.error_code 1 int32
ErrorResponse.error_message 2 string
ExtensionNumberResponse.base_type_name 1 string
ExtensionNumberResponse.extension_number 2 repeated int32
ExtensionRequest.containing_type 1 string
ExtensionRequest.extension_number 2 int32
FileDescriptorResponse.file_descriptor_proto 1 repeated bytes
ListServiceResponse.service 1 repeated ServiceResponse
ServerReflectionRequest.all_extension_numbers_of_type 6 string oneof message_request
ServerReflectionRequest.file_by_filename 3 string oneof message_request
ServerReflectionRequest.file_containing_extension 5 ExtensionRequest oneof message_request
ServerReflectionRequest.file_containing_symbol 4 string oneof message_request
ServerReflectionRequest.host 1 string
ServerReflectionRequest.list_services 7 string oneof message_request
ServerReflectionResponse.all_extension_numbers_response 5 ExtensionNumberResponse oneof message_response
ServerReflectionResponse.error_response 7 ErrorResponse oneof message_response
ServerReflectionResponse.file_descriptor_response 4 FileDescriptorResponse oneof message_response
ServerReflectionResponse.list_services_response 6 ListServiceResponse oneof message_response
ServerReflectionResponse.original_request 2 ServerReflectionRequest
ServerReflectionResponse.valid_host 1 string
ServiceResponse.name 1 string"""


def lines_of(files, package):
    """All that the other side can notice of these files, sorted."""
    def name_of(one):
        return one.full_name.removeprefix(package + ".")

    def type_of(field):
        of = field.message_type or field.enum_type
        name = descriptor_pb2.FieldDescriptorProto.Type.Name(field.type)
        return name_of(of) if of else name.removeprefix("TYPE_").lower()

    out = []
    for file in files:
        enums = list(file.enum_types_by_name.values())
        for message in messages_of(file.message_types_by_name.values()):
            enums += message.enum_types
            for field in message.fields:
                words = [f"{name_of(field)} {field.number}", "repeated" if field.is_repeated else "", type_of(field),
                         f"oneof {field.containing_oneof.name}" if field.containing_oneof else ""]
                out.append(" ".join(word for word in words if word))
        for enum in enums:
            out += [f"{name_of(enum)} {value.number} = {value.name}" for value in enum.values]
        for service in file.services_by_name.values():
            for method in service.methods:
                given = "stream " * method.client_streaming + name_of(method.input_type)
                got = "stream " * method.server_streaming + name_of(method.output_type)
                out.append(f"{name_of(service)}/{method.name} {given} -> {got}")
    return sorted(out)


def our_files():
    """Our descriptors, as protoc compiles them."""
    root = SOURCE / "proto"
    files = sorted(str(path.relative_to(root)) for path in root.rglob("*.proto"))
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "ours.bin"
        subprocess.run([os.environ.get("PROTOC", "protoc"), f"-I{root}", "--include_imports",
                        f"--descriptor_set_out={out}", *files], check=True)
        found = descriptor_pb2.FileDescriptorSet.FromString(out.read_bytes())
    pool = descriptor_pool.DescriptorPool()
    for file in found.file:
        pool.Add(file)
    return [pool.FindFileByName(name) for name in files]


def field_on_the_wire(field):
    """All that the other side can notice of a field."""
    of = field.message_type or field.enum_type
    oneof = field.containing_oneof
    return {"number": field.number, "type": field.type, "repeated": field.is_repeated,
            "of": of.full_name if of else None, "presence": field.has_presence,
            "oneof": oneof.name if oneof else None, "json": field.json_name}


def messages_of(holder):
    for message in holder:
        yield message
        yield from messages_of(message.nested_types)


class ProtoCompatTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        for module in OFFICIAL:
            importlib.import_module(module)
        cls.official = descriptor_pool.Default()
        files = our_files()
        cls.of = staticmethod(lambda package: [file for file in files if file.package == package])
        cls.ours = [file for file in files if file.package not in (INTERNALS, COMPONENTS, REFLECTION)]
        cls.internals = cls.of(INTERNALS)

    def test_every_message_is_theirs(self):
        count = 0
        for file in self.ours:
            for message in messages_of(file.message_types_by_name.values()):
                theirs = self.official.FindMessageTypeByName(message.full_name)
                count += 1
                for field in message.fields:
                    with self.subTest(field=field.full_name):
                        self.assertIn(field.name, theirs.fields_by_name)
                        self.assertEqual(field_on_the_wire(field),
                                         field_on_the_wire(theirs.fields_by_name[field.name]))
        self.assertGreater(count, 40)

    def test_every_enum_is_theirs(self):
        count = 0
        for file in self.ours:
            enums = list(file.enum_types_by_name.values())
            for message in messages_of(file.message_types_by_name.values()):
                enums += message.enum_types
            for enum in enums:
                count += 1
                theirs = self.official.FindEnumTypeByName(enum.full_name)
                with self.subTest(enum=enum.full_name):
                    self.assertEqual({v.name: v.number for v in enum.values}, {v.name: v.number for v in theirs.values})
        self.assertEqual(count, 7)

    def test_every_method_is_theirs(self):
        count = 0
        for file in self.ours:
            for service in file.services_by_name.values():
                theirs = self.official.FindServiceByName(service.full_name)
                for method in service.methods:
                    count += 1
                    with self.subTest(method=method.full_name):
                        self.assertIn(method.name, theirs.methods_by_name)
                        other = theirs.methods_by_name[method.name]
                        self.assertEqual(method.input_type.full_name, other.input_type.full_name)
                        self.assertEqual(method.output_type.full_name, other.output_type.full_name)
                        self.assertEqual((method.client_streaming, method.server_streaming),
                                         (other.client_streaming, other.server_streaming))
        self.assertEqual(count, METHODS)

    def test_the_api_between_sidecars(self):
        def type_of(field):
            of = field.message_type or field.enum_type
            if of:
                return of.full_name.removeprefix(INTERNALS + ".").removeprefix(field.containing_type.name + ".")
            return {field.TYPE_STRING: "string", field.TYPE_INT32: "int32"}[field.type]

        messages = {}
        for file in self.internals:
            for message in messages_of(file.message_types_by_name.values()):
                messages[message.full_name.removeprefix(INTERNALS + ".")] = {
                    field.name: (field.number, type_of(field), field.is_repeated) for field in message.fields}
        self.assertEqual(messages, INTERNAL_FIELDS)
        (service,) = [service for file in self.internals for service in file.services_by_name.values()]
        self.assertEqual(service.full_name, INTERNALS + ".ServiceInvocation")
        self.assertEqual({method.name: (method.input_type.name, method.output_type.name, method.client_streaming,
                                        method.server_streaming) for method in service.methods}, INTERNAL_METHODS)
        (versions,) = [enum for file in self.internals for enum in file.enum_types_by_name.values()]
        self.assertEqual({value.name: value.number for value in versions.values},
                         {"APIVERSION_UNSPECIFIED": 0, "V1": 1})

    def test_the_protocol_of_components(self):
        theirs = COMPONENT_LINES.read_text().splitlines()
        kept = [line for line in theirs if not line.startswith(WITHOUT)]
        self.assertGreater(len(kept), 120)
        self.assertEqual(lines_of(self.of(COMPONENTS), COMPONENTS), kept)
        self.assertEqual(lines_of(self.of(REFLECTION), REFLECTION), REFLECTION_LINES.splitlines())

    def test_what_is_left_out_is_a_choice(self):
        """Fields of Dapr's that our messages do not have: a new one shows here, and is added or written down."""
        left_out = set()
        for file in self.ours:
            if not file.package.startswith("dapr."):
                continue
            for message in messages_of(file.message_types_by_name.values()):
                theirs = self.official.FindMessageTypeByName(message.full_name)
                left_out |= {f.full_name for f in theirs.fields if f.name not in message.fields_by_name}
        prefix = "dapr.proto.runtime.v1.GetMetadataResponse."
        # Actors, workflows and MCP are Dapr's; an empty list is not on the wire anyway.
        known = {prefix + name for name in
                 ("active_actors_count", "http_endpoints", "scheduler", "workflows", "mcp_servers",
                  "workflow_access_policies")}
        self.assertEqual(left_out - known, set())


if __name__ == "__main__":
    unittest.main()
