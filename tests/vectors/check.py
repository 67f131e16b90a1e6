#!/usr/bin/env python3
"""Recomputes the known-answer vectors from the protocol pages, without this project's Rust.

Needs PyPI's `cryptography`. HPKE, HKDF, X-Wing (`xwing.py`), deterministic CBOR and everything of ours is
written out, so that a mistake shared with a library of the Rust side would show.
Prints one line for each vector; exits 1 when one differs or is not checked.
"""

import base64
import hashlib
import hmac
import json
import pathlib
import struct
import sys

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305

from xwing import xwing_open, xwing_public, xwing_seal

HERE = pathlib.Path(__file__).parent
RAW = serialization.Encoding.Raw, serialization.PublicFormat.Raw
FIRST = b"\1\4"
BUCKETS = [512, 2048, 8192, 32768, 131072, 262144]


# Deterministic CBOR (RFC 8949, section 4.2), as much of it as the records use.

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


# Hashing, keys, MACs: docs/protocol/encoding.md

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


# Keys and seals: docs/protocol/envelope.md

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


# What each vector claims, computed again. Each takes `in` and answers (part of) `out`.

def context(*parts):
    return hashed(name("hash signature context"), *parts)


def peer_of(root):
    return hashlib.sha256(root).digest()


def root_keys(i):
    seed = derived(i["entropy"], name("key root"))
    second = ed_public(derived(i["entropy"], name("key second root")))
    return {"root_seed": seed, "root": ed_public(seed), "second_root_hash": hashed(name("hash second root"), second)}


def peer_words(i):
    peer = peer_of(i["root"])
    answer = {"peer": peer, "text": base32(peer)}
    try:
        from mnemonic import Mnemonic

        answer["words"] = Mnemonic("english").to_mnemonic(hashed(name("hash fingerprint words"), peer)[:16])
    except ImportError:
        print("words not checked: they need PyPI's `mnemonic`, too")
    return answer


def certificate(i):
    signing, x25519, root = ed_public(i["signing_seed"]), dh_public(i["dh_private"]), ed_public(i["root_seed"])
    cert = record({0: i["device"], 1: signing, 2: x25519, 3: i["not_before"], 4: i["not_after"], 5: i["serial"]})
    signature = sign(i["root_seed"], name("sign device certificate"), context(peer_of(root)), cert)
    return {"signing": signing, "dh": x25519, "cert": cert, "signature": signature, "chain": record({0: root, 1: cert, 2: signature})}


def further_certificate(i):
    signing, x25519, root = ed_public(i["signing_seed"]), dh_public(i["dh_private"]), ed_public(i["root_seed"])
    assert i["device"] == hashed(name("hash device id"), root, signing, x25519)[:16]
    cert = record({0: i["device"], 1: signing, 2: x25519, 3: i["not_before"], 4: i["not_after"], 5: i["serial"], 6: i["serial"]})
    signature = sign(i["root_seed"], name("sign device certificate"), context(peer_of(root)), cert)
    return {"cert": cert, "signature": signature, "chain": record({0: root, 1: cert, 2: signature})}


def pairing_code(i):
    secret = i["secret"]
    return {"code": base32(secret), "id": invite_id(secret), "psk": derived(secret, name("key invite psk"), i["maker"])}


def goes_by(chain):
    """The Peer ID by which the device of a chain goes."""
    cert = read(chain[1])
    assert verify(chain[0], name("sign device certificate"), context(peer_of(chain[0])), chain[1], chain[2])
    assert cert[0] == hashed(name("hash device id"), chain[0], cert[1], cert[2])[:16] and cert.get(6, 0) <= cert[5]
    return hashed(name("hash alias"), chain[0], cert[0]) if 6 in cert else peer_of(chain[0])


def signed_first(i, step, label, package, transcript, body):
    chain = read(i["chain"])
    assert goes_by(chain) == i.get("from", goes_by(chain))
    statement = record({0: step, 1: i["to"], 2: i["device"], 3: package, 4: transcript, 5: body})
    signature = sign(i["seed"], name(label), context(goes_by(chain), i["to"]), statement)
    assert read(chain[1])[1] == ed_public(i["seed"])
    return {"statement": statement, "signature": signature, "first": record({0: chain, 1: statement, 2: signature})}


def contact_package(contact, device):
    return hashed(name("hash contact package"), contact[1], struct.pack(">Q", contact[2]), bytes([contact[3]]), device)


def offer_transcript(i):
    return hashed(name("hash transcript of offer"), i["from"], i["to"], record({**read(i["body"]), 1: 0, 4: []}))


def pairing_offer(i):
    way_in = read(book("pairing body", "out", "body"))[2][0]
    assert contact_package(way_in, i["device"]) == i["package"] and read(i["body"])[4][0][4][1] == ed_public(i["seed"])
    return signed_first(i, 0, "sign offer", i["package"], bytes(32), i["body"]) | {"transcript": offer_transcript(i)}


def returned(i, out):
    body = read(out["body"])
    contact = read(body[0])
    said = read(contact[1])
    me = goes_by(contact[0])
    assert list(body) == [0] and contact[0] == read(i["chain"]) and len(said[2]) == 1 and 4 not in said
    assert verify(ed_public(i["seed"]), name("sign contact record"), context(me, me), contact[1], contact[2])
    direct = xwing_public(i["private"])
    answer = signed_first(i, 5, "sign returned", direct_package(direct, i["device"]), bytes(32), out["body"])
    return answer | {"envelope": first_envelope(direct, answer["first"], i["randomness"], use="direct")}


def backup_file(i):
    kinds = ("head", "persons", "ways", "texts", "end")
    assert i["parts"] == [book(f"part of a backup: {kind}", "out", "sealed") for kind in kinds]
    file = b"symbolon backup 1\n" + i["id"] + b"".join(four(len(part)) + part for part in i["parts"])
    return {"length": len(file), "file": file}


