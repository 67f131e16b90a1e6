//! What happens to machines: they crash, are stopped and updated, their folders are copied, their clocks are wrong, their disks full.

use super::*;

impl Sim {
    /// Kills a node; it starts again after `pause` milliseconds.
    pub fn crash(&mut self, ix: Ix, pause: u64) {
        self.nodes[ix].kill();
        self.crashed(ix, pause);
    }

    /// Stops a node in order; it starts again after `pause` milliseconds.
    pub fn stop(&mut self, ix: Ix, pause: u64) {
        self.deliver(ix, vec![Input::Stopping], false);
        self.crash(ix, pause);
    }

    /// Kills a node, whose folder is opened by a newer build after `pause` milliseconds.
    pub fn update(&mut self, ix: Ix, pause: u64) {
        self.log(ix, || "is updated".into());
        self.nodes[ix].build = None;
        self.nodes[ix].takes = None;
        self.nodes[ix].ages = true;
        self.crash(ix, pause);
    }

    /// Whether a node's folder can be copied.
    pub fn can_copy(&self, ix: Ix) -> bool {
        self.nodes[ix].can_copy()
    }

    /// A copy of a node's folder.
    pub fn copy(&self, ix: Ix) -> SimNode {
        self.nodes[ix].copy()
    }

    /// Kills a node, puts a copy of its folder back, and starts it after `pause` milliseconds.
    pub fn put_back(&mut self, ix: Ix, copy: &SimNode, pause: u64) {
        self.log(ix, || "is an older copy from now on".into());
        self.nodes[ix].kill();
        self.nodes[ix].put_back(copy);
        if let Some(watch) = &mut self.watch {
            watch.put_back(&self.nodes[ix], ix);
        }
        self.crashed(ix, pause);
    }

    /// Lets a copy of a folder run elsewhere.
    pub fn run_copy(&mut self, copy: &SimNode) -> Ix {
        self.add_node(copy.copy())
    }

    pub(super) fn crashed(&mut self, ix: Ix, pause: u64) {
        self.log(ix, || format!("is dead for {pause} ms"));
        self.tally.crashes += 1;
        self.timers.remove(&ix);
        self.cut_links(|ends| ends.contains(&ix));
        let at = self.now.after(pause);
        self.plan(at, ix, 0, Happening::Start);
    }

    /// Sets how far a node's clock runs ahead of the true time, in milliseconds. As the shell does
    /// after a jump, a new core begins and all links end.
    pub fn set_clock(&mut self, ix: Ix, offset: i64) {
        self.log(ix, || format!("has a clock that is wrong by {offset} ms"));
        let before = std::mem::replace(&mut self.nodes[ix].clock.offset, offset);
        if before.abs_diff(offset) > 5 * SECOND && self.nodes[ix].is_up() {
            self.nodes[ix].kill();
            self.timers.remove(&ix);
            self.cut_links(|ends| ends.contains(&ix));
            self.start(ix);
        } else {
            self.timers.remove(&ix);
            self.set_timer(ix);
        }
    }

    /// Lets a node's disk be full after so many more writes; `None` makes room again.
    pub fn fill(&mut self, ix: Ix, writes: Option<u64>) {
        self.log(ix, || format!("has room for so many writes: {writes:?}"));
        self.nodes[ix].store.fill_after(writes);
    }

    /// A node renews its keys in every room where it may.
    pub fn hurry_commits(&mut self, ix: Ix) {
        if self.nodes[ix].is_up() {
            self.nodes[ix].with_core(|core, _| core.hurry_commits());
            self.timers.remove(&ix);
            self.set_timer(ix);
        }
    }
}
