"""The example of three guests: orders in, their file, events to both subscribers, calls between apps, a stop."""

import json
import shutil
import sqlite3
import unittest

from harness import TandemTest, get, guest, post, request, source
from observe import together, wait_until

ITEMS = {"tea": 350, "cup": 900, "tray (oak)": 4900}


class ShopTest(TandemTest):
    def setUp(self):
        super().setUp()
        shop = source() / "examples" / "shop"
        shutil.copytree(shop / "resources", self.folder / "resources")
        text = (shop / "tandem.yaml").read_text()
        lines = []
        for line in text.splitlines():
            key = line.strip().split(":")[0]
            indent = line[: len(line) - len(line.lstrip())]
            if key == "module":
                name = line.rsplit("/", 1)[1].removesuffix(".wasm")
                line = f'{indent}module: "{guest(name)}"'
            elif key in ("appPort", "daprHTTPPort"):
                line = f"{indent}{key}: 0"
            lines.append(line)
        self.text = "\n".join(lines)
        self.shop = self.open_shop()

    def open_shop(self):
        shop = self.run_file(self.text, apps=3)
        self.checkout, self.orders, self.receipts = (shop.apps[name] for name in ("checkout", "orders", "receipts"))
        return shop

    def order(self, item, quantity):
        answer = post(self.checkout.url + "/orders",
                      {"item": item, "quantity": quantity, "priceCents": ITEMS[item]})
        self.assertEqual(answer.status, 201, answer)
        order = answer.json()
        self.assertEqual(answer.headers["location"], f"/orders/{order['id']}")
        self.assertEqual(order["totalCents"], quantity * ITEMS[item])
        return order

    def place_orders(self, count, clients=8):
        names = sorted(ITEMS)
        made = together(clients, lambda client: [self.order(names[(client + n) % 3], 1 + n % 5)
                                                 for n in range(count // clients)])
        return [order for orders in made for order in orders]

    def wait_for_totals(self, orders):
        def wanted():
            totals = {}
            for order in orders:
                one = totals.setdefault(order["item"], {"orders": 0, "quantity": 0, "revenueCents": 0})
                one["orders"] += 1
                one["quantity"] += order["quantity"]
                one["revenueCents"] += order["totalCents"]
            return totals

        def seen():
            answer = get(self.orders.url + "/totals")
            if answer.status != 200:
                return None
            return {one.pop("item"): one for one in answer.json()}

        want = wanted()
        wait_until(lambda: (now := seen()) is not None
                   and sum(one["orders"] for one in now.values()) >= len(orders), "all events", pause=0.05)
        self.assertEqual(seen(), want)

    def stored(self):
        """What the file has: the app's key without its prefix -> the value."""
        with sqlite3.connect(f"file:{self.folder / 'shop.db'}?mode=ro", uri=True) as database:
            self.assertEqual(database.execute("PRAGMA integrity_check").fetchone()[0], "ok")
            return dict(database.execute("SELECT key, value FROM state"))

    def test_orders_are_stored_and_counted_and_receipted(self):
        orders = self.place_orders(96)
        self.assertEqual(len({order["id"] for order in orders}), 96)
        self.wait_for_totals(orders)
        for order in orders:
            self.assertEqual(get(f"{self.checkout.url}/orders/{order['id']}").json(), order)
            url = f"{self.receipts.url}/receipts/{order['id']}"
            wait_until(lambda: get(url).status == 200, "the receipt")
            cents = order["totalCents"]
            self.assertIn(f"Total {cents // 100}.{cents % 100:02}\n", get(url).text)
        stored = self.stored()
        for order in orders:
            self.assertEqual(json.loads(stored[f"checkout||{order['id']}"]), order)
            self.assertIn(f"receipts||{order['id']}", stored)
        self.assertIn("orders||items", stored)
        # They are still there for the next process.
        self.shop.stop()
        self.open_shop()
        self.wait_for_totals(orders)
        self.assertEqual(get(f"{self.checkout.url}/orders/{orders[0]['id']}").json(), orders[0])

    def test_what_is_no_order(self):
        for wrong in ({}, {"item": "", "quantity": 1, "priceCents": 1}, {"item": "tea", "quantity": 0, "priceCents": 1},
                      {"item": "tea", "quantity": 1, "priceCents": -1},
                      {"item": "a||b", "quantity": 1, "priceCents": 1},
                      {"item": "tea", "quantity": 1, "priceCents": 1, "more": 1}, [], "tea", "{", "\0", ""):
            answer = post(self.checkout.url + "/orders", wrong)
            self.assertEqual(answer.status, 400, wrong)
            self.assertIn("error", answer.json())
        self.assertEqual(post(self.checkout.url + "/orders", "x" * 100_000).status, 413)
        self.assertEqual(get(self.checkout.url + "/orders").status, 405)
        self.assertEqual(get(self.checkout.url + "/orders/none").status, 404)
        self.assertEqual(get(self.receipts.url + "/receipts/none").status, 404)
        self.assertEqual(get(self.orders.url + "/totals").json(), [])

    def test_the_apps_call_each_other(self):
        order = self.order("tea", 2)
        self.wait_for_totals([order])
        totals = get(self.checkout.dapr_url + "/v1.0/invoke/orders/method/totals")
        self.assertEqual((totals.status, totals.json()[0]["quantity"]), (200, 2))
        short = get(self.receipts.dapr_url + "/totals", headers={"dapr-app-id": "orders"})
        self.assertEqual(short.json(), totals.json())
        url = f"{self.orders.dapr_url}/v1.0/invoke/receipts/method/receipts/{order['id']}"
        wait_until(lambda: get(url).status == 200, "the receipt")
        answer = request(self.orders.dapr_url + "/v1.0/invoke/checkout/method/orders", "POST",
                         {"item": "cup", "quantity": 1, "priceCents": 900})
        self.assertEqual(answer.status, 201)
        self.wait_for_totals([order, answer.json()])
        nobody = get(self.orders.dapr_url + "/v1.0/invoke/nobody/method/x")
        self.assertEqual((nobody.status, nobody.json()["errorCode"]), (500, "ERR_DIRECT_INVOKE"))

    def test_metadata_lists_the_subscriptions(self):
        def subscriptions(app):
            metadata = get(app.dapr_url + "/v1.0/metadata").json()
            self.assertEqual(metadata["id"], app.app_id)
            self.assertEqual({one["name"]: one["type"] for one in metadata["components"]},
                             {"statestore": "state.sqlite", "pubsub": "pubsub.in-memory"})
            return [(one["pubsubname"], one["topic"], one["rules"][0]["path"], one["type"])
                    for one in metadata.get("subscriptions") or []]

        self.assertEqual(subscriptions(self.checkout), [])
        self.assertEqual(subscriptions(self.orders), [("pubsub", "orders", "/orders-events", "PROGRAMMATIC")])
        self.assertEqual(subscriptions(self.receipts), [("pubsub", "orders", "/receipt", "DECLARATIVE")])

    def test_events_of_others(self):
        """What is no order is dropped by both subscribers, and orders that come after it are delivered."""
        for data in ("text", {"id": 1}, [], {"id": "x", "item": ""}):
            answer = post(self.checkout.dapr_url + "/v1.0/publish/pubsub/orders", data)
            self.assertEqual(answer.status, 204)
        # An event that somebody delivers twice is counted once.
        order = {"id": "twice", "item": "tea", "quantity": 3, "priceCents": 350, "totalCents": 1050}
        for _ in range(2):
            self.assertEqual(post(self.checkout.dapr_url + "/v1.0/publish/pubsub/orders", order).status, 204)
        last = self.order("cup", 1)
        self.wait_for_totals([order, last])
        wait_until(lambda: get(self.receipts.url + "/receipts/twice").status == 200, "the receipt")

    def test_a_stop_under_load_loses_no_accepted_order(self):
        accepted = []
        def client(index):
            names = sorted(ITEMS)
            while True:
                try:
                    answer = post(self.checkout.url + "/orders",
                                  {"item": names[index % 3], "quantity": 1, "priceCents": 100})
                except OSError:
                    return  # Refused or cut: not accepted.
                except Exception:  # http.client's, for an answer that was cut
                    return
                if answer.status == 201:
                    accepted.append(answer.json())
                else:
                    self.assertEqual(answer.status, 503, answer)

        def stop():
            try:
                wait_until(lambda: len(accepted) >= 60, "orders")
            finally:
                self.shop.signal()

        together(9, lambda index: client(index) if index < 8 else stop())
        self.assertEqual(self.shop.wait(), 0, self.shop.output())
        stored = self.stored()
        self.assertGreaterEqual(len(accepted), 60)
        for order in accepted:
            self.assertEqual(json.loads(stored[f"checkout||{order['id']}"]), order)
        self.assertEqual(self.shop.log(level="fatal"), [])


if __name__ == "__main__":
    unittest.main()
