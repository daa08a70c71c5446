"""What the shop has to have done with its orders, and whether it has.

Nothing is taken from the answers alone: orders and receipts are looked up in the SQLite file, as another process would
see them, and what was counted is asked of the app that counts.
"""

import json
import sqlite3
import time
import urllib.error
import urllib.request
from collections import Counter

from stage.failure import Failure
from .load import Answer

PRICES = {
    "espresso cup": 450,
    "teapot": 2400,
    "saucer": 300,
    "milk jug": 1250,
    "sugar bowl": 990,
    "tea strainer": 720,
}
EVENTS_LIMIT = 60  # seconds without any event
STORE_LIMIT = 5


class Shop:
    """The shop as its customers and its owner see it."""

    def __init__(self, process):
        self.process = process
        self.database = process.folder / "shop.db"

    @staticmethod
    def wanted(count):
        """Orders as customers send them."""
        prices = list(PRICES.items())
        orders = []
        for index in range(count):
            item, price = prices[index % len(prices)]
            orders.append({"item": item, "quantity": index % 5 + 1, "priceCents": price})
        return orders

    @staticmethod
    def accepted(wanted, answers):
        """The orders that the answers hold, each the one that was sent, with an id of its own."""
        orders = []
        for sent, answer in zip(wanted, answers, strict=True):
            if answer.status != 201:
                raise Failure(f"an order was answered {answer.status}, not 201: {answer.text[:200]}")
            order = answer.json()
            if any(order[key] != value for key, value in sent.items()) or order["totalCents"] != total_of(sent):
                raise Failure(f"the order {sent} was answered with another one: {answer.text[:200]}")
            orders.append(order)
        if len({order["id"] for order in orders}) != len(orders):
            raise Failure("two orders were given the same id")
        return orders

    def stored(self, orders):
        """How many orders the file holds, exactly as they were accepted."""
        rows = self._rows("checkout", orders)
        for order in orders:
            value = rows.get(order["id"])
            if value is None:
                raise Failure(f"order {order['id']} was accepted and is not in {self.database}", self.process.log_tail())
            if json.loads(value) != order:
                raise Failure(f"order {order['id']} is in {self.database} in another form: {value[:200]}")
        return len(rows)

    def await_events(self, before, orders):
        """Until both subscribers have got every order, once; the seconds that this took."""
        began = progress_at = time.monotonic()
        progress = None
        while True:
            counted, written = self.totals() - before, len(self._rows("receipts", orders))
            if counted[("orders",)] >= len(orders) and written == len(orders):
                break
            if progress != (counted, written):
                progress, progress_at = (counted, written), time.monotonic()
            if time.monotonic() - progress_at > EVENTS_LIMIT:
                raise Failure(
                    f"no event was delivered for {EVENTS_LIMIT} s: orders counted {counted[('orders',)]:,} and "
                    f"receipts wrote {written:,} of {len(orders):,}",
                    self.process.log_tail(),
                )
            self.process.pause("delivering events")
        seconds = time.monotonic() - began
        self._check_totals(counted, orders)
        self._check_receipts(orders)
        return seconds

    @staticmethod
    def _check_totals(counted, orders):
        expected = Counter()
        for order in orders:
            expected[("orders",)] += 1
            expected[(order["item"], "orders")] += 1
            expected[(order["item"], "quantity")] += order["quantity"]
            expected[(order["item"], "revenueCents")] += order["totalCents"]
        for key, value in expected.items():
            if counted[key] != value:
                raise Failure(f"the app \"orders\" counted {counted[key]:,} for {' '.join(key)}, not {value:,}")

    def _check_receipts(self, orders):
        rows = self._rows("receipts", orders)
        for order in orders:
            if rows[order["id"]] != receipt_of(order):
                raise Failure(f"the receipt of order {order['id']} is another one: {rows[order['id']][:200]}")

    def totals(self):
        """What the app "orders" has counted: by item and field, and the sum of all orders."""
        answer = self.get(f"{self.process.url('orders')}/totals")
        if answer.status != 200:
            raise Failure(f"GET /totals was answered {answer.status}: {answer.text[:200]}", self.process.log_tail())
        sums = Counter()
        for sales in answer.json():
            sums[("orders",)] += sales["orders"]
            for field in ("orders", "quantity", "revenueCents"):
                sums[(sales["item"], field)] += sales[field]
        return sums

    def _rows(self, app_id, orders):
        """The values that the app has stored under the ids of these orders. Dapr's keys begin with the app id."""
        keys = json.dumps([f"{app_id}||{order['id']}" for order in orders])
        query = "SELECT key, value FROM state WHERE key IN (SELECT value FROM json_each(?))"
        try:
            connection = sqlite3.connect(f"file:{self.database}?mode=ro", uri=True, timeout=STORE_LIMIT)
            try:
                return {key.split("||", 1)[1]: value for key, value in connection.execute(query, (keys,))}
            finally:
                connection.close()
        except sqlite3.Error as error:
            raise Failure(f"{self.database} cannot be read: {error}", self.process.log_tail()) from None

    def get(self, address):
        began = time.perf_counter()
        try:
            with urllib.request.urlopen(address, timeout=10) as got:
                return Answer(address, got.status, got.read(), time.perf_counter() - began)
        except urllib.error.HTTPError as error:
            return Answer(address, error.code, error.read(), time.perf_counter() - began)
        except OSError as error:
            raise Failure(f"GET {address}: {error}", self.process.log_tail()) from None


def total_of(order):
    return order["quantity"] * order["priceCents"]


def money(cents):
    return f"{cents // 100}.{cents % 100:02}"


def receipt_of(order):
    return (
        f"Receipt for {order['id']}\n{order['quantity']} x {order['item']} at {money(order['priceCents'])}\n"
        f"Total {money(order['totalCents'])}\n"
    )
