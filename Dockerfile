# syntax=docker/dockerfile:1
# Two images from one file:
#   docker build --target cpu  --tag emoserve:cpu  .
#   docker build --target cuda --tag emoserve:cuda .
# Everything is fetched while building; a running container needs no network but its own port.
# Whole versions, so that a build next year takes the same bases. Add digests once the images were built: tags can move.
ARG PYTHON_VERSION=3.11.14
ARG UV_VERSION=0.13.8

FROM ghcr.io/astral-sh/uv:${UV_VERSION} AS uv

FROM python:${PYTHON_VERSION}-slim-bookworm AS builder
COPY --from=uv /uv /usr/local/bin/uv
ENV PATH=/opt/emoserve/bin:$PATH \
    UV_COMPILE_BYTECODE=1 \
    UV_LINK_MODE=copy \
    UV_PYTHON_DOWNLOADS=never \
    VIRTUAL_ENV=/opt/emoserve
RUN uv venv "$VIRTUAL_ENV"
WORKDIR /build
COPY requirements requirements

# Dependencies are locked with hashes and lie in layers of their own, which a change of the code leaves alone.
FROM builder AS builder-cpu
RUN --mount=type=cache,target=/root/.cache/uv uv pip install --require-hashes -r requirements/image-cpu.txt

FROM builder AS builder-cuda
RUN --mount=type=cache,target=/root/.cache/uv uv pip install --require-hashes -r requirements/image-cuda.txt

# The code is a layer of its own beside its dependencies: a change of it ships megabytes.
FROM builder AS code
COPY pyproject.toml README.md LICENSE NOTICE ./
COPY setup.py MANIFEST.in ./
COPY emoserve emoserve
COPY service service
RUN --mount=type=cache,target=/root/.cache/uv uv pip install --no-deps --target /code . && rm -f /code/bin/emoserve-export

# Bundles that are made from files of installed packages; the exporters themselves stay out of the images.
FROM builder-cpu AS prepared
RUN --mount=type=cache,target=/root/.cache/uv uv pip install --no-deps --require-hashes -r requirements/no-deps.txt
COPY service service
COPY export export
RUN python -m export voice-activity --out /prepared && python -m export faces --out /prepared

FROM python:${PYTHON_VERSION}-slim-bookworm AS runtime
# No home, no shell: the process can write nowhere but to /tmp and /dev/shm, which are memory under compose, and to
# the folder of its jobs.
RUN groupadd --system --gid 10001 emoserve \
    && useradd --system --uid 10001 --gid 10001 --no-create-home --home-dir /nonexistent --shell /usr/sbin/nologin emoserve \
    && install -d -o 10001 -g 10001 -m 0700 /var/lib/emoserve
ENV PATH=/opt/emoserve/bin:/opt/code/bin:$PATH \
    PYTHONPATH=/opt/code \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    MPLCONFIGDIR=/tmp/matplotlib \
    ORT_DISABLE_TELEMETRY=1 \
    EMOSERVE_HOST=0.0.0.0 \
    EMOSERVE_PORT=8000 \
    EMOSERVE_AUDIT_FILE=- \
    EMOSERVE_MODEL_DIRS='["/app/models","/app/var/models"]' \
    EMOSERVE_STATE_DIR=/var/lib/emoserve \
    EMOSERVE_DOCS=false
ARG VERSION=0.1.0
ARG REVISION=unknown
LABEL org.opencontainers.image.title="Emoserve" \
      org.opencontainers.image.description="Self-hosted speech and face affect behind one REST API." \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}"
WORKDIR /app
COPY LICENSE NOTICE ./
COPY models models
COPY --from=prepared /prepared models
USER 10001:10001
EXPOSE 8000
HEALTHCHECK --interval=15s --timeout=5s --start-period=60s --retries=3 CMD ["python", "-m", "service", "health"]
ENTRYPOINT ["python", "-m", "service"]
CMD ["serve"]

FROM runtime AS cpu
ENV EMOSERVE_DEVICE=cpu
COPY --from=builder-cpu /opt/emoserve /opt/emoserve
COPY --from=code /code /opt/code

FROM runtime AS cuda
ENV EMOSERVE_DEVICE=cuda \
    NVIDIA_VISIBLE_DEVICES=all \
    NVIDIA_DRIVER_CAPABILITIES=compute,utility
COPY --from=builder-cuda /opt/emoserve /opt/emoserve
COPY --from=code /code /opt/code
