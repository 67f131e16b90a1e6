//! Ann and Ben: their keys, their mailboxes, and what each gives to others.

use super::{NOW, Runs, seed};
use symbolon_core::contact::{ContactBody, ContactRecord, InviteMark};
use symbolon_core::link::InviteLink;
use symbolon_core::place::Place;
use symbolon_core::wire::{Bundle, BundleDevice, Contact};
use symbolon_presence::address::Address;
use symbolon_presence::codec;
use symbolon_presence::friendship::FriendshipSecret;
use symbolon_presence::id::GrantId;
use symbolon_presence::identity::{Identity, pair_context};
use symbolon_presence::invite::InviteSecret;
use symbolon_presence::kdf::Secret;
use symbolon_presence::kem::KemKey;
use symbolon_presence::labels::SIGN_CONTACT;
use symbolon_presence::record::day_of;
use symbolon_presence::time::{DAY, Timestamp};
use symbolon_relay::grant::{AddressBody, MailboxKeys, Scope};
use symbolon_relay::put::MailboxEntry;

/// A person of the examples.
#[derive(Debug)]
pub struct Person {
    /// Root and device keys.
    pub identity: Identity,
    /// The device's own mailbox.
    pub mailbox: MailboxKeys,
    /// The friendship secret, at revision 3.
    pub friendship: FriendshipSecret,
    /// Private half of the contact package in the person's invite.
    pub package: KemKey,
    /// Private half of the package in the person's reply address.
    pub reply: KemKey,
    /// Private half of the device's direct key.
    pub direct: KemKey,
    /// First byte run of the person's seals.
    pub(super) seals: u8,
}

impl Person {
    /// All of a person's keys are runs of bytes from `first` on; seals use `first + 0x80` on.
    fn from_runs(first: u8) -> Self {
        let entropy = Secret::from_bytes([first; 32]);
        Self {
            // Signing key first + 1, X25519 key first + 2, device id first + 3.
            identity: Identity::certify(entropy, 7, &mut Runs::from(first + 1), NOW, 365 * DAY),
            // X25519 key first + 4, queue secret first + 5, queues first + 6 and first + 7.
            mailbox: MailboxKeys::random(&mut Runs::from(first + 4)),
            friendship: FriendshipSecret { revision: 3, secret: Secret::from_bytes([first + 8; 32]) },
            package: KemKey::from_bytes([first + 9; 32]),
            reply: KemKey::from_bytes([first + 10; 32]),
            direct: KemKey::from_bytes([first + 11; 32]),
            seals: first + 0x80,
        }
    }

    /// The sealed address of a grant and its put key.
    pub fn address(&self, grant: u8, scope: Scope, expires: Timestamp, uses: u32) -> (AddressBody, Vec<u8>, Secret) {
        let queue = match scope {
            Scope::Contact => self.mailbox.contact,
            Scope::Friends(_) | Scope::Guest => self.mailbox.direct,
        };
        let body = AddressBody { queue, grant: GrantId([grant; 16]), scope, expires, uses };
        let sealed = self.mailbox.seal_address(&body, &mut Runs::from(self.seals + grant % 16));
        let key = self.mailbox.put_key(&self.mailbox.id(), &body, &self.friendship);
        (body, sealed, key)
    }

    /// The mailbox entry around a sealed address.
    pub fn entry(&self, address: Vec<u8>) -> MailboxEntry {
        // /ip4/192.0.2.1/udp/4001/quic-v1 (RFC 5737's documentation net)
        let place = Address(vec![0x04, 192, 0, 2, 1, 0x91, 0x02, 0x0f, 0xa1, 0xcd, 0x03]);
        MailboxEntry::own(&self.mailbox, self.identity.signing.public(), address, vec![place])
    }

