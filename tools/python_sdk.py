#!/usr/bin/env python3
"""Dapr's Python SDK for tests, in a cache outside the clone: fetched by version from PyPI the first time.

As a module: site_packages() is the folder to put on sys.path. As a program it prints that folder.

Several tests may ask at once; the first one fetches, the others wait for it. A fetch that was cut off leaves nothing
behind that counts.
"""

import fcntl
import os
import subprocess
import sys
import sysconfig
import tempfile
from pathlib import Path

# What is fetched, with what an app needs that serves gRPC; another first line is another folder.
REQUIREMENTS = ("dapr[grpc]==1.19.0", "grpcio-status")


def cache_folder():
    named = os.environ.get("TANDEM_CACHE")
    return Path(named) if named else Path.home() / ".cache" / "tandem"


def site_packages():
    """The SDK's folder, filled."""
    name = REQUIREMENTS[0].replace("==", "-").replace("[", "-").replace("]", "")
    tag = f"{name}-{sysconfig.get_python_version()}"
    root = cache_folder() / "python"
    root.mkdir(parents=True, exist_ok=True)
    target = root / tag
    if target.is_dir():
        return target
    with open(root / f"{tag}.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not target.is_dir():
            fetch(root, target)
    return target


def fetch(root, target):
    with tempfile.TemporaryDirectory(dir=root) as scratch:
        done = subprocess.run([sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check",
                               "--no-compile", "--target", f"{scratch}/packages", *REQUIREMENTS],
                              capture_output=True, text=True)
        if done.returncode != 0:
            raise RuntimeError(f"Dapr's Python SDK could not be fetched ({' '.join(REQUIREMENTS)}):\n{done.stderr}")
        os.rename(f"{scratch}/packages", target)


if __name__ == "__main__":
    print(site_packages())
