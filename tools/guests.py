#!/usr/bin/env python3
"""Builds the guests of the tests and the examples into build/guests/<name>.wasm.

A guest is built once for its content: the result is kept in the cache under the hash of everything that went into it (its
files, the interfaces it imports, the tools), so that a second clone, or the same one tomorrow, only copies it.

Expects cargo, go, node and npm on PATH (`./dev guests` puts them there), and TANDEM_GUEST_RUSTC when the compiler for
guests is not cargo's own. Usage: guests.py [--list] [NAME...]
"""

import contextlib
import fcntl
import hashlib
import json
import os
import shutil
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
CACHE = Path(os.environ.get("TANDEM_CACHE") or Path.home() / ".cache" / "tandem")
OUT = ROOT / "build" / "guests"
GUESTKIT = ROOT / "tools" / "guestkit"
KEEP_SECONDS = 30 * 24 * 3600  # A cached guest that nobody asked for this long is deleted.


@dataclass(frozen=True)
class Guest:
    """A guest: what is built (source, language) and as what."""

    name: str
    source: str
    language: str  # a key of RECIPES
    target: str = ""  # Rust: the compilation target
    adapter: str = "none"  # which preview 1 adapter makes it a component; "module": it stays a core module
    crate: str = ""  # Rust: the crate, where it is not called like the guest
    world: str = ""  # Go and JavaScript: the world in wit/world.wit
    shared: str = ""  # a folder beside `source` whose files go into the guest too


BARE = "wasm32-unknown-unknown"
WASI = "wasm32-wasip1"

GUESTS = [
    Guest("hello", "tests/guests/hello", "rust", BARE),
    Guest("echo", "tests/guests/echo", "rust", BARE),
    Guest("event_count", "tests/guests/event_count", "rust", BARE),
    Guest("state_calls", "tests/guests/state_calls", "rust", BARE),
    Guest("keyvalue_calls", "tests/guests/keyvalue_calls", "rust", BARE),
    Guest("conformance_calls", "tests/guests/conformance_calls", "rust", BARE),
    Guest("event_calls", "tests/guests/event_calls", "rust", BARE),
    Guest("socket_guest", "tests/guests/socket_guest", "rust", BARE),
    Guest("hostile", "tests/guests/hostile", "rust", WASI, "reactor"),
    Guest("counter_cmd", "tests/guests/counter_cmd", "rust", WASI, "module"),
    Guest("counter_cmd_p2", "tests/guests/counter_cmd", "rust", WASI, "command", crate="counter_cmd"),
    Guest("dapr_http_cmd", "tests/guests/dapr_http_cmd", "rust", WASI, "command"),
    Guest("table_grow", "tests/guests/table_grow", "text"),
    Guest("messaging_wasmcloud", "tests/guests/messaging_wasmcloud", "text"),
    Guest("messaging_wasi", "tests/guests/messaging_wasi", "text"),
    Guest("hello_go", "tests/guests/hello_go", "go", world="hello-go"),
    Guest("topics_go", "tests/guests/topics_go", "go", world="topics-go"),
    Guest("hello_js", "tests/guests/hello_js", "javascript", world="hello-js"),
    Guest("topics_js", "tests/guests/topics_js", "javascript", world="topics-js"),
    Guest("checkout", "examples/shop/checkout", "rust", WASI, "reactor"),
    Guest("orders", "examples/shop/orders", "go", world="orders"),
    Guest("receipts", "examples/shop/receipts", "javascript", world="receipts"),
    Guest("grayscale", "examples/image/grayscale", "rust", WASI, "reactor", shared="web"),
    Guest("events", "examples/image/events", "rust", WASI, "reactor", shared="web"),
]


class Failed(Exception):
    """A step that failed; the message says which and shows what it printed."""


def run(command, cwd=None, **environment):
    """Runs a tool quietly; its output is shown when it fails."""
    env = {**os.environ, **{name: str(value) for name, value in environment.items()}}
    try:
        done = subprocess.run([str(c) for c in command], cwd=cwd, env=env, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE, text=True)
    except FileNotFoundError:
        raise Failed(f"{command[0]} is not installed; ./dev setup gets it") from None
    if done.returncode:
        raise Failed(f"{' '.join(map(str, command))}\n{done.stdout}{done.stderr}")
    return done.stdout


# ---- what goes into a guest ------------------------------------------------------------------------------------------

GENERATED = {"deps", "target", "node_modules"}


def files_of(folder):
    return sorted(p for p in folder.rglob("*")
                  if p.is_file() and not GENERATED & set(p.relative_to(folder).parts) and p.name != ".gitignore")


def inputs(guest):
    """The files that the guest is made of, and the texts of the tools' versions."""
    source = ROOT / guest.source
    files = files_of(source) + files_of(ROOT / "wit") + [Path(__file__), GUESTKIT / "Cargo.lock", GUESTKIT / "src" / "main.rs"]
    if guest.language == "rust" and (source.parent / "Cargo.toml").exists():
        files += [source.parent / "Cargo.toml", source.parent / "Cargo.lock"] + files_of(source.parent / "http_guest")
    if guest.shared:
        files += files_of(source.parent / guest.shared)
    if guest.language == "javascript":
        files.append(GUESTKIT / "js" / "package-lock.json")
    return files


