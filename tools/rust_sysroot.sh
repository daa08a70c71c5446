#!/usr/bin/env bash
# Debian's rustc-web in a folder of its own, with a standard library for WebAssembly guests.
#
# For machines whose Rust is too old or has no library for guests and whose rustup cannot download one. Debian builds Rust
# for its browsers; the packages are unpacked and not installed, because they conflict with Debian's rustc and rustup.
#
# Usage: rust_sysroot.sh unpack DIR           DIR/bin/rustc and DIR/bin/cargo
#        rust_sysroot.sh std DIR TARGET...    the standard library for each target, from rust-web-src, about 90 s each
set -euo pipefail

unpack() {
  local dir=$1 library name
  mkdir -p "$dir/debs" "$dir/root" "$dir/bin"
  library=$(apt-cache depends libstd-rust-web-dev | sed -n 's/^ *Depends: \(libstd-rust-web-[0-9.]*\)$/\1/p')
  [ -n "$library" ] || { echo "apt knows no libstd-rust-web package" >&2; return 1; }
  local llvm
  llvm=$(apt-cache depends "$library" rustc-web | sed -n 's/^ *Depends: \(libllvm[0-9.]*\)$/\1/p' | sort -u)
  (cd "$dir/debs" && apt-get download rustc-web cargo-web libstd-rust-web-dev "$library" rust-web-src $llvm)
  for name in "$dir"/debs/*.deb; do dpkg -x "$name" "$dir/root"; done
  rm -rf "$dir/debs"
  for name in rustc cargo; do
    cat >"$dir/bin/$name.new" <<WRAPPER
#!/bin/sh
root=\$(dirname "\$(readlink -f "\$0")")/../root/usr
LD_LIBRARY_PATH=\$root/lib/$(dpkg-architecture -qDEB_HOST_MULTIARCH)\${LD_LIBRARY_PATH:+:\$LD_LIBRARY_PATH} exec "\$root/bin/$name" "\$@"
WRAPPER
    chmod +x "$dir/bin/$name.new"
    mv "$dir/bin/$name.new" "$dir/bin/$name"
  done
  "$dir/bin/rustc" --version
}

build_std() {
  local dir=$1 target library cargo
  shift
  # Any cargo will do; the unpacked one where there is no other.
  cargo=$(command -v cargo || echo "$dir/bin/cargo")
  mkdir -p "$dir/std/src"
  printf '[package]\nname = "std-for-guests"\nversion = "0.0.0"\nedition = "2021"\n\n[workspace]\n' >"$dir/std/Cargo.toml"
  echo '#![no_std]' >"$dir/std/src/lib.rs"
  for target in "$@"; do
    library=$dir/root/usr/lib/rustlib/$target/lib
    if compgen -G "$library/libstd-*.rlib" >/dev/null; then continue; fi
    mkdir -p "$library/self-contained"
    case $target in
      *wasip*) cp /usr/lib/wasm32-wasi/{crt1-command.o,crt1-reactor.o,libc.a} "$library/self-contained/" ;;
    esac
    # Bitcode is embedded so that guests can be built with lto.
    (cd "$dir/std" && RUSTC=$dir/bin/rustc RUSTC_BOOTSTRAP=1 RUSTFLAGS=-Cembed-bitcode=yes \
      "$cargo" build --release --target "$target" -Zbuild-std=std,panic_abort)
    find "$dir/std/target/$target/release/deps" -name '*.rlib' ! -name 'libstd_for_guests*' -exec cp {} "$library/" \;
  done
}

action=${1:-} dir=${2:-}
[ -n "$dir" ] || { sed -n '2,/^set/p' "$0" | grep '^#' >&2; exit 1; }
mkdir -p "$dir"
dir=$(cd "$dir" && pwd)
shift 2
case $action in
  unpack) unpack "$dir" ;;
  std) build_std "$dir" "$@" ;;
  *) echo "rust_sysroot.sh: there is no action \"$action\"" >&2; exit 1 ;;
esac
