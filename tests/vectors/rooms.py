"""Rooms: docs/protocol/order.md, addpackage.md, shared-rooms.md, and the forms of encoding.md."""

from base import *


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


def numbered(i, number):
    return context(i["room"], struct.pack(">Q", number))


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
