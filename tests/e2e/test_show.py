"""`make run`'s show, examples/shop/run.py: what it says is what is in the file, and it fails when something failed."""

import json
import os
import re
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

from harness import PATIENCE, binary, environment, guest, source
from observe import wait_until

APPS = ("checkout", "orders", "receipts")
# The show asks for these when they are free. Here they are not, so that it takes free ones: tests run side by side.
USUAL_PORTS = (8080, 3500, 8081, 3501, 8082, 3502, 9090)
NUMBER = r"[\d,]+(?:\.\d+)?"


def occupy(port):
    """A listening socket on it, or None where another program has it already."""
    one = socket.socket()
    try:
        one.bind(("127.0.0.1", port))
        one.listen()
        return one
    except OSError:
        one.close()
        return None


class ShowTest(unittest.TestCase):
    def setUp(self):
        self.folder = Path(tempfile.mkdtemp(prefix="tandem-show-"))
        self.addCleanup(shutil.rmtree, self.folder, ignore_errors=True)
        for port in USUAL_PORTS:
            if held := occupy(port):
                self.addCleanup(held.close)
        self.guests = self.folder / "guests"
        self.guests.mkdir()
        for name in APPS:
            shutil.copy(guest(name), self.guests)
        self.shop = self.folder / "shop"

    def command(self, *arguments):
        return [sys.executable, "-B", source() / "examples/shop/run.py", "--folder", self.shop, *map(str, arguments)]

    def environment(self):
        # Compiled modules are kept for the next test: a JavaScript guest takes its time.
        cache = Path(tempfile.gettempdir()) / f"tandem-e2e-cache-{os.getuid()}"
        return environment({"TANDEM_BINARY": str(binary()), "TANDEM_GUESTS": str(self.guests),
                            "XDG_CACHE_HOME": str(cache)})

    def show(self, *arguments):
        return subprocess.run(self.command(*arguments), stdin=subprocess.DEVNULL, capture_output=True, text=True,
                              env=self.environment(), cwd=self.folder, timeout=PATIENCE, check=False)

    def refused(self, *arguments):
        """Standard error of a show that has to fail."""
        done = self.show("--once", "--orders", 5, "--burst", 5, *arguments)
        self.assertEqual(done.returncode, 1, done.stdout + done.stderr)
        self.assertIn("\nfailed: ", done.stderr)
        self.assertNotIn("Traceback", done.stderr)
        self.assertNotIn("stopped", done.stdout)
        return done.stderr

    def rows(self):
        with sqlite3.connect(f"file:{self.shop / 'shop.db'}?mode=ro", uri=True) as database:
            self.assertEqual(database.execute("PRAGMA integrity_check").fetchone()[0], "ok")
            return dict(database.execute("SELECT key, value FROM state"))

    def has_an_order(self):
        try:
            return any(key.startswith("checkout||") for key in self.rows())
        except sqlite3.Error:
            return False  # not made yet

    def check_file(self, count):
        """The file holds `count` orders, counted once each, with a receipt each."""
        rows = self.rows()

        def of(app):
            return {key.split("||", 1)[1]: value for key, value in rows.items() if key.startswith(f"{app}||")}

        orders = {key: json.loads(value) for key, value in of("checkout").items()}
        self.assertEqual(len(orders), count)
        self.assertEqual(set(of("receipts")), set(orders))
        sales = [json.loads(value) for key, value in of("orders").items() if key.startswith("sales-")]
        self.assertEqual(sum(one["orders"] for one in sales), count)
        self.assertEqual(sum(one["revenueCents"] for one in sales), sum(one["totalCents"] for one in orders.values()))
        return orders

    def test_what_it_says_is_in_the_file(self):
        done = self.show("--once", "--orders", 20, "--burst", 30)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        self.assertEqual(done.stderr, "")
        orders = self.check_file(50)
        for count in (20, 30):
            self.assertRegex(done.stdout, rf"\n  orders   {count} of {count} accepted   p50 {NUMBER} ms  "
                                          rf"p99 {NUMBER} ms  {NUMBER}/s\n"
                                          rf"  stored   {count} of {count} in shop/shop\.db\n"
                                          rf"  events   {2 * count} of {2 * count} delivered: orders counted {count}, "
                                          rf"receipts wrote {count} \({NUMBER} s after the last order\)\n")
        self.assertRegex(done.stdout, r"\n  reads    600 of 600 answered ")
        self.assertRegex(done.stdout, r"\n  memory   \d+ MB resident")
        self.assertIn("\n  stopped  in order", done.stdout)
        # The commands to try name an order that there is, and the ports that were free.
        (shown,) = set(re.findall(r"/orders/(\w+) ", done.stdout))
        self.assertIn(shown, orders)
        # Without --once, and a second time in the same folder: it adds to what is there.
        again = self.show("--orders", 3, "--burst", 4)
        self.assertEqual(again.returncode, 0, again.stdout + again.stderr)
        self.check_file(57)
        self.check_readme(again.stdout)

    def check_readme(self, said):
        """README's sample of the show has the lines that the show prints."""
        readme = (source() / "README.md").read_text()
        sample = re.search(r"^The shop: checkout.*?^```$", readme, re.DOTALL | re.MULTILINE).group()

        def names(text):
            return re.findall(r"^  (serving|orders|stored|events|reads|memory|client) ", text, re.MULTILINE)

        self.assertEqual(names(sample), names(said))
        self.assertEqual(sample.splitlines()[0], re.search("^The shop:.*", said, re.MULTILINE).group())

    def test_a_checkout_that_is_no_module(self):
        (self.guests / "checkout.wasm").write_bytes(guest("checkout").read_bytes()[:20000])
        said = self.refused()
        self.assertIn("it broke off while starting", said)
        self.assertRegex(said, r"the end of the log:(\n  .*)*checkout\.wasm")

    def test_a_checkout_that_takes_no_orders(self):
        shutil.copy(guest("hello"), self.guests / "checkout.wasm")
        self.assertIn("an order was answered 200, not 201: hello", self.refused())

    def test_a_checkout_that_traps(self):
        shutil.copy(guest("hostile"), self.guests / "checkout.wasm")
        self.assertRegex(self.refused(), r"an order was answered \d+, not 201")

    def test_an_app_that_counts_nothing(self):
        shutil.copy(guest("hello"), self.guests / "orders.wasm")
        self.assertRegex(self.refused(), "/totals was answered with something that is not JSON: 'hello'")

    def test_a_guest_that_is_not_built(self):
        (self.guests / "receipts.wasm").unlink()
        self.assertIn("receipts not built", self.refused())
        self.assertIn("./dev guests receipts", self.refused())

    def test_a_file_that_cannot_be_opened(self):
        (self.shop / "shop.db").mkdir(parents=True)
        self.assertIn("shop.db", self.refused())

    def test_it_is_killed_in_the_middle(self):
        one = subprocess.Popen(self.command("--orders", 100_000), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                               stderr=subprocess.PIPE, text=True, env=self.environment(), cwd=self.folder)
        try:
            wait_until(self.has_an_order, "the first order")
            one.send_signal(signal.SIGTERM)
            said, _ = one.communicate(timeout=PATIENCE)
        finally:
            one.kill()
            one.wait()
        self.assertEqual(one.returncode, 130, said)
        self.assertIn("stopping", said)
        (process,) = re.findall(r"process (\d+)", said)
        self.assertFalse(Path(f"/proc/{process}").exists(), "Tandem is still there")


if __name__ == "__main__":
    unittest.main()
