# What ./dev prints: steps with their number and time, and one clear line when something fails. Sourced by ./dev.

steps_done=0
steps_total=1

# plan N: the command has N steps.
plan() { steps_total=$1 steps_done=0; }

say() { printf '%s\n' "$*"; }

# note TEXT: a line under the step that is running.
note() { printf '      %s\n' "$*"; }

fail() {
  printf './dev: %s\n' "$*" >&2
  exit 1
}

# step TITLE FUNCTION [ARG...]: runs one step of the plan and says how long it took.
step() {
  local title=$1 began=${EPOCHREALTIME/[.,]/} took
  shift
  steps_done=$((steps_done + 1))
  printf '[%d/%d] %s\n' "$steps_done" "$steps_total" "$title"
  "$@"
  took=$(((${EPOCHREALTIME/[.,]/} - began) / 100000))
  # A step that had nothing to do needs no line of its own.
  [ "$took" -lt 10 ] || note "done in $((took / 10)).$((took % 10)) s"
}
