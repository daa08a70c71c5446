"""The image service: gray pixels of every kind of PNG, the log of both ways, and what is refused.

What a browser makes of its page, and JPEGs, are in test_image_page.py.
"""

import contextlib
import re
import socket
import struct
import subprocess
import sys
import unittest
import zlib

from harness import PATIENCE, PORTS_AS_NAMES, binary, environment, get, guest, post, source
from image_service import ImageServiceTest, picture
from observe import MIB, Usage, together

KIB = 1024
GRAY, RGB, PALETTE, GRAY_ALPHA, RGBA = 0, 2, 3, 4, 6


def png(width, height, color_type, depth, lines, before=b"", interlaced=0):
    """A file of lines that are packed already, each without its filter byte."""
    head = picture.SIGNATURE + picture.chunk(
        b"IHDR", struct.pack(">IIBBBBB", width, height, depth, color_type, 0, 0, interlaced))
    data = zlib.compress(b"".join(b"\0" + line for line in lines))
    return head + before + picture.chunk(b"IDAT", data) + picture.chunk(b"IEND", b"")


def jpeg(width, height):
    """The head of a JPEG of this size, with nothing after it."""
    frame = struct.pack(">BHHB", 8, height, width, 1) + b"\x01\x11\0"
    scan = b"\x01\x01\0\0\x3f\0"
    return (b"\xff\xd8" + b"\xff\xdb" + struct.pack(">H", 67) + b"\0" + b"\1" * 64
            + b"\xff\xc0" + struct.pack(">H", 2 + len(frame)) + frame
            + b"\xff\xda" + struct.pack(">H", 2 + len(scan)) + scan)


