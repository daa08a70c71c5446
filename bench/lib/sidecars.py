"""Tandem and a real daprd as sidecars: the same flags, the same resources, the same app, on free ports of this machine."""

import json
import os
import re
import sys
import time

from servers import ROOT, Failed, Server, needed

# The tests know where a daprd is, which ports are free and how Debian's Redis is started.
sys.path += [str(ROOT / "tests" / "wire"), str(ROOT / "tests" / "e2e")]
import harness  # noqa: E402
import sides  # noqa: E402

TANDEM = "Tandem"
DAPRD = "daprd"
APP_ID = "bench"
Redis = sides.Redis
KEYS = 1000
VALUE = "v" * 32 + "w" * 32
RUNNING = re.compile(r"dapr initialized\. Status: Running")
START_SECONDS = 60

COMPONENT = """apiVersion: dapr.io/v1alpha1
kind: Component
metadata:
  name: {name}
spec:
  type: {type}
  version: v1
  metadata: {metadata}
"""

# All else is what each side does without a configuration: metrics on, log level info.
CONFIGURATION = """apiVersion: dapr.io/v1alpha1
kind: Configuration
metadata:
  name: bench
spec:
  tracing: {samplingRate: "0"}
"""


def component(kind, name="statestore", /, **metadata):
    """The YAML of a component, a state store where no name says otherwise."""
    return COMPONENT.format(name=name, type=kind, metadata=json.dumps([{"name": k, "value": v} for k, v in metadata.items()]))


def daprd_missing():
    """Why daprd's side has to be left out; None: it is there."""
    return None if sides.daprd_program() else "no daprd is built: run ./dev daprd once (a quarter of an hour), then again"


def who():
    """The sides that can run, Tandem first."""
    return [TANDEM] if daprd_missing() else [TANDEM, DAPRD]


def write_resources(folder, resource):
    """The folder of resources and the configuration that both sides get, in `folder`, which is made."""
    resources, configuration = folder / "resources", folder / "configuration.yaml"
    resources.mkdir(parents=True)
    (resources / "component.yaml").write_text(resource, encoding="utf-8")
    configuration.write_text(CONFIGURATION, encoding="utf-8")
    return resources, configuration


class Sidecar:
    """One side, running and healthy. `server` is its process."""

    def __init__(self, side, folder, resource, app_port=None, http_port=None, not_asked="config,subscribe"):
        """`not_asked`: what of an app at `app_port` is not asked for at the start; "": nothing is left out."""
        resources, configuration = write_resources(folder, resource)
        self.side = side
        self.http, self.grpc, internal, metrics = harness.free_ports(4)
        self.http = http_port or self.http
        program = [needed("TANDEM_BINARY", "build/release/tandem"), "daprd"] if side == TANDEM else [sides.daprd_program()]
        command = [
            *program,
            *("--app-id", APP_ID),
            *("--dapr-http-port", self.http, "--dapr-grpc-port", self.grpc, "--dapr-internal-grpc-port", internal),
            *("--metrics-port", metrics),
            *("--dapr-listen-addresses", "127.0.0.1", "--dapr-internal-grpc-listen-address", "127.0.0.1"),
            *("--metrics-listen-address", "127.0.0.1"),
            *("--resources-path", resources, "--config", configuration),
        ]
        if app_port:
            command += ["--app-port", app_port]
            if not_asked:
                command += ["--disable-init-endpoints", not_asked]
        home = {"HOME": os.environ.get("HOME") or str(folder)}
        self.server = Server(side, command, [RUNNING], environment=home, folder=folder)
        self.server.ports = [self.http, self.grpc]
        try:
            self._wait_until_healthy()
        except BaseException:
            self.server.stop()
            raise

    # The log says that it runs a moment before its health check does.
    def _wait_until_healthy(self):
        deadline = time.monotonic() + START_SECONDS
        while self.server.request(path="/v1.0/healthz")[0] != 204:
            if time.monotonic() > deadline:
                raise Failed(f"{self.side} does not become healthy:\n" + "\n".join(self.server.lines[-20:]))

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.server.stop()

    def url(self, path=""):
        return self.server.url(path)

    def fill(self):
        """Every key that the loads go round in; what was stored is read back."""
        items = [{"key": f"k{n}", "value": VALUE} for n in range(KEYS)]
        json_type = {"Content-Type": "application/json"}
        self.server.expect(204, b"", "POST", "/v1.0/state/statestore", body=json.dumps(items), headers=json_type)
        self.check()

    def check(self):
        self.server.expect(200, f'"{VALUE}"'.encode(), path=f"/v1.0/state/statestore/k{KEYS - 1}")
