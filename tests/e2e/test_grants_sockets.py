"""What a guest reaches over wasi:sockets: the names and addresses that its app grants, each way round, and no more."""

import socket
import threading
import unittest
from urllib.parse import quote, urlsplit

from harness import PATIENCE, TandemTest

V4, V6 = "127.0.0.1", "::1"
DENIED = "connect: access-denied"


def has_v6():
    try:
        with socket.create_server((V6, 0), family=socket.AF_INET6):
            return True
    except OSError:
        return False


def authority(host, port):
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


class TcpEcho:
    """Answers each connection with `echo` and what was sent, and counts them."""

    def __init__(self, test, host=V4, port=0):
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self.listening = socket.create_server((host, port), family=family)
        self.port = self.listening.getsockname()[1]
        self.at = authority(host, self.port)
        self.seen = []
        threading.Thread(target=self.serve, daemon=True).start()
        test.addCleanup(self.close)

    def serve(self):
        while True:
            try:
                connection, _ = self.listening.accept()
            except OSError:
                return
            with connection:
                connection.settimeout(PATIENCE)
                sent = b""
                while piece := connection.recv(65536):
                    sent += piece
                self.seen.append(sent)
                connection.sendall(b"echo " + sent)

    def close(self):
        # Closing alone does not wake the thread that accepts.
        self.listening.shutdown(socket.SHUT_RDWR)
        self.listening.close()


class UdpPeer:
    """A socket that the test reads and answers itself."""

    def __init__(self, test, host=V4):
        self.socket = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind((host, 0))
        self.socket.settimeout(PATIENCE)
        self.port = self.socket.getsockname()[1]
        self.at = authority(host, self.port)
        test.addCleanup(self.socket.close)

    def receive(self):
        data, sender = self.socket.recvfrom(65536)
        return data.decode(), sender

    def send(self, data, to):
        self.socket.sendto(data.encode(), to)

    def assert_nothing_came(self, test):
        self.socket.setblocking(False)
        with test.assertRaises(BlockingIOError):
            self.socket.recvfrom(1)


class SocketTest(TandemTest):
    def run_sockets(self, *hosts):
        return self.run_guest("socket_guest", *(word for host in hosts for word in ("--allow-outbound", host)))

    def ask(self, tandem, path, **parameters):
        query = "&".join(f"{name}={quote(str(value), safe='')}" for name, value in parameters.items())
        answer = tandem.get(f"/{path}?{query}")
        self.assertEqual(answer.status, 200, answer)
        return answer.text

    def tcp(self, tandem, to, **more):
        return self.ask(tandem, "tcp", to=to, send="hi", **more)


