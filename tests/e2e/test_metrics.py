"""/metrics after real calls: Dapr's names, labels and buckets, and numbers that are those of the calls."""

import unittest

from harness import TandemTest, get, guest, post, request, source
from observe import Scrape, wait_until

# Dapr's: name -> its labels.
STATE = {"app_id", "component", "namespace", "operation", "success"}
EGRESS = {"app_id", "component", "namespace", "success", "topic"}
INGRESS = {"app_id", "component", "namespace", "process_status", "status", "topic"}
HTTP = {"app_id", "method", "path", "status"}
FAMILIES = {
    "dapr_component_state_count": STATE,
    "dapr_component_state_latencies_count": STATE,
    "dapr_component_pubsub_egress_count": EGRESS,
    "dapr_component_pubsub_egress_latencies_count": EGRESS,
    "dapr_component_pubsub_ingress_count": INGRESS,
    "dapr_component_pubsub_ingress_latencies_count": INGRESS,
    "dapr_component_pubsub_ingress_in_flight": {"app_id", "component", "namespace", "topic"},
    "dapr_http_server_request_count": HTTP,
    "dapr_http_server_response_count": HTTP,
    "dapr_http_server_latency_count": HTTP,
    "dapr_http_server_request_bytes_count": {"app_id"},
    "dapr_http_server_response_bytes_count": {"app_id"},
    "dapr_http_client_completed_count": HTTP,
    "dapr_http_client_roundtrip_latency_count": HTTP,
    "dapr_http_client_sent_bytes_count": {"app_id", "method", "path"},
    "dapr_http_client_received_bytes_count": {"app_id"},
    "dapr_runtime_component_loaded": {"app_id"},
    "dapr_runtime_component_init_total": {"app_id", "component"},
    "dapr_runtime_service_invocation_req_sent_total": {"app_id", "dst_app_id", "type"},
    "dapr_runtime_service_invocation_req_recv_total": {"app_id", "src_app_id"},
    "dapr_runtime_service_invocation_res_sent_total": {"app_id", "dst_app_id", "status"},
    "dapr_runtime_service_invocation_res_recv_total": {"app_id", "src_app_id", "status", "type"},
    "dapr_runtime_service_invocation_res_recv_latency_ms_count": {"app_id", "src_app_id", "status"},
}
LATENCY_BUCKETS = ["1", "2", "3", "4", "5", "6", "8", "10", "13", "16", "20", "25", "30", "40", "50", "65", "80", "100",
                   "130", "160", "200", "250", "300", "400", "500", "650", "800", "1000", "2000", "5000", "10000",
                   "20000", "50000", "100000", "+Inf"]
ORDERS = 6


