"""HTTP through a guest: three languages, bodies streamed both ways, the corners of HTTP/1.1, clients that leave."""

import hashlib
import http.client
import json
import re
import unittest
from urllib.parse import urlsplit

from harness import PATIENCE, RawConnection, TandemTest, get, post, request
from observe import MIB, Usage, fill, together, wait_until

TRACE = "0af7651916cd43dd8448eb211c80319c"
HEAD = "host: x\r\n\r\n"


def read_answers(connection, count):
    """The next answers of a connection, each read to its end."""
    answers = []
    stream = connection.socket.makefile("rb")
    for _ in range(count):
        status = int(stream.readline().split()[1])
        headers = http.client.parse_headers(stream)
        if headers.get("transfer-encoding") == "chunked":
            body = b""
            while size := int(stream.readline(), 16):
                body += stream.read(size)
                stream.readline()
            while stream.readline() not in (b"\r\n", b""):
                pass
        else:
            body = stream.read(int(headers.get("content-length", 0)))
        answers.append((status, headers, body))
    return answers


class LanguageTest(TandemTest):
    def check_hello(self, name):
        tandem = self.run_guest(name)
        for _ in range(20):
            answer = tandem.get("/")
            self.assertEqual((answer.status, answer.text), (200, "hello"))
            self.assertEqual(answer.headers["content-type"], "text/plain")
        bodies = together(16, lambda _: [tandem.get("/").text for _ in range(10)])
        self.assertEqual(bodies, [["hello"] * 10] * 16)
        tandem.stop()
        self.assertEqual(tandem.log(level="error"), [])

    def test_rust(self):
        self.check_hello("hello")

    def test_go(self):
        self.check_hello("hello_go")

    def test_javascript(self):
        self.check_hello("hello_js")


