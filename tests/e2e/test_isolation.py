"""How many copies of a guest there are, how long they live, and what of its memory is seen by whom."""

import unittest

from harness import TandemTest, get, guest
from observe import together, wait_until


class IsolationTest(TandemTest):
    def calls(self, tandem):
        """How many calls the instance that answers has had. The first is Tandem's own, GET /dapr/subscribe."""
        return int(tandem.get("/calls").text)

    def run_echo(self, more, *arguments):
        return self.run_file(f"""
version: 1
apps:
  - appID: echo
    module: "{guest('echo')}"
    appPort: 0
    daprHTTPPort: 0
{more}
""", *arguments)

    def test_a_fresh_instance_for_each_request(self):
        tandem = self.run_guest("echo", "--isolation", "request")
        self.assertEqual([self.calls(tandem) for _ in range(50)], [1] * 50)
        self.assertEqual(together(32, lambda _: [self.calls(tandem) for _ in range(10)]), [[1] * 10] * 32)
        body = b"x" * 300_000
        self.assertEqual(tandem.post("/", body).body, body)

    def test_a_fresh_go_and_javascript_instance_for_each_request(self):
        for name in ("hello_go", "hello_js"):
            with self.subTest(name):
                tandem = self.run_guest(name, "--isolation", "request")
                self.assertEqual(together(8, lambda _: [tandem.get().text for _ in range(3)]), [["hello"] * 3] * 8)
                tandem.stop()

    def test_instances_are_reused(self):
        tandem = self.run_guest("echo", "--workers", "1")
        first = self.calls(tandem)
        self.assertEqual([self.calls(tandem) for _ in range(30)], list(range(first + 1, first + 31)))

    def test_one_instance_is_one_on_any_number_of_workers(self):
        for workers in (1, 2, 4):
            with self.subTest(workers=workers):
                tandem = self.run_guest("echo", "--instances", "1", "--workers", str(workers))
                first = self.calls(tandem)
                seen = sum(together(32, lambda _: [self.calls(tandem) for _ in range(10)]), [])
                self.assertEqual(sorted(seen), list(range(first + 1, first + 321)))
                tandem.stop()

    def test_one_instance_serves_one_request_at_a_time(self):
        """Bodies of many clients go through the only instance, and none gets a byte of another's."""
        tandem = self.run_guest("echo", "--instances", "1", "--workers", "2")
        bodies = [bytes([65 + index]) * 200_000 for index in range(16)]
        self.assertEqual(together(16, lambda index: tandem.post("/", bodies[index]).body), bodies)

    def test_an_instance_ends_after_its_requests(self):
        tandem = self.run_echo("    instances: 1\n    instanceMaxRequests: 5", "--workers", "2")
        first = self.calls(tandem)
        self.assertEqual([self.calls(tandem) for _ in range(23)], [(first + number) % 5 + 1 for number in range(23)])

    def test_an_instance_of_one_request(self):
        tandem = self.run_echo("    instanceMaxRequests: 1")
        self.assertEqual(set(sum(together(16, lambda _: [self.calls(tandem) for _ in range(5)]), [])), {1})

    def test_an_instance_ends_at_its_age(self):
        tandem = self.run_echo("    instances: 1\n    instanceMaxAge: 1s")
        last = [self.calls(tandem)]

        def replaced():
            last.append(self.calls(tandem))
            return last[-1] < last[-2]

        wait_until(replaced, "another instance", timeout=30)
        self.assertEqual(last[-1], 1)

    def test_the_least_number_is_there_before_the_first_request(self):
        tandem = self.run_echo("    instances: {min: 4, max: 8}", "--workers", "2")
        tandem.wait_for(lambda: tandem.metrics_url, "the metrics' address")
        lines = [line for line in get(tandem.metrics_url).text.splitlines() if "instance" in line and line[0] != "#"]
        self.assertTrue([line for line in lines if line.endswith(" 4")], lines)

    def test_requests_at_once_are_limited(self):
        for limit in ("    instances: 3", "    appMaxConcurrency: 3"):
            tandem = self.run_echo(limit, "--workers", "2")
            # Every instance counts its own calls: with three of them one has had a third of all calls or more.
            seen = sum(together(12, lambda _: [self.calls(tandem) for _ in range(10)]), [])
            self.assertLessEqual(seen.count(1), 3)
            self.assertGreaterEqual(max(seen), 40)
            tandem.stop()


if __name__ == "__main__":
    unittest.main()
