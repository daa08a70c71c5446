"""The command line: help, versions, what is said about wrong input, inspect, start and stop."""

import json
import re
import signal
import unittest

from harness import RawConnection, TandemTest, cache_folder, get, guest, post, source, tandem


class HelpTest(unittest.TestCase):
    def test_help_lists_the_commands(self):
        for arguments in (["--help"], ["-h"], ["help"]):
            done = tandem(*arguments)
            self.assertEqual(done.returncode, 0, done.stderr)
            self.assertEqual(done.stderr, "")
            for word in ("run", "inspect", "version", "Examples:"):
                self.assertIn(word, done.stdout)

    def test_each_command_has_help_with_examples(self):
        for command in ("run", "inspect", "version"):
            for arguments in ([command, "--help"], [command, "-h"], ["help", command]):
                done = tandem(*arguments)
                self.assertEqual(done.returncode, 0, done.stderr)
                self.assertIn(f"Usage: tandem {command}", done.stdout)
                self.assertIn("Examples:", done.stdout)

    def test_version_is_that_of_the_project(self):
        project = re.search(r"project\(tandem VERSION (\S+)", (source() / "CMakeLists.txt").read_text()).group(1)
        for arguments in (["version"], ["--version"], ["-v"]):
            done = tandem(*arguments)
            self.assertEqual(done.returncode, 0, done.stderr)
            self.assertIn(f"tandem {project}\n", done.stdout)
            self.assertRegex(done.stdout, r"wasmtime \d+\.\d+\.\d+\n")
        said = json.loads(tandem("version", "--json").stdout)
        self.assertEqual(said["tandem"], project)
        self.assertRegex(said["wasmtime"], r"^\d+\.\d+\.\d+")
        self.assertIn(said["build"], ("debug", "release", "address sanitizer", "thread sanitizer"))


