"""Dapr's Java SDK, unchanged, from its registry: tests/sdk/java."""

import unittest

from drivers import DriverTest, environments


class JavaSdkTest(DriverTest):
    def test_state_invocation_metadata_health(self):
        self.run_driver(environments.sdk_java(), self.two_echoing_apps(), checks=30)


if __name__ == "__main__":
    unittest.main()
