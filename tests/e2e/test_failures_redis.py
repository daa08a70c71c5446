"""pubsub.redis when things fail at the worst moment: the network is cut, Redis stays away, Tandem is killed with ten
thousand messages under way. What was acknowledged to a publisher reaches the app; what comes twice is counted and printed.

Crashes of Redis under load, slow apps and poisoned messages are in test_pubsub_redis.py.
"""

import threading
import unittest

from harness import PATIENCE
from network import Network
from observe import wait_until
from redis_server import RedisServer, wait_for_count
from redis_shop import QUICK, RedisShopTest


class Publishers:
    """Threads that publish until they are stopped. `acknowledged` has the data of what was answered with 204; what was
    answered otherwise, or not at all, is unknown and is not claimed."""

    def __init__(self, publish, count=4):
        self.publish = publish
        self.acknowledged = []
        self.refused = 0
        self.stopping = threading.Event()
        self.threads = [threading.Thread(target=self.work, args=(index,), daemon=True) for index in range(count)]
        for thread in self.threads:
            thread.start()

    def work(self, index):
        number = 0
        while not self.stopping.is_set():
            name = f"{index}-{number}"
            number += 1
            try:
                status = self.publish(name).status
            except OSError:
                return  # Tandem is gone.
            except Exception:  # http.client's, for an answer that was cut
                return
            if status == 204:
                self.acknowledged.append(name)
            else:
                self.refused += 1

    def wait_for(self, count):
        before = len(self.acknowledged)
        wait_until(lambda: len(self.acknowledged) >= before + count, f"{count} acknowledged orders")

    def stop(self):
        self.stopping.set()
        for thread in self.threads:
            thread.join(PATIENCE)


class FailuresTest(RedisShopTest):
    def check_nothing_is_lost(self, subscriber, acknowledged):
        wanted = set(acknowledged)
        wait_until(lambda: wanted <= set(subscriber.taken), "every order that was acknowledged")
        print(f"\n{len(wanted)} acknowledged, {len(subscriber.taken)} delivered, lost {len(wanted - set(subscriber.taken))}, "
              f"{subscriber.duplicates()} twice", flush=True)
        wait_for_count(lambda: self.redis.pending("orders", "shop"), 0, "unacknowledged messages")

    def test_the_network_is_cut(self):
        network = Network()
        self.addCleanup(network.close)
        self.redis.close()
        self.redis = RedisServer(self.folder, network.address, network.prefix)
        self.addCleanup(self.redis.close)
        subscriber = self.app()
        tandem = self.serve(subscriber, redisMaxRetries=1, **QUICK)
        publishers = Publishers(lambda name: self.publish(tandem, name))
        self.addCleanup(publishers.stop)
        for _ in range(2):
            publishers.wait_for(100)
            refused = publishers.refused
            network.cut()
            # Not for a moment: until those who publish are told.
            wait_until(lambda: publishers.refused > refused, "a publish that fails")
            network.mend()
        publishers.wait_for(100)
        publishers.stop()
        self.check_nothing_is_lost(subscriber, publishers.acknowledged)
        self.assertEqual(tandem.log(level="fatal"), [])

    def test_what_ends_while_redis_is_away_does_not_come_again(self):
        """The app has taken a message that cannot be acknowledged: it is, when Redis is back."""
        go_on = threading.Event()
        self.addCleanup(go_on.set)
        subscriber = self.app(lambda data: go_on.wait(PATIENCE) and 200)
        tandem = self.serve(subscriber)
        for number in range(5):
            self.assertEqual(self.publish(tandem, f"order {number}").status, 204)
        wait_until(lambda: len(subscriber.tried) == 5, "five deliveries")
        self.redis.kill()
        go_on.set()
        wait_until(lambda: subscriber.count() == 5, "five answers")
        # Redis is missed: by those who publish, and by those who read.
        self.assertEqual(self.publish(tandem, "nobody takes it").status, 500)
        self.redis.start()
        wait_for_count(lambda: self.redis.pending("orders", "shop"), 0, "unacknowledged messages")
        self.assertEqual(self.publish(tandem, "after").status, 204)
        wait_until(lambda: subscriber.taken["after"] == 1, "the order after it")
        self.assertEqual(subscriber.duplicates(), 0)

    def test_a_handler_that_is_too_slow_is_tried_again_and_holds_up_nobody(self):
        subscriber = self.app()
        # Its first try ends when there has been a second.
        subscriber.answer = lambda data: 200 if data != "slow" or self.second_try(subscriber) else 500
        tandem = self.serve(subscriber, concurrency=2, **QUICK)
        names = ["slow", *(f"order {number}" for number in range(50))]
        for name in names:
            self.assertEqual(self.publish(tandem, name).status, 204)
        wait_until(lambda: subscriber.count() == 51, "all orders, the slow one too")
        self.assertEqual(subscriber.tried["slow"], 2)
        self.assertEqual(sum(subscriber.dead.values()), 0)
        wait_for_count(lambda: self.redis.pending("orders", "shop"), 0, "unacknowledged messages")

    def second_try(self, subscriber):
        wait_until(lambda: subscriber.tried["slow"] >= 2, "the second try")
        return True

    def test_kill_9_while_ten_thousand_are_under_way(self):
        subscriber = self.app()
        # The answers that the crash cuts off.
        subscriber.program.server.handle_error = lambda *_: None
        tandem = self.serve(subscriber, concurrency=50, **QUICK)
        backlog = [f"order {number}" for number in range(10_000)]
        self.publish_many(tandem, backlog, piece=1_000)
        # And while more come.
        publishers = Publishers(lambda name: self.publish(tandem, name))
        publishers.wait_for(50)
        tandem.kill()
        publishers.stop()
        delivered = subscriber.count()
        self.assertLess(delivered, 10_000)
        print(f"\nkilled with {delivered} of {10_000 + len(publishers.acknowledged)} delivered", flush=True)
        self.serve(subscriber, concurrency=50, **QUICK)
        self.check_nothing_is_lost(subscriber, [*backlog, *publishers.acknowledged])


if __name__ == "__main__":
    unittest.main()