class ShopMetricsTest(TandemTest):
    def setUp(self):
        super().setUp()
        apps = "".join(f'  - {{appID: {name}, module: "{guest(name)}", appPort: 0, daprHTTPPort: 0}}\n'
                       for name in ("checkout", "orders", "receipts"))
        resources = source() / "examples/shop/resources"
        self.shop = self.run_file(f'version: 1\ncommon: {{resourcesPath: "{resources}"}}\napps:\n{apps}', apps=3)
        apps = self.shop.apps
        self.checkout, self.orders, self.receipts = apps["checkout"], apps["orders"], apps["receipts"]

    def place_orders(self, count):
        """Orders, and all that follows from them."""
        made = []
        for n in range(count):
            answer = post(self.checkout.url + "/orders", {"item": "tea", "quantity": 1 + n, "priceCents": 350})
            self.assertEqual(answer.status, 201, answer)
            made.append(answer.json()["id"])

        def all_delivered():
            seen = Scrape(self.shop)
            return all(seen.total("dapr_component_pubsub_ingress_count", app_id=app, process_status="success") >= count
                       for app in ("orders", "receipts"))

        wait_until(all_delivered, "the deliveries", pause=0.05)
        return made

    def test_every_family_has_daprs_labels(self):
        self.place_orders(1)
        get(self.checkout.dapr_url + "/v1.0/invoke/orders/method/totals")
        scrape = Scrape(self.shop)
        for name, labels in FAMILIES.items():
            have = scrape.labels(name)
            self.assertTrue(have, f"{name} is missing")
            for one in have:
                self.assertEqual(one, labels, name)
        for name, kind in scrape.kinds().items():
            if name.startswith("dapr_"):
                wanted = ("gauge" if name.endswith("_in_flight") else
                          "histogram" if name.endswith(("latency", "latencies", "latency_ms", "_bytes")) else "counter")
                self.assertEqual(kind, wanted, name)
        buckets = [dict(labels)["le"] for (name, labels) in scrape.series
                   if name == "dapr_runtime_service_invocation_res_recv_latency_ms_bucket"]
        self.assertEqual(sorted(buckets, key=float), LATENCY_BUCKETS)

    def test_orders_and_what_follows_from_them(self):
        self.place_orders(ORDERS)
        scrape = Scrape(self.shop)
        self.assertEqual(scrape.value("tandem_app_requests_total", app_id="checkout", method="POST", status="201"),
                         ORDERS)
        component = {"component": "pubsub", "namespace": "default", "topic": "orders"}
        self.assertEqual(scrape.value("dapr_component_pubsub_egress_count", app_id="checkout", success="true",
                                      **component), ORDERS)
        for app, route in (("orders", "/orders-events"), ("receipts", "/receipt")):
            self.assertEqual(scrape.value("dapr_component_pubsub_ingress_count", app_id=app, process_status="success",
                                          status="success", **component), ORDERS)
            self.assertEqual(scrape.value("dapr_component_pubsub_ingress_in_flight", app_id=app, **component), 0)
            self.assertEqual(scrape.total("dapr_http_client_completed_count", app_id=app, method="POST", path=route),
                             ORDERS)
            self.assertEqual(scrape.total("dapr_http_client_roundtrip_latency_count", app_id=app, path=route), ORDERS)
            self.assertGreater(scrape.total("dapr_http_client_sent_bytes_sum", app_id=app, path=route), 100 * ORDERS)
        store = {"component": "statestore", "namespace": "default", "success": "true"}
        for app in ("checkout", "receipts"):
            self.assertEqual(scrape.value("dapr_component_state_count", app_id=app, operation="set", **store), ORDERS)
        # The Go app talks to its Dapr port by HTTP that never leaves the process: it counts like any other.
        self.assertGreaterEqual(scrape.total("dapr_http_server_request_count", app_id="orders",
                                             path="/v1.0/state/statestore"), ORDERS)
        self.assertEqual(scrape.value("dapr_http_client_completed_count", app_id="orders", method="GET",
                                      path="/dapr/subscribe", status="200"), 1)
        for app in ("checkout", "orders", "receipts"):
            self.assertEqual(scrape.value("dapr_runtime_component_loaded", app_id=app), 2)
            for kind in ("state.sqlite", "pubsub.in-memory"):
                self.assertEqual(scrape.value("dapr_runtime_component_init_total", app_id=app, component=kind), 1)

    def test_the_dapr_api(self):
        (order,) = self.place_orders(1)
        dapr = self.checkout.dapr_url
        for _ in range(3):
            self.assertEqual(get(f"{dapr}/v1.0/state/statestore/{order}?consistency=strong").status, 200)
        self.assertEqual(get(f"{dapr}/v1.0/state/statestore/none").status, 204)
        self.assertEqual(post(f"{dapr}/v1.0/state/statestore", [{"key": "a", "value": 1}]).status, 204)
        self.assertEqual(post(f"{dapr}/v1.0/publish/pubsub/nobody-listens", {"a": 1}).status, 204)
        events = [{"entryId": str(n), "event": n, "contentType": "application/json"} for n in range(3)]
        self.assertLess(post(f"{dapr}/v1.0-alpha1/publish/bulk/pubsub/nobody-listens", events).status, 300)
        self.assertEqual(get(f"{dapr}/v1.0/state/nostore/a").status, 400)
        self.assertEqual(get(f"{dapr}/v1.0/healthz").status, 204)
        self.assertEqual(request(f"{dapr}/v1.0/healthz", "BREW").status, 404)
        scrape = Scrape(self.shop)
        for method, path, status, count in (
                ("GET", "/v1.0/state/statestore", "200", 3), ("GET", "/v1.0/state/statestore", "204", 1),
                ("POST", "/v1.0/state/statestore", "204", 1), ("POST", "/v1.0/publish/pubsub/nobody-listens", "204", 1),
                ("GET", "/v1.0/state/nostore", "400", 1), ("GET", "/v1.0/healthz", "204", 1),
                ("UNKNOWN", "/v1.0/healthz", "404", 1)):
            labels = {"app_id": "checkout", "method": method, "path": path, "status": status}
            for name in ("request_count", "response_count", "latency_count"):
                self.assertEqual(scrape.value(f"dapr_http_server_{name}", **labels), count, labels)
        self.assertNotIn(order, scrape.text)
        topic = {"app_id": "checkout", "component": "pubsub", "namespace": "default", "success": "true",
                 "topic": "nobody-listens"}
        self.assertEqual(scrape.value("dapr_component_pubsub_egress_count", **topic), 1)
        self.assertEqual(scrape.value("dapr_component_pubsub_egress_bulk_count", **topic), 1)
        self.assertEqual(scrape.value("dapr_component_pubsub_egress_bulk_latencies_count", **topic), 1)

    def test_invocations(self):
        self.place_orders(1)
        for _ in range(4):
            self.assertEqual(get(self.checkout.dapr_url + "/v1.0/invoke/orders/method/totals").status, 200)
        self.assertEqual(get(self.receipts.dapr_url + "/totals", headers={"dapr-app-id": "orders"}).status, 200)
        self.assertEqual(get(self.checkout.dapr_url + "/v1.0/invoke/orders/method/nowhere").status, 404)
        # Neither of these goes from one app to another.
        self.assertEqual(get(self.orders.dapr_url + "/v1.0/invoke/orders/method/totals").status, 200)
        self.assertEqual(get(self.orders.dapr_url + "/v1.0/invoke/nobody/method/x").status, 500)
        scrape = Scrape(self.shop)

        def counted(name, app, **labels):
            return scrape.value(f"dapr_runtime_service_invocation_{name}", app_id=app, **labels)

        self.assertEqual(counted("req_sent_total", "checkout", dst_app_id="orders", type="unary"), 5)
        self.assertEqual(counted("req_recv_total", "orders", src_app_id="checkout"), 5)
        self.assertEqual(counted("res_sent_total", "orders", dst_app_id="checkout", status="200"), 4)
        self.assertEqual(counted("res_sent_total", "orders", dst_app_id="checkout", status="404"), 1)
        self.assertEqual(counted("res_recv_total", "checkout", src_app_id="orders", status="200", type="unary"), 4)
        self.assertEqual(counted("res_recv_latency_ms_count", "checkout", src_app_id="orders", status="200"), 4)
        self.assertEqual(counted("req_sent_total", "receipts", dst_app_id="orders", type="unary"), 1)
        self.assertEqual(scrape.total("dapr_runtime_service_invocation_req_sent_total"), 6)
        self.assertEqual(scrape.total("dapr_runtime_service_invocation_res_recv_total"), 6)
        # The app is asked for all of them, its own too.
        self.assertEqual(scrape.value("dapr_http_client_completed_count", app_id="orders", method="GET", path="/totals",
                                      status="200"), 6)
        self.assertEqual(scrape.value("dapr_http_server_request_count", app_id="checkout", method="GET", status="200",
                                      path="/v1.0/invoke/orders/method/totals"), 4)


