# Building, testing and running. Sourced by ./dev.

# The objects that ccache keeps are shared by all clones: paths below the clone do not count.
export CCACHE_BASEDIR=$ROOT CCACHE_NOHASHDIR=1
export CCACHE_SLOPPINESS=pch_defines,time_macros,include_file_mtime,include_file_ctime

readonly PRESETS=(release dev asan tsan)

check_preset() {
  case " ${PRESETS[*]} " in *" $1 "*) ;; *) fail "there is no preset \"$1\" (there are: ${PRESETS[*]})" ;; esac
}

# As many compilers as there are cores, but no more than fit in memory: the largest sources take 1.5 GB.
job_count() {
  local cores memory
  cores=$(nproc)
  memory=$(awk '/MemAvailable/ { print int($2 / 1536 / 1024) }' /proc/meminfo)
  [ "$memory" -ge 1 ] || memory=1
  echo $((cores < memory ? cores : memory))
}

# configure FOLDER PRESET [CMAKE ARG...]: ninja itself runs CMake again when its files have changed.
configure() {
  local folder=$1 preset=$2
  shift 2
  [ ! -f "$folder/build.ninja" ] || return 0
  mkdir -p "$folder"
  cmake --preset "$preset" -B "$folder" -DTANDEM_CACHE="$TANDEM_CACHE" "$@" >"$folder/configure.log" 2>&1 || {
    cat "$folder/configure.log" >&2
    fail "CMake could not configure $folder"
  }
}

# compile FOLDER TARGET...: a line now and then where there is no terminal to draw on.
compile() {
  local folder=$1
  shift
  if [ -t 1 ]; then
    ninja -C "$folder" -j "$(job_count)" "$@"
  else
    ninja -C "$folder" -j "$(job_count)" "$@" 2>&1 | python3 -u tools/dev/progress.py
  fi
}

# The engine is the same library for every preset but asan; cargo keeps its output in the cache.
engine_title() {
  local built=$TANDEM_CACHE/engine/release/libtandem_engine.a
  [ "$1" != asan ] || built=$TANDEM_CACHE/engine-asan/x86_64-unknown-linux-gnu/release/libtandem_engine.a
  if [ -f "$built" ]; then echo "engine (Rust, Wasmtime)"; else echo "engine (Rust, Wasmtime): 5 to 9 min the first time on two cores"; fi
}

# steps_build PRESET TARGET...: three steps of a plan.
steps_build() {
  local preset=$1
  shift
  step "configuring build/$preset" configure "build/$preset" "$preset"
  step "$(engine_title "$preset")" compile "build/$preset" tandem_engine_build
  step "Tandem (C++): several minutes the first time" compile "build/$preset" "$@"
}

