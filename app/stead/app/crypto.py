"""A codec of payloads that encrypts, with rotation of keys: AES-256-GCM, by the library `cryptography` (the extra `stead[crypto]`).

# myapp/crypto.py
from stead.app.crypto import AesGcmCodec

codec = AesGcmCodec.from_environment("MYAPP_PAYLOAD_KEYS")

# and where the app is made
app = App("shop", settings=Settings(payload_codec="myapp.crypto:codec"))
"""

from __future__ import annotations

from stead.app._crypto.aes_gcm import AesGcmCodec, CryptoMissing, new_key

__all__ = ["AesGcmCodec", "CryptoMissing", "new_key"]
