"""The provider's edge: bytes in, bytes out."""
