"""What was recorded of MLS (RFC 9420) under suite 0x004D: KeyPackage and Welcome, opened from the RFC and X-Wing's draft."""

from base import *

SUITE_NUMBER = b"\x00\x4d"


class Fields:
    """The presentation language of TLS, as RFC 9420 uses it."""

    def __init__(self, data):
        self.data, self.at = data, 0

    def take(self, count):
        assert self.at + count <= len(self.data), "cut"
        self.at += count
        return self.data[self.at - count:self.at]

    def number(self, count):
        return int.from_bytes(self.take(count), "big")

    def vector(self):
        size = 1 << (self.data[self.at] >> 6)
        return self.take(self.number(size) & (1 << 8 * size - 2) - 1)

    def since(self, at):
        return self.data[at:self.at]


def vec(data):
    size = next(size for size in (1, 2, 4) if len(data) < 1 << 8 * size - 2)
    return (len(data) | (size.bit_length() - 1) << 8 * size - 2).to_bytes(size, "big") + data


def signed(public, label, content, signature):
    return verify(public, "", b"", vec(b"MLS 1.0 " + label) + vec(content), signature)


def mls_expand(secret, label, context=b"", length=32):
    return expand(secret, struct.pack(">H", length) + vec(b"MLS 1.0 " + label) + vec(context), length)


def key_package(data):
    """Fields of an MLSMessage with a KeyPackage; asserts both signatures."""
    read = Fields(data)
    assert read.take(4) == b"\x00\x01\x00\x05", "an MLS 1.0 KeyPackage"
    begin = read.at
    assert read.take(4) == b"\x00\x01" + SUITE_NUMBER
    init = read.vector()
    leaf = read.at
    encryption, public = read.vector(), read.vector()
    assert read.number(2) == 1, "a basic credential"
    credential = read.vector()
    capabilities = [read.vector() for _ in range(5)]
    assert SUITE_NUMBER in [capabilities[1][at:at + 2] for at in range(0, len(capabilities[1]), 2)]
    assert read.number(1) == 1, "the source is a KeyPackage"
    read.take(16)
    read.vector()
    content = read.since(leaf)
    assert signed(public, b"LeafNodeTBS", content, read.vector()), "the leaf's signature"
    extensions, content = read.vector(), None
    content = read.since(begin)
    assert signed(public, b"KeyPackageTBS", content, read.vector()) and read.at == len(data)
    assert len(init) == len(encryption) == 1216 and init != encryption
    return {"init": init, "leaf": encryption, "credential": credential, "extensions": extensions, "package": data[begin:]}


def mls_key_package(i, out):
    package = key_package(out["package"])
    extensions = Fields(package["extensions"])
    assert package["credential"] == b"ours" and extensions.number(2) == 0xF5B1 and extensions.vector() == i["queue"]
    return {}


def mls_welcome(i, out):
    package = key_package(i["package"])
    assert (package["init"], package["leaf"]) == (xwing_public(i["init"]), xwing_public(i["leaf"])), "X-Wing's keys"
    reference = hashlib.sha256(vec(b"MLS 1.0 KeyPackage Reference") + vec(package["package"])).digest()
    assert reference == i["reference"]
    read = Fields(out["welcome"])
    assert read.take(6) == b"\x00\x01\x00\x03" + SUITE_NUMBER
    secrets, sealed_info = Fields(read.vector()), read.vector()
    assert secrets.vector() == reference
    enc, ciphertext = secrets.vector(), secrets.vector()
    info = vec(b"MLS 1.0 Welcome") + vec(sealed_info)
    key, nonce = key_schedule(KEM_SUITE, xwing_open(i["init"], enc), info)
    group = Fields(ChaCha20Poly1305(key).decrypt(nonce, ciphertext, b""))
    joiner = group.vector()
    member = extract(joiner, bytes(32))
    welcome = mls_expand(member, b"welcome")
    key, nonce = mls_expand(welcome, b"key"), mls_expand(welcome, b"nonce", length=12)
    read = Fields(ChaCha20Poly1305(key).decrypt(nonce, sealed_info, b""))
    assert read.take(4) == b"\x00\x01" + SUITE_NUMBER
    read.vector(), read.take(8), read.vector()
    transcript = read.vector()
    read.vector()
    context, _, tag = read.since(0), read.vector(), read.vector()
    epoch = mls_expand(member, b"epoch", context)
    assert hmac.digest(mls_expand(epoch, b"confirm"), transcript, "sha256") == tag, "the confirmation tag"
    exporter = mls_expand(mls_expand(epoch, b"exporter"), b"agree")
    return {"exported": mls_expand(exporter, b"exported", hashlib.sha256(b"context").digest())}


def mls_messages(i, out):
    """Their framing; another implementation opens them."""
    for field, kind in (("sealed", 1), ("commit", 3)):
        read = Fields(out[field])
        assert read.take(4) == b"\x00\x01\x00\x02" and read.vector() == i["room"] and read.number(8) == 1 and read.number(1) == kind
        authenticated, _, ciphertext = read.vector(), read.vector(), read.vector()
        assert authenticated == {1: b"aad", 3: b"why"}[kind] and read.at == len(out[field]) and i["plaintext"] not in ciphertext
    return {}
