"""pubsub.kafka and bindings.kafka with a real broker: what they do when the app is slow or refuses, when members of a
group come and go, when the broker dies, and when Tandem does. The app is a program of the test behind `tandem daprd`, and
a guest. One broker serves all tests, each of which has topics of its own."""

import collections
import itertools
import json
import shutil
import tempfile
import threading
import unittest
from pathlib import Path

from harness import PATIENCE, TandemTest, get, post
from kafka_server import KafkaServer
from observe import wait_until
from program import Program, serve_beside, start_beside

kafka = None
folder = None
numbers = itertools.count()


def setUpModule():
    global kafka, folder
    folder = Path(tempfile.mkdtemp(prefix="tandem-kafka-"))
    kafka = KafkaServer(folder)


def tearDownModule():
    kafka.close()
    shutil.rmtree(folder, ignore_errors=True)


class Subscriber:
    """An app that is subscribed to `topic` (and to its dead letters) and counts what it takes, by the data of the event.
    `answer(data)` gives the status."""

    def __init__(self, topic, answer=lambda data: 200, dead=None, **more):
        self.topic = topic
        self.answer = answer
        self.taken = collections.Counter()  # answered with success
        self.tried = collections.Counter()
        self.dead = collections.Counter()
        self.order = []
        self.lock = threading.Lock()
        wanted = [{"pubsubname": "pubsub", "topic": topic, "route": "/on-orders",
                   **({"deadLetterTopic": dead} if dead else {}), **more}]
        if dead:
            wanted.append({"pubsubname": "pubsub", "topic": dead, "route": "/on-dead"})
        self.number = len(wanted)
        self.program = Program({
            "/dapr/subscribe": lambda _: (200, {"content-type": "application/json"}, json.dumps(wanted).encode()),
            "/on-orders": self.on_order, "/on-dead": self.on_dead})
        # The answers that a crash cuts off.
        self.program.server.handle_error = lambda *_: None

    def on_order(self, seen):
        data = json.loads(seen.body)["data"]
        with self.lock:
            self.tried[data] += 1
            self.order.append(data)
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


class KafkaTest(TandemTest):
    def setUp(self):
        super().setUp()
        number = next(numbers)
        self.topic, self.dead, self.group = f"orders-{number}", f"dead-{number}", f"shop-{number}"
        self.hold = threading.Event()
        self.addCleanup(self.hold.set)

    def app(self, answer=lambda data: 200, **options):
        subscriber = Subscriber(self.topic, answer, **options)
        self.addCleanup(subscriber.program.close)
        return subscriber

    def serve(self, subscriber, components=None, **metadata):
        text = components or kafka.component(**metadata)
        resources = self.write(f"resources-{next(numbers)}/pubsub.yaml", text).parent
        tandem = serve_beside(self, subscriber.program.port, app_id=self.group, resources_path=resources)
        wait_until(lambda: len(get(tandem.app.dapr_url + "/v1.0/metadata").json().get("subscriptions", [])) ==
                   subscriber.number, "the subscriptions")
        return tandem

    def publish(self, tandem, data, query="", topic=None):
        return post(f"{tandem.app.dapr_url}/v1.0/publish/pubsub/{topic or self.topic}{query}", data,
                    headers={"content-type": "text/plain"})

    def publish_many(self, tandem, names, piece=500):
        """All of them, in bulk; they are acknowledged."""
        names = list(names)
        for start in range(0, len(names), piece):
            entries = [{"entryId": name, "event": name, "contentType": "text/plain"}
                       for name in names[start : start + piece]]
            answer = post(f"{tandem.app.dapr_url}/v1.0-alpha1/publish/bulk/pubsub/{self.topic}", entries)
            self.assertEqual(answer.status, 204, answer)

    def wait_for_commits(self, topic=None):
        wait_until(lambda: kafka.lag(topic or self.topic, self.group) == 0, "the commits", pause=0.05)


