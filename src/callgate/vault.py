"""Providers' secrets at rest: encrypted with the operator's secret key, clear only inside the process."""

import base64
import binascii

from cryptography.fernet import Fernet, InvalidToken
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from callgate.errors import SettingsInvalid

KEY_BYTES = 32


class Vault:
    """Seals and unseals with one secret key: 32 bytes as URL-safe base64. Raises `SettingsInvalid` for any other."""

    def __init__(self, secret_key: str) -> None:
        self._key = read_key(secret_key)
        self._fernet = Fernet(self._key)

    def derived(self, purpose: str) -> bytes:
        """Return a key for another purpose, from which the secret key cannot be told."""
        return HKDF(algorithm=SHA256(), length=KEY_BYTES, salt=None, info=purpose.encode()).derive(self._key)

    def seal(self, clear: str) -> bytes:
        return self._fernet.encrypt(clear.encode())

    def unseal(self, sealed: bytes) -> str:
        """Raises `SettingsInvalid` when it was sealed with another key."""
        try:
            return self._fernet.decrypt(sealed).decode()
        except InvalidToken as error:
            raise SettingsInvalid(
                "secret_key", "another key than the one that secrets in the database were sealed with", "that one"
            ) from error


def read_key(text: str) -> bytes:
    """Check a secret key, without ever showing it, and return its text as bytes. Padding at its end may be missing.

    Raises `SettingsInvalid`.
    """
    padded = text + "=" * (-len(text) % 4)
    try:
        decoded = base64.urlsafe_b64decode(padded)
    except (binascii.Error, ValueError):
        decoded = b""
    if len(decoded) != KEY_BYTES or base64.urlsafe_b64encode(decoded) != padded.encode():
        expected = "32 random bytes as URL-safe base64; `callgate init` writes one into callgate.toml"
        raise SettingsInvalid("secret_key", f"{len(text)} characters that are not a key", expected)
    return padded.encode()


def new_key() -> str:
    """Return a fresh secret key."""
    return Fernet.generate_key().decode()
