"""Guests that misbehave: what the client sees, what the log says, and that everybody else is served all the time."""

import re
import threading
import unittest
from pathlib import Path

from harness import PATIENCE, RawConnection, TandemTest, cache_folder, get, guest
from observe import MIB, Usage, together, wait_until

TRACE = re.compile(r"^[0-9a-f]{32}$")


class HostileTest(TandemTest):
    def run_hostile(self, *arguments, env=None):
        return self.run_guest("hostile", *arguments, env=env)

    def assert_serving(self, tandem, connections=4):
        """As if nothing had happened."""
        for text in together(connections, lambda _: tandem.get("/ok").text):
            self.assertEqual(text, "ok")
        self.assertIsNone(tandem.process.poll())

    def raw_get(self, tandem, path):
        """Everything that comes, up to the end of the connection."""
        with RawConnection(tandem.app.url) as raw:
            raw.send(f"GET {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n")
            return raw.read_all()


class FailureTest(HostileTest):
    def setUp(self):
        super().setUp()
        self.tandem = self.run_hostile("--workers", "1", "--instances", "1", "--request-timeout", "1s")

    def assert_failure(self, path, status, said, **wanted):
        """The status, a text that tells nothing of the inside, a log line that does; then all is well again."""
        answer = self.tandem.get(path)
        self.assertEqual(answer.status, status, path)
        self.assertNotIn("wasm", answer.text)
        self.assertNotIn("backtrace", answer.text)
        self.assertRegex(answer.text, r"^[a-z ,]+\n$")
        line = self.tandem.wait_for_log(level=wanted.pop("level", "error"), scope="tandem.app", msg=re.compile(said))
        self.assertRegex(line["trace_id"], TRACE)
        self.assertEqual(line["app_id"], "hostile")
        for key, pattern in wanted.items():
            self.assertRegex(line[key], pattern)
        self.assert_serving(self.tandem)

    def test_trap(self):
        self.assert_failure("/trap", 500, "the guest failed", error="unreachable")

    def test_panic(self):
        self.assert_failure("/panic", 500, "the guest failed", error=".")
        self.assertIn("asked to panic", self.tandem.wait_for_log(msg=re.compile("asked to panic"))["msg"])

    def test_exit(self):
        self.assert_failure("/exit?status=3", 500, "the guest failed")
        self.assertNotEqual(self.tandem.get("/exit?status=0").status, 200)
        self.assert_serving(self.tandem)

    def test_stack_overflow(self):
        self.assert_failure("/deep", 500, "the guest failed", error="stack|out of bounds")  # of the stack in its memory

    def test_no_answer(self):
        self.assert_failure("/never-answer", 502, "without an answer")

    def test_deadline_while_spinning(self):
        self.assert_failure("/spin", 504, "ran out of time", level="warning", target="^/spin$")

    def test_deadline_while_waiting(self):
        self.assert_failure("/sleep-forever", 504, "ran out of time", level="warning")

    def test_many_failures_in_a_row(self):
        for path, status in (("/trap", 500), ("/never-answer", 502), ("/panic", 500), ("/deep", 500)) * 10:
            self.assertEqual(self.tandem.get(path).status, status)
            self.assertEqual(self.tandem.get("/ok").text, "ok")

    def test_trap_after_the_head(self):
        text = self.raw_get(self.tandem, "/trap-after-head?send=10")
        # Nothing had left when it trapped, or what had left is cut: either way no answer that looks whole.
        if text.startswith(b"HTTP/1.1 200"):
            self.assertFalse(text.endswith(b"0\r\n\r\n"), text)
        else:
            self.assertTrue(text.startswith(b"HTTP/1.1 500"), text)
        text = self.raw_get(self.tandem, f"/trap-after-head?send={MIB}")
        self.assertTrue(text.startswith(b"HTTP/1.1 200"), text[:100])
        self.assertFalse(text.endswith(b"0\r\n\r\n"), text[-20:])
        self.assert_serving(self.tandem)

    def test_deadline_after_the_head(self):
        text = self.raw_get(self.tandem, "/drip?chunks=1000&ms=100&size=10")
        self.assertTrue(text.startswith(b"HTTP/1.1 200"), text[:100])
        self.assertIn(b"..........", text)
        self.assertFalse(text.endswith(b"0\r\n\r\n"), text)
        self.assert_serving(self.tandem)

    def test_after_the_answer(self):
        for path in ("/spin-after-answer", "/never-return"):
            with self.subTest(path):
                self.assertEqual(self.tandem.get(path).text, "ok")
                # The only instance is taken until the deadline; then there is a new one.
                self.tandem.wait_for_log(scope="tandem.app", msg=re.compile("ran out of time"), target=path)
                self.assert_serving(self.tandem)

    def test_a_second_answer(self):
        answer = self.tandem.get("/answer-twice")
        self.assertIn((answer.status, answer.text), ((200, "first"), (500, "the app failed\n")))
        self.assert_serving(self.tandem)

    def test_a_body_of_another_length(self):
        for declared, sent in ((10, 5), (5, 10), (100_000, 99_999), (70_000, 70_001), (1, 0), (0, 5)):
            with self.subTest(declared=declared, sent=sent):
                text = self.raw_get(self.tandem, f"/lie-length?declare={declared}&send={sent}")
                head, _, body = text.partition(b"\r\n\r\n")
                if head.startswith(b"HTTP/1.1 200"):
                    self.assertIn(b"content-length: %d" % declared, head.lower())
                    self.assertLess(len(body), declared, "the client cannot see that the body is not whole")
                else:
                    self.assertRegex(head, rb"^HTTP/1.1 50[02] ")
        answer = self.tandem.get("/lie-length?declare=7&send=7")
        self.assertEqual((answer.status, answer.body), (200, b"x" * 7))
        self.assert_serving(self.tandem)

    def test_huge_headers(self):
        for count, size in ((10, 1000), (1000, 1000), (3, 100_000), (10_000, 1)):
            with self.subTest(count=count, size=size):
                text = self.raw_get(self.tandem, f"/huge-headers?count={count}&size={size}")
                self.assertRegex(text[:12], rb"^HTTP/1.1 (200|500|502)$")
                if text.startswith(b"HTTP/1.1 200"):
                    self.assertEqual(text.count(b"x-huge-"), count)
                    self.assertTrue(text.endswith(b"\r\n\r\nok"))
                self.assert_serving(self.tandem)

    def test_a_body_that_is_not_read(self):
        for _ in range(3):
            self.assertEqual(self.tandem.post("/ignore-body", b"x" * 100_000).text, "ok")
        self.assert_serving(self.tandem)

    def test_leaked_handles_do_not_add_up(self):
        usage = Usage(self.tandem)
        for _ in range(20):
            self.assertEqual(self.tandem.get("/leak?count=1000").text, "ok")
        before = usage.resident
        for _ in range(200):
            self.assertEqual(self.tandem.get("/leak?count=1000").text, "ok")
        self.assertLess(usage.resident - before, 48 * MIB)
        self.assert_serving(self.tandem)


