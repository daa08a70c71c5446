"""An app behind `tandem daprd` whose broker is Debian's redis-server: it is subscribed to "orders", counts what it takes,
and can be slow or refuse."""

import collections
import json
import threading

from harness import TandemTest, get, post
from observe import wait_until
from program import Program, serve_beside
from redis_server import RedisServer

QUICK = {"processingTimeout": "1s", "redeliverInterval": "200ms"}


class Subscriber:
    """An app that is subscribed to "orders" (and to its dead letters) and counts what it takes, by the data of the
    event. `answer(data)` gives the status."""

    def __init__(self, answer=lambda data: 200, topics=(("orders", "dead"), ("dead", None))):
        self.answer = answer
        self.taken = collections.Counter()  # answered with success
        self.tried = collections.Counter()
        self.dead = collections.Counter()
        self.lock = threading.Lock()
        self.program = Program({"/dapr/subscribe": lambda _: (200, {"content-type": "application/json"}, json.dumps([
            {"pubsubname": "pubsub", "topic": topic, "route": f"/on-{topic}",
             **({"deadLetterTopic": dead} if dead else {})} for topic, dead in topics]).encode()),
            "/on-orders": self.on_order, "/on-dead": self.on_dead})

    def on_order(self, seen):
        data = json.loads(seen.body)["data"]
        with self.lock:
            self.tried[data] += 1
        status = self.answer(data)
        with self.lock:
            self.taken[data] += status == 200
        return status, {}, b""

    def on_dead(self, seen):
        with self.lock:
            self.dead[json.loads(seen.body)["data"]] += 1
        return 200, {}, b""

    def count(self):
        with self.lock:
            return len([data for data, times in self.taken.items() if times])

    def duplicates(self):
        with self.lock:
            return sum(self.tried.values()) - len(self.tried)


class RedisShopTest(TandemTest):
    def setUp(self):
        super().setUp()
        self.redis = RedisServer(self.folder)
        self.addCleanup(self.redis.close)

    def app(self, *arguments, **options):
        subscriber = Subscriber(*arguments, **options)
        self.addCleanup(subscriber.program.close)
        return subscriber

    def serve(self, subscriber, app_id="shop", **metadata):
        resources = self.write("resources/pubsub.yaml", self.redis.component(**metadata)).parent
        tandem = serve_beside(self, subscriber.program.port, app_id=app_id, resources_path=resources)
        # Its subscriptions are there a moment after it serves.
        wait_until(lambda: len(get(tandem.app.dapr_url + "/v1.0/metadata").json().get("subscriptions", [])) == 2,
                   "the subscriptions")
        return tandem

    def publish(self, tandem, data, topic="orders"):
        return post(f"{tandem.app.dapr_url}/v1.0/publish/pubsub/{topic}", data, headers={"content-type": "text/plain"})

    def publish_many(self, tandem, names, piece=500):
        """All of them, in bulk; they are acknowledged."""
        names = list(names)
        for start in range(0, len(names), piece):
            entries = [{"entryId": name, "event": name, "contentType": "text/plain"}
                       for name in names[start : start + piece]]
            answer = post(f"{tandem.app.dapr_url}/v1.0-alpha1/publish/bulk/pubsub/orders", entries)
            self.assertEqual(answer.status, 204, answer)