class PubsubKafkaTest(KafkaTest):
    def test_delivery_metadata_and_poison(self):
        subscriber = self.app(lambda data: 500 if data == "poison" else 200, dead=self.dead)
        tandem = self.serve(subscriber)
        for data in ("one", "poison", "two"):
            answer = self.publish(tandem, data, "?metadata.partitionKey=customer-7&metadata.colour=red")
            self.assertEqual(answer.status, 204)
        wait_until(lambda: subscriber.count() == 2 and subscriber.dead["poison"] == 1, "two orders and a dead letter")
        self.assertEqual(subscriber.order, ["one", "poison", "two"])
        first = subscriber.program.of("/on-orders")[0]
        self.assertEqual(first.headers["__key"], "customer-7")
        self.assertEqual(first.headers["partitionKey"], "customer-7")
        self.assertEqual(first.headers["colour"], "red")
        self.assertEqual(first.headers["__topic"], self.topic)
        self.assertEqual(first.headers["__offset"], "0")
        for name in ("__partition", "__timestamp"):
            self.assertRegex(first.headers[name], "^[0-9]+$")
        self.wait_for_commits()
        self.wait_for_commits(self.dead)
        metadata = get(tandem.app.dapr_url + "/v1.0/metadata").json()
        (component,) = [one for one in metadata["components"] if one["name"] == "pubsub"]
        self.assertEqual(component["type"], "pubsub.kafka")

    def test_without_a_dead_letter_topic_it_comes_again_in_its_place(self):
        subscriber = self.app()
        subscriber.answer = lambda data: 200 if data != "stubborn" or subscriber.tried[data] > 2 else 500
        tandem = self.serve(subscriber, backOffDuration="100ms")
        for data in ("first", "stubborn", "last"):
            self.assertEqual(self.publish(tandem, data, "?metadata.partitionNumber=0").status, 204)
        wait_until(lambda: subscriber.count() == 3, "all of them")
        self.assertEqual(subscriber.order, ["first", "stubborn", "stubborn", "stubborn", "last"])
        self.wait_for_commits()

    def test_a_slow_app_is_given_one_of_each_partition(self):
        subscriber = self.app(lambda data: self.hold.wait(PATIENCE) and 200)
        tandem = self.serve(subscriber, channelBufferSize=10)
        names = [f"order {number}" for number in range(400)]
        self.publish_many(tandem, names)
        wait_until(lambda: len(subscriber.tried) == 2, "two deliveries")
        # Others come in meanwhile, and nothing of the slow ones is said to be taken.
        self.assertEqual(sum(kafka.committed(self.topic, self.group).values()), 0)
        self.assertEqual(len(subscriber.tried), 2)
        self.hold.set()
        wait_until(lambda: subscriber.count() == 400, "all orders")
        self.assertEqual(subscriber.duplicates(), 0)
        self.wait_for_commits()

    def test_members_come_and_go(self):
        """A second process joins under load, and leaves in order again: everything arrives once."""
        one, two = self.app(), self.app()
        first = self.serve(one)
        names = [f"order {number}" for number in range(1500)]
        self.publish_many(first, names[:500])
        second = self.serve(two)
        self.publish_many(second, names[500:1000])
        wait_until(lambda: two.count() > 0, "a share for the second")
        second.stop()
        self.publish_many(first, names[1000:])
        wait_until(lambda: len({*one.taken, *two.taken}) == 1500, "all orders")
        twice = sum((one.taken + two.taken).values()) - 1500
        print(f"\n{one.count()} and {two.count()} of 1500, {twice} twice", flush=True)
        self.assertEqual(twice, 0)
        self.wait_for_commits()

    def test_the_broker_dies_under_load(self):
        subscriber = self.app()
        tandem = self.serve(subscriber)
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
        for _ in range(2):
            before = len(acknowledged)
            wait_until(lambda: len(acknowledged) >= before + 150, "orders", timeout=60)
            kafka.kill()
            kafka.start()
        before = len(acknowledged)
        wait_until(lambda: len(acknowledged) >= before + 150, "orders after the last crash", timeout=60)
        stopping.set()
        for writer in writers:
            writer.join(PATIENCE)
        wanted = set(acknowledged)
        wait_until(lambda: wanted <= set(subscriber.taken), "every order that was acknowledged", timeout=60)
        print(f"\n{len(wanted)} acknowledged, {len(subscriber.taken)} delivered, {subscriber.duplicates()} twice",
              flush=True)
        self.wait_for_commits()

    def test_kill_9_with_ten_thousand_in_flight(self):
        subscriber = self.app()
        # A part is taken before the crash, a part is under way, most of it waits.
        subscriber.answer = lambda data: 200 if len(subscriber.tried) < 1000 or self.hold.wait(PATIENCE) else 500
        tandem = self.serve(subscriber)
        names = [f"order {number}" for number in range(10_000)]
        self.publish_many(tandem, names)
        wait_until(lambda: len(subscriber.tried) >= 1000, "deliveries")
        tandem.kill()
        self.hold.set()
        self.serve(subscriber)
        wait_until(lambda: subscriber.count() == 10_000, "every order that was acknowledged", timeout=90)
        self.assertEqual(sorted(subscriber.taken), sorted(names))
        print(f"\n10000 acknowledged, 10000 delivered, {subscriber.duplicates()} twice", flush=True)
        self.wait_for_commits()

    def test_an_orderly_stop_hands_over(self):
        subscriber = self.app(lambda data: self.hold.wait(PATIENCE) and 200)
        tandem = self.serve(subscriber, sessionTimeout="30s")
        names = [f"order {number}" for number in range(20)]
        self.publish_many(tandem, names)
        wait_until(lambda: len(subscriber.tried) == 2, "the first deliveries")
        tandem.signal()
        self.hold.set()
        self.assertEqual(tandem.wait(), 0)
        # Long before the session of the first would be over.
        self.serve(subscriber, sessionTimeout="30s")
        wait_until(lambda: subscriber.count() == 20, "the rest", timeout=15)
        self.assertEqual(subscriber.duplicates(), 0)

    def test_bulk_subscribe(self):
        bulks = []
        subscriber = self.app(bulkSubscribe={"enabled": True, "maxMessagesCount": 50, "maxAwaitDurationMs": 300})

        def on_bulk(seen):
            entries = json.loads(seen.body)["entries"]
            bulks.append(entries)
            for entry in entries:
                subscriber.taken[entry["event"]["data"]] += 1
            return 200, {"content-type": "application/json"}, json.dumps(
                {"statuses": [{"entryId": entry["entryId"], "status": "SUCCESS"} for entry in entries]}).encode()

        subscriber.program.routes["/on-orders"] = on_bulk
        tandem = self.serve(subscriber)
        names = [f"order {number}" for number in range(200)]
        self.publish_many(tandem, names)
        wait_until(lambda: subscriber.count() == 200, "all orders")
        self.assertEqual(sum(subscriber.taken.values()), 200)
        self.assertEqual(max(map(len, bulks)), 50)
        self.assertEqual(bulks[0][0]["metadata"]["__topic"], self.topic)
        self.wait_for_commits()

    def test_signing_in(self):
        ca, cert, key = [(kafka.certificates / name).read_text() for name in ("ca.pem", "client.pem", "client.key")]
        password = {"authType": "password", "saslUsername": "tandem", "caCert": ca,
                    "brokers": f"127.0.0.1:{kafka.sasl_port}"}
        ways = {mechanism: {**password, "saslPassword": "the password", "saslMechanism": mechanism}
                for mechanism in ("PLAINTEXT", "SHA-256", "SHA-512")}
        ways["mtls"] = {"authType": "mtls", "caCert": ca, "clientCert": cert, "clientKey": key,
                        "brokers": f"127.0.0.1:{kafka.mtls_port}"}
        ways["skipVerify"] = {**ways["SHA-512"], "caCert": "", "skipVerify": "true"}
        subscriber = self.app()
        # All of them are components of one process; the first one is read from.
        text = kafka.component("pubsub", **ways.pop("PLAINTEXT"))
        text += "".join(kafka.component(name.lower(), **metadata) for name, metadata in ways.items())
        tandem = self.serve(subscriber, text)
        self.assertEqual(self.publish(tandem, "pubsub").status, 204)
        for name in ways:
            answer = post(f"{tandem.app.dapr_url}/v1.0/publish/{name.lower()}/{self.topic}", name,
                          headers={"content-type": "text/plain"})
            self.assertEqual(answer.status, 204, answer)
        wait_until(lambda: subscriber.count() == len(ways) + 1, "an order of each")
        tandem.stop()
        for wrong in ({**password, "saslPassword": "another"}, {**ways["mtls"], "clientCert": "", "clientKey": ""}):
            resources = self.write(f"resources-{next(numbers)}/pubsub.yaml", kafka.component(**wrong)).parent
            one = start_beside(self, subscriber.program.port, resources_path=resources)
            self.assertNotEqual(one.wait(), 0)
            self.assertRegex(one.output(), "uthentication failed|clientCert: is no PEM")

    def test_what_cannot_be_is_said_at_the_start(self):
        for metadata, words in (({"authType": "oidc"}, "authType oidc is not supported"),
                                ({"brokers": "127.0.0.1:1"}, "no broker has answered"),
                                ({"schemaRegistryURL": "http://registry"}, "schemaRegistryURL is not supported")):
            resources = self.write(f"resources-{next(numbers)}/pubsub.yaml",
                                   kafka.component(**metadata).replace("spec:", "spec:\n  initTimeout: 2s")).parent
            one = start_beside(self, 0, resources_path=resources)
            self.assertNotEqual(one.wait(), 0)
            self.assertIn(words, one.output())

    def test_a_guest(self):
        resources = self.write("resources/all.yaml", kafka.component() + f"""apiVersion: dapr.io/v2alpha1
kind: Subscription
metadata: {{name: orders}}
spec:
  pubsubname: pubsub
  topic: {self.topic}
  routes: {{default: /orders}}
""").parent
        tandem = self.run_guest("echo", "--app-id", self.group, "--resources-path", resources)
        for number in range(50):
            self.assertEqual(self.publish(tandem, f"order {number}").status, 204)
        # It answers everything with 200.
        self.wait_for_commits()
        self.assertEqual(sum(kafka.ends(self.topic).values()), 50)


