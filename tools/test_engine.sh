#!/bin/sh
# The engine's own tests. Usage: test_engine.sh CACHE build|run
set -eu
cache=$1 action=$2
cd "$(dirname "$0")/../engine"
export CARGO_TARGET_DIR=$cache/engine-tests
mkdir -p "$CARGO_TARGET_DIR"
# One clone at a time: they share the folder, and a test must be this clone's.
exec 9>"$CARGO_TARGET_DIR/tandem.lock"
flock 9
case $action in
  build) exec cargo test --locked --workspace --no-run ;;
  run) exec cargo test --locked --workspace ;;
  *) echo "test_engine.sh: build or run, not $action" >&2; exit 2 ;;
esac
