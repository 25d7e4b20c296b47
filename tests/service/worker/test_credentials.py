"""Content Credentials: what a signed copy says, and which settings are refused."""

from __future__ import annotations

import io
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import c2pa
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
from PIL import Image

from app.contracts.settings import BadSettings, Settings
from worker.credentials import credentials_of

PEM = serialization.Encoding.PEM
FROM, UNTIL = datetime(2026, 1, 1, tzinfo=UTC), datetime(2099, 1, 1, tzinfo=UTC)


def name(common: str) -> x509.Name:
    pairs = ((NameOID.COMMON_NAME, common), (NameOID.ORGANIZATION_NAME, "Test"))
    return x509.Name([x509.NameAttribute(oid, text) for oid, text in pairs])


def certificate(key: Any, issuer: Any, *, common: str, authority: bool) -> x509.Certificate:
    used = dict.fromkeys(("content_commitment", "key_encipherment", "data_encipherment", "key_agreement"), False)
    usage = x509.KeyUsage(
        digital_signature=not authority,
        key_cert_sign=authority,
        crl_sign=authority,
        encipher_only=False,
        decipher_only=False,
        **used,
    )
    built = (
        x509.CertificateBuilder()
        .subject_name(name(common))
        .issuer_name(name("Authority"))
        .public_key(key.public_key())
        .serial_number(2 - authority)
        .not_valid_before(FROM)
        .not_valid_after(UNTIL)
        .add_extension(x509.BasicConstraints(ca=authority, path_length=None), critical=True)
        .add_extension(usage, critical=True)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer.public_key()), critical=False)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
    )
    if not authority:
        built = built.add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.EMAIL_PROTECTION]), critical=False)
    return built.sign(issuer, hashes.SHA256())


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A chain of two certificates, and the key of the first."""
    folder = tmp_path_factory.mktemp("credentials")
    authority, own = (ec.generate_private_key(ec.SECP256R1()) for _ in range(2))
    chain = (
        certificate(own, authority, common="Signer", authority=False),
        certificate(authority, authority, common="Authority", authority=True),
    )
    (folder / "chain.pem").write_bytes(b"".join(one.public_bytes(PEM) for one in chain))
    plain = serialization.NoEncryption()
    (folder / "key.pem").write_bytes(own.private_bytes(PEM, serialization.PrivateFormat.PKCS8, plain))
    return folder / "chain.pem", folder / "key.pem"


@pytest.mark.parametrize("kind", ["jpeg", "png", "webp", "avif"])
def test_a_signed_copy_prohibits_training(files: tuple[Path, Path], kind: str) -> None:
    credentials = credentials_of(Settings(c2pa_certificate=files[0], c2pa_key=files[1]))
    assert credentials is not None
    assert "PRIVATE" not in repr(credentials)
    out = io.BytesIO()
    picture = Image.linear_gradient("L").convert("RGB")
    picture.save(out, kind.upper())
    signed = credentials.signed(out.getvalue(), f"image/{kind}")
    with c2pa.Reader(f"image/{kind}", io.BytesIO(signed)) as reader:
        told = json.loads(reader.json())
    assert told["validation_state"] == "Valid"
    manifest = told["manifests"][told["active_manifest"]]
    entries = next(one["data"]["entries"] for one in manifest["assertions"] if one["label"] == "cawg.training-mining")
    assert {entry["use"] for entry in entries.values()} == {"notAllowed"}
    assert len(entries) == 4
    assert "thumbnail" not in manifest
    with Image.open(io.BytesIO(out.getvalue())) as before, Image.open(io.BytesIO(signed)) as after:
        assert before.tobytes() == after.tobytes()


def test_without_a_certificate_nothing_is_signed() -> None:
    assert credentials_of(Settings()) is None


def test_settings_that_cannot_be_used_are_explained(files: tuple[Path, Path], tmp_path: Path) -> None:
    chain, key = files
    other = tmp_path / "other.pem"
    plain = serialization.NoEncryption()
    wrong = ec.generate_private_key(ec.SECP256R1())
    other.write_bytes(wrong.private_bytes(PEM, serialization.PrivateFormat.PKCS8, plain))
    for settings, why in (
        (Settings(c2pa_certificate=chain), "only one of two"),
        (Settings(c2pa_certificate=chain, c2pa_key=tmp_path / "missing"), "cannot be read"),
        (Settings(c2pa_certificate=key, c2pa_key=key), "cannot be read"),
        (Settings(c2pa_certificate=chain, c2pa_key=other), "does not belong"),
    ):
        with pytest.raises(BadSettings, match=why):
            credentials_of(settings)
