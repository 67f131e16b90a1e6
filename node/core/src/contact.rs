//! Invites: minting links, reading those of others.
//!
//! A link is `symbolon:` and base32 of a signed contact record with a four-byte checksum.
//! It names one package (an HPKE key used once), one address in the contact queue with its
//! key, and where the node is. The private half stays in the invite's row until it expires.

use crate::command::{CommandError, InviteState, InviteView, Reply};
use crate::grants;
use crate::limits::{DEVICES_MAX, INVITE_LIFETIME_MAX, INVITES_MAX, LINK_MAX, SERVERS_TOLD};
use crate::rows::Invite;
use crate::seam::Address;
use crate::state::State;
use crate::table::Table;
use crate::turn::{Failed, Turn, TurnFailed};
use crate::wire::{Contact, is_name};
use minicbor::{Decode, Encode};
use symbolon_presence::codec;
use symbolon_presence::id::{Digest, GrantId, PeerId, SignatureBytes, base32};
use symbolon_presence::identity::{Chain, ChainError, Device, pair_context};
use symbolon_presence::kdf::{Secret, hash};
use symbolon_presence::labels::{HASH_LINK, SIGN_CONTACT};
use symbolon_presence::seal::DhKey;
use symbolon_presence::time::{DAY, EARLIEST, Timestamp};
use symbolon_relay::grant::Scope;

/// How every invite link begins.
pub const LINK_PREFIX: &str = "symbolon:";

/// Who somebody is and how to write to each of their devices.
#[derive(Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct ContactBody {
    /// The person's name.
    #[n(0)]
    pub name: String,
    /// Until when.
    #[n(1)]
    pub expires: Timestamp,
    /// The signer's device first.
    #[n(2)]
    pub contacts: Vec<Contact>,
    /// DHT servers, so that whoever is new finds one; at most [`SERVERS_TOLD`].
    #[n(3)]
    pub servers: Vec<Address>,
}

/// A signed contact record: an invite, or what somebody publishes.
#[derive(Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct ContactRecord {
    /// The signer's certificate.
    #[n(0)]
    pub chain: Chain,
    /// A [`ContactBody`] in its encoding.
    #[cbor(n(1), with = "minicbor::bytes")]
    pub body: Vec<u8>,
    /// The device's signature; its context names the person.
    #[n(2)]
    pub signature: SignatureBytes,
}

/// A contact record whose signatures hold.
#[derive(Clone)]
pub struct VerifiedContact {
    /// The device that signed.
    pub signer: Device,
    /// Its certificate.
    pub chain: Chain,
    /// The person's name.
    pub name: String,
    /// Until when.
    pub expires: Timestamp,
    /// Each device with its way in.
    pub contacts: Vec<(Device, Contact)>,
    /// DHT servers that the person knows.
    pub servers: Vec<Address>,
}

fn context(peer: &PeerId) -> Digest {
    pair_context(peer, peer)
}

/// Why a link is not an invite that can be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LinkError {
    /// Not a link of ours, mistyped, or not honestly signed.
    Bad,
    /// Too old.
    Expired,
    /// Made at a time that is still to come by our clock.
    NotYet,
}

impl From<ChainError> for LinkError {
    fn from(error: ChainError) -> Self {
        if error == ChainError::NotYet { Self::NotYet } else { Self::Bad }
    }
}

impl ContactRecord {
    /// Writes the link.
    pub fn to_link(&self) -> String {
        let mut bytes = codec::encode(self);
        bytes.extend_from_slice(&checksum(&bytes));
        format!("{LINK_PREFIX}{}", base32().encode(&bytes))
    }

    /// Reads a link. White space around it and upper case do not matter.
    pub fn from_link(link: &str) -> Result<Self, LinkError> {
        let link = link.trim();
        if link.len() > LINK_MAX {
            return Err(LinkError::Bad);
        }
        let text =
            link.get(..LINK_PREFIX.len()).filter(|head| head.eq_ignore_ascii_case(LINK_PREFIX)).and_then(|_| link.get(LINK_PREFIX.len()..));
        let bytes = base32().decode(text.ok_or(LinkError::Bad)?.as_bytes()).map_err(|_| LinkError::Bad)?;
        let (record, sum) = bytes.split_last_chunk::<4>().map(|(record, sum)| (record, *sum)).ok_or(LinkError::Bad)?;
        if checksum(record) != sum {
            return Err(LinkError::Bad);
        }
        codec::decode(record, LINK_MAX).map_err(|_| LinkError::Bad)
    }

    /// Verifies everything that the record claims.
    pub fn verify(&self, now: Timestamp) -> Result<VerifiedContact, LinkError> {
        self.check(now, |chain| chain.verify(now))
    }

    /// The same for one that a friend has handed on: what only the wall clock has against it is taken.
    pub(crate) fn verify_known(&self, sure: Timestamp) -> Result<VerifiedContact, LinkError> {
        self.check(sure, |chain| chain.verify_known(sure))
    }

