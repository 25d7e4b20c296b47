"""Content Credentials (C2PA): a signed statement in a copy that training on it is prohibited.

It needs the extra ``c2pa`` and a certificate of the operator's. It says that the picture was altered by an algorithm,
and prohibits every use that ``cawg.training-mining`` knows. It says nothing of the photo or of its maker, has no
thumbnail, and no trusted time, which would need a network.
"""

from __future__ import annotations

import io
import json
from dataclasses import dataclass, field
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from app.contracts.settings import BadSettings

if TYPE_CHECKING:
    from app.contracts.settings import Settings

_USES: Final = ("ai_generative_training", "ai_training", "ai_inference", "data_mining")
_ALTERED: Final = "http://cv.iptc.org/newscodes/digitalsourcetype/algorithmicallyEnhanced"
_CURVES: Final = {"secp256r1": "ES256", "secp384r1": "ES384", "secp521r1": "ES512"}
_ADVICE: Final = "POISE_C2PA_CERTIFICATE names a chain of certificates, your own first, and POISE_C2PA_KEY its key"


@dataclass(frozen=True, slots=True)
class Credentials:
    """Signs copies. chain, key: in PEM. algorithm: C2PA's name of the key's."""

    chain: bytes = field(repr=False)
    key: bytes = field(repr=False)
    algorithm: str

    def signed(self, data: bytes, media_type: str) -> bytes:
        """``data`` with the statement in it."""
        import c2pa  # noqa: PLC0415 - optional, and in the processes that sign alone

        quiet = c2pa.Context(c2pa.Settings.from_dict({"builder": {"thumbnail": {"enabled": False}}}))
        info = c2pa.C2paSignerInfo(c2pa.C2paSigningAlg[self.algorithm], self.chain, self.key, None)
        out = io.BytesIO()
        with c2pa.Signer.from_info(info) as signer, c2pa.Builder(json.dumps(_manifest()), quiet) as builder:
            builder.sign(signer, media_type, io.BytesIO(data), out)
        return out.getvalue()


def credentials_of(settings: Settings) -> Credentials | None:
    """What the settings ask for; ``None`` if no certificate is set.

    Raises:
        BadSettings: half of it is set, the extra is missing, or the files cannot be used.
    """
    certificate, key = settings.c2pa_certificate, settings.c2pa_key
    if certificate is None and key is None:
        return None
    if certificate is None or key is None:
        raise BadSettings(f"only one of two settings is there: {_ADVICE}")
    if find_spec("c2pa") is None:
        raise BadSettings("POISE_C2PA_CERTIFICATE needs the extra `c2pa`: pip install 'poise[c2pa]'")
    return _read(certificate, key)


def _read(certificate: Path, key: Path) -> Credentials:
    from cryptography import x509  # noqa: PLC0415 - comes with the extra
    from cryptography.hazmat.primitives import serialization  # noqa: PLC0415 - as above

    try:
        chain, secret = certificate.read_bytes(), key.read_bytes()
        private = serialization.load_pem_private_key(secret, None)
        own = x509.load_pem_x509_certificates(chain)[0]
    except (OSError, ValueError, TypeError, IndexError) as error:
        raise BadSettings(f"the certificate or its key cannot be read ({type(error).__name__}): {_ADVICE}") from None
    if own.public_key() != private.public_key():
        raise BadSettings(f"the key does not belong to the first certificate: {_ADVICE}")
    return Credentials(chain, secret, _algorithm(private))


def _algorithm(key: Any) -> str:
    from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa  # noqa: PLC0415 - comes with the extra

    if isinstance(key, ec.EllipticCurvePrivateKey) and key.curve.name in _CURVES:
        return _CURVES[key.curve.name]
    if isinstance(key, ed25519.Ed25519PrivateKey):
        return "ED25519"
    if isinstance(key, rsa.RSAPrivateKey):
        return "PS256"
    raise BadSettings("the key is of a kind that C2PA does not know: use one on the curve P-256, P-384 or P-521")


def _manifest() -> dict[str, Any]:
    created = {"action": "c2pa.created", "digitalSourceType": _ALTERED}
    prohibited = {f"cawg.{use}": {"use": "notAllowed"} for use in _USES}
    return {
        "claim_generator_info": [{"name": "Poise", "version": version("poise")}],
        "assertions": [
            {"label": "c2pa.actions", "data": {"actions": [created]}},
            {"label": "cawg.training-mining", "data": {"entries": prohibited}},
        ],
    }