command_build() {
  local preset=${1:-release}
  [ $# -le 1 ] || fail "usage: ./dev build [preset]"
  check_preset "$preset"
  plan 5
  prepare
  steps_build "$preset" tandem
  say "built $ROOT/build/$preset/tandem"
}

command_guests() {
  plan 3
  prepare
  step "guests" python3 -u tools/guests.py "$@"
  say "built into $ROOT/build/guests"
}

command_test() {
  local preset=dev
  if [ "${1:-}" = -p ]; then
    preset=${2:-}
    shift 2 || fail "usage: ./dev test [-p preset] [filter]"
  fi
  [ $# -le 1 ] || fail "usage: ./dev test [-p preset] [filter]"
  check_preset "$preset"
  plan 7
  prepare
  step "guests (Rust, Go, JavaScript): about 3 min the first time" python3 -u tools/guests.py
  steps_build "$preset" tests
  steps_done=$((steps_done + 1))
  say "[$steps_done/$steps_total] tests"
  exec ctest --test-dir "build/$preset" --output-on-failure --no-tests=error -j "$(nproc)" ${1:+-R "$1"}
}

# run [EXAMPLE] [ARGS...]: the first word is an example when it is no flag.
command_run() {
  local example=shop guests
  if [[ ${1:-} == [!-]* ]]; then
    example=$1
    shift
  fi
  [ -f "examples/$example/run.py" ] || fail "there is no example \"$example\" (there are: $(cd examples && echo */run.py | sed 's|/run.py||g'))"
  mapfile -t guests < <(sed -n 's|^ *module: .*/\(.*\)\.wasm$|\1|p' "examples/$example/tandem.yaml")
  plan 6
  prepare
  step "guests (${guests[*]}): about 3 min the first time" python3 -u tools/guests.py "${guests[@]}"
  steps_build release tandem
  export TANDEM_BINARY=$ROOT/build/release/tandem TANDEM_GUESTS=$ROOT/build/guests
  exec python3 -u "examples/$example/run.py" "$@"
}

# The script prints the program's path, and how far it is.
command_daprd() {
  plan 3
  prepare
  step "daprd: about a quarter of an hour the first time on two cores" tools/daprd/build.sh "$@"
}

command_wire() {
  plan 6
  prepare
  step "guests" python3 -u tools/guests.py echo
  steps_build dev tandem
  export TANDEM_BINARY=$ROOT/build/dev/tandem TANDEM_GUESTS=$ROOT/build/guests TANDEM_SOURCE=$ROOT
  exec python3 -u -B tests/wire/run.py "$@"
}

command_bench() {
  local name=${1:-} script
  if [ -z "$name" ]; then
    say "benchmarks (./dev bench <name>):"
    find bench -maxdepth 1 \( -name '*.sh' -o -name '*.py' \) -printf '  %f\n' | sed 's/\.[a-z]*$//' | sort
    return
  fi
  shift
  script=$(find bench -maxdepth 1 \( -name "$name.sh" -o -name "$name.py" \) -print -quit)
  [ -n "$script" ] || fail "there is no bench/$name.sh or bench/$name.py"
  plan 7
  prepare
  step "tools for load" install_packages "${BENCH_PACKAGES[@]}"
  step "guests" python3 -u tools/guests.py
  steps_build release all
  export TANDEM_BINARY=$ROOT/build/release/tandem TANDEM_GUESTS=$ROOT/build/guests TANDEM_BUILD=$ROOT/build/release
  case $script in *.py) exec python3 -u "$script" "$@" ;; *) exec bash "$script" "$@" ;; esac
}

# Every tests/fuzz/<room>_<what>_fuzz.cc is a target; its corpus is tests/fuzz/corpus/<room>_<what>. What it finds and what
# it learns goes to build/fuzz, never into the corpus by itself.
command_fuzz() {
  local seconds=60 name names=() findings
  if [ "${1:-}" = -t ]; then
    seconds=${2:-}
    shift 2 || fail "usage: ./dev fuzz [-t seconds] [name...]"
  fi
  names=("$@")
  if [ ${#names[@]} = 0 ]; then
    mapfile -t names < <(find tests/fuzz -name '*_fuzz.cc' -printf '%f\n' | sed 's/_fuzz\.cc$//' | sort)
  fi
  [ ${#names[@]} -gt 0 ] || fail "there are no fuzz targets in tests/fuzz"
  plan $((4 + ${#names[@]} * 2))
  prepare
  step "configuring build/fuzz" configure build/fuzz asan -DTANDEM_SANITIZE=address,undefined,fuzzer-no-link
  step "$(engine_title asan)" compile build/fuzz tandem_engine_build
  for name in "${names[@]}"; do
    step "building $name" compile build/fuzz "${name}_fuzz"
    findings=build/fuzz/findings/$name
    mkdir -p "$findings" "build/fuzz/corpus/$name" "tests/fuzz/corpus/$name"
    step "fuzzing $name for $seconds s" "build/fuzz/tests/${name}_fuzz" -max_total_time="$seconds" -timeout=10 -rss_limit_mb=2048 \
      -print_final_stats=1 -artifact_prefix="$findings/" "build/fuzz/corpus/$name" "tests/fuzz/corpus/$name"
  done
}

command_clean() {
  case ${1:-} in
    "") rm -rf build .tandem ;;
    --cache)
      rm -rf build .tandem
      # Only what ./dev itself put there.
      rm -rf "$TANDEM_CACHE"/{daprd,engine,environments,engine-asan,guestkit,guests,guests-rust,guests-go,guests-js,guests.lock,inputs,npm,peers,python,rust-debian} \
        "$TANDEM_CACHE"/toolchains-*.sh "$TANDEM_CACHE"/go-[0-9]* "$TANDEM_CACHE"/node-[0-9]*
      ;;
    *) fail "usage: ./dev clean [--cache]" ;;
  esac
}