class MetricsConfigurationTest(TandemTest):
    def serve(self, metrics):
        path = self.write("config.yaml", "apiVersion: dapr.io/v1alpha1\nkind: Configuration\nmetadata: {name: c}\n"
                                         f"spec: {{metrics: {metrics}}}\n")
        one = self.run_guest("hello", "--config", path)
        self.assertEqual(get(one.app.dapr_url + "/v1.0/state/statestore/a").status, 204)
        return one

    def test_without_paths_and_methods(self):
        one = self.serve("{http: {increasedCardinality: false, excludeVerbs: true}}")
        scrape = Scrape(one)
        self.assertEqual(scrape.value("dapr_http_server_request_count", app_id="hello", method="", path="",
                                      status="204"), 1)
        self.assertEqual(scrape.labels("dapr_http_server_response_count"), [])

    def test_buckets(self):
        one = self.serve("{latencyDistributionBuckets: [5, 50]}")
        buckets = [dict(labels)["le"] for (name, labels) in Scrape(one).series
                   if name == "dapr_http_server_latency_bucket"]
        self.assertEqual(sorted(buckets, key=float), ["5", "50", "+Inf"])

    def test_off(self):
        one = self.serve("{enabled: false}")
        one.stop()
        self.assertIsNone(one.metrics_url)


class HostilePathsTest(TandemTest):
    def test_paths_do_not_fill_the_memory(self):
        one = self.run_guest("hello")
        for n in range(1200):
            get(f"{one.app.dapr_url}/v1.0/invoke/hello/method/{n}")
        scrape = Scrape(one)
        self.assertLessEqual(len(scrape.labels("dapr_http_server_request_count")), 1001)
        self.assertEqual(scrape.total("dapr_http_server_request_count"), 1200)


if __name__ == "__main__":
    unittest.main()
