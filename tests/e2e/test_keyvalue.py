"""wasi:keyvalue in a real guest, on the stores that come with Tandem: each case in memory and in SQLite."""

import unittest
from urllib.parse import quote

from harness import TandemTest, post
from observe import together, wait_until

COMPONENT = """
apiVersion: dapr.io/v1alpha1
kind: Component
metadata:
  name: {name}
spec:
  type: {type}
  version: v1
  metadata:
    - {{name: connectionString, value: "{folder}/{name}.db"}}
    - {{name: keyPrefix, value: "{prefix}"}}
"""


class KeyvalueTest(TandemTest):
    type = "state.in-memory"

    def setUp(self):
        super().setUp()
        for name, prefix in (("statestore", "appid"), ("shared", "none")):
            text = COMPONENT.format(name=name, type=self.type, folder=self.folder, prefix=prefix)
            if self.type == "state.in-memory":
                text = "\n".join(line for line in text.splitlines() if "connectionString" not in line)
            self.write(f"resources/{name}.yaml", text)
        self.tandem = self.run_guest("keyvalue_calls", "--resources-path", self.folder / "resources")

    def call(self, path, body=b"", status=200):
        answer = self.tandem.post(path, body)
        self.assertEqual(answer.status, status, answer)
        return answer.text

    def test_values(self):
        self.call("/get/a", status=404)
        self.call("/set/a", "one", 204)
        self.assertEqual(self.call("/get/a"), "one")
        self.assertEqual(self.call("/exists/a"), "true")
        self.call("/set/empty", b"", 204)
        self.assertEqual(self.call("/get/empty"), "")
        self.call("/delete/a", status=204)
        self.call("/delete/a", status=204)
        self.assertEqual(self.call("/exists/a"), "false")

    def test_buckets(self):
        self.call("/get/a?bucket=nobody", status=404)
        self.call("/set/a?bucket=default", "one", 204)
        self.call("/get/%s" % quote("a||b", safe=""), status=500)

    def test_many(self):
        self.call("/set-many", "a=1\nb=2\nc=3", 204)
        self.assertEqual(self.call("/get-many", "a\nmissing\nc").split(), ["a=1", "c=3"])
        self.call("/delete-many", "a\nc", 204)
        self.assertEqual(self.call("/get-many", "a\nb\nc").split(), ["b=2"])

    def test_a_counter_loses_nothing(self):
        together(8, lambda _: [self.call("/increment/n") for _ in range(25)])
        self.assertEqual(self.call("/get/n"), "200")
        self.assertEqual(self.call("/increment/n?by=50"), "250")
        self.call("/set/word", "seven", 204)
        self.assertIn("not a number", self.call("/increment/word", status=500))

    def all_keys(self, bucket):
        keys, cursor = [], None
        for _ in range(100):
            page = self.call(f"/keys?bucket={bucket}" + (f"&cursor={cursor}" if cursor else "")).split("\n")
            cursor = page.pop().removeprefix("cursor ") if page[-1].startswith("cursor ") else None
            keys += [key for key in page if key]
            if cursor is None:
                return keys
        raise AssertionError("the pages do not end")

    def test_keys_come_in_pages(self):
        self.assertEqual(self.all_keys("statestore"), [])
        names = sorted(f"key-{i:04}" for i in range(2500))
        self.call("/set-many", "\n".join(f"{name}=x" for name in names), 204)
        self.assertEqual(self.all_keys("statestore"), names)

    def test_keys_of_exactly_one_page(self):
        names = sorted(f"{i:04}" for i in range(1000))
        self.call("/set-many", "\n".join(f"{name}=x" for name in names), 204)
        self.assertEqual(self.all_keys("statestore"), names)

    def test_only_keys_of_the_app_that_have_not_expired(self):
        self.call("/set/mine?bucket=shared", "x", 204)
        state = self.tandem.app.dapr_url + "/v1.0/state/"
        self.assertEqual(post(state + "shared", [{"key": "brief", "value": 1, "metadata": {"ttlInSeconds": "1"}},
                                                 {"key": "long", "value": 1, "metadata": {"ttlInSeconds": "1000"}}]).status, 204)
        wait_until(lambda: self.tandem.post("/exists/brief?bucket=shared").text == "false", "a value to expire")
        self.assertEqual(self.all_keys("shared"), ["long", "mine"])
        self.assertEqual(self.all_keys("statestore"), [])


class SqliteKeyvalueTest(KeyvalueTest):
    type = "state.sqlite"


if __name__ == "__main__":
    unittest.main()
