"""Public checkpoints: the table, and fetching from a server on this machine that cuts, refuses and lies."""

from __future__ import annotations

import hashlib
import io
import json
import socket
import threading
import time
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import torch
from typer.testing import CliRunner

from perturbations.checkpoints.details import OFFICIAL, GivenDetails
from perturbations.checkpoints.download import download
from perturbations.checkpoints.fetching import fetch
from perturbations.checkpoints.known import Known, KnownFile, known_checkpoint, known_checkpoints
from perturbations.checkpoints.loading import load_converted
from perturbations.errors import BadInput, DownloadFailed, UnknownName
from perturbations.targets import Target
from perturbations.targets.registry import ARCHITECTURES
from worker.commands.targets import app

poise_targets = CliRunner()


@dataclass
class Shop:
    """What the server offers and how it behaves. cuts: after how many bytes the next answers break off."""

    address: str = ""
    files: dict[str, bytes] = field(default_factory=dict)
    tags: dict[str, str] = field(default_factory=dict)
    cuts: list[int] = field(default_factory=list)
    kind: str = "application/octet-stream"
    asked: list[str | None] = field(default_factory=list)

    def answer(self, handler: BaseHTTPRequestHandler) -> None:
        """One request: whole files and ranges, as long as the tag is still right."""
        self.asked.append(handler.headers.get("Range"))
        data = self.files.get(handler.path.partition("?")[0])
        if data is None:
            handler.send_error(404)
            return
        tag, start = self.tags.get(handler.path, '"one"'), 0
        if handler.headers.get("Range") and handler.headers.get("If-Range") == tag:
            start = int(str(handler.headers["Range"]).removeprefix("bytes=").removesuffix("-"))
        handler.send_response(206 if start else 200)
        if start:
            handler.send_header("Content-Range", f"bytes {start}-{len(data) - 1}/{len(data)}")
        handler.send_header("ETag", tag)
        handler.send_header("Content-Type", self.kind)
        handler.send_header("Content-Length", str(len(data) - start))
        handler.end_headers()
        end = self.cuts.pop(0) if self.cuts else len(data)
        handler.wfile.write(data[start:end])


@pytest.fixture
def shop(monkeypatch: pytest.MonkeyPatch) -> Iterator[Shop]:
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    found = Shop()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            found.answer(self)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - as it is called there
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        found.address = f"http://127.0.0.1:{server.server_port}"
        try:
            yield found
        finally:
            server.shutdown()
            thread.join()


@pytest.fixture
def weights(small: Callable[[str], Target]) -> bytes:
    """An official checkpoint of a small CycleGAN."""
    buffer = io.BytesIO()
    torch.save(small("cyclegan").generator.state_dict(), buffer)
    return buffer.getvalue()


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """Where downloads lie."""
    return tmp_path / "downloads"


def digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def offer(file: KnownFile, *more: KnownFile) -> Known:
    return Known(
        name="painter",
        architecture="cyclegan",
        paper="Zhu et al., ICCV 2017",
        licence="CC0-1.0",
        page="https://example.org/painter",
        image_size=32,
        edits=["paint"],
        files=(file, *more),
    )


def test_the_table_names_what_poise_can_load_and_invents_no_hash() -> None:
    table = known_checkpoints()
    kinds = {known.architecture for known in table.values()}
    assert kinds == set(ARCHITECTURES)
    assert {"taesd", "taef1", "sd_vae_ft_mse", "dpr_512", "vintagify", "stargan_celeba_256"} <= set(table)
    assert not set(table) & set(ARCHITECTURES)
    for known in table.values():
        assert known.paper
        assert known.licence
        assert known.page.startswith("https://")
        for file in known.files:
            # bytes are known together with the hash, from the same source
            assert (file.sha256 is None) == (file.bytes is None)
    wheel = table["vintagify"].files[0]
    # where the index keeps a file follows from its BLAKE2b digest
    assert len("".join(wheel.address.split("/")[4:7])) == 64


