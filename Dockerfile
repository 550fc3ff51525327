# syntax=docker/dockerfile:1
# Stage one has a compiler and builds; stage two has only what runs.
ARG PYTHON=3.11-slim-bookworm

FROM python:${PYTHON} AS build
RUN apt-get update \
    && apt-get install --yes --no-install-recommends gcc libc6-dev libmariadb-dev pkg-config \
    && rm -rf /var/lib/apt/lists/*
WORKDIR /source
COPY requirements/mysql.txt requirements/
RUN python -m venv /opt/protoplane \
    && /opt/protoplane/bin/pip install --no-cache-dir --require-hashes --requirement requirements/mysql.txt
COPY pyproject.toml README.md LICENSE ./
COPY protos protos
COPY server server
COPY clients clients
RUN /opt/protoplane/bin/pip wheel --no-cache-dir --no-deps --no-build-isolation --wheel-dir dist . \
    && /opt/protoplane/bin/pip install --no-cache-dir --no-deps dist/*.whl

FROM python:${PYTHON}
RUN apt-get update \
    && apt-get install --yes --no-install-recommends libmariadb3 \
    && rm -rf /var/lib/apt/lists/*
COPY --from=build /opt/protoplane /opt/protoplane
ENV PATH=/opt/protoplane/bin:$PATH PYTHONUNBUFFERED=1
# A number, so that Kubernetes can prove that it is not root (runAsNonRoot).
USER 65532:65532
WORKDIR /project
# Calls, and metrics with /readyz and /livez; both listen on loopback until their addresses say otherwise. No HEALTHCHECK: it
# would have to know the address. Whoever stops it should wait for server.drain_seconds and server.grace_seconds.
EXPOSE 50051 9464
ENTRYPOINT ["protoplane"]
CMD ["serve"]