    /// The way in of the person's invite: one use, seven days.
    pub fn contact(&self) -> Contact {
        let expires = NOW.after(7 * DAY);
        let (_, address, key) = self.address(0x71, Scope::Contact, expires, 1);
        Contact {
            chain: None,
            package: self.package.public().bytes(),
            expires,
            last_resort: false,
            entry: self.entry(address),
            key,
            relay_mailboxes: Vec::new(),
        }
    }

    /// The person's reply address in an Offer or Accept.
    pub fn reply_contact(&self) -> Contact {
        let expires = NOW.after(30 * DAY);
        let (_, address, key) = self.address(0x72, Scope::Guest, expires, 0);
        Contact {
            chain: None,
            package: self.reply.public().bytes(),
            expires,
            last_resort: false,
            entry: self.entry(address),
            key,
            relay_mailboxes: Vec::new(),
        }
    }

    /// The person's lifeline for a friend.
    pub fn lifeline(&self) -> Contact {
        let expires = NOW.after(400 * DAY);
        let (_, address, key) = self.address(0x75, Scope::Guest, expires, 8);
        Contact { package: self.reply.public().bytes(), expires, entry: self.entry(address), key, ..self.reply_contact() }
    }

    /// A contact record of the person's, as an introducer passes it on.
    pub fn contact_record(&self, name: &str) -> ContactRecord {
        self.record(name, None)
    }

    /// The body of the person's invite, for the day of the samples.
    pub fn invite_body(&self, name: &str) -> ContactRecord {
        self.record(name, Some(InviteMark { id: invite_secret().id(), day: day_of(NOW), number: NOW.0 }))
    }

    fn record(&self, name: &str, invite: Option<InviteMark>) -> ContactRecord {
        let body = codec::encode(&ContactBody {
            name: name.to_owned(),
            expires: NOW.after(7 * DAY),
            contacts: vec![self.contact()],
            servers: Vec::new(),
            invite,
        });
        let peer = self.identity.peer();
        let signature = self.identity.signing.sign(SIGN_CONTACT, &pair_context(&peer, &peer), &body);
        ContactRecord { chain: self.identity.chain.clone(), body, signature }
    }

    /// The link of the person's invite: their own node, and a relay with a name.
    pub fn invite_link(&self) -> InviteLink {
        let own = Place::of(&self.contact().entry.places, false);
        // /dns4/relay.example/tcp/4001 and the same with QUIC
        let name = |end: &[u8]| Address([&[0x36, 13], b"relay.example".as_slice(), end].concat());
        let relay = Place::of(&[name(&[0x06, 0x0f, 0xa1]), name(&[0x91, 0x02, 0x0f, 0xa1, 0xcd, 0x03])], true);
        InviteLink::new(invite_secret(), self.identity.peer(), NOW.after(7 * DAY), own, relay)
    }

    /// What the person gives friends.
    pub fn bundle(&self, name: &str) -> Bundle {
        let (_, address, _) = self.address(0x73, Scope::Friends(self.friendship.revision), NOW.after(365 * DAY), 0);
        Bundle {
            name: name.to_owned(),
            second_root: self.identity.second_root,
            friendship: self.friendship.clone(),
            devices: vec![BundleDevice {
                chain: self.identity.chain.clone(),
                entry: self.entry(address),
                relay_mailboxes: Vec::new(),
                direct: self.direct.public().bytes(),
                seed: seed(),
            }],
            presence: None,
        }
    }
}

/// The secret of Ben's invite.
pub fn invite_secret() -> InviteSecret {
    InviteSecret::from_bytes([0x77; 16])
}

/// The record in which the body of Ben's invite lies.
pub fn invite_record() -> Vec<u8> {
    let content = codec::encode(&ben().invite_body("Ben"));
    invite_secret().slot(day_of(NOW)).seal(NOW, &content, &mut Runs::from(0x78)).expect("it fits")
}

/// The one who asks.
pub fn ann() -> Person {
    Person::from_runs(0x10)
}

/// The one who minted an invite.
pub fn ben() -> Person {
    Person::from_runs(0x30)
}
