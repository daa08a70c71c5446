"""Dapr's Go SDK, unchanged, from its registry: tests/sdk/go."""

import unittest

from drivers import DriverTest, environments


class GoSdkTest(DriverTest):
    def test_state_invocation_metadata_health(self):
        self.run_driver(environments.sdk_go(), self.two_echoing_apps(), checks=90)


if __name__ == "__main__":
    unittest.main()
