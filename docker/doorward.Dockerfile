# The login gateway.
#   docker build -f docker/doorward.Dockerfile -t doorward .        (from the repository's root; needs BuildKit)

# The same words in all three Dockerfiles up to the line of dashes, so that the programs are compiled once for the three.
# What cargo fetches and compiles stays in cache mounts: a change of one file compiles what depends on it, no more.
FROM rust:1.95-slim-bookworm AS build
# release: small and fast, compiled in minutes. dev: for trying things out, compiled in a fraction of that.
ARG PROFILE=release
WORKDIR /src
COPY . .
RUN --mount=type=cache,id=doorward-cargo,target=/usr/local/cargo/registry,sharing=locked \
    --mount=type=cache,id=doorward-target,target=/src/target,sharing=locked \
    cargo build --locked --profile "$PROFILE" --package doorward --package foo --package idp --bins \
    && mkdir -p /out/data \
    && case "$PROFILE" in dev) folder=debug ;; *) folder="$PROFILE" ;; esac \
    && for program in doorward foo idp; do strip -o "/out/$program" "target/$folder/$program" || exit 1; done
# ----------------------------------------------------------------------------------------------------------------------

# No shell and no package manager; the C library, and the certificates of public authorities.
FROM gcr.io/distroless/cc-debian12:nonroot
ARG VERSION=unversioned
ARG REVISION=unknown
LABEL org.opencontainers.image.title="doorward" \
      org.opencontainers.image.description="A login gateway for microservices: forward authentication for Traefik and other reverse proxies" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.base.name="gcr.io/distroless/cc-debian12:nonroot" \
      org.opencontainers.image.version="$VERSION" \
      org.opencontainers.image.revision="$REVISION"
COPY --from=build /out/doorward /usr/local/bin/doorward
# The one folder it writes to. A named volume mounted here takes over its owner; nothing else needs to be writable.
COPY --from=build --chown=65532:65532 /out/data /var/lib/doorward
VOLUME /var/lib/doorward
USER 65532:65532
EXPOSE 8000
HEALTHCHECK --interval=10s --timeout=3s --start-period=5s --retries=3 CMD ["/usr/local/bin/doorward", "health"]
ENTRYPOINT ["/usr/local/bin/doorward"]
CMD ["serve"]
