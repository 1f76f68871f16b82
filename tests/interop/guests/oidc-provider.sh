#!/usr/bin/env bash
# npm's certified oidc-provider signs people in to Doorward: an OpenID provider that nobody here wrote.
. "$(dirname "$0")/../lib.sh"

HOME_DIR=$CACHE/oidc-provider
DATA=$(mktemp -d "$CACHE/oidc-provider-data.XXXXXX")
pids=()
cleanup() {
  for pid in "${pids[@]}"; do end "$pid"; done
  rm -rf "$DATA"
}
trap cleanup EXIT

command -v node >/dev/null || need_packages nodejs
command -v npm >/dev/null || need_packages npm
[ "$(node -p 'process.versions.node.split(".")[0]')" -ge 20 ] || give_up "node 20 or newer is needed, this is $(node --version)"

# Installed once for each state of the lock file, whose hashes npm checks.
mkdir -p "$HOME_DIR"
cp "$INTEROP"/oidc-provider/{package.json,package-lock.json,server.js} "$HOME_DIR/"
if ! cmp -s "$HOME_DIR/package-lock.json" "$HOME_DIR/installed.json"; then
  step "npm ci"
  (cd "$HOME_DIR" && quietly "$CACHE/npm.log" npm ci --ignore-scripts --no-audit --no-fund) || give_up "npm ci"
  cp "$HOME_DIR/package-lock.json" "$HOME_DIR/installed.json"
fi

doorward_binary

PORT=$(free_port)
PROVIDER_PORT=$(free_port)
URL=http://localhost:$PORT
step "oidc-provider on port $PROVIDER_PORT, doorward on port $PORT"
node "$HOME_DIR/server.js" "$PROVIDER_PORT" "$URL" >"$CACHE/oidc-provider.log" 2>&1 &
pids+=($!)
# First: a gateway that found nobody there asks again only after a pause.
wait_for 30 curl -sf "http://127.0.0.1:$PROVIDER_PORT/.well-known/openid-configuration" \
  || { tail -n 20 "$CACHE/oidc-provider.log"; give_up "oidc-provider does not start"; }
env DOORWARD_DATA_DIR="$DATA" DOORWARD_SERVER_LISTEN="127.0.0.1:$PORT" DOORWARD_SERVER_EXTERNAL_URL="$URL" \
  DOORWARD_OPS_LISTEN=none DOORWARD_PROVIDERS_NPM_KIND=oidc DOORWARD_PROVIDERS_NPM_CLIENT_ID=doorward \
  DOORWARD_PROVIDERS_NPM_CLIENT_SECRET='a secret of the interop test: +/%&=' \
  DOORWARD_PROVIDERS_NPM_ISSUER="http://127.0.0.1:$PROVIDER_PORT" \
  "$DOORWARD" serve >"$CACHE/oidc-provider-doorward.log" 2>&1 &
pids+=($!)
wait_for 30 curl -sf "http://127.0.0.1:$PORT/healthz" \
  || { tail -n 20 "$CACHE/oidc-provider-doorward.log"; give_up "doorward does not start"; }

python3 "$INTEROP/oidc-provider/journey.py" "$URL" "http://127.0.0.1:$PROVIDER_PORT"
