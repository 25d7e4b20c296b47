"""How the queue's Redis is reached."""

from __future__ import annotations

import ssl

import pytest
from celery import Celery
from redis import SSLConnection

from app.contracts.redis.connection import connect
from app.contracts.redis.messages import celery_settings
from app.contracts.settings import Settings


@pytest.mark.parametrize(
    ("parameters", "verified"),
    [
        ("", ssl.CERT_REQUIRED),
        ("?ssl_ca_certs=/etc/ssl/redis.pem", ssl.CERT_REQUIRED),
        ("?ssl_cert_reqs=required", ssl.CERT_REQUIRED),
        ("?ssl_cert_reqs=none", ssl.CERT_NONE),
    ],
)
def test_certificates_are_verified_unless_the_url_says_otherwise(parameters: str, verified: ssl.VerifyMode) -> None:
    settings = Settings(redis_url=f"rediss://:password@redis.internal:6380/0{parameters}")
    celery = Celery()
    celery.conf.update(celery_settings(settings))
    with celery.connection_for_write() as queue:
        assert SSLConnection(**queue.ssl).cert_reqs == verified
    with connect(settings) as records:
        assert records.connection_pool.make_connection().cert_reqs == verified


@pytest.mark.parametrize(
    "url", ["redis://:password@redis.internal/0", "sentinel://one:26379;sentinel://two:26379/name"]
)
def test_without_tls_nothing_is_verified(url: str) -> None:
    celery = Celery()
    celery.conf.update(celery_settings(Settings(redis_url=url)))
    with celery.connection_for_write() as queue:
        assert not queue.ssl
