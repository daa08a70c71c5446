"""The page of the image service in a real browser: a picture is dropped, the shown result is compared pixel by pixel, and
the log shows the use. JPEGs are made, and unpacked a second time to compare with, by the browser."""

import json
import os
import subprocess
import sys
import unittest
from pathlib import Path

from harness import PATIENCE, environment, source
from image_service import ImageServiceTest, chromium, picture

sys.path.insert(0, str(source() / "tests"))
import environments  # noqa: E402

# Two programs that unpack a JPEG round differently.
NEAR = 3


class ImagePageTest(ImageServiceTest):
    def use_page(self, png):
        self.assertTrue(Path(chromium()).exists(), f"{chromium()} is not there: ./dev setup")
        text = self.write("notes.txt", "no picture\n")
        command = [*environments.browser(), self.url, png, text]
        # A folder for pictures of the page, for a person to look at.
        if pictures := os.environ.get("TANDEM_SCREENSHOTS"):
            command.append(pictures)
        done = subprocess.run([str(word) for word in command], stdin=subprocess.DEVNULL, capture_output=True, text=True,
                              cwd=self.folder, timeout=PATIENCE, check=False, env=environment({"TMPDIR": str(self.folder)}))
        self.assertEqual(done.returncode, 0, done.stdout[-2000:] + done.stderr)
        return json.loads(done.stdout)

    def check_use(self, seen, name, kind):
        """The result is gray, and its use the first line of the log."""
        self.assertEqual((seen["colored"], seen["first"], seen["status"]), (0, True, f"{name} is gray."))
        self.assertIn(f"{kind}, {seen['width']} × {seen['height']}", seen["line"])
        entry = self.entry(seen["use"])
        self.assertEqual((entry["format"], entry["width"], entry["height"]), (kind, seen["width"], seen["height"]))

    def check_near(self, seen):
        wanted = seen["wanted"]
        self.assertEqual((seen["width"], seen["height"]), (wanted["width"], wanted["height"]))
        self.assertLessEqual(max(abs(one - other) for one, other in zip(seen["pixels"], wanted["pixels"], strict=True)), NEAR)

    def test_pictures_are_dropped_and_shown_gray(self):
        self.open()
        colors = picture.sample(160, 100)
        png = self.folder / "colors.png"
        png.write_bytes(picture.encode(160, 100, 2, colors))
        seen = self.use_page(png)

        self.assertEqual((seen["png"]["width"], seen["png"]["height"]), (160, 100))
        self.assertEqual(bytes(seen["png"]["pixels"]), picture.gray(colors))
        self.check_use(seen["png"], "colors.png", "PNG")

        self.assertEqual((seen["jpeg"]["width"], seen["jpeg"]["height"]), (120, 80))
        self.assertGreater(max(seen["jpeg"]["pixels"]) - min(seen["jpeg"]["pixels"]), 100)
        self.check_near(seen["jpeg"])
        self.check_use(seen["jpeg"], "photo.jpg", "JPEG")

        # A camera held upright: the picture is turned as the browser turns it.
        self.assertEqual((seen["turned"]["width"], seen["turned"]["height"]), (80, 120))
        self.check_near(seen["turned"])
        self.check_use(seen["turned"], "turned.jpg", "JPEG")

        # The same bytes, said to be red, green and blue: another picture.
        self.check_near(seen["plain"])
        self.assertNotEqual(seen["plain"]["pixels"], seen["jpeg"]["pixels"])
        self.check_use(seen["plain"], "plain.jpg", "JPEG")

        self.assertEqual(seen["problem"], "notes.txt: not a PNG and not a JPEG")
        self.assertEqual(len(self.log()), 4)
        # By keyboard and by name; nothing from elsewhere; nothing that the browser complains of but the refused picture.
        self.assertEqual((seen["focused"], seen["labelled"], seen["unnamed"], seen["tooWide"]), ("file", "file", 0, 0))
        self.assertEqual(seen["hosts"], [self.url.removeprefix("http://")])
        self.assertEqual([said for said in seen["complaints"] if "415" not in said], [])


if __name__ == "__main__":
    unittest.main()
