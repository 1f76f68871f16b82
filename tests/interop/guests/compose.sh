#!/usr/bin/env bash
# deployment/docker-compose.yaml for real: images built, Traefik with its Docker provider, a sign-in through the containers.
. "$(dirname "$0")/../lib.sh"
. "$INTEROP/compose/setup.sh"

trap 'compose_cleanup compose' EXIT
# Everything that deployment/.env could set is set here, so that the test does not depend on it.
HTTP_PORT=$(free_port)
export HTTP_PORT PUBLIC_URL=http://localhost:$HTTP_PORT
export GOOGLE_CLIENT_ID='' GOOGLE_CLIENT_SECRET='' GOOGLE_ALLOWED_DOMAINS=''
export COMPOSE_PROJECT_NAME=doorward-interop
dockerfiles_are_clean
compose_setup
COMPOSE+=(-f "$ROOT/deployment/docker-compose.yaml")

step "${COMPOSE[*]} up"
quietly "$CACHE/compose-up.log" timeout 180 "${COMPOSE[@]}" up -d || give_up "the services do not start"
ok "the services start, each when those it needs are healthy"

python3 "$INTEROP/compose/journey.py" "$PUBLIC_URL" "${COMPOSE[@]}"
