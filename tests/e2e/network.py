"""A network namespace for a server of a test, at the other end of a cable that can be cut.

    network = Network()                        # in setUp; skips the test where namespaces cannot be made
    RedisServer(folder, network.address, network.prefix)
    network.cut()                              # from here on every packet is lost, in both directions, without a word
    network.mend()
    network.close()

What a proxy cannot show: a cut connection hears nothing, no end and no refusal, and its bytes wait in the kernel.
"""

import os
import random
import subprocess
import unittest


def run(*words):
    done = subprocess.run([str(word) for word in words], stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    if done.returncode:
        raise OSError(f"{' '.join(map(str, words))}: {done.stderr.strip()}")


class Network:
    def __init__(self):
        number = random.randrange(1 << 14)
        self.name = f"tandem-{os.getpid()}-{number}"
        self.here, self.there = f"tdh{number}", f"tdt{number}"  # at most 15 letters
        # A network of two addresses, of those that nobody is given (RFC 2544's, for tests of networks).
        base = number * 4
        net = f"198.{18 + (base >> 16)}.{base >> 8 & 255}.{base & 255}"
        prefix, last = net.rsplit(".", 1)
        ours, self.address = f"{prefix}.{int(last) + 1}", f"{prefix}.{int(last) + 2}"
        self.prefix = ("ip", "netns", "exec", self.name)
        try:
            run("ip", "netns", "add", self.name)
        except OSError as error:
            raise unittest.SkipTest(f"a network namespace cannot be made (root is needed): {error}") from None
        try:
            run("ip", "link", "add", self.here, "type", "veth", "peer", "name", self.there, "netns", self.name)
            run("ip", "address", "add", f"{ours}/30", "dev", self.here)
            run("ip", "link", "set", self.here, "up")
            run(*self.prefix, "ip", "address", "add", f"{self.address}/30", "dev", self.there)
            self.mend()
        except OSError as error:
            self.close()
            raise unittest.SkipTest(f"a pair of network interfaces cannot be made: {error}") from None

    def cut(self):
        run(*self.prefix, "ip", "link", "set", self.there, "down")

    def mend(self):
        run(*self.prefix, "ip", "link", "set", self.there, "up")

    def close(self):
        """Its cable goes with it."""
        run("ip", "netns", "delete", self.name)
