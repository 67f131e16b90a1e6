//! What is kept for others, and who has brought it.

use super::behaviour::Kad;
use crate::clock::{Clock, SystemClock};
use crate::net::givers::{Giver, Givers};
use libp2p::kad::store::RecordStore;
use libp2p::kad::{self, RecordKey};
use std::time::{Duration, Instant};
use symbolon_presence::id::LookupId;
use symbolon_presence::posted::Item;
use symbolon_presence::time::Timestamp;
use symbolon_relay::lookup::Kept;

/// Records of others. They lie in Kademlia's store.
#[derive(Debug)]
pub(super) struct Others {
    givers: Givers,
}

pub(super) fn key(id: &LookupId) -> RecordKey {
    RecordKey::new(id.as_bytes())
}

/// A record as Kademlia takes it: until its end.
pub(super) fn to_put(id: &LookupId, value: Vec<u8>, expires: Timestamp, now: Timestamp) -> kad::Record {
    let life = Duration::from_millis(expires.since(now));
    kad::Record { key: key(id), value, publisher: None, expires: Instant::now().checked_add(life) }
}

impl Others {
    /// Room for so many records and bytes.
    pub(super) fn new((records, bytes): (usize, usize)) -> Self {
        Self { givers: Givers::new(records, bytes) }
    }

    /// What is kept under an id.
    pub(super) fn record(kad: &mut Kad, id: &LookupId) -> Option<Vec<u8>> {
        let kept = kad.store_mut().get(&key(id)).map(|kept| kept.into_owned())?;
        Item::read(&kept.value, SystemClock.now()).ok().map(|_| kept.value)
    }

    /// Keeps a record, if it is one, under its own id where another one is named, and newer than what is there.
    pub(super) fn keep(&mut self, kad: &mut Kad, wanted: Option<&RecordKey>, value: Vec<u8>, giver: Giver) -> Kept {
        let now = SystemClock.now();
        if !self.givers.may_bring(now, giver) {
            return Kept::Full;
        }
        let Ok(Item { id, counter, expires, .. }) = Item::read(&value, now) else { return Kept::Refused };
        if wanted.is_some_and(|wanted| *wanted != key(&id)) {
            return Kept::Refused;
        }
        let known = Self::record(kad, &id).and_then(|known| Item::read(&known, now).ok());
        if known.is_some_and(|known| known.counter >= counter) {
            let gone = self.givers.brought_again(now, &id, giver);
            drop_records(kad, &gone);
            return Kept::Known;
        }
        let Some(gone) = self.givers.bring(now, id, giver, value.len(), expires) else { return Kept::Full };
        drop_records(kad, &gone);
        if kad.store_mut().put(to_put(&id, value, expires, now)).is_ok() {
            Kept::Yes
        } else {
            self.givers.lost(&id);
            Kept::Full
        }
    }

    /// The store is another one.
    pub(super) fn begin_again(&mut self) {
        self.givers.clear();
    }

    /// Drops all.
    pub(super) fn forget(&mut self, kad: &mut Kad) {
        kad.store_mut().retain(|_, _| false);
        self.givers.clear();
    }
}

fn drop_records(kad: &mut Kad, gone: &[LookupId]) {
    for id in gone {
        kad.store_mut().remove(&key(id));
    }
}
