"""Starts the shop in one Tandem process, sends it real orders, checks what became of them and says so.

`./dev run` (or `make run`) builds what this needs and then runs it. With a terminal the shop stays up until Ctrl-C;
without one, or with --once, it is stopped after the show. The exit status is 0 only when every order was stored and
every event reached both of its subscribers.

The run folder (build/shop) keeps the orders from run to run: delete it to begin with an empty shop.
"""

import argparse
import os
import sys
from pathlib import Path

sys.dont_write_bytecode = True  # no __pycache__ among the sources

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))  # the folder of `stage`

from show.checks import Shop
from show.load import Load, Summary
from stage.command import line, main, perform, short
from stage.failure import Failure
from stage.process import ExampleProcess, shown

ROOT = HERE.parent.parent
READS_PER_ORDER = 20
TITLE = "The shop: checkout (Rust), orders (Go) and receipts (JavaScript), three WebAssembly apps in one process."


def arguments():
    parser = argparse.ArgumentParser(prog="./dev run", description=__doc__.split("\n\n", maxsplit=1)[0])
    parser.add_argument("--once", action="store_true", help="stop after the show, also with a terminal")
    parser.add_argument("--orders", type=int, default=200, metavar="COUNT", help="orders on 4 connections (default 200)")
    parser.add_argument("--burst", type=int, default=500, metavar="COUNT", help="orders on 32 connections (default 500)")
    parser.add_argument("--folder", type=Path, default=ROOT / "build/shop", help="for data and log (default build/shop)")
    chosen = parser.parse_args()
    if not (1 <= chosen.orders <= 100_000 and 1 <= chosen.burst <= 100_000):
        parser.error("--orders and --burst take 1 to 100000")
    return chosen


def take_orders(shop, count, connections):
    """Sends orders and follows each of them to where it belongs. What it prints was looked up, not assumed."""
    load = Load(shop.process.url("checkout"), connections)
    before = shop.totals()
    wanted = shop.wanted(count)
    answers = load.post("/orders", wanted)
    accepted = shop.accepted(wanted, answers)
    summary = Summary(answers, load.seconds)
    line("orders", f"{len(accepted):,} of {count:,} accepted   {summary}")
    line("stored", f"{shop.stored(accepted):,} of {count:,} in {shown(shop.database)}")
    waited = shop.await_events(before, accepted)
    line("events", f"{2 * count:,} of {2 * count:,} delivered: orders counted {count:,}, receipts wrote {count:,}"
                   f" ({waited:.2f} s after the last order)")
    return accepted


def read_orders(shop, accepted, connections):
    load = Load(shop.process.url("checkout"), connections)
    paths = [f"/orders/{order['id']}" for order in accepted] * READS_PER_ORDER
    answers = load.get(paths)
    for answer in answers:
        if answer.status != 200:
            raise Failure(f"GET {answer.path} was answered {answer.status}: {answer.text[:200]}")
    line("reads", f"{len(answers):,} of {len(paths):,} answered   {Summary(answers, load.seconds)}")


def things_to_try(shop, order):
    """Commands for the reader. Each one that reads is run here first."""
    url, dapr = shop.process.url, shop.process.dapr_url
    reads = [
        (f"{url('checkout')}/orders/{order['id']}", "read it back"),
        (f"{url('orders')}/totals", "what the Go app counted"),
        (f"{url('receipts')}/receipts/{order['id']}", "what the JavaScript app wrote"),
        (f"{dapr('checkout')}/v1.0/state/statestore/{order['id']}", "the same order, by Dapr's state API"),
        (f"{dapr('checkout')}/v1.0/invoke/orders/method/totals", "one app through the other, by Dapr's invoke API"),
        (f"{dapr('checkout')}/v1.0/metadata", "what is loaded"),
        (f"{shop.process.metrics_url}", "for Prometheus"),
    ]
    for address, _ in reads:
        answer = shop.get(address)
        if answer.status != 200:
            raise Failure(f"GET {address} was answered {answer.status}: {answer.text[:200]}")
    body = '{"item":"teapot","quantity":1,"priceCents":2400}'
    commands = [(f"curl -d '{body}' {short(url('checkout'))}/orders", "order something")]
    commands += [(f"curl {short(address)}", why) for address, why in reads]
    width = max(len(command) for command, _ in commands[1:])
    print("\nTry it:")
    for command, why in commands:
        print(f"  {command:<{width}}  # {why}")


def show(process, chosen):
    shop = Shop(process)
    accepted = take_orders(shop, chosen.orders, connections=4)
    print()
    burst = take_orders(shop, chosen.burst, connections=32)
    read_orders(shop, burst, connections=32)
    print()
    line("memory", f"{process.resident_mb()} MB resident: server, three guests and their data")
    line("client", "one Python process on this machine; ./dev bench measures with wrk")
    things_to_try(shop, accepted[0])


def stay(process):
    print("\nThe shop is open. Ctrl-C stops it.", flush=True)
    process.wait_for_end()
    raise Failure("the shop is closed")


def run():
    chosen = arguments()
    process = ExampleProcess(
        binary=Path(os.environ.get("TANDEM_BINARY", ROOT / "build/release/tandem")),
        guests=Path(os.environ.get("TANDEM_GUESTS", ROOT / "build/guests")),
        app_file=HERE / "tandem.yaml",
        folder=chosen.folder.resolve(),
    )
    return perform(TITLE, process, show=lambda process: show(process, chosen), stay=None if chosen.once else stay)


if __name__ == "__main__":
    sys.exit(main(run))
