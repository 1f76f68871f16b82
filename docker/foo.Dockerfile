# The sample service.
#   docker build -f docker/foo.Dockerfile -t doorward-foo .        (from the repository's root; needs BuildKit)

# The same words in all three Dockerfiles up to the line of dashes, so that the programs are compiled once for the three.
# What cargo fetches and compiles stays in cache mounts: a change of one file compiles what depends on it, no more.
# This stage runs on the machine that builds, whatever it builds for: another architecture is compiled across, not emulated.
FROM --platform=$BUILDPLATFORM rust:1.95-slim-bookworm AS build
ARG BUILDARCH
ARG TARGETARCH
# Debian has the same names for the tools of this machine and for those that compile across.
ENV CARGO_TARGET_X86_64_UNKNOWN_LINUX_GNU_LINKER=x86_64-linux-gnu-gcc \
    CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_LINKER=aarch64-linux-gnu-gcc
# hadolint ignore=DL3008
RUN across() { \
      apt-get update && apt-get install -y --no-install-recommends "gcc-$1" "libc6-dev-$TARGETARCH-cross" \
      && rm -rf /var/lib/apt/lists/* && rustup target add "$2"; \
    } \
    && case "$BUILDARCH-$TARGETARCH" in \
      amd64-amd64 | arm64-arm64) ;; \
      amd64-arm64) across aarch64-linux-gnu aarch64-unknown-linux-gnu ;; \
      arm64-amd64) across x86-64-linux-gnu x86_64-unknown-linux-gnu ;; \
      *) echo "images are for amd64 and arm64, not for $TARGETARCH (built on $BUILDARCH)" >&2; exit 1 ;; \
    esac
# release: small and fast, compiled in minutes. dev: for trying things out, compiled in a fraction of that.
ARG PROFILE=release
WORKDIR /src
COPY . .
RUN --mount=type=cache,id=doorward-cargo,target=/usr/local/cargo/registry,sharing=locked \
    --mount=type=cache,id=doorward-target,target=/src/target,sharing=locked \
    case "$TARGETARCH" in arm64) cpu=aarch64 ;; *) cpu=x86_64 ;; esac \
    && if [ "$TARGETARCH" = "$BUILDARCH" ]; then target=; else target="$cpu-unknown-linux-gnu"; fi \
    && CARGO_PROFILE_DEV_DEBUG=0 cargo build --locked --profile "$PROFILE" ${target:+--target "$target"} \
      --package doorward --package foo --package idp --bins \
    && mkdir -p /out/data \
    && case "$PROFILE" in dev) folder=debug ;; *) folder="$PROFILE" ;; esac \
    && for program in doorward foo idp; do \
      "$cpu-linux-gnu-strip" -o "/out/$program" "target/$target/$folder/$program" || exit 1; \
    done
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
