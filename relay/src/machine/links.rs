//! Links: what came and leaves on each, and what is pushed to the owner who is on one.

use super::limits::{FAULTS_MAX, LINKS_MAX, LONG_ENTRY, PUSH_FIRST, PUSH_MAX, SIGNED_MAX};
use super::rows::{Entry, entry_key, row};
use super::seam::{Link, RelayAction, RelayShelf, RelayTable, ShelfFailed};
use crate::frame::Frame;
use crate::limits::RECEIPT_MAX;
use crate::put::{Receipt, ReceiptItem};
use crate::session::Deposit;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use symbolon_presence::id::PublicKeyBytes;
use symbolon_presence::time::Timestamp;

/// The owner on a link.
#[derive(Debug)]
struct Served {
    owner: PublicKeyBytes,
    /// The number from which entries were not pushed yet.
    next: u64,
    /// Entries pushed and not acknowledged: number, size.
    pushed: BTreeMap<u64, usize>,
    bytes: usize,
    /// How many may be, and their bytes; from [`PUSH_FIRST`] up to [`PUSH_MAX`].
    window: (usize, usize),
}

#[derive(Debug, Default)]
struct Open {
    source: u64,
    faults: u32,
    /// Whether a frame that makes sense has come.
    heard: bool,
    receipts: Vec<ReceiptItem>,
    served: Option<Served>,
    /// A stock that came on it was not kept, and its owner does not know yet.
    not_stocked: bool,
    /// Until when the signed frames that came are counted ([`SIGNED_MAX`]).
    busy_until: Timestamp,
}

/// All links that are open, at most [`LINKS_MAX`], and what the shell is to do.
#[derive(Debug, Default)]
pub(super) struct Links {
    open: BTreeMap<Link, Open>,
    /// On which link an owner is.
    serving: BTreeMap<PublicKeyBytes, Link>,
    /// Links to which something may be pushed at the end of the turn.
    hungry: BTreeSet<Link>,
    actions: VecDeque<RelayAction>,
}

impl Links {
    /// A link is open. `source` stands for the address from which it came.
    pub(super) fn up(&mut self, link: Link, source: u64) {
        if self.open.len() >= LINKS_MAX {
            // One that serves nobody goes first.
            let idle = self.open.iter().find(|(_, open)| open.served.is_none()).map(|(link, _)| *link);
            match idle {
                Some(idle) => self.close(idle),
                None => {
                    self.actions.push_back(RelayAction::Close(link));
                    return;
                }
            }
        }
        self.open.insert(link, Open { source, ..Open::default() });
    }

    /// A link is gone. What was pushed on it and not acknowledged is pushed on the next.
    pub(super) fn down(&mut self, link: Link) {
        let served = self.open.remove(&link).and_then(|open| open.served);
        if let Some(served) = served.filter(|served| self.serving.get(&served.owner) == Some(&link)) {
            self.serving.remove(&served.owner);
        }
        self.hungry.remove(&link);
    }

    fn close(&mut self, link: Link) {
        self.actions.push_back(RelayAction::Close(link));
        self.down(link);
    }

    /// A frame was not in order. A link with too many of them is closed.
    pub(super) fn fault(&mut self, link: Link) {
        let Some(open) = self.open.get_mut(&link) else { return };
        open.faults = open.faults.saturating_add(1);
        if open.faults >= FAULTS_MAX {
            self.close(link);
        }
    }

    /// A stock that came on a link was not kept: there is no room.
    pub(super) fn not_stocked(&mut self, link: Link) {
        if let Some(open) = self.open.get_mut(&link) {
            open.not_stocked = true;
        }
    }

    /// Whether that was so since this was last asked.
    pub(super) fn take_not_stocked(&mut self, link: Link) -> bool {
        self.open.get_mut(&link).is_some_and(|open| std::mem::take(&mut open.not_stocked))
    }

    /// How many faults a link has; none when it is not open.
    pub(super) fn faults(&self, link: Link) -> Option<u32> {
        self.open.get(&link).map(|open| open.faults)
    }

    /// From where a link came.
    pub(super) fn source(&self, link: Link) -> Option<u64> {
        self.open.get(&link).map(|open| open.source)
    }

    /// A frame that makes sense has come, if the link has no faults beyond these.
    pub(super) fn heard(&mut self, link: Link, faults: u32) {
        if let Some(open) = self.open.get_mut(&link).filter(|open| open.faults == faults && !open.heard) {
            open.heard = true;
            self.actions.push_back(RelayAction::Heard(link));
        }
    }

    /// Whether a link may bring another signed frame. An [`Ack`](crate::session::Ack) is not counted:
    /// there is one at most for each entry that was pushed.
    pub(super) fn may_sign(&mut self, now: Timestamp, link: Link) -> bool {
        let Some(open) = self.open.get_mut(&link) else { return false };
        let busy_until = open.busy_until.max(now).after(SIGNED_MAX.1);
        let is_free = busy_until.since(now) <= SIGNED_MAX.0.saturating_mul(SIGNED_MAX.1);
        if is_free {
            open.busy_until = busy_until;
        }
        is_free
    }