class Versions:
    """The versions of the compilers, asked for once and only for the languages that are built."""

    COMMANDS = {"rust": [os.environ.get("TANDEM_GUEST_RUSTC") or "rustc", "-vV"], "go": ["go", "version"],
                "javascript": ["node", "--version"]}

    def __init__(self):
        self.known = {}

    def of(self, language):
        if language in self.COMMANDS and language not in self.known:
            self.known[language] = run(self.COMMANDS[language])
        return self.known.get(language, "")


def content_hash(guest, versions):
    digest = hashlib.sha256(f"{guest}\n{versions.of(guest.language)}\n".encode())
    for path in inputs(guest):
        digest.update(f"{path.relative_to(ROOT)}\0".encode())
        digest.update(hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()[:24]


# ---- the tools and interfaces that recipes need ----------------------------------------------------------------------


def guestkit(*arguments):
    run([CACHE / "guestkit" / "release" / "guestkit", *arguments])


def build_guestkit():
    run(["cargo", "build", "--release", "--locked"], cwd=GUESTKIT, CARGO_TARGET_DIR=CACHE / "guestkit")


def input_package(name):
    """The folder where cargo keeps the sources of one of guestkit's crates."""
    metadata = run(["cargo", "metadata", "--format-version", "1", "--locked", "--features", "inputs", "--filter-platform",
                    "x86_64-unknown-linux-gnu"], cwd=GUESTKIT)
    for package in json.loads(metadata)["packages"]:
        if package["name"] == name:
            return Path(package["manifest_path"]).parent
    raise Failed(f"tools/guestkit does not depend on {name}")


def cached_folder(name, package, inside, version_of):
    """A copy in the cache of a folder inside one of guestkit's crates, made once a version."""
    key = hashlib.sha256((version_of / "Cargo.lock").read_bytes()).hexdigest()[:12]
    folder = CACHE / "inputs" / f"{name}-{key}"
    if not folder.exists():
        folder.parent.mkdir(parents=True, exist_ok=True)
        aside = folder.with_name(f"{folder.name}.{os.getpid()}")
        shutil.copytree(input_package(package) / inside, aside)
        aside.rename(folder)
    return folder


def write_if_changed(path, content):
    if not path.exists() or path.read_bytes() != content:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)


def place_interfaces(wit):
    """Fills wit/deps with WASI's interfaces and ours, as `wkg wit fetch` would."""
    wasi = cached_folder("wasi-wit", "wasmtime-wasi-http", "wit/deps", GUESTKIT)
    for path in sorted(wasi.glob("*.wit")):
        write_if_changed(wit / "deps" / path.name, path.read_bytes())
    for name in ("keyvalue", "config"):
        drafts = cached_folder(f"wasi-{name}-wit", f"wasmtime-wasi-{name}", f"wit/deps/{name}", GUESTKIT)
        for path in sorted(drafts.glob("*.wit")):
            write_if_changed(wit / "deps" / name / path.name, path.read_bytes())
    for path in sorted((ROOT / "wit").glob("*.wit")):
        write_if_changed(wit / "deps" / "tandem-dapr" / path.name, path.read_bytes())


# ---- one recipe a language -------------------------------------------------------------------------------------------


def build_rust(guest, out):
    source = ROOT / guest.source
    for wit in (source / "wit", source.parent / "http_guest" / "wit"):
        if wit.exists():
            place_interfaces(wit)
    crate = guest.crate or guest.name
    target = CACHE / "guests-rust"
    environment = {"CARGO_TARGET_DIR": target}
    if rustc := os.environ.get("TANDEM_GUEST_RUSTC"):
        environment["RUSTC"] = rustc
    if linker := os.environ.get("TANDEM_GUEST_LINKER"):
        environment[f"CARGO_TARGET_{guest.target.upper().replace('-', '_')}_LINKER"] = linker
    run(["cargo", "build", "--release", "--locked", "--target", guest.target, "-p", crate], cwd=source, **environment)
    core = target / guest.target / "release" / f"{crate}.wasm"
    if guest.adapter == "module":
        shutil.copyfile(core, out)
    else:
        guestkit("component", core, guest.adapter, out)