class TcpTest(SocketTest):
    def setUp(self):
        super().setUp()
        self.echo = TcpEcho(self)

    def test_nothing_without_a_grant(self):
        tandem = self.run_sockets()
        for to in (self.echo.at, f"[{V6}]:{self.echo.port}", f"[::ffff:{V4}]:{self.echo.port}", "127.0.0.1:3500",
                   "93.184.216.34:80", "169.254.169.254:80"):
            self.assertEqual(self.tcp(tandem, to), "create: access-denied", to)
        self.assertEqual(self.ask(tandem, "udp", to=self.echo.at), "create: access-denied")
        self.assertEqual(self.ask(tandem, "listen", at="0.0.0.0:0"), "create: access-denied")
        for name in ("localhost", "example.com", V4, socket.gethostname()):
            self.assertEqual(self.ask(tandem, "lookup", name=name), "lookup: access-denied", name)
        self.assertEqual(self.echo.seen, [])

    def test_a_grant_for_http_is_none_for_sockets(self):
        tandem = self.run_sockets(f"http://{self.echo.at}", f"http://localhost:{self.echo.port}", "https://*",
                                  f"redis://{self.echo.at}")
        self.assertEqual(self.tcp(tandem, self.echo.at), "create: access-denied")
        self.assertEqual(self.ask(tandem, "lookup", name="localhost"), "lookup: access-denied")
        self.assertEqual(self.echo.seen, [])

    def test_an_address_and_a_port(self):
        tandem = self.run_sockets(f"tcp://{self.echo.at}")
        self.assertEqual(self.tcp(tandem, self.echo.at), "echo hi")
        # A socket that is bound by the guest, on no particular address and port, connects as well.
        self.assertEqual(self.tcp(tandem, self.echo.at, bind="0.0.0.0:0"), "echo hi")
        other = TcpEcho(self)
        elsewhere = TcpEcho(self, "127.0.0.2", self.echo.port)
        for to in (other.at, elsewhere.at, f"[{V6}]:{self.echo.port}", f"10.0.0.1:{self.echo.port}"):
            self.assertEqual(self.tcp(tandem, to), DENIED, to)
        self.assertEqual(self.ask(tandem, "udp", to=self.echo.at), "send: access-denied")
        # A denial is one connection's: the next works, in the same call.
        self.assertEqual(self.ask(tandem, "tcp-twice", to=other.at, then=self.echo.at, send="hi"), f"{DENIED}\necho hi")
        self.assertEqual((len(self.echo.seen), other.seen, elsewhere.seen), (3, [], []))

    def test_a_grant_that_nobody_listens_to(self):
        closed = socket.create_server((V4, 0))
        at = authority(V4, closed.getsockname()[1])
        closed.close()
        self.assertEqual(self.tcp(self.run_sockets(f"tcp://{at}"), at), "connect: connection-refused")

    def test_networks_ranges_and_stars(self):
        port = self.echo.port
        for grant in (f"tcp://127.0.0.0/8:{port}", f"tcp://127.0.0.0/8:{port}..{port + 1}", f"tcp://{V4}:*",
                      f"*://{V4}:{port}", f"tcp://*:{port}", f"tcp://localhost:{port}", "*://*:*"):
            with self.subTest(grant):
                tandem = self.run_sockets(grant)
                self.assertEqual(self.tcp(tandem, self.echo.at), "echo hi")
                tandem.stop()
        seen = len(self.echo.seen)
        for grant in (f"tcp://10.0.0.0/8:{port}", f"tcp://127.0.0.2/31:{port}", f"tcp://127.0.0.0/8:{port + 1}..65536",
                      f"udp://{self.echo.at}", f"tcp://example.com:{port}", f"tcp://[::]/0:{port}"):
            with self.subTest(grant):
                tandem = self.run_sockets(grant)
                self.assertEqual(self.tcp(tandem, self.echo.at), DENIED)
                tandem.stop()
        self.assertEqual(len(self.echo.seen), seen)

    def test_nobody_is_listened_to(self):
        """Whatever is granted: an app is reached through Tandem's ports."""
        tandem = self.run_sockets("*://*:*")
        self.assertEqual(self.ask(tandem, "listen", at="0.0.0.0:0"), "listen: access-denied")
        for at in (f"{V4}:0", "0.0.0.0:18080", f"[{V6}]:0", "[::]:18080"):
            self.assertEqual(self.ask(tandem, "tcp-bind", at=at), "bind: access-denied", at)
            self.assertEqual(self.ask(tandem, "udp-bind", at=at), "bind: access-denied", at)
        self.assertEqual(self.ask(tandem, "tcp-bind", at="0.0.0.0:0"), "bound")
        self.assertEqual(self.ask(tandem, "udp-bind", at="0.0.0.0:0"), "bound")

    def test_sockets_are_counted(self):
        """A guest that leaks sockets does not take the ones that Tandem needs."""
        tandem = self.run_sockets(f"tcp://{self.echo.at}")
        # Those of the call before are closed and free again.
        for count, made in ((100, "100 "), (1000, "128 new-socket-limit"), (128, "128 ")):
            self.assertEqual(self.ask(tandem, "many", count=count), made)
        self.assertEqual(self.tcp(tandem, self.echo.at), "echo hi")

    def test_other_spellings_of_loopback(self):
        v6 = TcpEcho(self, V6, self.echo.port) if has_v6() else None
        tandem = self.run_sockets(f"tcp://10.0.0.0/8:{self.echo.port}", "tcp://[2606:4700::]/32:*", "tcp://8.8.8.8:*")
        for host in ("[::ffff:127.0.0.1]", "[::ffff:7f00:1]", "[::127.0.0.1]", f"[{V6}]", "[::]", "0.0.0.0",
                     "[64:ff9b::7f00:1]", "[2002:7f00:1::]", "[fe80::1]", "127.255.255.254"):
            text = self.tcp(tandem, f"{host}:{self.echo.port}")
            self.assertRegex(text, "^connect: (access-denied|invalid-argument)$", host)
        tandem.stop()
        # Granted or not, an IPv4 address in IPv6's clothes is no address of an IPv6 socket.
        tandem = self.run_sockets(f"tcp://{self.echo.at}", f"tcp://[::]/0:{self.echo.port}")
        self.assertEqual(self.tcp(tandem, f"[::ffff:{V4}]:{self.echo.port}"), "connect: invalid-argument")
        self.assertEqual(self.echo.seen, [])
        self.assertEqual(v6.seen if v6 else [], [])

    @unittest.skipUnless(has_v6(), "this machine has no IPv6")
    def test_ipv6(self):
        v6 = TcpEcho(self, V6)
        for grant in (f"tcp://{v6.at}", f"tcp://[::]/0:{v6.port}", f"tcp://localhost:{v6.port}"):
            with self.subTest(grant):
                tandem = self.run_sockets(grant)
                self.assertEqual(self.tcp(tandem, v6.at), "echo hi")
                self.assertEqual(self.tcp(tandem, v6.at, bind="[::]:0"), "echo hi")
                self.assertEqual(self.tcp(tandem, self.echo.at), DENIED)
                tandem.stop()
        seen = len(v6.seen)
        for grant in (f"tcp://{V4}:*", "tcp://127.0.0.0/8:*", "tcp://0.0.0.0/0:*", "tcp://[2000::]/3:*"):
            with self.subTest(grant):
                tandem = self.run_sockets(grant)
                self.assertEqual(self.tcp(tandem, v6.at), DENIED)
                tandem.stop()
        self.assertEqual(len(v6.seen), seen)


