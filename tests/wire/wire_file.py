"""Reads and writes the files of cases/. README.md has the format; nothing here knows how a side is run.

A mistake in a file is a WireError that names the file and the line.
"""

import re
from dataclasses import dataclass, field
from pathlib import Path

SETTINGS = {"resources": "in-memory", "config": "", "env": "", "flags": "", "redis": "", "then": "", "app": "echoes"}


class WireError(Exception):
    pass


@dataclass
class Message:
    """A request or a reply: its first line, its headers in order, its body (None: nothing was written)."""

    first: str
    headers: list = field(default_factory=list)
    body: str | None = None


@dataclass
class Step:
    line: int
    request: Message
    reply: Message | None = None  # both sides', or Tandem's where daprd_reply is there
    daprd_reply: Message | None = None
    because: str = ""
    end_line: int = 0  # the last line of the step

    def expected(self, side):
        return self.daprd_reply if side == "daprd" and self.daprd_reply else self.reply


@dataclass
class Case:
    line: int
    title: str
    steps: list = field(default_factory=list)
    only: list = field(default_factory=list)  # the resources that it is run with; empty: all of the file's


@dataclass
class WireFile:
    path: Path
    settings: dict
    cases: list


def message(lines):
    """[(line number, text without its mark)] -> Message."""
    first = lines[0][1].strip()
    headers = []
    rest = lines[1:]
    while rest and rest[0][1] != "":
        name, colon, value = rest[0][1].partition(":")
        if not colon:
            raise WireError(f"{rest[0][0]}: a header is `name: value`, before the body stands an empty line")
        headers.append((name.strip().lower(), value.strip()))
        rest = rest[1:]
    body = "\n".join(text for _, text in rest[1:]) if rest else None
    return Message(first, headers, body)


MARKS = {"> ": "request", "< ": "reply", "daprd< ": "daprd_reply"}


def read(path):
    try:
        return parse(path, path.read_text())
    except WireError as error:
        raise WireError(f"{path}:{error}") from None


def parse(path, text):
    settings, cases = dict(SETTINGS), []
    step, blocks = None, {}

    def finish():
        nonlocal step, blocks
        if step is None:
            return
        for name, lines in blocks.items():
            setattr(step, name, message(lines))
        if (step.daprd_reply is not None) != bool(step.because):
            raise WireError(f"{step.line}: a reply of daprd's own and the line `because:` come together")
        step, blocks = None, {}

    for number, line in enumerate(text.splitlines(), 1):
        mark = next((m for m in MARKS if line.startswith(m) or line == m.rstrip()), None)
        if mark:
            if not cases:
                raise WireError(f"{number}: a request or reply stands in a case (`== title`)")
            kind, content = MARKS[mark], line[len(mark):]
            if kind == "request" and (step is None or set(blocks) != {"request"}):
                finish()
                step = Step(number, None)
                cases[-1].steps.append(step)
            if step is None:
                raise WireError(f"{number}: a reply comes after its request")
            blocks.setdefault(kind, []).append((number, content))
            step.end_line = number
        elif line.startswith("because:"):
            if step is None:
                raise WireError(f"{number}: `because:` stands between a request and its replies")
            step.because = line.removeprefix("because:").strip()
        elif line.startswith("== "):
            finish()
            cases.append(Case(number, line[3:].strip()))
        elif line.startswith("only:"):
            if not cases or cases[-1].steps:
                raise WireError(f"{number}: `only:` stands between the title of a case and its first request")
            cases[-1].only = line.removeprefix("only:").split()
            if unknown := set(cases[-1].only) - set(settings["resources"].split()):
                raise WireError(f"{number}: the file is not run with {', '.join(sorted(unknown))}")
        elif line.startswith("#") or not line.strip():
            finish()
        elif not cases and (setting := re.fullmatch(r"(\w+):\s*(.*)", line)) and setting[1] in SETTINGS:
            settings[setting[1]] = setting[2]
        else:
            raise WireError(f"{number}: cannot read `{line}`")
    finish()
    return WireFile(path, settings, cases)


def written(reply, mark="<"):
    """The lines of a reply."""
    lines = [reply.first, *(f"{name}: {value}" for name, value in reply.headers)]
    if reply.body:
        lines += ["", *reply.body.split("\n")]
    return "".join(f"{mark} {line}".rstrip() + "\n" for line in lines)


def record(file, replies):
    """Writes replies, {step's end line: Message}, behind the requests that they answer."""
    lines = file.path.read_text().splitlines(keepends=True)
    for end in sorted(replies, reverse=True):
        lines.insert(end, written(replies[end]))
    file.path.write_text("".join(lines))
