# The manager's image.  The base is an argument, so that it is pinned by digest where it is built:
#   docker build --build-arg PYTHON_IMAGE=python:3.11-slim@sha256:... --build-arg BUILD_COMMIT=... .
ARG PYTHON_IMAGE

FROM ${PYTHON_IMAGE} AS build
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1 PIP_ROOT_USER_ACTION=ignore
RUN python -m venv --without-pip /opt/ipam-in-cluster
WORKDIR /src
COPY requirements.lock ./
RUN python -m pip --python /opt/ipam-in-cluster/bin/python install \
    --require-hashes --no-deps --only-binary :all: -r requirements.lock
COPY requirements-dev.lock ./
RUN python -m pip install --require-hashes --no-deps -r requirements-dev.lock
COPY . .
ARG BUILD_COMMIT=unknown
ARG SOURCE_DATE_EPOCH
RUN python -m pip wheel --no-deps --no-build-isolation --wheel-dir /wheels . \
    && python -m pip --python /opt/ipam-in-cluster/bin/python install --no-deps --no-index /wheels/*.whl \
    && /opt/ipam-in-cluster/bin/python -m compileall -q /opt/ipam-in-cluster

FROM ${PYTHON_IMAGE}
LABEL org.opencontainers.image.title="cluster-api-ipam-provider-in-cluster" \
      org.opencontainers.image.licenses="Apache-2.0"
COPY --from=build /opt/ipam-in-cluster /opt/ipam-in-cluster
RUN ln -s /opt/ipam-in-cluster/bin/ipam-in-cluster-manager /manager \
    && ln -s /opt/ipam-in-cluster/bin/ipam-in-cluster /usr/local/bin/ipam-in-cluster \
    && python -m pip uninstall --yes --root-user-action=ignore pip
ENV PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1
USER 65532:65532
ENTRYPOINT ["/manager"]
