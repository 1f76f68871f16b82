# The sample service.
#   docker build -f docker/foo.Dockerfile -t doorward-foo .        (from the repository's root; needs BuildKit)

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
LABEL org.opencontainers.image.title="foo" \
      org.opencontainers.image.description="The sample service behind Doorward: says who you are" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.base.name="gcr.io/distroless/cc-debian12:nonroot" \
      org.opencontainers.image.version="$VERSION" \
      org.opencontainers.image.revision="$REVISION"
COPY --from=build /out/foo /usr/local/bin/foo
ENV FOO_LISTEN=0.0.0.0:8081
USER 65532:65532
EXPOSE 8081
HEALTHCHECK --interval=10s --timeout=3s --start-period=5s --retries=3 CMD ["/usr/local/bin/foo", "--health"]
ENTRYPOINT ["/usr/local/bin/foo"]
