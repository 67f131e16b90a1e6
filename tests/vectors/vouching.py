"""Vouched rooms: docs/protocol/vouching.md."""

from base import *
from ways import host, link


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
        "answer: said": lambda: [5, [1, sealed("voucher")]],
        "answer: closed": lambda: [6, []],
    }[title]()
