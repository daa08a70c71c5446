# Installs what is missing, and says what and why. What is here already and new enough is used. Sourced by ./dev.
#
# Debian packages come from apt; the toolchains that Debian 12 has only too old come from where tools/dev/toolchains.sh
# says. A second run finds everything in place and costs a fraction of a second.

source tools/dev/toolchains.sh

# Why each group is needed stands beside it; `./dev setup` prints it for what it installs.
readonly PACKAGES=(
  "the C++ compiler and its tools: clang-19 lld-19 libclang-rt-19-dev llvm-19 clang-format-19 clang-tidy-19"
  "the build: cmake ninja-build ccache pkg-config git"
  "what Rust crates and the linker need: build-essential"
  "the libraries: libboost1.81-dev libboost-json1.81-dev libboost-url1.81-dev libssl-dev libyaml-cpp-dev libcli11-dev libspdlog-dev libfmt-dev prometheus-cpp-dev libsqlite3-dev libhiredis-dev libnghttp2-dev libpq-dev libldns-dev"
  "Kafka: librdkafka-dev liblz4-dev libzstd-dev libsasl2-dev libre2-dev"
  "gRPC, its gzip, time zones: libgrpc++-dev zlib1g-dev libabsl-dev protobuf-compiler-grpc libprotobuf-dev protobuf-compiler"
  "the tests: libgtest-dev libgmock-dev python3 curl openssl nghttp2-client redis-server postgresql kcat"
  "the page of examples/image, in a test: chromium"
  "Dapr's Java SDK and a Kafka broker, in tests: openjdk-17-jdk-headless maven"
  "downloads: ca-certificates python3-pip python3-venv"
  "C's library for WebAssembly guests: wasi-libc"
)
readonly BENCH_PACKAGES=("load and profiles: wrk nghttp2-client linux-perf")

# install_packages GROUP...: each "why: package package...".
install_packages() {
  local group package missing=() reasons=() absent
  local -A installed=()
  while read -r package state; do
    [ "$state" = ii ] && installed[$package]=1
  done < <(dpkg-query -W -f '${Package} ${db:Status-Abbrev}\n' ${@#*: } 2>/dev/null || true)
  for group in "$@"; do
    absent=
    for package in ${group#*: }; do
      [ -n "${installed[$package]:-}" ] || absent+=" $package"
    done
    [ -z "$absent" ] || { missing+=($absent) reasons+=("for ${group%%: *}:$absent"); }
  done
  [ ${#missing[@]} -gt 0 ] || return 0
  note "installing Debian packages (a few minutes the first time):"
  printf '        %s\n' "${reasons[@]}"
  # The tests start PostgreSQL with data of their own: no cluster is made, and no server runs on the machine for it.
  local no_cluster=/etc/postgresql-common/createcluster.d/tandem.conf
  case " ${missing[*]} " in
    *" postgresql "*)
      as_root mkdir -p "${no_cluster%/*}"
      as_root sh -c "echo 'create_main_cluster = false' >$no_cluster"
      ;;
  esac
  as_root apt-get update -qq || note "apt-get update failed; trying with the package lists that are here"
  as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null ||
    fail "apt-get could not install: ${missing[*]}"
}

# as_root COMMAND...: as it is for root, through sudo for others.
as_root() {
  if [ "$(id -u)" = 0 ]; then
    "$@" </dev/null
  elif command -v sudo >/dev/null; then
    if [ -t 0 ]; then sudo "$@"; else sudo -n "$@" </dev/null; fi
  else
    fail "needs root for: $* (there is no sudo here; run it as root, then ./dev again)"
  fi
}

check_system() {
  command -v apt-get >/dev/null || fail "needs Debian 12 or a system with its packages (there is no apt-get here)"
  install_packages "${PACKAGES[@]}"
}

# What every command that builds starts with: two steps of its plan.
prepare() {
  mkdir -p "$TANDEM_CACHE"
  step "Debian packages" check_system
  step "Rust, Go and Node" find_toolchains
}

command_setup() {
  [ $# = 0 ] || fail "setup takes no arguments"
  plan 2
  prepare
  say "everything is in place: $(rustc --version), $(go version | cut -d' ' -f3), node $(node --version); cache $TANDEM_CACHE"
}