class ImageTest(ImageServiceTest):
    def check(self, file, wanted):
        """The answer is a PNG with these (width, height, color type, pixels)."""
        answer = self.make_gray(file)
        self.assertEqual(answer.status, 200, answer)
        self.assertEqual(answer.headers["content-type"], "image/png")
        self.assertEqual(picture.decode(answer.body), wanted)
        return answer

    def test_every_kind_of_png(self):
        self.open()
        colors = picture.sample(37, 21)
        gray = picture.gray(colors)
        self.check(picture.encode(37, 21, RGB, colors), (37, 21, GRAY, gray))
        self.check(picture.encode(37, 21, GRAY, gray), (37, 21, GRAY, gray))
        # What lets the ground through still does.
        alphas = bytes((x * 7) % 256 for x in range(37 * 21))
        rgba = b"".join(colors[3 * at : 3 * at + 3] + alphas[at : at + 1] for at in range(37 * 21))
        mixed = b"".join(bytes(pair) for pair in zip(gray, alphas))
        self.check(picture.encode(37, 21, RGBA, rgba), (37, 21, GRAY_ALPHA, mixed))
        self.check(picture.encode(37, 21, GRAY_ALPHA, mixed), (37, 21, GRAY_ALPHA, mixed))
        # Black and white by the bit; of 16 bits the upper ones; a palette, with and without alpha; in passes.
        self.check(png(10, 2, GRAY, 1, [b"\xaa\x80", b"\x55\x40"]), (10, 2, GRAY, bytes([255, 0] * 5 + [0, 255] * 5)))
        deep = [b"".join(colors[3 * at : 3 * at + 3][n : n + 1] + b"\x99" for at in range(37 * y, 37 * y + 37)
                         for n in range(3)) for y in range(21)]
        self.check(png(37, 21, RGB, 16, deep), (37, 21, GRAY, gray))
        palette = picture.chunk(b"PLTE", bytes([255, 0, 0, 0, 255, 0, 0, 0, 255]))
        lines = [bytes([0, 1, 2])]
        red, green, blue = (picture.brightness(*color) for color in ((255, 0, 0), (0, 255, 0), (0, 0, 255)))
        self.check(png(3, 1, PALETTE, 8, lines, palette), (3, 1, GRAY, bytes([red, green, blue])))
        clear = picture.chunk(b"tRNS", bytes([0, 128]))
        self.check(png(3, 1, PALETTE, 8, lines, palette + clear),
                   (3, 1, GRAY_ALPHA, bytes([red, 0, green, 128, blue, 255])))
        self.check(png(1, 1, RGB, 8, [b"\x10\x80\x30"], interlaced=1), (1, 1, GRAY, bytes([picture.brightness(16, 128, 48)])))

    def test_the_log_has_every_use_both_ways(self):
        service = self.open()
        self.assertEqual(self.log(), [])
        colors = picture.sample(30, 20)
        file = picture.encode(30, 20, RGB, colors)
        answer = self.check(file, (30, 20, GRAY, picture.gray(colors)))
        entry = self.entry(answer.headers["use-id"])
        self.assertEqual({key: entry[key] for key in ("format", "width", "height", "inputBytes", "outputBytes")},
                         {"format": "PNG", "width": 30, "height": 20, "inputBytes": len(file),
                          "outputBytes": len(answer.body)})
        # Many at once: none is lost, and each is there once.
        uses = together(8, lambda _: [self.make_gray(file).headers["use-id"] for _ in range(4)])
        uses = {use for some in uses for use in some}
        self.assertEqual(len(uses), 32)
        for use in uses:
            self.entry(use)
        log = self.log()
        self.assertEqual(len(log), 33)
        self.assertEqual([entry["at"] for entry in log], sorted((entry["at"] for entry in log), reverse=True))
        # The same from the app that keeps it, through the Dapr API, and after a restart.
        self.assertEqual(get(self.events.url + "/events").json(), log)
        dapr = service.apps["grayscale"].dapr_url
        self.assertEqual(get(dapr + "/v1.0/invoke/events/method/events").json(), log)
        self.assertEqual([(one["topic"], one["type"]) for one in
                          get(self.events.dapr_url + "/v1.0/metadata").json()["subscriptions"]], [("images", "PROGRAMMATIC")])
        service.stop()
        self.open()
        self.assertEqual(self.log(), log)

    def test_the_log_keeps_the_latest_hundred(self):
        self.open()
        for n in range(103):
            use = {"id": f"use{n}", "at": 1000 + n, "format": "PNG", "width": 1, "height": 1, "inputBytes": 1,
                   "outputBytes": 1, "millis": 1.0}
            self.assertEqual(post(self.events.url + "/events", use).status, 204)
        self.assertEqual([entry["id"] for entry in self.log()], [f"use{n}" for n in range(102, 2, -1)])

    def test_what_is_no_picture(self):
        service = self.open()
        whole = picture.encode(40, 30, RGB, picture.sample(40, 30))
        for status, said, body in (
            (400, "there is no picture in the request", b""),
            (415, "not a PNG and not a JPEG", b"hello"),
            (415, "not a PNG and not a JPEG", b"GIF89a" + bytes(100)),
            (400, "the PNG is broken", whole[:8]),
            (400, "the PNG is broken", whole[:600]),
            (400, "the PNG is broken", whole[:60] + b"\0\1\2\3" + whole[64:]),
            (400, "the JPEG is broken", b"\xff\xd8\xff"),
            (400, "the JPEG is broken", b"\xff\xd8\xff\xe0" + bytes(2000)),
        ):
            answer = self.make_gray(body)
            self.assertEqual(answer.status, status, (body[:70], answer))
            self.assertIn(said, answer.json()["error"])
        for method_status, path in ((405, "/grayscale"), (404, "/other")):
            self.assertEqual(get(self.url + path).status, method_status)
        for body in (b"", b"{", b"[]", {"id": "x"}):
            self.assertEqual(post(self.events.url + "/events", body).status, 400)
        self.assertEqual(self.log(), [])
        self.assertEqual(service.log(level="error"), [])

    def test_what_is_too_large(self):
        service = self.open()
        usage = Usage(service)
        self.assertEqual(self.make_gray(picture.encode(8, 8, RGB, picture.sample(8, 8))).status, 200)
        usage.reset_peak()
        before = usage.resident
        # Small files that claim, or would unpack to, far more.
        for body in (picture.header(60_000, 60_000, RGB) + picture.chunk(b"IDAT", b""),
                     picture.header(2**31 - 1, 2**31 - 1, RGBA, 16), jpeg(65_500, 65_500), jpeg(5001, 5000)):
            answer = self.make_gray(body)
            self.assertEqual(answer.status, 413, answer)
            self.assertIn("pixels are more than 25000000", answer.json()["error"])
        # A text of 100 MB in a picture of one pixel is not unpacked.
        text = picture.chunk(b"zTXt", b"Comment\0\0" + zlib.compress(bytes(100 * MIB)))
        profile = picture.chunk(b"iCCP", b"profile\0\0" + zlib.compress(bytes(100 * MIB)))
        self.check(picture.encode(1, 1, RGB, b"\1\2\3", text + profile), (1, 1, GRAY, bytes([picture.brightness(1, 2, 3)])))
        self.assertLess(usage.peak - before, 64 * MIB)
        # More than the largest body.
        answer = self.make_gray(picture.SIGNATURE + bytes(16 * MIB))
        self.assertEqual((answer.status, answer.json()["error"]), (413, "the body is longer than 16777216 bytes"))
        # The largest picture: its lines are all alike, so that the file is small.
        line = b"\0" + b"\x10\x20\x30\xff" * 5000
        large = (picture.header(5000, 5000, RGBA) + picture.chunk(b"IDAT", zlib.compress(line * 5000))
                 + picture.chunk(b"IEND", b""))
        answer = self.make_gray(large)
        self.assertEqual(answer.status, 200, answer)
        self.assertEqual(answer.body[:33], picture.header(5000, 5000, GRAY_ALPHA))
        self.assertEqual(len(self.log()), 3)

    def test_without_the_app_that_keeps_the_log(self):
        # Nor is it found in another process: there may be one of a test that runs at the same time.
        self.write("names.yaml", PORTS_AS_NAMES)
        text = self.text[: self.text.index("  - appID: events")]
        service = self.open(text.replace("resourcesPath:", "configFilePath: names.yaml\n  resourcesPath:"), apps=1)
        colors = picture.sample(5, 5)
        self.check(picture.encode(5, 5, RGB, colors), (5, 5, GRAY, picture.gray(colors)))
        answer = get(self.url + "/events")
        self.assertEqual(answer.status, 503)
        self.assertIn('the app "events" was not reached', answer.json()["error"])
        service.wait_for_log(msg=re.compile("events was not reached"))

    def test_the_guests_are_small(self):
        self.assertLess(guest("grayscale").stat().st_size, 640 * KIB)
        self.assertLess(guest("events").stat().st_size, 256 * KIB)

    def test_the_show(self):
        # It asks for these where they are free; here they are not, so that it takes free ones: tests run side by side.
        for port in (8080, 3500, 8081, 3501, 9090):
            with contextlib.suppress(OSError):
                held = socket.create_server(("127.0.0.1", port))
                self.addCleanup(held.close)
        done = subprocess.run([sys.executable, "-B", source() / "examples/image/run.py", "--once", "--folder", self.folder / "show"],
                              stdin=subprocess.DEVNULL, capture_output=True, text=True, cwd=self.folder, timeout=PATIENCE,
                              check=False, env=environment({"TANDEM_BINARY": str(binary())}))
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        self.assertIn("2,073,600 of 2,073,600 pixels right", done.stdout)
        self.assertIn("3 of 3 uses heard of by a call and by an event", done.stdout)
        self.assertIn("60,000 x 60,000 pixels: 413 ", done.stdout)
        self.assertIn("stopped  in order", done.stdout)


if __name__ == "__main__":
    unittest.main()
