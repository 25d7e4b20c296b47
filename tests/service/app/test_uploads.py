"""Bad uploads are refused with a problem that says what to do, and nothing of them is kept."""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Callable, Iterator

import httpx
import pytest
from PIL import Image

from tests.service.helpers.running import Running


def picture(size: tuple[int, int], kind: str, **options: object) -> bytes:
    data = io.BytesIO()
    Image.new("RGB", size, (90, 20, 60)).save(data, kind, **options)
    return data.getvalue()


def animation(kind: str) -> bytes:
    frames = [Image.new("RGB", (8, 8), (value, 0, 0)) for value in (0, 120, 240)]
    data = io.BytesIO()
    frames[0].save(data, kind, save_all=True, append_images=frames[1:])
    return data.getvalue()


def claiming(width: int, height: int) -> bytes:
    """A small PNG whose header claims another size."""
    small = picture((1, 1), "PNG")
    header = b"IHDR" + struct.pack(">II", width, height) + small[24:29]
    return small[:12] + header + struct.pack(">I", zlib.crc32(header)) + small[33:]


@pytest.fixture(autouse=True)
def _nothing_is_written(service: Running) -> Iterator[None]:
    storage = service.data_dir / "storage"
    before = set(storage.rglob("*"))
    yield
    assert set(storage.rglob("*")) <= before


def refused(answer: httpx.Response, status: int) -> str:
    assert answer.status_code == status, answer.text
    assert answer.headers["Content-Type"] == "application/problem+json"
    problem = answer.json()
    assert problem["status"] == status
    assert set(problem) == {"type", "title", "status", "detail"}
    detail: str = problem["detail"]
    assert detail
    return detail


@pytest.mark.parametrize(
    ("make", "status"),
    [
        pytest.param(lambda: b"", 422, id="empty"),
        pytest.param(lambda: b"hello " * 100, 415, id="text"),
        pytest.param(lambda: b"\x89PNG\r\n\x1a\n" + b"\0" * 50, 422, id="only a signature"),
        pytest.param(lambda: b"RIFF\x10\0\0\0WEBPVP8 ", 422, id="half a WebP header"),
        pytest.param(lambda: picture((8200, 7600), "PNG"), 422, id="too many pixels"),
        pytest.param(lambda: claiming(60_000, 60_000), 422, id="decompression bomb"),
        pytest.param(lambda: animation("GIF"), 422, id="GIF"),
        pytest.param(lambda: picture((8, 8), "BMP"), 415, id="BMP"),
        pytest.param(lambda: animation("PNG"), 422, id="animated PNG"),
        pytest.param(lambda: animation("WEBP"), 422, id="animated WebP"),
        pytest.param(lambda: picture((8, 8), "PNG") + b"\0" * 25_000_000, 413, id="too many bytes"),
        pytest.param(lambda: b"\0" * 31_000_000, 413, id="many too many bytes"),
    ],
)
def test_unusable_file_is_refused(service: Running, make: Callable[[], bytes], status: int) -> None:
    refused(service.upload(make()), status)


def test_chunked_body_is_counted(service: Running) -> None:
    head = b'--b\r\nContent-Disposition: form-data; name="image"; filename="a.png"\r\n\r\n'

    def body() -> Iterator[bytes]:
        yield head
        for _ in range(480):
            yield b"\0" * 65_536

    headers = {"Content-Type": "multipart/form-data; boundary=b"}
    refused(service.client.post("/v1/protections", content=body(), headers=headers), 413)


def test_wrong_forms_are_refused(service: Running, astronaut_png: bytes) -> None:
    post = service.client.post
    there = "/v1/protections"
    assert "image" in refused(post(there, files={"photo": ("a.png", astronaut_png)}), 422)
    assert "image" in refused(post(there, files={"format": (None, b"png")}), 422)
    twice = [("image", ("a", astronaut_png)), ("image", ("b", astronaut_png))]
    assert "twice" in refused(post(there, files=twice), 422)
    refused(post(there, json={"image": "…"}), 415)
    refused(post(there), 415)
    refused(post(there, content=b"", headers={"Content-Type": "multipart/form-data"}), 400)
    cut = b'--b\r\nContent-Disposition: form-data; name="image"\r\n\r\n' + astronaut_png
    refused(post(there, content=cut, headers={"Content-Type": "multipart/form-data; boundary=b"}), 400)
    refused(post(there, content=b"nonsense", headers={"Content-Type": "multipart/form-data; boundary=b"}), 400)


def test_wrong_options_are_refused_by_name(service: Running, astronaut_png: bytes) -> None:
    assert "format" in refused(service.upload(astronaut_png, format="bmp"), 422)
    assert "scores" in refused(service.upload(astronaut_png, scores="perhaps"), 422)
    assert "active one is" in refused(service.upload(astronaut_png, perturbation="no-such-version"), 422)
    assert "too long" in refused(service.upload(astronaut_png, perturbation="x" * 10_000), 422)


def test_everything_else_is_a_problem_too(service: Running) -> None:
    refused(service.client.get("/v1/protections/" + "A" * 32), 404)
    refused(service.client.get("/v1/protections/%00"), 404)
    refused(service.client.get("/nothing/here"), 404)
    refused(service.client.put("/v1/protections"), 405)


def test_openapi_names_every_problem(service: Running) -> None:
    document = service.client.get("/openapi.json").json()
    post = document["paths"]["/v1/protections"]["post"]
    assert {"201", "202", "400", "408", "409", "413", "415", "422", "429", "503"} == set(post["responses"])
    for path in document["paths"].values():
        for operation in path.values():
            for status, response in operation["responses"].items():
                if status >= "400":
                    assert set(response["content"]) == {"application/problem+json"}
    assert "HTTPValidationError" not in document["components"]["schemas"]
