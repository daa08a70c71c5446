"""How a process ends: requests in flight are answered, new ones refused, and the exit status tells what happened."""

import re
import signal
import socket
import subprocess
import unittest
from urllib.parse import urlsplit

from harness import PATIENCE, RawConnection, TandemTest, binary, cache_folder, environment, free_port, get, guest, post
from observe import together, wait_until
from program import Program, serve_beside

RETRIED = """apiVersion: dapr.io/v1alpha1
kind: Component
metadata: {name: pubsub}
spec: {type: pubsub.in-memory, version: v1}
---
apiVersion: dapr.io/v2alpha1
kind: Subscription
metadata: {name: orders}
spec: {pubsubname: pubsub, topic: orders, routes: {default: /orders}}
---
apiVersion: dapr.io/v1alpha1
kind: Resiliency
metadata: {name: patient}
spec:
  policies: {retries: {later: {policy: constant, duration: 1h}}}
  targets: {components: {pubsub: {inbound: {retry: later}}}}
"""

SLOW = "GET /slow?ms=1500 HTTP/1.1\r\nhost: x\r\n\r\n"


def is_refused(url):
    parts = urlsplit(url)
    try:
        socket.create_connection((parts.hostname, parts.port), timeout=PATIENCE).close()
    except ConnectionRefusedError:
        return True
    except ConnectionResetError:
        return False  # It was closed in this very moment.
    return False


def is_whole(text, body):
    """An answer with this body, in one piece or in chunks."""
    return text.startswith(b"HTTP/1.1 200 ") and text.endswith((b"\r\n\r\n" + body, body + b"\r\n0\r\n\r\n"))


