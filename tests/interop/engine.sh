# A Docker engine: the one that runs, else one of our own for the time of the test.
# shellcheck shell=bash

ENGINE_PID=

# use_engine: afterwards `docker` works. An engine of our own keeps its images in the cache and listens on its own
# socket; `leave_engine` ends it.
use_engine() {
  if docker info >/dev/null 2>&1; then
    DOCKER_SOCKET=$(docker context inspect --format '{{.Endpoints.docker.Host}}' 2>/dev/null || true)
    DOCKER_SOCKET=${DOCKER_HOST:-$DOCKER_SOCKET}
    DOCKER_SOCKET=${DOCKER_SOCKET#unix://}
    export DOCKER_SOCKET=${DOCKER_SOCKET:-/var/run/docker.sock}
    step "the Docker engine that runs here ($DOCKER_SOCKET)"
    return
  fi
  need_packages docker.io docker-compose iptables ca-certificates
  [ "$(id -u)" = 0 ] || give_up "no Docker engine runs, and only root may start one"
  local home=$CACHE/engine
  mkdir -p "$home"
  export DOCKER_SOCKET=/run/doorward-interop-docker.sock
  export DOCKER_HOST=unix://$DOCKER_SOCKET
  step "starting a Docker engine (its images stay in .cache/interop/engine)"
  # In a session of its own, so that a Ctrl-C meant for the test lets it be ended in order.
  setsid dockerd --host "$DOCKER_HOST" --data-root "$home/data" --exec-root /run/doorward-interop-docker \
    --pidfile /run/doorward-interop-docker.pid >"$home/dockerd.log" 2>&1 &
  ENGINE_PID=$!
  if ! wait_for 60 docker info; then
    tail -n 20 "$home/dockerd.log" | sed 's/^/     | /'
    give_up "the Docker engine does not start"
  fi
}

leave_engine() {
  [ -n "$ENGINE_PID" ] || return 0
  end "$ENGINE_PID"
  ENGINE_PID=
}
