"""Bindings, secrets and configuration as host functions of a guest (tandem:dapr/{bindings,secrets,configuration})."""

import json
import unittest

from harness import TandemTest
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
        self.assertEqual(self.tandem.get("/configuration/a,b,c").text, "a=1 @v1\nb=2 @\n")
        self.assertEqual(self.tandem.get("/configuration/").text, "a=1 @v1\nb=2 @\n")
        self.assertEqual(self.error("/configuration/a?store=none")[:2],
                         ("invalid-argument", "ERR_CONFIGURATION_STORE_NOT_FOUND"))
        self.assertEqual(self.error("/unsubscribe-configuration/no-such-id")[0], "not-found")

    def test_an_app_without_stores(self):
        self.serve()
        self.assertEqual(self.error("/secret/x")[:2], ("failed-precondition", "ERR_SECRET_STORES_NOT_CONFIGURED"))
        self.assertEqual(self.error("/configuration/x")[:2],
                         ("failed-precondition", "ERR_CONFIGURATION_STORE_NOT_CONFIGURED"))


if __name__ == "__main__":
    unittest.main()
