#!/usr/bin/env bash
# build.sh kubernetes|etcd|helm|traefik DIR: one of the programs of the test into DIR/bin (of Traefik: its definitions into DIR).
#
# Compiled from their Go modules, whose digests Go checks by its checksum database. What is there in the version that is
# wanted is not built again.
set -euo pipefail

KUBERNETES=1.36.3
ETCD=3.6.16
HELM=4.3.1
TRAEFIK=3.7.13

dir=$2
export CGO_ENABLED=0 GOFLAGS="-buildvcs=false -trimpath -modcacherw" GOBIN=$dir/bin

# The API server, the controllers behind it, and kubectl.
kubernetes() {
  # k8s.io/kubernetes asks for its parts at v0.0.0; each is published as v0.MINOR.PATCH.
  local parts=v0.${KUBERNETES#1.} version=k8s.io/component-base/version theirs program programs=()
  go mod download "k8s.io/kubernetes@v$KUBERNETES"
  theirs=$(go env GOMODCACHE)/cache/download/k8s.io/kubernetes/@v/v$KUBERNETES.mod
  {
    printf 'module tools\n\n'
    grep -E '^(go|godebug) ' "$theirs"
    printf '\nrequire k8s.io/kubernetes v%s\n\nreplace (\n' "$KUBERNETES"
    grep -oE '^\s+k8s.io/[a-z0-9-]+ v0\.0\.0( |$)' "$theirs" | awk -v at="$parts" '{ print "\t" $1 " => " $1 " " at }' | sort -u
    printf ')\n'
  } >go.mod
  for program in kube-apiserver kube-controller-manager kubectl; do programs+=("k8s.io/kubernetes/cmd/$program"); done
  { printf '//go:build tools\n\npackage tools\n\nimport (\n'; printf '\t_ "%s"\n' "${programs[@]}"; printf ')\n'; } >tools.go
  go mod tidy
  go build -o "$GOBIN/" -ldflags "-s -w -X $version.gitVersion=v$KUBERNETES -X $version.gitMajor=1 -X $version.gitMinor=${parts:3:2}" \
    "${programs[@]}"
}

etcd() {
  [ -f go.mod ] || go mod init tools
  go get "go.etcd.io/etcd/server/v3@v$ETCD"
  go build -ldflags '-s -w' -o "$GOBIN/etcd" go.etcd.io/etcd/server/v3
}

helm() { go install -ldflags '-s -w' "helm.sh/helm/v4/cmd/helm@v$HELM"; }

# What Traefik's users apply to their cluster first: its resource definitions, and what it may read.
traefik() {
  local module=github.com/traefik/traefik/v3@v$TRAEFIK
  go mod download "$module"
  install -m 644 "$(go env GOMODCACHE)/$module"/docs/content/reference/dynamic-configuration/kubernetes-crd-{definition-v1,rbac}.yml "$dir/"
}

wanted=${1^^}
wanted="${!wanted} by $(go env GOVERSION)"
[ "$(cat "$dir/$1.version" 2>/dev/null)" != "$wanted" ] || exit 0
mkdir -p "$dir/src/$1" "$GOBIN"
cd "$dir/src/$1"
"$1"
echo "$wanted" >"$dir/$1.version"