class RequestTest(TandemTest):
    def setUp(self):
        super().setUp()
        self.echo = self.run_guest("echo")

    def test_method_path_and_host_arrive(self):
        for method in ("GET", "POST", "PUT", "DELETE", "PATCH", "OPTIONS", "PROPFIND"):
            self.assertEqual(request(self.echo.app.url + "/method", method).text, method)
        path = "/path/%C3%A4%2Fb%00?x=1&y=%26&z"
        self.assertEqual(self.echo.get(path).text, path)
        self.assertEqual(self.echo.get("/authority", headers={"host": "shop.example:81"}).text, "shop.example:81")

    def test_headers_arrive_as_they_were_sent(self):
        with RawConnection(self.echo.app.url) as raw:
            raw.send(b"GET /headers HTTP/1.1\r\nhost: x\r\nX-Twice: 1\r\nx-twice: 2\r\nx-latin: \xe4\r\n"
                     b"connection: close\r\n\r\n")
            text = raw.read_all()
        self.assertRegex(text.lower(), rb"x-twice: 1\n(.*\n)*x-twice: 2\n")
        self.assertIn(b"x-latin: \xe4\n", text.lower())

    def test_status_codes_pass_through(self):
        for status in (200, 201, 204, 304, 400, 404, 418, 500, 503, 599):
            answer = self.echo.get(f"/status/{status}")
            self.assertEqual((answer.status, answer.body), (status, b""))

    def test_head_has_no_body(self):
        with RawConnection(self.echo.app.url) as raw:
            raw.send(f"HEAD /method HTTP/1.1\r\n{HEAD}GET /method HTTP/1.1\r\nconnection: close\r\n{HEAD}")
            text = raw.read_all()
        first, second = text.split(b"HTTP/1.1 ")[1:]
        self.assertTrue(first.startswith(b"200"))
        self.assertTrue(first.endswith(b"\r\n\r\n"), first)
        self.assertTrue(second.endswith(b"\r\n\r\nGET"), second)

    def test_a_connection_is_kept(self):
        parts = urlsplit(self.echo.app.url)
        connection = http.client.HTTPConnection(parts.hostname, parts.port, timeout=PATIENCE)
        connection.connect()
        socket = connection.sock
        for number in range(200):
            connection.request("POST", "/", body=str(number))
            self.assertEqual(connection.getresponse().read(), str(number).encode())
            self.assertIs(connection.sock, socket)
        connection.close()

    def test_pipelined_requests_are_answered_in_order(self):
        bodies = [b"x" * (number * 37 % 5000) + str(number).encode() for number in range(100)]
        with RawConnection(self.echo.app.url) as raw:
            raw.send(b"".join(b"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: %d\r\n\r\n%s" % (len(body), body)
                              for body in bodies))
            answers = read_answers(raw, len(bodies))
        self.assertEqual([body for _, _, body in answers], bodies)

    def test_pipelined_requests_behind_a_body_that_is_not_read(self):
        with RawConnection(self.echo.app.url) as raw:
            raw.send(b"POST /method HTTP/1.1\r\nhost: x\r\ncontent-length: 100000\r\n\r\n" + b"x" * 100000 +
                     b"GET /path HTTP/1.1\r\nhost: x\r\n\r\n")
            answers = read_answers(raw, 2)
        self.assertEqual([body for _, _, body in answers], [b"POST", b"/path"])

    def test_expect_continue(self):
        with RawConnection(self.echo.app.url) as raw:
            raw.send(f"POST /count HTTP/1.1\r\nexpect: 100-continue\r\ncontent-length: 5\r\n{HEAD}")
            self.assertEqual(raw.read_until(b"\r\n\r\n"), b"HTTP/1.1 100 Continue\r\n\r\n")
            raw.send("abcde")
            self.assertEqual(read_answers(raw, 1)[0][2], b"5")

    def test_expect_continue_with_a_guest_that_wants_no_body(self):
        with RawConnection(self.echo.app.url) as raw:
            raw.send(f"POST /method HTTP/1.1\r\nexpect: 100-continue\r\ncontent-length: 5\r\n{HEAD}")
            self.assertTrue(raw.read_until(b"POST").startswith(b"HTTP/1.1 200 OK\r\n"))

    def test_chunks_and_trailers(self):
        with RawConnection(self.echo.app.url) as raw:
            raw.send(f"POST / HTTP/1.1\r\ntransfer-encoding: chunked\r\ntrailer: x-sum\r\n{HEAD}")
            raw.send("3\r\nabc\r\n1;ext=1\r\nd\r\n")
            # An echo as it comes: what has been sent is there before the rest is.
            text = raw.read_until(b"abc")
            self.assertTrue(text.startswith(b"HTTP/1.1 200 OK\r\n"), text)
            raw.send(f"2\r\nef\r\n0\r\nx-sum: 6\r\n\r\nGET /method HTTP/1.1\r\nconnection: close\r\n{HEAD}")
            text += raw.read_all()
        self.assertIn(b"\r\n0\r\nx-sum: 6\r\n\r\n", text)
        self.assertTrue(text.endswith(b"GET"), text)
        # All of it at once.
        with RawConnection(self.echo.app.url) as raw:
            raw.send(f"POST / HTTP/1.1\r\ntransfer-encoding: chunked\r\nconnection: close\r\n{HEAD}"
                     "3\r\nabc\r\n0\r\nX-Sum: 3\r\nx-two: 2\r\n\r\n")
            self.assertTrue(raw.read_all().endswith(b"\r\n0\r\nx-sum: 3\r\nx-two: 2\r\n\r\n"))

    def test_broken_framing_is_refused(self):
        for wrong in ("transfer-encoding: chunked\r\ncontent-length: 3\r\n\r\n0\r\n\r\n",
                      "content-length: 3\r\ncontent-length: 4\r\n\r\nabcd",
                      "content-length: -1\r\n\r\n", "content-length: 0x10\r\n\r\n",
                      "transfer-encoding: chunked\r\n\r\nzz\r\nabc",
                      "transfer-encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
                      "x y: 1\r\n\r\n", "x: 1\n\n", "x: 1\r\n folded\r\n\r\n", "x: a\0b\r\n\r\n"):
            with self.subTest(wrong), RawConnection(self.echo.app.url) as raw:
                raw.send("POST /count HTTP/1.1\r\nhost: x\r\n" + wrong)
                answer = raw.read_until(b"\r\n\r\n")
                self.assertRegex(answer, rb"^HTTP/1.1 (400|501) ")
        self.assertEqual(self.echo.post("/", b"fine").text, "fine")

    def test_a_head_that_is_too_large(self):
        self.assertEqual(self.echo.get("/", headers={"x-large": "x" * 70_000}).status, 431)
        self.assertEqual(self.echo.get("/", headers={f"x-{i}": "1" for i in range(300)}).status, 431)
        self.assertEqual(self.echo.get("/path/" + "x" * 30_000).status, 200)

    def test_trace_context(self):
        def traceparent(headers):
            lines = self.echo.get("/headers", headers=headers).text.lower().splitlines()
            (found,) = [line.split(": ", 1)[1] for line in lines if line.startswith("traceparent:")]
            return found

        sent = f"00-{TRACE}-b7ad6b7169203331-01"
        self.assertEqual(traceparent({"traceparent": sent}).split("-")[1], TRACE)
        created = [traceparent({}) for _ in range(10)]
        for one in created:
            self.assertRegex(one, r"^00-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-0[0-3]$")
        self.assertEqual(len({one.split("-")[1] for one in created}), 10)

    def test_256_connections_at_once(self):
        def talk(index):
            parts = urlsplit(self.echo.app.url)
            connection = http.client.HTTPConnection(parts.hostname, parts.port, timeout=PATIENCE)
            body = bytes([index]) * (index * 97 % 3000)
            for _ in range(10):
                connection.request("POST", "/", body=body)
                if connection.getresponse().read() != body:
                    return False
            connection.close()
            return True

        self.assertEqual(together(256, talk), [True] * 256)
        usage = Usage(self.echo)
        wait_until(lambda: usage.descriptors < 100, "the connections to be closed")


