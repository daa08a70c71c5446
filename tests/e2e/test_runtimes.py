"""Guests under other Wasm runtimes that use Tandem as their Dapr sidecar, over HTTP: tests/runtimes."""

import unittest

from drivers import DriverTest, environments
from harness import guest


class RuntimesTest(DriverTest):
    def test_wasmtime(self):
        app = self.run_guest("echo", "--dapr-grpc-port", "0").app
        self.run_driver([*environments.wasmtime(), guest("dapr_http_cmd")], app, checks=9)

    def test_wazero(self):
        app = self.run_guest("echo", "--dapr-grpc-port", "0").app
        self.run_driver(environments.wazero(), app, checks=9)


if __name__ == "__main__":
    unittest.main()
