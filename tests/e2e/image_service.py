"""The example examples/image, started from its own files, on free ports and with this test's folder as its own."""

import os
import re
import shutil
import sys

from harness import TandemTest, get, guest, post, source
from observe import wait_until

sys.path.insert(0, str(source() / "examples" / "image"))
import picture  # noqa: E402, F401  The example's own PNG files, which the tests use too.


class ImageServiceTest(TandemTest):
    def setUp(self):
        super().setUp()
        image = source() / "examples" / "image"
        shutil.copytree(image / "resources", self.folder / "resources")
        text = re.sub(r"(Port): \d+", r"\1: 0", (image / "tandem.yaml").read_text())
        self.text = re.sub(r"module: .*/(\w+)\.wasm", lambda match: f'module: "{guest(match[1])}"', text)

    def open(self, text=None, apps=2):
        service = self.run_file(text or self.text, apps=apps)
        self.url = service.apps["grayscale"].url
        self.events = service.apps.get("events")
        return service

    def make_gray(self, file):
        return post(self.url + "/grayscale", file)

    def log(self):
        answer = get(self.url + "/events")
        self.assertEqual(answer.status, 200, answer)
        return answer.json()

    def entry(self, use):
        """The use's entry in the log, when it came both ways."""
        found = []

        def is_whole():
            found[:] = [entry for entry in self.log() if entry["id"] == use and entry["call"] and entry["event"]]
            return bool(found)

        wait_until(is_whole, f"the use {use} in the log")
        return found[0]


def chromium():
    return os.environ.get("CHROMIUM", "/usr/bin/chromium")
