#!/usr/bin/env python3
"""Recomputes the known-answer vectors from the protocol pages, without this project's Rust.

Needs PyPI's `cryptography`. HPKE, HKDF, X-Wing (`xwing.py`), deterministic CBOR and everything of ours is
written out, so that a mistake shared with a library of the Rust side would show.
Prints one line for each vector; exits 1 when one differs or is not checked.
"""

import json
import sys

from base import *
from envelopes import *
from mls import *
from people import *
from presence import *
from refused import REFUSALS
from rooms import *
from vouching import *
from ways import *


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
    "KeyPackage of MLS": mls_key_package,
    "Welcome of MLS": mls_welcome,
    "text and commit of MLS": mls_messages,
    "GroupInfo and external commit of MLS": mls_entering,
    **{f"X-Wing of the draft {n}": xwing_of_the_draft for n in (1, 2, 3)},
    "first envelope": first,
    "tags of known envelopes": tags,
    "known envelope": known,
    "known envelope of before, counted": known_of_before,
    "known envelope of before, with a nonce": known_of_before,
    "sizes of first envelopes": sizes(lambda i, payload: first_envelope(xwing_public(i["private"]), payload, i["randomness"])),
    "sizes of known envelopes": sizes(known_sizes),
    "direct envelope": direct,
    "envelope to a lifeline": direct,
    "standing: statement of before": standing_of_before,
    "envelope of before": envelope_of_before,
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
    "sealed address of a lifeline": address,
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
    "presence statement": presence_statement,
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
    "ways to a further device": further_ways,
    "backup file": backup_file,
    "capsule keys": capsule_keys,
    "capsule piece": capsule_piece,
    "capsule places": capsule_places,
    "returned": returned,
    "gone": gone,
    "introduction": introduction,
    "device list": device_list,
    "certificate of a restored device": further_certificate,
    "recovery phrase": recovery,
    **{f"part of a backup: {part}": backup_part for part in ("head", "persons", "ways", "texts", "rooms", "room_texts", "end")},
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
            if title.startswith(("taken: ", "refused: ")):
                check = REFUSALS.get(title.split(": ")[1])
            if title.startswith("room payload: "):
                # No key enters these: that they are deterministic is what can be checked.
                check = lambda i, out: {"payload": record(read(out["payload"]))}
                if path.stem == "introduction":
                    check = introduction_payload(title.removeprefix("room payload: "))
                if path.stem == "devices":
                    check = own_payload(title.removeprefix("room payload: "))
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
