"""The constructions that all pages use: docs/protocol/encoding.md and envelope.md, and what the checks share."""

import base64
import hashlib
import hmac
import pathlib
import struct

from cryptography.exceptions import InvalidSignature, InvalidTag
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305

from xwing import xwing_open, xwing_public, xwing_seal

HERE = pathlib.Path(__file__).parent
RAW = serialization.Encoding.Raw, serialization.PublicFormat.Raw
FIRST = b"\1\4"
BUCKETS = [512, 2048, 8192, 32768, 131072, 262144]


def head(major, value):
    for bits, size, mark in ((8, 1, 24), (16, 2, 25), (32, 4, 26), (64, 8, 27)):
        if value < 24:
            return bytes([major << 5 | value])
        if value < 1 << bits:
            return bytes([major << 5 | mark]) + value.to_bytes(size, "big")
    raise ValueError(value)


def cbor(value):
    if value is None:
        return b"\xf6"
    if isinstance(value, bool):
        return b"\xf5" if value else b"\xf4"
    if isinstance(value, int):
        return head(0, value)
    if isinstance(value, bytes):
        return head(2, len(value)) + value
    if isinstance(value, str):
        return head(3, len(value.encode())) + value.encode()
    if isinstance(value, list):
        return head(4, len(value)) + b"".join(map(cbor, value))
    if isinstance(value, dict):
        items = [(key, item) for key, item in sorted(value.items()) if item is not None]
        return head(5, len(items)) + b"".join(cbor(key) + cbor(item) for key, item in items)
    raise TypeError(type(value))


def record(value):
    return b"\x01" + cbor(value)


class Reader:
    """Reads one CBOR item; refuses what is not deterministic by comparing with `cbor`."""

    def __init__(self, data):
        self.data, self.at = data, 0

    def take(self, count):
        if self.at + count > len(self.data):
            raise ValueError("cut")
        self.at += count
        return self.data[self.at - count:self.at]

    def item(self):
        first = self.take(1)[0]
        major, info = first >> 5, first & 31
        if major == 7:
            return {20: False, 21: True, 22: None}[info]
        value = info if info < 24 else int.from_bytes(self.take({24: 1, 25: 2, 26: 4, 27: 8}[info]), "big")
        if major == 0:
            return value
        if major == 2:
            return self.take(value)
        if major == 3:
            return self.take(value).decode()
        if major == 4:
            return [self.item() for _ in range(value)]
        if major == 5:
            return {self.item(): self.item() for _ in range(value)}
        raise ValueError(f"major type {major}")


def read(data):
    assert data[0] == 1, "version"
    reader = Reader(data[1:])
    value = reader.item()
    assert record(value) == data, "not the deterministic encoding"
    return value


def prefixed(label, parts):
    return b"".join(struct.pack(">Q", len(part)) + part for part in [label.encode(), *parts])


def name(text):
    return f"symbolon/1 {text}."


def hashed(label, *parts):
    return hashlib.sha256(prefixed(label, parts)).digest()


def extract(salt, key):
    return hmac.digest(salt or bytes(32), key, "sha256")


def expand(prk, info, length):
    out, block, count = b"", b"", 1
    while len(out) < length:
        block = hmac.digest(prk, block + info + bytes([count]), "sha256")
        out, count = out + block, count + 1
    return out[:length]


def derived(secret, label, *parts):
    return expand(extract(b"", secret), prefixed(label, parts), 32)


def mac(key, label, *parts):
    return hmac.digest(key, prefixed(label, parts), "sha256")[:16]


def base32(data):
    return base64.b32encode(data).decode().rstrip("=").lower()


def dh(private, public):
    return X25519PrivateKey.from_private_bytes(private).exchange(X25519PublicKey.from_public_bytes(public))


def dh_public(private):
    return X25519PrivateKey.from_private_bytes(private).public_key().public_bytes(*RAW)


def ed_public(seed):
    return Ed25519PrivateKey.from_private_bytes(seed).public_key().public_bytes(*RAW)


def sign(seed, label, context, body):
    return Ed25519PrivateKey.from_private_bytes(seed).sign(label.encode() + context + body)


def verify(public, label, context, body, signature):
    try:
        Ed25519PublicKey.from_public_bytes(public).verify(signature, label.encode() + context + body)
        return True
    except InvalidSignature:
        return False


def labeled_extract(suite, salt, label, key):
    return extract(salt, b"HPKE-v1" + suite + label + key)


def labeled_expand(suite, prk, label, info, length):
    return expand(prk, struct.pack(">H", length) + b"HPKE-v1" + suite + label + info, length)


KEM, SUITE, KEM_SUITE = b"KEM\x00\x20", b"HPKE\x00\x20\x00\x01\x00\x03", b"HPKE\x64\x7a\x00\x01\x00\x03"


