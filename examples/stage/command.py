"""The command around a show: its lines, how it is interrupted, its exit status."""

import os
import signal
import sys

from .failure import Failure
from .process import shown


def line(name, text):
    print(f"  {name:<9}{text}", flush=True)


def short(url):
    return url.removeprefix("http://").replace("127.0.0.1", "localhost")


def interrupt(_number, _frame):
    raise KeyboardInterrupt


def perform(title, process, show, stay=None):
    """Starts the process, shows what it does with show(process), and stops it, after stay(process) where a terminal is
    there and a person is meant to look. Returns the exit status."""
    print(f"\n{title}\n")
    shown_whole = False
    try:
        process.start(say=line)
        line("serving", f"after {process.started_in:.2f} s, process {process.pid}, log {shown(process.log)}")
        show(process)
        shown_whole = True
        if stay and sys.stdout.isatty():
            stay(process)
    except KeyboardInterrupt:
        print("\nstopping")
        if not shown_whole:
            return 130
    except Failure as failure:
        raise process.explained(failure) from None
    finally:
        orderly = process.stop()
    if not orderly:
        raise Failure("Tandem did not stop in order", process.log_tail())
    line("stopped", "in order: every request that was under way has been answered")
    return 0


def main(run):
    """The exit status of run(), which fails with a Failure."""
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, interrupt)
    try:
        return run()
    except BrokenPipeError:
        # Whoever read the output has left (make run | head). Nothing more can be said there, also not at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except Failure as failure:
        print(f"\nfailed: {failure}", file=sys.stderr)
        if failure.log_lines:
            print("the end of the log:", file=sys.stderr)
            for text in failure.log_lines:
                print(f"  {text}", file=sys.stderr)
        return 1
