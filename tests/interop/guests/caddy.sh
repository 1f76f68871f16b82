#!/usr/bin/env bash
# Caddy in front of doorward, with deployment/caddy.
. "$(dirname "$0")/../lib.sh"
. "$INTEROP/proxies/guest.sh"

PROGRAM=$("$ROOT/tests/tools/get_program.py" caddy) || give_up "Caddy cannot be had"
proxy_journey caddy "$PROGRAM"
