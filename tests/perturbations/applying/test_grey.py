"""Grey stays grey, and keeps the bound."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image, ImageCms

from perturbations.apply import perturb
from perturbations.artifact import SHAPE, Perturbation
from perturbations.faces import frame
from perturbations.images import RgbArray
from perturbations.luminance import luminance
from perturbations.photo import Photo, decode, encode
from perturbations.protect import protect_photo


@pytest.fixture(scope="session")
def grey(pixels: RgbArray) -> RgbArray:
    """The astronaut in grey, ``[H, W]``."""
    return np.asarray(Image.fromarray(pixels).convert("L"))


def saved(image: Image.Image, format_: str, **options: Any) -> bytes:
    out = io.BytesIO()
    image.save(out, format_, **options)
    return out.getvalue()


def opened(data: bytes) -> Image.Image:
    image = Image.open(io.BytesIO(data))
    image.load()
    return image


def of_mode(grey: RgbArray, mode: str) -> Image.Image:
    """A grey picture as files hold it."""
    if mode == "I;16":
        return Image.fromarray(grey.astype(np.uint16) * 257)
    picture = Image.fromarray(grey)
    if mode == "LA":
        picture.putalpha(Image.linear_gradient("L").resize(picture.size))
        return picture
    return picture.convert(mode)


@pytest.mark.parametrize(("mode", "stored"), [("L", "L"), ("LA", "LA"), ("I;16", "I;16"), ("1", "L"), ("RGB", "RGB")])
def test_grey_comes_back_grey_in_as_many_channels(grey: RgbArray, signs: Perturbation, mode: str, stored: str) -> None:
    upload = saved(of_mode(grey, mode), "PNG")
    made = protect_photo(upload, signs).data
    copy = opened(made)
    assert copy.mode == stored
    channels = decode(made).pixels.astype(int)
    assert not np.ptp(channels, axis=2).any()
    before = decode(upload).pixels[:, :, 0].astype(int)
    change = np.abs(channels[:, :, 0] - before)
    assert 1 <= change.max() <= 6
    if mode == "LA":
        assert np.array_equal(np.asarray(copy.getchannel("A")), np.asarray(of_mode(grey, "LA").getchannel("A")))


@pytest.mark.parametrize(
    ("format_", "mode", "stored"), [("JPEG", "L", "L"), ("JPEG", "RGB", "RGB"), ("WEBP", "L", "RGB")]
)
def test_a_grey_photo_stays_grey_in_every_format(
    grey: RgbArray, signs: Perturbation, format_: str, mode: str, stored: str
) -> None:
    upload = saved(of_mode(grey, mode), format_, quality=95)
    copy = opened(protect_photo(upload, signs).data)
    assert copy.mode == stored
    # lossy WebP has no grey: channels of the upload are up to one step apart
    assert np.ptp(np.asarray(copy.convert("RGB")), axis=2).max() <= np.ptp(decode(upload).pixels, axis=2).max() <= 1


def test_a_grey_avif_is_written_without_colours(grey: RgbArray, signs: Perturbation) -> None:
    upload = saved(of_mode(grey, "L"), "AVIF", quality=95, subsampling="4:0:0")
    done = protect_photo(upload, signs)
    pixels = decode(done.data).pixels.astype(int)
    assert not np.ptp(pixels, axis=2).any()
    assert 1 <= np.abs(pixels - decode(upload).pixels).max() <= 8


@pytest.mark.parametrize("target", ["jpeg", "webp", "png"])
def test_grey_with_transparency_can_be_asked_for_in_another_format(
    grey: RgbArray, signs: Perturbation, target: str
) -> None:
    done = protect_photo(saved(of_mode(grey, "LA"), "PNG"), signs, format=target)
    assert not np.ptp(decode(done.data).pixels, axis=2).any()


def test_almost_grey_is_not_grey(grey: RgbArray, signs: Perturbation) -> None:
    almost = np.dstack([grey] * 3)
    almost[0, 0] = (100, 102, 100)
    copy = decode(protect_photo(saved(Image.fromarray(almost), "PNG"), signs).data)
    assert np.ptp(copy.pixels, axis=2).any()


def test_a_profile_of_three_channels_is_not_written_beside_one(grey: RgbArray) -> None:

    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    photo = Photo.of(np.dstack([grey] * 3), None, profile, "png", grey=True)
    assert "icc_profile" not in opened(encode(photo, "keep")).info
    assert opened(encode(Photo.of(photo.pixels, None, profile, "png"), "keep")).info["icc_profile"] == profile


def test_the_luminance_of_equal_channels_is_what_they_are() -> None:
    one = torch.rand(1, 1, 256, 256, generator=torch.Generator().manual_seed(0)).mul(0.1).sub(0.05)
    torch.testing.assert_close(luminance(Perturbation("one", one.expand(SHAPE), 0.05, {})), one)


def test_the_luminance_keeps_the_bound_and_the_mean_sign(signs: Perturbation) -> None:
    one = luminance(signs)
    assert one.shape == (1, 1, 256, 256)
    assert float(one.abs().max()) <= np.float32(signs.epsilon)
    assert torch.equal(one.sign(), signs.delta.mean(dim=1, keepdim=True).sign())


def test_a_perturbation_without_luminance_leaves_grey_alone() -> None:
    opposed = torch.tensor([0.05, -0.05, 0.0]).view(1, 3, 1, 1).expand(SHAPE)
    image = np.full((64, 64, 3), 100, dtype=np.uint8)
    assert np.array_equal(perturb(image, [frame(64, 64)], Perturbation("opposed", opposed, 0.05, {})), image)
