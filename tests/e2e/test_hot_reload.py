"""Resources that change on the disk are taken over while everything goes on being served: no request fails for it."""

import json
import os
import signal
import threading
import unittest

from harness import PATIENCE, TandemTest, get, post
from observe import wait_until
from program import Program, serve_beside

STORE = """apiVersion: dapr.io/v1alpha1
kind: Component
metadata: {{name: {name}}}
spec:
  type: state.sqlite
  version: v1
  {more}
  metadata:
    - {{name: connectionString, value: "{file}"}}
"""
MEMORY = """apiVersion: dapr.io/v1alpha1
kind: Component
metadata: {{name: {name}}}
spec: {{type: {type}.in-memory, version: v1, metadata: [{{name: "mark", value: "{mark}"}}]}}
"""
PUBSUB = """apiVersion: dapr.io/v1alpha1
kind: Component
metadata: {{name: pubsub}}
spec:
  type: pubsub.in-memory
  version: v1
  metadata: [{{name: publishingScopes, value: "{scopes}"}}]
"""
SUBSCRIPTION = """apiVersion: dapr.io/v2alpha1
kind: Subscription
metadata: {{name: {name}}}
spec: {{pubsubname: pubsub, topic: {topic}, routes: {{default: {route}}}}}
"""
ENDPOINT = """apiVersion: dapr.io/v1alpha1
kind: HTTPEndpoint
metadata: {{name: other}}
spec: {{baseUrl: "http://127.0.0.1:{port}{path}"}}
"""
CRON = """apiVersion: dapr.io/v1alpha1
kind: Component
metadata: {name: tick}
spec: {type: bindings.cron, version: v1, metadata: [{name: schedule, value: "@every 100ms"}]}
"""


class Asking:
    """Clients that ask for the same all the time; `failed` has every answer that is none of the good statuses."""

    def __init__(self, ask, clients=3, good=(200, 204)):
        self.ask = ask
        self.good = good
        self.count = 0
        self.failed = []
        self.end = threading.Event()
        self.threads = [threading.Thread(target=self.run) for _ in range(clients)]

    def run(self):
        while not self.end.is_set():
            try:
                answer = self.ask()
                if answer.status in self.good:
                    self.count += 1
                else:
                    self.failed.append(answer)
            except OSError as error:
                self.failed.append(error)

    def some_more(self):
        count = self.count
        wait_until(lambda: self.count > count + 20 or self.failed, "more answers")

    def __enter__(self):
        for one in self.threads:
            one.start()
        self.some_more()
        return self

    def __exit__(self, *_):
        self.end.set()
        for one in self.threads:
            one.join(PATIENCE)