class LogTest(HostileTest):
    def check(self, tandem):
        headers = {"traceparent": f"00-{'ab' * 16}-{'12' * 8}-01"}
        self.assertEqual(tandem.get("/stdout", headers=headers).text, "printed")
        wait_until(lambda: len("".join(line["msg"] for line in tandem.log(scope="app"))) > 100_000, "the long line")
        lines = tandem.log(scope="app")
        for line in lines:
            self.assertEqual(line["app_id"], "hostile")
            self.assertEqual(line["trace_id"], "ab" * 16)
            self.assertEqual(line["level"], "info")
        self.assertEqual(lines[0]["msg"], "a plain line")
        self.assertEqual(lines[0]["stream"], "stdout")
        self.assertIn("stderr", {line["stream"] for line in lines})
        self.assertFalse([line for line in tandem.lines if re.search(r"[\x00-\x08\x0b-\x1f\x7f]", line)],
                         "control characters reach the terminal")
        self.assertEqual(tandem.log(level="fatal"), [])
        self.assertEqual(tandem.log(msg="forged"), [])
        (forged,) = [line for line in lines if "forged" in line["msg"]]
        self.assertTrue(forged["msg"].startswith("time="), forged)
        self.assertEqual("".join(line["msg"] for line in lines[4:]), "long " * 20_000)

    def test_text(self):
        self.check(self.run_hostile())

    def test_json(self):
        self.check(self.run_hostile("--log-as-json"))