class WrongInputTest(TandemTest):
    def refused(self, *arguments, env=None, cwd=None):
        """Standard error of a command that must fail with 1 and print nothing else."""
        done = tandem(*arguments, env=env, cwd=cwd or self.folder)
        self.assertEqual(done.returncode, 1, done.stdout + done.stderr)
        self.assertTrue(done.stderr and all(line.startswith("tandem: ") for line in done.stderr.splitlines()),
                        done.stderr)
        return done.stderr

    def refused_in_one_line(self, *arguments, **options):
        said = self.refused(*arguments, **options)
        self.assertEqual(said.count("\n"), 1, said)
        return said

    def test_commands(self):
        self.assertIn("a command is missing", self.refused_in_one_line())
        self.assertIn('did you mean "inspect"', self.refused_in_one_line("inspct"))
        self.assertIn("tandem run app.wasm", self.refused_in_one_line("app.wasm"))
        self.assertIn("no flag", self.refused_in_one_line("--frobnicate"))

    def test_unknown_flag(self):
        said = self.refused_in_one_line("run", guest("hello"), "--app-prt", "80")
        self.assertIn('no flag "--app-prt"; did you mean "--app-port"?', said)
        self.assertIn("tandem run --help", said)
        self.assertIn('"--jsn"', self.refused_in_one_line("inspect", "--jsn", guest("hello")))

    def test_flags_of_dapr_that_are_not_there(self):
        self.assertIn("--placement-host-address is not supported",
                      self.refused_in_one_line("run", guest("hello"), "--placement-host-address", "here:50005"))
        self.assertIn("--app-protocol", self.refused_in_one_line("run", guest("hello"), "--app-protocol", "grpc"))

    def test_wrong_values_come_all_at_once(self):
        said = self.refused("run", guest("hello"), "--app-port", "http", "--memory-limit", "much")
        self.assertIn('--app-port: "http" is not a port', said)
        self.assertIn('--memory-limit: "much"', said)

    def test_nothing_to_run(self):
        self.assertIn("nothing to run", self.refused_in_one_line("run"))

    def test_missing_file(self):
        for command in ("run", "inspect"):
            said = self.refused_in_one_line(command, self.folder / "none.wasm")
            self.assertIn("none.wasm: No such file or directory", said)
        self.assertIn("none.yaml", self.refused_in_one_line("run", "-f", self.folder / "none.yaml"))

    def test_not_wasm(self):
        path = self.write("text.wasm", "this is no module")
        for command in ("run", "inspect"):
            self.assertIn("text.wasm is not WebAssembly", self.refused_in_one_line(command, path))

    def test_a_file_of_apps_with_what_is_no_wasm(self):
        self.write("shop.wasm", "#!/usr/bin/env python3\nprint('hello')\n")
        self.write("empty.wasm", "")
        path = self.write("tandem.yaml", "version: 1\n"
                                         "apps:\n"
                                         f"  - {{appID: good, module: {guest('hello')}}}\n"
                                         "  - appID: shop\n"
                                         "    module: shop.wasm\n")
        for arguments in (["-f", path], ["-f", self.folder], []):
            said = self.refused_in_one_line("run", *arguments)
            self.assertRegex(said, r'tandem\.yaml:4: module of "shop": \S*shop\.wasm is not WebAssembly')
            self.assertIn("give the .wasm that the build of the guest makes", said)
        path.write_text(path.read_text() + "  - {appID: empty, module: empty.wasm}\n"
                                           "  - {appID: none, module: none.wasm}\n")
        said = self.refused("run", "-f", path)
        self.assertRegex(said, r'yaml:4: module of "shop"')
        self.assertRegex(said, r'yaml:6: module of "empty": \S*empty\.wasm is not WebAssembly')
        self.assertRegex(said, r'yaml:7: module of "none": cannot read \S*none\.wasm: No such file')

    def test_truncated_wasm(self):
        path = self.folder / "half.wasm"
        path.write_bytes(guest("hello").read_bytes()[:5000])
        self.assertIn("half.wasm", self.refused("inspect", "--no-cache", path))

    def test_bad_tandem_yaml_says_every_mistake_with_its_line(self):
        path = self.write("tandem.yaml", "version: 1\n"
                                         "apps:\n"
                                         "  - appID: a.b\n"
                                         "    module: a.wasm\n"
                                         "  - appID: c\n"
                                         "    modul: c.wasm\n"
                                         "  - appID: d\n"
                                         "    module: d.wasm\n"
                                         "    appPort: many\n")
        for arguments in (["run", "-f", path], ["run", "-f", self.folder], ["run"]):
            said = self.refused(*arguments)
            self.assertIn("tandem.yaml:3: ", said)
            self.assertIn("tandem.yaml:6: ", said)
            self.assertIn("tandem.yaml:9: ", said)

    def test_bad_resources_say_every_mistake_with_its_line(self):
        self.write("resources/a.yaml", "apiVersion: dapr.io/v1alpha1\n"
                                       "kind: Component\n"
                                       "metadata:\n"
                                       "  name: store\n"
                                       "spec:\n"
                                       "  type: state.in-memory\n"
                                       "  version: v1\n"
                                       "  metadata: 7\n")
        self.write("resources/b.yaml", "apiVersion: dapr.io/v1alpha1\n"
                                       "kind: Component\n"
                                       "metadata: {}\n"
                                       "spec: {type: state.in-memory, version: v1}\n")
        said = self.refused("run", guest("hello"), "--resources-path", self.folder / "resources", "--app-port", "0",
                            "--dapr-http-port", "0", "--no-metrics", "--cache-folder", cache_folder())
        self.assertIn("a.yaml:8: ", said)
        self.assertRegex(said, r"b\.yaml:\d+: ")

    def test_flags_that_do_not_go_with_a_file(self):
        path = self.write("tandem.yaml", "version: 1\napps:\n  - {appID: a, module: a.wasm}\n")
        said = self.refused_in_one_line("run", "-f", path, "--app-port", "8080")
        self.assertIn("--app-port describes one app and does not go with -f: set appPort", said)


class InspectTest(TandemTest):
    def inspect(self, name):
        done = tandem("inspect", "--json", "--cache-folder", cache_folder(), guest(name))
        self.assertEqual(done.stderr, "")
        return done.returncode, json.loads(done.stdout)

    def test_http_guests_of_three_languages_are_blueprint_two(self):
        for name in ("hello", "echo", "hello_go", "hello_js"):
            with self.subTest(name):
                status, said = self.inspect(name)
                self.assertEqual(status, 0, said)
                self.assertEqual(said["blueprint"], 2)
                self.assertTrue(said["runs"])
                self.assertEqual(said["lacking"], [])
                self.assertEqual(said["bytes"], guest(name).stat().st_size)
                exported = [one["package"] for one in said["exports"]]
                self.assertIn("wasi:http", exported)

    def test_building_blocks_are_blueprint_three(self):
        for name in ("state_calls", "checkout"):
            with self.subTest(name):
                status, said = self.inspect(name)
                self.assertEqual(status, 0, said)
                self.assertEqual(said["blueprint"], 3)
                given = {one["package"]: one["names"] for one in said["given"]}
                self.assertIn("state@0.1.0", given["tandem:dapr"])

    def test_commands_are_blueprint_one(self):
        for name, kind in (("counter_cmd", "preview 1 command"), ("counter_cmd_p2", "command component")):
            with self.subTest(name):
                status, said = self.inspect(name)
                self.assertEqual(said["blueprint"], 1)
                self.assertEqual(said["kind"], kind)
                self.assertEqual((status, said["runs"]), (0, True))
                self.assertIn("once for each request", said["verdict"])

    def test_what_is_missing_is_named(self):
        path = self.write("needs.wat", '(component (import "acme:mail/send@1.0.0" (instance)))')
        done = tandem("inspect", "--no-cache", path)
        self.assertEqual(done.returncode, 1)
        self.assertIn("Tandem lacks\n  acme:mail", done.stdout)
        self.assertIn("send@1.0.0", done.stdout)

    def test_text_is_for_people(self):
        done = tandem("inspect", "--cache-folder", cache_folder(), guest("hello"))
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn("blueprint 2, HTTP microservice", done.stdout)
        self.assertIn("it can run here: tandem run", done.stdout)


