"""What must be refused, and by which check: docs/protocol/devices.md, recovery.md, connection.md, vouching.md.

Each function makes the checks of a page in the page's order. The first one that fails is the answer; none means that the input is taken.
"""

from base import *
from people import fixed, is_map, listed, number, text
from vouching import alias, of_knock
from xwing import K, N, Q, unpacked

DAY, SKEW = 86_400_000, 600_000
ANYTHING = lambda value: True
FLAG = lambda value: isinstance(value, bool)
BYTES = lambda value: isinstance(value, bytes)


class Refused(Exception):
    pass


def need(holds, why):
    if not holds:
        raise Refused(why)


def whole(data, required, optional=(), why="malformed"):
    """A record that has these fields, and no other encoding of them."""
    try:
        value = read(data)
    except (AssertionError, ValueError, KeyError, IndexError, UnicodeDecodeError, TypeError):
        raise Refused(why) from None
    need(isinstance(value, dict) and is_map(value, required, optional), why)
    return value


def refusal(check):
    """The check as the script calls it."""
    def asked(i):
        try:
            check(i)
            return {"result": "accepted"}
        except Refused as refused:
            return {"result": "refused", "why": str(refused)}
    return asked


# Keys and certificates: encoding.md, identity.md

P = 2**255 - 19
LOW = {0, 1, P - 1, 325606250916557431795983626356110631294008115727848805560023387167927233504,
       39382357235489614581723060781553021112529911719440698176882885853963445705823}


def is_x25519(key):
    return int.from_bytes(key, "little") < P and int.from_bytes(key, "little") not in LOW