class HotReloadTest(TandemTest):
    def put(self, name, text):
        """As an editor does it: written aside, then renamed."""
        aside = self.write(f"aside/{name}", text)
        (self.folder / "resources").mkdir(exist_ok=True)
        os.rename(aside, self.folder / "resources" / name)

    def store(self, name, file=None, more=""):
        self.put(f"{name}.yaml", STORE.format(name=name, more=more, file=self.folder / (file or f"{name}.db")))

    def serve(self, *arguments, guest_name="hostile"):
        (self.folder / "resources").mkdir(exist_ok=True)
        self.tandem = self.run_guest(guest_name, "--resources-path", self.folder / "resources", *arguments)
        self.dapr = self.tandem.app.dapr_url
        return self.tandem

    def serve_beside(self, program, **options):
        self.tandem = serve_beside(self, program.port, resources_path=self.folder / "resources", **options)
        self.dapr = self.tandem.app.dapr_url
        return self.tandem

    def metadata(self):
        return get(self.dapr + "/v1.0/metadata").json()

    def components(self):
        return sorted(one["name"] for one in self.metadata().get("components", []))

    def said(self, text, count=1):
        self.tandem.wait_for(lambda: len(self.tandem.log(scope="tandem.reload", msg=text)) >= count, text)

    def save(self, store, value):
        return post(f"{self.dapr}/v1.0/state/{store}", [{"key": "k", "value": value}])

    def read(self, store):
        return get(f"{self.dapr}/v1.0/state/{store}/k")

    def test_components_come_change_and_go_under_load(self):
        self.store("one")
        self.store("steady")
        self.serve()
        pid = self.tandem.process.pid
        self.assertEqual(self.save("one", "first").status, 204)
        self.assertEqual(self.save("steady", 1).status, 204)
        with Asking(lambda: self.read("one")) as readers, Asking(lambda: self.save("steady", 2), 2) as writers:
            self.store("two")
            self.said("Component added: two (state.sqlite/v1)")
            self.assertEqual(self.components(), ["one", "steady", "two"])
            self.assertEqual(self.save("two", 2).status, 204)
            # Another file: what it has is what is read from now on.
            self.store("other")
            self.said("Component added: other (state.sqlite/v1)")
            self.assertEqual(self.save("other", "second").status, 204)
            self.store("one", file="other.db")
            self.said("Component updated: one (state.sqlite/v1)")
            self.assertEqual(self.read("one").json(), "second")
            os.rename(self.folder / "resources/two.yaml", self.folder / "resources/renamed.yaml")
            os.unlink(self.folder / "resources/other.yaml")
            self.said("Component removed: other (state.sqlite/v1)")
            self.assertEqual(self.components(), ["one", "steady", "two"])
            for asking in (readers, writers):
                asking.some_more()
        self.assertEqual(readers.failed + writers.failed, [])
        self.assertEqual(self.save("other", 1).status, 400)
        self.assertEqual(self.read("two").json(), 2)
        self.assertEqual((self.tandem.process.pid, self.tandem.process.poll()), (pid, None))
        self.assertEqual(self.tandem.log(level="error"), [])

    def test_a_store_of_another_kind_under_the_same_name(self):
        self.store("one")
        self.serve()
        with Asking(lambda: self.save("one", 1)) as writers:
            for mark in range(3):
                self.put("one.yaml", MEMORY.format(name="one", type="state", mark=mark))
                self.said("Component updated: one (state.in-memory/v1)", mark + 1)
                writers.some_more()
            self.store("one")
            self.said("Component updated: one (state.sqlite/v1)")
            writers.some_more()
        self.assertEqual(writers.failed, [])

    def test_what_is_wrong_changes_nothing_and_is_said_once(self):
        self.store("one")
        self.serve()
        self.assertEqual(self.save("one", "kept").status, 204)
        self.put("bad.yaml", "apiVersion: dapr.io/v1alpha1\nkind: Component\nmetadata: {name: bad}\n")
        cannot = "the resources have changed and cannot be read: what was there before goes on"
        self.said(cannot)
        (line,) = self.tandem.log(level="error")
        self.assertRegex(line["error"], r"/bad\.yaml:\d+: .*spec is missing")
        self.assertEqual(self.components(), ["one"])
        os.unlink(self.folder / "resources/bad.yaml")

        # The folder of the file is not there: the store before goes on, whatever ignoreErrors says.
        for count, more in enumerate(("", "ignoreErrors: true"), 1):
            self.store("one", file="no/folder.db", more=more)
            self.said("Component goes on as it was: one (state.sqlite/v1)", count)
            self.assertEqual(self.read("one").json(), "kept")
        (line,) = self.tandem.log(msg="a component could not be reloaded")
        self.assertRegex(line["error"], r'/one\.yaml:\d+: component "one" \(state\.sqlite\): ')
        # As it was at first: nothing to do.
        self.store("one")
        self.store("two")
        self.said("Component added: two (state.sqlite/v1)")
        self.assertEqual(self.tandem.log(msg="Component updated: one (state.sqlite/v1)"), [])
        self.assertEqual(self.read("one").json(), "kept")

    def test_a_store_of_actors_is_left_alone(self):
        actors = MEMORY.replace("mark", "actorStateStore", 1)
        self.put("actors.yaml", actors.format(name="actors", type="state", mark="true"))
        self.serve()
        refused = ("Aborting to hot-reload a state store component that is used as an actor state store: "
                   "actors (state.in-memory/v1)")
        self.put("actors.yaml", actors.format(name="actors", type="state", mark="false"))
        self.said(refused)
        os.unlink(self.folder / "resources/actors.yaml")
        self.said(refused, 2)
        self.assertEqual(self.components(), ["actors"])

    def test_the_feature_switches_it_off(self):
        config = self.write("config.yaml", "apiVersion: dapr.io/v1alpha1\nkind: Configuration\nmetadata: {name: c}\n"
                            "spec: {features: [{name: HotReload, enabled: false}]}\n")
        self.store("one")
        self.serve("--config", config)
        self.store("two")
        # SIGHUP still has everything read again.
        self.tandem.signal(signal.SIGHUP)
        self.tandem.wait_for_log(scope="tandem.server", msg="reloaded")
        self.assertEqual(self.components(), ["one", "two"])
        self.assertEqual(self.tandem.log(scope="tandem.reload"), [])

    def subscriber(self, routes=()):
        """An app that counts what it takes, by path and data."""
        self.taken = []

        def take(seen):
            self.taken.append((seen.path, json.loads(seen.body)["data"]))
            return 200, {}, b""

        program = Program({"/dapr/subscribe": lambda _: (200, {"content-type": "application/json"}, b"[]"),
                           **{route: take for route in routes}})
        self.addCleanup(program.close)
        return program

    def topics(self):
        return sorted((one["topic"], one["rules"][0]["path"]) for one in self.metadata().get("subscriptions", []))

    def publish(self, topic, data):
        return post(f"{self.dapr}/v1.0/publish/pubsub/{topic}", json.dumps(data).encode(),
                    headers={"content-type": "application/json"})

    def test_subscriptions_and_their_broker(self):
        program = self.subscriber(["/a", "/b", "/steady"])
        self.put("pubsub.yaml", PUBSUB.format(scopes=""))
        self.put("steady.yaml", SUBSCRIPTION.format(name="steady", topic="steady", route="/steady"))
        self.serve_beside(program)
        wait_until(lambda: self.topics() == [("steady", "/steady")], "the first subscription")
        sent = []

        def publish():
            sent.append(len(sent))
            return self.publish("steady", sent[-1])

        with Asking(publish, 1) as publisher:
            self.put("more.yaml", SUBSCRIPTION.format(name="more", topic="orders", route="/a"))
            wait_until(lambda: ("orders", "/a") in self.topics(), "the second subscription")
            self.assertEqual(self.publish("orders", 1).status, 204)
            wait_until(lambda: ("/a", 1) in self.taken, "an event of the new topic")
            self.put("more.yaml", SUBSCRIPTION.format(name="more", topic="orders", route="/b"))
            wait_until(lambda: ("orders", "/b") in self.topics(), "the changed route")
            self.assertEqual(self.publish("orders", 2).status, 204)
            wait_until(lambda: ("/b", 2) in self.taken, "an event on the new route")
            os.unlink(self.folder / "resources/more.yaml")
            wait_until(lambda: self.topics() == [("steady", "/steady")], "the end of the second subscription")
            publisher.some_more()
        self.assertEqual(publisher.failed, [])
        wait_until(lambda: {data for path, data in self.taken if path == "/steady"} == set(sent), "every event")

        # Another broker in its place: the subscription goes on.
        with Asking(lambda: self.publish("steady", "x"), 2) as publisher:
            for count, scopes in enumerate(("other=none", "other=nothing"), 1):
                self.put("pubsub.yaml", PUBSUB.format(scopes=scopes))
                self.said("Component updated: pubsub (pubsub.in-memory/v1)", count)
                publisher.some_more()
                self.assertEqual(self.publish("steady", f"after {count}").status, 204)
                wait_until(lambda: ("/steady", f"after {count}") in self.taken, "an event of the new broker")
        self.assertEqual(publisher.failed, [])
        self.assertEqual(self.topics(), [("steady", "/steady")])
        os.unlink(self.folder / "resources/pubsub.yaml")
        self.said("Component removed: pubsub (pubsub.in-memory/v1)")
        self.assertEqual(self.publish("steady", 1).status, 404)
        wait_until(lambda: self.topics() == [], "the end of its subscription")
        self.put("pubsub.yaml", PUBSUB.format(scopes=""))
        wait_until(lambda: self.topics() == [("steady", "/steady")], "the subscription again")

    def test_an_input_binding_comes_and_goes(self):
        ticks = []
        program = Program({"/tick": lambda seen: (ticks.append(seen.method), (200, {}, b""))[1]})
        self.addCleanup(program.close)
        (self.folder / "resources").mkdir()
        self.serve_beside(program)
        self.put("tick.yaml", CRON)
        wait_until(lambda: ticks.count("POST") > 3, "events of the new binding")
        os.unlink(self.folder / "resources/tick.yaml")
        self.said("Component removed: tick (bindings.cron/v1)")
        self.assertEqual(self.components(), [])

    def test_an_http_endpoint_is_taken_over(self):
        other = Program({"/one/x": lambda _: (200, {}, b"one"), "/two/x": lambda _: (200, {}, b"two")})
        self.addCleanup(other.close)
        self.put("other.yaml", ENDPOINT.format(port=other.port, path="/one"))
        self.serve()
        url = self.dapr + "/v1.0/invoke/other/method/x"
        self.assertEqual(get(url).text, "one")
        with Asking(lambda: get(url)) as asking:
            self.put("other.yaml", ENDPOINT.format(port=other.port, path="/two"))
            self.tandem.wait_for_log(scope="tandem.server", msg="reloaded")
            asking.some_more()
            self.assertEqual(get(url).text, "two")
        self.assertEqual(asking.failed, [])

    def test_the_link_of_a_config_map_is_swapped(self):
        for version, names in (("..1", ["one"]), ("..2", ["one", "two"])):
            for name in names:
                self.write(f"resources/{version}/{name}.yaml",
                           STORE.format(name=name, more="", file=self.folder / f"{name}.db"))
        resources = self.folder / "resources"
        os.symlink("..1", resources / "..data")
        for name in ("one", "two"):
            os.symlink(f"..data/{name}.yaml", resources / f"{name}.yaml")
        os.unlink(resources / "two.yaml")
        self.serve()
        os.symlink("..data/two.yaml", resources / "two.yaml")
        os.symlink("..2", resources / "..data_tmp")
        os.rename(resources / "..data_tmp", resources / "..data")
        self.said("Component added: two (state.sqlite/v1)")
        self.assertEqual(self.components(), ["one", "two"])

    def test_a_crash_in_the_middle_leaves_nothing_behind(self):
        self.store("one")
        for _ in range(3):
            self.serve()
            self.assertEqual(self.save("one", "kept").status, 204)
            for name in ("two", "three", "four"):
                self.store(name)
            self.store("one", more="initTimeout: 5s")
            self.tandem.wait_for(lambda: self.tandem.log(scope="tandem.reload"), "the reload")
            self.tandem.kill()
            for name in ("two", "three", "four"):
                os.unlink(self.folder / f"resources/{name}.yaml")
            self.store("one")
        self.serve()
        self.assertEqual(self.read("one").json(), "kept")
        self.assertEqual(self.components(), ["one"])


if __name__ == "__main__":
    unittest.main()