    fn check(&self, now: Timestamp, verify: impl Fn(&Chain) -> Result<Device, ChainError>) -> Result<VerifiedContact, LinkError> {
        let signer = verify(&self.chain)?;
        signer.signing.verify(SIGN_CONTACT, &context(&signer.peer), &self.body, &self.signature).map_err(|_| LinkError::Bad)?;
        let body: ContactBody = codec::decode(&self.body, LINK_MAX).map_err(|_| LinkError::Bad)?;
        if !is_name(&body.name)
            || body.contacts.is_empty()
            || body.contacts.len() > DEVICES_MAX
            || !body.contacts.iter().all(Contact::is_bounded)
            || body.servers.len() > SERVERS_TOLD
            || !body.servers.iter().all(Address::is_bounded)
        {
            return Err(LinkError::Bad);
        }
        if body.expires.is_expired_at(now) {
            return Err(LinkError::Expired);
        }
        let mut contacts = Vec::with_capacity(body.contacts.len());
        for contact in body.contacts {
            let device = match &contact.chain {
                None => signer.clone(),
                Some(chain) => verify(chain)?,
            };
            if device.peer != signer.peer || !crate::wire::entry_is_of(&contact.entry, &device) {
                return Err(LinkError::Bad);
            }
            contacts.push((device, contact));
        }
        Ok(VerifiedContact { signer, chain: self.chain.clone(), name: body.name, expires: body.expires, contacts, servers: body.servers })
    }
}

fn checksum(bytes: &[u8]) -> [u8; 4] {
    let digest = hash(HASH_LINK, &[bytes]);
    let [a, b, c, d, ..] = *digest.as_bytes();
    [a, b, c, d]
}

/// How long a published package is good.
const POSTED_LIFETIME: u64 = 30 * DAY;
/// A published one stays good for at least this long.
const POSTED_LEFT: u64 = 3 * DAY;

/// What to tell of an invite that names no way to us.
pub const NO_WAY: &str = "the link names no address, and there is no relay yet: nobody can reach this node by it. \
    Add a relay with `symbolon relay add`, or leave the addresses in; then make a new invite.";
/// What to tell of an invite that was made without a network.
pub const THIS_MACHINE_ONLY: &str = "nobody on another machine can use this link: this node knows no network address of its own now. \
    Connect to a network, or add a relay with `symbolon relay add`; then make a new invite.";

/// Mints a single-use invite.
pub(crate) fn invite(state: &mut State, turn: &mut Turn<'_>, lifetime: u64, no_ip: bool, auto_accept: bool) -> Result<Reply, Failed> {
    if lifetime == 0 || lifetime > INVITE_LIFETIME_MAX {
        return Err(CommandError::BadLifetime.into());
    }
    forget_expired(state, turn)?;
    if state.invites.len() >= INVITES_MAX {
        return Err(CommandError::Full.into());
    }
    if turn.stamp < EARLIEST {
        // It would have expired everywhere else.
        return Err(CommandError::WrongClock.into());
    }
    let expires = turn.stamp.after(lifetime);
    let record = mint(state, turn, Mint { expires, last_resort: false, auto_accept, no_ip, only_for: None });
    let is_reachable = state.own.places.iter().any(|place| !place.is_loopback());
    let warning = match (no_ip, is_reachable) {
        _ if state.own.told_depots() > 0 => None,
        (true, _) => Some(NO_WAY),
        (false, false) => Some(THIS_MACHINE_ONLY),
        (false, true) => None,
    };
    Ok(Reply::Invite { link: record.to_link(), expires, warning })
}

/// The record that a person publishes. Its package is kept until somebody used it; then
/// the next record has a fresh one.
pub(crate) fn contact_record(state: &mut State, turn: &mut Turn<'_>) -> ContactRecord {
    let expires = turn.stamp.after(POSTED_LIFETIME);
    // Anybody may read it: where a relay takes what strangers bring, it does not say where we are.
    let no_ip = state.own.told_depots() > 0;
    mint(state, turn, Mint { expires, last_resort: true, auto_accept: false, no_ip, only_for: None })
}

struct Mint {
    expires: Timestamp,
    last_resort: bool,
    auto_accept: bool,
    no_ip: bool,
    only_for: Option<PeerId>,
}

/// A way in for one person who is introduced: once, and without another question.
pub(crate) fn mint_for(state: &mut State, turn: &mut Turn<'_>, only: PeerId, by: &PeerId, expires: Timestamp) -> ContactRecord {
    // The one who passes it on reads it, too.
    let no_ip = [&only, by].into_iter().any(|peer| state.own.presence.is_hidden_from(peer));
    mint(state, turn, Mint { expires, last_resort: false, auto_accept: true, no_ip, only_for: Some(only) })
}

