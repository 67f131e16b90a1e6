"""Presence: docs/protocol/presence.md, and the records of lookup.md."""

from base import *

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