class MemoryTest(HostileTest):
    def test_the_limit_is_kept(self):
        tandem = self.run_hostile("--memory-limit", "64Mi", "--instances", "2", "--workers", "1")
        usage = Usage(tandem)
        self.assertEqual(tandem.get("/ok").text, "ok")
        before = usage.resident
        usage.reset_peak()
        for _ in range(3):
            got = together(2, lambda _: tandem.get("/eat").text)
            for text in got:
                self.assertLess(int(re.match(r"got (\d+) MiB", text)[1]), 64)
                self.assertGreater(int(re.match(r"got (\d+) MiB", text)[1]), 40)
            self.assertLess(usage.peak - before, 2 * 64 * MIB + 32 * MIB)
            self.assert_serving(tandem)

    def test_all_guests_together_keep_a_limit(self):
        tandem = self.run_hostile("--memory-limit", "64Mi", "--total-memory-limit", "100Mi", "--instances", "8", "--workers",
                                  "1")
        usage = Usage(tandem)
        self.assertEqual(tandem.get("/ok").text, "ok")
        before = usage.resident
        usage.reset_peak()
        for _ in range(3):
            answers = together(8, lambda _: tandem.get("/eat"))
            self.assertLessEqual({answer.status for answer in answers}, {200, 500, 503})
            self.assertIn(200, {answer.status for answer in answers})
            self.assertLess(usage.peak - before, 100 * MIB + 32 * MIB)
            self.assert_serving(tandem)

    def test_a_large_instance_is_given_back(self):
        tandem = self.run_hostile("--memory-limit", "256Mi", "--instances", "1", "--workers", "1")
        usage = Usage(tandem)
        self.assertEqual(tandem.get("/ok").text, "ok")
        before = usage.resident
        self.assertGreater(int(re.match(r"got (\d+) MiB", tandem.get("/eat").text)[1]), 192)
        self.assert_serving(tandem)
        wait_until(lambda: usage.resident - before < 64 * MIB, "the memory to be given back")

    def test_a_table_that_grows(self):
        tandem = self.run_guest("table_grow", "--workers", "1")
        usage = Usage(tandem)
        before = usage.resident
        for _ in range(5):
            self.assertIn(tandem.get("/").status, (200, 500, 502))
        self.assertLess(usage.resident - before, 128 * MIB)
        self.assertIsNone(tandem.process.poll())

    def test_a_guest_that_needs_more_than_it_may_have(self):
        one = self.start(guest("hostile"), "--app-port", "0", "--dapr-http-port", "0", "--metrics-port", "0",
                         "--cache-folder", cache_folder(), "--memory-limit", "64Ki")
        wait_until(lambda: one.apps or one.process.poll() is not None, "it to serve or to end")
        if one.process.poll() is not None:
            self.assertEqual(one.wait(), 1)
            self.assertRegex(one.errors, "memory")
            return
        answer = one.wait_until_serving().get("/ok")
        self.assertIn(answer.status, (500, 503))
        self.assertIn("memory", one.wait_for_log(level="error")["error"])