def key_schedule(suite, shared, info, psk=b"", psk_id=b""):
    """RFC 9180, section 5.1: key and nonce of the first message; mode PSK when there is one, else base."""
    context = labeled_extract(suite, b"", b"psk_id_hash", psk_id) + labeled_extract(suite, b"", b"info_hash", info)
    context = bytes([bool(psk)]) + context
    prk = labeled_extract(suite, shared, b"secret", psk)
    return labeled_expand(suite, prk, b"key", context, 32), labeled_expand(suite, prk, b"base_nonce", context, 12)


def hpke_key(enc, shared, receiver, info):
    """ExtractAndExpand of the KEM, then the key schedule."""
    secret = labeled_expand(KEM, labeled_extract(KEM, b"", b"eae_prk", shared), b"shared_secret", enc + receiver, 32)
    return key_schedule(SUITE, secret, info)


def kem_seal(label, public, aad, plaintext, randomness, psk=None):
    shared, enc = xwing_seal(public, randomness)
    key, nonce = key_schedule(KEM_SUITE, shared, label.encode(), *(psk or ()))
    return enc + ChaCha20Poly1305(key).encrypt(nonce, plaintext, aad)


def kem_open(label, seed, aad, sealed, psk=None):
    key, nonce = key_schedule(KEM_SUITE, xwing_open(seed, sealed[:1120]), label.encode(), *(psk or ()))
    return ChaCha20Poly1305(key).decrypt(nonce, sealed[1120:], aad)


def hpke_seal(label, receiver, aad, plaintext, ikm):
    private = labeled_expand(KEM, labeled_extract(KEM, b"", b"dkp_prk", ikm), b"sk", b"", 32)
    enc = dh_public(private)
    key, nonce = hpke_key(enc, dh(private, receiver), receiver, label.encode())
    return enc + ChaCha20Poly1305(key).encrypt(nonce, plaintext, aad)


def hpke_open(label, private, aad, sealed):
    enc, receiver = sealed[:32], dh_public(private)
    key, nonce = hpke_key(enc, dh(private, enc), receiver, label.encode())
    return ChaCha20Poly1305(key).decrypt(nonce, sealed[32:], aad)


def pad(payload, overhead):
    size = next(size for size in BUCKETS if size >= len(payload) + 4 + overhead)
    return (struct.pack(">I", len(payload)) + payload).ljust(size - overhead, b"\0")


def first_envelope(receiver, payload, randomness, psk=None, use="first"):
    return FIRST + kem_seal(name(f"seal {use} envelope"), receiver, FIRST, pad(payload, 2 + 1120 + 16), randomness, psk)


def first_payload(seed, envelope, psk=None, use="first"):
    padded = kem_open(name(f"seal {use} envelope"), seed, FIRST, envelope[2:], psk)
    length = int.from_bytes(padded[:4], "big")
    assert envelope[:2] == FIRST and not any(padded[4 + length:])
    return padded[4:4 + length]


def known_keys(i, private, public, sender, receiver, counter=0):
    info = prefixed(name("key known root"), (sender, receiver, struct.pack(">Q", i["number"])))
    root = expand(extract(i["seed"], dh(private, public)), info, 32)
    state = derived(root, name("key known ratchet"))
    for _ in range(counter):
        state = derived(state, name("key known step"))
    return derived(state, name("key known seal")), derived(root, name("key known tag"))


def tag(key, counter):
    return mac(key, name("mac envelope tag"), struct.pack(">Q", counter))


def known_envelope(keys, counter, nonce, payload):
    header = b"\1\3" + tag(keys[1], counter)
    aad = name("seal known envelope").encode() + header
    return header + nonce + ChaCha20Poly1305(keys[0]).encrypt(nonce, pad(payload, 18 + 12 + 16), aad)


def context(*parts):
    return hashed(name("hash signature context"), *parts)


def peer_of(root):
    return hashlib.sha256(root).digest()


def direct_package(key, device):
    return hashed(name("hash contact package"), key, b"\xff" * 8, b"\1", device)


def invite_id(secret):
    return hashed(name("hash invite id"), secret)[:16]


def four(value):
    return struct.pack(">I", value)


def opened(key, label, sealed, aad=b""):
    return ChaCha20Poly1305(key).decrypt(bytes(12), sealed, label.encode() + aad)


def sealed_at_random(key, nonce, label, aad, plain):
    return nonce + ChaCha20Poly1305(key).encrypt(nonce, plain, name(label).encode() + aad)


BOOK = {}


def book(title, side, key):
    return unhex("", BOOK[title][side])[key]


TEXTS = {"topic", "label", "text", "words", "code", "name", "link", "card", "result", "labels", "sha256"}


def unhex(key, value):
    """JSON to Python: hex strings become bytes, except where text is meant."""
    if isinstance(value, list):
        return [unhex(key, item) for item in value]
    if isinstance(value, dict):
        return {key: unhex(key, item) for key, item in value.items()}
    if isinstance(value, str) and key not in TEXTS:
        try:
            return bytes.fromhex(value)
        except ValueError:
            return value
    return value
