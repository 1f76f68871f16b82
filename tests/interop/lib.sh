# Shared by the guests: where things are, how a check is said, how a server is started and ended.
# shellcheck shell=bash
set -euo pipefail

ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
INTEROP=$ROOT/tests/interop
CACHE=$ROOT/.cache/interop
mkdir -p "$CACHE"

# One line a check; `run` counts them. The first word is the outcome.
ok() { echo "ok   $*"; }
bad() { echo "FAIL $*"; }
step() { echo "...  $*"; }

# A guest that cannot go on: what is missing is a failure, never skipped in silence.
give_up() { bad "$*"; exit 1; }

# quietly LOG COMMAND…: the command's output goes to the log, and is shown only when it fails.
quietly() {
  local log=$1; shift
  if ! "$@" >"$log" 2>&1; then
    tail -n 40 "$log" | sed 's/^/     | /'
    return 1
  fi
}

# Debian packages, installed once when root; else the missing ones are named.
need_packages() {
  local missing=() package
  for package in "$@"; do
    dpkg-query -W -f='${Status}' "$package" 2>/dev/null | grep -q 'install ok installed' || missing+=("$package")
  done
  [ ${#missing[@]} -eq 0 ] && return
  [ "$(id -u)" = 0 ] || give_up "missing Debian packages (install them, or run as root): ${missing[*]}"
  step "installing ${missing[*]}"
  quietly "$CACHE/apt.log" apt-get update -qq || give_up "apt-get update"
  DEBIAN_FRONTEND=noninteractive quietly "$CACHE/apt.log" \
    apt-get install -y -qq --no-install-recommends "${missing[@]}" || give_up "apt-get install ${missing[*]}"
}

# A port nobody listens on, on loopback.
free_port() { python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'; }

# wait_for SECONDS COMMAND…: until it succeeds.
wait_for() {
  local until=$((SECONDS + $1)); shift
  until "$@" >/dev/null 2>&1; do
    [ "$SECONDS" -lt "$until" ] || return 1
    sleep 0.3
  done
}

# end PID: asks, waits up to 10 s, insists.
end() {
  kill "$1" 2>/dev/null || return 0
  for _ in $(seq 100); do
    kill -0 "$1" 2>/dev/null || return 0
    sleep 0.1
  done
  kill -9 "$1" 2>/dev/null || true
}

# doorward_binary: afterwards $DOORWARD is the program under test, compiled if need be.
doorward_binary() {
  [ -z "${DOORWARD:-}" ] || return 0
  step "compiling doorward"
  (cd "$ROOT" && cargo build --quiet --locked --package doorward --bin doorward) || give_up "cargo build"
  DOORWARD=${CARGO_TARGET_DIR:-$ROOT/target}/debug/doorward
}
