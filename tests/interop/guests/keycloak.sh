#!/usr/bin/env bash
# A real Keycloak with deployment/keycloak: bearer tokens, sign-in by browser, sign-out at both ends, key rotation.
. "$(dirname "$0")/../lib.sh"
. "$INTEROP/keycloak/fetch.sh"

LOGS=$CACHE

DATA=$(mktemp -d "$CACHE/keycloak-data.XXXXXX")
pids=()
keycloak=
cleanup() {
  for pid in "${pids[@]}"; do end "$pid"; done
  if [ -n "$keycloak" ]; then
    # Its script hands SIGTERM on to Java; should it have to be killed, Java is left in its process group.
    end "$keycloak"
    kill -9 -- "-$keycloak" 2>/dev/null || true
  fi
  rm -rf "$DATA"
}
trap cleanup EXIT

# java_version: 17, 21, …; 0 where there is none.
java_version() {
  "${JAVA_HOME:+$JAVA_HOME/bin/}java" -XshowSettings:properties -version 2>&1 \
    | sed -n 's/.*java\.specification\.version = \([0-9]*\).*/\1/p' | grep . || echo 0
}

# doorward_with NAME PORT VARIABLE=VALUE…: a doorward with these variables, a listener, a folder, and nothing else: no file.
doorward_with() {
  local name=$1 port=$2; shift 2
  mkdir "$DATA/$name"
  env -i DOORWARD_DATA_DIR="$DATA/$name" DOORWARD_SERVER_LISTEN="127.0.0.1:$port" DOORWARD_OPS_LISTEN=none DOORWARD_RATE_LIMIT_FAILURES=0 "$@" \
    "$DOORWARD" serve >"$LOGS/keycloak-$name.audit" 2>"$LOGS/keycloak-$name.log" &
  pids+=($!)
}

[ "$(java_version)" -ge 17 ] || need_packages openjdk-17-jre-headless
[ "$(java_version)" -ge 17 ] || give_up "Java 17 or newer is needed, and JAVA_HOME or PATH leads to Java $(java_version)"
fetch_keycloak
doorward_binary

KEYCLOAK_PORT=$(free_port)
BY_REALM=$(free_port)
BY_DISCOVERY=$(free_port)
BROWSER=$(free_port)
URL=http://127.0.0.1:$KEYCLOAK_PORT
HOME_URL=http://localhost:$BROWSER

step "Keycloak $KEYCLOAK_VERSION on port $KEYCLOAK_PORT (a minute, the first time)"
rm -rf "$HOME_DIR/data"
mkdir -p "$HOME_DIR/data/import"
cp "$ROOT/deployment/keycloak/realm.json" "$HOME_DIR/data/import/"
KC_BOOTSTRAP_ADMIN_USERNAME=admin KC_BOOTSTRAP_ADMIN_PASSWORD=admin JAVA_OPTS_APPEND="-Xmx512m -XX:TieredStopAtLevel=1" \
  DOORWARD_URL=$HOME_URL DOORWARD_BACKCHANNEL_URL=http://127.0.0.1:$BROWSER \
  setsid "$HOME_DIR/bin/kc.sh" start-dev --db dev-mem --http-host 127.0.0.1 --http-port "$KEYCLOAK_PORT" \
  --http-access-log-enabled=true --import-realm >"$LOGS/keycloak.log" 2>&1 &
keycloak=$!

bearer=(KEYCLOAK_URL="$URL" KEYCLOAK_REALM=main KEYCLOAK_AUDIENCE=doorward ROLE_MAPPING_FILE="$ROOT/deployment/keycloak/role_mapping.yaml")
if quietly "$LOGS/keycloak-check.log" env -i "${bearer[@]}" "$DOORWARD" check; then
  ok "three KEYCLOAK_ names and ROLE_MAPPING_FILE are a whole configuration"
else
  bad "doorward check refuses KEYCLOAK_URL, KEYCLOAK_REALM, KEYCLOAK_AUDIENCE and ROLE_MAPPING_FILE alone"
fi

# Up, or not to be waited for any longer.
keycloak_answers() { ! kill -0 "$keycloak" || curl -sf "$URL/realms/main/.well-known/openid-configuration"; }
wait_for 300 keycloak_answers && kill -0 "$keycloak" 2>/dev/null \
  || { tail -n 20 "$LOGS/keycloak.log"; give_up "Keycloak does not start"; }
doorward_with realm "$BY_REALM" "${bearer[@]}"
doorward_with discovery "$BY_DISCOVERY" "${bearer[@]:2}" \
  KEYCLOAK_DISCOVERY_URL="http://localhost:$KEYCLOAK_PORT/realms/main/.well-known/openid-configuration"
doorward_with browser "$BROWSER" "${bearer[@]}" DOORWARD_SERVER_EXTERNAL_URL="$HOME_URL" \
  DOORWARD_PROVIDERS_KEYCLOAK_KIND=oidc DOORWARD_PROVIDERS_KEYCLOAK_ISSUER="$URL/realms/main" \
  DOORWARD_PROVIDERS_KEYCLOAK_CLIENT_ID=doorward DOORWARD_PROVIDERS_KEYCLOAK_CLIENT_SECRET=example-secret-change-me \
  DOORWARD_PROVIDERS_KEYCLOAK_ROLES_CLAIM=realm_access.roles
for port in "$BY_REALM" "$BY_DISCOVERY" "$BROWSER"; do
  wait_for 30 curl -sf "http://127.0.0.1:$port/healthz" || { tail -n 20 "$LOGS"/keycloak-*.log; give_up "doorward does not start"; }
done

python3 "$INTEROP/keycloak/journey.py" "$LOGS" "$KEYCLOAK_PORT" "$BY_REALM" "$BY_DISCOVERY" "$BROWSER"
