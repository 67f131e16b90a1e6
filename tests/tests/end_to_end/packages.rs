//! A friend made by hand at a relay that runs, where the packages of a node lie: anyone who empties them, tries for them without a
//! right, has a copy of the relay's disk, or puts an older copy of it back.

use super::by_hand::{Wire, somebody};
use super::four_devices::{held, rows as table_in};
use super::friend::Friend;
use super::relay::{Rows, killed, rows_in};
use super::server::now;
use super::vouchers::stolen;
use std::collections::BTreeSet;
use std::path::Path;
use std::time::Duration;
use symbolon_core::table::{Change, Table};
use symbolon_core::wire::{AddPackage, PackageSecrets};
use symbolon_core::world::ShelfMut;
use symbolon_node::folder::Folder;
use symbolon_presence::codec;
use symbolon_presence::friendship::FriendshipSecret;
use symbolon_presence::id::{MailboxId, Nonce};
use symbolon_presence::identity::Identity;
use symbolon_presence::kdf::Secret;
use symbolon_presence::sign::SigningKey;
use symbolon_presence::time::{DAY, HOUR, Timestamp};
use symbolon_relay::frame::Frame;
use symbolon_relay::limits::PACKAGE_MAX;
use symbolon_relay::packages::{Fetch, Handed};
use symbolon_relay::put::{MailboxEntry, Outcome, Put, Refusal};
use symbolon_tests::node::{Node, befriend, clock, within};

const TCP: &str = "/ip4/127.0.0.1/tcp/0";
const SOON: Duration = Duration::from_secs(30);
/// What lies at a relay: eight for friends, and one of last resort.
const STOCKED: usize = 8;
const ANDI: &str = "Andi from the mill";

/// Who asks for packages of the mailbox of a node.
struct Asker {
    token: SigningKey,
    mailbox: MailboxId,
    address: Vec<u8>,
    asked: u8,
    /// Their clock is so far ahead.
    later: u64,
}

impl Asker {
    fn of(secret: &FriendshipSecret, entry: &MailboxEntry) -> Self {
        Self { token: secret.capability(&entry.mailbox), mailbox: entry.mailbox, address: entry.address.clone(), asked: 0, later: 0 }
    }

    fn question(&mut self) -> Fetch {
        self.asked += 1;
        Fetch::sign(&self.token, &self.mailbox, self.address.clone(), Nonce([self.asked; 16]), now().after(self.later))
    }

    fn fetch(&mut self, wire: &mut Wire) -> Handed {
        let question = self.question();
        wire.say(&Frame::Fetch(question.clone()).encode());
        answer(wire, question.nonce)
    }
}

fn answer(wire: &mut Wire, nonce: Nonce) -> Handed {
    wire.hear("an answer", |frame| match Frame::decode(frame) {
        Ok(Frame::Fetched(fetched)) if fetched.nonce == nonce => Some(fetched.handed),
        Ok(_) | Err(_) => None,
    })
}

/// A copy of all that lies in a relay's folder.
pub(super) fn copied(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap().map(Result::unwrap).filter(|entry| entry.path().is_file()) {
        std::fs::copy(entry.path(), to.join(entry.file_name())).unwrap();
    }
}

/// One row of a node's about itself.
fn meta<'a>(rows: &'a Rows, name: &str) -> &'a [u8] {
    &rows.iter().find(|(table, key, _)| *table == Table::Meta && key == name.as_bytes()).unwrap().2
}

/// The packages that lie in a relay's rows: whose, and the package.
fn lying(rows: &Rows) -> impl Iterator<Item = (&[u8], &Vec<u8>)> {
    let packages = rows.iter().filter(|(table, ..)| *table == Table::Package);
    packages.map(|(_, key, package)| (&key[..key.len() - 4], package))
}

/// Anyone who has no right is refused alike, no matter what is wrong, and sent away after a while.
fn without_a_right(relay: &Node, ben: &mut Asker) {
    let good = ben.question();
    let (stranger, elsewhere) = (SigningKey::from_seed(&[1; 32]), MailboxId([1; 32]));
    let mut forged = good.clone();
    forged.signature.0[5] ^= 1;
    let sign = |key: &SigningKey, mailbox: &MailboxId, address: &[u8]| Fetch::sign(key, mailbox, address.to_vec(), Nonce([200; 16]), now());
    let late = Fetch::sign(&ben.token, &ben.mailbox, ben.address.clone(), Nonce([201; 16]), Timestamp(1));
    let bad = [
        forged,
        Fetch { capability: stranger.public(), ..good },
        sign(&stranger, &ben.mailbox, &ben.address),
        sign(&ben.token, &ben.mailbox, &[1; 80]),
        sign(&ben.token, &elsewhere, &ben.address),
        late,
    ];
    let frames: Vec<Vec<u8>> = bad.iter().cycle().take(64).map(|fetch| Frame::Fetch(fetch.clone()).encode()).collect();
    let answers = Wire::call(relay).until_it_ends(&frames);
    assert_eq!(answers.len(), 31, "and the link ends");
    for answer in answers {
        assert!(matches!(Frame::decode(&answer), Ok(Frame::Fetched(fetched)) if fetched.handed == Handed::Refused), "alike");
    }
}

