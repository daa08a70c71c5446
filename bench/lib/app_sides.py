"""The two sides of ./dev bench pubsub: Tandem with its guest in one process, and daprd with the same app as a native program
(bench/native_app) beside it. Where a side's CPU and memory are told, they are all of its processes'."""

import contextlib
import http.client
import json
import os
import time

from servers import NUMBER, TANDEM_APP, TANDEM_DAPR, Failed, Server, go_program, guest, tandem_command
from sidecars import APP_ID, DAPRD, TANDEM, Sidecar, harness, who, write_resources

CORES = os.cpu_count()
PATIENCE_SECONDS = 60


class AppSide:
    """`dapr` and `app` are ports, `servers` the processes; the first one's name and log are the side's."""

    def __init__(self, name, servers, dapr, app):
        self.name, self.servers, self.dapr, self.app = name, servers, dapr, app
        self.readers = []

    @property
    def lines(self):
        return self.servers[0].lines

    def cpu_seconds(self):
        return tuple(map(sum, zip(*(server.cpu_seconds() for server in self.servers))))

    def resident_mb(self):
        """Of each process."""
        return [server.resident_mb()[0] for server in self.servers]

    def connect(self):
        """Connections that reach each of the app's instances: a new one goes to the worker with the fewest."""
        instances = CORES if self.name == TANDEM else 1
        found = {}
        for _ in range(8 * instances):
            reader = http.client.HTTPConnection("127.0.0.1", self.app, timeout=PATIENCE_SECONDS)
            self.readers.append(reader)
            found.setdefault(_ask(reader)["id"], reader)
            if len(found) == instances:
                break
        else:
            raise Failed(f"{self.name}: {len(found)} instances of the app answer, not {instances}")
        for reader in self.readers:
            if reader not in found.values():
                reader.close()
        self.readers = list(found.values())

    def counted(self):
        """What all instances have counted, together."""
        total = {"count": 0, "sum": 0, "squares": 0, "ages": {}}
        for counts in map(_ask, self.readers):
            total["count"] += counts["count"]
            total["sum"] += int(counts["sum"])
            total["squares"] += int(counts["squares"])
            for age, events in counts["ages"]:
                total["ages"][age] = total["ages"].get(age, 0) + events
        return total


def _ask(reader):
    reader.request("GET", "/counted")
    return json.loads(reader.getresponse().read())


@contextlib.contextmanager
def _tandem(folder, resource, flags):
    resources, configuration = write_resources(folder, resource)
    command = tandem_command(
        guest("event_count"), "--app-id", APP_ID, "--resources-path", resources, "--config", configuration, *flags
    )
    with Server(TANDEM, command, [TANDEM_APP, TANDEM_DAPR]) as server:
        yield AppSide(TANDEM, [server], server.ports[1], server.ports[0])


@contextlib.contextmanager
def _daprd(folder, resource):
    port = harness.free_ports(1)[0]
    with Server("the native app", [go_program("native_app"), str(port)], [NUMBER]) as app:
        with Sidecar(DAPRD, folder, resource, app.port, http_port=port, not_asked="") as sidecar:
            yield AppSide(DAPRD, [sidecar.server, app], port, app.port)


@contextlib.contextmanager
def running(folder, resource, *flags):
    """side -> AppSide. `resource(side)` is the YAML of its component; `flags` are Tandem's."""
    with contextlib.ExitStack() as stack:
        sides = {}
        for side in who():
            own = folder / side
            made = _tandem(own, resource(side), flags) if side == TANDEM else _daprd(own, resource(side))
            sides[side] = stack.enter_context(made)
        yield sides


def wait_until(condition, what, seconds=PATIENCE_SECONDS):
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise Failed(f"{what} within {seconds} s")
        time.sleep(0.005)
