"""What a guest reaches: nothing but what its app grants. Environment, files, other hosts, Dapr ports, settings."""

import http.server
import os
import socket
import threading
import unittest
from urllib.parse import quote

from harness import TandemTest, cache_folder, get, guest

# A preview 1 command. Its input is "r" or "w" and a path: it opens that below its first folder, to read or to create
# it, and answers WASI's error number in two digits; then what it read, or the error number of writing.
FILE_COMMAND = r"""
(module
  (import "wasi_snapshot_preview1" "fd_read" (func $fd_read (param i32 i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "fd_write" (func $fd_write (param i32 i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "path_open"
    (func $path_open (param i32 i32 i32 i32 i32 i64 i64 i32 i32) (result i32)))
  (memory (export "memory") 1)
  (data (i32.const 32) "written by the guest")
  ;; 0: a buffer's place and length, 8: bytes moved, 12: the opened file, 16: digits, 64: the input, 4096: what was read
  (func $move (param $read i32) (param $file i32) (param $at i32) (param $length i32) (result i32)
    (i32.store (i32.const 0) (local.get $at))
    (i32.store (i32.const 4) (local.get $length))
    (if (result i32) (local.get $read)
      (then (call $fd_read (local.get $file) (i32.const 0) (i32.const 1) (i32.const 8)))
      (else (call $fd_write (local.get $file) (i32.const 0) (i32.const 1) (i32.const 8)))))
  (func $say (param $number i32)
    (i32.store8 (i32.const 16) (i32.add (i32.const 48) (i32.div_u (local.get $number) (i32.const 10))))
    (i32.store8 (i32.const 17) (i32.add (i32.const 48) (i32.rem_u (local.get $number) (i32.const 10))))
    (i32.store8 (i32.const 18) (i32.const 32))
    (drop (call $move (i32.const 0) (i32.const 1) (i32.const 16) (i32.const 3))))
  (func (export "_start") (local $length i32) (local $write i32) (local $error i32)
    (drop (call $move (i32.const 1) (i32.const 0) (i32.const 64) (i32.const 2000)))
    (local.set $length (i32.sub (i32.load (i32.const 8)) (i32.const 1)))
    (local.set $write (i32.eq (i32.load8_u (i32.const 64)) (i32.const 119)))
    (local.set $error
      (call $path_open (i32.const 3) (i32.const 1) (i32.const 65) (local.get $length) (local.get $write)
        (select (i64.const 64) (i64.const 2) (local.get $write)) (i64.const 0) (i32.const 0) (i32.const 12)))
    (call $say (local.get $error))
    (if (local.get $error) (then (return)))
    (if (local.get $write)
      (then
        (call $say (call $move (i32.const 0) (i32.load (i32.const 12)) (i32.const 32) (i32.const 20))))
      (else
        (drop (call $move (i32.const 1) (i32.load (i32.const 12)) (i32.const 4096) (i32.const 4096)))
        (drop (call $move (i32.const 0) (i32.const 1) (i32.const 4096) (i32.load (i32.const 8))))))))
"""


class EnvironmentTest(TandemTest):
    def test_only_daprs_variables_and_the_granted_ones(self):
        tandem = self.run_guest("hostile", "--env", "GREETING=hello=world", "--env", "EMPTY=",
                                env={"SECRET": "of the host", "AWS_ACCESS_KEY_ID": "of the host", "NAMESPACE": "prod"})
        lines = tandem.get("/env").text.splitlines()
        seen = dict(line.split("=", 1) for line in lines)
        self.assertEqual(len(seen), len(lines))
        self.assertEqual(seen.pop("GREETING"), "hello=world")
        self.assertEqual(seen.pop("EMPTY"), "")
        self.assertEqual(seen["APP_ID"], "hostile")
        self.assertEqual(seen["APP_PORT"], tandem.app.url.rsplit(":", 1)[1])
        self.assertEqual(seen["DAPR_HTTP_PORT"], tandem.app.dapr_url.rsplit(":", 1)[1])
        allowed = {"APP_ID", "APP_PORT", "DAPR_HTTP_PORT", "DAPR_HTTP_ENDPOINT", "DAPR_GRPC_PORT", "DAPR_GRPC_ENDPOINT"}
        self.assertEqual(set(seen) - allowed, set())

    def test_settings_are_the_granted_variables(self):
        tandem = self.run_guest("keyvalue_calls", "--env", "greeting=hello", "--env", "empty=",
                                env={"SECRET": "of the host"})
        self.assertEqual(tandem.get("/config/greeting").text, "hello")
        answer = tandem.get("/config/empty")
        self.assertEqual((answer.status, answer.text), (200, ""))
        for name in ("SECRET", "HOME", "PATH", "Greeting", "nothing"):
            self.assertEqual(tandem.get(f"/config/{name}").status, 404, name)
        everything = dict(line.split("=", 1) for line in tandem.get("/config").text.splitlines())
        self.assertEqual(everything, {"greeting": "hello", "empty": ""})


