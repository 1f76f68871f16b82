#!/usr/bin/env bash
# deployment/docker-compose.yaml for real: images built, Traefik with its Docker provider, a sign-in through the containers.
. "$(dirname "$0")/../lib.sh"
. "$INTEROP/engine.sh"
. "$INTEROP/images.sh"

COMPOSE=()
cleanup() {
  if [ ${#COMPOSE[@]} -gt 0 ]; then
    "${COMPOSE[@]}" logs --no-color >"$CACHE/compose-containers.log" 2>&1 || true
    # Containers, networks and the data go; images stay, so that the next time is quick.
    "${COMPOSE[@]}" down --volumes --remove-orphans >"$CACHE/compose-down.log" 2>&1 || true
  fi
  leave_engine
}
trap cleanup EXIT

use_engine

# The current Compose with BuildKit, else Debian's older one, which has its own way to BuildKit.
if docker compose version >/dev/null 2>&1 && docker buildx version >/dev/null 2>&1; then
  COMPOSE_COMMAND=(docker compose)
else
  need_packages docker.io docker-compose
  export PATH=/usr/bin:$PATH COMPOSE_DOCKER_CLI_BUILD=1 DOCKER_BUILDKIT=1
  COMPOSE_COMMAND=(docker-compose)
fi

base_images

# Everything that deployment/.env could set is set here, so that the test does not depend on it.
HTTP_PORT=$(free_port)
export HTTP_PORT PUBLIC_URL=http://localhost:$HTTP_PORT PROFILE=${PROFILE:-dev}
export GOOGLE_CLIENT_ID='' GOOGLE_CLIENT_SECRET='' GOOGLE_ALLOWED_DOMAINS=''
export COMPOSE_PROJECT_NAME=doorward-interop
COMPOSE=("${COMPOSE_COMMAND[@]}" -f "$ROOT/deployment/docker-compose.yaml")

step "${COMPOSE_COMMAND[*]} build (PROFILE=$PROFILE; minutes, the first time)"
quietly "$CACHE/compose-build.log" "${COMPOSE[@]}" build || give_up "the images do not build"
ok "the images build"
step "${COMPOSE_COMMAND[*]} up"
quietly "$CACHE/compose-up.log" timeout 180 "${COMPOSE[@]}" up -d || give_up "the services do not start"
ok "the services start, each when those it needs are healthy"

python3 "$INTEROP/compose/journey.py" "$PUBLIC_URL" "${COMPOSE[@]}"