/// What a copy of the relay's disk shows: nothing that opens, takes, or speaks for anybody.
fn a_copy_of_the_disk(rows: &Rows, secret: &FriendshipSecret, entry: &MailboxEntry, of_owner: &Rows) {
    let all: Vec<u8> = rows.iter().flat_map(|(_, key, value)| [key.as_slice(), value].concat()).collect();
    let parts: BTreeSet<&[u8]> = all.windows(16).collect();
    let shows = |secret: &[u8]| secret.windows(16).any(|part| parts.contains(part));
    let token = secret.capability(&entry.mailbox);
    assert!(shows(token.public().as_bytes()), "by which the relay knows friends");
    let keys = [secret.secret.clone(), secret.fek(), secret.waik(), secret.lan(), Secret::from_bytes(token.seed())];
    assert!(keys.iter().all(|key| !shows(key.expose())), "no key of friends");
    // Nor anything of the owner's identity, certificate and mailbox of their own.
    for name in ["identity", "mailbox"] {
        assert!(!shows(meta(of_owner, name)), "{name}");
    }
    assert!(![ANDI, "Mallory"].iter().any(|name| all.windows(name.len()).any(|part| part == name.as_bytes())));
}

/// Of all packages of a person two have nothing in common but what everybody's have.
fn are_unlinkable(handed: &BTreeSet<Vec<u8>>, of_anybody: &[&Vec<u8>]) {
    let of_anybody: BTreeSet<&[u8]> = of_anybody.iter().flat_map(|package| package.windows(8)).collect();
    let is_anybodys = |run: &[u8]| run.windows(8).any(|part| of_anybody.contains(part));
    let own: Vec<BTreeSet<&[u8]>> = handed.iter().map(|package| package.windows(12).filter(|run| !is_anybodys(run)).collect()).collect();
    for (at, one) in own.iter().enumerate() {
        assert!(one.len() > PACKAGE_MAX / 2, "most of it is its own");
        assert!(own[at + 1..].iter().all(|two| one.is_disjoint(two)), "package {at}");
    }
}

