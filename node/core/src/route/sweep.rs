//! What expires, swept away from time to time.

use super::Machines;
use crate::delivery::seeds;
use crate::devices;
use crate::friendships;
use crate::groups;
use crate::introductions;
use crate::invites;
use crate::limits;
use crate::packages;
use crate::rows::TakenBlock;
use crate::table::Table;
use crate::turn::{Turn, TurnFailed, decode_row};
use crate::vouching;
use crate::world;
use symbolon_presence::id::FrameId;
use symbolon_presence::time::Timestamp;

impl Machines {
    /// What expires is swept away.
    pub(super) fn sweep(&mut self, turn: &mut Turn<'_>) -> Result<(), TurnFailed> {
        let Self { state, relays, couriers, standings, intake, .. } = self;
        let now = turn.now;
        intake.expire(turn);
        couriers.expire(turn);
        self.next_sweep = now.after(limits::SWEEP_INTERVAL);
        friendships::expire(state, turn)?;
        invites::grants::sweep(state, turn)?;
        invites::lifelines::sweep(state, turn);
        packages::sweep(state, turn)?;
        groups::sweep(state, turn)?;
        devices::sweep(state, turn)?;
        vouching::expire(state, turn);
        introductions::expire(state, turn);
        friendships::redate(state, turn)?;
        friendships::remind(state, turn);
        standings.look(state, turn)?;
        standings.lifelines_changed(now);
        friendships::expire_former(state, turn)?;
        seeds::expire(state, turn);
        friendships::look_to_commits(state, turn)?;
        relays.renew(state, turn)?;
        invites::forget_expired(state, turn)?;
        state.own.renew_direct(turn);
        state.own.renew_certificate(turn);
        if seen(turn, &mut self.sweep_from)? {
            self.next_sweep = now.after(limits::SWEEP_PAUSE);
        }
        Ok(())
    }
}

/// Forgets the ids of envelopes taken in long ago, a page at a time. Whether there are more pages.
pub(crate) fn seen(turn: &mut Turn<'_>, from: &mut Vec<u8>) -> Result<bool, TurnFailed> {
    let page = turn.range(Table::Seen, from, world::RANGE_LIMIT)?;
    let more = !page.is_empty();
    *from = page.last().map(|(last, _)| [last.as_slice(), &[0]].concat()).unwrap_or_default();
    for (key, value) in page {
        let at = match key.len() {
            FrameId::LEN => Timestamp(value.first_chunk().map_or(0, |at| u64::from_be_bytes(*at))),
            _ => decode_row::<TakenBlock>(&value)?.at,
        };
        if turn.sure.since(at) > limits::SEEN_LIFETIME {
            turn.delete(Table::Seen, &key);
        }
    }
    Ok(more)
}
