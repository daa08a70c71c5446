#!/bin/sh
# Builds the engine's static library with cargo and puts it at OUT.
# Usage: build_engine.sh CACHE OUT [SANITIZERS]      (CACHE: folder for cargo's output, shared by all clones)
set -eu
cache=$1 out=$2 sanitizers=${3:-}
cd "$(dirname "$0")/../engine"
CARGO_TARGET_DIR=$cache/engine
case ",$sanitizers," in
  # Wasmtime switches stacks; AddressSanitizer has to be told, which the crate does when it is built with it.
  *,address,*)
    CARGO_TARGET_DIR=$cache/engine-asan
    export RUSTC_BOOTSTRAP=1 RUSTFLAGS="-Zsanitizer=address"
    target=x86_64-unknown-linux-gnu ;;
  *) target= ;;
esac
export CARGO_TARGET_DIR
mkdir -p "$CARGO_TARGET_DIR"
# The lock keeps two clones from exchanging each other's library between the build and the copy.
exec 9>"$CARGO_TARGET_DIR/tandem.lock"
flock 9
cargo build --release --locked ${target:+--target "$target"} -p tandem-engine
cp "$CARGO_TARGET_DIR/${target:+$target/}release/libtandem_engine.a" "$out.tmp"
mv "$out.tmp" "$out"
