"""Bindings, secrets and configuration as host functions of a guest (tandem:dapr/{bindings,secrets,configuration})."""

import json
import unittest

from harness import TandemTest, cache_folder, guest
from program import Program
from redis_server import RedisServer

COMPONENT = """apiVersion: dapr.io/v1alpha1
kind: Component
metadata: {{name: {name}}}
spec:
  type: {kind}
  version: v1
  metadata:
{metadata}
{scopes}---
"""

CONFIGURATION = """apiVersion: dapr.io/v1alpha1
kind: Configuration
metadata: {name: tandem}
spec:
  secrets:
    scopes:
      - {storeName: secrets, defaultAccess: allow, deniedSecrets: [hidden]}
"""


def component(name, kind, scopes="", **metadata):
    lines = "\n".join(f"  - {{name: {key}, value: {json.dumps(value)}}}" for key, value in metadata.items())
    return COMPONENT.format(name=name, kind=kind, metadata=lines, scopes=f"scopes: [{scopes}]\n" if scopes else "")


class GuestBlocksTest(TandemTest):
    def serve(self, *components, arguments=()):
        self.write("resources/all.yaml", "".join(components))
        self.tandem = self.run_guest("state_calls", "--resources-path", self.folder / "resources", *arguments)
        return self.tandem

    def error(self, path, body=b""):
        answer = self.tandem.post(path, body)
        self.assertEqual(answer.status, 500, answer)
        return answer.headers["x-code"], answer.headers["x-reason"], answer.text

    def test_output_bindings(self):
        program = Program({"/ok": lambda _: (200, {"x-there": "yes"}, b"\0bytes"),
                           "/missing": lambda _: (404, {}, b"nothing here")})
        self.addCleanup(program.close)
        files = self.folder / "files"
        self.serve(component("files", "bindings.localstorage", rootPath=str(files)),
                   component("web", "bindings.http", url=f"http://127.0.0.1:{program.port}"),
                   component("others", "bindings.http", scopes="another", url="http://127.0.0.1:1"))
        created = self.tandem.post("/binding/files?operation=create&m-fileName=a.bin", b"\0\1\2")
        self.assertEqual(created.status, 200, created)
        self.assertEqual((files / "a.bin").read_bytes(), b"\0\1\2")
        self.assertEqual(self.tandem.post("/binding/files?operation=get&m-fileName=a.bin").body, b"\0\1\2")

        answered = self.tandem.post("/binding/web?operation=get&m-path=/ok")
        self.assertEqual((answered.status, answered.body), (200, b"\0bytes"))
        self.assertEqual(answered.headers["m-statuscode"], "200")
        # A failure has the binding's metadata too.
        failed = self.tandem.post("/binding/web?operation=get&m-path=/missing")
        self.assertEqual(failed.status, 500, failed)
        self.assertEqual((failed.headers["x-code"], failed.headers["x-reason"], failed.headers["m-statuscode"]),
                         ("internal", "ERR_INVOKE_OUTPUT_BINDING", "404"))

        for name, operation, what in (("nowhere", "get", "couldn't find output binding nowhere"),
                                      ("others", "get", "couldn't find output binding others"),
                                      ("files", "paint", "does not support operation paint"),
                                      ("files", "", "operation field is missing from request")):
            code, reason, message = self.error(f"/binding/{name}?operation={operation}")
            self.assertEqual((code, reason), ("internal", "ERR_INVOKE_OUTPUT_BINDING"))
            self.assertIn(what, message)

    def test_secrets(self):
        path = self.write("secrets.json", json.dumps({"database": {"user": "u", "password": "p"}, "hidden": {"x": "y"}}))
        self.write("configuration.yaml", CONFIGURATION)
        self.serve(component("secrets", "secretstores.local.file", secretsFile=str(path), multiValued="true"),
                   component("vault", "secretstores.local.file", scopes="another", secretsFile=str(path)),
                   arguments=("--config", self.folder / "configuration.yaml"))
        self.assertEqual(self.tandem.get("/secret/database").text, "password=p\nuser=u\n")
        self.assertEqual(self.tandem.get("/secrets").text, "[database]\npassword=p\nuser=u\n")
        self.assertEqual(self.error("/secret/hidden")[:2], ("permission-denied", "ERR_PERMISSION_DENIED"))
        self.assertEqual(self.error("/secret/nothing")[:2], ("internal", "ERR_SECRET_GET"))
        for store in ("vault", "none"):
            self.assertEqual(self.error(f"/secret/database?store={store}")[:2],
                             ("invalid-argument", "ERR_SECRET_STORE_NOT_FOUND"))
            self.assertEqual(self.error(f"/secrets?store={store}")[:2],
                             ("invalid-argument", "ERR_SECRET_STORE_NOT_FOUND"))

    def test_configuration(self):
        redis = RedisServer(self.folder)
        self.addCleanup(redis.close)
        redis.ask("MSET", "a", "1||v1", "b", "2")
        self.serve(component("config", "configuration.redis", redisHost=f"127.0.0.1:{redis.port}"))
        self.assertEqual(self.tandem.get("/setting/a,b,c").text, "a=1 @v1\nb=2 @\n")
        self.assertEqual(self.tandem.get("/setting/").text, "a=1 @v1\nb=2 @\n")
        self.assertEqual(self.error("/setting/a?store=none")[:2],
                         ("invalid-argument", "ERR_CONFIGURATION_STORE_NOT_FOUND"))
        self.assertEqual(self.error("/unsubscribe-configuration/no-such-id")[0], "not-found")

    def settings(self, more):
        """keyvalue_calls, which asks wasi:config, with these keys of tandem.yaml; what it says when it cannot start."""
        return self.start("-f", self.write("tandem.yaml", f"""
version: 1
apps:
- appID: app
  module: "{guest('keyvalue_calls')}"
  resourcesPath: "{self.folder}/resources"
  appPort: 0
  daprHTTPPort: 0
  daprGRPCPort: 0
  env: {{GIVEN: here, both: env}}
{more}"""), "--metrics-port", "0", "--cache-folder", cache_folder())

    def test_settings_of_a_store_and_of_secrets(self):
        redis = RedisServer(self.folder)
        self.addCleanup(redis.close)
        redis.ask("MSET", "color", "red||v1", "both", "store")
        secrets = self.write("secrets.json", json.dumps({"database": {"password": "p"}, "hidden": {"x": "y"}}))
        self.write("resources/all.yaml",
                   component("items", "configuration.redis", redisHost=f"127.0.0.1:{redis.port}") +
                   component("vault", "secretstores.local.file", secretsFile=str(secrets), multiValued="true"))
        one = self.settings("""
  wasiConfig:
    configurationStore: items
    secrets:
    - {name: db-password, secretStore: vault, secretKeyRef: {name: database, key: password}}
""").wait_until_serving()
        for key, value in (("GIVEN", "here"), ("color", "red"), ("both", "env"), ("db-password", "p")):
            self.assertEqual(one.get(f"/config/{key}").text, value, key)
        # What is not named is not given, whatever the store has.
        for key in ("hidden", "database", "nothing"):
            self.assertEqual(one.get(f"/config/{key}").status, 404, key)
        self.assertEqual(sorted(one.get("/config").text.split()),
                         ["GIVEN=here", "both=env", "color=red", "db-password=p"])
        # A value that changes is the new one with the next question.
        redis.ask("SET", "color", "blue")
        self.assertEqual(one.get("/config/color").text, "blue")

    def test_a_setting_that_is_not_there_is_a_failure_and_a_store_that_is_not_there_stops_the_start(self):
        secrets = self.write("secrets.json", json.dumps({"database": {"password": "p"}}))
        self.write("resources/all.yaml", component("vault", "secretstores.local.file", secretsFile=str(secrets),
                                                   multiValued="true"))
        one = self.settings("""
  wasiConfig: {secrets: [{name: gone, secretStore: vault, secretKeyRef: {name: database, key: other}}]}
""").wait_until_serving()
        self.assertEqual(one.get("/config/gone").status, 500)
        self.assertIn("has no key other", one.get("/config/gone").text)
        refused = self.settings("  wasiConfig: {configurationStore: nobody}\n")
        self.assertEqual(refused.wait(), 1)
        self.assertIn('tandem.yaml:4: app app: wasiConfig.configurationStore names the configuration store "nobody"',
                      refused.output())
        refused = self.settings("  messagingPubsub: nobody\n")
        self.assertEqual(refused.wait(), 1)
        self.assertIn('messagingPubsub names the pubsub "nobody"', refused.output())

    def test_an_app_without_stores(self):
        self.serve()
        self.assertEqual(self.error("/secret/x")[:2], ("failed-precondition", "ERR_SECRET_STORES_NOT_CONFIGURED"))
        self.assertEqual(self.error("/setting/x")[:2],
                         ("failed-precondition", "ERR_CONFIGURATION_STORE_NOT_CONFIGURED"))


if __name__ == "__main__":
    unittest.main()