    /// The owner is on this link now. A newer link of the same owner takes over, and the older one is
    /// closed. False when they were on this link already: nothing is pushed again on one link,
    /// however often the owner says so.
    pub(super) fn serve(&mut self, link: Link, owner: PublicKeyBytes) -> bool {
        match self.serving.insert(owner, link) {
            Some(older) if older == link => return false,
            // If it lives, another copy of the owner's folder is behind it: it would wait for ever for what is not pushed to it.
            Some(older) => self.close(older),
            None => {}
        }
        if let Some(open) = self.open.get_mut(&link) {
            open.served = Some(Served { owner, next: 0, pushed: BTreeMap::new(), bytes: 0, window: PUSH_FIRST });
            self.hungry.insert(link);
        }
        self.actions.push_back(RelayAction::Keep(link));
        self.actions.push_back(RelayAction::Admit(link));
        true
    }

    /// Whether an owner is on a link.
    pub(super) fn serves(&self, owner: &PublicKeyBytes) -> bool {
        self.serving.contains_key(owner)
    }

    /// The owners who are on a link.
    pub(super) fn owners(&self) -> impl Iterator<Item = PublicKeyBytes> {
        self.serving.keys().copied()
    }

    /// Whether it is this owner who is on the link.
    pub(super) fn is_on(&self, link: Link, owner: &PublicKeyBytes) -> bool {
        self.open.get(&link).and_then(|open| open.served.as_ref()).is_some_and(|served| served.owner == *owner)
    }

    /// Takes acknowledged entries off those on their way, and lets more be. Which of the numbers had
    /// been pushed on this link.
    pub(super) fn complete(&mut self, link: Link, numbers: &[u64]) -> Vec<u64> {
        let Some(served) = self.open.get_mut(&link).and_then(|open| open.served.as_mut()) else { return Vec::new() };
        let mut settled = Vec::new();
        for number in numbers {
            let Some(size) = served.pushed.remove(number) else { continue };
            served.bytes = served.bytes.saturating_sub(size);
            settled.push(*number);
        }
        if !settled.is_empty() {
            let (entries, bytes) = served.window;
            served.window = (entries.saturating_mul(2).min(PUSH_MAX.0), bytes.saturating_mul(2).min(PUSH_MAX.1));
        }
        self.hungry.insert(link);
        settled
    }

    /// There is more to push to an owner, if they are here.
    pub(super) fn wake(&mut self, owner: &PublicKeyBytes) {
        self.hungry.extend(self.serving.get(owner));
    }

    /// Says what became of a deposit, in the next receipt for this link.
    pub(super) fn report(&mut self, link: Link, item: ReceiptItem) {
        if let Some(open) = self.open.get_mut(&link) {
            open.receipts.push(item);
            self.hungry.insert(link);
        }
    }

    /// Ends a turn: a receipt for each link, and what may be pushed.
    pub(super) fn close_turn(&mut self, shelf: &dyn RelayShelf, sign: impl Fn(Vec<ReceiptItem>) -> Receipt) -> Result<(), ShelfFailed> {
        for link in std::mem::take(&mut self.hungry) {
            let items = self.open.get_mut(&link).map(|open| std::mem::take(&mut open.receipts)).unwrap_or_default();
            for chunk in items.chunks(RECEIPT_MAX) {
                self.send(link, &Frame::Receipt(sign(chunk.to_vec())));
            }
            self.push(shelf, link)?;
        }
        Ok(())
    }

    fn push(&mut self, shelf: &dyn RelayShelf, link: Link) -> Result<(), ShelfFailed> {
        let Some(served) = self.open.get_mut(&link).and_then(|open| open.served.as_mut()) else { return Ok(()) };
        loop {
            let room = served.window.0.saturating_sub(served.pushed.len());
            if room == 0 || (served.bytes >= served.window.1 && !served.pushed.is_empty()) {
                return Ok(());
            }
            // Rows are looked up by as many as there is room for, were all of them long.
            let left = served.window.1.saturating_sub(served.bytes);
            let wanted = room.min((left / LONG_ENTRY).saturating_add(1));
            let page = shelf.range(RelayTable::Entry, &entry_key(&served.owner, served.next), wanted)?;
            let is_last = page.len() < wanted;
            for (key, bytes) in page {
                let Some((owner, number)) = key.split_last_chunk::<8>() else { continue };
                let is_full = served.bytes >= served.window.1 && !served.pushed.is_empty();
                if owner != served.owner.as_bytes().as_slice() || is_full {
                    return Ok(());
                }
                let number = u64::from_be_bytes(*number);
                let entry: Entry = row(&bytes)?;
                served.next = number.saturating_add(1);
                served.pushed.insert(number, entry.envelope.len());
                served.bytes = served.bytes.saturating_add(entry.envelope.len());
                let deposit = Deposit { number, grant: entry.grant, queue: entry.queue, usage: entry.usage, envelope: entry.envelope };
                self.actions.push_back(RelayAction::Send(link, Frame::Deposit(deposit).encode()));
            }
            if is_last {
                return Ok(());
            }
        }
    }

    /// Sends a frame once the turn is durable.
    pub(super) fn send(&mut self, link: Link, frame: &Frame) {
        self.actions.push_back(RelayAction::Send(link, frame.encode()));
    }

    /// Lets records of an owner be found.
    pub(super) fn host(&mut self, owner: PublicKeyBytes, records: impl IntoIterator<Item = Vec<u8>>) {
        self.actions.extend(records.into_iter().map(|record| RelayAction::Host(owner, record)));
    }

    /// The next action, to be carried out once the turn is durable.
    pub(super) fn poll_action(&mut self) -> Option<RelayAction> {
        self.actions.pop_front()
    }
}

#[cfg(test)]
impl Links {
    /// How many links are open.
    pub(super) fn len(&self) -> usize {
        self.open.len()
    }
}
