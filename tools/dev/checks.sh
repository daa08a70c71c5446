# Formatting and linting. Sourced by ./dev.

cpp_sources() { git ls-files --cached --others --exclude-standard -- '*.h' '*.cc' | while read -r f; do [ ! -f "$f" ] || echo "$f"; done; }
go_sources() { git ls-files --cached --others --exclude-standard -- '*.go' | while read -r f; do [ ! -f "$f" ] || echo "$f"; done; }
readonly CARGO_WORKSPACES=(engine tests/guests tools/guestkit examples/shop/checkout examples/image)

# Those that are there and have all their members.
cargo_workspaces() {
  local folder
  for folder in "${CARGO_WORKSPACES[@]}"; do
    [ ! -f "$folder/Cargo.toml" ] || echo "$folder"
  done
}

command_fmt() {
  local folder
  plan 2
  prepare
  cpp_sources | xargs -r clang-format-19 -i
  while read -r folder; do (cd "$folder" && cargo fmt --all); done < <(cargo_workspaces)
  go_sources | xargs -r gofmt -w
}

lint_format() {
  local folder unformatted
  cpp_sources | xargs -r clang-format-19 --dry-run -Werror || return 1
  if cargo fmt --version >/dev/null 2>&1; then
    while read -r folder; do (cd "$folder" && cargo fmt --all --check) || return 1; done < <(cargo_workspaces)
  else
    note "skipped: cargo fmt is not installed (rustup component add rustfmt)"
  fi
  unformatted=$(go_sources | xargs -r gofmt -l)
  [ -z "$unformatted" ] || { echo "not formatted: $unformatted"; return 1; }
}

lint_scripts() {
  local file
  for file in dev .ci/run tools/*.sh tools/daprd/*.sh tools/dev/*.sh; do bash -n "$file" || return 1; done
  python3 - $(git ls-files --cached --others --exclude-standard -- '*.py') <<'PYTHON'
import ast, os, sys
for path in sys.argv[1:]:
    if os.path.exists(path):
        with open(path, encoding="utf-8") as file:
            ast.parse(file.read(), path)
PYTHON
}

# lint_tidy all: every source. lint_tidy changed: those that differ from the last commit, or from the branch that this
# one will go to when there is one.
lint_tidy() {
  local base=HEAD changed
  if [ "$1" = all ]; then
    changed=$(cpp_sources | grep '\.cc$')
  else
    ! git rev-parse -q --verify origin/main >/dev/null || base=$(git merge-base HEAD origin/main)
    changed=$({ git diff --name-only --diff-filter=d "$base" -- '*.cc'; git ls-files --others --exclude-standard -- '*.cc'; } | sort -u)
  fi
  [ -n "$changed" ] || { note "no C++ source has changed"; return 0; }
  [ -f build/dev/compile_commands.json ] || fail "clang-tidy reads build/dev/compile_commands.json: run ./dev build dev first"
  # A source that the build does not know (a fuzz target in a build without the fuzzer) cannot be read without its flags.
  changed=$({ grep -F -f <(sed 's/$/"/' <<<"$changed") build/dev/compile_commands.json | sed -n 's/^ *"file": "\(.*\)",\{0,1\}$/\1/p' | sort -u; } || true)
  [ -n "$changed" ] || { note "no changed source is part of build/dev"; return 0; }
  # Sources that use a precompiled header need it built.
  xargs -r -n 1 -P "$(nproc)" clang-tidy-19 -p build/dev --quiet 2>/dev/null <<<"$changed"
}

command_lint() {
  local sources=changed
  case ${1:-} in
    "") ;;
    --all) sources=all ;;
    --fast) sources=none ;;
    *) fail "./dev lint takes --all or --fast, not \"$1\"" ;;
  esac
  # The fast form is for a machine that is set up: a test runs it.
  if [ "$sources" = none ]; then plan 3 && find_toolchains; else plan 6 && prepare; fi
  step "format" lint_format
  step "layers and file length" python3 -B tools/check_layers.py
  step "scripts" lint_scripts
  [ "$sources" = none ] || step "clang-tidy on $sources files" lint_tidy "$sources"
  say "clean"
}
