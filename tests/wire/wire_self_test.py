"""The wire tests' own parts: what a file may say, and what counts as different."""

import sys
import tempfile
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))
import matching  # noqa: E402
import wire_file  # noqa: E402
from wire_file import Message, WireError  # noqa: E402

FILE = """# A comment.
resources: in-memory sqlite

== Title
> POST /path
> content-type: text/plain
>
> two
> lines
< 200
< etag: ${tag}
<
< {"a": "*"}

> GET /path
because: a reason
< 204
daprd< 200
daprd<
daprd< x
"""


class FileTest(unittest.TestCase):
    def test_what_a_file_says(self):
        file = wire_file.parse(Path("x"), FILE)
        self.assertEqual(file.settings["resources"], "in-memory sqlite")
        first, second = file.cases[0].steps
        self.assertEqual(first.request, Message("POST /path", [("content-type", "text/plain")], "two\nlines"))
        self.assertEqual(first.reply, Message("200", [("etag", "${tag}")], '{"a": "*"}'))
        self.assertIs(first.expected("daprd"), first.reply)
        self.assertEqual((second.expected("tandem").first, second.expected("daprd").body), ("204", "x"))
        self.assertEqual(second.because, "a reason")

    def test_mistakes_name_their_line(self):
        for text, said in (("== t\n< 200\n", "2: a reply comes after"), ("> GET /\n", "1: a request or reply stands in"),
                           ("colour: red\n", "1: cannot read"), ("== t\n> GET /\n> body\n", "3: a header is"),
                           ("== t\n> GET /\n< 200\ndaprd< 204\n", "2: a reply of daprd's own"),
                           ("== t\n> GET /\nbecause: x\n< 200\n", "2: a reply of daprd's own"),
                           ("only: in-memory\n", "1: `only:` stands between"),
                           ("== t\n> GET /\n\nonly: in-memory\n", "4: `only:` stands between"),
                           ("resources: a b\n== t\nonly: b c\n", "3: the file is not run with c")):
            with self.assertRaisesRegex(WireError, said):
                wire_file.parse(Path("x"), text)

    def test_a_case_may_be_for_some_resources(self):
        file = wire_file.parse(Path("x"), "resources: a b\n== t\nonly: b\n> GET /\n< 200\n\n== u\n> GET /\n< 200\n")
        self.assertEqual([case.only for case in file.cases], [["b"], []])

    def test_recording_fills_in_what_is_missing(self):
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "x.wire"
            path.write_text("== t\n> GET /a\n\n> GET /b\n< 204\n")
            file = wire_file.read(path)
            step = file.cases[0].steps[0]
            wire_file.record(file, {step.end_line: Message("200", [("etag", "*")], '{"a": 1}')})
            again = wire_file.read(path)
            self.assertEqual(again.cases[0].steps[0].reply, Message("200", [("etag", "*")], '{"a": 1}'))
            self.assertEqual(len(again.cases[0].steps), 2)


class MatchingTest(unittest.TestCase):
    def test_bodies(self):
        for expected, got in ((None, ""), ("*", "x"), ("~^x+$", "xxx"), ("x", "x"), ('{"a": "*"}', '{"a":{"b":1}}'),
                              ('["~^x"]', '["xyz"]'), ("@bytes \\x00a", "\x00a"), ("@repeat 3 ab", "ababab"),
                              ('{"a?": 1}', "{}"), ('{"a?": 1}', '{"a": 1}')):
            self.assertIsNone(matching.body_difference(expected, got), (expected, got))
        for expected, got in ((None, "x"), ("x", "y"), ('{"a": 1}', '{"a": 2}'), ('{"a": 1}', '{"a": 1, "b": 2}'),
                              ('{"a": 1, "b": 2}', '{"a": 1}'), ("[1]", "[1, 2]"), ("1", "1.0"), ("1", "true"),
                              ('{"a": 1}', "no json"), ('{"a?": 1}', '{"a": 2}'), ('{"a?": 1}', '{"b": 1}')):
            self.assertIsNotNone(matching.body_difference(expected, got), (expected, got))

    def test_headers(self):
        names = {}
        got = {"etag": "7", "date": "today"}
        self.assertIsNone(matching.header_difference([("etag", "${tag}")], got, names))
        self.assertEqual(names, {"tag": "7"})
        self.assertIsNone(matching.header_difference([("etag", "${tag}")], got, names))
        self.assertIn("not '7'", matching.header_difference([("etag", "${tag}")], {"etag": "8"}, names))
        self.assertIn("not expected", matching.header_difference([], got, names))
        self.assertIn("missing", matching.header_difference([("allow", "*")], {}, names))

    def test_first_lines(self):
        empty = Message("200", [], None)
        self.assertIsNone(matching.difference(empty, Message("200", [], ""), {}))
        self.assertIn("404", matching.difference(empty, Message("404", [], ""), {}))
        error = Message("NOT_FOUND ~store", [], None)
        self.assertIsNone(matching.difference(error, Message("NOT_FOUND no such store", [], ""), {}))
        self.assertIsNotNone(matching.difference(error, Message("INTERNAL no such store", [], ""), {}))


if __name__ == "__main__":
    unittest.main()
