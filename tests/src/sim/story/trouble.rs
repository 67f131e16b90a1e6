//! Troubles of a story: copies that come back, people who part, networks that fall apart, strangers; and their end.

use super::*;

impl Story {
    /// Somebody copies their folder, or puts the copy back that was made last.
    pub(super) fn copy(&mut self, a: Ix, pause: u64) {
        match self.copies.iter().rposition(|(of, _)| *of == a) {
            Some(at) => {
                let (_, copy) = self.copies.remove(at);
                self.sim.put_back(a, &copy, pause);
            }
            None if self.sim.can_copy(a) => self.copies.push((a, self.sim.copy(a))),
            None => {}
        }
    }

    /// From now on `a` may have ended it with `b`: the command may work although it is not answered.
    pub(super) fn part(&mut self, a: Ix, b: Ix) {
        self.sim.log(a, || format!("parts with node {b}"));
        if let Some(watch) = &mut self.sim.watch {
            watch.parted.insert((a, b));
        }
    }

    /// The network falls into two halves.
    pub(super) fn part_network(&mut self) {
        let halves = self.sim.below(1 << self.everybody());
        let longest = if self.sim.below(4) == 0 { HOUR } else { MINUTE };
        let at = self.sim.now.after(SECOND + self.sim.below(longest));
        for (a, b) in self.pairs() {
            if (halves >> a & 1) != (halves >> b & 1) {
                self.sim.set_apart(a, b, true);
                self.undo.push((at, Undo::Meet(a, b)));
            }
        }
    }

    /// Somebody from outside repeats what passed, changed or not, and forges receipts.
    pub(super) fn rogue(&mut self, to: Ix) {
        if !self.sim.nodes[to].is_up() {
            return;
        }
        let link = self.sim.rogue_link(to);
        for _ in 0..1 + self.sim.below(20) {
            let of = self.pick();
            let frame = match self.sim.below(4) {
                0 => Some(forged_receipt(&mut self.sim, of)),
                1 => self.sim.recorded().map(|frame| flipped(&mut self.sim, &frame)),
                _ => self.sim.recorded(),
            };
            if let Some(frame) = frame {
                self.sim.rogue_send(link, frame);
            }
        }
        self.later(2 * MINUTE, Undo::Hang(link));
    }

    pub(super) fn withdraw(&mut self, undo: Undo) {
        match undo {
            Undo::Meet(a, b) => self.sim.set_apart(a, b, false),
            Undo::Room(ix) => self.sim.fill(ix, None),
            Undo::Clock(ix) => self.sim.set_clock(ix, 0),
            Undo::Honest(ix) => {
                self.sim.manners.remove(&ix);
            }
            Undo::Unblock(a, b) => {
                let who = self.who(b);
                let _ = self.sim.command(a, Command::Unblock(who));
            }
            Undo::MakeUp(a, b) => {
                // Either may be the one who asks.
                let (a, b) = if self.sim.below(2) == 0 { (a, b) } else { (b, a) };
                self.ask(a, b);
                self.sim.run_for(20 * SECOND);
                self.answer(b, a);
                self.answer(a, b);
            }
            Undo::Back(ix) => self.sim.set_gone(ix, false),
            Undo::Reform(ix) => self.sim.relay(ix).conduct = Conduct::Honest,
            Undo::Hang(link) => self.sim.rogue_close(link),
        }
    }
}
