"""What was recorded of MLS (RFC 9420) under suite 0x004D: KeyPackage, Welcome, GroupInfo and external commit, opened from the RFC and X-Wing's draft."""

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
    context, epoch = welcomed(out["welcome"], i["init"], reference)
    exporter = mls_expand(mls_expand(epoch, b"exporter"), b"agree")
    return {"exported": mls_expand(exporter, b"exported", hashlib.sha256(b"context").digest())}


def welcomed(welcome, init, reference):
    """Group context and epoch secret of who is brought in; asserts the confirmation tag."""
    read = Fields(welcome)
    assert read.take(6) == b"\x00\x01\x00\x03" + SUITE_NUMBER
    secrets, sealed_info = Fields(read.vector()), read.vector()
    assert secrets.vector() == reference
    enc, ciphertext = secrets.vector(), secrets.vector()
    info = vec(b"MLS 1.0 Welcome") + vec(sealed_info)
    key, nonce = key_schedule(KEM_SUITE, xwing_open(init, enc), info)
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
    return context, epoch


def derived_key(secret):
    """DeriveKeyPair as MLS's draft has it: the plain hash, without the labels of HPKE."""
    return hashlib.shake_256(secret).digest(32)


def leaf_of(read, after=None):
    """Keys and source of a leaf node; with the group and its index the signature of one that came by a commit."""
    begin = read.at
    encryption, public = read.vector(), read.vector()
    assert read.number(2) == 1, "a basic credential"
    read.vector(), [read.vector() for _ in range(5)]
    source = read.number(1)
    if source == 1:
        read.take(16)
    elif source == 3:
        read.vector()
    read.vector()
    content, signature = read.since(begin), read.vector()
    assert after is None or source == 3 and signed(public, b"LeafNodeTBS", content + after, signature), "the leaf's signature"
    return encryption, public


def mls_entering(i, out):
    """The Offer's GroupInfo and the Accept's commit: what is signed in them, and that a member opens what is sealed to the room."""
    context, epoch = welcomed(i["welcome"], i["init"], i["reference"])
    read = Fields(out["group_info"])
    assert read.take(4) == b"\x00\x01\x00\x04" and read.take(len(context)) == context, "the present epoch"
    assert vec(i["room"]) in context[:40]
    extensions, found = Fields(read.vector()), {}
    while extensions.at < len(extensions.data):
        kind = extensions.number(2)
        found[kind] = Fields(extensions.vector())
    tag, signer = read.vector(), read.number(4)
    content = read.since(4)
    tree = Fields(found[2].vector())
    assert signer == 0 and tree.take(2) == b"\x01\x01", "the first node is a leaf"
    assert signed(leaf_of(tree)[1], b"GroupInfoTBS", content, read.vector()) and read.at == len(out["group_info"])
    key = derived_key(mls_expand(epoch, b"external"))
    assert found[4].vector() == xwing_public(key), "who enters seals to the key of the epoch"
    read = Fields(out["commit"])
    assert read.take(4) == b"\x00\x01\x00\x01" and read.vector() == i["room"] and read.number(8) == 1, "a PublicMessage in that epoch"
    assert read.number(1) == 4 and read.vector() == b"" and read.number(1) == 3, "a commit of somebody new"
    proposals, named = Fields(read.vector()), {}
    while proposals.at < len(proposals.data):
        assert proposals.number(1) == 1, "said, and not referred to"
        kind = proposals.number(2)
        named[kind] = proposals.vector() if kind == 6 else (proposals.number(1), proposals.vector(), proposals.vector())
    assert set(named) == {4, 6} and named[4][:2] == (1, i["psk_id"]) and len(named[6]) == 1120
    assert len(xwing_open(key, named[6])) == 32
    assert read.number(1) == 1, "with a path"
    encryption, public = leaf_of(read, vec(i["room"]) + struct.pack(">I", 2))
    path = Fields(read.vector())
    nodes = 0
    while path.at < len(path.data):
        assert len(path.vector()) == 1216
        path.vector()
        nodes += 1
    assert nodes == 1 and len(encryption) == 1216
    content = read.since(0)
    assert signed(public, b"FramedContentTBS", content + context, read.vector()), "the commit's signature"
    assert len(read.vector()) == 32 and read.at == len(out["commit"]) and len(tag) == 32
    return {}


def mls_messages(i, out):
    """Their framing; another implementation opens them."""
    for field, kind in (("sealed", 1), ("commit", 3)):
        read = Fields(out[field])
        assert read.take(4) == b"\x00\x01\x00\x02" and read.vector() == i["room"] and read.number(8) == 1 and read.number(1) == kind
        authenticated, _, ciphertext = read.vector(), read.vector(), read.vector()
        assert authenticated == {1: b"aad", 3: b"why"}[kind] and read.at == len(out[field]) and i["plaintext"] not in ciphertext
    return {}
