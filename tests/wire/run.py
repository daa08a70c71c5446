#!/usr/bin/env python3
"""Runs the wire tests. README.md says what they are.

    run.py [--side SIDE] [NAME...]      files of cases/ whose names contain NAME, on these sides: tandem (the app is a
                                        guest), sidecar (`tandem daprd` beside an app), daprd (the real one), or all
    run.py --record daprd NAME...       writes down daprd's replies for requests that have none

Needs TANDEM_BINARY, TANDEM_GUESTS and TANDEM_SOURCE, as the end-to-end tests. Exit status 1: something differed; 77:
what was asked for is not there, and was skipped by name.
"""

import argparse
import http.client
import re
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))
sys.path.insert(0, str(HERE.parent / "e2e"))

import matching  # noqa: E402
import sides  # noqa: E402
import wire_file  # noqa: E402
from harness import PATIENCE  # noqa: E402
from wire_file import Message  # noqa: E402

SKIPPED = 77
SIDES = {"tandem": sides.Tandem, "sidecar": sides.TandemSidecar, "daprd": sides.Sidecar}


def send_http(address, request, names):
    method, target = matching.fill(request.first, names).split(" ", 1)
    body = matching.body_bytes(matching.fill(request.body, names) if request.body is not None else None)
    headers = [(name, matching.fill(value, names)) for name, value in request.headers]
    chunked = ("transfer-encoding", "chunked") in headers
    connection = http.client.HTTPConnection(address, timeout=PATIENCE)
    try:
        connection.putrequest(method, target, skip_host=any(name == "host" for name, _ in headers),
                              skip_accept_encoding=True)
        for name, value in headers:
            connection.putheader(name, value)
        if not chunked and (body is not None or method in ("POST", "PUT", "PATCH")):
            connection.putheader("content-length", str(len(body or b"")))
        try:
            connection.endheaders(body, encode_chunked=chunked)
        except (BrokenPipeError, ConnectionResetError):
            pass  # A refusal may come, and the connection go, before the body is all sent.
        try:
            got = connection.getresponse()
        except (ConnectionError, http.client.BadStatusLine) as error:
            return Message(f"no answer: {type(error).__name__}", [], "")
        fields = [(name.lower(), value) for name, value in got.getheaders()]
        return Message(str(got.status), fields, got.read().decode("utf-8", "backslashreplace"))
    finally:
        connection.close()


def take_delivery(side, names):
    """The next request of the sidecar to the app; of its headers all count but those of the connection."""
    came = side.next_delivery()
    if came is None:
        return Message("nothing"), lambda _expected: "nothing is delivered"
    method, path, headers, body = came
    fields = [(name.lower(), value) for name, value in headers if name.lower() not in OF_THE_CONNECTION]
    got = Message(f"{method} {path}", fields, body.decode("utf-8", "backslashreplace"))

    def compare(expected):
        extra = dict(fields).keys() - dict(expected.headers).keys()
        return f"the headers {sorted(extra)} are not expected" if extra else matching.difference(expected, got, names)

    return got, compare


def take_step(side, step, names):
    """(what came, a function that says what is not as expected)."""
    if step.request.first == "delivered":
        return take_delivery(side, names)
    if step.request.first.startswith("grpc "):
        import grpc_call

        filled = Message(step.request.first, step.request.headers, matching.fill(step.request.body or "", names))
        got, values = grpc_call.call(side.grpc, filled)

        def compare(expected):
            head = Message(expected.first, expected.headers, None)
            said = matching.difference(head, Message(got.first, got.headers, ""), names)
            if said or expected.body == "*":
                return said
            filled = Message(expected.first, expected.headers, matching.fill(expected.body or "", names))
            wanted = grpc_call.expected_body(filled, step.request.first.split()[1])
            return matching.json_difference(wanted, values)
    else:
        got = send_http(side.http, step.request, names)

        def compare(expected):
            return matching.difference(expected, got, names)

    return got, compare


OF_THE_CONNECTION = ("host", "user-agent", "content-length", "accept-encoding", "connection", "transfer-encoding")

# In a JSON body or protobuf text: what is different each time, or at each side.
VOLATILE = [
    (r'("(?:etag|ttlExpireTime|runtimeVersion|daprRuntimeVersion)": ?)"[^"]*"', r'\1"*"'),
    (r'("port": ?)\d+', r'\1"*"'),
    (r'("id": ?)"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[0-9a-f-]{17}"', r'\1"*"'),
    (r'("(?:time|expiration)": ?)"20[^"]*"', r'\1"*"'),
    (r'("data_base64": ?)"eyJ[^"]{100,}"', r'\1"*"'),  # an event that was packed again
    (r'("(?:traceid|traceparent)": ?)"00-[^"]*"', r'\1"*"'),
    (r"^00-(0af7651916cd43dd8448eb211c80319c)-[0-9a-f]{16}-(\d\d)$", r"~^00-\1-[0-9a-f]{16}-\2$"),
    (r"^00-[0-9a-f]{32}-[0-9a-f]{16}-(\d\d)$", r"~^00-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-\1$"),
    (r'\b(etag|runtime_version): "[^"]*"', r'\1: "*"'),
    (r'(key: "(?:ttlExpireTime|daprRuntimeVersion)"\s+value: )"[^"]*"', r'\1"*"'),
]


