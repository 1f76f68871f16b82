#!/usr/bin/env bash
# deployment/kubernetes and deployment/helm in a small cluster: a real API server with its controllers and a real Traefik; pods
# are processes of this machine.
. "$(dirname "$0")/../lib.sh"

TOOLS=$CACHE/kubernetes
RUN=$(mktemp -d "$CACHE/kubernetes-run.XXXXXX")
inside=
cleanup() {
  # All of it is in namespaces that end with their first process.
  [ -z "$inside" ] || kill -9 "$inside" 2>/dev/null || true
  rm -rf "$CACHE/kubernetes-logs"
  mkdir -p "$CACHE/kubernetes-logs"
  cp "$RUN"/*.log "$RUN"/logs/*.log "$CACHE/kubernetes-logs/" 2>/dev/null || true
  rm -rf "$RUN"
}
trap cleanup EXIT

[ "$(id -u)" = 0 ] || give_up "root is needed: each pod gets a network and a file system of its own"
for program in ip=iproute2 unshare=util-linux setpriv=util-linux redis-server=redis-server redis-cli=redis-tools openssl=openssl curl=curl; do
  command -v "${program%%=*}" >/dev/null || need_packages "${program#*=}"
done
command -v go >/dev/null || give_up "Go 1.26 or newer is needed, to compile the Kubernetes API server"

mkdir -p "$TOOLS"
exec 9>"$CACHE/kubernetes.lock"
flock -w 900 9 || give_up "another run uses .cache/interop/kubernetes"
step "Kubernetes, etcd and Helm (compiled the first time: minutes)"
for part in kubernetes etcd helm traefik; do
  quietly "$TOOLS/build-$part.log" "$INTEROP/kubernetes/build.sh" "$part" "$TOOLS" || give_up "$part cannot be had; $(go version)"
done
TRAEFIK=$("$ROOT/tests/tools/get_program.py" traefik) || give_up "Traefik cannot be had"

doorward_binary
beside=$(dirname "$DOORWARD")
if [ ! -x "$beside/foo" ] || [ ! -x "$beside/idp" ]; then
  step "compiling the sample service and the stand-in provider"
  (cd "$ROOT" && cargo build --quiet --locked --package foo --package idp) || give_up "cargo build"
fi

unshare --net --mount --pid --fork --kill-child --mount-proc bash "$INTEROP/kubernetes/inside.sh" "$RUN" "$TOOLS" \
  doorward="$DOORWARD" foo="$beside/foo" idp="$beside/idp" traefik="$TRAEFIK" &
inside=$!
status=0
wait "$inside" || status=$?
inside=
exit "$status"
