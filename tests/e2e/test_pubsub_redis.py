"""pubsub.redis with Debian's redis-server: what it does when the app is slow or refuses, when Redis dies, and when Tandem
does. The app is a program of the test behind `tandem daprd`."""

import datetime
import json
import threading
import unittest

from harness import PATIENCE, binary, get, post
from observe import wait_until
from program import Program
from redis_server import wait_for_count
from redis_shop import QUICK, RedisShopTest


class PubsubRedisTest(RedisShopTest):
    def test_delivery_and_poison(self):
        subscriber = self.app(lambda data: 500 if data == "poison" else 200)
        tandem = self.serve(subscriber)
        for data in ("one", "poison", "two"):
            self.assertEqual(self.publish(tandem, data).status, 204)
        wait_until(lambda: subscriber.count() == 2 and subscriber.dead["poison"] == 1, "two orders and a dead letter")
        self.assertEqual(subscriber.tried["poison"], 1)
        wait_for_count(lambda: self.redis.pending("orders", "shop"), 0, "unacknowledged messages")
        metadata = get(tandem.app.dapr_url + "/v1.0/metadata").json()
        (component,) = [one for one in metadata["components"] if one["name"] == "pubsub"]
        self.assertEqual(component["type"], "pubsub.redis")

    def test_without_a_dead_letter_topic_it_comes_again(self):
        subscriber = self.app(topics=(("orders", None), ("dead", None)))
        subscriber.answer = lambda data: 200 if subscriber.tried[data] > 2 else 500
        tandem = self.serve(subscriber, **QUICK)
        self.assertEqual(self.publish(tandem, "stubborn").status, 204)
        wait_until(lambda: subscriber.count() == 1, "the third try")
        self.assertEqual(subscriber.tried["stubborn"], 3)

    def test_an_expired_message_is_dropped(self):
        subscriber = self.app()
        hold = threading.Event()
        self.addCleanup(hold.set)
        subscriber.answer = lambda data: hold.wait(PATIENCE) and 200
        tandem = self.serve(subscriber, concurrency=1)
        self.assertEqual(self.publish(tandem, "holds").status, 204)
        wait_until(lambda: subscriber.tried["holds"] == 1, "the first message")
        url = f"{tandem.app.dapr_url}/v1.0/publish/pubsub/orders"
        for name in ("late", "in time"):
            query = "?metadata.ttlInSeconds=1" if name == "late" else ""
            self.assertEqual(post(url + query, name, headers={"content-type": "text/plain"}).status, 204)
        # The envelope says until when.
        entries = self.redis.ask("XRANGE", "orders", "-", "+")
        envelopes = [json.loads(fields[fields.index("data") + 1]) for _, fields in entries]
        (until,) = [one["expiration"] for one in envelopes if "expiration" in one]
        end = datetime.datetime.fromisoformat(until.replace("Z", "+00:00"))
        wait_until(lambda: datetime.datetime.now(datetime.timezone.utc) > end, "the end of its time")
        hold.set()
        wait_until(lambda: subscriber.count() == 2, "the others")
        self.assertEqual(subscriber.tried["late"], 0)
        # It is expired there, too.
        wait_for_count(lambda: self.redis.ask("XLEN", "dead"), 1, "dead letters")
        wait_for_count(lambda: self.redis.pending("dead", "shop"), 0, "unacknowledged dead letters")
        self.assertEqual(subscriber.dead["late"], 0)

    def test_two_processes_share_a_group(self):
        one, two = self.app(), self.app()
        first, second = self.serve(one), self.serve(two)
        names = [f"order {number}" for number in range(1000)]
        self.publish_many(first, names[:500])
        self.publish_many(second, names[500:])
        wait_until(lambda: one.count() + two.count() >= 1000, "all orders")
        self.assertEqual(sorted([*one.taken, *two.taken]), sorted(names))
        self.assertEqual(one.duplicates() + two.duplicates(), 0)
        self.assertTrue(one.count() > 0 and two.count() > 0, "one of them got nothing")

    def test_a_slow_app_holds_nobody_up(self):
        go_on = threading.Event()
        self.addCleanup(go_on.set)
        subscriber = self.app(lambda data: go_on.wait(PATIENCE) and 200)
        tandem = self.serve(subscriber, queueDepth=5, concurrency=2)
        names = [f"order {number}" for number in range(300)]
        self.publish_many(tandem, names)
        wait_until(lambda: len(subscriber.tried) == 2, "two deliveries")
        self.assertLessEqual(self.redis.pending("orders", "shop"), 7)  # under way and read ahead
        go_on.set()
        wait_until(lambda: subscriber.count() == 300, "all orders")
        self.assertEqual(subscriber.duplicates(), 0)

    def test_redis_dies_under_load(self):
        subscriber = self.app()
        tandem = self.serve(subscriber, **QUICK)
        acknowledged, stopping = [], threading.Event()

        def work(index):
            number = 0
            while not stopping.is_set():
                name = f"{index}-{number}"
                if self.publish(tandem, name).status == 204:
                    acknowledged.append(name)
                number += 1

        writers = [threading.Thread(target=work, args=(index,), daemon=True) for index in range(4)]
        for writer in writers:
            writer.start()
        for round_ in range(3):
            before = len(acknowledged)
            wait_until(lambda: len(acknowledged) >= before + 150, "orders")
            self.redis.kill()
            self.redis.start()
        before = len(acknowledged)
        wait_until(lambda: len(acknowledged) >= before + 150, "orders after the last crash")
        stopping.set()
        for writer in writers:
            writer.join(PATIENCE)
        wanted = set(acknowledged)
        wait_until(lambda: wanted <= set(subscriber.taken), "every order that was acknowledged")
        print(f"\n{len(wanted)} acknowledged, {len(subscriber.taken)} delivered, {subscriber.duplicates()} twice",
              flush=True)
        wait_for_count(lambda: self.redis.pending("orders", "shop"), 0, "unacknowledged messages")

    def test_a_stream_that_is_gone_begins_anew(self):
        subscriber = self.app()
        tandem = self.serve(subscriber)
        self.assertEqual(self.publish(tandem, "before").status, 204)
        wait_until(lambda: subscriber.count() == 1, "the first")
        self.redis.ask("FLUSHALL")
        self.assertEqual(self.publish(tandem, "after").status, 204)
        wait_until(lambda: subscriber.count() == 2, "the second")
        self.assertTrue(tandem.log(scope="tandem.pubsub.redis", level="warning", topic="orders"))

    def test_kill_9_with_thousands_in_flight(self):
        open_ = threading.Event()
        self.addCleanup(open_.set)
        subscriber = self.app()
        # The answers that the crash cuts off.
        subscriber.program.server.handle_error = lambda *_: None
        # A part is taken before the crash, a part is under way, most of it waits.
        subscriber.answer = lambda data: 200 if len(subscriber.tried) < 500 or open_.wait(PATIENCE) else 500
        tandem = self.serve(subscriber, **QUICK)
        names = [f"order {number}" for number in range(4000)]
        self.publish_many(tandem, names)
        wait_until(lambda: len(subscriber.tried) >= 500, "deliveries")
        tandem.kill()
        open_.set()
        self.serve(subscriber, **QUICK)
        wait_until(lambda: subscriber.count() == 4000, "every order that was acknowledged")
        self.assertEqual(sorted(subscriber.taken), sorted(names))
        print(f"\n4000 acknowledged, 4000 delivered, {subscriber.duplicates()} twice", flush=True)
        wait_for_count(lambda: self.redis.pending("orders", "shop"), 0, "unacknowledged messages")

    def test_an_orderly_stop_hands_over(self):
        """What nobody has begun is for the next process at once, although the processing timeout is a minute."""
        go_on = threading.Event()
        self.addCleanup(go_on.set)
        subscriber = self.app(lambda data: go_on.wait(PATIENCE) and 200)
        tandem = self.serve(subscriber, concurrency=1)
        names = [f"order {number}" for number in range(20)]
        self.publish_many(tandem, names)
        wait_until(lambda: len(subscriber.tried) == 1, "the first delivery")
        wait_for_count(lambda: self.redis.pending("orders", "shop"), 20, "messages that were read")
        tandem.signal()
        wait_for_count(lambda: len([one for one in self.redis.ask("XPENDING", "orders", "shop", "-", "+", "100")
                                    if one[2] > 50_000]), 19, "messages that were given back")
        go_on.set()
        self.assertEqual(tandem.wait(), 0)
        wait_until(lambda: subscriber.count() == 1, "the delivery under way")
        self.assertEqual(self.redis.pending("orders", "shop"), 19)
        self.serve(subscriber, concurrency=1)
        wait_until(lambda: subscriber.count() == 20, "the rest")
        self.assertEqual(subscriber.duplicates(), 0)

    def test_keys_that_are_wrong_stop_the_start(self):
        program = Program()
        self.addCleanup(program.close)
        for key, value in (("concurrency", "0"), ("redeliverInterval", "soon"), ("useEntraID", "true")):
            with self.subTest(key):
                resources = self.write(f"{key}/pubsub.yaml", self.redis.component(**{key: value})).parent
                one = self.start("--app-id", "shop", "--app-port", program.port, "--dapr-http-port", 0,
                                 "--dapr-grpc-port", 0, "--metrics-port", 0, "--resources-path", resources,
                                 command=[binary(), "daprd"])
                self.assertEqual(one.wait(), 1, one.output())
                self.assertIn(key, one.output())


if __name__ == "__main__":
    unittest.main()
