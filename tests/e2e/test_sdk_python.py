"""Dapr's Python SDK, unchanged, from its registry: tests/sdk/python."""

import unittest

from drivers import DriverTest, environments


class PythonSdkTest(DriverTest):
    def test_state_invocation_metadata_health(self):
        self.run_driver(environments.sdk_python(), self.two_echoing_apps(), checks=25)


if __name__ == "__main__":
    unittest.main()
