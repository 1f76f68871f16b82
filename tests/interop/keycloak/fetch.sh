# Keycloak's own archive from Maven Central, pinned by its digest: afterwards it is in $HOME_DIR.
# shellcheck shell=bash
KEYCLOAK_VERSION=26.7.3
KEYCLOAK_SHA256=27a6535553c3cdcd083872ba40629efafb3475e3b758e0c6f691395561dd0f1f
PLUGIN=org.apache.maven.plugins:maven-dependency-plugin:3.8.1
ZIP=keycloak-quarkus-dist-$KEYCLOAK_VERSION.zip
HOME_DIR=$CACHE/keycloak

# Fetched and unpacked once; what was unpacked says which archive it is of.
fetch_keycloak() {
  # It writes into its own folder, so one at a time.
  exec 9>"$CACHE/keycloak.lock"
  flock -w 300 9 || give_up "another run uses .cache/interop/keycloak"
  [ "$(cat "$HOME_DIR/.sha256" 2>/dev/null)" = "$KEYCLOAK_SHA256" ] && return
  if [ ! -f "$CACHE/$ZIP" ]; then
    command -v mvn >/dev/null || need_packages maven
    step "fetching Keycloak $KEYCLOAK_VERSION (177 MB)"
    quietly "$CACHE/keycloak-maven.log" mvn -B -q "$PLUGIN:copy" -DoutputDirectory="$CACHE" -Dmdep.useBaseVersion=true \
      -Dartifact="org.keycloak:keycloak-quarkus-dist:$KEYCLOAK_VERSION:zip" \
      || give_up "Maven Central does not give Keycloak $KEYCLOAK_VERSION; $ZIP can also be put into .cache/interop by hand"
  fi
  echo "$KEYCLOAK_SHA256  $CACHE/$ZIP" | sha256sum -c --status \
    || { rm -f "$CACHE/$ZIP"; give_up "$ZIP is not the archive that is expected (SHA-256 $KEYCLOAK_SHA256)"; }
  command -v unzip >/dev/null || need_packages unzip
  rm -rf "$HOME_DIR" "$CACHE/keycloak-$KEYCLOAK_VERSION"
  quietly "$CACHE/keycloak-unzip.log" unzip -q "$CACHE/$ZIP" -d "$CACHE" || give_up "$ZIP cannot be unpacked"
  mv "$CACHE/keycloak-$KEYCLOAK_VERSION" "$HOME_DIR"
  rm -f "$CACHE/$ZIP"
  echo "$KEYCLOAK_SHA256" >"$HOME_DIR/.sha256"
}
