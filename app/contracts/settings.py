"""Settings: environment variables with the prefix ``POISE_``, read once at start. Unknown names are refused."""

from __future__ import annotations

import os
import re
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network
from pathlib import Path
from typing import Final, Literal

from pydantic import Field, ValidationError, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from app.contracts import generator_limits
from app.contracts.admin_keys import key_digests
from app.contracts.names import GENERATOR_NAME, MAX_PIXELS, Priority

PREFIX: Final = "POISE_"

_SENTINELS: Final = re.compile(r"sentinel://[^/;]+")
"""One address of several."""
_BUCKET_URL: Final = re.compile(r"s3://[a-z0-9][a-z0-9.-]{1,61}[a-z0-9](?:/[a-z0-9_][a-z0-9._-]*)*/?")
_HOST: Final = re.compile(r"\*|(?:\*\.)?[a-z0-9_-]+(?:\.[a-z0-9_-]+)*")


Network = IPv4Network | IPv6Network


class BadSettings(Exception):
    """The environment is wrong; the message names the variable."""


class Settings(BaseSettings):
    """All that can be set. Every limit is safe and none is zero."""

    # empty is not set: that is how a compose file leaves out what its user did not say
    model_config = SettingsConfigDict(env_prefix=PREFIX, env_ignore_empty=True, frozen=True, extra="forbid")

    host: str = Field("127.0.0.1", description="Address the service listens on.")
    port: int = Field(8000, ge=0, le=65535, description="Port the service listens on; 0 picks a free one.")
    data_dir: Path = Field(Path("var"), description="Folder for photos and the job records.")
    redis_url: str | None = Field(
        None,
        repr=False,
        description="redis://, rediss://, unix:// or sentinel://. Without it, `poise serve` starts its own Redis.",
    )
    storage_url: str | None = Field(
        None, description="s3://bucket or s3://bucket/prefix. Without it, files are kept in the data folder."
    )
    s3_endpoint: str | None = Field(None, description="URL of an S3 server other than Amazon's.")
    s3_region: str | None = Field(None, description="Region of the bucket. Without it, the AWS configuration decides.")
    s3_path_style: bool | None = Field(
        None,
        description="Whether the bucket is named in the path instead of the host "
        "name. By default, only if there is an endpoint.",
    )
    max_upload_bytes: int = Field(25_000_000, ge=1, description="Most bytes of one photo.")
    max_pixels: int = Field(MAX_PIXELS, ge=1, description="Most pixels of one photo.")
    max_open_jobs: int = Field(1000, ge=1, description="Photos that may wait; further ones get 429.")
    max_batch: int = Field(20, ge=1, le=1000, description="Most photos of one batch.")
    max_batch_bytes: int = Field(100_000_000, ge=1, description="Most bytes of all photos of one batch.")
    max_arriving_bytes: int = Field(
        400_000_000,
        ge=1,
        description="Most bytes of uploads held in memory at once, of all clients together; further ones get 503.",
    )
    rate_limit: str | None = Field(
        None,
        description="Photos one client may send, such as 60/minute, or off. It may make twenty times as many "
        "other requests. Default: 60/minute, and no limit for clients on this machine.",
    )
    max_connections: int = Field(
        2000,
        ge=10,
        description="Client connections at once. Beyond that, the one that "
        "keeps the service waiting longest is closed.",
    )
    stall_seconds: int = Field(
        20, ge=1, description="How long a client may send or read next to nothing before it is cut off."
    )
    trusted_proxies: str | None = Field(
        None,
        description="Networks of reverse proxies, separated by commas, such as "
        "10.0.0.0/8. X-Forwarded-For is believed only from these.",
    )
    allowed_hosts: str | None = Field(
        None,
        description="Host names the service answers to, separated by commas, "
        "such as poise.example.org or *.example.org. "
        "Default: any, but `poise serve` on a loopback address answers "
        "only to localhost unless there are trusted proxies.",
    )
    yunet_model: Path | None = Field(
        None, description="ONNX file of YuNet, to find faces with. Without it, the detector that ships is used."
    )
    prohibit_data_mining: bool = Field(
        True, description="Whether copies say (IPTC, PLUS `DataMining`) that training on them is prohibited."
    )
    c2pa_certificate: Path | None = Field(
        None,
        description="PEM file of a certificate chain. Copies get Content Credentials signed with it, which prohibit "
        "training. Workers need the extra `c2pa` for it.",
    )
    c2pa_key: Path | None = Field(None, description="PEM file of the key of that certificate.")
    heic: bool = Field(True, description="Whether HEIC photos are read. Workers need the extra `heic` for it.")
    max_attempts: int = Field(3, ge=1, description="How often a photo may crash a worker before it is given up.")
    retention_seconds: int = Field(86_400, ge=60, description="How long a result is kept.")
    protect_seconds: int = Field(60, ge=5, description="Longest time that protecting one photo may take.")
    scored_faces: int = Field(
        8,
        ge=1,
        description="How many faces of a photo are scored, those with the "
        "highest confidence. The report counts the rest.",
    )
    scored_by: str | None = Field(
        None,
        description="Names of the generators that score photos, separated by commas. Without any, all of them do.",
    )
    score_seconds: int = Field(240, ge=5, description="Longest time that scoring one photo may take.")
    admin_keys: str | None = Field(
        None,
        repr=False,
        description="Administrators' keys, separated by commas, plain or as sha256:<hex>. "
        "Without any, administration is switched off.",
    )
    max_dataset_bytes: int = Field(2_000_000_000, ge=1, description="Most bytes of one archive of faces to train on.")
    max_checkpoint_bytes: int = Field(1_000_000_000, ge=1, description="Most bytes of one generator's checkpoint.")
    max_generators: int = Field(generator_limits.MOST, ge=1, description="Most added generators, not counting twins.")
    generator_seconds: int = Field(
        generator_limits.SECONDS,
        ge=1,
        description="Seconds of one processor that all added generators together may take "
        "for one face and all edits. One that takes more is refused.",
    )
    generator_megabytes: int = Field(
        generator_limits.MEGABYTES,
        ge=1,
        description="Megabytes that all added generators together may take "
        "to score a face. One that takes more is refused.",
    )
    check_seconds: int = Field(
        generator_limits.CHECK_SECONDS,
        ge=5,
        le=1800,
        description="Seconds of one processor that checking one generator "
        "may take, or three times as long by the clock.",
    )
    training_priority: Priority = Field(
        "idle",
        description="Which processor time a training gets: `idle`, only what nothing else on the machine wants, "
        "`low` or `normal`.",
    )
    metrics_port: int | None = Field(
        None, ge=0, le=65535, description="Port of the Prometheus metrics, on `host`. None if 0 or not set."
    )
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = Field("INFO", description="Lowest level that is logged.")
    log_format: Literal["text", "json"] = Field("text", description="Format of a log line.")

    @field_validator("redis_url")
    @classmethod
    def _known_scheme(cls, url: str | None) -> str | None:
        if url is None:
            return None
        if url.startswith("sentinel://"):
            if not all(_SENTINELS.fullmatch(part) for part in url.rpartition("/")[0].split(";")) or url.endswith("/"):
                raise ValueError("must name the primary: sentinel://host:26379;sentinel://other:26379/name")
        elif not url.startswith(("redis://", "rediss://", "unix://")):
            raise ValueError("must start with redis://, rediss://, unix:// or sentinel://")
        return url

    @field_validator("admin_keys")
    @classmethod
    def _usable_keys(cls, keys: str | None) -> str | None:
        key_digests(keys)
        return keys

    @field_validator("scored_by")
    @classmethod
    def _generator_names(cls, wanted: str | None) -> str | None:
        parse_generators(wanted)
        return wanted

    @field_validator("rate_limit")
    @classmethod
    def _known_rate(cls, rate: str | None) -> str | None:
        if rate is not None and rate != "off" and not re.fullmatch(r"[1-9]\d{0,8}/(second|minute|hour|day)", rate):
            raise ValueError("must be like 60/minute (second, minute, hour or day), or off")
        return rate

    @field_validator("trusted_proxies")
    @classmethod
    def _networks(cls, networks: str | None) -> str | None:
        parse_networks(networks)
        return networks

    @field_validator("allowed_hosts")
    @classmethod
    def _host_names(cls, hosts: str | None) -> str | None:
        parse_hosts(hosts)
        return hosts

    @field_validator("storage_url")
    @classmethod
    def _bucket_named(cls, url: str | None) -> str | None:
        if url is not None and not _BUCKET_URL.fullmatch(url):
            raise ValueError("must be s3://bucket or s3://bucket/prefix, in lower case")
        return url

    @field_validator("s3_endpoint")
    @classmethod
    def _web_address(cls, url: str | None) -> str | None:
        if url is not None and not url.startswith(("http://", "https://")):
            raise ValueError("must start with http:// or https://")
        return url

    @property
    def storage_dir(self) -> Path:
        """The folder for files if no other storage is configured."""
        return self.data_dir / "storage"

    @property
    def targets_dir(self) -> Path:
        """Where older versions kept generators registered on the command line. They are moved into the storage."""
        return self.data_dir / "targets"

    def require_redis_url(self) -> str:
        """The URL of Redis.

        Raises:
            BadSettings: it is not set.
        """
        if self.redis_url is None:
            raise BadSettings("POISE_REDIS_URL is not set; `poise serve` starts a Redis of its own and sets it")
        return self.redis_url


