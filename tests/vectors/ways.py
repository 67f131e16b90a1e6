"""Mailboxes, invites and the connection: docs/protocol/mailbox.md, lookup.md, invite.md, connection.md, carrying.md."""

from base import *
from presence import blinded


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
    stock, without = ([8, packages, last] for last in (i["last"], None))
    fetch = [i["address"], i["nonce"], i["at"]]
    frames = {
        "away": (9, signed(i["owner_seed"], "sign records ahead", away, [owner, *away])),
        "stock": (10, signed(i["owner_seed"], "sign package stock", stock, [owner, *stock])),
        "stock_without_last": (10, signed(i["owner_seed"], "sign package stock", without, [owner, *without])),
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


def further_ways(i):
    chain, cert = read(i["chain"]), read(read(i["chain"])[1])
    me = hashed(name("hash alias"), chain[0], cert[0])
    assert 6 in cert and cert[1] == ed_public(i["seed"]) and len(read(i["contact_body"])[2]) == 1
    places = [host(at == 0, addresses) for at, addresses in enumerate(i["places"])]
    contact = record({0: chain, 1: i["contact_body"], 2: sign(i["seed"], name("sign contact record"), context(me, me), i["contact_body"])})
    body = record({0: i["counter"], 1: i["until"], 2: contact})
    posted_record = record({0: chain, 1: body, 2: sign(i["seed"], name("sign posted contact record"), context(me, me), body)})
    shown = link(2, i["secret"], me, i["expires"], places)
    return {"peer": me, "link": shown, "contact": contact, "id": hashed(name("hash contact lookup id"), me), "posted": posted_record}
