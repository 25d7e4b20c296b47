"""Where bytes lie between the processes: photos, perturbations, datasets, checkpoints. One seam, two ways to keep them.

``POISE_STORAGE_URL`` chooses: a folder of the data folder if it is not set, a bucket if it is ``s3://…``.
"""

from __future__ import annotations

from app.contracts.settings import BadSettings, Settings
from app.contracts.storage.base import Entry, Storage, recorded
from app.contracts.storage.folder import FLOOR_BYTES, FolderStorage

__all__ = ["Entry", "FolderStorage", "Storage", "recorded", "storage_of"]


def storage_of(settings: Settings) -> Storage:
    """The configured storage. A bucket is not contacted yet; ``check`` does that.

    Raises:
        BadSettings: the library a bucket needs is missing, or the library rejects its settings.
    """
    if settings.storage_url is None:
        return FolderStorage(settings.storage_dir, floor=FLOOR_BYTES)
    try:
        # loaded only where it is used: it is an extra, and slow to load
        from app.contracts.storage.s3 import S3Storage  # noqa: PLC0415
    except ModuleNotFoundError:
        raise BadSettings(
            "POISE_STORAGE_URL names a bucket, and the library for that is missing; install it: pip install 'poise[s3]'"
        ) from None
    bucket, _, prefix = settings.storage_url.removeprefix("s3://").partition("/")
    try:
        return S3Storage(
            bucket,
            prefix=prefix.strip("/"),
            endpoint=settings.s3_endpoint,
            region=settings.s3_region,
            path_style=settings.s3_path_style,
        )
    except OSError as error:
        raise BadSettings(f"POISE_STORAGE_URL, POISE_S3_ENDPOINT or POISE_S3_REGION cannot be used: {error}") from error
