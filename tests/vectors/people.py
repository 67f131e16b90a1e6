"""Who somebody is, their devices, and backups: docs/protocol/identity.md, devices.md, recovery.md, lan.md."""

from base import *


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
    kinds = ("head", "persons", "ways", "texts", "rooms", "room_texts", "end")
    assert i["parts"] == [book(f"part of a backup: {kind}", "out", "sealed") for kind in kinds]
    file = b"symbolon backup 1\n" + i["id"] + b"".join(four(len(part)) + part for part in i["parts"])
    return {"length": len(file), "file": file}


def capsule_keys(i):
    key = lambda use: derived(derived(i["key"], name("key capsule")), name(f"key of capsule {use}"), i["relay"], bytes([i["number"]]))
    queues = key("queues")
    return {
        "owner": ed_public(key("owner")), "queues": [queues[:16], queues[16:]], "token": ed_public(key("token")),
        "places": derived(derived(i["key"], name("key capsule")), name("key of capsule places"))[:16],
    }


def capsule_piece(i):
    key = derived(derived(i["key"], name("key capsule")), name("key of capsule pieces"), i["relay"], bytes([i["number"]]))
    piece = record({0: i["version"], 1: i["index"], 2: i["count"], 3: i["bytes"]})
    plain = (struct.pack(">H", len(piece)) + piece).ljust(4_068, b"\0")
    return {"package": sealed_at_random(key, i["nonce"], "seal capsule piece", b"", plain)}


def capsule_places(i):
    return {"places": record({0: [read(relay) for relay in i["relays"]]})}


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


def device_list(i):
    second = derived(i["entropy"], name("key second root"))
    body = record({0: i["number"], 1: sorted(i["devices"])})
    signature = sign(second, name("sign device list"), context(i["root"]), body)
    return {"body": body, "signature": signature, "list": record({0: i["root"], 1: ed_public(second), 2: body, 3: signature})}


def is_list(value):
    number, devices = (read(value[2])[key] for key in (0, 1))
    signed = verify(value[1], name("sign device list"), context(value[0]), value[2], value[3])
    return signed and 1 <= len(devices) <= 8 and devices == sorted(set(devices)) and len(value[2]) <= 160 and number < 2**64


def backup_part(i):
    place = context(i["id"], struct.pack(">Q", i["index"]))
    kind, content = read(i["part"])
    if kind == 0:
        assert sorted(content[0]) == list(range(6)) and [claim for _, claim in content[0][4]] == ["stand-in", None]
    if kind in (1, 3):
        assert listed(64, lambda entry: is_map(entry, PERSON if kind == 1 else TEXT))(content[0])
    if kind in (5, 6):
        assert listed(64, lambda entry: is_map(entry, ROOM if kind == 5 else ROOM_TEXT))(content[0])
    if kind == 2:
        assert [sorted(ways) for ways in content[0]] == [[0, 1, 2, 3, 4], [0, 1, 2, 3, 4, 5]] and len(content[0][1][5][1]) == 4354
    return {"sealed": sealed_at_random(i["key"], i["nonce"], "seal backup", place, i["part"])}


def introduction(i):
    people = [{0: read(i[who]), 1: name} for who, name in (("asker", "Ann"), ("target", "Ben"))]
    statement = record({0: i["id"], 1: people[0], 2: people[1], 3: "you two", 4: i["created"], 5: i["expires"]})
    chain = read(i["chain"])
    signature = sign(i["seed"], name("sign introduction"), context(goes_by(chain)), statement)
    return {"statement": statement, "introduction": record({0: chain, 1: statement, 2: signature})}


def introduction_payload(title):
    """What the two are said, and what they answer, by what the other vector has."""
    def check(i, out):
        request = book("introduction", "in", "id")
        contact = read(out["payload"])[1][0].get(1)
        assert title in ("introduce", "consent of the asker") or is_befriend({0: contact})
        return {"payload": record({
            "introduce": [7, [read(book("introduction", "out", "introduction"))]],
            "consent of the target": [8, [{0: request, 1: contact}]],
            "consent of the asker": [8, [{0: request}]],
            "introduction card": [9, [{0: request, 1: contact}]],
        }[title])}
    return check


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


def is_map(value, required, optional=()):
    """Whether each field is there, and is what is said of it; what may be absent is last."""
    fields = {**required, **dict(optional)}
    return set(required) <= set(value) <= set(fields) and all(fields[key](item) for key, item in value.items())


def fixed(length):
    return lambda value: isinstance(value, bytes) and len(value) == length


def number(low, high=2**64 - 1):
    return lambda value: type(value) is int and low <= value <= high


def text(most):
    return lambda value: isinstance(value, str) and len(value.encode()) <= most


