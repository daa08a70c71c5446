"""A state store with encrypted values: what is stored, through every door, and the rotation of keys."""

import base64
import json
import sqlite3
import sys
import unittest

from harness import TandemTest, cache_folder, get, guest, post, request, source

sys.path.insert(0, str(source() / "tools"))
import python_sdk  # noqa: E402

sys.path.insert(0, str(python_sdk.site_packages()))
import grpc  # noqa: E402
from dapr.proto.common.v1 import common_pb2  # noqa: E402
from dapr.proto.runtime.v1 import dapr_pb2_grpc, state_pb2  # noqa: E402

OLD = "000102030405060708090a0b0c0d0e0f"
NEW = "0f1e2d3c4b5a69788796a5b4c3d2e1f00f1e2d3c4b5a69788796a5b4c3d2e1f0"
# By Go's crypto/cipher with OLD, the nonce 40 to 4b: what a daprd writes for {"order":17}.
BY_DAPRD = "QEFCQ0RFRkdISUpLQgsGuAkui5K2iHRiSk9E5Wf+2WhuQ/+B6JFAog==||OLD_KEY"

COMPONENT = """
apiVersion: dapr.io/v1alpha1
kind: Component
metadata: {{name: vault}}
spec:
  type: state.sqlite
  version: v1
  metadata:
    - {{name: connectionString, value: "{folder}/vault.db"}}
    - {{name: primaryEncryptionKey, secretKeyRef: {{name: {primary}, key: {primary}}}}}
{more}
"""