class FairnessTest(HostileTest):
    def test_others_are_served_while_some_spin(self):
        tandem = self.run_hostile("--workers", "1", "--instances", "8", "--request-timeout", "100s")
        spinning = [RawConnection(tandem.app.url) for _ in range(4)]
        try:
            for raw in spinning:
                raw.send("GET /spin HTTP/1.1\r\nhost: x\r\n\r\n")
            usage = Usage(tandem)
            ticks = usage.processor_ticks
            wait_until(lambda: usage.processor_ticks > ticks + 10, "the guests to spin")
            for _ in range(20):
                self.assertEqual(tandem.get("/ok", timeout=10).text, "ok")
            self.assertEqual(get(tandem.app.dapr_url + "/v1.0/healthz", timeout=10).status, 204)
            # Some that spin after their answer are no different.
            self.assertEqual(tandem.get("/spin-after-answer", timeout=10).text, "ok")
            self.assertEqual(tandem.get("/slow?ms=50", timeout=10).text, "slow")
        finally:
            for raw in spinning:
                raw.close()
        tandem.kill()

    def test_a_connection_goes_on_while_its_guest_runs_on(self):
        tandem = self.run_hostile("--workers", "1", "--instances", "3", "--request-timeout", "100s")
        # The second and third request are read before the first guest has returned, which it never does.
        with RawConnection(tandem.app.url) as raw:
            for path in ("/spin-after-answer", "/never-return", "/ok"):
                raw.send(f"GET {path} HTTP/1.1\r\nhost: x\r\n\r\n")
            answers = b""
            while answers.count(b"\r\n\r\nok") < 3:
                answers += raw.read_until(b"ok")
            self.assertEqual(answers.count(b"HTTP/1.1 200 OK\r\n"), 3, answers)
        tandem.kill()

    def test_another_app_is_served_while_one_spins(self):
        tandem = self.run_file(
            f"""
version: 1
apps:
  - {{appID: bad, module: "{guest('hostile')}", appPort: 0, daprHTTPPort: 0, requestTimeout: 100s}}
  - {{appID: good, module: "{guest('hello')}", appPort: 0, daprHTTPPort: 0}}
""", "--workers", "1", apps=2)
        with RawConnection(tandem.apps["bad"].url) as raw:
            raw.send("GET /spin HTTP/1.1\r\nhost: x\r\n\r\n")
            for _ in range(20):
                self.assertEqual(get(tandem.apps["good"].url, timeout=10).text, "hello")
        tandem.kill()


class QueueTest(HostileTest):
    def test_a_full_queue_refuses(self):
        tandem = self.run_hostile("--workers", "1", "--instances", "1", "--request-timeout", "100s")
        waiting = []
        answers = []
        with RawConnection(tandem.app.url) as taken:
            taken.send("GET /slow?ms=100000 HTTP/1.1\r\nhost: x\r\n\r\n")
            try:
                # One runs, 1024 wait, the others are told to come back.
                for _ in range(1024 + 40):
                    raw = RawConnection(tandem.app.url)
                    waiting.append(raw)
                    raw.send("GET /ok HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n")
                ready = threading.Event()

                def read(raw):
                    try:
                        text = raw.read_all()
                    except OSError:
                        return  # The end of the test.
                    answers.append(text)
                    if len(answers) >= 39:
                        ready.set()

                for raw in waiting:
                    threading.Thread(target=read, args=(raw,), daemon=True).start()
                self.assertTrue(ready.wait(PATIENCE), f"{len(answers)} answers")
                for text in list(answers):
                    self.assertTrue(text.startswith(b"HTTP/1.1 503 "), text[:100])
                    self.assertRegex(text.lower(), rb"\r\nretry-after: \d+\r\n")
            finally:
                tandem.kill()
                for raw in waiting:
                    raw.close()

    def test_those_that_wait_are_served_when_one_is_free(self):
        tandem = self.run_hostile("--workers", "2", "--instances", "1")
        texts = together(50, lambda i: tandem.get("/slow?ms=10").text if i % 2 else tandem.get("/ok").text)
        self.assertEqual(set(texts), {"slow", "ok"})

    def test_those_that_wait_too_long_are_told(self):
        tandem = self.run_hostile("--workers", "1", "--instances", "1", "--request-timeout", "500ms")
        statuses = together(4, lambda _: tandem.get("/sleep-forever").status)
        self.assertEqual(statuses, [504] * 4)
        self.assert_serving(tandem)

    def test_a_client_that_left_the_queue_is_not_served(self):
        tandem = self.run_hostile("--workers", "1", "--instances", "1", "--request-timeout", "30s")
        with RawConnection(tandem.app.url) as first:
            first.send("GET /slow?ms=500 HTTP/1.1\r\nhost: x\r\n\r\n")
            for _ in range(50):
                with RawConnection(tandem.app.url) as raw:
                    raw.send("GET /spin HTTP/1.1\r\nhost: x\r\n\r\n")
                    raw.reset()
            first.read_until(b"slow")
        self.assertEqual(tandem.get("/ok", timeout=10).text, "ok")