def listed(most, is_it):
    return lambda value: isinstance(value, list) and len(value) <= most and all(map(is_it, value))


def is_chain(value):
    return bool(goes_by(value))


def is_befriend(value):
    contact = read(value[0])
    me = goes_by(contact[0])
    signed = verify(read(contact[0][1])[1], name("sign contact record"), context(me, me), contact[1], contact[2])
    return signed and len(value[0]) <= 8192 and text(512)(value.get(1, ""))


def is_gone(value):
    (by, device), root = (read(chain[1]) for chain in (value[0], value[1])), value[0][0]
    goes_by(value[0]), goes_by(value[1])
    over = name("sign gone device"), context(root), value[1][1]
    signed = verify(by[1], *over, value[2]) and (3 not in value or verify(root, *over, value[3]))
    outranks = 3 in value or by.get(6, 2**64) < device.get(6, -1)
    return signed and outranks and root == value[1][0] and by[0] != device[0]


PERSON = {0: fixed(32), 1: number(1), 2: fixed(32), 3: text(64), 4: number(1, 5), 5: number(0, 2), 6: fixed(32), 7: listed(8, fixed(32))}
TEXT = {0: fixed(32), 1: fixed(16), 2: number(0), 3: lambda flag: isinstance(flag, bool), 4: number(0, 4), 5: text(16384)}
FLAG = lambda flag: isinstance(flag, bool)
ROOM = {0: fixed(32), 1: number(0), 2: fixed(32), 3: FLAG, 4: FLAG, 5: lambda name: text(64)(name) and name != "", 6: number(0, 3)}
PLACE = lambda value: isinstance(value, list) and len(value) == 2 and value[0] in (0, 1) and listed(1, fixed(32))(value[1])
DRAFT = {0: PLACE, 1: number(0), 2: fixed(32), 3: text(16384)}
SETTING = {0: number(0, 255), 1: number(0), 2: fixed(32), 3: FLAG}
ROOM_TEXT = {0: fixed(32), 1: fixed(16), 2: number(0), 3: fixed(32), 4: number(0, 4), 5: text(16384)}
SAID = [
    ("persons", [listed(64, lambda value: is_map(value, PERSON))]),
    ("texts", [listed(64, lambda value: is_map(value, TEXT))]),
    ("ask", [fixed(32), is_befriend]),
    ("read", [fixed(32), fixed(16)]),
    ("label", [text(64)]),
    ("certificate", [is_chain]),
    ("states", [listed(64, lambda value: fixed(16)(value[0]) and number(0, 4)(value[1]) and len(value) == 2)]),
    ("relays", [listed(3, lambda value: is_map(value, {0: text(4096)}, {1: text(32)}))]),
    ("gone", [is_gone]),
    ("barred", [is_chain]),
    ("rooms", [listed(64, lambda value: is_map(value, ROOM))]),
    ("room, texts", [listed(64, lambda value: is_map(value, ROOM_TEXT))]),
    ("room, reads", [listed(256, fixed(16))]),
    ("settings", [listed(16, lambda value: is_map(value, SETTING))]),
    ("drafts", [listed(3, lambda value: is_map(value, DRAFT))]),
]


def presence_statement(i, out):
    """What friends read in a body (presence.md): its fields, and what the device signs."""
    said = read(out["statement"])
    entry = {0: fixed(32), 1: fixed(32), 2: lambda sealed: len(sealed) <= 256, 3: listed(8, lambda place: 1 <= len(place) <= 128)}
    is_entry = lambda value: is_map(value, entry)
    fields = {0: text(64), 1: lambda secret: record(secret) == i["friendship"], 2: is_chain, 3: is_entry, 4: listed(3, is_entry), 5: listed(3, lambda place: isinstance(place, bytes))}
    body = read(said[0])
    assert is_map(body, fields, {6: fixed(1216)}) and read(body[2][1])[1] == ed_public(i["seed"]) == body[3][1]
    signature = sign(i["seed"], name("sign presence statement"), context(i["lookup"], struct.pack(">Q", i["sequence"])), said[0])
    return {"statement": record({0: said[0], 1: signature})}


def own_payload(title):
    """What own devices say: the vector holds what the page's tables say of that choice."""
    def check(i, out):
        kind, said = read(out["payload"])
        alone = {"sibling": (24, is_befriend), "gone": (26, is_gone), "device list": (27, is_list)}
        if title in alone:
            assert kind == alone[title][0] and alone[title][1](said[0])
        else:
            choice, fields = said[0]
            called, forms = SAID[choice]
            assert kind == 25 and title == f"own, {called}" and len(fields) == len(forms)
            assert all(is_it(field) for is_it, field in zip(forms, fields))
        return {"payload": record(read(out["payload"]))}
    return check