def build_go(guest, out):
    """Go's own compiler makes a preview 1 reactor; the bindings and the module that they import lie beside the sources,
    in the cache. The runtime package is the one inside the crate that made the bindings: it is not published for this Go."""
    stage = CACHE / "guests-go" / guest.name
    shutil.rmtree(stage, ignore_errors=True)
    shutil.copytree(ROOT / guest.source / "wit", stage / "wit", ignore=shutil.ignore_patterns(*GENERATED))
    place_interfaces(stage / "wit")
    guestkit("go-bindings", stage / "wit", guest.world, stage)
    # After the bindings: the guest's own go.mod says where the runtime package lies.
    shutil.copytree(ROOT / guest.source, stage, ignore=shutil.ignore_patterns(*GENERATED), dirs_exist_ok=True)
    shutil.copytree(cached_folder("go-pkg", "wit-bindgen-go", "src/pkg", GUESTKIT), stage / "pkg")
    module = stage / "pkg" / "go.mod"
    module.write_text("module go.bytecodealliance.org/pkg\n\ngo 1.26\n")
    core, typed = stage / "core.wasm", stage / "typed.wasm"
    # -checklinkname=0: the runtime package reaches into Go's allocator (runtime.sbrk), which the linker otherwise refuses.
    run(["go", "build", "-trimpath", "-buildmode=c-shared", "-ldflags=-s -w -checklinkname=0", "-o", core, "."], cwd=stage,
        GOOS="wasip1", GOARCH="wasm", GOFLAGS="-mod=mod", GOWORK="off", GOTOOLCHAIN="local")
    guestkit("embed", core, stage / "wit", guest.world, typed)
    guestkit("component", typed, "reactor", out)


def build_javascript(guest, out):
    source = ROOT / guest.source
    stage = CACHE / "guests-js" / guest.name
    shutil.rmtree(stage, ignore_errors=True)
    shutil.copytree(source, stage, ignore=shutil.ignore_patterns(*GENERATED))
    place_interfaces(stage / "wit")
    tool = componentize_js()
    run(["node", tool, f"{guest.name}.js", "-w", "wit", "-n", guest.world, "-o", out], cwd=stage)


def componentize_js():
    lock = GUESTKIT / "js" / "package-lock.json"
    folder = CACHE / "npm" / hashlib.sha256(lock.read_bytes()).hexdigest()[:12]
    if not folder.exists():
        aside = folder.with_name(f"{folder.name}.{os.getpid()}")
        shutil.rmtree(aside, ignore_errors=True)
        aside.mkdir(parents=True)
        for name in ("package.json", "package-lock.json"):
            shutil.copyfile(GUESTKIT / "js" / name, aside / name)
        run(["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund"], cwd=aside)
        aside.rename(folder)
    return folder / "node_modules" / "@bytecodealliance" / "componentize-js" / "src" / "cli.js"


def build_text(guest, out):
    guestkit("wat", ROOT / guest.source / f"{guest.name}.wat", out)


RECIPES = {"rust": build_rust, "go": build_go, "javascript": build_javascript, "text": build_text}


# ---- the cache -------------------------------------------------------------------------------------------------------


@contextlib.contextmanager
def locked():
    """One build of guests at a time over all clones: they share the folders of the compilers' output."""
    CACHE.mkdir(parents=True, exist_ok=True)
    with open(CACHE / "guests.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def place(built, name, key):
    """Copies a cached guest into the clone, unless the same one lies there."""
    copy, mark = OUT / f"{name}.wasm", OUT / f".{name}.hash"
    if copy.exists() and mark.exists() and mark.read_text() == key:
        return
    os.utime(built)
    aside = copy.with_suffix(f".{os.getpid()}")
    shutil.copyfile(built, aside)
    aside.rename(copy)
    mark.write_text(key)


def forget_old(folder):
    for path in folder.glob("*.wasm"):
        if time.time() - path.stat().st_mtime > KEEP_SECONDS:
            path.unlink(missing_ok=True)


def main(arguments):
    if arguments == ["--list"]:
        print("\n".join(guest.name for guest in GUESTS))
        return 0
    unknown = set(arguments) - {guest.name for guest in GUESTS}
    if unknown:
        print(f"guests.py: no guest is called {', '.join(sorted(unknown))}; --list names them", file=sys.stderr)
        return 1
    wanted = [guest for guest in GUESTS if not arguments or guest.name in arguments]
    store = CACHE / "guests"
    store.mkdir(parents=True, exist_ok=True)
    OUT.mkdir(parents=True, exist_ok=True)
    versions = Versions()
    keys = {guest: content_hash(guest, versions) for guest in wanted}
    cached = {guest: store / f"{guest.name}-{key}.wasm" for guest, key in keys.items()}
    missing = [guest for guest in wanted if not cached[guest].exists()]
    if missing:
        with locked():
            build_guestkit()
            for number, guest in enumerate(missing, 1):
                began = time.monotonic()
                print(f"  guest {number}/{len(missing)} {guest.name} ({guest.language})", end=" ", flush=True)
                aside = store / f".{guest.name}.{os.getpid()}.wasm"
                RECIPES[guest.language](guest, aside)
                aside.rename(cached[guest])
                print(f"{cached[guest].stat().st_size / 1024:,.0f} KiB, {time.monotonic() - began:.1f} s", flush=True)
            forget_old(store)
    for guest in wanted:
        place(cached[guest], guest.name, keys[guest])
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except Failed as failure:
        print(f"\nguests.py: {failure}", file=sys.stderr)
        sys.exit(1)
