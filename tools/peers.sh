#!/usr/bin/env bash
# Gets a peer that the benchmarks compare with, once, into the cache, and prints the path of its program.
#
# Usage: peers.sh wasmtime       the command line tool of the engine's own version: about 8 min on two cores
set -euo pipefail
cache=${TANDEM_CACHE:-$HOME/.cache/tandem}

case ${1:-} in
  wasmtime)
    version=48.0.8
    program=$cache/peers/wasmtime-$version/bin/wasmtime
    if [ ! -x "$program" ]; then
      echo "building wasmtime $version from crates.io: about 8 min on two cores, once" >&2
      CARGO_TARGET_DIR=$cache/peers/target cargo install wasmtime-cli --version "$version" --locked \
        --root "$cache/peers/wasmtime-$version" >&2
      rm -rf "$cache/peers/target"
    fi
    echo "$program"
    ;;
  *)
    sed -n '2,/^set/p' "$0" | grep '^#' >&2
    exit 1
    ;;
esac
