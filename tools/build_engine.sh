#!/bin/sh
# Builds the engine's static library with cargo and puts it at OUT.
# Usage: build_engine.sh CACHE OUT [SANITIZERS]      (CACHE: folder for cargo's output, shared by all clones)
#
# The library is kept by a hash over all that goes into it, so that a clone whose engine was built before, in whatever
# folder, only copies it: inlining across all of Wasmtime takes minutes.
set -eu
cache=$1 out=$2 sanitizers=${3:-}
cd "$(dirname "$0")/../engine"
CARGO_TARGET_DIR=$cache/engine
target=
case ",$sanitizers," in
  # Wasmtime switches stacks; AddressSanitizer has to be told, which the crate does when it is built with it.
  *,address,*)
    CARGO_TARGET_DIR=$cache/engine-asan
    export RUSTC_BOOTSTRAP=1 RUSTFLAGS="-Zsanitizer=address"
    target=x86_64-unknown-linux-gnu ;;
esac
export CARGO_TARGET_DIR
mkdir -p "$CARGO_TARGET_DIR" "$cache/engine-libraries"

key=$( (rustc -vV; echo "$target ${RUSTFLAGS:-}"; find . \( -name target -o -name tests \) -prune -o -type f \( -name '*.rs' -o -name '*.toml' \
  -o -name Cargo.lock \) -print | LC_ALL=C sort | while read -r file; do echo "$file"; cat "$file"; done) | sha256sum | cut -c1-32)
kept=$cache/engine-libraries/$key.a

# The lock keeps two clones from exchanging each other's library between the build and the copy.
exec 9>"$CARGO_TARGET_DIR/tandem.lock"
flock 9
if [ ! -f "$kept" ]; then
  cargo build --release --locked ${target:+--target "$target"} -p tandem-engine
  cp "$CARGO_TARGET_DIR/${target:+$target/}release/libtandem_engine.a" "$kept.tmp"
  mv "$kept.tmp" "$kept"
  # The newest few are enough.
  ls -t "$cache/engine-libraries"/*.a | tail -n +5 | xargs -r rm -f
fi
cp "$kept" "$out.tmp"
mv "$out.tmp" "$out"
