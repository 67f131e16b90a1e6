"""Seals, envelopes and Standings: docs/protocol/envelope.md, renewal.md."""

from base import *


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


def xwing_of_the_draft(i):
    pk = xwing_public(i["seed"])
    ss, ct = xwing_seal(pk, i["eseed"])
    assert xwing_open(i["seed"], ct) == ss
    return {"pk": pk, "ct": ct, "ss": ss}


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


def known_of_before(i):
    """One key for both kinds; 02 has the counter as nonce, 03 a drawn one."""
    root = derived(dh(i["private"], i["public"]), name("key known envelope"), i["from"], i["to"])
    key, tag_key = derived(root, name("key known seal")), derived(root, name("key known tag"))
    drawn = i["nonce"] or b""
    header = (b"\1\3" if drawn else b"\1\2") + tag(tag_key, i["counter"])
    nonce = drawn or bytes(4) + struct.pack(">Q", i["counter"])
    aad = name("seal known envelope").encode() + header
    envelope = header + drawn + ChaCha20Poly1305(key).encrypt(nonce, pad(i["payload"], 18 + len(drawn) + 16), aad)
    return {"tag": tag(tag_key, i["counter"]), "envelope": envelope, "frame": hashlib.sha256(envelope).digest()}


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


def envelope_of_before(i, out):
    label, aad = name("seal direct envelope"), b"\1\1"
    padded = hpke_open(label, i["private"], aad, out["envelope"][2:])
    length = int.from_bytes(padded[:4], "big")
    assert out["envelope"][:2] == aad and not any(padded[4 + length:])
    assert padded[4:4 + length] == book("standing: statement of before", "out", "first")
    return enveloped(aad + hpke_seal(label, dh_public(i["private"]), aad, pad(padded[4:4 + length], 2 + 32 + 16), i["ikm"]))


def standing_of_before(i, out):
    return standing({**i, "direct": dh_public(i["dh_private"])}, out)


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