class StopTest(TandemTest):
    def in_flight(self, tandem, count, request=SLOW):
        """Connections whose requests a guest has begun."""
        raws = [RawConnection(tandem.app.url) for _ in range(count)]
        for raw in raws:
            self.addCleanup(raw.close)
            raw.send("GET /ok HTTP/1.1\r\nhost: x\r\n\r\n")
            raw.read_until(b"ok")
            raw.send(request)
        return raws

    def test_requests_in_flight_are_answered(self):
        for number in (signal.SIGTERM, signal.SIGINT):
            with self.subTest(number):
                tandem = self.run_guest("hostile")
                raws = self.in_flight(tandem, 8)
                tandem.signal(number)
                wait_until(lambda: is_refused(tandem.app.url), "the port to be closed")
                self.assertTrue(is_refused(tandem.app.dapr_url))
                self.assertIsNone(tandem.process.poll(), "it did not wait for what is in flight")
                for raw in raws:
                    text = raw.read_all()
                    self.assertTrue(is_whole(text, b"slow"), text)
                    self.assertIn(b"connection: close", text.lower())
                self.assertEqual(tandem.wait(), 0)
                self.assertTrue(tandem.log(scope="tandem.cli", msg="stopped"))
                self.assertEqual(tandem.log(level="error"), [])

    def test_a_body_in_flight_is_read_and_answered_whole(self):
        tandem = self.run_guest("echo")
        with RawConnection(tandem.app.url) as raw:
            raw.send("POST / HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n5\r\nfirst\r\n")
            raw.read_until(b"first")
            tandem.signal()
            wait_until(lambda: is_refused(tandem.app.url), "the port to be closed")
            raw.send("6\r\nsecond\r\n0\r\n\r\n")
            text = raw.read_all()
            self.assertIn(b"second", text)
            self.assertTrue(text.endswith(b"0\r\n\r\n"), text)
        self.assertEqual(tandem.wait(), 0)

    def test_idle_connections_do_not_hold_it(self):
        tandem = self.run_guest("hostile", "--shutdown-limit", "100s")
        for raw in [RawConnection(tandem.app.url) for _ in range(50)] + [RawConnection(tandem.app.dapr_url)]:
            self.addCleanup(raw.close)
        kept = RawConnection(tandem.app.url)
        self.addCleanup(kept.close)
        kept.send("GET /ok HTTP/1.1\r\nhost: x\r\n\r\n")
        kept.read_until(b"ok")
        tandem.stop()
        self.assertEqual(kept.read_all(), b"")

    def test_requests_that_are_not_whole_do_not_hold_it(self):
        tandem = self.run_guest("hostile", "--shutdown-limit", "5s")
        half = RawConnection(tandem.app.url)
        self.addCleanup(half.close)
        half.send("GET /ok HTTP/1.1\r\nHo")
        after = RawConnection(tandem.app.url)
        self.addCleanup(after.close)
        after.send("GET /ok HTTP/1.1\r\nhost: x\r\n\r\nGET /half")
        after.read_until(b"ok")
        unread = RawConnection(tandem.app.url)
        self.addCleanup(unread.close)
        unread.send("POST /ok HTTP/1.1\r\nhost: x\r\ncontent-length: 1000\r\n\r\nabc")
        unread.read_until(b"ok")
        tandem.stop()
        for raw in (half, after, unread):
            self.assertEqual(raw.read_all(), b"")

    def test_what_takes_too_long_is_cut(self):
        for path in ("/sleep-forever", "/spin", "/drip?chunks=100000&ms=20"):
            with self.subTest(path):
                tandem = self.run_guest("hostile", "--shutdown-limit", "500ms")
                raws = self.in_flight(tandem, 2, f"GET {path} HTTP/1.1\r\nhost: x\r\n\r\n")
                if path.startswith("/drip"):
                    for raw in raws:
                        raw.read_until(b".")
                tandem.signal()
                for raw in raws:
                    text = raw.read_all()
                    self.assertNotIn(b"0\r\n\r\n", text)
                self.assertEqual(tandem.wait(30), 1)
                self.assertTrue(tandem.log(msg=re.compile("cut off")))

    def test_an_answer_that_is_not_taken_is_cut(self):
        tandem = self.run_guest("hostile", "--shutdown-limit", "500ms")
        raws = self.in_flight(tandem, 1, "GET /drip?chunks=1000&ms=0&size=100000 HTTP/1.1\r\nhost: x\r\n\r\n")
        raws[0].read_until(b"HTTP/1.1 200 ")
        tandem.stop(expected=1)
        self.assertTrue(tandem.log(msg=re.compile("cut off")))

    def test_a_guest_that_runs_on_after_its_answer(self):
        """Nobody waits for it any more: it is ended with the process, in time."""
        tandem = self.run_guest("hostile", "--shutdown-limit", "1s")
        self.assertEqual(tandem.get("/never-return").text, "ok")
        self.assertEqual(tandem.get("/spin-after-answer").text, "ok")
        tandem.stop()

    def test_a_second_signal_stops_at_once(self):
        for second in (signal.SIGTERM, signal.SIGINT):
            tandem = self.run_guest("hostile", "--shutdown-limit", "1000s", "--request-timeout", "1000s")
            self.in_flight(tandem, 1, "GET /sleep-forever HTTP/1.1\r\nhost: x\r\n\r\n")
            tandem.signal()
            tandem.wait_for_log(scope="tandem.cli", msg=re.compile("^still stopping"))
            tandem.signal(second)
            self.assertEqual(tandem.wait(30), 1)
            self.assertIn("second signal", tandem.errors)

    def test_signals_that_come_together_are_one_stop(self):
        """A terminal's Ctrl-C that a parent passes on, timeout(1): one wish, two signals."""
        tandem = self.run_guest("hostile")
        raws = self.in_flight(tandem, 2)
        tandem.signal(signal.SIGTERM)
        tandem.signal(signal.SIGINT)
        for raw in raws:
            text = raw.read_all()
            self.assertTrue(is_whole(text, b"slow"), text)
        self.assertEqual(tandem.wait(), 0)
        self.assertEqual(tandem.errors, "")

    def test_a_signal_while_it_starts(self):
        one = self.start(guest("hello_js"), "--app-port", "0", "--dapr-http-port", "0", "--metrics-port", "0",
                         "--no-cache")
        one.wait_for(lambda: one.lines, "its first line")
        one.signal()
        self.assertEqual(one.wait(30), 1)
        self.assertIn("before it served", one.errors)

    def test_a_signal_as_soon_as_it_serves(self):
        for _ in range(15):
            tandem = self.run_guest("hello")
            tandem.stop()

    def test_a_signal_between_the_first_answer_and_the_line_that_says_so(self):
        """Whoever has been answered has something to lose: the stop is an orderly one."""
        for _ in range(8):
            port = free_port()
            url = f"http://127.0.0.1:{port}/"
            one = self.start(guest("hello"), "--app-port", port, "--dapr-http-port", "0", "--metrics-port", "0",
                             "--cache-folder", cache_folder())

            def answered():
                try:
                    return get(url).text == "hello"
                except OSError:
                    return False

            while not answered():
                self.assertIsNone(one.process.poll(), one.output())
            one.signal()
            self.assertEqual(one.wait(), 0, one.output())
            self.assertEqual(one.errors, "")

    def test_an_event_that_waits_for_its_next_attempt_does_not_hold_it(self):
        resources = self.write("resources/all.yaml", RETRIED).parent
        tried = []
        program = Program({"/dapr/subscribe": lambda _: (200, {"content-type": "application/json"}, b"[]"),
                           "/orders": lambda seen: (tried.append(seen.path), (500, {}, b""))[1]})
        self.addCleanup(program.close)
        beside = serve_beside(self, program.port, resources_path=resources, dapr_graceful_shutdown_seconds=1000)
        self.assertEqual(post(beside.app.dapr_url + "/v1.0/publish/pubsub/orders", {}).status, 204)
        beside.wait_for_log(msg=re.compile("Retrying in 1h"))
        beside.signal()
        self.assertEqual(beside.wait(30), 0, beside.output())
        self.assertEqual(len(tried), 1)

    def test_block_shutdown_serves_on_without_events(self):
        tandem = self.run_guest("hello", "--dapr-block-shutdown-duration", "2s")
        tandem.signal()
        tandem.wait_for_log(msg="Blocking graceful shutdown for 2s or until app reports unhealthy...")
        self.assertEqual(tandem.get().text, "hello")
        self.assertEqual(tandem.wait(), 0)
        self.assertTrue(tandem.log(msg="Block shutdown period expired, entering shutdown..."))

    def test_stop_under_load(self):
        """Every request is answered whole or its connection is refused or closed before an answer begins."""
        tandem = self.run_guest("echo")
        answered = []
        def client(index):
            body = bytes([200 + index]) * 20_000
            while True:
                try:
                    raw = RawConnection(tandem.app.url)
                except ConnectionRefusedError:
                    return
                except ConnectionResetError:
                    continue
                with raw:
                    try:
                        raw.send(b"POST / HTTP/1.1\r\nhost: x\r\nconnection: close\r\n"
                                 b"content-length: 20000\r\n\r\n" + body)
                        text = raw.read_all()
                    except OSError:
                        continue
                    if text.startswith(b"HTTP/1.1 200 "):
                        self.assertEqual(text.count(body[:1]), 20_000, "an answer is not whole")
                        answered.append(index)
                    elif text:
                        self.assertTrue(text.startswith(b"HTTP/1.1 503 "), text[:100])

        def stop():
            try:
                wait_until(lambda: len(answered) > 200, "answers")
            finally:
                tandem.signal()

        together(9, lambda index: client(index) if index < 8 else stop())
        self.assertEqual(tandem.wait(), 0, tandem.output())
        self.assertEqual(tandem.log(level="error"), [])

    def test_shutdown_by_the_api(self):
        tandem = self.run_guest("hostile")
        raws = self.in_flight(tandem, 2)
        self.assertEqual(post(tandem.app.dapr_url + "/v1.0/shutdown").status, 204)
        for raw in raws:
            text = raw.read_all()
            self.assertTrue(is_whole(text, b"slow"), text)
        self.assertEqual(tandem.wait(), 0)

    def test_a_reader_of_the_log_that_goes(self):
        """A closed pipe is no reason to end."""
        process = subprocess.Popen([binary(), "run", guest("hostile"), "--app-port", "0", "--dapr-http-port", "0",
                                    "--metrics-port", "0", "--cache-folder", cache_folder()],
                                   stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, stdin=subprocess.DEVNULL,
                                   env=environment(), text=True)
        try:
            url = None
            while url is None:
                found = re.search(r'app_url="([^"]+)"', process.stdout.readline())
                url = found and found[1]
            process.stdout.close()
            for _ in range(3):
                self.assertEqual(get(url + "/stdout").text, "printed")
            process.send_signal(signal.SIGTERM)
            self.assertEqual(process.wait(PATIENCE), 0)
        finally:
            process.kill()
            process.wait()