def test_another_table_is_read_and_a_damaged_one_named(tmp_path: Path) -> None:
    path = tmp_path / "mirror.toml"
    for text, why in (
        ("[a", "not a table"),
        ('[a]\narchitecture = "stargan"', "a: .*paper"),
        ("a = 1", "not a table"),
        ("[a]\nfiles = 3", "a: "),
    ):
        path.write_text(text)
        with pytest.raises(BadInput, match=why):
            known_checkpoints(path)
    with pytest.raises(BadInput, match="not a table"):
        known_checkpoints(tmp_path / "absent.toml")
    with pytest.raises(UnknownName, match="taesd"):
        known_checkpoint("biggan")
    with pytest.raises(ValueError, match="not an http or https address"):
        KnownFile(address="file:///etc/passwd")
    with pytest.raises(ValueError, match="not a SHA-256"):
        KnownFile(address="http://x/y", sha256="abc")


def test_it_is_downloaded_checked_and_described(shop: Shop, weights: bytes, place: Path) -> None:
    shop.files["/G.pth"] = weights
    seen: list[tuple[int, int | None]] = []
    known = offer(KnownFile(address=f"{shop.address}/G.pth?dl=1", bytes=len(weights), sha256=digest(weights)))
    path, details = fetch(known, place, progress=lambda here, total: seen.append((here, total)))
    assert path.read_bytes() == weights
    assert details == GivenDetails(architecture="cyclegan", image_size=32, edits=["paint"])
    assert seen[-1] == (len(weights), len(weights))
    target = load_converted(path, place / "copy", known=details).target
    assert (target.edits, target.image_size) == (("paint",), 32)
    assert fetch(replace(known, edits=None), place)[1].edits == OFFICIAL


def test_a_transfer_that_is_cut_off_goes_on_where_it_stopped(shop: Shop, tmp_path: Path) -> None:
    data = bytes(range(256)) * 4000
    shop.files["/f"] = data
    shop.cuts = [300_000, 700_000]
    download(f"{shop.address}/f", tmp_path / "f", size=len(data), sha256=digest(data))
    assert (tmp_path / "f").read_bytes() == data
    assert shop.asked == [None, "bytes=300000-", "bytes=700000-"]
    assert [path.name for path in tmp_path.iterdir()] == ["f"]


def test_the_next_call_goes_on_where_the_last_one_failed(shop: Shop, tmp_path: Path) -> None:
    data = bytes(range(256)) * 4000
    shop.files["/f"] = data
    shop.cuts = [300_000, 300_000]
    with pytest.raises(DownloadFailed, match=r"cut off after 300000 of 1024000 bytes.*300000 bytes are kept"):
        download(f"{shop.address}/f", tmp_path / "f", sha256=digest(data))
    assert not (tmp_path / "f").exists()
    download(f"{shop.address}/f", tmp_path / "f", sha256=digest(data))
    assert shop.asked == [None, "bytes=300000-", "bytes=300000-"]
    assert (tmp_path / "f").read_bytes() == data


def test_two_halves_of_different_files_are_never_joined(shop: Shop, tmp_path: Path) -> None:
    shop.files["/f"] = b"a" * 500_000
    shop.cuts = [200_000, 200_000]
    with pytest.raises(DownloadFailed, match="cut off"):
        download(f"{shop.address}/f", tmp_path / "f")
    shop.files["/f"], shop.tags["/f"] = b"b" * 400_000, '"two"'
    download(f"{shop.address}/f", tmp_path / "f")
    assert (tmp_path / "f").read_bytes() == b"b" * 400_000


def test_a_file_without_a_strong_tag_starts_anew(shop: Shop, tmp_path: Path) -> None:
    shop.files["/f"], shop.tags["/f"] = b"a" * 500_000, 'W/"weak"'
    shop.cuts = [200_000]
    download(f"{shop.address}/f", tmp_path / "f")
    assert shop.asked == [None, None]
    assert (tmp_path / "f").read_bytes() == b"a" * 500_000


def test_another_file_than_the_known_one_is_deleted_and_both_hashes_named(
    shop: Shop, weights: bytes, place: Path
) -> None:
    shop.files["/G.pth"] = weights
    known = offer(KnownFile(address=f"{shop.address}/G.pth", bytes=len(weights), sha256="0" * 64))
    with pytest.raises(DownloadFailed, match=rf"not the expected one.*{digest(weights)} instead of {'0' * 64}"):
        fetch(known, place)
    assert not [path for path in place.rglob("*") if path.is_file()]


def test_a_missing_file_says_where_else_to_look(shop: Shop, place: Path) -> None:
    with pytest.raises(
        DownloadFailed, match=r"answered 404 [\s\S]*org/painter\n[\s\S]* targets add painter --checkpoint"
    ):
        fetch(offer(KnownFile(address=f"{shop.address}/G.pth")), place)
    shop.files["/G.pth"], shop.kind = b"<html>", "text/html; charset=utf-8"
    with pytest.raises(DownloadFailed, match="web page instead of a file"):
        fetch(offer(KnownFile(address=f"{shop.address}/G.pth")), place)


