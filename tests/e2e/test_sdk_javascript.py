"""Dapr's JavaScript SDK, unchanged, from its registry: tests/sdk/javascript."""

import unittest

from drivers import DriverTest, environments


class JavaScriptSdkTest(DriverTest):
    def test_state_invocation_metadata_health(self):
        self.run_driver(environments.sdk_javascript(), self.two_echoing_apps(), checks=20)


if __name__ == "__main__":
    unittest.main()
