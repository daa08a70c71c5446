#!/usr/bin/env bash
# Builds a real daprd from the Go module proxy, once, into the cache, and prints the path of its program. It is the
# referee of the wire tests and the peer of the benchmarks; nothing that Tandem ships contains it.
#
# Usage: build.sh          stable components: about 13 min on two cores, 130 MB
#        build.sh --all    every component, WebAssembly ones too: 230 MB
#
# go.mod and go.sum beside it say what is fetched: `go install` refuses daprd's own, which has replacements.
set -euo pipefail
cache=${TANDEM_CACHE:-$HOME/.cache/tandem}
version=1.18.1

case ${1:-} in
  "") tags=stablecomponents name=daprd ;;
  --all) tags=allcomponents name=daprd-all ;;
  *)
    sed -n '2,/^set/p' "$0" | grep '^#' >&2
    exit 1
    ;;
esac

folder=$cache/daprd
program=$folder/$version/$name
mkdir -p "$folder/$version"
# Two clones may ask at once: the second waits, and finds it built.
exec 9>"$folder/lock"
flock 9
if [ ! -x "$program" ]; then
  cd "$(dirname "${BASH_SOURCE[0]}")"
  echo "daprd $version ($tags): fetching its modules" >&2
  total=$(go list -mod=readonly -tags "$tags" -deps github.com/dapr/dapr/cmd/daprd | wc -l)
  echo "compiling up to $total packages" >&2
  info=github.com/dapr/dapr/pkg/buildinfo
  # -v names each package when it is compiled; a line in fifty is enough.
  go build -v -mod=readonly -trimpath -tags "$tags" -ldflags "-s -w -X $info.version=$version" -o "$program.$$" \
    github.com/dapr/dapr/cmd/daprd 2>&1 | awk -v total="$total" '
      /^[a-z0-9.-]+(\/|$)/ && !/: / { if (++done % 50 == 0) print done " of " total " packages: " $0 > "/dev/stderr"; next }
      { print > "/dev/stderr" }'
  mv "$program.$$" "$program"
fi
# Where others look, whatever the version is.
ln -sfn "$version/$name" "$folder/$name"
echo "$program"