class FileTest(TandemTest):
    def setUp(self):
        super().setUp()
        self.given = self.folder / "given"
        self.given.mkdir()
        (self.given / "note.txt").write_text("a note")
        (self.folder / "secret.txt").write_text("the secret")
        (self.given / "sub").mkdir()
        (self.given / "sub" / "deep.txt").write_text("deep")
        for name, target in (("out", "../secret.txt"), ("passwd", "/etc/passwd"), ("up", ".."), ("root", "/"),
                             ("note-link", "note.txt"), ("deep-link", "sub/deep.txt"), ("loop", "loop"),
                             ("chain", "up"), ("proc", "/proc/self/root")):
            os.symlink(target, self.given / name)

    def run_command(self, *arguments):
        path = self.write("files.wat", FILE_COMMAND)
        ports = ["--app-port", "0", "--dapr-http-port", "0", "--metrics-port", "0", "--cache-folder", cache_folder()]
        return self.start(path, "--app-id", "files", *ports, *arguments).wait_until_serving()

    def ask(self, tandem, what):
        answer = tandem.post("/", what)
        self.assertEqual(answer.status, 200, answer)
        return answer.text

    def test_no_files_without_a_mount(self):
        tandem = self.run_guest("hostile")
        lines = tandem.get("/files").text.splitlines()
        self.assertEqual(len(lines), 5)
        for line in lines:
            self.assertTrue(line.startswith("refused "), line)

    def test_no_folder_without_a_mount(self):
        tandem = self.run_command()
        self.assertNotRegex(self.ask(tandem, "rnote.txt"), "^00")
        self.assertNotRegex(self.ask(tandem, "r/etc/passwd"), "^00")

    def test_a_mount_is_all_that_is_seen(self):
        tandem = self.run_guest("hostile", "--mount", f"{self.given}:/")
        os.symlink("/etc", self.given / "etc")
        lines = tandem.get("/files").text.splitlines()
        self.assertIn("preopen /", lines)
        self.assertIn("reached /", lines)
        for path in ("/etc/passwd", "../../etc/passwd", "/proc/self/environ"):
            self.assertNotIn(f"reached {path}", lines)

    def check_escapes(self, tandem, operation):
        for path in ("../secret.txt", "sub/../../secret.txt", "/etc/passwd", "//etc/passwd", "out", "passwd",
                     "up/secret.txt", "chain/secret.txt", "root/etc/passwd", "loop", "proc/etc/passwd", "sub/../out",
                     "./../secret.txt", "..", "up/given/../secret.txt", "out/", "note.txt/../../secret.txt"):
            text = self.ask(tandem, operation + path)
            self.assertNotRegex(text, "^00", path)
            self.assertNotIn("secret", text)
            self.assertNotIn("root:", text)
        self.assertEqual((self.folder / "secret.txt").read_text(), "the secret")
        self.assertEqual(sorted(os.listdir(self.folder)), ["files.wat", "given", "secret.txt"])

    def test_reading_and_writing(self):
        tandem = self.run_command("--mount", f"{self.given}:/data")
        self.assertEqual(self.ask(tandem, "rnote.txt"), "00 a note")
        self.assertEqual(self.ask(tandem, "rnote-link"), "00 a note")
        self.assertEqual(self.ask(tandem, "rdeep-link"), "00 deep")
        self.assertEqual(self.ask(tandem, "wsub/new.txt"), "00 00 ")
        self.assertEqual((self.given / "sub" / "new.txt").read_text(), "written by the guest")
        self.check_escapes(tandem, "r")
        self.check_escapes(tandem, "w")

    def test_reading_only(self):
        tandem = self.run_command("--mount", f"{self.given}:/data:ro")
        self.assertEqual(self.ask(tandem, "rnote.txt"), "00 a note")
        for path in ("new.txt", "note.txt", "sub/new.txt", "note-link"):
            self.assertNotRegex(self.ask(tandem, "w" + path), "^00 00", path)
        self.assertEqual((self.given / "note.txt").read_text(), "a note")
        self.assertFalse((self.given / "new.txt").exists())
        self.assertFalse((self.given / "sub" / "new.txt").exists())
        self.check_escapes(tandem, "r")
        self.check_escapes(tandem, "w")

    def test_a_mount_that_is_not_there(self):
        one = self.start(guest("hostile"), "--app-port", "0", "--dapr-http-port", "0", "--metrics-port", "0",
                         "--cache-folder", cache_folder(), "--mount", f"{self.folder}/none:/data")
        # Said at the start, and not at the first request.
        self.assertEqual(one.wait(), 1)
        self.assertIn("none", one.errors)


