#!/usr/bin/env bash
# Traefik in front of doorward, with deployment/traefik.
. "$(dirname "$0")/../lib.sh"
. "$INTEROP/proxies/guest.sh"

PROGRAM=$("$ROOT/tests/tools/get_program.py" traefik) || give_up "Traefik cannot be had"
proxy_journey traefik "$PROGRAM"
