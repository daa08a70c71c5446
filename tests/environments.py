"""What tests need from registries besides Debian's: Dapr's SDKs and other Wasm runtimes, each in a folder of the cache,
fetched by version and built the first time, and again when its files here have changed.

Each function gives the command that runs the program. Several tests may ask at once: the first one builds, the others
wait. What was cut off leaves nothing behind that counts.
"""

import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "tools"))
import python_sdk  # noqa: E402

WASMTIME = "wasmtime==50.0.1"


def cache_folder():
    named = os.environ.get("TANDEM_CACHE")
    return (Path(named) if named else Path.home() / ".cache" / "tandem") / "environments"


def run(command, folder, **environment):
    done = subprocess.run([str(word) for word in command], cwd=folder, stdin=subprocess.DEVNULL, capture_output=True,
                          text=True, env={**os.environ, **environment})
    if done.returncode != 0:
        raise RuntimeError(f"{' '.join(map(str, command))} failed:\n{done.stdout}{done.stderr}")


def built(name, source, files, build, version=""):
    """The folder that build(folder) has filled, for copies of these files of the folder `source`."""
    digest = hashlib.sha256(version.encode())
    for file in files:
        digest.update(file.encode() + b"\0" + (source / file).read_bytes())
    root = cache_folder()
    root.mkdir(parents=True, exist_ok=True)
    target = root / f"{name}-{digest.hexdigest()[:16]}"
    with open(root / f"{name}.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not target.is_dir():
            with tempfile.TemporaryDirectory(dir=root) as scratch:
                folder = Path(scratch) / name
                folder.mkdir()
                for file in files:
                    (folder / file).parent.mkdir(parents=True, exist_ok=True)
                    shutil.copy(source / file, folder / file)
                build(folder)
                os.rename(folder, target)
    return target


def sdk_python():
    return ["env", f"PYTHONPATH={python_sdk.site_packages()}", sys.executable, "-B", HERE / "sdk" / "python" / "main.py"]


def sdk_javascript():
    # Its one script after the installation, protobufjs's, is not needed.
    folder = built("sdk-javascript", HERE / "sdk" / "javascript", ["package.json", "package-lock.json", "main.js"],
                   lambda at: run(["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund"], at))
    return ["node", folder / "main.js"]


def browser():
    """The program that uses the page of examples/image in Debian's Chromium."""
    folder = built("browser", HERE / "browser", ["package.json", "package-lock.json", "image.js"],
                   lambda at: run(["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund"], at))
    return ["node", folder / "image.js"]


def sdk_go():
    folder = built("sdk-go", HERE / "sdk" / "go", ["go.mod", "go.sum", "main.go"],
                   lambda at: run(["go", "build", "-o", "sdk", "."], at))
    return [folder / "sdk"]


def pluggable():
    """Components on Dapr's Go SDK for them; their sockets are where DAPR_COMPONENT_SOCKETS_FOLDER says."""
    folder = built("pluggable", HERE / "pluggable", ["go.mod", "go.sum", "main.go"],
                   lambda at: run(["go", "build", "-o", "parts", "."], at))
    return [folder / "parts"]


def sdk_java():
    def build(folder):
        run(["mvn", "-B", "-q", "dependency:copy-dependencies", "-DincludeScope=runtime", "-DoutputDirectory=jars"], folder)
        run(["javac", "-d", "classes", "-cp", "jars/*", "Sdk.java"], folder)

    folder = built("sdk-java", HERE / "sdk" / "java", ["pom.xml", "Sdk.java"], build)
    return ["java", "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", "-cp", f"{folder}/classes:{folder}/jars/*", "tandem.Sdk"]


def wasmtime():
    """Takes the path of a component with wasi:cli/run."""
    folder = built("wasmtime", HERE / "runtimes", ["wasmtime_run.py"],
                   lambda at: run([sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check",
                                   "--no-compile", "--target", at / "packages", WASMTIME], at), WASMTIME)
    return ["env", f"PYTHONPATH={folder}/packages", sys.executable, "-B", folder / "wasmtime_run.py"]


def wazero():
    """The host with its guest."""
    def build(folder):
        run(["go", "build", "-o", "host", "."], folder)
        run(["go", "build", "-ldflags=-s -w", "-o", "guest.wasm", "./guest"], folder, GOOS="wasip1", GOARCH="wasm")

    folder = built("wazero", HERE / "runtimes" / "wazero", ["go.mod", "go.sum", "main.go", "guest/main.go"], build)
    return [folder / "host", folder / "guest.wasm"]
