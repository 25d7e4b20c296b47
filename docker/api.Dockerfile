# The front end, without torch. From the repository's root: docker build -f docker/api.Dockerfile -t poise-api .
FROM python:3.11.14-slim-bookworm AS build
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1
WORKDIR /build
RUN python -m venv /opt/venv
COPY docker/api.lock ./
RUN /opt/venv/bin/pip install --require-hashes --no-deps -r api.lock \
 && /opt/venv/bin/pip check \
 && /opt/venv/bin/pip uninstall --yes pip setuptools

FROM python:3.11.14-slim-bookworm
RUN pip uninstall --yes pip setuptools wheel \
 && groupadd --gid 10001 poise \
 && useradd --uid 10001 --gid poise --no-create-home --shell /usr/sbin/nologin poise \
 && install -d -o poise -g poise -m 0700 /var/lib/poise
COPY --from=build /opt/venv /opt/venv
COPY LICENSE /opt/poise/
COPY app /opt/poise/app
ENV PATH=/opt/venv/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    POISE_HOST=0.0.0.0 \
    POISE_PORT=8000 \
    POISE_DATA_DIR=/var/lib/poise
WORKDIR /opt/poise
USER 10001:10001
EXPOSE 8000
HEALTHCHECK --interval=10s --timeout=8s --start-period=60s --retries=3 CMD ["python", "-m", "app.probe"]
CMD ["python", "-m", "app.server"]