class NameTest(SocketTest):
    """A name is granted to be looked up, and what it led to is checked again when a socket connects."""

    def setUp(self):
        super().setUp()
        self.echo = TcpEcho(self)

    def by_name(self, tandem, name, port=None):
        text = self.ask(tandem, "tcp-by-name", name=name, port=port or self.echo.port, send="hi")
        return dict(line.split(" ", 1) for line in text.splitlines())

    def test_localhost(self):
        tandem = self.run_sockets(f"tcp://localhost:{self.echo.port}")
        self.assertIn(V4, self.ask(tandem, "lookup", name="localhost").splitlines())
        self.assertEqual(self.by_name(tandem, "localhost")[V4], "echo hi")
        self.assertEqual(self.by_name(tandem, "LOCALHOST")[V4], "echo hi")
        other = TcpEcho(self)
        self.assertEqual(self.by_name(tandem, "localhost", other.port)[V4], DENIED)
        self.assertEqual(other.seen, [])

    def test_only_granted_names_are_looked_up(self):
        """DNS is a way out too: a name can carry what the guest knows to whoever answers for it."""
        port = self.echo.port
        tandem = self.run_sockets(f"tcp://localhost:{port}", f"tcp://*.inner.test:{port}", f"udp://dns.test:{port}",
                                  "https://api.test", f"tcp://10.0.0.0/8:{port}")
        for name in ("example.com", "localhost.example.com", "xlocalhost", "localhost%2eexample.com", "inner.test",
                     "api.test", "secret.dns.test", "11.0.0.1", "0x7f.1", "127.1", "2130706433", ""):
            self.assertEqual(self.ask(tandem, "lookup", name=name), "lookup: access-denied", name)
        # An address in writing is looked up nowhere.
        self.assertEqual(self.ask(tandem, "lookup", name="10.0.0.1"), "10.0.0.1\n")
        self.assertEqual(self.ask(tandem, "lookup", name="x" * 300 + ".localhost"), "lookup: invalid-argument")

    def test_an_address_grants_no_name(self):
        tandem = self.run_sockets(f"tcp://{self.echo.at}")
        self.assertEqual(self.ask(tandem, "lookup", name="localhost"), "lookup: access-denied")
        self.assertEqual(self.ask(tandem, "lookup", name=V4), f"{V4}\n")

    def test_a_name_reaches_no_inner_address_by_itself(self):
        name, ip = self.inner_name()
        echo = TcpEcho(self, ip)
        tandem = self.run_sockets(f"tcp://{name}:{echo.port}")
        self.assertEqual(self.by_name(tandem, name, echo.port)[ip], DENIED)
        self.assertEqual(echo.seen, [])
        tandem.stop()
        # A second entry, for the address, makes it whole.
        tandem = self.run_sockets(f"tcp://{name}:{echo.port}", f"tcp://127.0.0.0/8:{echo.port}",
                                  f"tcp://[{V6}]:{echo.port}")
        self.assertEqual(self.by_name(tandem, name, echo.port)[ip], "echo hi")

    def inner_name(self):
        """A name of this machine that leads to loopback and is not `localhost`, and where it leads."""
        for name in (socket.gethostname(), "ip6-localhost", "ip6-loopback", "localhost4", "localhost.localdomain"):
            try:
                found = [info[4][0] for info in socket.getaddrinfo(name, 80, type=socket.SOCK_STREAM)]
            except OSError:
                continue
            for ip in found:
                if name != "localhost" and (ip.startswith("127.") or (ip == V6 and has_v6())):
                    return name, ip
        self.skipTest("no name of this machine but localhost leads to loopback")