def test_without_a_network_it_fails_at_once_and_says_what_to_do(place: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # bound and not listening: refuses at once
        for host in (f"127.0.0.1:{taken.getsockname()[1]}", "nowhere.invalid"):
            start = time.perf_counter()
            with pytest.raises(
                DownloadFailed, match=r"cannot be downloaded from here.*\nDownload it on another machine"
            ):
                fetch(offer(KnownFile(address=f"http://{host}/G.pth")), place)
            assert time.perf_counter() - start < 8


def test_it_is_taken_out_of_an_archive(shop: Shop, weights: bytes, place: Path) -> None:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as files:
        files.writestr("models/inner/G.pth", weights)
        files.writestr("models/other/D.pth", b"no")
    shop.files["/all.zip"] = buffer.getvalue()
    address = f"{shop.address}/all.zip"
    with pytest.raises(BadInput, match=r"0 files called H\.pth"):
        fetch(offer(KnownFile(address=address, member="H.pth")), place)
    with pytest.raises(DownloadFailed, match="is not the expected file"):
        fetch(offer(KnownFile(address=address, member="G.pth", member_sha256="1" * 64)), place)
    path, _ = fetch(offer(KnownFile(address=address, member="G.pth", member_sha256=digest(weights))), place)
    assert path.read_bytes() == weights


def test_a_manual_download_says_so(place: Path) -> None:
    known = known_checkpoint("hisd_celebahq_256")
    with pytest.raises(BadInput, match=r"cannot be fetched.*needs a browser[\s\S]*poise targets add hisd_celebahq_256"):
        fetch(known, place)


def test_the_commands(shop: Shop, weights: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("POISE_DATA_DIR", str(tmp_path / "data"))
    shop.files["/G.pth"] = weights
    table = tmp_path / "mirror.toml"
    table.write_text(
        '[painter]\narchitecture = "cyclegan"\npaper = "P"\nlicence = "CC0-1.0"\npage = "https://example.org"\n'
        f'image_size = 32\n[[painter.files]]\naddress = "{shop.address}/G.pth"\n'
    )
    listed = poise_targets.invoke(app, ["list", "--known", "--json"])
    assert listed.exit_code == 0
    assert [row["name"] for row in json.loads(listed.stdout)["known"]] == list(known_checkpoints())
    assert "painter" in poise_targets.invoke(app, ["list", "--known", "--table", str(table)]).stdout
    done = poise_targets.invoke(app, ["fetch", "painter", "--table", str(table), "--as", "mine", "--json"])
    assert done.exit_code == 0, done.stderr
    record = json.loads(done.stdout)
    assert (record["name"], record["licence"], record["origin"]) == ("mine", "CC0-1.0", "fetched")
    assert record["sha256"] == digest(weights)
    assert record["seconds"] >= 0, "it was tried"
    assert list((tmp_path / "data" / ".downloads").iterdir()) == []
    taken = poise_targets.invoke(app, ["fetch", "painter", "--table", str(table), "--as", "mine"])
    assert (taken.exit_code, "already registered" in taken.stderr) == (2, True)
    said = poise_targets.invoke(app, ["fetch", "painter", "--table", str(table)])
    assert "Its SHA-256 was not known" in said.stdout
    assert digest(weights) in said.stdout.replace("\n", "")
    assert poise_targets.invoke(app, ["fetch", "painter", "--table", str(table)]).exit_code == 2
    assert poise_targets.invoke(app, ["fetch", "biggan"]).exit_code == 2
    shop.files["/G.pth"] = b"PK\x03\x04 nothing of the kind"
    broken = poise_targets.invoke(app, ["fetch", "painter", "--table", str(table), "--as", "broken"])
    assert (broken.exit_code, "damaged" in broken.stderr) == (2, True)
    listed = poise_targets.invoke(app, ["list", "--json"])
    assert [row["name"] for row in json.loads(listed.stdout)["registered"]] == ["mine", "painter"]
    shop.files.clear()
    gone = poise_targets.invoke(app, ["fetch", "painter", "--table", str(table), "--as", "other"])
    assert gone.exit_code == 1
    assert "404" in gone.stderr
