"""The folder of compiled modules: used, shared, damaged, full, foreign. Whatever it is, the app is served."""

import json
import os
import re
import shutil
import subprocess
import time
import unittest
from pathlib import Path

from harness import TandemTest, get, guest, tandem
from observe import MIB, Usage

CACHED = "module mapped from the cache"
COMPILED = "module compiled"


class CacheTest(TandemTest):
    def setUp(self):
        super().setUp()
        self.cache = self.folder / "cache"

    def serve(self, name="hello", wait=True, cache=None):
        one = self.start(guest(name), "--app-id", "cached", "--app-port", "0", "--dapr-http-port", "0",
                         "--metrics-port", "0", "--log-level", "debug", "--cache-folder", cache or self.cache)
        return one.wait_until_serving() if wait else one

    def check(self, tandem, said, text="hello"):
        self.assertEqual(tandem.get("/").text, text)
        line = tandem.wait_for_log(scope="tandem.engine", msg=re.compile("module (mapped|compiled)"))
        self.assertEqual(line["msg"], said)
        tandem.stop()
        return tandem

    def files(self):
        return sorted(path.name for path in self.cache.iterdir())

    def the_file(self, ending):
        (path,) = self.cache.glob(f"*{ending}")
        return path

    def warnings(self, tandem):
        return [line["msg"] for line in tandem.log(level="warning", scope="tandem.engine")]

    def test_the_second_start_does_not_compile(self):
        self.check(self.serve(), COMPILED)
        self.assertEqual(self.cache.stat().st_mode & 0o777, 0o700)
        for path in self.cache.iterdir():
            self.assertEqual(path.stat().st_mode & 0o077, 0)
        files = self.files()
        self.check(self.serve(), CACHED)
        self.assertEqual(self.files(), files)
        self.check(self.serve("echo"), COMPILED, "")
        self.assertEqual(len(self.files()), 4)
        self.check(self.serve(), CACHED)

    def test_compiling_leaves_no_memory_behind(self):
        """It takes hundreds of megabytes; then a first start holds not much more than one from the cache."""
        if "sanitizer" in json.loads(tandem("version", "--json").stdout)["build"]:
            self.skipTest("a sanitizer's allocator keeps what is freed")
        held = []
        for said in (COMPILED, CACHED):
            one = self.serve("hello_js")
            self.assertEqual(one.get("/").text, "hello")
            usage = Usage(one)
            held.append(usage.resident)
            if said == COMPILED:
                self.assertGreater(usage.peak, held[0] + 200 * MIB)
            self.check(one, said)
        self.assertLess(held[0], held[1] + 100 * MIB)

    def test_no_cache(self):
        one = self.start(guest("hello"), "--app-port", "0", "--dapr-http-port", "0", "--metrics-port", "0",
                         "--no-cache", "--log-level", "debug",
                         env={"HOME": str(self.folder), "XDG_CACHE_HOME": str(self.folder)})
        self.check(one.wait_until_serving(), COMPILED)
        self.assertEqual(list(self.folder.iterdir()), [])

    def test_the_default_folder(self):
        for env in ({"XDG_CACHE_HOME": str(self.folder / "xdg")}, {"HOME": str(self.folder / "home")}):
            (self.folder / "home").mkdir(exist_ok=True)
            for said in (COMPILED, CACHED):
                one = self.start(guest("hello"), "--app-port", "0", "--dapr-http-port", "0", "--metrics-port", "0",
                                 "--log-level", "debug", env=env)
                self.check(one.wait_until_serving(), said)
        self.assertTrue(list((self.folder / "xdg").rglob("*.cwasm")))
        self.assertTrue(list((self.folder / "home" / ".cache" / "tandem").rglob("*.cwasm")))

    def test_a_damaged_file_is_never_run(self):
        self.check(self.serve(), COMPILED)

        def flip(path):
            data = bytearray(path.read_bytes())
            for place in (0, len(data) // 3, len(data) // 2, len(data) - 1):
                data[place] ^= 0xFF
            path.write_bytes(data)

        damages = {
            "flipped": lambda: flip(self.the_file(".cwasm")),
            "cut": lambda: os.truncate(self.the_file(".cwasm"), self.the_file(".cwasm").stat().st_size // 2),
            "empty": lambda: os.truncate(self.the_file(".cwasm"), 0),
            "longer": lambda: self.the_file(".cwasm").write_bytes(self.the_file(".cwasm").read_bytes() + b"more"),
            "another": lambda: shutil.copy("/bin/true", self.the_file(".cwasm")),
            "sum flipped": lambda: flip(self.the_file(".sum")),
            "sum gone": lambda: self.the_file(".sum").unlink(),
            "code gone": lambda: self.the_file(".cwasm").unlink(),
            "sum empty": lambda: os.truncate(self.the_file(".sum"), 0),
            "a folder": lambda: (self.the_file(".cwasm").rename(self.folder / "away"),
                                 self.the_file(".sum").with_suffix(".cwasm").mkdir()),
        }
        for name, damage in damages.items():
            with self.subTest(name):
                damage()
                self.check(self.serve(), COMPILED)
                if name != "a folder":
                    self.check(self.serve(), CACHED)

    def test_a_sum_that_matches_damaged_code(self):
        """Somebody with this user's rights wrote both: what is no compiled module is compiled anew."""
        self.check(self.serve(), COMPILED)
        self.check(self.serve("echo"), COMPILED, "")
        one, two = sorted(self.cache.glob("*.cwasm"), key=lambda path: path.stat().st_size)
        two.with_suffix(".sum").write_bytes(one.with_suffix(".sum").read_bytes())
        two.write_bytes(one.read_bytes())
        # The code of another guest under this one's name is whole, and is what the file says; it may not crash.
        tandem = self.serve("echo")
        self.assertIn(tandem.get("/path").text, ("hello", "/path"))

    def test_two_processes_fill_it_at_once(self):
        for _ in range(4):
            processes = [self.serve(wait=False) for _ in range(4)]
            for one in processes:
                one.wait_until_serving()
                self.assertEqual(one.get("/").text, "hello")
                self.assertEqual(self.warnings(one), [])
            for one in processes:
                one.stop()
            self.check(self.serve(), CACHED)
            self.assertEqual(len(self.files()), 2)
            shutil.rmtree(self.cache)
            self.cache.mkdir(mode=0o700)
        self.assertEqual([name for name in self.files() if "tmp" in name], [])

    def test_two_apps_with_one_module_fill_it_at_once(self):
        text = "version: 1\napps:\n" + "".join(
            f'  - {{appID: app{n}, module: "{guest("echo")}", appPort: 0, daprHTTPPort: 0}}\n' for n in range(4))
        path = self.write("tandem.yaml", text)
        for _ in range(8):
            one = self.start("-f", path, "--metrics-port", "0", "--cache-folder", self.cache).wait_until_serving(4)
            for app in one.apps.values():
                self.assertEqual(get(app.url + "/path").text, "/path")
            self.assertEqual(self.warnings(one), [])
            one.stop()
            self.assertEqual([name for name in self.files() if "tmp" in name], [])
            shutil.rmtree(self.cache)

    def test_killed_while_it_writes(self):
        for _ in range(3):
            one = self.serve("hello_go", wait=False)
            one.wait_for(lambda: one.lines, "its first line")
            one.kill()
        tandem = self.serve("hello_go")
        self.assertEqual(tandem.get("/").text, "hello")
        tandem.stop()
        self.check(self.serve("hello_go"), CACHED)

    def test_what_a_killed_process_left_is_removed(self):
        self.check(self.serve(), COMPILED)
        files = self.files()
        gone = subprocess.Popen(["true"])
        gone.wait()

        def leave(process, number, age):
            path = self.cache / f"{'0' * 64}.tmp{process}-{number}"
            path.write_bytes(b"half a module")
            path.chmod(0o600)
            os.utime(path, (time.time() - age,) * 2)
            return path.name

        leave(gone.pid, 0, 120)
        leave(os.getpid(), 0, 7200)
        written_now = [leave(gone.pid, 1, 0), leave(os.getpid(), 1, 120)]
        tandem = self.check(self.serve(), CACHED)
        self.assertEqual(self.files(), sorted(files + written_now))
        (line,) = tandem.log(scope="tandem.cli", msg=re.compile("interrupted start"))
        self.assertEqual(line["count"], "2")

    def test_a_folder_that_is_open_to_others(self):
        self.cache.mkdir(mode=0o700)
        for mode in (0o770, 0o707, 0o755, 0o1777):
            self.cache.chmod(mode)
            tandem = self.check(self.serve(), COMPILED)
            self.assertEqual(len(self.warnings(tandem)), 1)
            self.assertIn("chmod 700", self.warnings(tandem)[0])
            self.assertEqual(self.files(), [])

    def test_what_is_no_folder(self):
        self.cache.write_text("a file")
        tandem = self.check(self.serve(), COMPILED)
        self.assertIn(str(self.cache), self.warnings(tandem)[0])
        self.assertEqual(self.cache.read_text(), "a file")
        tandem = self.check(self.serve(cache=self.cache / "below"), COMPILED)
        self.assertIn("cannot make", self.warnings(tandem)[0])

    def test_a_link_to_a_folder(self):
        (self.folder / "real").mkdir(mode=0o700)
        self.cache.symlink_to(self.folder / "real")
        tandem = self.check(self.serve(), COMPILED)
        self.assertEqual(len(self.warnings(tandem)), 1)

    @unittest.skipUnless(os.geteuid() == 0, "needs root: a folder of another user")
    def test_a_foreign_folder(self):
        self.cache.mkdir(mode=0o700)
        os.chown(self.cache, 65534, 65534)
        tandem = self.check(self.serve(), COMPILED)
        self.assertIn("belongs to user 65534", self.warnings(tandem)[0])
        self.assertEqual(self.files(), [])

    def test_a_full_disk(self):
        disk = self.folder / "disk"
        disk.mkdir()
        mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k,mode=0700", "tandem-e2e", disk],
                                 capture_output=True, text=True, check=False)
        if mounted.returncode != 0:
            self.skipTest(f"no small file system can be mounted here: {mounted.stderr.strip()}")
        self.addCleanup(subprocess.run, ["umount", "--lazy", disk], check=True)
        for _ in range(2):
            tandem = self.check(self.serve(cache=disk), COMPILED)
            self.assertRegex(self.warnings(tandem)[0], "cannot keep the compiled module.*No space left")
            self.assertEqual([path.name for path in Path(disk).iterdir()], [], "a piece of a file is left")


if __name__ == "__main__":
    unittest.main()
