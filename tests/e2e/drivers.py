"""What the tests of Dapr's SDKs and of other runtimes share: a driver, a program that uses Dapr's API and prints `ok …` or
`FAILED …` for each of its checks, run against a Tandem."""

import subprocess
import sys

from harness import PATIENCE, TandemTest, environment, guest, source

sys.path.insert(0, str(source() / "tests"))
import environments  # noqa: E402,F401

FREE = "appPort: 0, daprHTTPPort: 0, daprGRPCPort: 0"


class DriverTest(TandemTest):
    def run_driver(self, command, app, checks):
        """The command has to make at least so many checks, and all have to hold."""
        env = environment({"DAPR_HTTP_PORT": app.dapr_url.rsplit(":", 1)[1],
                           "DAPR_GRPC_PORT": app.dapr_grpc.rsplit(":", 1)[1]})
        done = subprocess.run([str(word) for word in command], env=env, stdin=subprocess.DEVNULL, capture_output=True,
                              text=True, timeout=PATIENCE, check=False)
        said = done.stdout + done.stderr
        self.assertEqual(done.returncode, 0, said)
        self.assertNotIn("FAILED", done.stdout, said)
        self.assertGreaterEqual(sum(line.startswith("ok ") for line in done.stdout.splitlines()), checks, said)

    def two_echoing_apps(self):
        """Where the app `one` is served; `two` is in the same process."""
        apps = "".join(f'  - {{appID: {name}, module: "{guest("echo")}", {FREE}}}\n' for name in ("one", "two"))
        return self.run_file(f"version: 1\napps:\n{apps}", apps=2).apps["one"]
