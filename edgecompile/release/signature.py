"""Ed25519 signatures of manifests (RFC 8032), by the package `cryptography`.

No message of this module holds a part of a private key.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from edgecompile.build.package import readable_json
from edgecompile.digest import digest_bytes
from edgecompile.errors import UserError

SCHEMA = "edgecompile.signature/1"
_PEM = "-----BEGIN"
_MAKE_PRIVATE = "make one: openssl genpkey -algorithm ed25519 -out key.pem"
_MAKE_PUBLIC = "write the public half: openssl pkey -in key.pem -pubout -out public.pem"


@dataclass(frozen=True)
class Signature:
    """What `manifest.sig` says: 64 bytes over the manifest's bytes, by the key of 32 bytes."""

    public_key: bytes
    signature: bytes

    @property
    def fingerprint(self) -> str:
        """SHA-256 of the raw public key, 64 hex digits."""
        return digest_bytes(self.public_key)

    def holds_for(self, data: bytes) -> bool:
        """Whether these bytes were signed by that key, unchanged since."""
        try:
            Ed25519PublicKey.from_public_bytes(self.public_key).verify(self.signature, data)
        except (InvalidSignature, ValueError):
            return False
        return True

    def as_bytes(self) -> bytes:
        """The one way in which `manifest.sig` is written."""
        return readable_json(
            {
                "schema": SCHEMA,
                "algorithm": "ed25519",
                "public_key": self.public_key.hex(),
                "signature": self.signature.hex(),
            }
        )


def parse_signature(data: bytes) -> Signature | None:
    """The signature that `data` spells; None where a byte of it is not as it is written."""
    try:
        body = json.loads(data)
        found = Signature(bytes.fromhex(body["public_key"]), bytes.fromhex(body["signature"]))
    except (ValueError, KeyError, TypeError):
        return None
    return found if found.as_bytes() == data else None


def sign(key: Ed25519PrivateKey, data: bytes) -> Signature:
    """Sign the bytes of a manifest; the same key and bytes give the same signature."""
    return Signature(key.public_key().public_bytes_raw(), key.sign(data))


def private_key(path_or_pem: str, named_by: str) -> Ed25519PrivateKey:
    """A private key, from the path of a PEM file or from PEM text.

    `named_by` says in messages where the value was given, in place of the value.

    Raises:
        UserError: it is no Ed25519 private key without a password, or cannot be read.
    """
    data = _pem(path_or_pem, named_by, _MAKE_PRIVATE)
    try:
        key = serialization.load_pem_private_key(data, password=None)
    except TypeError:
        raise UserError(
            f"the key that {named_by} gives is locked with a password",
            remedy="unlock it for the build: openssl pkey -in locked.pem -out key.pem",
        ) from None
    except (ValueError, UnsupportedAlgorithm):
        raise UserError(
            f"what {named_by} gives is no private key in PEM", remedy=_MAKE_PRIVATE
        ) from None
    if not isinstance(key, Ed25519PrivateKey):
        raise UserError(
            f"the key that {named_by} gives is not an Ed25519 key", remedy=_MAKE_PRIVATE
        )
    return key


def public_key(path: Path) -> bytes:
    """The 32 bytes of the Ed25519 public key in a PEM file.

    Raises:
        UserError: it is none, or cannot be read.
    """
    data = _pem(str(path), "--key", _MAKE_PUBLIC)
    try:
        key = serialization.load_pem_public_key(data)
    except (ValueError, UnsupportedAlgorithm):
        raise UserError("what --key gives is no public key in PEM", remedy=_MAKE_PUBLIC) from None
    if not isinstance(key, Ed25519PublicKey):
        raise UserError("the key that --key gives is not an Ed25519 key", remedy=_MAKE_PUBLIC)
    return key.public_bytes_raw()


def _pem(path_or_pem: str, named_by: str, remedy: str) -> bytes:
    if path_or_pem.lstrip().startswith(_PEM):
        return path_or_pem.encode()
    try:
        return Path(path_or_pem).read_bytes()
    except (OSError, ValueError) as error:
        # The value itself might be a key in a wrong form: it is not shown.
        reason = error.strerror if isinstance(error, OSError) else "not a path"
        raise UserError(
            f"the key file that {named_by} names cannot be read: {reason}", remedy=remedy
        ) from None