class PortTest(TandemTest):
    def refused(self, *arguments):
        one = self.start(guest("hello"), "--cache-folder", cache_folder(), *arguments)
        self.assertEqual(one.wait(), 1, one.output())
        self.assertEqual(len(one.error_lines), 1, one.errors)
        return one.errors

    def test_a_port_in_use(self):
        tandem = self.run_guest("hello")
        free = ["--app-port", "0", "--dapr-http-port", "0", "--metrics-port", "0"]
        tandem.wait_for(lambda: tandem.metrics_url, "the metrics' address")
        for flag, url in (("--app-port", tandem.app.url), ("--dapr-http-port", tandem.app.dapr_url),
                          ("--metrics-port", tandem.metrics_url)):
            port = str(urlsplit(url).port)
            arguments = list(free)
            arguments[arguments.index(flag) + 1] = port
            said = self.refused(*arguments)
            self.assertIn(port, said)
            self.assertIn(flag, said)
            self.assertIn("in use", said)
        self.assertEqual(tandem.get().text, "hello")

    def test_the_port_is_free_again_at_once(self):
        tandem = self.run_guest("hello")
        port = urlsplit(tandem.app.url).port
        together(8, lambda _: tandem.get())
        tandem.stop()
        again = self.start(guest("hello"), "--app-port", port, "--dapr-http-port", "0", "--metrics-port", "0",
                           "--cache-folder", cache_folder()).wait_until_serving()
        self.assertEqual(urlsplit(again.app.url).port, port)
        again.kill()
        once_more = self.start(guest("hello"), "--app-port", port, "--dapr-http-port", "0", "--metrics-port", "0",
                               "--cache-folder", cache_folder()).wait_until_serving()
        self.assertEqual(once_more.get().text, "hello")

    def test_an_address_that_is_not_here(self):
        said = self.refused("--app-port", "0", "--dapr-http-port", "0", "--metrics-port", "0",
                            "--app-listen-address", "192.0.2.1")
        self.assertIn("192.0.2.1", said)


if __name__ == "__main__":
    unittest.main()