#[test]
fn a25_a28_a30_a32_a94_s0_19_packages_at_a_running_relay_are_handed_out_once_to_friends_alone_also_after_an_older_copy_of_it_was_put_back()
{
    if !clock::can_be_set() {
        return;
    }
    let home = tempfile::tempdir().unwrap();
    let [folder, other, backup] = ["relay", "other", "backup"].map(|name| home.path().join(name));
    let mut relay = Node::start(&folder, &["relay", "run", "--open", "--listen", TCP]).unwrap();
    let at = relay.ready["listen"][0].as_str().unwrap().to_owned();
    let link = relay.ready["link"].as_str().unwrap().to_owned();
    let person = |name: &str| {
        let node = Node::start(&home.path().join(name), &["--no-lan", "--listen", TCP, "--name", name, "--relay", &link]).unwrap();
        within(SOON, "the relay keeps the mailbox", || Ok((node.json(&["relay", "list"])?[0]["state"] == "connected").then_some(())))
            .unwrap();
        node
    };
    let (mut andi, mut cleo) = (person(ANDI), person("Cleo"));
    let [ben, olga] = [7, 8].map(|seed| Friend::of(&andi, somebody(seed)));
    let entry = ben.bond.bundle.devices[0].relay_mailboxes[0].clone();
    let secret = ben.bond.bundle.friendship.clone();
    // Somebody copies the relay's folder while all of the packages lie there.
    let begun = within(SOON, "the packages lie there", || {
        let rows = killed(&mut relay);
        let there = lying(&rows).count() >= 2 * (STOCKED + 1);
        if !there {
            relay.restart()?;
            std::thread::sleep(Duration::from_millis(500));
        }
        Ok(there.then_some(rows))
    })
    .unwrap();
    copied(&folder, &backup);
    cleo.interrupt().unwrap();
    relay.restart().unwrap();
    assert_eq!(relay.ready["listen"][0], at.as_str());

    // Friends empty it, two at once, and never get one package for both; who has no right gets none.
    andi.interrupt().unwrap();
    a_copy_of_the_disk(&begun, &secret, &entry, &rows_in(andi.folder()));
    let mut asker = Asker::of(&secret, &entry);
    without_a_right(&relay, &mut asker);
    let (mut taken, mut wires) = (BTreeSet::new(), [(); 2].map(|()| Wire::call(&relay)));
    for _ in 0..STOCKED / 2 {
        let questions = [(); 2].map(|()| asker.question());
        for (wire, question) in wires.iter_mut().zip(&questions) {
            wire.say(&Frame::Fetch(question.clone()).encode());
        }
        for (wire, question) in wires.iter_mut().zip(&questions) {
            let Handed::Package(package) = answer(wire, question.nonce) else { panic!("there is one") };
            assert!(taken.insert(package), "each once");
        }
    }
    let last: Vec<Handed> = (0..3).map(|_| asker.fetch(&mut wires[0])).collect();
    assert!(
        matches!(&last[0], Handed::Package(package) if !taken.contains(package)) && last.iter().all(|one| *one == last[0]),
        "the last resort"
    );
    let (owner, _) = lying(&begun).find(|(_, package)| taken.contains(*package)).expect("they lay there");
    let of_cleo: Vec<&Vec<u8>> = lying(&begun).filter(|(other, _)| *other != owner).map(|(_, package)| package).collect();
    assert_eq!(of_cleo.len(), STOCKED + 1);
    are_unlinkable(&taken, &of_cleo);

    // The owner looks once an hour at most, and is warned.
    relay.interrupt().unwrap();
    asker.later = 2 * HOUR;
    clock::ahead(2 * 3_600, || [&mut relay, &mut andi].map(|node| node.restart().unwrap()));
    let warned = || andi.json(&["status"]).map(|status| status[0]["problems"].to_string().contains("takes what others need").then_some(()));
    within(SOON, "the owner is warned", warned).unwrap();
    // Somebody is taken out, and the token of friends is over.
    andi.json(&["unfriend", &olga.actor.peer().to_string()]).unwrap();
    let mut wire = Wire::call(&relay);
    within(SOON, "the token is over", || Ok((asker.fetch(&mut wire) == Handed::Stale).then_some(()))).unwrap();

    // The copy of before is put back: it knows of neither, and its owner sets it right when they come.
    killed(&mut relay);
    std::fs::rename(&folder, &other).unwrap();
    copied(&backup, &folder);
    clock::ahead(2 * 3_600, || relay.restart()).unwrap();
    let mut wire = Wire::call(&relay);
    within(SOON, "the relay is set right", || Ok((asker.fetch(&mut wire) == Handed::Stale).then_some(()))).unwrap();
    let put = Put::new(asker.address.clone(), &secret.put(&entry.mailbox), 3_600, None, vec![2; 8_192]).unwrap();
    let outcome = wire.put(&entry, &Frame::Put(put).encode());
    assert_eq!(outcome, Outcome::Refused(Refusal::Stale), "nor does it take anything under the key of before");
    // Those who stay friends have the new secret: what they are given nobody was given before.
    within(SOON, "the owner is there", || Ok((andi.json(&["relay", "list"])?[0]["state"] == "connected").then_some(()))).unwrap();
    std::thread::sleep(Duration::from_secs(1));
    andi.interrupt().unwrap();
    let of_owner = rows_in(andi.folder());
    let newer: FriendshipSecret = codec::decode_row(meta(&of_owner, "friendship"), 4_096).unwrap();
    let mut friends = Asker { later: 2 * HOUR, ..Asker::of(&newer, &entry) };
    for _ in 0..3 {
        let Handed::Package(package) = friends.fetch(&mut wire) else { panic!("there is one") };
        assert!(lying(&begun).all(|(_, lay)| *lay != package), "none of those that lay there before");
        assert!(taken.insert(package), "each once");
    }
    for node in [&andi, &relay] {
        node.calm().unwrap();
    }
}