class UdpTest(SocketTest):
    def setUp(self):
        super().setUp()
        self.peer = UdpPeer(self)

    def exchange(self, tandem, peer, **more):
        """The guest sends and waits, the test answers what it got."""
        answers = []
        thread = threading.Thread(target=lambda: answers.append(
            self.ask(tandem, "udp", to=peer.at, send="hi", **more)))
        thread.start()
        try:
            text, sender = peer.receive()
            self.assertEqual(text, "hi")
            peer.send("hello", sender)
        finally:
            thread.join()
        return answers[0]

    def test_a_granted_address(self):
        for grant in (f"udp://{self.peer.at}", f"*://{self.peer.at}", f"udp://127.0.0.0/8:{self.peer.port}",
                      f"udp://localhost:{self.peer.port}", "udp://*:*"):
            with self.subTest(grant):
                tandem = self.run_sockets(grant)
                self.assertEqual(self.exchange(tandem, self.peer), f"{self.peer.at} hello\n")
                self.assertEqual(self.exchange(tandem, self.peer, connected=1), f"{self.peer.at} hello\n")
                tandem.stop()

    def test_what_is_not_granted(self):
        other, elsewhere = UdpPeer(self), f"127.0.0.2:{self.peer.port}"
        for grant in (f"udp://{other.at}", f"tcp://{self.peer.at}", f"tcp://*:{self.peer.port}"):
            with self.subTest(grant):
                tandem = self.run_sockets(grant)
                for to in (self.peer.at, elsewhere):
                    self.assertEqual(self.ask(tandem, "udp", to=to, send="hi"), "send: access-denied")
                    self.assertEqual(self.ask(tandem, "udp", to=to, send="hi", connected=1), DENIED)
                mapped = self.ask(tandem, "udp", to=f"[::ffff:{V4}]:{self.peer.port}", send="hi")
                self.assertRegex(mapped, "^send: (access-denied|invalid-argument)$")
                tandem.stop()
        self.peer.assert_nothing_came(self)

    def test_only_what_is_granted_is_heard(self):
        stranger = UdpPeer(self)
        tandem = self.run_sockets(f"udp://{self.peer.at}")
        answers = []
        thread = threading.Thread(target=lambda: answers.append(
            self.ask(tandem, "udp", to=self.peer.at, send="hi", replies=2)))
        thread.start()
        try:
            _, guest = self.peer.receive()
            for peer, text in ((stranger, "psst"), (self.peer, "one"), (stranger, "psst"), (self.peer, "two")):
                peer.send(text, guest)
        finally:
            thread.join()
        self.assertEqual(answers, [f"{self.peer.at} one\n{self.peer.at} two\n"])

    @unittest.skipUnless(has_v6(), "this machine has no IPv6")
    def test_ipv6(self):
        v6 = UdpPeer(self, V6)
        tandem = self.run_sockets(f"udp://{v6.at}")
        self.assertEqual(self.exchange(tandem, v6), f"{v6.at} hello\n")
        self.assertEqual(self.ask(tandem, "udp", to=self.peer.at, send="hi"), "send: access-denied")
        self.peer.assert_nothing_came(self)


class OwnPortsTest(SocketTest):
    """Over a socket Tandem's own ports are addresses like any other."""

    def ask_http(self, tandem, port):
        return self.ask(tandem, "tcp", to=f"{V4}:{port}",
                        send="GET /v1.0/healthz HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n")

    def test_all_of_them(self):
        echo = TcpEcho(self)
        for grants, denial in (((), "create: access-denied"), ((f"tcp://{echo.at}",), DENIED)):
            tandem = self.run_sockets(*grants)
            tandem.wait_for(lambda: tandem.metrics_url, "the metrics' address")
            own = [urlsplit(url).port for url in (tandem.app.url, tandem.app.dapr_url, tandem.metrics_url)]
            for port in (3500, 50001, *own):
                self.assertEqual(self.ask_http(tandem, port), denial, port)
            tandem.stop()

    def test_a_dapr_port_that_is_granted(self):
        tandem = self.run_sockets(f"tcp://{V4}:*")
        self.assertRegex(self.ask_http(tandem, urlsplit(tandem.app.dapr_url).port), "^HTTP/1.1 204 ")


if __name__ == "__main__":
    unittest.main()