class RunTest(TandemTest):
    def test_serves_and_stops_in_order(self):
        for number in (signal.SIGTERM, signal.SIGINT):
            one = self.run_guest("hello")
            self.assertEqual(one.get("/").status, 200)
            self.assertEqual(get(one.app.dapr_url + "/v1.0/healthz").status, 204)
            one.wait_for(lambda: one.metrics_url, "the metrics' address")
            self.assertEqual(get(one.metrics_url).status, 200)
            one.signal(number)
            self.assertEqual(one.wait(), 0, one.output())
            self.assertEqual(one.errors, "")

    def test_the_shutdown_api_stops_it(self):
        one = self.run_guest("hello")
        self.assertLess(post(one.app.dapr_url + "/v1.0/shutdown").status, 300)
        self.assertEqual(one.wait(), 0, one.output())

    def test_a_second_signal_stops_it_at_once(self):
        one = self.run_guest("hostile", "--shutdown-limit", "10m")
        with RawConnection(one.app.url) as connection:
            connection.send("GET /drip?chunks=1000000&ms=50&size=1 HTTP/1.1\r\nHost: a\r\n\r\n")
            connection.read_until(b"\r\n\r\n")  # in flight from here on
            one.signal()
            one.wait_for_log(scope="tandem.cli", msg=re.compile("^still stopping"))
            one.signal()
            self.assertEqual(one.wait(), 1, one.output())
        self.assertIn("second signal", one.errors)

    def test_port_in_use(self):
        first = self.run_guest("hello")
        port = first.app.url.rpartition(":")[2]
        second = self.start(guest("hello"), "--app-port", port, "--dapr-http-port", "0", "--no-metrics")
        self.assertEqual(second.wait(), 1, second.output())
        self.assertEqual(len(second.error_lines), 1, second.errors)
        self.assertIn(port, second.errors)
        self.assertRegex(second.errors, "in use")
        self.assertEqual(second.lines, [])
        self.assertEqual(first.get("/").status, 200)

    def test_log_as_json_prints_nothing_else(self):
        one = self.run_guest("hello", "--log-as-json")
        self.assertEqual(one.get("/").status, 200)
        one.stop()
        self.assertTrue(one.lines)
        for line in one.lines:
            self.assertIsInstance(json.loads(line), dict)

    def test_the_file_of_the_current_folder_is_the_default(self):
        self.write("tandem.yaml", "version: 1\napps:\n"
                                  f"  - {{appID: one, module: {guest('hello')}, appPort: 0, daprHTTPPort: 0}}\n"
                                  f"  - {{appID: two, module: {guest('echo')}, appPort: 0, daprHTTPPort: 0}}\n")
        both = self.start("--no-metrics", "--cache-folder", cache_folder()).wait_until_serving(2)
        self.assertEqual(get(both.apps["one"].url).status, 200)
        self.assertEqual(set(both.apps), {"one", "two"})
        self.assertIsNone(both.metrics_url)

    def test_without_a_home_it_runs_and_says_that_nothing_is_kept(self):
        one = self.start(guest("hello"), "--app-port", "0", "--dapr-http-port", "0", "--no-metrics", env={"HOME": None})
        one.wait_until_serving()
        self.assertEqual(len(one.log(scope="tandem.cli", msg=re.compile("HOME is not set"))), 1)
        self.assertEqual(one.get("/").status, 200)


if __name__ == "__main__":
    unittest.main()
