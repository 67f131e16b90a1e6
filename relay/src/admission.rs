//! Admission: every check of a Put before anything is stored.
//!
//! The order is from cheap to dear: consistency, then the sealed address (one HPKE open,
//! remembered), then the MAC, then time and uses. Until the MAC holds every fault gets the
//! same answer, so that nobody learns by trying which queues or grants exist.

use crate::grant::{AddressBody, MailboxKeys, Queue, Scope};
use crate::limits::ADDRESS_CACHE_MAX;
use crate::put::{Put, Refusal};
use std::collections::{HashMap, VecDeque};
use symbolon_presence::friendship::FriendshipSecret;
use symbolon_presence::id::{GrantId, MailboxId, Nonce};
use symbolon_presence::kdf::sha256;
use symbolon_presence::time::Timestamp;

/// Sealed addresses with what they say. Anybody can seal one to a mailbox, so only those are
/// remembered for which a right was shown; at most [`ADDRESS_CACHE_MAX`].
#[derive(Debug, Default)]
pub(crate) struct OpenedAddresses {
    opened: HashMap<[u8; 32], AddressBody>,
    order: VecDeque<[u8; 32]>,
}

impl OpenedAddresses {
    pub(crate) fn get(&self, sealed: &[u8]) -> Option<&AddressBody> {
        if self.opened.is_empty() { None } else { self.opened.get(&sha256(sealed)) }
    }

    pub(crate) fn remember(&mut self, sealed: &[u8], body: Option<AddressBody>) {
        let (name, Some(body)) = (sha256(sealed), body) else { return };
        if self.opened.insert(name, body).is_some() {
            return;
        }
        self.order.push_back(name);
        if self.order.len() > ADDRESS_CACHE_MAX
            && let Some(oldest) = self.order.pop_front()
        {
            self.opened.remove(&oldest);
        }
    }
}

/// Where the mailbox looks up how often a grant was used.
pub trait GrantUses {
    /// What a failed look-up is.
    type Error;
    /// How many different uses of a grant are recorded, and whether `usage` is one of them.
    fn uses(&self, grant: &GrantId, usage: &Nonce) -> Result<(u32, bool), Self::Error>;
}

/// A Put that passed every check.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Admitted {
    /// The queue.
    pub queue: Queue,
    /// The grant.
    pub grant: GrantId,
    /// Whom the grant is for.
    pub scope: Scope,
    /// A use to record together with the envelope.
    pub first_use: Option<Nonce>,
}

/// A Put that was not admitted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NotAdmitted {
    /// What is answered.
    pub refusal: Refusal,
    /// The grant, when the Put proved to hold it.
    pub grant: Option<GrantId>,
    /// Until when that was good, if that is what was found wrong.
    pub expires: Option<Timestamp>,
}

const REFUSED: NotAdmitted = NotAdmitted { refusal: Refusal::Refused, grant: None, expires: None };

/// One mailbox's admission.
#[derive(Debug)]
pub struct Admission {
    keys: MailboxKeys,
    id: MailboxId,
    opened: OpenedAddresses,
}

impl Admission {
    /// For the mailbox with these keys.
    pub fn new(keys: MailboxKeys) -> Self {
        Self { id: keys.id(), keys, opened: OpenedAddresses::default() }
    }

    /// The mailbox's keys.
    pub fn keys(&self) -> &MailboxKeys {
        &self.keys
    }

    /// The mailbox's id.
    pub fn id(&self) -> MailboxId {
        self.id
    }

