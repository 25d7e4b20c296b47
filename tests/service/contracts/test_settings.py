"""Settings refuse what they do not know, and say so by name."""

from __future__ import annotations

from pathlib import Path

import pytest

from app.contracts.settings import BadSettings, Settings, load_settings
from worker.serve import embedded_redis


@pytest.fixture(autouse=True)
def _clean(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in Settings.model_fields:
        monkeypatch.delenv(f"POISE_{name.upper()}", raising=False)


def test_defaults_are_safe() -> None:
    settings = load_settings()
    assert settings.max_upload_bytes == 25_000_000
    assert settings.max_pixels == 50_000_000
    assert settings.host == "127.0.0.1"
    limits = settings.model_dump(
        include={"max_open_jobs", "max_arriving_bytes", "max_attempts", "retention_seconds", "protect_seconds"}
    )
    assert all(value > 0 for value in limits.values())


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("POISE_MAX_PIXEL", "1"),
        ("POISE_MAX_PIXELS", "0"),
        ("POISE_PORT", "http"),
        ("POISE_REDIS_URL", "amqp://somewhere"),
        ("POISE_LOG_LEVEL", "LOUD"),
        ("POISE_LOG_FORMAT", "xml"),
        ("POISE_METRICS_PORT", "65536"),
        ("POISE_STORAGE_URL", "ftp://somewhere"),
        ("POISE_S3_ENDPOINT", "localhost:9000"),
        ("POISE_SCORED_BY", "stargan, Attention GAN"),
    ],
)
def test_what_is_wrong_is_named(monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(BadSettings, match=name):
        load_settings()


def test_missing_redis_is_named() -> None:
    with pytest.raises(BadSettings, match="POISE_REDIS_URL"):
        load_settings().require_redis_url()


def test_socket_path_is_never_too_long(tmp_path: Path) -> None:
    short = embedded_redis.socket_path(Path("/tmp/x"))  # noqa: S108 - nothing is written there
    assert short == Path("/tmp/x/redis.sock")  # noqa: S108
    deep = embedded_redis.socket_path(tmp_path / ("deep" * 40))
    assert len(str(deep).encode()) <= 107
    assert deep.parent.stat().st_mode & 0o077 == 0
    deep.parent.rmdir()
