"""Codecs of payloads that stead brings. `aes_gcm` is the one; users import it from `crypto`."""
