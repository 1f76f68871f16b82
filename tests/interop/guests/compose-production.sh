#!/usr/bin/env bash
# deployment/compose for real, by the steps of its README: a folder of one's own, secrets, a certificate, up; then replicas are
# killed and exchanged, and Redis too, while somebody goes on working.
. "$(dirname "$0")/../lib.sh"
. "$INTEROP/compose/setup.sh"

FOLDER=$(mktemp -d "$CACHE/compose-production.XXXXXX")
cleanup() {
  compose_cleanup compose-production
  rm -rf "$FOLDER"
}
trap cleanup EXIT
export COMPOSE_PROJECT_NAME=doorward-production
unset COMPOSE_PROFILES COMPOSE_FILE
compose_setup
have_image registry-1.docker.io redis:7-alpine || stand_in_redis
stand_in_debian          # whoever tries to get at Doorward from the networks around it

# The folder, as an operator makes it. Keycloak's place is taken by the stand-in provider, under the same name and address.
cp -r "$ROOT/deployment/compose/." "$FOLDER"
cd "$FOLDER"
cp .env.example .env
quietly "$CACHE/compose-production-secrets.log" ./make-secrets || give_up "make-secrets"
put() { sed -i "/^#\?$1=/d" .env && echo "$1=$2" >>.env; }
put CERT_RESOLVER ''
put PROVIDER keycloak
put KEYCLOAK_HOST id.example.com
HTTP_PORT=$(free_port)
HTTPS_PORT=$(free_port)
put HTTP_PORT "127.0.0.1:$HTTP_PORT"
put HTTPS_PORT "127.0.0.1:$HTTPS_PORT"
# An authority, and its certificate for all names.
openssl_quietly() { quietly "$CACHE/compose-production-tls.log" openssl "$@"; }
ec=(-newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes)
openssl_quietly req -x509 "${ec[@]}" -days 2 -subj "/CN=Authority of the test" -keyout tls/authority.key -out authority.pem \
  -addext "keyUsage=critical,keyCertSign"
openssl_quietly req "${ec[@]}" -subj "/CN=example.com" -keyout tls/key.pem -out tls/request.pem
printf 'subjectAltName=DNS:auth.example.com,DNS:app.example.com,DNS:id.example.com\n' >tls/names
openssl_quietly x509 -req -in tls/request.pem -CA authority.pem -CAkey tls/authority.key -CAcreateserial -days 2 -extfile tls/names -out tls/cert.pem
rm tls/authority.key tls/request.pem tls/names
chmod 644 authority.pem
# What the README says to write for an authority of one's own.
sed -n '/authority of your own/,/^```$/p' README.md | sed -n '/^services:/,/^```$/p' | sed '$d' >compose.override.yaml
cp "$INTEROP/compose/production-idp.yaml" idp.yaml
IDP_CLIENT_SECRET=$(cat secrets/keycloak_client_secret)
export IDP_CLIENT_SECRET

PLAIN=("${COMPOSE[@]}" -f compose.yaml -f compose.override.yaml)
COMPOSE=("${PLAIN[@]}" -f idp.yaml)
step "${COMPOSE[*]} up"
quietly "$CACHE/compose-production-up.log" timeout 180 "${COMPOSE[@]}" up -d || give_up "the services do not start"
ok "the services start, each when those it needs are healthy"

status=0
python3 "$INTEROP/compose/production.py" "$HTTP_PORT" "$HTTPS_PORT" "${COMPOSE[@]}" || status=1

# The same with the profile `keycloak` instead of the stand-in.
"${COMPOSE[@]}" rm -sf idp >"$CACHE/compose-production-idp.log" 2>&1
COMPOSE=("${PLAIN[@]}")
put COMPOSE_PROFILES redis,keycloak
have_image quay.io quay.io/keycloak/keycloak:26.7.3 || stand_in_keycloak
have_image registry-1.docker.io postgres:17-alpine || stand_in_postgres
step "${COMPOSE[*]} up, with Keycloak"
quietly "$CACHE/compose-production-keycloak-build.log" "${COMPOSE[@]}" build keycloak || give_up "Keycloak's image does not build"
quietly "$CACHE/compose-production-up.log" timeout 300 "${COMPOSE[@]}" up -d || give_up "Keycloak does not start"
python3 "$INTEROP/compose/production_keycloak.py" "$HTTP_PORT" "$HTTPS_PORT" "${COMPOSE[@]}" || status=1
exit $status