CHANGING = ("etag", "metadata.ttlexpiretime", "metadata.duration", "metadata.start-time", "metadata.end-time",
            "metadata.date")


def steady(text):
    for pattern, replacement in VOLATILE:
        text = re.sub(pattern, replacement, text)
    return text


def to_record(got, all_headers=False):
    """The reply as a file would have it."""
    headers = []
    for name, value in got.headers:
        if all_headers or matching.STRICT.fullmatch(name):
            headers.append((name, "*" if name in CHANGING else steady(value)))
    body = got.body or ""
    if matching.as_json(body)[0]:
        body = body.removesuffix("\n")
    if re.search(r"[\x00-\x08\x0e-\x1f]", body):
        body = "@bytes " + re.sub(r"[\x00-\x1f]", lambda found: f"\\x{ord(found[0]):02x}", body)
    body = steady(body)
    return Message(got.first, headers, body)


class Run:
    """What happened, for the summary."""

    def __init__(self):
        self.passed = 0
        self.failures = []

    def fail(self, where, said):
        self.failures.append(where)
        print(f"FAILED {where}\n       {said}", flush=True)


def run_case(side, case, label, run, recording):
    names = {"app_port": str(side.app_port)}
    failed = False
    for step in case.steps:
        got, compare = take_step(side, step, names)
        expected = step.expected(side.name)
        if expected is None:
            if recording is None:
                run.fail(f"{label}:{step.line} {case.title}", "the request has no reply: run.py --record daprd writes it")
                failed = True
            else:
                recording[step.end_line] = to_record(got, step.request.first == "delivered")
            continue
        said = compare(expected)
        if said:
            run.fail(f"{label}:{step.line} {case.title}", f"{step.request.first}: {said}")
            failed = True
    run.passed += not failed


def run_file(side_name, file, resources, servers, run, recording=None):
    kind = SIDES[side_name]
    label = f"{side_name} {file.path.name} [{resources}]"
    with tempfile.TemporaryDirectory(prefix="tandem-wire-") as folder:
        side = kind(file.settings, resources, Path(folder), servers)
        try:
            for case in file.cases:
                if case.only and resources not in case.only:
                    continue
                run_case(side, case, label, run, recording)
            if file.settings["then"] == "ends" and (status := side.ended()) != 0:
                run.fail(label, f"the process ended with status {status}")
        except Exception:
            print(side.log(), flush=True)
            raise
        finally:
            side.close()


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--side", choices=[*SIDES, "all"], default="all")
    parser.add_argument("--record", choices=["tandem", "daprd"])
    parser.add_argument("names", nargs="*")
    options = parser.parse_args()

    asked = list(SIDES) if options.side == "all" else [options.side]
    if options.record:
        asked = [options.record]
    for name in list(asked):
        if missing := SIDES[name].missing():
            print(f"SKIPPED {name}: {missing}", flush=True)
            asked.remove(name)
    if not asked:
        return SKIPPED

    try:
        files = [wire_file.read(path) for path in sorted((HERE / "cases").glob("*.wire"))
                 if not options.names or any(name in path.stem for name in options.names)]
    except wire_file.WireError as error:
        print(error, file=sys.stderr)
        return 1
    run = Run()
    left_out = 0
    with ExitStack() as stack:
        servers = {}
        for name, server in sides.SERVERS.items():
            if any(name in file.settings["resources"] for file in files):
                servers[name] = server()
                stack.callback(servers[name].close)
        for name in asked:
            for file in files:
                if why := SIDES[name].runs(file.settings):
                    print(f"LEFT OUT {name} {file.path.name}: {why}", flush=True)
                    left_out += 1
                    continue
                recording = {} if options.record else None
                for resources in file.settings["resources"].split():
                    for server in servers:
                        if server in resources.split("-"):
                            servers[server].begin(file.settings)
                    run_file(name, file, resources, servers, run, recording)
                    if recording:
                        wire_file.record(file, recording)
                        break
    print(f"{run.passed} passed, {len(run.failures)} failed, {left_out} files left out", flush=True)
    if left_out and not run.passed and not run.failures:
        return SKIPPED
    return 1 if run.failures or not run.passed else 0


if __name__ == "__main__":
    sys.exit(main())