def joined(i, out):
    offer = unhex("", BOOK["pairing: Offer of a newcomer"])
    assert (i["to"], i["transcript"]) == (offer["in"]["from"], offer["out"]["transcript"])
    assert i["package"] == contact_package(read(offer["in"]["body"])[4][0], i["device"])
    body = record({0: read(i["chain"]), 1: i["second_root"], 2: i["name"]})
    statement = record({0: 4, 1: i["to"], 2: i["device"], 3: i["package"], 4: i["transcript"], 5: body})
    signature = sign(i["seed"], name("sign joined"), context(i["from"], i["to"]), statement)
    by = read(out["first"])[0]
    assert peer_of(by[0]) == i["from"] and read(by[1])[1] == ed_public(i["seed"])
    return {"body": body, "statement": statement, "signature": signature, "first": record({0: by, 1: statement, 2: signature})}


def gone(i):
    by, device = read(i["by"]), read(i["chain"])
    assert by[0] == device[0] == i["root"] == ed_public(i["root_seed"])
    signature, by_root = (sign(i[key], name("sign gone device"), context(i["root"]), device[1]) for key in ("seed", "root_seed"))
    return {"signature": signature, "by_root": by_root, "gone": record({0: by, 1: device, 2: signature, 3: by_root})}


def backup_part(i):
    place = context(i["id"], struct.pack(">Q", i["index"]))
    kind, content = read(i["part"])
    if kind == 0:
        assert sorted(content[0]) == list(range(6)) and [claim for _, claim in content[0][4]] == ["stand-in", None]
    if kind == 2:
        assert [sorted(ways) for ways in content[0]] == [[0, 1, 2, 3, 4], [0, 1, 2, 3, 4, 5]] and len(content[0][1][5][1]) == 4354
    return {"sealed": sealed_at_random(i["key"], i["nonce"], "seal backup", place, i["part"])}


def recovery(i):
    answer = {"key": derived(i["entropy"], name("key backup"))}
    try:
        from mnemonic import Mnemonic

        answer["words"] = Mnemonic("english").to_mnemonic(i["entropy"])
    except ImportError:
        print("words not checked: they need PyPI's `mnemonic`, too")
    return answer


def friendship(i):
    key = lambda use, *parts: derived(i["secret"], name(f"key {use}"), *parts)
    capability = key("capability", i["mailbox"])
    return {
        "fek": key("friendship encryption"), "waik": key("welcome attribution"), "lan": key("lan"),
        "put": key("friends' put", i["mailbox"]), "capability_seed": capability, "capability": ed_public(capability),
        "encoded": record({0: i["revision"], 1: i["secret"]}),
    }


def lan_tag(i):
    def place(p):
        return bytes([p["tcp"] | (len(p["address"]) == 16) << 1]) + p["address"] + struct.pack(">H", p["port"])

    places = b"".join(map(place, i["places"]))
    tag = mac(derived(i["secret"], name("key lan")), name("mac lan places"), i["instance"], struct.pack(">I", i["hour"]), i["transport"], places)
    return {"list": places, "text": base64.urlsafe_b64encode(places).decode().rstrip("="), "tag": tag}


def aead(i):
    nonce = bytes(4) + struct.pack(">Q", i["counter"])
    return {"sealed": ChaCha20Poly1305(i["key"]).encrypt(nonce, i["plaintext"], i["label"] + i["aad"])}


def hpke(i):
    sealed = hpke_seal(i["info"].decode(), i["public"], i["aad"], i["plaintext"], i["ikm"])
    assert hpke_open(i["info"].decode(), i["private"], i["aad"], sealed) == i["plaintext"]
    return {"sealed": sealed}


def kem(i):
    psk = (i["psk"], i["psk_id"]) if i["psk"] else None
    sealed = kem_seal(i["info"].decode(), i["public"], i["aad"], i["plaintext"], i["randomness"], psk)
    assert i["public"] == xwing_public(i["private"]) and kem_open(i["info"].decode(), i["private"], i["aad"], sealed, psk) == i["plaintext"]
    return {"sealed": sealed}


def enveloped(envelope):
    return {"envelope": envelope, "frame": hashlib.sha256(envelope).digest()}


def first(i):
    chain, statement = (read(i["payload"])[key] for key in (0, 1))
    psk = derived(i["secret"], name("key invite psk"), read(statement)[1])
    assert psk == i["psk"] and i["psk_id"] == invite_id(i["secret"]) and peer_of(chain[0])
    return enveloped(first_envelope(xwing_public(i["private"]), i["payload"], i["randomness"], (psk, i["psk_id"])))


def tags(i):
    there = known_keys(i, i["private"], i["public"], i["from"], i["to"])[1]
    back = known_keys(i, i["private"], i["public"], i["to"], i["from"])[1]
    return {"tags": [tag(there, n) for n in i["counters"]], "tags_back": [tag(back, n) for n in i["counters"]]}


def known(i):
    keys = known_keys(i, i["private"], i["public"], i["from"], i["to"], i["counter"])
    envelope = known_envelope(keys, i["counter"], i["nonce"], i["payload"])
    return {"tag": tag(keys[1], i["counter"]), "envelope": envelope, "frame": hashlib.sha256(envelope).digest()}


def sizes(seal):
    def check(i, out):
        for row in out["sizes"]:
            try:
                envelope = seal(i, i["byte"] * row["payload"])
            except StopIteration:
                assert row["envelope"] is None
                continue
            assert len(envelope) == row["envelope"] and hashlib.sha256(envelope).hexdigest() == row["sha256"]
        return {}
    return check


