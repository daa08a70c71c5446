"""kill -9 under load, again and again: whatever a client was told is written is there afterwards."""

import http.client
import json
import sqlite3
import threading
import unittest
from urllib.parse import urlsplit

from harness import PATIENCE, TandemTest, cache_folder, guest, post
from observe import wait_until

ROUNDS = 5
CLIENTS = 8
WRITES_A_ROUND = 400

COMPONENT = """
apiVersion: dapr.io/v1alpha1
kind: Component
metadata:
  name: statestore
spec:
  type: state.sqlite
  version: v1
  metadata:
    - name: connectionString
      value: "{}"
"""


class Client:
    """Writes until the process is gone, and remembers what it was told."""

    def __init__(self, index):
        self.index = index
        self.written = {}  # keys that are written once -> value
        self.latest = 0  # the last number that was acknowledged for the keys that are written again and again
        self.tried = 0
        self.acknowledged = 0
        self.refused = []

    def work(self, app, prefix):
        through_guest = self.index % 2 == 0
        parts = urlsplit(app.url if through_guest else app.dapr_url)
        connection = http.client.HTTPConnection(parts.hostname, parts.port, timeout=PATIENCE)

        def send(path, body):
            connection.request("POST", path, body=body)
            answer = connection.getresponse()
            text = answer.read()
            if answer.status != 204:
                self.refused.append((answer.status, text))
                raise ConnectionError(text)
            self.acknowledged += 1

        try:
            while True:
                number = self.tried = self.tried + 1
                key = f"{prefix}-{self.index}-{number}"
                value = json.dumps(f"value {number} " + "x" * (number * 53 % 700))
                if through_guest:
                    send(f"/set/{key}", value)
                    self.written[key] = value
                    # Two keys in a transaction: never one without the other.
                    send("/transact", f"+left-{self.index}={number}\n+right-{self.index}={number}")
                else:
                    send("/v1.0/state/statestore", json.dumps([{"key": key, "value": json.loads(value)}]))
                    self.written[key] = value
                    operations = [{"operation": "upsert", "request": {"key": f"{side}-{self.index}", "value": number}}
                                  for side in ("left", "right")]
                    send("/v1.0/state/statestore/transaction", json.dumps({"operations": operations}))
                self.latest = number
        except (OSError, http.client.HTTPException):
            connection.close()


class DurabilityTest(TandemTest):
    def setUp(self):
        super().setUp()
        self.database = self.folder / "state.db"
        self.write("resources/statestore.yaml", COMPONENT.format(self.database))

    def open(self):
        return self.start(guest("state_calls"), "--app-id", "writer", "--app-port", "0", "--dapr-http-port", "0",
                          "--metrics-port", "0", "--cache-folder", cache_folder(),
                          "--resources-path", self.folder / "resources").wait_until_serving()

    def check(self, tandem, clients):
        """All that was acknowledged is there, as the API says and as the file says."""
        for client in clients:
            self.assertEqual(client.refused, [])
        wanted = {key: value for client in clients for key, value in client.written.items()}
        keys = sorted(wanted)
        for start in range(0, len(keys), 500):
            piece = keys[start : start + 500]
            answer = post(tandem.app.dapr_url + "/v1.0/state/statestore/bulk", {"keys": piece, "parallelism": 10})
            self.assertEqual(answer.status, 200)
            found = {one["key"]: one.get("data") for one in answer.json()}
            for key in piece:
                self.assertEqual(json.dumps(found[key]), wanted[key], f"{key} was acknowledged")
        with sqlite3.connect(f"file:{self.database}?mode=ro", uri=True) as database:
            self.assertEqual(database.execute("PRAGMA integrity_check").fetchall(), [("ok",)])
            rows = dict(database.execute("SELECT key, value FROM state"))
        for key in keys:
            self.assertIn(f"writer||{key}", rows)
        for client in clients:
            if client.latest == 0:
                continue
            left, right = (int(rows[f"writer||{side}-{client.index}"]) for side in ("left", "right"))
            self.assertEqual(left, right, "half a transaction")
            self.assertGreaterEqual(left, client.latest, "an older value has come back")
            self.assertLessEqual(left, client.tried)

    def test_kill_under_load(self):
        clients = [Client(index) for index in range(CLIENTS)]
        tandem = self.open()
        for number in range(ROUNDS):
            before = sum(client.acknowledged for client in clients)
            threads = [threading.Thread(target=client.work, args=(tandem.app, f"round{number}"), daemon=True)
                       for client in clients]
            for thread in threads:
                thread.start()
            wait_until(lambda: sum(client.acknowledged for client in clients) - before >= WRITES_A_ROUND,
                       "writes", pause=0.001)
            tandem.kill()
            for thread in threads:
                thread.join(PATIENCE)
            tandem = self.open()
            self.check(tandem, clients)
        self.assertGreaterEqual(sum(client.acknowledged for client in clients), ROUNDS * WRITES_A_ROUND)

    def test_kill_while_it_starts(self):
        """A process that is killed at any moment of its start leaves a file that the next one opens."""
        tandem = self.open()
        self.assertEqual(tandem.post("/set/first", "1").status, 204)
        tandem.kill()
        for _ in range(8):
            one = self.start(guest("state_calls"), "--app-id", "writer", "--app-port", "0", "--dapr-http-port", "0",
                             "--metrics-port", "0", "--cache-folder", cache_folder(),
                             "--resources-path", self.folder / "resources")
            wait_until(self.database.exists, "the file")
            one.kill()
        tandem = self.open()
        self.assertEqual(tandem.get("/get/first").text, "1")

    def test_two_processes_share_the_file(self):
        one, two = self.open(), self.open()
        for number in range(50):
            writer, reader = (one, two) if number % 2 else (two, one)
            self.assertEqual(writer.post(f"/set/shared-{number}", str(number)).status, 204)
            self.assertEqual(reader.get(f"/get/shared-{number}").text, str(number))
        one.kill()
        self.assertEqual(two.get("/get/shared-49").text, "49")
        self.assertEqual(two.post("/set/after", "1").status, 204)


if __name__ == "__main__":
    unittest.main()