class CommandTest(HostileTest):
    """A command has no HTTP of its own: each request is a run of its own."""

    def test_stdin_is_the_request_and_stdout_the_answer(self):
        for name in ("counter_cmd", "counter_cmd_p2"):
            with self.subTest(name):
                one = self.run_guest(name)
                for _ in range(3):
                    answer = one.post("/", "one two\nthree\n")
                    self.assertEqual(answer.status, 200)
                    self.assertEqual(answer.json(), {"lines": 2, "words": 3, "bytes": 14})

    def test_a_run_that_fails(self):
        """It is never answered with success, and the next run is served."""
        exits = """(module
          (import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32)))
          (memory (export "memory") 1)
          (func (export "_start") (call $exit (i32.const {status}))))"""
        traps = '(module (memory (export "memory") 1) (func (export "_start") unreachable))'
        for name, text, fails in (("ends", exits.format(status=0), False), ("fails", exits.format(status=3), True),
                                  ("traps", traps, True)):
            with self.subTest(name):
                self.write(f"{name}.wat", text)
                one = self.start(self.folder / f"{name}.wat", "--app-port", "0", "--dapr-http-port", "0",
                                 "--metrics-port", "0", "--no-cache").wait_until_serving()
                for _ in range(2):
                    text = self.raw_get(one, "/")
                    if fails:
                        # A command's answer begins with its run: it is cut, or 500 where nothing has been sent.
                        self.assertTrue(text == b"" or text.startswith(b"HTTP/1.1 500 "), text)
                    else:
                        self.assertTrue(text.startswith(b"HTTP/1.1 200 "), text)
                if fails:
                    one.wait_for_log(level="error", msg="the guest failed")
                else:
                    one.stop()
                    self.assertEqual(one.log(level="error"), [])


class WrongModuleTest(TandemTest):
    def refused(self, path):
        one = self.start(path, "--app-id", "wrong", "--app-port", "0", "--dapr-http-port", "0", "--metrics-port", "0",
                         "--cache-folder", cache_folder())
        self.assertEqual(one.wait(), 1)
        self.assertIn(Path(path).name, one.errors)
        self.assertNotIn("panicked", one.errors)
        return one.errors

    def test_a_module_cut_short(self):
        whole = guest("hello").read_bytes()
        for size in (0, 4, 8, 100, len(whole) // 2, len(whole) - 1):
            with self.subTest(size=size):
                path = self.folder / "cut.wasm"
                path.write_bytes(whole[:size])
                self.refused(path)

    def test_what_has_nothing_to_run(self):
        for name, text, said in (("core", '(module (func (export "handle")))', "a core module without _start"),
                                 ("library", "(component (core module))", "there is nothing to run")):
            with self.subTest(name):
                self.assertIn(said, self.refused(self.write(f"{name}.wat", text)))

    def test_a_module_with_flipped_bytes(self):
        whole = bytearray(guest("hello").read_bytes())
        for place in range(8, len(whole), len(whole) // 7):
            wrong = bytearray(whole)
            wrong[place] ^= 0xFF
            path = self.folder / "flipped.wasm"
            path.write_bytes(wrong)
            one = self.start(path, "--app-port", "0", "--dapr-http-port", "0", "--metrics-port", "0", "--no-cache")
            # A flip in a text or a number may leave a valid module; none may end the process but in order.
            wait_until(lambda: one.apps or one.process.poll() is not None, "it to serve or to end")
            if one.process.poll() is None:
                one.wait_until_serving().get("/")
                one.stop()
            else:
                self.assertEqual(one.wait(), 1, one.output())
                self.assertIn("flipped", one.errors)


if __name__ == "__main__":
    unittest.main()