def is_ed25519(key):
    """On the curve, canonical, not of small order: eight times the point is not neutral."""
    y, sign_bit = int.from_bytes(key, "little") & (1 << 255) - 1, key[31] >> 7
    d = -121665 * pow(121666, -1, P) % P
    square = (y * y - 1) * pow(d * y * y + 1, -1, P) % P
    x = pow(square, (P + 3) // 8, P)
    if x * x % P != square:
        x = x * pow(2, (P - 1) // 4, P) % P
    if y >= P or x * x % P != square or x == 0 and sign_bit:
        return False
    for _ in range(3):
        k = d * x * x * y * y % P
        x, y = 2 * x * y * pow(1 + k, -1, P) % P, (y * y + x * x) * pow(1 - k, -1, P) % P
    return (x, y) != (0, 1)


def is_xwing(key):
    values = (value for at in range(K) for value in unpacked(key[384 * at:384 * (at + 1)], 12)) if len(key) == 1216 else [Q]
    return all(value < Q for value in values) and is_x25519(key[1184:])


CHAIN = {0: fixed(32), 1: lambda cert: BYTES(cert) and len(cert) <= 256, 2: fixed(64)}
CERTIFICATE = {0: fixed(16), 1: fixed(32), 2: fixed(32), 3: number(0), 4: number(0), 5: number(0)}


def device_of(chain, now, longer=0, begins=True, why="chain"):
    """Whose device a chain is of: root, person, device, signing and DH key, the Peer ID that it goes by, rank."""
    need(is_ed25519(chain[0]), why)
    person = peer_of(chain[0])
    need(verify(chain[0], name("sign device certificate"), context(person), chain[1], chain[2]), why)
    cert = whole(chain[1], CERTIFICATE, {6: number(0)}, why)
    need(is_ed25519(cert[1]) and is_x25519(cert[2]), why)
    need(cert[0] == hashed(name("hash device id"), chain[0], cert[1], cert[2])[:16] and cert.get(6, 0) <= cert[5], why)
    need((not begins or cert[3] <= now + SKEW) and now <= cert[4] + longer + SKEW, why)
    peer = hashed(name("hash alias"), chain[0], cert[0]) if 6 in cert else person
    return {"root": chain[0], "person": person, "peer": peer, "device": cert[0], "signing": cert[1], "dh": cert[2], "rank": cert.get(6)}


def is_chain(value):
    return isinstance(value, dict) and is_map(value, CHAIN)


# Device list and gone: recovery.md, devices.md

@refusal
def device_list(i):
    said = whole(i["bytes"], {0: fixed(32), 1: fixed(32), 2: BYTES, 3: fixed(64)})
    need(peer_of(said[0]) == i["person"], "person")
    need(hashed(name("hash second root"), said[1]) == i["second_root"], "second root")
    need(is_ed25519(said[1]) and verify(said[1], name("sign device list"), context(said[0]), said[2], said[3]), "signature")
    need(len(said[2]) <= 160, "body")
    body = whole(said[2], {0: number(0), 1: listed(1 << 16, fixed(16))}, why="body")
    need(1 <= len(body[1]) <= 8 and all(one < other for one, other in zip(body[1], body[1][1:])), "devices")


@refusal
def gone(i):
    said = whole(i["bytes"], {0: is_chain, 1: is_chain, 2: fixed(64)}, {3: fixed(64)})
    by, device = (device_of(said[key], i["sure"], longer=400 * DAY, begins=False) for key in (0, 1))
    over = name("sign gone device"), context(by["root"]), said[1][1]
    need(verify(by["signing"], *over, said[2]), "signature")
    need(3 not in said or verify(by["root"], *over, said[3]), "root signature")
    need(by["person"] == device["person"], "person")
    need(by["device"] != device["device"], "device")
    ranks = by["rank"], device["rank"]
    need(3 in said or None not in ranks and ranks[0] < ranks[1], "rank")


# Capsule and backup: recovery.md

@refusal
def capsule_piece(i):
    need(len(i["bytes"]) == 4_096, "length")
    key = derived(derived(i["key"], name("key capsule")), name("key of capsule pieces"), i["relay"], bytes([i["number"]]))
    plain = unsealed(key, i["bytes"], "seal capsule piece", b"")
    need(plain is not None, "seal")
    piece = whole(unfilled(plain), {0: number(0), 1: number(0, 2**16 - 1), 2: number(0, 2**16 - 1), 3: BYTES})
    _, index, count, part = (piece[key] for key in range(4))
    need(1 <= count <= 132 and index < count, "bounds")
    need(len(part) == 4_000 or index + 1 == count and 1 <= len(part) <= 4_000, "bounds")


def unsealed(key, sealed, label, aad):
    try:
        return ChaCha20Poly1305(key).decrypt(sealed[:12], sealed[12:], name(label).encode() + aad)
    except (InvalidTag, ValueError):
        return None


def unfilled(plain):
    """The record between its length and zeros."""
    length = int.from_bytes(plain[:2], "big")
    need(2 + length <= len(plain) and not any(plain[2 + length:]), "padding")
    return plain[2:2 + length]


HEAD = {0: number(0), 1: fixed(32), 2: number(0), 3: text(64), 4: listed(3, lambda relay: len(relay) == 2), 5: listed(8, BYTES)}


@refusal
def backup(i):
    data, key = i["bytes"], derived(i["entropy"], name("key backup"))
    need(len(data) >= 34, "damaged backup")
    need(data[:18] == b"symbolon backup 1\n", "no backup")
    at, place, kind = 34, 0, None
    while kind != 4:
        length = int.from_bytes(data[at:at + 4], "big")
        need(len(data) >= at + 4 and length <= 262_144 and len(data) >= at + 4 + length, "damaged backup")
        why = "damaged backup" if place else "wrong phrase"
        part = unsealed(key, data[at + 4:at + 4 + length], "seal backup", context(data[18:34], struct.pack(">Q", place)))
        need(part is not None, why)
        try:
            kind, content = read(part)
        except (AssertionError, ValueError, KeyError, IndexError):
            raise Refused(why) from None
        need((kind == 0) == (place == 0), why)
        if kind == 0:
            root = ed_public(derived(i["entropy"], name("key root")))
            need(is_map(content[0], HEAD, {6: ANYTHING}) and content[0][1] == peer_of(root), why)
        at, place = at + 4 + length, place + 1
    need(len(data) == at, "damaged backup")


# Pairing: devices.md, with invite.md and connection.md

@refusal
def pairing_code(i):
    letters = "".join(letter for letter in i["code"].lower() if not letter.isspace() and letter != "-")
    need(len(letters) == 26 and set(letters) <= set("abcdefghijklmnopqrstuvwxyz234567"), "code")
    need(base32(base64.b32decode(letters.upper() + "======")) == letters, "code")


ENTRY = {0: fixed(32), 1: fixed(32), 2: lambda sealed: BYTES(sealed) and len(sealed) <= 256, 3: listed(8, lambda at: 1 <= len(at) <= 128)}
CONTACT = {
    1: lambda key: BYTES(key) and is_xwing(key), 2: number(0), 3: FLAG, 4: lambda entry: is_map(entry, ENTRY), 5: fixed(32),
    6: listed(3, lambda relay: is_map(relay, {0: lambda entry: is_map(entry, ENTRY), 1: fixed(32)}))}
CONTACT_BODY = {0: ANYTHING, 1: number(0), 2: ANYTHING, 3: ANYTHING}
MARK = {0: fixed(16), 1: number(0), 2: number(0)}


def is_name(value):
    return text(64)(value) and not any(ord(letter) < 32 or 127 <= ord(letter) < 160 for letter in value)


@refusal
def pairing_body(i):
    said = whole(i["bytes"], {0: is_chain, 1: BYTES, 2: fixed(64)})
    signer = device_of(said[0], i["now"])
    label, bound = name("sign contact record"), context(signer["peer"], signer["peer"])
    need(verify(signer["signing"], label, bound, said[1], said[2]), "signature")
    body = whole(said[1], CONTACT_BODY, {4: lambda mark: is_map(mark, MARK)})
    contacts = body[2]
    need(is_name(body[0]) and 1 <= len(contacts) <= 4 and len(body[3]) <= 3, "bounds")
    need(all(is_map(contact, CONTACT, {0: is_chain}) for contact in contacts), "bounds")
    need(4 in body and (body[4][0], body[4][1]) == (invite_id(i["secret"]), i["day"]), "invite")
    need(i["now"] <= body[1] + SKEW, "expires")
    for contact in contacts:
        device = device_of(contact[0], i["now"]) if 0 in contact else signer
        need(device["peer"] == signer["peer"], "peer")
        need(contact[4][1] == device["signing"], "entry")


STATEMENT = {0: number(0, 5), 1: fixed(32), 2: fixed(16), 3: fixed(32), 4: fixed(32), 5: BYTES}
STEPS = ["offer", "accept", "confirm", "standing", "joined", "returned"]


@refusal
def joined(i):
    said = whole(i["bytes"], {0: is_chain, 1: BYTES, 2: fixed(64)})
    sender = device_of(said[0], i["now"])
    statement = whole(said[1], STATEMENT)
    label = name(f"sign {STEPS[statement[0]]}")
    need(verify(sender["signing"], label, context(sender["peer"], i["me"]), said[1], said[2]), "signature")
    need(statement[1] == i["me"], "to")
    need(statement[2] == i["device"], "device")
    need(statement[3] == i["package"], "package")
    need(statement[0] == 4, "step")
    need(sender["peer"] == i["asked"], "asked")
    need(statement[4] == i["transcript"], "transcript")
    body = whole(statement[5], {0: is_chain, 1: fixed(32), 2: ANYTHING})
    need(body[0][0] == sender["root"], "root")
    need(is_name(body[2]), "name")
    mine = device_of(body[0], i["now"], why="certificate")
    need(mine["rank"] is not None and (mine["signing"], mine["dh"]) == (i["signing"], i["dh"]), "certificate")


# Introductions: introduction.md

def is_note(value):
    return text(512)(value) and not any(ord(letter) != 10 and (ord(letter) < 32 or 127 <= ord(letter) < 160) for letter in value)


@refusal
def introduction(i):
    said = whole(i["bytes"], {0: is_chain, 1: BYTES, 2: fixed(64)})
    known = lambda chain, why: device_of(chain, i["sure"], longer=400 * DAY, begins=False, why=why)["peer"]
    by = known(said[0], "chain")
    signing = read(said[0][1])[1]
    need(verify(signing, name("sign introduction"), context(by), said[1], said[2]), "signature")
    need(len(said[1]) <= 4_096, "malformed")
    person = lambda value: isinstance(value, dict) and is_map(value, {0: is_chain, 1: lambda value: isinstance(value, str)})
    fields = {0: fixed(16), 1: person, 2: person, 4: number(0), 5: number(0)}
    body = whole(said[1], fields, {3: lambda note: isinstance(note, str)})
    asker, target = (known(body[key][0], "people") for key in (1, 2))
    need(body[4] <= i["sure"] + SKEW, "created")
    need(i["sure"] <= body[5] + SKEW, "expires")
    need(body[5] - body[4] <= 14 * DAY, "life")
    need(is_name(body[1][1]) and is_name(body[2][1]) and is_note(body.get(3, "")), "bounds")
    need(len({by, asker, target}) == 3, "three")


# Vouched rooms: vouching.md

HUBS = lambda hubs: 1 <= len(hubs) <= 3 and all(1 <= len(hub) <= 4 and all(1 <= len(at) <= 128 for at in hub) for hub in hubs)


@refusal
def card_body(i):
    need(len(i["bytes"]) <= 4_096, "malformed")
    said = whole(i["bytes"], {0: is_chain, 1: BYTES, 2: fixed(64)})
    maker = device_of(said[0], i["now"])
    need(maker["peer"] == i["maker"], "maker")
    need(verify(maker["signing"], name("sign room card"), context(i["maker"], i["maker"]), said[1], said[2]), "signature")
    fields = {0: fixed(16), 1: number(0), 2: number(0), 3: number(0), 4: fixed(32), 5: BYTES, 6: listed(1 << 16, listed(1 << 16, BYTES))}
    body = whole(said[1], fields)
    need((body[0], body[1]) == (i["id"], i["day"]), "card")
    need(HUBS(body[6]), "hubs")
    need(i["now"] <= body[3] + SKEW, "expires")
    need(is_xwing(body[5]), "key")


def opened_word(use, seed, aad, sealed, length):
    need(len(sealed) == length, "seal")
    try:
        return unfilled(kem_open(name(f"seal {use}"), seed, aad, sealed))
    except InvalidTag:
        raise Refused("seal") from None


@refusal
def knock(i):
    seed, hub = (derived(i["secret"], name(f"key room {use}")) for use in ("knock", "hub"))
    bound = context(hashed(name("hash room alias"), ed_public(hub)), i["knock"])
    said = whole(opened_word("knock", seed, bound, i["bytes"], 3_184), {0: fixed(32), 1: is_chain, 2: BYTES, 3: fixed(64)})
    device = device_of(said[1], i["now"])
    need(verify(device["signing"], name("sign knock"), bound, record([said[0], said[2]]), said[3]), "signature")
    need(is_xwing(said[2]), "key")


@refusal
def voucher(i):
    seed = book("knock", "in", "ephemeral_seed")
    fields = {0: is_chain, 1: fixed(16), 2: BYTES, 3: fixed(32), 4: fixed(32), 5: fixed(64)}
    said = whole(opened_word("voucher", seed, context(alias(), i["knock"]), i["bytes"], 3_184), fields)
    by = device_of(said[0], i["now"])
    need(is_xwing(said[2]), "key")
    me = device_of(read(book("Ben: device certificate", "out", "chain")), i["now"])
    keys = hashed(name("hash knock key"), xwing_public(seed), said[2])
    transcript = record({
        0: alias(), 1: book("card body", "out", "digest"), 2: i["knock"], 3: said[1], 4: keys,
        5: [me["person"], me["device"]], 6: [by["person"], by["device"]], 7: said[3], 8: said[4]})
    digest = hashed(name("hash vouching transcript"), transcript)
    need(verify(by["signing"], name("sign voucher"), digest, b"", said[5]), "signature")


@refusal
def newcomer(i):
    digest = hashed(name("hash vouching transcript"), i["transcript"])
    said = whole(opened_word("newcomer", book("transcript", "in", "voucher_seed"), digest, i["bytes"], 6_256), {0: fixed(64), 1: BYTES})
    signing = read(read(book("Ben: device certificate", "out", "chain"))[1])[1]
    need(verify(signing, name("sign newcomer"), digest, b"", said[0]), "signature")


@refusal
def vouch(i):
    fields = {0: fixed(32), 1: fixed(16), 2: fixed(16), 3: fixed(32), 4: fixed(16), 5: fixed(16), 6: fixed(32), 7: fixed(64)}
    said = whole(i["bytes"], fields)
    root, cert = (lambda chain: (chain[0], read(chain[1])))(read(i["seat"]))
    need(cert[0] == said[4], "seat")
    transcript = record({
        0: i["alias"], 1: said[0], 2: said[1], 3: said[2], 4: said[3], 5: [peer_of(root), said[4]], 6: [i["voucher"], said[5]],
        7: i["room"], 8: said[6]})
    digest = hashed(name("hash vouching transcript"), transcript)
    need(verify(cert[1], name("sign newcomer"), digest, b"", said[7]), "signature")


COUNT = number(0, 2**16 - 1)
MEMBER = {0: fixed(32), 1: fixed(16), 2: fixed(64)}
QUESTIONS = [
    {0: fixed(32), 1: fixed(16), 2: BYTES},
    {0: fixed(32), 1: fixed(16), 2: COUNT, 3: FLAG},
    {0: fixed(32), 1: fixed(16), 2: COUNT, 3: BYTES},
    {0: lambda member: is_map(member, MEMBER), 1: COUNT},
    {0: lambda member: is_map(member, MEMBER), 1: fixed(16), 2: BYTES},
]


def choice(data, forms):
    """A record that is a choice: its number and its fields."""
    try:
        value = read(data)
        number, fields = value
    except (AssertionError, ValueError, KeyError, IndexError, TypeError):
        raise Refused("malformed") from None
    need(len(data) <= 6_512 and type(number) is int and number < len(forms) and isinstance(fields, list), "malformed")
    need(len(fields) == len(forms[number]) and all(form(field) for form, field in zip(forms[number], fields)), "malformed")
    return number, fields


@refusal
def question(i):
    kind, (said,) = choice(i["bytes"], [[lambda value, form=form: is_map(value, form)] for form in QUESTIONS])
    for at, key, length in ((0, 2, 3_184), (2, 3, 6_256), (4, 2, 3_184)):
        need(kind != at or len(said[key]) == length, "length")
    if kind in (3, 4):
        key, listener, signature = (said[0][at] for at in range(3))
        over = b"" if kind == 3 else said[1] + said[2]
        need(is_ed25519(key) and verify(key, name("sign to hub"), context(listener), over, signature), "signature")


@refusal
def answer(i):
    sealed = [fixed(16), BYTES]
    kind, fields = choice(i["bytes"], [[], [number(0, 2)], [], sealed, sealed, [COUNT, BYTES], []])
    need(kind not in (3, 4, 5) or len(fields[1]) == (6_256 if kind == 4 else 3_184), "length")


REFUSALS = {
    "device list": device_list, "gone": gone, "capsule piece": capsule_piece, "backup": backup, "pairing code": pairing_code,
    "pairing body": pairing_body, "joined": joined, "introduction": introduction, "card body": card_body, "knock": knock, "voucher": voucher, "newcomer": newcomer,
    "vouch": vouch, "question to a hub": question, "answer of a hub": answer,
}
