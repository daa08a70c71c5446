"""tandem run --watch: a module that changes on the disk takes the place of the one that runs, and no request fails."""

import os
import shutil
import unittest
from pathlib import Path

from harness import RawConnection, TandemTest, cache_folder, get, guest
from observe import wait_until
from test_hot_reload import Asking

UPDATED = "Module updated"
FAILED = "the changed module cannot be used: the one before goes on"


class WatchTest(TandemTest):
    def setUp(self):
        super().setUp()
        self.module = self.folder / "app.wasm"

    def serve(self, name, *arguments):
        shutil.copyfile(guest(name), self.module)
        self.tandem = self.start(self.module, "--watch", "--app-port", "0", "--dapr-http-port", "0", "--metrics-port",
                                 "0", "--cache-folder", cache_folder(), *arguments).wait_until_serving()
        return self.tandem

    def swap(self, name):
        """Written aside and renamed, as a compiler's linker or a deployment does it."""
        shutil.copyfile(guest(name), self.folder / "app.new")
        os.rename(self.folder / "app.new", self.module)

    def said(self, text, count=1):
        self.tandem.wait_for(lambda: len(self.tandem.log(scope="tandem.reload", msg=text)) >= count, text)

    def test_a_new_module_takes_over_under_load(self):
        self.serve("hostile")
        with RawConnection(self.tandem.app.url) as slow, Asking(lambda: self.tandem.get("/ok"), 4) as asking:
            slow.send("GET /slow?ms=3000 HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n")
            self.swap("hello")
            wait_until(lambda: self.tandem.get("/ok").text == "hello", "the new module")
            asking.some_more()
            # What had begun ends on the module that it began on.
            self.assertIn(b"slow", slow.read_all())
            self.said(UPDATED)
            self.swap("hostile")
            self.said(UPDATED, 2)
            self.assertEqual(self.tandem.get("/ok").text, "ok")
            asking.some_more()
        self.assertEqual(asking.failed, [])
        self.assertEqual(self.tandem.log(level="error"), [])

    def test_one_instance_serves_before_and_after(self):
        self.serve("hostile", "--instances", "1")
        with Asking(lambda: self.tandem.get("/ok"), 4) as asking:
            for count, name in enumerate(("hello", "hostile", "hello"), 1):
                self.swap(name)
                self.said(UPDATED, count)
                asking.some_more()
        self.assertEqual(asking.failed, [])
        self.assertEqual(self.tandem.get("/ok").text, "hello")

    def test_a_module_written_in_place_counts_when_it_is_complete(self):
        self.serve("hello")
        new = Path(guest("hostile")).read_bytes()
        with Asking(lambda: self.tandem.get("/ok")) as asking:
            with open(self.module, "wb") as file:
                file.write(new[:len(new) // 2])
                file.flush()
                asking.some_more()
                file.write(new[len(new) // 2:])
            self.said(UPDATED)
            self.assertEqual(self.tandem.get("/ok").text, "ok")
        self.assertEqual(asking.failed, [])
        self.assertEqual(self.tandem.log(msg=FAILED), [])

    def test_a_module_that_does_not_load_changes_nothing(self):
        self.serve("hello")
        with Asking(lambda: self.tandem.get("/ok")) as asking:
            self.module.write_bytes(b"\0asm and no more")
            self.said(FAILED)
            asking.some_more()
            self.assertEqual(self.tandem.get("/ok").text, "hello")
            os.unlink(self.module)
            self.said(FAILED, 2)
            self.swap("hostile")
            self.said(UPDATED)
            self.assertEqual(self.tandem.get("/ok").text, "ok")
        self.assertEqual(asking.failed, [])
        for line in self.tandem.log(msg=FAILED):
            self.assertIn(str(self.module), line["error"])

    def test_the_new_module_is_asked_for_its_subscriptions(self):
        self.serve("hello")

        def topics():
            metadata = get(self.tandem.app.dapr_url + "/v1.0/metadata").json()
            return [(one["topic"], one["rules"][0]["path"]) for one in metadata.get("subscriptions", [])]

        self.assertEqual(topics(), [])
        self.swap("orders")
        wait_until(lambda: topics() == [("orders", "/orders-events")], "the new module's subscription")
        self.swap("hello")
        wait_until(lambda: topics() == [], "the end of it")

    def test_a_crash_in_the_middle_leaves_nothing_behind(self):
        self.serve("hostile")
        self.swap("hello")
        self.tandem.wait_for(lambda: self.tandem.log(msg="the module has changed"), "the reload")
        self.tandem.kill()
        self.serve("hello")
        self.assertEqual(self.tandem.get("/ok").text, "hello")

    def test_the_stop_does_not_wait_for_the_module_before(self):
        self.serve("hostile", "--shutdown-limit", "1s")
        with RawConnection(self.tandem.app.url) as endless:
            endless.send("GET /sleep-forever HTTP/1.1\r\nhost: x\r\n\r\n")
            self.assertEqual(self.tandem.get("/ok").text, "ok")
            self.swap("hello")
            wait_until(lambda: self.tandem.get("/ok").text == "hello", "the new module")
            self.tandem.signal()
            self.assertEqual(self.tandem.wait(20), 1)

    def test_without_the_flag_a_module_stays_as_it_was(self):
        shutil.copyfile(guest("hello"), self.module)
        self.tandem = self.start(self.module, "--app-port", "0", "--dapr-http-port", "0", "--metrics-port", "0",
                                 "--resources-path", self.write("resources/none.yaml", "").parent,
                                 "--cache-folder", cache_folder()).wait_until_serving()
        self.swap("hostile")
        self.write("resources/one.yaml", "apiVersion: dapr.io/v1alpha1\nkind: Component\nmetadata: {name: one}\n"
                   "spec: {type: state.in-memory, version: v1}\n")
        self.said("Component added: one (state.in-memory/v1)")
        self.assertEqual(self.tandem.get("/ok").text, "hello")


if __name__ == "__main__":
    unittest.main()
