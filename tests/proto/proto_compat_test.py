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
METHODS = 14 + 7  # of the Dapr service, and of what an app serves


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
        cls.ours = our_files()

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
                  "workflow_access_policies", "resiliencies")}
        self.assertEqual(left_out - known, set())


if __name__ == "__main__":
    unittest.main()
