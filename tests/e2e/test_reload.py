"""SIGHUP: resources and Configuration are read again while everything goes on being served."""

import signal
import threading
import time
import unittest
from urllib.parse import urlsplit

from harness import PATIENCE, RawConnection, TandemTest, get, post

STORE = """
apiVersion: dapr.io/v1alpha1
kind: Component
metadata: {{name: {name}}}
spec:
  type: state.sqlite
  version: v1
  metadata:
    - {{name: connectionString, value: "{folder}/{name}.db"}}
"""

# What Dapr switches on without being asked.
BY_DEFAULT = ["HotReload", "WorkflowsRemoteActivityReminder"]

CONFIGURATION = """
apiVersion: dapr.io/v1alpha1
kind: Configuration
metadata: {{name: reload}}
spec:
  features: [{{name: {feature}, enabled: true}}]
  api: {{denied: [{{name: {denied}, version: v1.0, protocol: http}}]}}
"""


class ReloadTest(TandemTest):
    def start_stores(self, *names, guest_name="hostile", configuration=None):
        self.put_stores(*names)
        arguments = ["--resources-path", self.folder / "resources"]
        if configuration:
            arguments += ["--config", self.write("config.yaml", configuration)]
        self.tandem = self.run_guest(guest_name, *arguments)
        self.app = self.tandem.app
        return self.tandem

    def put_stores(self, *names):
        for old in (self.folder / "resources").glob("*.yaml"):
            old.unlink()
        for name in names:
            self.write(f"resources/{name}.yaml", STORE.format(name=name, folder=self.folder))

    def reload(self, said="reloaded"):
        before = len(self.tandem.log(scope="tandem.server", msg=said))
        self.tandem.signal(signal.SIGHUP)
        self.tandem.wait_for(lambda: len(self.tandem.log(scope="tandem.server", msg=said)) > before, said)

    def metadata(self):
        return get(self.app.dapr_url + "/v1.0/metadata").json()

    def components(self):
        return [one["name"] for one in self.metadata()["components"]]

    def state(self, store):
        return f"{self.app.dapr_url}/v1.0/state/{store}"

    def test_components_come_and_go(self):
        self.start_stores("one", "two")
        self.assertEqual(self.components(), ["one", "two"])
        self.assertEqual(post(self.state("one"), [{"key": "k", "value": "kept"}]).status, 204)
        self.put_stores("one", "three")
        self.reload()
        self.assertEqual(self.components(), ["one", "three"])
        self.assertEqual(get(self.state("one") + "/k").json(), "kept")
        self.assertEqual(get(self.state("two") + "/k").status, 400)
        self.assertEqual(post(self.state("three"), [{"key": "k", "value": 3}]).status, 204)
        self.put_stores("one")
        self.reload()
        self.assertEqual(self.components(), ["one"])
        self.tandem.stop()

    def test_the_configuration_too(self):
        self.start_stores("one", configuration=CONFIGURATION.format(feature="before", denied="secrets"))
        self.assertEqual(self.metadata()["enabledFeatures"], [*BY_DEFAULT, "before"])
        self.write("config.yaml", CONFIGURATION.format(feature="after", denied="state"))
        self.reload()
        self.assertEqual(self.metadata()["enabledFeatures"], [*BY_DEFAULT, "after"])
        self.assertEqual(get(self.state("one") + "/k").status, 404)

    def test_mistakes_change_nothing(self):
        self.start_stores("one")
        self.write("resources/bad.yaml", STORE.format(name="bad", folder=self.folder).replace("sqlite", "nosuch"))
        self.write("resources/worse.yaml", "apiVersion: dapr.io/v1alpha1\nkind: Component\nmetadata: {name: worse}\n")
        self.reload(said="the reload failed; what was there before goes on")
        self.tandem.wait_for(lambda: "worse.yaml" in self.tandem.errors, "the mistakes on standard error")
        self.assertRegex(self.tandem.errors, r"bad\.yaml:\d+: .*state\.nosuch")
        self.assertRegex(self.tandem.errors, r"worse\.yaml:\d+: spec is missing")
        self.assertEqual(self.components(), ["one"])
        self.assertEqual(post(self.state("one"), [{"key": "k", "value": 1}]).status, 204)
        self.put_stores("one", "two")
        self.reload()
        self.assertEqual(self.components(), ["one", "two"])

    def test_a_component_that_does_not_start_changes_nothing(self):
        self.start_stores("one")
        self.write("resources/two.yaml", STORE.format(name="two", folder=self.folder / "no-such-folder"))
        self.reload(said="the reload failed; what was there before goes on")
        self.assertEqual(self.components(), ["one"])

    def test_nobody_is_refused_and_what_has_begun_is_finished(self):
        self.start_stores("one")
        pid = self.tandem.process.pid
        end = threading.Event()
        served, failed = [], []

        def ask():
            while not end.is_set():
                try:
                    answer = get(self.app.url + "/ok")
                    (served if answer.status == 200 else failed).append(answer)
                except OSError as error:
                    failed.append(error)

        askers = [threading.Thread(target=ask) for _ in range(3)]
        with RawConnection(self.app.url) as slow:
            host = urlsplit(self.app.url).netloc
            slow.send(f"GET /slow?ms=1000 HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n")
            for asker in askers:
                asker.start()
            for stores in (("one", "two"), ("one",)):
                self.put_stores(*stores)
                self.reload()
                self.assertEqual(self.components(), list(stores))
            self.assertIn(b"slow", slow.read_all())
        count = len(served)
        deadline = time.monotonic() + PATIENCE
        while len(served) < count + 10 and time.monotonic() < deadline:
            askers[0].join(0.01)
        end.set()
        for asker in askers:
            asker.join(PATIENCE)
        self.assertEqual(failed, [])
        self.assertGreaterEqual(len(served), count + 10)
        self.assertEqual((self.tandem.process.pid, self.tandem.process.poll()), (pid, None))
        self.assertEqual(self.tandem.app.url, self.app.url)
        self.tandem.stop()
        with self.assertRaises(OSError):
            get(self.app.url + "/ok")


if __name__ == "__main__":
    unittest.main()
