# proxy_journey NAME PROGRAM: doorward behind this proxy, with the files of deployment/NAME.
# shellcheck shell=bash
FOLDER=$(mktemp -d "$CACHE/proxy.XXXXXX")
journey=
cleanup() {
  [ -z "$journey" ] || end "$journey"     # it ends what it started
  rm -rf "$FOLDER"
}
trap cleanup EXIT

proxy_journey() {
  command -v openssl >/dev/null || need_packages openssl
  command -v curl >/dev/null || need_packages curl
  doorward_binary
  if [ ! -x "$(dirname "$DOORWARD")/idp" ]; then
    step "compiling the stand-in provider"
    (cd "$ROOT" && cargo build --quiet --locked --package idp) || give_up "cargo build"
  fi
  export DOORWARD
  python3 "$INTEROP/proxies/journey.py" "$1" "$2" "$FOLDER" "$CACHE" &
  journey=$!
  wait "$journey"
}
