"""An output binding called from an app: by a guest at its own Dapr port, next to a native app through daprd."""

import report
from app_sides import running
from dapr_rows import native_app
from load import wrk
from sidecars import DAPRD, TANDEM, component, daprd_missing

CONNECTIONS = 32
TARGET = 3


def http(out, verdicts, options, folder):
    out.add("## The output binding `http`\n")
    out.add("wrk, app, `POST /v1.0/bindings/target`, server. The server is `native_server.cc`, one for both sides.\n")
    with native_app() as target, running(folder, lambda _: component("bindings.http", "target", url=target.url())) as sides:

        def load(side, seconds):
            return wrk(side, f"http://127.0.0.1:{side.app}/invoke", CONNECTIONS, seconds)

        for side in sides.values():
            side.servers[-1].expect(200, b"hello", path="/invoke", port=side.app)
            load(side, 1)
        samples = {side: [] for side in sides}
        for _ in range(options.runs):
            for side in sides:
                samples[side].append(load(sides[side], options.seconds))
        for side in sides.values():
            side.servers[-1].expect(200, b"hello", path="/invoke", port=side.app)
        out.add(report.load_table(samples))
        memory = [[name, " + ".join(f"{mb:.1f}" for mb in side.resident_mb())] for name, side in sides.items()]
        out.add(report.table(["after all of it", "resident MB"], memory))
    name = "binding http"
    if DAPRD in samples:
        verdicts.rates(name, samples[TANDEM], samples[DAPRD], TARGET)
    else:
        verdicts.left_out(name, f"at least {TARGET}", daprd_missing())