def known_sizes(i, payload):
    keys = known_keys(i, i["private"], dh_public(i["private"]), i["from"], i["to"], i["counter"])
    return known_envelope(keys, i["counter"], i["nonce"], payload)


def direct(i, out):
    payload = first_payload(i["private"], out["envelope"], use="direct")
    return enveloped(first_envelope(xwing_public(i["private"]), payload, i["randomness"], use="direct"))


def direct_package(key, device):
    return hashed(name("hash contact package"), key, b"\xff" * 8, b"\1", device)


def standing(i, out):
    assert direct_package(i["direct"], i["device"]) == i["package"]
    body = read(out["statement"])[5]
    statement = record({0: 3, 1: i["to"], 2: i["device"], 3: i["package"], 4: bytes(32), 5: body})
    signature = sign(i["seed"], name("sign standing"), context(i["from"], i["to"]), statement)
    chain = read(out["first"])[0]
    assert peer_of(chain[0]) == i["from"] and read(chain[1])[1] == ed_public(i["seed"])
    return {"statement": statement, "signature": signature, "first": record({0: chain, 1: statement, 2: signature})}


def word(i):
    return {"word": sign(i["seed"], name("sign start"), context(i["peer"], i["peer"]), record({0: i["instance"], 1: i["started"]}))}


def again(field):
    # No key enters these: that they are deterministic is what can be checked.
    return lambda i, out: {field: record(read(out[field]))}


def mailbox(i):
    return {"mailbox": hashed(name("hash mailbox id"), dh_public(i["private"]))}


def address(i):
    public = dh_public(i["private"])
    assert i["mailbox"] == hashed(name("hash mailbox id"), public)
    sealed = hpke_seal(name("seal mailbox address"), public, i["mailbox"], i["body"], i["ikm"])
    friends = read(i["body"])[2][0] == 0
    key = derived(i["friendship"], name("key friends' put"), i["mailbox"]) if friends else derived(i["queue_secret"], name("key grant"), i["body"])
    return {"sealed": sealed, "put_key": key}


def put(i):
    frame = hashlib.sha256(i["envelope"]).digest()
    code = mac(i["put_key"], name("mac put"), i["address"], bytes([i["bucket"]]), struct.pack(">I", i["ttl"]), frame, i["usage"])
    body = {0: i["address"], 1: i["bucket"], 2: i["ttl"], 3: frame, 4: i["usage"], 5: code, 6: i["envelope"]}
    return {"frame_id": frame, "mac": code, "frame": record([0, [body]])}


def receipt(i):
    def outcome(value):
        return [0, [value["stored_until"]]] if isinstance(value, dict) else {"delivered": [1, []], "refused: full": [2, [3]]}[value]
    body = record({0: i["at"], 1: [{0: item["frame"], 1: outcome(item["outcome"])} for item in i["items"]]})
    signature = sign(i["seed"], name("sign receipt"), context(i["mailbox"]), body)
    return {"body": body, "signature": signature, "frame": record([1, [{0: body, 1: signature}]])}


def relay_link(i):
    mailbox_key = read(i["record"])[0]
    tail = hashed(name("hash relay link"), i["record"])[:4]
    return {"link": "symbolon:relay:" + base32(i["record"] + tail), "mailbox": hashed(name("hash mailbox id"), mailbox_key)}


def relay_frames(i, out):
    """The relay's own signature cannot be made here, as its seed is not given; the owner's can."""
    def owned(label, tag, parts):
        signature = sign(i["owner_seed"], name(label), context(i["mailbox"]), record(parts))
        fields = dict(enumerate([ed_public(i["owner_seed"]), *parts, signature]))
        return record([tag, [fields]])

    session, ack = (read(out[key])[1][0] for key in ("session", "ack"))
    accepted = read(out["accepted"])[1][0]
    assert accepted[0] == i["accepted_body"]
    return {
        "session": owned("sign session", 3, [session[1], session[2]]),
        "ack": owned("sign acknowledgement", 6, [ack[1], ack[2], ack[3]]),
        "accepted": record([4, [accepted]]),
        "deposit": record(read(out["deposit"])),
    }


def left(i):
    """What an owner leaves for others at a relay or with a friend, and how a friend asks for it."""
    def signed(seed, label, said, fields):
        return [*fields, sign(seed, name(label), context(i["mailbox"]), record(said))]

    owner, packages = ed_public(i["owner_seed"]), i["packages"]
    away = [i["day"], 7, [i["record"]]]
    stock = [8, packages, i["last"]]
    fetch = [i["address"], i["nonce"], i["at"]]
    frames = {
        "away": (9, signed(i["owner_seed"], "sign records ahead", away, [owner, *away])),
        "stock": (10, signed(i["owner_seed"], "sign package stock", stock, [owner, *stock])),
        "fetch": (11, signed(i["token_seed"], "sign package fetch", fetch, [fetch[0], ed_public(i["token_seed"]), *fetch[1:]])),
        "fetched": (12, [i["nonce"], [0, [packages[0]]]]),
        "keep": (13, [[i["record"]]]),
        "keep_nothing": (13, [[]]),
    }
    return {key: record([tag, [dict(enumerate(fields))]]) for key, (tag, fields) in frames.items()}


def posted(i):
    chain = read(i["chain"])
    assert peer_of(chain[0]) == i["peer"]
    body = record({0: i["counter"], 1: i["expires"], 2: i["contact"]})
    signature = sign(i["seed"], name("sign posted contact record"), context(i["peer"], i["peer"]), body)
    return {"id": hashed(name("hash contact lookup id"), i["peer"]), "posted": record({0: chain, 1: body, 2: signature})}


def lookup_messages(i):
    return {
        "get": record([0, [i["lookup"]]]),
        "put": record([1, [i["record"]]]),
        "found": record([0, [i["record"]]]),
        "nothing": record([0, []]),
        "kept": record([1, [0]]),
        "full": record([1, [3]]),
    }


