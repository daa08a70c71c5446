#!/usr/bin/env python3
"""Keeps the rules of the rooms that a tool can keep. Prints every breach as file:line, exits 1 when there is one.

- #include lines of src/ follow the arrows between the rooms, one direction only (ALLOWED below);
- a library stays inside the rooms that own it (LIBRARIES below): build time, and one place to change;
- engine/core knows nothing of Dapr;
- a source file over 600 lines opens with a comment that gives the reason: `// length: <why>`.

Usage: check_layers.py [ROOT]      (default: the tree that this file lies in)
"""

import re
import sys
from pathlib import Path

# A room may include its own files and those of the rooms named here. base is allowed everywhere, and so is the room's
# own C ABI for engine. server may include every room but cli.
ALLOWED = {
    "base": set(),
    "config": set(),
    "telemetry": set(),
    "net": set(),
    "engine": set(),
    "blocks": {"config", "telemetry"},
    "cel": {"blocks", "config"},
    "policy": {"blocks", "config", "telemetry"},
    "components": {"blocks", "net", "config", "telemetry"},
    "host": {"blocks", "engine", "net", "config", "telemetry"},
    "app": {"blocks", "host", "engine", "net", "config", "telemetry"},
    "api": {"blocks", "net", "config", "telemetry"},
    "server": {"config", "telemetry", "net", "engine", "blocks", "cel", "policy", "components", "host", "app", "api"},
    "cli": {"server", "config", "telemetry", "net", "engine", "blocks", "cel", "policy", "components", "host", "app", "api"},
}

# Headers that are only a contract, without code or libraries behind them: also open to these rooms.
CONTRACTS = {
    "net/http.h": {"blocks", "policy"},  # the exchange: service invocation hands it from app to app
}

# Rooms whose folders are siblings that do not see each other: what two doors need lies below them, in blocks.
SIBLINGS = {"api"}

# Prefix of an #include -> the rooms, or folders of rooms, that may have it.
LIBRARIES = {
    "boost/beast": {"net"},
    "nghttp2/": {"net"},
    "zlib.h": {"net/grpc"},
    "boost/asio": {"net", "components"},
    "sqlite3.h": {"components"},
    "hiredis/": {"components"},
    "ldns/": {"components"},
    "librdkafka/": {"components"},
    "re2/": {"components"},
    "absl/": {"net/grpc", "components"},
    "yaml-cpp/": {"config"},
    "prometheus/": {"telemetry"},
    "openssl/": {"net", "policy"},
    "grpcpp/": {"net/grpc", "api/grpc", "app/grpc", "components/grpc"},
    "grpc/": {"net/grpc", "api/grpc", "app/grpc", "components/grpc"},
    "google/protobuf/": {"api/grpc", "app/grpc", "components/grpc"},
    "tandem_engine": {"engine"},
    "tandem_cel": {"cel"},
    "tandem_wit": {"engine", "host"},
}

# A comment may say that something is not there.
COMMENT = re.compile(r"(//|#).*")
LIMIT = 600
SOURCES = {".h", ".cc", ".rs", ".py", ".sh"}
INCLUDE = re.compile(r'^\s*#\s*include\s*[<"]([^>"]+)[>"]')
SKIPPED = {"build", "target", "node_modules", ".git", ".tandem"}


def room_of(path):
    """The room that a path below src/ belongs to; main.cc stands above all rooms."""
    return path.parts[0] if len(path.parts) > 1 else None


def folder_of(path):
    """`room/folder` for a path below src/ that lies in a folder of its room, else the room."""
    return "/".join(path.parts[:2]) if len(path.parts) > 2 else room_of(path)


def check_include(room, folder, target):
    """Why a file of `room`, in `folder` of it, may not include `target`, or None."""
    for prefix, owners in LIBRARIES.items():
        if target.startswith(prefix) and not {room, folder} & owners:
            return f"{prefix} stays inside {' and '.join(sorted(owners))}"
    other = target.split("/")[0] if "/" in target else None
    if other == room and room in SIBLINGS and not target.startswith(f"{folder}/"):
        return f"the folders of {room} do not see each other"
    if other not in ALLOWED or other in (room, "base"):
        return None
    if other in ALLOWED[room] or room in CONTRACTS.get(target, ()):
        return None
    allowed = ", ".join(sorted(ALLOWED[room] | {"base"} - {room}))
    return f"{room} may not include {other}/ (it sees: {allowed})"


def check_includes(root):
    src = root / "src"
    for path in sorted(p for p in src.rglob("*") if p.suffix in (".h", ".cc")):
        room = room_of(path.relative_to(src))
        if room is None:
            continue
        if room not in ALLOWED:
            yield path, 1, f"src/{room} is no room: add it to ALLOWED in tools/check_layers.py with its arrows"
            continue
        for number, line in enumerate(path.read_text(errors="replace").splitlines(), 1):
            match = INCLUDE.match(line)
            problem = match and check_include(room, folder_of(path.relative_to(src)), match.group(1))
            if problem:
                yield path, number, f"{match.group(1)}: {problem}"


def check_engine(root):
    for path in sorted((root / "engine" / "core").rglob("*")):
        if path.suffix not in (".rs", ".toml") or "target" in path.parts:
            continue
        for number, line in enumerate(path.read_text(errors="replace").splitlines(), 1):
            if "dapr" in COMMENT.sub("", line).lower():
                yield path, number, "engine/core knows nothing of Dapr"


def check_length(root):
    for folder in ("src", "engine", "tools", "tests", "bench", "examples"):
        for path in sorted((root / folder).rglob("*")):
            relative = path.relative_to(root)
            if path.suffix not in SOURCES or not path.is_file() or SKIPPED & set(relative.parts):
                continue
            lines = path.read_text(errors="replace").splitlines()
            if len(lines) > LIMIT and not has_reason(lines):
                yield path, len(lines), f"{len(lines)} lines: split it, or open it with a comment `length: <why>`"


def has_reason(lines):
    """A comment line `length: why` before the first line of code."""
    for line in lines:
        text = line.strip()
        if text and not text.startswith(("//", "#!", "# ", "/*", "*", '"""')):
            return False
        if re.search(r"(//|#)\s*length:\s*\S", text):
            return True
    return False


def main(arguments):
    root = Path(arguments[0]) if arguments else Path(__file__).resolve().parent.parent
    problems = [p for check in (check_includes, check_engine, check_length) for p in check(root)]
    for path, line, text in problems:
        print(f"{path.relative_to(root)}:{line}: {text}")
    if problems:
        print(f"{len(problems)} breach{'es' if len(problems) > 1 else ''} of the rooms' rules (ARCHITECTURE.md).")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
