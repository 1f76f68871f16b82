#!/usr/bin/env bash
# Envoy in front of doorward, with deployment/envoy.
. "$(dirname "$0")/../lib.sh"
. "$INTEROP/proxies/guest.sh"

PROGRAM=$("$ROOT/tests/tools/get_program.py" envoy) || give_up "Envoy cannot be had"
proxy_journey envoy "$PROGRAM"
