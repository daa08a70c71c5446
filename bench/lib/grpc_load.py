"""Load on Dapr's gRPC API from h2load, which knows HTTP/2 and not gRPC: the messages are made here, and what the answers
are is checked here too, with a client of Dapr's own SDK before and after each run and by the answers' length within it."""

import re
import struct
import subprocess
import sys
import tempfile
from pathlib import Path

from load import Sample
from servers import ROOT, Failed

sys.path.append(str(ROOT / "tools"))
import python_sdk  # noqa: E402

CONNECTIONS = 32
# Streams of a connection that are open at once.
STREAMS = 1
# gRPC's frame: not compressed, and the message's length.
FRAME_HEAD = struct.Struct(">BI")
CALL_SECONDS = 30


def state_calls(key, value):
    """what -> (method, request, the reply's type, whether a decoded reply is right)."""
    sys.path.append(str(python_sdk.site_packages()))
    from dapr.proto.runtime.v1 import dapr_pb2
    from google.protobuf import message_factory

    def types(method):
        found = dapr_pb2.DESCRIPTOR.services_by_name["Dapr"].methods_by_name[method]
        return message_factory.GetMessageClass(found.input_type), message_factory.GetMessageClass(found.output_type)

    get, found = types("GetState")
    save, saved = types("SaveState")
    item = {"key": key, "value": value}
    return {
        "get": ("GetState", get(store_name="statestore", key=key), found, lambda reply: reply.data == value),
        "set": ("SaveState", save(store_name="statestore", states=[item]), saved, lambda _: True),
    }


def checked_call(sidecar, call):
    """Makes the call with grpc's own client; the reply's length in bytes."""
    import grpc

    method, request, reply_type, is_right = call
    with grpc.insecure_channel(f"127.0.0.1:{sidecar.grpc}") as channel:
        stub = channel.unary_unary(f"/dapr.proto.runtime.v1.Dapr/{method}", None, None)
        try:
            raw = stub(request.SerializeToString(), timeout=CALL_SECONDS)
        except grpc.RpcError as error:
            raise Failed(f"{sidecar.side}: {method}: {error.code().name}: {error.details()}") from error
    if not is_right(reply_type.FromString(raw)):
        raise Failed(f"{sidecar.side}: {method} answered {raw!r}")
    return len(raw)


def figure(pattern, text):
    found = re.search(pattern, text, re.MULTILINE)
    if not found:
        raise Failed(f"h2load's output has no {pattern}:\n{text}")
    return found.group(1)


def percentile(ordered, share):
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))]


def h2load(sidecar, call, seconds):
    """A run of one call. A reply that is an error has HTTP's status 200 as well, but no message: so the bytes of all
    messages say whether each call got its reply."""
    method, request, _, _ = call
    reply_length = FRAME_HEAD.size + checked_call(sidecar, call)
    body = request.SerializeToString()
    with tempfile.TemporaryDirectory() as folder:
        frame = Path(folder) / "frame"
        frame.write_bytes(FRAME_HEAD.pack(0, len(body)) + body)
        log = Path(folder) / "requests"
        command = ["h2load", "-c", CONNECTIONS, "-m", STREAMS, "-t", 2, "-D", seconds, "-d", frame, "--log-file", log]
        command += ["-H", "content-type: application/grpc", "-H", "te: trailers"]
        command += [f"http://127.0.0.1:{sidecar.grpc}/dapr.proto.runtime.v1.Dapr/{method}"]
        before = sidecar.server.cpu_seconds()
        done = subprocess.run([str(word) for word in command], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        after = sidecar.server.cpu_seconds()
        if done.returncode != 0:
            raise Failed(f"h2load against {sidecar.side} failed:\n{done.stdout}")
        # A line a request: when it began, its status, the microseconds to its end.
        took = sorted(int(line.rsplit("\t", 1)[1]) for line in log.read_text().splitlines())
    checked_call(sidecar, call)
    text = done.stdout
    rate = float(figure(r"^finished in [\d.]+\w+, ([\d.]+) req/s", text))
    count = int(figure(r"^status codes: (\d+) 2xx", text))
    failed = [int(figure(pattern, text)) for pattern in (r"(\d+) failed,", r"(\d+) errored,", r"(\d+) timeout$")]
    received = int(figure(r"headers \(space savings .*, \S+ \((\d+)\) data$", text))
    # Of calls that the run's end cut off, the message may have come and the end not.
    if count == 0 or any(failed) or not 0 <= received - count * reply_length <= CONNECTIONS * STREAMS * reply_length:
        raise Failed(f"h2load against {sidecar.side}, {method}, replies of {reply_length} bytes, met errors:\n{text}")
    user, system = ((a - b) * 1e6 / count for a, b in zip(after, before))
    return Sample(rate, percentile(took, 0.5), percentile(took, 0.99), user, system, count)
