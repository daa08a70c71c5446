"""Resident memory: of both sides after a million requests in the same mix, and of Tandem for as long as one likes."""

import statistics
import threading
import time

import report
from dapr_rows import INVOKE, JUDGED, native_app, running
from load import wrk
from servers import Failed
from sidecars import DAPRD, TANDEM, Sidecar, component, daprd_missing

MIX = "mix.lua"
TARGET = 0.25
# Keys and TTL in seconds. After the requests each key is still there: a faster side does not hold more than the other.
LIVING = (10_000, 60)
# A key has expired before its turn comes again.
EXPIRING = (100_000, 1)
IDLE_SECONDS = 5
SOAK_WARM_SECONDS = 120
SOAK_EVERY_SECONDS = 30
# Less than this between the first sample and the last, on the line through all of them, is noise of the allocator.
GROWTH_MB = 1
GROWTH_SHARE = 0.02


def requests(sidecar, count):
    """At least so many, in runs whose length follows from the rate of the one before. How many there were."""
    done, seconds = 0, 2
    while done < count:
        sample = wrk(sidecar.server, sidecar.url(), JUDGED, seconds, MIX, LIVING)
        done += sample.requests
        seconds = max(1, min(30, int((count - done) / sample.rate) + 1))
    return done


def after_requests(out, verdicts, options, folder):
    out.add(f"## Memory after {options.requests:,} requests\n")
    keys, ttl = LIVING
    mix = f"A third each: get, set with a TTL of {ttl} s, {keys:,} keys in turn, invoke"
    out.add(f"{mix}. Idle is {IDLE_SECONDS} s after the last request.\n")
    resident, rows = {}, []
    with native_app() as app, running(folder, lambda _: component("state.in-memory"), app.port) as sidecars:
        for side, sidecar in sidecars.items():
            sidecar.server.expect(200, b"hello", path=INVOKE)
            start = sidecar.server.resident_mb()
            done = requests(sidecar, options.requests)
            resident[side], anonymous = sidecar.server.resident_mb()
            time.sleep(IDLE_SECONDS)
            idle = sidecar.server.resident_mb()
            megabytes = [start[0], resident[side], anonymous, *idle]
            rows.append([side, f"{done:,}", *[f"{mb:.1f}" for mb in megabytes]])
    head = ["side", "requests", "at the start, MB", "after them, MB", "anonymous, MB", "idle, MB", "anonymous, MB"]
    out.add(report.table(head, rows))
    what = "resident memory after the requests"
    if DAPRD in resident:
        verdicts.at_most(what, [resident[TANDEM]], [resident[DAPRD]], TARGET)
    else:
        verdicts.left_out(what, f"at most {TARGET}", daprd_missing())


def growth(minutes, megabytes):
    """MB between the first sample and the last, on the line that fits all of them best."""
    slope = statistics.linear_regression(minutes, megabytes).slope
    return slope * (minutes[-1] - minutes[0])


def soak(out, options, folder):
    keys, ttl = EXPIRING
    out.add(f"## Soak: Tandem alone for {options.soak} minutes, {JUDGED} connections\n")
    out.add(f"A third each: get, set with a TTL of {ttl} s, {keys:,} keys in turn, invoke.\n")
    rows, minutes, megabytes = [], [], []
    with native_app() as app, Sidecar(TANDEM, folder, component("state.in-memory"), app.port) as sidecar:
        ended = []

        def load():
            try:
                # Until after the last sample.
                ended.append(wrk(sidecar.server, sidecar.url(), JUDGED, options.soak * 60 + 2, MIX, EXPIRING))
            except Failed as failure:
                ended.append(failure)

        began = time.monotonic()
        loader = threading.Thread(target=load, daemon=True)
        loader.start()
        for second in range(SOAK_WARM_SECONDS, options.soak * 60 + 1, SOAK_EVERY_SECONDS):
            loader.join(max(0, began + second - time.monotonic()))
            if not loader.is_alive():
                break
            resident, anonymous = sidecar.server.resident_mb()
            minutes.append(second / 60)
            megabytes.append(anonymous)
            rows.append([f"{second / 60:.1f}", f"{resident:.1f}", f"{anonymous:.1f}"])
        loader.join()
    if isinstance(ended[0], Failed):
        raise ended[0]
    out.add(f"{ended[0].requests:,} requests, {ended[0].rate:,.0f} a second.\n")
    out.add(report.table(["minute", "resident MB", "anonymous MB"], rows))
    grown = growth(minutes, megabytes)
    limit = max(GROWTH_MB, GROWTH_SHARE * report.median(megabytes))
    verdict = "yes" if grown > limit else "no"
    period = f"from minute {minutes[0]:.1f} to {minutes[-1]:.1f}, on the line through all samples"
    out.add(f"growth: {verdict} ({grown:+.2f} MB of anonymous memory {period}; up to {limit:.1f} MB is noise)\n")
