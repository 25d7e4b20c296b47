# A worker, for any queue. From the repository's root: docker build -f docker/worker.Dockerfile -t poise-worker .
# For NVIDIA devices: --build-arg TORCH=cuda. Without one: --build-arg TORCH_CPU_INDEX=URL, see .env.example
FROM python:3.11.14-slim-bookworm AS build
ARG TORCH=cpu
ARG TORCH_CPU_INDEX=
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1
WORKDIR /build
RUN python -m venv /opt/venv
COPY docker/install-torch.sh docker/torch.lock docker/torch-cpu.lock ./
RUN TORCH_CPU_INDEX="$TORCH_CPU_INDEX" sh install-torch.sh "$TORCH" /opt/venv/bin/pip
COPY docker/build.lock docker/worker.lock ./
RUN /opt/venv/bin/pip install --require-hashes --no-deps -r build.lock -r worker.lock \
 && /opt/venv/bin/pip check
COPY LICENSE README.md pyproject.toml ./
COPY app ./app
COPY perturbations ./perturbations
COPY worker ./worker
RUN /opt/venv/bin/pip install --no-deps --no-build-isolation . \
 && /opt/venv/bin/pip uninstall --yes pip

FROM python:3.11.14-slim-bookworm
RUN pip uninstall --yes pip setuptools wheel \
 && groupadd --gid 10001 poise \
 && useradd --uid 10001 --gid poise --no-create-home --shell /usr/sbin/nologin poise \
 && install -d -o poise -g poise -m 0700 /var/lib/poise /opt/poise
COPY --from=build /opt/venv /opt/venv
ENV PATH=/opt/venv/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    HOME=/tmp \
    POISE_DATA_DIR=/var/lib/poise
WORKDIR /opt/poise
USER 10001:10001
HEALTHCHECK --interval=15s --timeout=10s --start-period=180s --retries=3 CMD ["python", "-m", "worker.probe"]
CMD ["celery", "--quiet", "--app", "worker.queue.celery_app", "worker", "--hostname", "protect@%h", "--queues", "protect", "--concurrency", "1", "--loglevel", "WARNING", "--without-gossip", "--without-mingle", "--without-heartbeat"]
