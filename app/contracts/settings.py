"""Settings: environment variables with the prefix ``POISE_``, read once at start. Unknown names are refused."""

from __future__ import annotations

import os
from functools import cache
from pathlib import Path
from typing import Final, Literal

from pydantic import Field, ValidationError, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

PREFIX: Final = "POISE_"


class BadSettings(Exception):
    """The environment is wrong; the message names the variable."""


class Settings(BaseSettings):
    """All that can be set. Every limit is safe and none is zero."""

    model_config = SettingsConfigDict(env_prefix=PREFIX, frozen=True, extra="forbid")

    host: str = Field("127.0.0.1", description="Address the service listens on.")
    port: int = Field(8000, ge=0, le=65535, description="Port the service listens on; 0 takes a free one.")
    data_dir: Path = Field(Path("var"), description="Folder for photos and the job records.")
    redis_url: str | None = Field(
        None, description="redis://, rediss:// or unix://; without it `poise serve` starts its own Redis."
    )
    max_upload_bytes: int = Field(25_000_000, ge=1, description="Bytes of one photo.")
    max_pixels: int = Field(50_000_000, ge=1, description="Pixels of one photo.")
    max_open_jobs: int = Field(1000, ge=1, description="Photos that may wait; more are answered with 429.")
    max_attempts: int = Field(3, ge=1, description="How often a photo may bring a worker down before it is given up.")
    retention_seconds: int = Field(86_400, ge=60, description="How long a result is kept.")
    protect_seconds: int = Field(60, ge=5, description="Longest time one photo may take to protect.")
    score_seconds: int = Field(240, ge=5, description="Longest time one photo may take to score.")
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"

    @field_validator("redis_url")
    @classmethod
    def _known_scheme(cls, url: str | None) -> str | None:
        if url is not None and not url.startswith(("redis://", "rediss://", "unix://")):
            raise ValueError("must start with redis://, rediss:// or unix://")
        return url

    @property
    def blob_dir(self) -> Path:
        """Where photos lie."""
        return self.data_dir / "blobs"

    def require_redis_url(self) -> str:
        """The URL of Redis.

        Raises:
            BadSettings: it is not set.
        """
        if self.redis_url is None:
            raise BadSettings("POISE_REDIS_URL is not set; `poise serve` starts a Redis of its own and sets it")
        return self.redis_url


def load_settings() -> Settings:
    """Settings from the environment.

    Raises:
        BadSettings: a name is unknown or a value is unusable.
    """
    known = {PREFIX + name.upper() for name in Settings.model_fields}
    unknown = sorted(name for name in os.environ if name.upper().startswith(PREFIX) and name.upper() not in known)
    if unknown:
        raise BadSettings(f"unknown setting {', '.join(unknown)}; known: {', '.join(sorted(known))}")
    try:
        return Settings()
    except ValidationError as error:
        wrong = "; ".join(f"{PREFIX}{str(item['loc'][0]).upper()}: {item['msg']}" for item in error.errors())
        raise BadSettings(wrong) from None


@cache
def settings() -> Settings:
    """This process's settings, read once."""
    return load_settings()
