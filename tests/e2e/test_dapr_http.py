"""The Dapr HTTP API of a running process, as curl sees it: every call twice, in memory and in SQLite."""

import unittest
from urllib.parse import quote

from harness import RawConnection, TandemTest, get, guest, post, request
from observe import together, wait_until

SQLITE = """
apiVersion: dapr.io/v1alpha1
kind: Component
metadata:
  name: statestore
spec:
  type: state.sqlite
  version: v1
  metadata:
    - {{name: connectionString, value: "{folder}/state.db"}}
---
apiVersion: dapr.io/v1alpha1
kind: Component
metadata:
  name: pubsub
spec:
  type: pubsub.in-memory
  version: v1
"""


class DaprTest(TandemTest):
    def url(self, path):
        return self.tandem.app.dapr_url + path

    def assert_error(self, answer, status, code, said="."):
        self.assertEqual(answer.status, status, answer)
        self.assertTrue(answer.headers["content-type"].startswith("application/json"), answer.headers)
        self.assertEqual(answer.json()["errorCode"], code)
        self.assertRegex(answer.json()["message"], said)


class StateTest(DaprTest):
    """In memory; and, below, the same cases in SQLite."""

    store = "/v1.0/state/statestore"

    def setUp(self):
        super().setUp()
        self.tandem = self.run_app()

    def run_app(self):
        return self.run_guest("hello")

    def save(self, *items, status=204):
        answer = post(self.url(self.store), list(items))
        self.assertEqual(answer.status, status, answer)
        return answer

    def test_set_get_delete(self):
        for key, value in (("text", "hello"), ("number", 17), ("object", {"a": [1, 2, {"b": None}]}), ("true", True),
                           ("unicode ä/ö?#%", "ünïcode"), ("large", "x" * 500_000), ("empty", "")):
            with self.subTest(key):
                self.save({"key": key, "value": value})
                answer = get(self.url(f"{self.store}/{quote(key, safe='')}"))
                self.assertEqual((answer.status, answer.json()), (200, value))
                self.assertTrue(answer.headers["etag"])
                self.assertEqual(request(self.url(f"{self.store}/{quote(key, safe='')}"), "DELETE").status, 204)
                answer = get(self.url(f"{self.store}/{quote(key, safe='')}"))
                self.assertEqual((answer.status, answer.body), (204, b""))

    def test_put_is_post(self):
        self.assertEqual(request(self.url(self.store), "PUT", [{"key": "k", "value": 1}]).status, 204)
        self.assertEqual(get(self.url(self.store + "/k")).text, "1")

    def test_etag(self):
        self.save({"key": "k", "value": 1})
        etag = get(self.url(self.store + "/k")).headers["etag"]
        first_write = {"concurrency": "first-write"}
        self.save({"key": "k", "value": 2, "etag": etag, "options": first_write})
        wrong = self.save({"key": "k", "value": 3, "etag": etag, "options": first_write}, status=409)
        self.assert_error(wrong, 409, "ERR_STATE_SAVE", "etag")
        self.assertEqual(get(self.url(self.store + "/k")).text, "2")
        refused = request(self.url(self.store + "/k"), "DELETE", headers={"if-match": etag})
        self.assert_error(refused, 409, "ERR_STATE_DELETE", "etag")
        now = get(self.url(self.store + "/k")).headers["etag"]
        self.assertNotEqual(now, etag)
        self.assertEqual(request(self.url(self.store + "/k"), "DELETE", headers={"if-match": now}).status, 204)
        self.assertEqual(get(self.url(self.store + "/k")).status, 204)

    def test_first_write_without_an_etag_makes_a_key_once(self):
        item = {"key": "once", "value": 0, "options": {"concurrency": "first-write"}}
        answers = together(16, lambda n: post(self.url(self.store), [{**item, "value": n}]).status)
        self.assertEqual(answers.count(204), 1, answers)
        self.assertEqual(get(self.url(self.store + "/once")).json(), answers.index(204))

    def test_of_many_writers_with_one_etag_one_wins(self):
        self.save({"key": "race", "value": "start"})
        for _ in range(5):
            etag = get(self.url(self.store + "/race")).headers["etag"]
            item = {"key": "race", "etag": etag, "options": {"concurrency": "first-write"}}
            statuses = together(12, lambda n: post(self.url(self.store), [{**item, "value": n}]).status)
            self.assertEqual(statuses.count(204), 1, statuses)
            self.assertEqual(set(statuses), {204, 409})
            self.assertEqual(get(self.url(self.store + "/race")).json(), statuses.index(204))

    def test_ttl(self):
        self.save({"key": "short", "value": 1, "metadata": {"ttlInSeconds": "1"}},
                  {"key": "long", "value": 2, "metadata": {"ttlInSeconds": "1000"}}, {"key": "ever", "value": 3})
        long = get(self.url(self.store + "/long"))
        self.assertRegex(long.headers["metadata.ttlExpireTime"], r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$")
        self.assertIsNone(get(self.url(self.store + "/ever")).headers["metadata.ttlExpireTime"])
        wait_until(lambda: get(self.url(self.store + "/short")).status == 204, "the key to expire", timeout=30)
        self.assertEqual(get(self.url(self.store + "/long")).text, "2")
        self.save({"key": "long", "value": 4, "metadata": {"ttlInSeconds": "-1"}})
        self.assertIsNone(get(self.url(self.store + "/long")).headers["metadata.ttlExpireTime"])
        wrong = self.save({"key": "k", "value": 1, "metadata": {"ttlInSeconds": "soon"}}, status=500)
        self.assert_error(wrong, 500, "ERR_STATE_SAVE", 'parsing "soon": invalid syntax')

    def test_bulk(self):
        self.save(*({"key": f"b{n}", "value": n} for n in range(50)))
        answer = post(self.url(self.store + "/bulk"), {"keys": [f"b{n}" for n in range(0, 100, 7)], "parallelism": 3})
        self.assertEqual(answer.status, 200)
        found = {one["key"]: one.get("data") for one in answer.json()}
        self.assertEqual(found, {f"b{n}": n if n < 50 else None for n in range(0, 100, 7)})
        self.assertTrue(all(one["etag"] for one in answer.json() if "data" in one))
        # One that fails keeps the others from being told as written.
        etag = get(self.url(self.store + "/b0")).headers["etag"]
        self.save({"key": "b0", "value": "new"})
        self.save({"key": "b1", "value": "x"},
                  {"key": "b0", "value": "y", "etag": etag, "options": {"concurrency": "first-write"}}, status=409)
        self.assertEqual(get(self.url(self.store + "/b0")).json(), "new")

    def test_transaction(self):
        self.save({"key": "t1", "value": 1}, {"key": "t2", "value": 2})
        etag = get(self.url(self.store + "/t1")).headers["etag"]

        def transact(*operations):
            return post(self.url(self.store + "/transaction"),
                        {"operations": [{"operation": what, "request": item} for what, item in operations]})

        self.assertEqual(transact(("upsert", {"key": "t1", "value": 10, "etag": etag}), ("delete", {"key": "t2"}),
                                  ("upsert", {"key": "t3", "value": 3})).status, 204)
        self.assertEqual([get(self.url(f"{self.store}/t{n}")).body for n in (1, 2, 3)], [b"10", b"", b"3"])
        failed = transact(("upsert", {"key": "t3", "value": 30}),
                          ("upsert", {"key": "t1", "value": 100, "etag": etag}), ("upsert", {"key": "t4", "value": 4}))
        self.assert_error(failed, 500, "ERR_STATE_TRANSACTION")
        self.assertEqual([get(self.url(f"{self.store}/t{n}")).body for n in (1, 2, 3, 4)], [b"10", b"", b"3", b""])
        self.assert_error(transact(("increment", {"key": "t1"})), 400, "ERR_NOT_SUPPORTED_STATE_OPERATION")

    def test_wrong_requests(self):
        for body in ("{", "[{]", "17", '"x"', "[17]", '[{"key":17}]', '[{"value":1}]', "\0\1", '[{"key":"a"}',
                     "[" * 100_000):
            self.assert_error(post(self.url(self.store), body), 400, "ERR_MALFORMED_REQUEST")
        answer = post(self.url(self.store), [{"key": "a||b", "value": 1}])
        self.assert_error(answer, 400, "ERR_MALFORMED_REQUEST", r"\|\|")
        self.assert_error(get(self.url("/v1.0/state/none/k")), 400, "ERR_STATE_STORE_NOT_FOUND", "none")
        with RawConnection(self.tandem.app.dapr_url) as raw:
            raw.send(f"POST {self.store} HTTP/1.1\r\nhost: x\r\ncontent-length: {5 << 20}\r\n\r\n[")
            # As daprd: what it reads of such a body is no JSON.
            answer = raw.read_until(b"too large")
            self.assertRegex(answer, rb"^HTTP/1.1 400 [^{]*.\"errorCode\":\"ERR_MALFORMED_REQUEST\"")
        self.assertEqual(get(self.url(self.store + "/k")).status, 204)

    def test_a_key_of_another_app_is_out_of_reach(self):
        for key in ("other%7C%7Ck", "%7C%7Ck", "hello%7C%7Ck"):
            self.assertEqual(get(self.url(f"{self.store}/{key}")).status, 400, key)


class SqliteStateTest(StateTest):
    def run_app(self):
        self.write("resources/all.yaml", SQLITE.format(folder=self.folder))
        return self.run_guest("hello", "--resources-path", self.folder / "resources")

    def test_it_is_kept(self):
        self.save({"key": "kept", "value": {"a": 1}})
        etag = get(self.url(self.store + "/kept")).headers["etag"]
        self.tandem.stop()
        self.tandem = self.run_app()
        answer = get(self.url(self.store + "/kept"))
        self.assertEqual((answer.json(), answer.headers["etag"]), ({"a": 1}, etag))


class SystemTest(DaprTest):
    def setUp(self):
        super().setUp()
        self.tandem = self.run_guest("echo", "--app-id", "mine")

    def test_health(self):
        for path in ("/v1.0/healthz", "/v1.0/healthz/outbound", "/v1.0/healthz?appid=mine"):
            answer = get(self.url(path))
            self.assertEqual((answer.status, answer.body), (204, b""), path)
        self.assert_error(get(self.url("/v1.0/healthz?appid=other")), 500, "ERR_HEALTH_APPID_NOT_MATCH")

    def test_metadata(self):
        metadata = get(self.url("/v1.0/metadata")).json()
        self.assertEqual(metadata["id"], "mine")
        self.assertEqual({one["name"] for one in metadata["components"]}, {"statestore", "pubsub"})
        self.assertEqual(str(metadata["appConnectionProperties"]["port"]), self.tandem.app.url.rsplit(":", 1)[1])
        self.assertEqual(request(self.url("/v1.0/metadata/colour"), "PUT", "green").status, 204)
        self.assertEqual(get(self.url("/v1.0/metadata")).json()["extended"]["colour"], "green")

    def test_invoke(self):
        for method in ("GET", "POST", "PUT", "DELETE", "PATCH"):
            answer = request(self.url("/v1.0/invoke/mine/method/method"), method)
            self.assertEqual((answer.status, answer.text), (200, method))
        answer = post(self.url("/v1.0/invoke/mine/method/any/thing?x=%20&y"), b"\0\1body",
                      headers={"content-type": "application/x-mine"})
        self.assertEqual((answer.body, answer.headers["content-type"]), (b"\0\1body", "application/x-mine"))
        self.assertEqual(get(self.url("/v1.0/invoke/mine/method/path/a%20b?q=1")).text, "/path/a%20b?q=1")
        self.assertEqual(get(self.url("/v1.0/invoke/mine/method/status/418")).status, 418)
        headers = get(self.url("/v1.0/invoke/mine/method/headers"),
                      headers={"dapr-caller-app-id": "somebody", "x-mine": "1"}).text.lower().splitlines()
        self.assertIn("dapr-caller-app-id: mine", headers)
        self.assertNotIn("dapr-caller-app-id: somebody", headers)
        self.assertIn("x-mine: 1", headers)
        self.assertEqual(get(self.url("/path"), headers={"dapr-app-id": "mine"}).text, "/path")
        self.assert_error(get(self.url("/v1.0/invoke/none/method/x")), 500, "ERR_DIRECT_INVOKE", "none")
        self.assert_error(get(self.url("/nothing")), 404, "ERR_DIRECT_INVOKE")

    def test_the_trace_goes_through_an_invocation(self):
        trace = "0af7651916cd43dd8448eb211c80319c"
        text = get(self.url("/v1.0/invoke/mine/method/headers"),
                   headers={"traceparent": f"00-{trace}-b7ad6b7169203331-01"}).text.lower()
        self.assertRegex(text, f"(?m)^traceparent: 00-{trace}-")

    def test_an_invocation_without_a_trace_starts_one(self):
        text = get(self.url("/v1.0/invoke/mine/method/headers")).text.lower()
        self.assertRegex(text, r"(?m)^traceparent: 00-[0-9a-f]{32}-[0-9a-f]{16}-0[01]$")

    def test_the_callee_is_told_its_own_host_and_namespace(self):
        own = self.tandem.app.url.removeprefix("http://")
        self.assertEqual(get(self.url("/v1.0/invoke/mine/method/authority")).text, own)
        self.assertEqual(get(self.url("/v1.0/invoke/mine.default/method/authority")).text, own)
        headers = get(self.url("/v1.0/invoke/mine/method/headers")).text.lower().splitlines()
        self.assertIn("dapr-caller-namespace: default", headers)
        self.assert_error(get(self.url("/v1.0/invoke/none.other/method/x")), 500, "ERR_DIRECT_INVOKE", "couldn't find")
        self.assert_error(get(self.url("/v1.0/invoke/mine.a.b/method/x")), 500, "ERR_DIRECT_INVOKE", "invalid app id")

    def test_a_path_that_does_not_decode(self):
        answer = get(self.url("/v1.0/state/statestore/%zz"))
        self.assertEqual((answer.status, answer.text), (400, "400 Bad Request"))

    def test_an_invocation_is_streamed(self):
        with RawConnection(self.tandem.app.dapr_url) as raw:
            raw.send("POST /v1.0/invoke/mine/method/echo HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n"
                     "5\r\nfirst\r\n")
            raw.read_until(b"first")
            raw.send("6\r\nsecond\r\n0\r\n\r\n")
            raw.read_until(b"second")

    def test_what_is_not_configured(self):
        self.assert_error(post(self.url("/v1.0/bindings/none"), {"operation": "create"}), 500,
                          "ERR_INVOKE_OUTPUT_BINDING")
        self.assert_error(get(self.url("/v1.0/secrets/none/key")), 500, "ERR_SECRET_STORES_NOT_CONFIGURED")

    def test_publish(self):
        for path, body in (("/v1.0/publish/pubsub/topic", {"a": 1}), ("/v1.0/publish/pubsub/a/b/c", b""),
                           ("/v1.0/publish/pubsub/topic?metadata.rawPayload=true", "text")):
            self.assertEqual(post(self.url(path), body).status, 204, path)
        self.assert_error(post(self.url("/v1.0/publish/none/topic"), {}), 404, "ERR_PUBSUB_NOT_FOUND")
        self.assert_error(post(self.url("/v1.0/publish/pubsub/topic"), "{", headers={
            "content-type": "application/cloudevents+json"}), 500, "ERR_PUBSUB_CLOUD_EVENTS_SER")

    def test_shutdown(self):
        self.assertEqual(post(self.url("/v1.0/shutdown")).status, 204)
        self.assertEqual(self.tandem.wait(), 0)


class ConfigurationTest(DaprTest):
    """What the Configuration restricts is kept, or the process does not start."""

    def configuration(self, spec):
        return self.write("config.yaml", "apiVersion: dapr.io/v1alpha1\nkind: Configuration\n"
                                         f"metadata: {{name: config}}\nspec:\n  {spec}\n")

    def test_an_api_that_is_denied_is_not_there(self):
        config = self.configuration("api: {denied: [{name: state, version: v1, protocol: http}]}")
        self.tandem = self.run_guest("hello", "--config", config)
        self.assert_error(get(self.url("/v1.0/state/statestore/k")), 404, "ERR_DIRECT_INVOKE")
        self.assertEqual(get(self.url("/v1.0/metadata")).status, 200)

    def test_what_is_not_enforced_stops_the_start(self):
        for spec, name in (("accessControl: {defaultAction: deny}", "spec.accessControl"),
                           ("httpPipeline: {handlers: [{name: a, type: middleware.http.bearer}]}", "spec.httpPipeline"),
                           ("appHttpPipeline: {handlers: [{name: a, type: x}]}", "spec.appHttpPipeline")):
            one = self.start(guest("hello"), "--app-port", "0", "--dapr-http-port", "0", "--config",
                             self.configuration(spec))
            self.assertEqual(one.wait(), 1, one.output())
            self.assertRegex(one.errors, rf"^tandem: \S*config.yaml:5: {name} is not enforced")


class TokenTest(DaprTest):
    def test_calls_need_the_token(self):
        self.tandem = self.run_guest("hello", env={"DAPR_API_TOKEN": "the token"})
        for headers in ({}, {"dapr-api-token": "wrong"}, {"dapr-api-token": ""}, {"dapr-api-token": "the token "[:-2]}):
            self.assertEqual(get(self.url("/v1.0/metadata"), headers=headers).status, 401)
            self.assertEqual(post(self.url("/v1.0/shutdown"), headers=headers).status, 401)
            self.assertEqual(get(self.url("/v1.0/invoke/hello/method/"), headers=headers).status, 401)
        self.assertEqual(get(self.url("/v1.0/metadata"), headers={"dapr-api-token": "the token"}).status, 200)
        self.assertEqual(get(self.url("/v1.0/healthz")).status, 204)
        self.assertEqual(self.tandem.get().text, "hello")

    def test_a_guests_own_calls(self):
        """The token is a secret between the host and those who call from outside."""
        self.tandem = self.run_guest("hostile", env={"DAPR_API_TOKEN": "the token"})
        self.assertNotIn("the token", self.tandem.get("/env").text)


class ScopeTest(DaprTest):
    """Two apps in one process: who asks is known by the port, and scopes are kept."""

    def setUp(self):
        super().setUp()
        self.write("resources/all.yaml", SQLITE.format(folder=self.folder) + """
scopes: [one]
---
apiVersion: dapr.io/v1alpha1
kind: Component
metadata:
  name: twos
spec:
  type: state.in-memory
  version: v1
scopes: [two]
""")
        self.tandem = self.run_file(f"""
version: 1
common:
  resourcesPath: "{self.folder}/resources"
apps:
  - {{appID: one, module: "{guest('hello')}", appPort: 0, daprHTTPPort: 0}}
  - {{appID: two, module: "{guest('hello')}", appPort: 0, daprHTTPPort: 0}}
""", apps=2)
        self.one, self.two = (self.tandem.apps[name].dapr_url for name in ("one", "two"))

    def test_the_port_says_who_asks(self):
        for url, name in ((self.one, "one"), (self.two, "two")):
            for headers in ({}, {"dapr-app-id": "one"}, {"dapr-caller-app-id": "two"}, {"host": "two"}):
                self.assertEqual(get(url + "/v1.0/metadata", headers=headers).json()["id"], name)

    def test_scopes(self):
        names = [{one["name"] for one in get(url + "/v1.0/metadata").json()["components"]}
                 for url in (self.one, self.two)]
        self.assertEqual(names, [{"statestore", "pubsub"}, {"statestore", "twos"}])
        self.assert_error(get(self.one + "/v1.0/state/twos/k"), 400, "ERR_STATE_STORE_NOT_FOUND")
        self.assertEqual(post(self.two + "/v1.0/state/twos", [{"key": "k", "value": 1}]).status, 204)
        self.assertEqual(post(self.one + "/v1.0/publish/pubsub/t", {}).status, 204)
        refused = post(self.two + "/v1.0/publish/pubsub/t", {})
        self.assertIn(refused.json()["errorCode"], ("ERR_PUBSUB_NOT_FOUND", "ERR_PUBSUB_NOT_CONFIGURED"))

    def test_each_app_has_its_own_keys(self):
        for url, value in ((self.one, "of one"), (self.two, "of two")):
            self.assertEqual(post(url + "/v1.0/state/statestore", [{"key": "same", "value": value}]).status, 204)
        self.assertEqual(get(self.one + "/v1.0/state/statestore/same").json(), "of one")
        self.assertEqual(get(self.two + "/v1.0/state/statestore/same").json(), "of two")


if __name__ == "__main__":
    unittest.main()