fn mint(state: &mut State, turn: &mut Turn<'_>, mint: Mint) -> ContactRecord {
    let is_full = state.invites.len() >= INVITES_MAX;
    let stands = |invite: &&Invite| {
        // Nor one that was made by a clock which was ahead.
        let lasts = turn.stamp.after(POSTED_LEFT)..=turn.stamp.after(POSTED_LIFETIME);
        let is_fresh = invite.used.is_none() && lasts.contains(&invite.expires);
        mint.last_resort && invite.last_resort && (is_fresh || is_full)
    };
    let standing = state.invites.values().filter(stands).max_by_key(|invite| invite.expires).cloned();
    let invite = standing.unwrap_or_else(|| Invite {
        grant: GrantId::random(turn.rng),
        key: Secret::random(turn.rng),
        expires: mint.expires,
        last_resort: mint.last_resort,
        auto_accept: mint.auto_accept,
        used: None,
        only_for: mint.only_for,
        answered: None,
    });
    let uses = u32::from(!mint.last_resort);
    let (mut entry, key) = state.own.address(turn.rng, invite.grant, Scope::Contact, invite.expires, uses);
    if mint.no_ip {
        entry.places.clear();
    }
    let depots = state.own.depots(turn.rng, invite.grant, Scope::Contact, invite.expires, uses);
    let package = DhKey::from_bytes(*invite.key.expose()).public().bytes();
    let contact = Contact { chain: None, package, expires: invite.expires, last_resort: invite.last_resort, entry, key, depots };
    let servers = state.own.servers.iter().take(SERVERS_TOLD).cloned().collect();
    let body = codec::encode(&ContactBody { name: state.own.name.clone(), expires: invite.expires, contacts: vec![contact], servers });
    let signature = state.own.identity.signing.sign(SIGN_CONTACT, &context(&state.own.peer), &body);
    let record = ContactRecord { chain: state.own.identity.chain.clone(), body, signature };
    state.save_invite(turn, invite);
    record
}

/// Whether the user has made an invite by asking for one.
fn is_own_wish(invite: &&Invite) -> bool {
    !invite.last_resort && invite.only_for.is_none()
}

fn view(invite: &Invite, now: Timestamp) -> InviteView {
    let state = match invite.used {
        Some(_) => InviteState::Used,
        None if invite.expires.is_expired_at(now) => InviteState::Expired,
        None => InviteState::Open,
    };
    InviteView { invite: invite.grant, expires: invite.expires, state }
}

/// The invites made here, those that end first before the others.
pub(crate) fn views(state: &State, now: Timestamp) -> Vec<InviteView> {
    let mut views: Vec<InviteView> = state.invites.values().filter(is_own_wish).map(|invite| view(invite, now)).collect();
    views.sort_by_key(|view| (view.expires, view.invite));
    views
}

/// Takes an invite back that nobody has used: its key is erased, and who comes by it is refused
/// here and at our relays.
pub(crate) fn take_back(state: &mut State, turn: &mut Turn<'_>, id: &str) -> Result<InviteView, Failed> {
    let id = id.trim().to_lowercase();
    let fits = |invite: &&Invite| is_own_wish(invite) && id.len() >= 4 && invite.grant.to_string().starts_with(&id);
    let found: Vec<Invite> = state.invites.values().filter(fits).cloned().collect();
    match found.as_slice() {
        [] => Err(CommandError::NotFound.into()),
        [invite] if invite.used.is_some() => Err(CommandError::WrongStatus.into()),
        [invite] => {
            forget(state, turn, &invite.grant, invite.expires)?;
            Ok(InviteView { state: InviteState::Revoked, ..view(invite, turn.now) })
        }
        _ => Err(CommandError::Ambiguous.into()),
    }
}

/// Erases invites that surely nobody can use any more, their private keys and uses with them.
pub(crate) fn forget_expired(state: &mut State, turn: &mut Turn<'_>) -> Result<(), TurnFailed> {
    let useless = |invite: &&Invite| invite.expires.after(DAY).is_expired_at(turn.sure) || grants::is_spent(state, invite, turn.sure);
    let useless: Vec<(GrantId, Timestamp)> = state.invites.values().filter(useless).map(|invite| (invite.grant, invite.expires)).collect();
    for (grant, expires) in useless {
        forget(state, turn, &grant, expires)?;
    }
    Ok(())
}

/// Erases an invite: its private key, its uses, and the right to write by it.
fn forget(state: &mut State, turn: &mut Turn<'_>, grant: &GrantId, expires: Timestamp) -> Result<(), TurnFailed> {
    grants::revoke(state, turn, *grant, expires);
    state.invites.remove(grant);
    turn.delete(Table::Invite, grant.as_bytes());
    for (key, _) in turn.range(Table::GrantUse, grant.as_bytes(), USES_MAX)? {
        if key.starts_with(grant.as_bytes()) {
            turn.delete(Table::GrantUse, &key);
        }
    }
    Ok(())
}

/// Most recorded uses of one grant.
pub(crate) const USES_MAX: usize = 8;
