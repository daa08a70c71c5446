"""SubscribeTopicEventsAlpha1 with the streaming subscriptions of Dapr's Python SDK: over brokers in memory and in Redis."""

import signal
import threading
import unittest

from grpc_apps import GrpcAppTest, grpc
from harness import PATIENCE, get, post
from observe import wait_until
from redis_server import RedisServer, wait_for_count

from dapr.clients import DaprClient  # noqa: E402
from dapr.clients.grpc._response import TopicEventResponse  # noqa: E402
from dapr.conf import settings  # noqa: E402
from dapr.proto.runtime.v1 import dapr_pb2_grpc, pubsub_pb2  # noqa: E402


class StreamingSubscriptionsTest(GrpcAppTest):
    def client(self, app):
        settings.DAPR_HTTP_PORT = app.dapr_url.rsplit(":", 1)[1]
        client = DaprClient(app.dapr_grpc)
        self.addCleanup(client.close)
        return client

    def subscribe(self, app, topic, **options):
        subscription = self.client(app).subscribe("pubsub", topic, **options)
        self.addCleanup(subscription.close)
        return subscription

    def publish(self, app, topic, data):
        answer = post(f"{app.dapr_url}/v1.0/publish/pubsub/{topic}", data, headers={"content-type": "text/plain"})
        self.assertEqual(answer.status, 204, answer)

    def streams(self, app):
        listed = get(app.dapr_url + "/v1.0/metadata").json().get("subscriptions", [])
        return sorted(one["topic"] for one in listed if one["type"] == "STREAMING")

    def with_redis(self, **metadata):
        redis = RedisServer(self.folder)
        self.addCleanup(redis.close)
        resources = self.write("resources/pubsub.yaml", redis.component(**metadata)).parent
        return redis, self.run_guest("echo", "--app-id", "mine", "--resources-path", resources)

    def test_events_are_taken_retried_and_dropped(self):
        tandem = self.run_guest("echo")
        app = tandem.app
        orders = self.subscribe(app, "orders", dead_letter_topic="dead")
        dead = self.subscribe(app, "dead")
        self.assertEqual(self.streams(app), ["dead", "orders"])
        self.publish(app, "orders", "one")
        first = orders.next_message()
        self.assertEqual((first.data(), first.topic(), first.pubsub_name(), first.type()),
                         ("one", "orders", "pubsub", "com.dapr.event.sent"))
        orders.respond_success(first)
        for answer in (orders.respond_drop, orders.respond_retry):
            self.publish(app, "orders", "not taken")
            answer(orders.next_message())
            buried = dead.next_message()
            self.assertEqual(buried.data(), "not taken")
            dead.respond_success(buried)
        orders.close()
        wait_until(lambda: self.streams(app) == ["dead"], "the end of the subscription")

    def test_a_retry_comes_again(self):
        app = self.run_guest("echo").app
        orders = self.subscribe(app, "orders")
        self.publish(app, "orders", "again")
        first = orders.next_message()
        orders.respond_retry(first)
        second = orders.next_message()
        self.assertEqual(first.id(), second.id())
        orders.respond_success(second)

    def test_with_a_handler(self):
        redis, tandem = self.with_redis()
        taken, news = [], threading.Event()

        def take(message):
            taken.append(message.data())
            if len(taken) == 200:
                news.set()
            return TopicEventResponse("success")

        close = self.client(tandem.app).subscribe_with_handler("pubsub", "orders", take)
        try:
            for number in range(200):
                self.publish(tandem.app, "orders", str(number))
            self.assertTrue(news.wait(PATIENCE))
            # The last answer is on its way still.
            wait_for_count(lambda: redis.pending("orders", "mine"), 0, "unacknowledged messages")
        finally:
            # Before the sidecar goes: the SDK would look for it for ever, and find another test's.
            close()
        self.assertEqual(sorted(taken, key=int), [str(number) for number in range(200)])

    def test_what_a_stream_has_not_answered_is_for_the_next_one(self):
        redis, tandem = self.with_redis(processingTimeout="1s", redeliverInterval="200ms")
        orders = self.subscribe(tandem.app, "orders")
        self.publish(tandem.app, "orders", "unanswered")
        first = orders.next_message()
        self.assertEqual(redis.pending("orders", "mine"), 1)
        orders.close()
        later = self.subscribe(tandem.app, "orders")
        second = later.next_message()
        self.assertEqual((first.id(), first.data()), (second.id(), second.data()))
        later.respond_success(second)
        wait_for_count(lambda: redis.pending("orders", "mine"), 0, "unacknowledged messages")

    def test_an_answer_that_never_comes_is_not_waited_for(self):
        redis, tandem = self.with_redis(processingTimeout="500ms", redeliverInterval="100ms", concurrency=1)
        orders = self.subscribe(tandem.app, "orders")
        self.publish(tandem.app, "orders", "slow")
        self.publish(tandem.app, "orders", "quick")
        seen = set()
        while "quick" not in seen:
            message = orders.next_message()
            seen.add(message.data())
        orders.respond_success(message)
        wait_for_count(lambda: redis.pending("orders", "mine"), 1, "unacknowledged messages")

    def test_a_stop_ends_the_streams(self):
        tandem = self.run_guest("echo")
        stub = dapr_pb2_grpc.DaprStub(self.channel(tandem.app))
        initial = pubsub_pb2.SubscribeTopicEventsRequestInitialAlpha1(pubsub_name="pubsub", topic="orders")
        over = threading.Event()
        self.addCleanup(over.set)

        def say():
            yield pubsub_pb2.SubscribeTopicEventsRequestAlpha1(initial_request=initial)
            over.wait(PATIENCE)

        stream = stub.SubscribeTopicEventsAlpha1(say())
        self.assertTrue(next(stream).HasField("initial_response"))
        tandem.signal()
        failure = self.assert_fails(lambda: next(stream), grpc.StatusCode.UNKNOWN, "stream closed")
        over.set()
        self.assertEqual(tandem.wait(), 0, failure)

    def test_a_reload_moves_the_streams(self):
        redis, tandem = self.with_redis(processingTimeout="1s", redeliverInterval="200ms")
        orders = self.subscribe(tandem.app, "orders")
        tandem.signal(signal.SIGHUP)
        for number in range(20):
            self.publish(tandem.app, "orders", str(number))
        seen = set()
        while len(seen) < 20:
            message = orders.next_message()
            seen.add(message.data())
            orders.respond_success(message)
        tandem.wait_for_log(msg="stopped", scope="tandem.server")
        wait_for_count(lambda: redis.pending("orders", "mine"), 0, "unacknowledged messages")

    def test_refused_by_scopes_and_names(self):
        component = """apiVersion: dapr.io/v1alpha1
kind: Component
metadata: {name: pubsub}
spec:
  type: pubsub.in-memory
  version: v1
  metadata: [{name: protectedTopics, value: secret}]
"""
        resources = self.write("resources/pubsub.yaml", component).parent
        app = self.run_guest("echo", "--resources-path", resources).app
        stub = dapr_pb2_grpc.DaprStub(self.channel(app))

        def subscribe(pubsub, topic):
            initial = pubsub_pb2.SubscribeTopicEventsRequestInitialAlpha1(pubsub_name=pubsub, topic=topic)
            request = pubsub_pb2.SubscribeTopicEventsRequestAlpha1(initial_request=initial)
            return next(stub.SubscribeTopicEventsAlpha1(iter([request])))

        self.assert_fails(lambda: subscribe("nobody", "t"), grpc.StatusCode.INVALID_ARGUMENT, "pubsub nobody is not found")
        self.assert_fails(lambda: subscribe("pubsub", "secret"), grpc.StatusCode.UNKNOWN, "is not allowed")


if __name__ == "__main__":
    unittest.main()