    /// Checks a Put. `friendship` is the owner's current friendship secret, `past` are those
    /// before it whose holders get the answer that theirs was replaced.
    pub fn admit<'p, U: GrantUses>(
        &mut self,
        now: Timestamp,
        put: &Put,
        friendship: &FriendshipSecret,
        past: impl IntoIterator<Item = &'p FriendshipSecret>,
        uses: &U,
    ) -> Result<Result<Admitted, NotAdmitted>, U::Error> {
        if !put.is_consistent() {
            return Ok(Err(REFUSED));
        }
        let Some(body) = self.open(&put.address) else { return Ok(Err(REFUSED)) };
        let key = self.keys.put_key(&self.id, &body, friendship);
        if !put.is_granted(&key) {
            // Whatever revision the address is of: who was not there lately may hold an old key
            // and a new address.
            let is_friends = matches!(body.scope, Scope::Friends(_)) && body.queue == self.keys.direct;
            let is_stale = is_friends && past.into_iter().any(|past| put.is_granted(&past.put(&self.id)));
            let refusal = if body.expires.is_expired_at(now) { Refusal::Expired } else { Refusal::Stale };
            let expires = Some(body.expires).filter(|_| refusal == Refusal::Expired);
            return Ok(Err(if is_stale { NotAdmitted { refusal, grant: Some(body.grant), expires } } else { REFUSED }));
        }
        self.opened.remember(&put.address, Some(body.clone()));
        let queue = match body.scope {
            Scope::Friends(_) if body.queue == self.keys.direct => Queue::Direct,
            Scope::Guest if body.queue == self.keys.direct => Queue::Guest,
            Scope::Contact if body.queue == self.keys.contact => Queue::Contact,
            Scope::Friends(_) | Scope::Guest | Scope::Contact => return Ok(Err(REFUSED)),
        };
        let refuse = |refusal| Ok(Err(NotAdmitted { refusal, grant: Some(body.grant), expires: None }));
        if body.expires.is_expired_at(now) {
            return Ok(Err(NotAdmitted { refusal: Refusal::Expired, grant: Some(body.grant), expires: Some(body.expires) }));
        }
        // What comes by a lifeline its owner counts: by the day, not by pseudonyms.
        let first_use = if body.uses == 0 || queue == Queue::Guest {
            None
        } else {
            let Some(usage) = put.usage else { return refuse(Refusal::Refused) };
            match uses.uses(&body.grant, &usage)? {
                (_, true) => None,
                (count, false) if count < body.uses => Some(usage),
                (_, false) => return refuse(Refusal::UsedUp),
            }
        };
        Ok(Ok(Admitted { queue, grant: body.grant, scope: body.scope, first_use }))
    }

    fn open(&self, sealed: &[u8]) -> Option<AddressBody> {
        self.opened.get(sealed).cloned().or_else(|| self.keys.open_address(sealed))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand_core::SeedableRng;
    use std::convert::Infallible;
    use symbolon_presence::id::{DeviceId, QueueId};
    use symbolon_presence::kdf::Secret;
    use symbolon_presence::seal::DhKey;
    use symbolon_presence::seeds::{Ratchet, Seed};
    use symbolon_presence::time::MINUTE;

    const NOW: Timestamp = Timestamp(1_800_000_000_000);

    struct Used(Vec<Nonce>);
    impl GrantUses for Used {
        type Error = Infallible;
        fn uses(&self, _: &GrantId, usage: &Nonce) -> Result<(u32, bool), Infallible> {
            Ok((self.0.len() as u32, self.0.contains(usage)))
        }
    }

    fn rng() -> rand_chacha::ChaCha20Rng {
        rand_chacha::ChaCha20Rng::seed_from_u64(1)
    }

    fn friendship() -> FriendshipSecret {
        FriendshipSecret { revision: 3, secret: Secret::from_bytes([9; 32]) }
    }

    /// The revision before [`friendship`].
    fn past() -> FriendshipSecret {
        FriendshipSecret { revision: 2, secret: Secret::from_bytes([8; 32]) }
    }

    fn envelope(counter: u64) -> Vec<u8> {
        let (a, b) = (DhKey::from_bytes([1; 32]), DhKey::from_bytes([2; 32]));
        let seed = Seed { number: 1, secret: Secret::from_bytes([9; 32]) };
        // Another one for each counter.
        let mut nonce = [0; 12];
        nonce[..8].copy_from_slice(&counter.to_be_bytes());
        Ratchet::agree(&seed, &a, &b.public(), &DeviceId([1; 16]), &DeviceId([2; 16])).turn().seal(&nonce, b"x").unwrap()
    }

    fn body(keys: &MailboxKeys, scope: Scope) -> AddressBody {
        let queue = if scope == Scope::Contact { keys.contact } else { keys.direct };
        AddressBody { queue, grant: GrantId([2; 16]), scope, expires: NOW.after(MINUTE), uses: 0 }
    }

    fn put(keys: &MailboxKeys, body: &AddressBody, usage: Option<Nonce>) -> Put {
        let key = keys.put_key(&keys.id(), body, &friendship());
        Put::new(keys.seal_address(body, &mut rng()), &key, 60, usage, envelope(0)).unwrap()
    }

    fn admit(put: &Put, used: &[Nonce]) -> Result<Admitted, NotAdmitted> {
        Admission::new(MailboxKeys::random(&mut rng())).admit(NOW, put, &friendship(), &[past()], &Used(used.to_vec())).unwrap()
    }

    #[test]
    fn friends_guests_and_invited_strangers_each_reach_their_queue() {
        let keys = MailboxKeys::random(&mut rng());
        for (scope, queue) in [(Scope::Friends(3), Queue::Direct), (Scope::Guest, Queue::Guest), (Scope::Contact, Queue::Contact)] {
            assert_eq!(admit(&put(&keys, &body(&keys, scope), None), &[]).unwrap().queue, queue);
        }
    }

    #[test]
    fn a33_an_address_without_its_key_or_with_the_key_of_another_scope_is_refused() {
        let keys = MailboxKeys::random(&mut rng());
        let friends = body(&keys, Scope::Friends(3));
        let guest = body(&keys, Scope::Guest);
        for key in [Secret::from_bytes([0; 32]), keys.put_key(&keys.id(), &guest, &friendship())] {
            let bad = Put::new(keys.seal_address(&friends, &mut rng()), &key, 60, None, envelope(0)).unwrap();
            assert_eq!(admit(&bad, &[]), Err(REFUSED));
        }
    }

    #[test]
    fn an_address_that_mixes_queue_and_scope_is_refused() {
        let keys = MailboxKeys::random(&mut rng());
        for bad in [
            AddressBody { queue: keys.direct, ..body(&keys, Scope::Contact) },
            AddressBody { queue: keys.contact, ..body(&keys, Scope::Friends(3)) },
            AddressBody { queue: QueueId([7; 16]), ..body(&keys, Scope::Guest) },
        ] {
            assert_eq!(admit(&put(&keys, &bad, None), &[]), Err(REFUSED));
        }
    }

    #[test]
    fn the_current_key_of_friends_is_good_with_an_address_told_before() {
        let keys = MailboxKeys::random(&mut rng());
        for revision in [1, 2, 3] {
            let address = keys.seal_address(&body(&keys, Scope::Friends(revision)), &mut rng());
            let put = Put::new(address, &friendship().put(&keys.id()), 60, None, envelope(0)).unwrap();
            assert_eq!(admit(&put, &[]).unwrap().queue, Queue::Direct);
        }
    }

    #[test]
    fn a20_a_put_under_an_old_key_is_stale_and_under_any_other_refused() {
        let keys = MailboxKeys::random(&mut rng());
        let refused = |scope, key: &Secret| {
            let put = Put::new(keys.seal_address(&body(&keys, scope), &mut rng()), key, 60, None, envelope(0)).unwrap();
            admit(&put, &[]).unwrap_err().refusal
        };
        let old = past().put(&keys.id());
        for revision in [1, 2, 3] {
            assert_eq!(refused(Scope::Friends(revision), &old), Refusal::Stale, "whatever the address says");
            assert_eq!(refused(Scope::Friends(revision), &Secret::from_bytes([7; 32])), Refusal::Refused);
        }
        for scope in [Scope::Guest, Scope::Contact] {
            assert_eq!(refused(scope, &old), Refusal::Refused);
        }
    }

    #[test]
    fn a103_an_old_key_is_called_old_for_the_queue_of_friends_alone_and_not_after_the_address_has_expired() {
        let keys = MailboxKeys::random(&mut rng());
        let old = past().put(&keys.id());
        let refused = |body: &AddressBody| {
            let put = Put::new(keys.seal_address(body, &mut rng()), &old, 60, None, envelope(0)).unwrap();
            admit(&put, &[]).unwrap_err().refusal
        };
        let friends = body(&keys, Scope::Friends(2));
        assert_eq!(refused(&friends), Refusal::Stale);
        for queue in [keys.contact, QueueId([7; 16])] {
            assert_eq!(refused(&AddressBody { queue, ..friends.clone() }), Refusal::Refused);
        }
        assert_eq!(refused(&AddressBody { expires: Timestamp(NOW.0 - 11 * MINUTE), ..friends }), Refusal::Expired);
    }

    #[test]
    fn a18_a_single_use_grant_takes_one_use_and_its_repeats() {
        let keys = MailboxKeys::random(&mut rng());
        let single = AddressBody { uses: 1, ..body(&keys, Scope::Contact) };
        let (first, second) = (Nonce([1; 16]), Nonce([2; 16]));
        assert_eq!(admit(&put(&keys, &single, Some(first)), &[]).unwrap().first_use, Some(first));
        assert_eq!(admit(&put(&keys, &single, Some(first)), &[first]).unwrap().first_use, None);
        assert_eq!(admit(&put(&keys, &single, Some(second)), &[first]).unwrap_err().refusal, Refusal::UsedUp);
        assert_eq!(admit(&put(&keys, &single, None), &[]).unwrap_err().refusal, Refusal::Refused);
    }

    #[test]
    fn a09_an_expired_grant_is_refused_beyond_the_clock_skew() {
        let keys = MailboxKeys::random(&mut rng());
        let late = |by| AddressBody { expires: Timestamp(NOW.0 - by), ..body(&keys, Scope::Guest) };
        assert!(admit(&put(&keys, &late(9 * MINUTE), None), &[]).is_ok());
        assert_eq!(admit(&put(&keys, &late(11 * MINUTE), None), &[]).unwrap_err().refusal, Refusal::Expired);
    }

    #[test]
    fn a100_addresses_that_a_stranger_seals_are_not_remembered_and_those_in_use_within_a_bound() {
        let keys = MailboxKeys::random(&mut rng());
        let mut admission = Admission::new(keys.clone());
        let mut admit = |put: &Put| {
            let admitted = admission.admit(NOW, put, &friendship(), &[past()], &Used(Vec::new())).unwrap();
            (admitted.is_ok(), admission.opened.opened.len(), admission.opened.order.len())
        };
        let sealed = |index: u64| AddressBody { expires: NOW.after(index), ..body(&keys, Scope::Guest) };
        for index in 0..10 {
            let address = keys.seal_address(&sealed(index), &mut rng());
            let put = Put::new(address, &Secret::from_bytes([0; 32]), 60, None, envelope(0)).unwrap();
            assert_eq!(admit(&put), (false, 0, 0), "a stranger takes no room");
        }
        for index in 1..=ADDRESS_CACHE_MAX + 10 {
            let remembered = index.min(ADDRESS_CACHE_MAX);
            let put = put(&keys, &sealed(index as u64), None);
            assert_eq!(admit(&put), (true, remembered, remembered));
            assert_eq!(admit(&put), (true, remembered, remembered), "once each");
        }
    }
}