/// What a relay that swaps, or somebody who shares the secret of friends, can make of packages: each with what is wrong with it.
fn swapped(lying: &[Vec<u8>], secret: &FriendshipSecret, ben: &Identity) -> Vec<(&'static str, Vec<u8>)> {
    let fek = secret.fek();
    let [one, two] = [0, 1].map(|at| AddPackage::decode(&lying[at]).unwrap());
    let resealed = |change: &dyn Fn(&mut PackageSecrets)| {
        let mut secrets = one.open(&fek).unwrap();
        change(&mut secrets);
        AddPackage::seal(&fek, one.key_package.clone(), &secrets, &[9; 12]).unwrap().encode()
    };
    let renewed = |from: Timestamp, to: Timestamp| {
        let mut ben = ben.clone();
        assert!(ben.renew(1 << 40, from, to));
        ben.chain
    };
    let (other, at) = (somebody(61).identity, now());
    let mut bent = lying[0].clone();
    bent[100] ^= 1;
    vec![
        ("one bit", bent),
        ("another KeyPackage", AddPackage { key_package: two.key_package.clone(), ..one.clone() }.encode()),
        ("the key of another leaf", resealed(&|secrets| secrets.key = two.open(&fek).unwrap().key)),
        ("another person's certificate", resealed(&|secrets| secrets.chain = other.chain.clone())),
        ("another revision", resealed(&|secrets| secrets.revision += 1)),
        ("a certificate that is over", resealed(&|secrets| secrets.chain = renewed(Timestamp(at.0 - 2 * DAY), Timestamp(at.0 - DAY)))),
        ("a certificate of tomorrow", resealed(&|secrets| secrets.chain = renewed(at.after(DAY), at.after(2 * DAY)))),
        ("a part of one", lying[0][..PACKAGE_MAX / 2].to_vec()),
    ]
}

#[test]
fn a09_a27_s1_22_nobody_is_added_by_a_package_that_a_running_relay_hands_out_with_any_part_swapped() {
    let home = tempfile::tempdir().unwrap();
    let mut relay = Node::start(&home.path().join("relay"), &["relay", "run", "--open", "--listen", TCP]).unwrap();
    let link = relay.ready["link"].as_str().unwrap().to_owned();
    let mut ana = Node::start(&home.path().join("ana"), &["--no-lan", "--listen", TCP, "--name", "Ana"]).unwrap();
    let mut ben = Node::start(&home.path().join("ben"), &["--no-lan", "--listen", TCP, "--name", "Ben", "--relay", &link]).unwrap();
    within(SOON, "the relay keeps the mailbox", || Ok((ben.json(&["relay", "list"])?[0]["state"] == "connected").then_some(()))).unwrap();
    befriend((&ana, "Ana"), (&ben, "Ben")).unwrap();
    let lies = |relay: &Node| table_in(held(relay).path(), Table::Package);
    within(SOON, "his packages lie there", || Ok((lies(&relay).len() > STOCKED).then_some(()))).unwrap();
    ben.interrupt().unwrap();
    ana.interrupt().unwrap();
    let secret: FriendshipSecret = codec::decode_row(meta(&rows_in(ben.folder()), "friendship"), 4_096).unwrap();
    let (identity, _) = stolen(&ben, home.path());

    // All but the last one are swapped.
    let rows: Rows = killed(&mut relay).into_iter().filter(|(table, ..)| *table == Table::Package).collect();
    let good: Vec<Vec<u8>> = rows.iter().map(|(_, _, package)| package.clone()).collect();
    let bad = swapped(&good, &secret, &identity);
    assert_eq!((rows.len(), bad.len()), (STOCKED + 1, STOCKED));
    {
        let store = Folder::open(relay.folder()).unwrap().open_store(None).unwrap();
        let mut turn = store.begin().unwrap();
        for ((_, key, _), (_, package)) in rows.iter().zip(&bad) {
            turn.apply(&Change::Put(Table::Package, key.clone(), package.clone())).unwrap();
        }
        turn.commit().unwrap();
    }
    relay.restart().unwrap();
    ana.restart().unwrap();
    ana.json(&["room", "create", "Crew"]).unwrap();
    ana.json(&["room", "add", "Crew", "Ben"]).unwrap();
    let members = |ana: &Node| ana.json(&["room", "members", "Crew"]).unwrap().len();
    for (number, (what, _)) in bad.iter().enumerate() {
        // After one that is none, a node asks again when it is started, or in a while.
        let left = STOCKED - number;
        within(SOON, what, || Ok((lies(&relay).len() <= left).then_some(()))).unwrap();
        std::thread::sleep(Duration::from_millis(300));
        assert_eq!(members(&ana), 1, "{what}: nobody is added");
        assert_eq!(table_in(held(&relay).path(), Table::Entry), Vec::<Vec<u8>>::new(), "{what}: nothing is sent");
        ana.interrupt().unwrap();
        ana.restart().unwrap();
    }
    within(SOON, "by the good one he is added", || Ok((members(&ana) == 2).then_some(()))).unwrap();
    ben.restart().unwrap();
    within(SOON, "and is in", || Ok((ben.json(&["room", "list"])?.len() == 1).then_some(()))).unwrap();
    for node in [&ana, &ben, &relay] {
        node.calm().unwrap();
    }
}