def invite_id(secret):
    return hashed(name("hash invite id"), secret)[:16]


def link(first, secret, peer, expires, places):
    """A link of an invite or a card. One place for each host: its number of bytes and marks are the page's."""
    said = bytes([first]) + secret + peer + (-(-expires // 300_000)).to_bytes(3, "big") + b"".join(places)
    return "symbolon:" + base32(said + hashed(name("hash invite link"), said)[:4])


def host(own, addresses):
    """The bytes of a place, from the binary multiaddrs that lead there."""
    ports, front, server = {}, None, not own
    for address in addresses:
        code = address[0]
        length = 5 if code == 4 else 17 if code == 41 else 2 + address[1]
        kind = {4: 1, 41: 2, 53: 3, 54: 4, 55: 5}[code]
        front = kind, address[1:length]
        udp = address[length:length + 2] == b"\x91\x02"
        ports["quic" if udp else "tcp"] = address[length + 1 + udp:length + 3 + udp]
    tcp, quic = ports.get("tcp"), ports.get("quic")
    same = tcp == quic
    marks = front[0] | bool(tcp) << 3 | bool(quic) << 4 | server << 5 | (same and bool(tcp)) << 6
    return bytes([marks]) + front[1] + (tcp or b"") + (b"" if same else quic or b"")


def invite(i):
    places = [host(at == 0, addresses) for at, addresses in enumerate(i["places"])]
    return {"id": invite_id(i["secret"]), "link": link(2, i["secret"], i["peer"], i["expires"], places)}


def signed_contact(i, out):
    chain, body = read(i["chain"]), read(out["body"])
    peer = peer_of(chain[0])
    assert body[0] == i["name"] and body[2][0][1] == out["package"]
    assert body[4] == {0: invite_id(i["secret"]), 1: i["day"], 2: body[4][2]}
    signature = sign(i["seed"], name("sign contact record"), context(peer, peer), out["body"])
    return chain, signature


def place_of_body(lookup, wrapped, day):
    """Key, hiding key and counter's begin of the body of a day (lookup.md)."""
    key = blinded(lookup, hashed(name("hash body blinding"), lookup, four(day), wrapped))
    return key, derived(wrapped, name("key outer body"), lookup, four(day))


def opened_record(key, outer, body):
    padded = opened(derived(outer, name("key once outer"), body[3]), name("seal outer record"), body[4], key)
    length = int.from_bytes(padded[:4], "big")
    assert len(body[4]) in (512, 1024, 2048, 4096, 8192, 15360) and not any(padded[4 + length:])
    return padded[4:4 + length]


def invite_body(i, out):
    chain, signature = signed_contact(i, out)
    contact = record({0: chain, 1: out["body"], 2: signature})
    lookup = ed_public(derived(i["secret"], name("key invite lookup")))
    key, outer = place_of_body(lookup, derived(i["secret"], name("key invite body")), i["day"])
    signed = read(out["record"])
    body = read(signed[0])
    assert body[0] == key and body[2] == (i["day"] + 2) * 86_400_000
    assert verify(key, name("sign presence record"), bytes(32), signed[0], signed[1])
    begin = int.from_bytes(derived(outer, name("key record counter"))[:5], "big")
    assert 0 <= body[1] - begin < 32 * 86_400_000
    return {"signature": signature, "content": opened_record(key, outer, body), "lookup_id": hashed(name("hash lookup id"), key)} | (
        {} if opened_record(key, outer, body) == contact else {"content": contact})


def statement(step):
    def check(i, out):
        statement = record({0: step, 1: i["to"], 2: i["device"], 3: i["package"], 4: i["transcript"], 5: i["body"]})
        label = name(["sign offer", "sign accept", "sign confirm"][step])
        bound = context(i["from"], i["to"])
        signature = sign(i["seed"], label, bound, statement)
        chain = read(out["first"])[0]
        cert = read(chain[1])
        assert peer_of(chain[0]) == i["from"]
        assert verify(chain[0], name("sign device certificate"), context(i["from"]), chain[1], chain[2])
        assert verify(cert[1], label, bound, statement, signature)
        return {"statement": statement, "signature": signature, "first": record({0: chain, 1: statement, 2: signature})}
    return check


def psk(i):
    identifier = hashed(name("hash transcript of accept head"), i["transcript"], i["head"], i["chain"])
    return {"id": identifier, "secret": derived(identifier, name("key connection psk"))}


def credential(i):
    signature = sign(i["seed"], name("sign room leaf"), context(), i["leaf"])
    assert read(read(i["chain"])[1])[1] == ed_public(i["seed"])
    return {"credential": ChaCha20Poly1305(i["key"]).encrypt(bytes(12), signature, name("seal room leaf").encode() + i["leaf"])}


def last_piece(i):
    whole = hashlib.sha256(b"\x5a" * i["length"]).digest()
    assert i["length"] == (i["count"] - 1) * 261_888 + len(i["mls"]) and i["index"] == i["count"] - 1
    piece = {0: whole, 1: i["index"], 2: i["count"]}
    assert whole == i["whole"]
    return {"payload": record({0: i["room"], 1: i["epoch"], 2: i["sequence"], 3: i["mls"], 4: piece})}


def carried(i, out):
    put = read(out["carry"])[1][0][1]
    assert read(out["carry"])[0] == 15 and put[6] == i["envelope"] and put[3] == hashlib.sha256(i["envelope"]).digest()
    tag, receipt = read(i["receipt"])
    assert tag == 1
    return {"carry": record([15, [{0: i["to"], 1: put}]]), "carried": record([16, [{0: i["to"], 1: receipt[0]}]])}


def proofs(i):
    low, high = sorted([i["device_of_dialler"], i["device_of_dialled"]])
    key = derived(dh(i["dh_of_dialler"], i["dh_public_of_dialled"]), name("key link"), low, high)
    ends, version, frames, macs = [i["transport_of_dialler"], i["transport_of_dialled"]], struct.pack(">I", i["version"]), [], []
    for role, (salt, instance) in enumerate(zip(i["salts"], i["instances"])):
        macs.append(mac(key, name("mac link"), salt, bytes([role]), *ends, instance, version))
        frames.append(record([14, [{0: salt, 1: macs[-1], 2: i["version"], 3: instance}]]))
    return {"macs": macs, "question": frames[0], "answer": frames[1]}


# Presence: docs/protocol/presence.md

P = 2**255 - 19
D = -121665 * pow(121666, -1, P) % P


def on_curve(data):
    """The point of an encoded Ed25519 key (RFC 8032, section 5.1.3)."""
    y = int.from_bytes(data, "little")
    sign_bit, y = y >> 255, y & (2**255 - 1)
    x2 = (y * y - 1) * pow(D * y * y + 1, -1, P) % P
    x = pow(x2, (P + 3) // 8, P)
    if (x * x - x2) % P:
        x = x * pow(2, (P - 1) // 4, P) % P
    return (P - x if x & 1 != sign_bit else x), y


def add(a, b):
    (x1, y1), (x2, y2) = a, b
    t = D * x1 * x2 * y1 * y2
    return (x1 * y2 + x2 * y1) * pow(1 + t, -1, P) % P, (y1 * y2 + x1 * x2) * pow(1 - t, -1, P) % P


def blinded(public, factor):
    factor = bytearray(factor)
    factor[0] &= 248
    factor[31] = factor[31] & 63 | 64
    times, point, out = int.from_bytes(factor, "little"), on_curve(public), (0, 1)
    while times:
        if times & 1:
            out = add(out, point)
        point, times = add(point, point), times >> 1
    return (out[1] | (out[0] & 1) << 255).to_bytes(32, "little")


def four(value):
    return struct.pack(">I", value)


def tree_label(tree, generation, upper, lower):
    label = derived(tree, name("key tree node"), four(generation), four(upper))
    for level in range(lower.bit_length() - upper.bit_length() - 1, -1, -1):
        label = derived(label, name("key tree right" if lower >> level & 1 else "key tree left"))
    return label


def subset_key(tree, generation, upper, lower):
    return derived(tree_label(tree, generation, upper, lower), name("key tree subset"))


def leaf_labels(i):
    node, out = 65536 + i["leaf"], struct.pack(">H", i["leaf"])
    for depth in range(16):
        for level in range(15 - depth, -1, -1):
            out += tree_label(i["tree"], i["generation"], node >> (16 - depth), (node >> level) ^ 1)
    return {"length": len(out), "digest": hashlib.sha256(out).digest(), "begin": out[:66]}


def ratchet_key(first, days):
    for _ in range(days):
        first = derived(first, name("key presence ratchet"))
    return first


def header_place(lookup, day):
    outer = derived(lookup, name("key outer header"), four(day))
    return hashed(name("hash header blinding"), lookup, four(day)), outer


def lookup_id(lookup, factor):
    return hashed(name("hash lookup id"), blinded(lookup, factor))


def lookup_ids(i):
    lookup = ed_public(i["lookup_seed"])
    body = hashed(name("hash body blinding"), lookup, four(i["day"]), i["wrapped"])
    return {"lookup": lookup, "header": lookup_id(lookup, header_place(lookup, i["day"])[0]), "body": lookup_id(lookup, body)}


def opened(key, label, sealed, aad=b""):
    return ChaCha20Poly1305(key).decrypt(bytes(12), sealed, label.encode() + aad)


def presence_header(i):
    h = read(i["header"])
    generation, version, nonce, salt = four(h[0]), struct.pack(">Q", h[1]), h[2], h[3]
    entries = opened(derived(i["header_key"], name("key header entries"), version, salt), name("seal header entries"), h[4])
    node = 65536 + i["leaf"]
    below = lambda low, high: low >> max(low.bit_length() - high.bit_length(), 0) == high and low > high
    for at in range(0, len(entries), 54):
        upper, lower = (int.from_bytes(entries[at + n:at + n + 3], "big") for n in (0, 3))
        if not below(node, upper) or node == lower or below(node, lower):
            continue
        subset = subset_key(i["tree"], h[0], upper, lower)
        for kind, commit in ((b"\0", h[5]), (b"\1", h[6])):
            key = derived(subset, name("key presence wrap"), i["lookup"], generation, version, kind, nonce, four(upper), four(lower))
            try:
                wrapped = opened(key, name("seal wrapped secret"), entries[at + 6:at + 54])
            except Exception:
                continue
            assert commit == hashed(name("hash wrapped secret"), wrapped, i["lookup"], generation, version, kind)
            return {"wrapped": wrapped}


def presence_body(i):
    b = read(i["body"])
    prk = extract(ratchet_key(i["first"], b[1] - i["began"]), i["wrapped"])
    parts = [i["lookup"], four(i["generation"]), struct.pack(">Q", b[0]), four(b[1]), struct.pack(">Q", b[2]), b[3], b[4]]
    key = expand(prk, prefixed(name("key presence body"), parts), 32)
    return {"payload": opened(key, name("seal presence body"), b[7], struct.pack(">QQ", b[5], b[6]))}


def presence_record(i):
    signed = read(i["record"])
    body = read(signed[0])
    factor, outer = header_place(i["lookup"], i["day"])
    assert body[0] == blinded(i["lookup"], factor)
    assert verify(body[0], name("sign presence record"), bytes(32), signed[0], signed[1])
    assert body[2] == (i["day"] + 2) * 86_400_000
    begin = int.from_bytes(derived(outer, name("key record counter"))[:5], "big")
    assert body[1] == begin + i["now"] - (i["day"] - 16) * 86_400_000
    padded = opened(derived(outer, name("key once outer"), body[3]), name("seal outer record"), body[4], body[0])
    length = int.from_bytes(padded[:4], "big")
    assert len(body[4]) == 512 and not any(padded[4 + length:])
    return {"id": hashed(name("hash lookup id"), body[0]), "content": padded[4:4 + length]}


def codec(i):
    try:
        value = read(i["bytes"]) if len(i["bytes"]) <= i["max"] else None
        good = isinstance(value, dict) and sorted(value) == [0, 1]
    except (AssertionError, IndexError, KeyError, TypeError, ValueError):
        good = False
    return {"result": "accepted" if good else "refused"}


def roster(i):
    users = [{0: user, 1: role, 2: came_in} for user, role, came_in in sorted(i["users"])]
    leaves = [{0: leaf, 1: user, 2: device, 3: came_in} for leaf, user, device, came_in in sorted(i["leaves"])]
    whole = record({0: i["name"], 1: i["topic"], 2: users, 3: leaves})
    return {"roster": whole, "hash": hashed(name("hash room roster"), whole)}


def place(i, rival):
    joins = rival["leaf"] is None
    lot = rival["device"] if joins else struct.pack(">I", rival["leaf"])
    remover = -rival["role"] if rival["removes"] else 1
    return joins, remover, hashed(name("hash commit rank"), i["room"], struct.pack(">Q", i["epoch"]), lot)


def add_package(i):
    fek = derived(i["secret"], name("key friendship encryption"))
    room = 4096 - 7 - len(cbor(i["key_package"])) - 12 - 16
    plain = (struct.pack(">H", len(i["secrets"])) + i["secrets"]).ljust(room, b"\0")
    aad = name("seal add package").encode() + hashlib.sha256(i["key_package"]).digest()
    sealed = i["nonce"] + ChaCha20Poly1305(fek).encrypt(i["nonce"], plain, aad)
    return {"fek": fek, "package": record({0: i["key_package"], 1: sealed})}


# Shared rooms: docs/protocol/shared-rooms.md

def numbered(i, number):
    return context(i["room"], struct.pack(">Q", number))


def sealed_at_random(key, nonce, label, aad, plain):
    return nonce + ChaCha20Poly1305(key).encrypt(nonce, plain, name(label).encode() + aad)


def epoch_id(i):
    parts = [b"symbolon/1 epoch", i["group"], struct.pack(">Q", i["epoch"]), i["confirmation_tag"]]
    return {"id": hashlib.sha256(b"".join(four(len(part)) + part for part in parts)).digest()}


def seat(i, out):
    owner = {0: i["leaf"], 1: read(i["chain"]), 2: i["key"]}
    return {"seat": record({0: owner, 1: read(out["seat"])[1]})}


def leave(i):
    signature = sign(i["seed"], name("sign room leave"), numbered(i, i["epoch"]), i["leaf"])
    return {"signature": signature, "leave": record({0: i["leaf"], 1: i["epoch"], 2: signature})}


def commit_info(i, out):
    info = record(read(out["info"]))
    return {"info": info, "sealed": sealed_at_random(i["cek"], i["nonce"], "seal room commit", numbered(i, i["epoch"]), info)}


def seated_roster(i, out):
    seated = read(out["seated"])
    state = hashed(name("hash room roster"), record(seated[0]))
    return {"seated": record(seated), "state": state, "sealed": sealed_at_random(i["key"], i["nonce"], "seal room roster", i["room"], record(seated))}


def welcome_bundle(i):
    waik = derived(i["secret"], name("key welcome attribution"))
    hashes = [hashed(name("hash welcome"), i[part]) for part in ("welcome", "seated")]
    said = record([i["room"], i["leaf"], hashes, i["revision"]])
    bound = numbered(i, i["revision"])
    attribution = record({0: read(i["chain"]), 1: sign(i["seed"], name("sign welcome"), bound, said)})
    attribution = sealed_at_random(waik, i["nonce"], "seal welcome attribution", bound, attribution)
    bundle = record({0: i["room"], 1: i["welcome"], 2: i["seated"], 3: i["revision"], 4: attribution})
    return {"waik": waik, "hashes": hashes, "attribution": attribution, "bundle": bundle}


# Vouched rooms: docs/protocol/vouching.md. What one vector needs of another one stands in `BOOK`.

BOOK = {}


def book(title, side, key):
    return unhex("", BOOK[title][side])[key]


def knock_secret(i):
    seed, hub = (derived(i["secret"], name(f"key room {use}")) for use in ("knock", "hub"))
    hub = ed_public(hub)
    return {"knock_key_seed": seed, "knock_key": xwing_public(seed), "hub_key": hub, "alias": hashed(name("hash room alias"), hub)}


def card(i):
    hub = host(False, [bytes([4, 192, 0, 2, 7, 6]) + struct.pack(">H", 4001)])
    return {"card": link(3, i["secret"], i["peer"], read(book("card body", "out", "body"))[3], [hub])}


def card_body(i, out):
    body, chain = read(out["body"]), read(out["record"])[0]
    maker = peer_of(chain[0])
    said = {key: book("knock secret", "out", key) for key in ("alias", "knock_key")}
    expected = {0: invite_id(book("card", "in", "secret")), 1: i["day"], 2: i["number"], 4: said["alias"], 5: said["knock_key"]}
    assert maker == book("card", "in", "peer") and expected.items() <= body.items()
    signature = sign(book("Ann: device certificate", "in", "signing_seed"), name("sign room card"), context(maker, maker), out["body"])
    rebuilt = record({0: chain, 1: out["body"], 2: signature})
    return {"signature": signature, "record": rebuilt, "digest": hashed(name("hash room card"), out["body"])}


def alias():
    return book("knock secret", "out", "alias")


def of_knock():
    return context(alias(), book("knock", "in", "knock"))


def filled(said, sealed_length):
    return (struct.pack(">H", len(said)) + said).ljust(sealed_length - 1136, b"\0")


def sealed_word(use, key, aad, body, length, draws):
    return kem_seal(name(f"seal {use}"), key, aad, filled(body, length), bytes.fromhex(draws) * 64)


def knock(i, out):
    drawn, digest = xwing_public(i["ephemeral_seed"]), book("card body", "out", "digest")
    signature = sign(book("Ben: device certificate", "in", "signing_seed"), name("sign knock"), of_knock(), record([digest, drawn]))
    body = record({0: digest, 1: read(book("Ben: device certificate", "out", "chain")), 2: drawn, 3: signature})
    return {"body": body, "sealed": sealed_word("knock", book("knock secret", "out", "knock_key"), of_knock(), body, 3184, i["draws"].hex())}


def both(who):
    chain = read(book(f"{who}: device certificate", "out", "chain"))
    return [peer_of(chain[0]), read(chain[1])[0]]


def vouching_transcript(i):
    keys = [xwing_public(seed) for seed in (book("knock", "in", "ephemeral_seed"), i["voucher_seed"])]
    said = record({
        0: alias(), 1: book("card body", "out", "digest"), 2: book("knock", "in", "knock"), 3: i["hello"],
        4: hashed(name("hash knock key"), *keys), 5: both("Ben"), 6: both("Ann"), 7: i["room"], 8: i["epoch"]})
    return {"transcript": said, "digest": hashed(name("hash vouching transcript"), said)}


def voucher(i):
    said = {key: book("transcript", "in", key) for key in ("hello", "voucher_seed", "room", "epoch")}
    digest = book("transcript", "out", "digest")
    signature = sign(book("Ann: device certificate", "in", "signing_seed"), name("sign voucher"), digest, b"")
    body = record({
        0: read(book("Ann: device certificate", "out", "chain")), 1: said["hello"], 2: xwing_public(said["voucher_seed"]),
        3: said["room"], 4: said["epoch"], 5: signature})
    drawn = xwing_public(book("knock", "in", "ephemeral_seed"))
    return {"body": body, "sealed": sealed_word("voucher", drawn, of_knock(), body, 3184, i["draws"].hex())}


def newcomer(i):
    digest, key = book("transcript", "out", "digest"), xwing_public(book("transcript", "in", "voucher_seed"))
    signature = sign(book("Ben: device certificate", "in", "signing_seed"), name("sign newcomer"), digest, b"")
    body = record({0: signature, 1: i["package"]})
    return {"signature": signature, "sealed": sealed_word("newcomer", key, digest, body, 6256, i["draws"].hex())}


def vouch(i):
    t = read(book("transcript", "out", "transcript"))
    signature = book("newcomer", "out", "signature")
    return {"vouch": record({0: t[1], 1: t[2], 2: t[3], 3: t[4], 4: t[5][1], 5: t[6][1], 6: t[8], 7: signature})}


def member(listener, *parts):
    seed = derived(book("knock secret", "in", "secret"), name("key room hub"))
    signature = sign(seed, name("sign to hub"), context(listener), b"".join(parts))
    return {0: ed_public(seed), 1: listener, 2: signature}


def hub_message(title):
    number = lambda: book("knock", "in", "knock")
    sealed = lambda of: book(of, "out", "sealed")
    listener = lambda: book("ask: listen", "in", "listener")
    given = lambda key: read(bytes.fromhex(BOOK[title]["out"]["message"]))[1][0][key]
    return {
        "ask: knock": lambda: [0, [{0: alias(), 1: number(), 2: sealed("knock")}]],
        "ask: await": lambda: [1, [{0: alias(), 1: number(), 2: given(2), 3: given(3)}]],
        "ask: respond": lambda: [2, [{0: alias(), 1: number(), 2: given(2), 3: sealed("newcomer")}]],
        "ask: listen": lambda: [3, [{0: member(listener()), 1: given(1)}]],
        "ask: say": lambda: [4, [{0: member(listener(), number(), sealed("voucher")), 1: number(), 2: sealed("voucher")}]],
        "answer: ack": lambda: [0, []],
        "answer: refused": lambda: [1, [read(bytes.fromhex(BOOK[title]["out"]["message"]))[1][0]]],
        "answer: nothing": lambda: [2, []],
        "answer: knocks": lambda: [3, [number(), sealed("knock")]],
        "answer: responds": lambda: [4, [number(), sealed("newcomer")]],
        "answer: said": lambda: [5, [sealed("voucher")]],
        "answer: closed": lambda: [6, []],
    }[title]()


CHECKS = {
    "labels": lambda i, out: {"labels": [label for label in out["labels"] if label.startswith("symbolon/1 ") and label.endswith(".")]},
    "hash": lambda i: {"digest": hashed(i["label"], *i["parts"])},
    "derive": lambda i: {"key": derived(i["key"], i["label"], *i["parts"])},
    "mac": lambda i: {"mac": mac(i["key"], i["label"], *i["parts"])},
    "identifier text": lambda i: {"text": base32(i["bytes"])},
    "short identifier text": lambda i: {"text": base32(i["bytes"])},
    "signature": lambda i: {"public": ed_public(i["seed"]), "signature": sign(i["seed"], i["label"], i["context"], i["body"])},
    "root keys": root_keys,
    "Peer ID and words": peer_words,
    "device certificate": certificate,
    "context of two people": lambda i: {"context": context(i["speaker"], i["hearer"])},
    "friendship keys": friendship,
    "LAN tag": lan_tag,
    "HPKE seal": hpke,
    "X-Wing seal": kem,
    "X-Wing seal behind a shared secret": kem,
    "AEAD seal": aead,
    "first envelope": first,
    "tags of known envelopes": tags,
    "known envelope": known,
    "sizes of first envelopes": sizes(lambda i, payload: first_envelope(xwing_public(i["private"]), payload, i["randomness"])),
    "sizes of known envelopes": sizes(known_sizes),
    "direct envelope": direct,
    "standing: question": again("body"),
    "standing: answer": again("body"),
    "word of a start": word,
    "standing: statement": standing,
    "renews": again("renews"),
    "queue address": again("queue"),
    "package secrets": again("secrets"),
    "add package": add_package,
    "mailbox id": mailbox,
    "sealed address of a friend": address,
    "sealed address of a guest": address,
    "sealed address of an invite": address,
    "sealed address of members of a room": address,
    "envelope that is carried, and the receipt for it": carried,
    "Put": put,
    "Receipt": receipt,
    "relay link": relay_link,
    "relay frames": relay_frames,
    "records ahead and packages": left,
    "proofs of a link": proofs,
    "contact record to be looked up": posted,
    "lookup messages": lookup_messages,
    "invite link": invite,
    "invite body": invite_body,
    "Offer": statement(0),
    "Accept": statement(1),
    "Confirm": statement(2),
    "transcript after the Offer": lambda i: {
        # The terms: what is agreed to, without the revision and the reply addresses.
        "transcript": hashed(name("hash transcript of offer"), i["initiator"], i["responder"], record({**read(i["body"]), 1: 0, 4: []}))},
    "transcript after the Accept": lambda i: {
        "transcript": hashed(name("hash transcript of accept"), i["transcript"], i["device"], i["body"])},
    "subset keys": lambda i: {"keys": [subset_key(i["tree"], i["generation"], *subset) for subset in i["subsets"]]},
    "labels of a leaf": leaf_labels,
    "ratchet": lambda i: {"keys": [ratchet_key(i["first"], day) for day in range(4)]},
    "lookup ids": lookup_ids,
    "presence header": presence_header,
    "presence body": presence_body,
    "presence record": presence_record,
    "connection PSK": psk,
    "leaf credential": credential,
    "payload with the last piece of a message": last_piece,
    "roster": roster,
    "alias": lambda i: {"peer": hashed(name("hash alias"), i["root"], i["device"])},
    "certificate of a further device": further_certificate,
    "joined": joined,
    "pairing code": pairing_code,
    "pairing body": invite_body,
    "pairing: Offer of a newcomer": pairing_offer,
    "pairing: Offer as a further device": pairing_offer,
    "backup file": backup_file,
    "returned": returned,
    "gone": gone,
    "certificate of a restored device": further_certificate,
    "recovery phrase": recovery,
    **{f"part of a backup: {part}": backup_part for part in ("head", "persons", "ways", "texts", "end")},
    "knock secret": knock_secret,
    "card": card,
    "card body": card_body,
    "knock": knock,
    "transcript": vouching_transcript,
    "voucher": voucher,
    "newcomer": newcomer,
    "vouch": vouch,
    "epoch id": epoch_id,
    "ways": again("ways"),
    "seat": seat,
    "leave": leave,
    "what a commit says": commit_info,
    "what a commit says that names the room": commit_info,
    "seated roster": seated_roster,
    "welcome bundle": welcome_bundle,
    "rank of a commit": lambda i: {
        "ranks": [hashed(name("hash commit rank"), i["room"], struct.pack(">Q", i["epoch"]), four(leaf)) for leaf in i["leaves"]]},
    "order of rivals": lambda i: {"order": [rival["epoch"] for rival in sorted(i["rivals"], key=lambda rival: place(i, rival))]},
    "payload of a known envelope": lambda i: {"payload": record({0: i["room"], 1: i["epoch"], 2: i["sequence"], 3: i["mls"]})},
}
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


def main():
    wrong = unchecked = 0
    for path in HERE.glob("*.json"):
        BOOK.update((vector["name"], vector) for vector in json.loads(path.read_text())["vectors"])
    for path in sorted(HERE.glob("*.json")):
        for vector in json.loads(path.read_text())["vectors"]:
            title = vector["name"]
            short = title.split(": ", 1)[1] if title.startswith(("Ann: ", "Ben: ")) else title
            check = codec if title.startswith("codec: ") else CHECKS.get(short)
            given, gives = unhex("", vector["in"]), unhex("", vector["out"])
            if title == "AEAD seal":
                given["label"] = bytes.fromhex(vector["in"]["label"])
            if title.startswith(("ask: ", "answer: ")):
                check = lambda i, title=title: {"message": record(hub_message(title))}
            if title.startswith("room payload: "):
                # No key enters these: that they are deterministic is what can be checked.
                check = lambda i, out: {"payload": record(read(out["payload"]))}
            if check is None:
                unchecked += 1
                print(f"not checked  {path.stem}: {title}")
                continue
            try:
                answer = check(given, gives) if check.__code__.co_argcount - len(check.__defaults__ or ()) == 2 else check(given)
                bad = [key for key, value in answer.items() if value != gives[key]]
            except Exception as error:  # a vector that cannot be computed is wrong, too
                bad = [repr(error)]
            wrong += bool(bad)
            print(f"{'DIFFERS' if bad else 'ok':12} {path.stem}: {title} {' '.join(bad)}")
    print(f"{wrong} differ, {unchecked} not checked")
    sys.exit(1 if wrong or unchecked else 0)


if __name__ == "__main__":
    main()