class BindingsKafkaTest(KafkaTest):
    def binding(self, **metadata):
        return kafka.component("events", "bindings.kafka", topics=self.topic, publishTopic=self.topic, **metadata)

    def start_with(self, program, text):
        resources = self.write("resources/all.yaml", text).parent
        return serve_beside(self, program.port, app_id=self.group, resources_path=resources)

    def create(self, tandem, data, **metadata):
        return post(f"{tandem.app.dapr_url}/v1.0/bindings/events",
                    {"operation": "create", "data": data, "metadata": metadata})

    def program(self, answer):
        program = Program({"/events": lambda seen: (answer(seen), {}, b"")})
        self.addCleanup(program.close)
        return program

    def test_both_ways(self):
        program = self.program(lambda seen: 200)
        tandem = self.start_with(program, self.binding())
        self.assertEqual(self.create(tandem, "grüße", partitionKey="k").status, 204)
        seen = [one for one in program.wait_for("/events", 2) if one.method == "POST"][0]
        self.assertEqual(json.loads(seen.body), "grüße")
        self.assertEqual(seen.headers["__key"], "k")
        self.assertEqual(seen.headers["__topic"], self.topic)
        (record,) = kafka.records(self.topic)
        self.assertEqual((record["key"], record["payload"]), ("k", '"grüße"'))
        self.wait_for_commits()

    def test_an_event_that_is_not_taken_is_passed_over(self):
        """As with daprd, unless consumeRetryEnabled says otherwise."""
        tries = collections.Counter()

        def answer(seen):
            tries[seen.body] += 1
            return 500 if seen.body == b'"bad"' and tries[seen.body] < 3 else 200

        program = self.program(answer)
        tandem = self.start_with(program, self.binding())
        for data in ("bad", "good"):
            self.assertEqual(self.create(tandem, data, partitionNumber="0").status, 204)
        wait_until(lambda: tries[b'"good"'] == 1, "the second")
        self.assertEqual(tries[b'"bad"'], 1)
        tandem.wait_for_log(level="warning", scope="tandem.bindings.kafka", topic=self.topic)
        self.wait_for_commits()

    def test_an_event_that_is_not_taken_comes_again(self):
        tries = collections.Counter()

        def answer(seen):
            tries[seen.body] += 1
            return 500 if seen.body == b'"bad"' and tries[seen.body] < 3 else 200

        program = self.program(answer)
        tandem = self.start_with(program, self.binding(consumeRetryEnabled="true", backOffDuration="50ms"))
        for data in ("bad", "good"):
            self.assertEqual(self.create(tandem, data, partitionNumber="0").status, 204)
        wait_until(lambda: tries[b'"good"'] == 1, "the second")
        self.assertEqual(tries[b'"bad"'], 3)

    def test_directions(self):
        program = self.program(lambda seen: 200)
        tandem = self.start_with(program, self.binding(direction="output"))
        self.assertEqual(self.create(tandem, "x").status, 204)
        self.assertEqual(program.of("/events"), [])
        self.assertEqual(self.create(tandem, "x", partitionNumber="x").status, 500)


if __name__ == "__main__":
    unittest.main()