class EncryptionTest(TandemTest):
    def run_vault(self, name="state_calls", primary="OLD_KEY", secondary=None):
        more = f"    - {{name: secondaryEncryptionKey, secretKeyRef: {{name: {secondary}}}}}" if secondary else ""
        self.write("resources/vault.yaml", COMPONENT.format(folder=self.folder, primary=primary, more=more))
        self.tandem = self.run_guest(name, "--resources-path", self.folder / "resources", "--app-id", "orders",
                                     env={"OLD_KEY": OLD, "NEW_KEY": NEW})
        return self.tandem

    def url(self, path):
        return f"{self.tandem.app.dapr_url}/v1.0/state/vault{path}"

    def stored(self):
        """What the file has, by key."""
        with sqlite3.connect(self.folder / "vault.db") as database:
            rows = database.execute("SELECT key, value, is_binary FROM state").fetchall()
        return {key: base64.b64decode(value).decode() if binary else value for key, value, binary in rows}

    def test_over_http(self):
        self.run_vault()
        for key, value in (("object", {"card": "4111 1111"}), ("text", "a secret"), ("number", 17), ("empty", "")):
            self.assertEqual(post(self.url(""), [{"key": key, "value": value}]).status, 204)
            answer = get(self.url(f"/{key}"))
            self.assertEqual((answer.status, answer.json()), (200, value))
            self.assertTrue(answer.headers["etag"])
        operations = {"operations": [{"operation": "upsert", "request": {"key": "t", "value": {"card": "4222"}}},
                                     {"operation": "delete", "request": {"key": "empty"}}]}
        self.assertEqual(post(self.url("/transaction"), operations).status, 204)
        items = post(self.url("/bulk"), {"keys": ["object", "t", "empty"]}).json()
        self.assertEqual([item.get("data") for item in items], [{"card": "4111 1111"}, {"card": "4222"}, None])
        metadata = get(self.tandem.app.dapr_url + "/v1.0/metadata").json()
        self.assertEqual(metadata["components"], [
            {"name": "vault", "type": "state.sqlite", "version": "v1",
             "capabilities": ["ETAG", "TRANSACTIONAL", "TTL", "KEYS_LIKE", "ACTOR"]}])
        stored = self.stored()
        self.assertEqual(set(stored), {f"orders||{key}" for key in ("object", "text", "number", "t")})
        for value in stored.values():
            self.assertTrue(value.endswith("||OLD_KEY"), value)
            base64.b64decode(value.removesuffix("||OLD_KEY"), validate=True)
            self.assertNotIn("secret", value)

    def test_over_grpc(self):
        self.run_vault()
        with grpc.insecure_channel(self.tandem.app.dapr_grpc) as channel:
            stub = dapr_pb2_grpc.DaprStub(channel)
            item = common_pb2.StateItem(key="k", value=b"\x00bytes\xff")
            stub.SaveState(state_pb2.SaveStateRequest(store_name="vault", states=[item]))
            answer = stub.GetState(state_pb2.GetStateRequest(store_name="vault", key="k"))
            self.assertEqual(answer.data, b"\x00bytes\xff")
            operation = state_pb2.TransactionalStateOperation(
                operationType="upsert", request=common_pb2.StateItem(key="t", value=b"in a transaction"))
            transaction = state_pb2.ExecuteStateTransactionRequest(storeName="vault", operations=[operation])
            stub.ExecuteStateTransaction(transaction)
            bulk = stub.GetBulkState(state_pb2.GetBulkStateRequest(store_name="vault", keys=["k", "t"]))
            self.assertEqual([one.data for one in bulk.items], [b"\x00bytes\xff", b"in a transaction"])
        self.assertTrue(all(value.endswith("||OLD_KEY") for value in self.stored().values()))

    def test_a_daprds_values_and_rotation(self):
        self.run_vault()
        self.assertEqual(post(self.url(""), [{"key": "k", "value": 1}]).status, 204)
        self.tandem.stop()
        with sqlite3.connect(self.folder / "vault.db") as database:
            written = base64.b64encode(BY_DAPRD.encode()).decode()
            database.execute("UPDATE state SET value = ?, is_binary = 1", [written])

        self.run_vault(primary="NEW_KEY", secondary="OLD_KEY")
        self.assertEqual(get(self.url("/k")).json(), {"order": 17})
        self.assertEqual(post(self.url(""), [{"key": "k", "value": 2}]).status, 204)
        self.assertTrue(self.stored()["orders||k"].endswith("||NEW_KEY"))
        self.tandem.stop()

        self.run_vault(primary="OLD_KEY")
        answer = get(self.url("/k"))
        self.assertEqual((answer.status, answer.json()["errorCode"]), (500, "ERR_STATE_GET"))
        self.assertRegex(answer.json()["message"], "^fail to get k from state store vault: .*NEW_KEY")
        (item,) = post(self.url("/bulk"), {"keys": ["k"]}).json()
        self.assertIn("NEW_KEY", item["error"])
        self.assertNotIn("data", item)

    def test_a_value_in_the_clear(self):
        self.run_vault()
        self.assertEqual(post(self.url(""), [{"key": "k", "value": 1}]).status, 204)
        with sqlite3.connect(self.folder / "vault.db") as database:
            database.execute("UPDATE state SET value = ?, is_binary = 0", [json.dumps({"in": "the clear"})])
        answer = get(self.url("/k"))
        self.assertEqual((answer.status, answer.json()["errorCode"]), (500, "ERR_STATE_GET"))
        self.assertIn("could not decrypt data for state store vault: encryption key name not found on record",
                      answer.json()["message"])
        self.assertEqual(request(self.url("/k"), "DELETE").status, 204)

    def test_a_bad_key_stops_the_start(self):
        self.write("resources/vault.yaml", COMPONENT.format(folder=self.folder, primary="OLD_KEY", more=""))
        one = self.start(guest("hello"), "--app-port", "0", "--dapr-http-port", "0", "--metrics-port", "0",
                         "--cache-folder", cache_folder(), "--resources-path", self.folder / "resources",
                         env={"OLD_KEY": "abcd"})
        self.assertEqual(one.wait(), 1)
        self.assertIn("an AES key has 16, 24 or 32 bytes, this one 2", one.errors)
        self.assertNotIn("abcd", one.errors)


if __name__ == "__main__":
    unittest.main()