class StreamTest(TandemTest):
    """Bodies that are larger than what the server may hold."""

    size = 64 * MIB

    def setUp(self):
        super().setUp()
        self.tandem = self.run_guest("echo", "--request-timeout", "150s")
        self.assertEqual(self.tandem.post("/", b"x" * MIB).body, b"x" * MIB)
        self.usage = Usage(self.tandem)
        self.usage.reset_peak()
        self.before = self.usage.resident

    def assert_memory_kept(self, most):
        grown = self.usage.peak - self.before
        self.assertLess(grown, most, f"{grown / MIB:.1f} MiB more than before")

    def upload(self, path, raw, chunked):
        piece = bytes(range(256)) * 1024
        framing = "transfer-encoding: chunked" if chunked else f"content-length: {self.size}"
        raw.send(f"POST {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n{framing}\r\n\r\n")
        for _ in range(self.size // len(piece)):
            raw.send(b"%x\r\n%s\r\n" % (len(piece), piece) if chunked else piece)
        if chunked:
            raw.send(b"0\r\n\r\n")
        return piece

    def test_large_upload(self):
        for chunked in (False, True):
            with self.subTest(chunked=chunked), RawConnection(self.tandem.app.url) as raw:
                self.upload("/count", raw, chunked)
                self.assertTrue(raw.read_all().endswith(b"\r\n\r\n" + str(self.size).encode()))
        self.assert_memory_kept(24 * MIB)

    def test_large_echo(self):
        for path in ("/", "/splice"):
            with self.subTest(path), RawConnection(self.tandem.app.url) as raw:
                answer = http.client.HTTPResponse(raw.socket, method="POST")

                def read_both():
                    answer.begin()
                    digest, length = hashlib.sha256(), 0
                    while piece := answer.read(256 * 1024):
                        digest.update(piece)
                        length += len(piece)
                    return digest.hexdigest(), length

                (digest, length), piece = together(
                    2, lambda i: read_both() if i == 0 else self.upload(path, raw, chunked=False))
                self.assertEqual(length, self.size)
                self.assertEqual(digest, hashlib.sha256(piece * (self.size // len(piece))).hexdigest())
        self.assert_memory_kept(24 * MIB)

    def test_a_client_that_does_not_read_is_not_read_from(self):
        with RawConnection(self.tandem.app.url) as raw:
            raw.send(f"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: {self.size}\r\n\r\n")
            sent = fill(raw, b"y" * MIB, self.size)
            self.assertLess(sent, self.size, "everything was taken although nothing was read")
            self.assert_memory_kept(16 * MIB)
            self.assertEqual(self.tandem.post("/", b"others").text, "others")
            # And it goes on as soon as the client reads.
            answer = http.client.HTTPResponse(raw.socket, method="POST")

            def read_all():
                answer.begin()
                return sum(len(piece) for piece in iter(lambda: answer.read(MIB), b""))

            def send_rest():
                for start in range(sent, self.size, MIB):
                    raw.send(b"y" * min(MIB, self.size - start))

            self.assertEqual(together(2, lambda i: (read_all, send_rest)[i]())[0], self.size)
        self.assert_memory_kept(24 * MIB)


class GuestThatStallsTest(TandemTest):
    def test_a_guest_that_does_not_read_bounds_the_upload(self):
        tandem = self.run_guest("hostile", "--request-timeout", "120s")
        usage = Usage(tandem)
        self.assertEqual(tandem.get("/ok").text, "ok")
        before = usage.resident
        with RawConnection(tandem.app.url) as raw:
            raw.send(f"POST /sleep-forever HTTP/1.1\r\nhost: x\r\ncontent-length: {256 * MIB}\r\n\r\n")
            sent = fill(raw, b"y" * MIB, 256 * MIB)
            self.assertLess(sent, 64 * MIB)
            self.assertLess(usage.resident - before, 16 * MIB)
            self.assertEqual(tandem.get("/ok").text, "ok")
            raw.reset()
        tandem.kill()  # The guest would sleep to its deadline.

    def test_a_slow_reader_bounds_the_answer(self):
        tandem = self.run_guest("hostile", "--request-timeout", "120s")
        usage = Usage(tandem)
        self.assertEqual(tandem.get("/ok").text, "ok")
        before = usage.resident
        size = 64 * MIB
        with RawConnection(tandem.app.url) as raw:
            raw.send(f"GET /drip?chunks=64&ms=0&size={MIB} HTTP/1.1\r\nconnection: close\r\n{HEAD}")
            raw.read_until(b"\r\n\r\n")
            # The server has stopped when it uses no processor time any more.
            ticks = []
            wait_until(lambda: (ticks.append(usage.processor_ticks) or len(ticks) > 20 and ticks[-20] == ticks[-1]),
                       "the server to rest", pause=0.02)
            self.assertLess(usage.resident - before, 24 * MIB)
            self.assertEqual(tandem.get("/ok").text, "ok")
            rest = sum(len(piece) for piece in iter(lambda: raw.socket.recv(MIB), b""))
            self.assertGreater(rest, size * 0.9)


class LeavingClientTest(TandemTest):
    def setUp(self):
        super().setUp()
        self.tandem = self.run_guest("echo", "--instances", "4")
        self.usage = Usage(self.tandem)

    def check_alive(self):
        for body in together(8, lambda i: self.tandem.post("/", f"still {i}").text):
            self.assertRegex(body, r"^still \d$")
        self.assertIsNone(self.tandem.process.poll())

    def test_in_the_middle_of_the_head(self):
        for _ in range(20):
            with RawConnection(self.tandem.app.url) as raw:
                raw.send("POST / HTTP/1.1\r\nhost:")
                raw.reset()
        self.check_alive()

    def test_in_the_middle_of_the_request(self):
        for leave in (RawConnection.reset, RawConnection.close, RawConnection.finish):
            for framing in ("content-length: 100000", "transfer-encoding: chunked"):
                for path in ("/", "/count", "/splice", "/method"):
                    for _ in range(3):
                        with RawConnection(self.tandem.app.url) as raw:
                            raw.send(f"POST {path} HTTP/1.1\r\nhost: x\r\n{framing}\r\n\r\n5\r\nabcde\r\n")
                            leave(raw)
        self.check_alive()

    def test_half_a_body_and_no_more_is_no_whole_body(self):
        with RawConnection(self.tandem.app.url) as raw:
            raw.send("POST /count HTTP/1.1\r\nhost: x\r\ncontent-length: 100\r\n\r\nabc")
            raw.finish()
            text = raw.read_all()
        self.assertNotIn(b"\r\n\r\n3", text)
        with RawConnection(self.tandem.app.url) as raw:
            raw.send("POST / HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n")
            raw.finish()
            self.assertFalse(raw.read_all().endswith(b"0\r\n\r\n"), "the echo of half a body looks whole")
        self.check_alive()

    def test_a_client_that_closes_its_side_still_gets_its_answer(self):
        with RawConnection(self.tandem.app.url) as raw:
            raw.send(f"POST / HTTP/1.1\r\ncontent-length: 3\r\n{HEAD}abc")
            raw.finish()
            self.assertTrue(raw.read_all().endswith(b"abc"))

    def test_in_the_middle_of_the_answer(self):
        for _ in range(12):
            with RawConnection(self.tandem.app.url) as raw:
                raw.send(f"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: {64 * MIB}\r\n\r\n")
                raw.send(b"z" * 100_000)
                raw.read_until(b"zzz")
                raw.reset()
        self.check_alive()
        wait_until(lambda: self.usage.descriptors < 64, "the connections to be closed")

    def test_many_leave_at_once(self):
        def leave(index):
            raw = RawConnection(self.tandem.app.url)
            raw.send(f"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: {MIB}\r\n\r\n" + "x" * (index * 1000))
            raw.reset()

        together(64, leave)
        self.check_alive()
        self.tandem.stop()
        self.assertEqual(self.tandem.log(level="error"), [])


class MetricsTest(TandemTest):
    def test_requests_are_counted(self):
        tandem = self.run_guest("echo")
        for _ in range(7):
            post(tandem.app.url + "/", b"12345")
        tandem.get("/status/404")
        tandem.wait_for(lambda: tandem.metrics_url, "the metrics' address")
        # A request is counted when it has ended, which its client may know first.
        counted = re.compile(r'status="404"[^\n]*\} 1\b')
        wait_until(lambda: counted.search(get(tandem.metrics_url).text), "the last request to be counted")
        text = get(tandem.metrics_url).text
        self.assertRegex(text, r"# TYPE \w+ counter")
        self.assertIn('app_id="echo"', text)

    def test_json_log(self):
        tandem = self.run_guest("hello", "--log-as-json")
        self.assertEqual(tandem.get("/").text, "hello")
        tandem.stop()
        for line in tandem.lines:
            fields = json.loads(line)
            self.assertEqual({"time", "level", "msg", "scope"} - set(fields), set(), line)


if __name__ == "__main__":
    unittest.main()
