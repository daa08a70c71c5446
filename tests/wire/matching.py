"""Whether what came is what a file expects. difference() says in a few words what is not, or None."""

import codecs
import json
import re

STRICT = re.compile(r"content-type|etag|allow|location|retry-after|metadata\..*|access-control-.*")
REMEMBERED = re.compile(r"\$\{(\w+)\}")


def fill(text, names):
    return REMEMBERED.sub(lambda found: names.get(found[1], found[0]), text)


def body_bytes(text):
    """A body as it is sent."""
    if text is None:
        return None
    if text.startswith("@bytes "):
        return codecs.escape_decode(text.removeprefix("@bytes ").encode())[0]
    if text.startswith("@repeat "):
        _, times, what = text.split(" ", 2)
        return what.encode() * int(times)
    return text.encode()


def text_fits(expected, got):
    if expected == "*":
        return True
    if expected.startswith("~"):
        return re.search(expected[1:], got) is not None
    return expected == got


def json_difference(expected, got, where=""):
    if expected == "*":
        return None
    if isinstance(expected, str) and isinstance(got, str) and text_fits(expected, got):
        return None
    if isinstance(expected, dict) and isinstance(got, dict):
        wanted = {key.removesuffix("?"): value for key, value in expected.items()}
        for key in wanted.keys() | got.keys():
            if key not in got:
                if f"{key}?" in expected:
                    continue
                return f"{where}.{key} is missing"
            if key not in wanted:
                return f"{where}.{key} is {json.dumps(got[key])}, and not expected"
            if said := json_difference(wanted[key], got[key], f"{where}.{key}"):
                return said
        return None
    if isinstance(expected, list) and isinstance(got, list) and len(expected) == len(got):
        for index, (one, other) in enumerate(zip(expected, got)):
            if said := json_difference(one, other, f"{where}[{index}]"):
                return said
        return None
    if type(expected) is type(got) and expected == got:
        return None
    return f"{where or 'the body'} is {json.dumps(got)}, not {json.dumps(expected)}"


def as_json(text):
    try:
        return True, json.loads(text)
    except ValueError:
        return False, None


def body_difference(expected, got):
    """Both as text; expected may be None for an empty body."""
    if expected is None or expected == "":
        return f"the body is {got[:200]!r}, not empty" if got else None
    if expected.startswith(("@bytes ", "@repeat ")):
        expected = body_bytes(expected).decode("utf-8", "backslashreplace")
    if text_fits(expected, got):
        return None
    is_json, wanted = as_json(expected)
    if is_json:
        got_json, value = as_json(got)
        return json_difference(wanted, value) if got_json else f"the body is {got[:200]!r}, no JSON"
    return f"the body is {got[:300]!r}, not {expected[:300]!r}"


def header_difference(expected, got, names):
    """expected: [(name, value)], got: {name: value}. A ${name} that is not known yet is remembered."""
    wanted = dict(expected)
    for name, value in wanted.items():
        if name not in got:
            return f"the header {name} is missing"
        new = REMEMBERED.fullmatch(value)
        if new and new[1] not in names:
            names[new[1]] = got[name]
        elif not text_fits(fill(value, names), got[name]):
            return f"the header {name} is {got[name]!r}, not {fill(value, names)!r}"
    for name, value in got.items():
        if name not in wanted and STRICT.fullmatch(name):
            return f"the header {name} is {value!r}, and not expected"
    return None


def difference(expected, got, names):
    """expected and got are Messages; got.body is text."""
    first = fill(expected.first, names)
    if not text_fits(first, got.first):
        want, have = first.split(" ", 1), got.first.split(" ", 1)
        if len(want) < 2 or want[0] != have[0] or not text_fits(want[1], have[1] if len(have) > 1 else ""):
            return f"the answer is {got.first}, not {first}: {(got.body or '')[:300]}"
    if said := header_difference(expected.headers, dict(got.headers), names):
        return said
    return body_difference(fill(expected.body, names) if expected.body else None, got.body or "")
