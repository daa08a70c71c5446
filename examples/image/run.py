"""Starts the image service in one Tandem process, sends it pictures, checks each pixel of what comes back and that the
log has every use, and says so.

`./dev run image` builds what this needs and then runs it. With a terminal the service stays up until Ctrl-C, for a
browser; without one, or with --once, it is stopped after the show. The exit status is 0 only when every picture was right
and every use was heard of both ways.
"""

import argparse
import os
import sys
import time
from pathlib import Path

sys.dont_write_bytecode = True  # no __pycache__ among the sources

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
sys.path.insert(0, str(HERE.parent))  # the folder of `stage`

import picture
from stage.ask import ask
from stage.command import line, main, perform, short
from stage.failure import Failure
from stage.process import ExampleProcess

SIZES = ((640, 480), (1920, 1080), (64, 64))
EVENTS_LIMIT = 30  # seconds
TITLE = "The image service: grayscale and events (Rust), two WebAssembly apps in one process."


def arguments():
    parser = argparse.ArgumentParser(prog="./dev run image", description=__doc__.split("\n\n", maxsplit=1)[0])
    parser.add_argument("--once", action="store_true", help="stop after the show, also with a terminal")
    parser.add_argument("--folder", type=Path, default=ROOT / "build/image", help="for data and log (default build/image)")
    return parser.parse_args()


def make_gray(process, width, height):
    """Sends a picture and checks what comes back. Returns the id of the use."""
    colors = picture.sample(width, height)
    file = picture.encode(width, height, 2, colors)
    answer = ask(process, f"{process.url('grayscale')}/grayscale", file)
    if answer.status != 200:
        raise Failure(f"a PNG of {width} x {height} was answered {answer.status}: {answer.text[:200]}")
    if picture.decode(answer.body) != (width, height, 0, picture.gray(colors)):
        raise Failure(f"the gray picture of {width} x {height} has other pixels than it should have")
    line("gray", f"{width} x {height}: {width * height:,} of {width * height:,} pixels right   "
                 f"{len(file):,} bytes in, {len(answer.body):,} out, {answer.seconds * 1000:.1f} ms")
    return answer.headers["use-id"]


def await_log(process, uses):
    """Until the log has each of them as called and as an event."""
    began = time.monotonic()
    while True:
        entries = ask(process, f"{process.url('grayscale')}/events").json()
        heard = {entry["id"] for entry in entries if entry["call"] and entry["event"]}
        if heard >= set(uses):
            break
        if time.monotonic() - began > EVENTS_LIMIT:
            raise Failure(f"the log has {len(heard & set(uses))} of {len(uses)} uses as called and as an event")
        process.pause("delivering events")
    line("log", f"{len(uses)} of {len(uses)} uses heard of by a call and by an event")


def refusals(process):
    """What is no picture, and a small file that claims to be a huge one."""
    bomb = picture.header(60_000, 60_000, 2) + picture.chunk(b"IDAT", b"")
    for what, body, status in (("text", b"hello", 415), ("60,000 x 60,000 pixels", bomb, 413)):
        answer = ask(process, f"{process.url('grayscale')}/grayscale", body)
        if answer.status != status:
            raise Failure(f"{what} was answered {answer.status}, not {status}: {answer.text[:200]}")
        line("refused", f"{what}: {answer.status} {answer.json()['error']}")


def show(process):
    await_log(process, [make_gray(process, *size) for size in SIZES])
    refusals(process)
    line("memory", f"{process.resident_mb()} MB resident")
    print("\nTry it:")
    for command, why in (
        (f"open {short(process.url('grayscale'))} in a browser", "drop a picture"),
        (f"curl --data-binary @photo.jpg {short(process.url('grayscale'))}/grayscale -o gray.png", "the same by hand"),
        (f"curl {short(process.dapr_url('grayscale'))}/v1.0/invoke/events/method/events", "the log, by Dapr's invoke API"),
    ):
        print(f"  {command:<72}  # {why}")


def stay(process):
    print(f"\nThe page is at {short(process.url('grayscale'))}. Ctrl-C stops it.", flush=True)
    process.wait_for_end()
    raise Failure("the service has ended")


def run():
    chosen = arguments()
    process = ExampleProcess(
        binary=Path(os.environ.get("TANDEM_BINARY", ROOT / "build/release/tandem")),
        guests=Path(os.environ.get("TANDEM_GUESTS", ROOT / "build/guests")),
        app_file=HERE / "tandem.yaml",
        folder=chosen.folder.resolve(),
    )
    return perform(TITLE, process, show, stay=None if chosen.once else stay)


if __name__ == "__main__":
    sys.exit(main(run))
