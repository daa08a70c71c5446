"""A Tandem and a real daprd on one Redis: each reads what the other publishes, and one group may have both.

Needs the daprd that `./dev daprd` builds into the cache; without one every test here is skipped, and says so.
"""

import json
import os
import subprocess
import threading
import time
import unittest
from pathlib import Path

from harness import PATIENCE, TandemTest, free_ports, get, post
from observe import wait_until
from program import serve_beside
from redis_server import RedisServer, wait_for_count
from redis_shop import Subscriber

DAPRD = Path(os.environ.get("TANDEM_CACHE") or Path.home() / ".cache" / "tandem") / "daprd" / "daprd"
NUMBER = 200


@unittest.skipUnless(DAPRD.exists(), f"there is no {DAPRD}: ./dev daprd builds it")
class PubsubRedisDaprdTest(TandemTest):
    def setUp(self):
        super().setUp()
        self.redis = RedisServer(self.folder)
        self.addCleanup(self.redis.close)

    def subscriber(self):
        one = Subscriber()
        self.addCleanup(one.program.close)
        return one

    def tandem(self, subscriber, app_id):
        one = serve_beside(self, subscriber.program.port, app_id=app_id, resources_path=self.resources())
        self.wait_until_subscribed(one.app.dapr_url)
        return one.app.dapr_url

    def daprd(self, subscriber, app_id):
        http_port, grpc_port, internal = free_ports(3)
        with open(self.folder / f"daprd-{app_id}.log", "wb") as log:
            process = subprocess.Popen(
                [str(DAPRD), "--app-id", app_id, "--app-port", str(subscriber.program.port), "--dapr-http-port",
                 str(http_port), "--dapr-grpc-port", str(grpc_port), "--dapr-internal-grpc-port", str(internal),
                 "--dapr-listen-addresses", "127.0.0.1", "--enable-metrics=false", "--resources-path",
                 str(self.resources())], stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT)
        self.addCleanup(lambda: (process.kill(), process.wait()))
        url = f"http://127.0.0.1:{http_port}"
        deadline = time.monotonic() + PATIENCE
        while True:
            try:
                if get(url + "/v1.0/healthz", timeout=5).status == 204:
                    break
            except OSError:
                pass
            self.assertTrue(process.poll() is None and time.monotonic() < deadline, "daprd does not serve")
            threading.Event().wait(0.05)
        self.wait_until_subscribed(url)
        return url

    def wait_until_subscribed(self, url):
        wait_until(lambda: len(get(url + "/v1.0/metadata").json().get("subscriptions", [])) == 2, "the subscriptions")

    def resources(self):
        return self.write("resources/pubsub.yaml", self.redis.component(processingTimeout="5s",
                                                                        redeliverInterval="1s")).parent

    def publish(self, url, word):
        names = [f"{word} {number}" for number in range(NUMBER)]
        for name in names:
            answer = post(f"{url}/v1.0/publish/pubsub/orders?metadata.colour=red", name,
                          headers={"content-type": "text/plain"})
            self.assertEqual(answer.status, 204)
        return names

    def test_each_reads_what_the_other_publishes(self):
        here, there = self.subscriber(), self.subscriber()
        tandem, daprd = self.tandem(here, "here"), self.daprd(there, "there")
        names = self.publish(daprd, "from daprd") + self.publish(tandem, "from Tandem")
        for one in (here, there):
            wait_until(lambda: one.count() == len(names), "all orders")
            self.assertEqual(sorted(one.taken), sorted(names))
            self.assertEqual(one.duplicates(), 0)
        for group in ("here", "there"):
            wait_for_count(lambda: self.redis.pending("orders", group), 0, f"unacknowledged messages of {group}")
        # The same fields, but for those of each event.
        entries = [dict(zip(fields[::2], fields[1::2])) for _, fields in self.redis.ask("XRANGE", "orders", "-", "+")]
        shapes = {(frozenset(one), frozenset(json.loads(one["data"])), one["metadata"]) for one in entries}
        self.assertEqual(len(shapes), 1, shapes)

    def test_both_in_one_group(self):
        here, there = self.subscriber(), self.subscriber()
        tandem, daprd = self.tandem(here, "shop"), self.daprd(there, "shop")
        names = self.publish(tandem, "one") + self.publish(daprd, "two")
        wait_until(lambda: here.count() + there.count() >= len(names), "all orders")
        self.assertEqual(sorted([*here.taken, *there.taken]), sorted(names))
        self.assertTrue(here.count() > 0 and there.count() > 0, "one of them got nothing")
        wait_for_count(lambda: self.redis.pending("orders", "shop"), 0, "unacknowledged messages")
        self.assertEqual(len(self.redis.ask("XINFO", "CONSUMERS", "orders", "shop")), 1)


if __name__ == "__main__":
    unittest.main()
