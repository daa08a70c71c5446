"""Secret stores: through both doors, by the secretKeyRef of other components, and what is refused."""

import json
import re
import unittest

from harness import TandemTest, cache_folder, get, guest, post
from program import Program, serve_beside, start_beside

ENV = """apiVersion: dapr.io/v1alpha1
kind: Component
metadata: {name: env}
spec:
  type: secretstores.local.env
  version: v1
  metadata: [{name: prefix, value: SHOP_}]
"""
FILE = """apiVersion: dapr.io/v1alpha1
kind: Component
metadata: {name: vault}
auth: {secretStore: env}
spec:
  type: secretstores.local.file
  version: v1
  metadata:
    - {name: multiValued, value: "true"}
    - name: secretsFile
      secretKeyRef: {name: SECRETS_FILE}
"""
# Its secret is in a store that is declared after it.
STATE = """apiVersion: dapr.io/v1alpha1
kind: Component
metadata: {name: statestore}
auth: {secretStore: vault}
spec:
  type: state.sqlite
  version: v1
  metadata:
    - name: connectionString
      secretKeyRef: {name: database, key: path}
"""


class SecretsTest(TandemTest):
    def resources(self, **files):
        for name, text in files.items():
            self.write(f"resources/{name}.yaml", text)
        return self.folder / "resources"

    def refused(self, **files):
        """What `tandem daprd` says of these resources."""
        one = start_beside(self, None, env={"SHOP_SECRETS_FILE": "none.json"}, resources_path=self.resources(**files))
        self.assertEqual(one.wait(), 1, one.output())
        return one.errors

    def test_stores_are_made_before_those_that_need_them(self):
        secrets = self.write("secrets.json", json.dumps({"database": {"path": str(self.folder / "shop.db")}}))
        program = Program()
        self.addCleanup(program.close)
        folder = self.resources(a_state=STATE, b_file=FILE, c_env=ENV)
        one = serve_beside(self, program.port, env={"SHOP_SECRETS_FILE": str(secrets)}, resources_path=folder)
        url = one.app.dapr_url
        self.assertEqual(post(f"{url}/v1.0/state/statestore", [{"key": "k", "value": 1}]).status, 204)
        self.assertTrue((self.folder / "shop.db").is_file())
        self.assertEqual(get(f"{url}/v1.0/secrets/vault/database").json(), {"path": str(self.folder / "shop.db")})
        self.assertEqual(get(f"{url}/v1.0/secrets/env/bulk").json(),
                         {"SECRETS_FILE": {"SECRETS_FILE": str(secrets)}})
        components = get(f"{url}/v1.0/metadata").json()["components"]
        self.assertEqual([(one["name"], one.get("capabilities")) for one in components],
                         [("env", None), ("vault", ["MULTIPLE_KEY_VALUES_PER_SECRET"]),
                          ("statestore", ["ETAG", "TRANSACTIONAL", "TTL", "KEYS_LIKE", "ACTOR"])])

    def test_scopes_of_the_configuration(self):
        resources = self.resources(env=ENV)
        config = self.write("config.yaml", """apiVersion: dapr.io/v1alpha1
kind: Configuration
metadata: {name: config}
spec:
  secrets:
    scopes:
      - {storeName: env, deniedSecrets: [HIDDEN]}
      - {storeName: gone}
""")
        one = self.start(guest("hello"), "--app-port", "0", "--dapr-http-port", "0", "--metrics-port", "0",
                         "--cache-folder", cache_folder(), "--resources-path", resources, "--config", config,
                         env={"SHOP_KEY": "value", "SHOP_HIDDEN": "x"}).wait_until_serving()
        url = f"{one.app.dapr_url}/v1.0/secrets/env"
        self.assertEqual(get(f"{url}/KEY").json(), {"KEY": "value"})
        denied = get(f"{url}/HIDDEN")
        self.assertEqual((denied.status, denied.json()["errorCode"]), (403, "ERR_PERMISSION_DENIED"))
        self.assertEqual(get(f"{url}/bulk").json(), {"KEY": {"KEY": "value"}})
        one.wait_for_log(msg=re.compile(r'spec\.secrets\.scopes names the secret store "gone"'))

    def test_what_is_not_there_is_named_with_its_line(self):
        self.assertRegex(self.refused(state=STATE), r'resources/state\.yaml:10: component "statestore", '
                                                    r'connectionString: there is no secret store "vault"')
        said = self.refused(state=STATE.replace("secretStore: vault", "secretStore: kubernetes"))
        self.assertRegex(said, r'state\.yaml:10: .*"kubernetes" is not supported')
        said = self.refused(state=STATE, file=FILE, env=ENV)
        self.assertRegex(said, r'file\.yaml:1: component "vault" .*none\.json: cannot open the file')
        self.assertRegex(said, r'state\.yaml:10: .*secret store "vault" could not be made')
        said = self.refused(state=STATE.replace("secretStore: vault", "secretStore: env"), env=ENV,
                            file=ENV.replace("name: env", "name: another"))
        self.assertRegex(said, r'state\.yaml:10: .*secret "database" of secret store "env" has no key "path"')

    def test_a_circle_of_stores_is_refused(self):
        env = ENV.replace("spec:", "auth: {secretStore: vault}\nspec:").replace(
            "value: SHOP_", "secretKeyRef: {name: prefix}")
        said = self.refused(env=env, vault=FILE)
        self.assertRegex(said, r'env\.yaml:1: component env: .*secret store "vault".* wait for each other in a circle')
        self.assertRegex(said, r'vault\.yaml:1: component vault: .*secret store "env".* wait for each other in a circle')

    def test_a_store_that_may_fail(self):
        lenient = FILE.replace("version: v1\n", "version: v1\n  ignoreErrors: true\n")
        program = Program()
        self.addCleanup(program.close)
        one = serve_beside(self, program.port, env={"SHOP_SECRETS_FILE": "none.json"},
                           resources_path=self.resources(file=lenient, env=ENV))
        self.assertEqual(get(f"{one.app.dapr_url}/v1.0/secrets/vault/k").status, 401)

    def test_a_store_out_of_scope(self):
        scoped = ENV + "scopes: [another]\n"
        said = self.refused(state=STATE.replace("secretStore: vault", "secretStore: env"), env=scoped)
        self.assertRegex(said, r'state\.yaml:10: .*secret store "env" is out of the scope of app prog')


if __name__ == "__main__":
    unittest.main()