class Target(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.server.seen.append(self.path)
        self.server.headers_seen.append(dict(self.headers))
        if self.path.startswith("/redirect?"):
            self.send_response(302)
            self.send_header("location", self.path.split("?", 1)[1])
            self.send_header("content-length", "0")
            self.end_headers()
            return
        body = f"target {self.path}".encode()
        self.send_response(200)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


class OutboundTest(TandemTest):
    def setUp(self):
        super().setUp()
        self.target = self.serve()
        self.port = self.target.server_port

    def serve(self):
        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Target)
        server.daemon_threads = True
        server.seen, server.headers_seen = [], []
        threading.Thread(target=server.serve_forever, daemon=True).start()
        self.addCleanup(server.server_close)
        self.addCleanup(server.shutdown)
        return server

    def send(self, tandem, url, more=""):
        return tandem.get(f"/outbound?url={quote(url, safe='')}{more}")

    def assert_denied(self, tandem, url, why="Denied|Prohibited"):
        answer = self.send(tandem, url)
        self.assertEqual(answer.status, 502, f"{url}: {answer}")
        self.assertRegex(answer.text, f"^outbound failed: .*({why})", url)

    def run_hostile(self, *hosts):
        return self.run_guest("hostile", *(word for host in hosts for word in ("--allow-outbound", host)))

    def test_nothing_without_a_grant(self):
        tandem = self.run_hostile()
        for host in ("127.0.0.1", "localhost", "[::1]", "0.0.0.0", "example.com", socket.gethostname()):
            self.assert_denied(tandem, f"http://{host}:{self.port}/x")
        self.assert_denied(tandem, "https://example.com/")
        self.assert_denied(tandem, "http://169.254.169.254/latest/meta-data")
        self.assert_denied(tandem, tandem.app.url + "/ok")
        self.assertEqual(self.target.seen, [])

    def test_a_granted_address(self):
        tandem = self.run_hostile(f"http://127.0.0.1:{self.port}")
        answer = self.send(tandem, f"http://127.0.0.1:{self.port}/hello?x=1")
        self.assertEqual((answer.status, answer.text), (200, "target /hello?x=1"))
        self.assertRegex({k.lower(): v for k, v in self.target.headers_seen[0].items()}["traceparent"], "^00-")
        other = self.serve()
        for url in (f"http://127.0.0.1:{other.server_port}/", f"https://127.0.0.1:{self.port}/", "http://127.0.0.1/",
                    f"http://127.0.0.2:{self.port}/"):
            self.assert_denied(tandem, url)
        self.assertEqual(other.seen, [])

    def test_granted_by_localhost_network_and_star(self):
        for grant in (f"http://localhost:{self.port}", f"http://127.0.0.0/8:{self.port}", f"*://127.0.0.1:{self.port}",
                      "http://127.0.0.1:*", f"http://*:{self.port}", "*://*:*"):
            with self.subTest(grant):
                tandem = self.run_hostile(grant)
                host = "localhost" if "localhost" in grant else "127.0.0.1"
                self.assertEqual(self.send(tandem, f"http://{host}:{self.port}/").text, "target /")
                tandem.stop()

    def test_a_name_reaches_no_loopback(self):
        """Whoever owns a name's DNS decides where it points; the grant of a name is none of an inner address."""
        names = {socket.gethostname(), "ip6-localhost", "ip6-loopback", "localhost4", "localhost.localdomain"}

        def is_inner(name):
            try:
                return socket.getaddrinfo(name, self.port)[0][4][0].startswith(("127.", "::1"))
            except OSError:
                return False

        names = sorted(filter(is_inner, names))
        if not names:
            self.skipTest("no name of this machine but localhost points to loopback")
        for name in names:
            tandem = self.run_hostile(f"http://{name}:{self.port}")
            self.assert_denied(tandem, f"http://{name}:{self.port}/", "Denied|Prohibited|Dns")
            tandem.stop()
        self.assertEqual(self.target.seen, [])

    def test_other_spellings_of_loopback(self):
        tandem = self.run_hostile(f"http://example.com:{self.port}", f"http://*.example.com:{self.port}")
        for host in ("127.1", "0x7f.1", "2130706433", "0177.0.0.1", "[::ffff:127.0.0.1]", "[::127.0.0.1]", "0",
                     "0.0.0.0", "localhost.", "LOCALHOST", "127.0.0.1.", f"example.com@127.0.0.1", "example.com%2e",
                     "127.0.0.1#.example.com", "127.0.0.1\\.example.com", "xexample.com"):
            answer = self.send(tandem, f"http://{host}:{self.port}/")
            self.assertNotIn(b"target", answer.body, host)
            self.assertNotEqual(answer.status, 200, host)
        self.assertEqual(self.target.seen, [])

    def test_a_redirect_is_the_guests_to_follow(self):
        tandem = self.run_hostile(f"http://127.0.0.1:{self.port}")
        other = self.serve()
        answer = self.send(tandem, f"http://127.0.0.1:{self.port}/redirect?http://127.0.0.1:{other.server_port}/")
        self.assertEqual(answer.status, 302)
        self.assertEqual(other.seen, [])

    def test_a_target_that_is_not_there_or_breaks_off(self):
        closed = socket.create_server(("127.0.0.1", 0))
        port = closed.getsockname()[1]
        closed.close()
        tandem = self.run_hostile("http://127.0.0.1:*")
        answer = self.send(tandem, f"http://127.0.0.1:{port}/")
        self.assertEqual(answer.status, 502)
        self.assertRegex(answer.text, "Connection|Destination")
        for answer_bytes in (b"", b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nabc", b"nonsense\r\n\r\n",
                             b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nab"):
            with self.subTest(answer_bytes), socket.create_server(("127.0.0.1", 0)) as listening:

                def once():
                    connection, _ = listening.accept()
                    connection.recv(65536)
                    connection.sendall(answer_bytes)
                    connection.close()

                threading.Thread(target=once, daemon=True).start()
                answer = self.send(tandem, f"http://127.0.0.1:{listening.getsockname()[1]}/")
                self.assertEqual(answer.status, 502, answer)
        self.assertEqual(tandem.get("/ok").text, "ok")


class DaprPortTest(TandemTest):
    """The Dapr port of a guest's own app is open to it without a grant, and never leaves the process; no other is."""

    def setUp(self):
        super().setUp()
        app = "{{appID: {0}, module: \"{1}\", appPort: 0, daprHTTPPort: 0}}"
        self.tandem = self.run_file("version: 1\napps:\n" + "".join(
            f"  - {app.format(name, guest(module))}\n"
            for name, module in (("one", "hostile"), ("two", "hostile"), ("echo", "echo"))), apps=3)
        self.one, self.two = self.tandem.apps["one"], self.tandem.apps["two"]

    def send(self, url, more=""):
        return get(f"{self.one.url}/outbound?url={quote(url, safe='')}{more}")

    def test_its_own(self):
        port = self.one.dapr_url.rsplit(":", 1)[1]
        for authority in (f"localhost:{port}", f"127.0.0.1:{port}", f"[::1]:{port}", "localhost:3500"):
            self.assertEqual(self.send(f"http://{authority}/v1.0/healthz").status, 204, authority)
            metadata = self.send(f"http://{authority}/v1.0/metadata")
            self.assertEqual(metadata.json()["id"], "one", authority)

    def test_another_apps(self):
        answer = self.send(self.two.dapr_url + "/v1.0/metadata")
        self.assertEqual(answer.status, 502, answer)
        self.assertIn("Denied", answer.text)

    def test_no_header_changes_who_asks(self):
        port = self.one.dapr_url.rsplit(":", 1)[1]
        key = f"http://localhost:{port}/v1.0/state/statestore"
        saved = self.send(key, "&method=POST&body=" + quote('[{"key":"mine","value":"of one"}]'))
        self.assertEqual(saved.status, 204, saved)
        self.assertEqual(self.send(key + "/mine").text, '"of one"')
        self.assertEqual(get(self.two.dapr_url + "/v1.0/state/statestore/mine").status, 204)
        self.assertEqual(get(self.two.dapr_url + "/v1.0/state/statestore/one||mine").status, 400)
        self.assertEqual(get(self.one.dapr_url + "/v1.0/state/statestore/mine").text, '"of one"')

    def test_invocation(self):
        port = self.one.dapr_url.rsplit(":", 1)[1]
        for url, more in ((f"http://localhost:{port}/v1.0/invoke/echo/method/method", ""),
                          ("http://anything/method", "&app-id=echo"), ("http://localhost:3500/method", "&app-id=echo")):
            answer = self.send(url, more)
            self.assertEqual((answer.status, answer.text), (200, "GET"), url)
        body = "x" * 1000
        answer = self.send("http://anything/", f"&app-id=echo&method=POST&body={body}")
        self.assertEqual((answer.status, answer.text), (200, body))
        self.assertEqual(self.send("http://anything/x", "&app-id=nobody").status, 500)
        # To itself, while it waits for the answer.
        self.assertEqual(self.send("http://anything/ok", "&app-id=one").text, "ok")


if __name__ == "__main__":
    unittest.main()