def parse_generators(text: str | None) -> tuple[str, ...]:
    """The names of generators in a list separated by commas, each once.

    Raises:
        ValueError: one of them cannot be a name.
    """
    wanted = dict.fromkeys(part.strip() for part in (text or "").split(",") if part.strip())
    for name in wanted:
        if not GENERATOR_NAME.fullmatch(name):
            raise ValueError(f"{name!r} cannot be the name of a generator")
    return tuple(wanted)


def parse_networks(text: str | None) -> tuple[Network, ...]:
    """The networks of a list separated by commas; a plain address is a network of one.

    Raises:
        ValueError: one of them is not a network.
    """
    return tuple(ip_network(part.strip()) for part in (text or "").split(",") if part.strip())


def parse_hosts(text: str | None) -> tuple[str, ...]:
    """The names and addresses of a list separated by commas, in lower case and without brackets.

    Raises:
        ValueError: one of them is more than a name.
    """
    hosts = tuple(part.strip().lower().strip("[]") for part in (text or "").split(",") if part.strip())
    if not all(_HOST.fullmatch(host) or _is_address(host) for host in hosts):
        raise ValueError("must be names without ports, such as poise.example.org, *.example.org or 192.0.2.1, or *")
    return hosts


def _is_address(text: str) -> bool:
    try:
        ip_address(text)
    except ValueError:
        return False
    return True


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
