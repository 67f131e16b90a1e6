//! Somebody who has nothing but the words, and asks relays of a simulation.

use super::relays::RELAYS;
use super::run::{Ix, Sim, node_at};
use rand_chacha::ChaCha20Rng;
use rand_core::SeedableRng;
use symbolon_core::command::Path;
use symbolon_core::recovery::Search;
use symbolon_core::seam::{Input, LinkId, Look, NetAction, Source};
use symbolon_core::wire::backup_key;
use symbolon_presence::kdf::Secret;
use symbolon_presence::time::SECOND;
use symbolon_relay::frame::Frame;
use symbolon_relay::link::RelayLink;

impl Sim {
    /// Asks relays by their links for what lies there under the words of this entropy, until all have answered or do not. `meddle`
    /// may change what a relay answers: none stands for no answer, and for a link that ends.
    pub fn ask_by_words(
        &mut self,
        entropy: &Secret,
        links: &[String],
        mut meddle: impl FnMut(&mut Self, Ix, Frame) -> Option<Frame>,
    ) -> Search {
        let seed = self.seed();
        let mut search = Search::new(&backup_key(entropy), ChaCha20Rng::from_seed(seed));
        let named: Vec<RelayLink> = links.iter().map(|link| link.parse().expect("it is a relay's link")).collect();
        let servers = named.iter().map(|link| link.places.clone()).collect();
        for link in named {
            assert!(search.ask(link, self.now));
        }
        search.look_at(servers, self.now);
        let mut next = 1;
        let mut links: Vec<(LinkId, Ix)> = Vec::new();
        while !search.is_over(self.now) {
            let mut inputs = Vec::new();
            while let Some(action) = search.poll_action() {
                match action {
                    NetAction::Dial(dial, places) => {
                        let relay = places.first().and_then(node_at).map(|(ix, _)| ix).expect("relays have an address");
                        if self.relay(relay).gone {
                            inputs.push(Input::DialFailed(dial));
                            continue;
                        }
                        let link = LinkId(next);
                        next += 1;
                        links.push((link, relay));
                        inputs.push(Input::LinkUp { link, dial: Some(dial), path: Path::Direct, source: Source::default(), keys: None });
                    }
                    NetAction::Send(link, bytes) => {
                        let Some((_, relay)) = links.iter().find(|(of, _)| *of == link).copied() else { continue };
                        for said in self.say_to_relay(relay, &bytes) {
                            let frame = Frame::decode(&said).expect("a relay's frames are well formed");
                            inputs.push(match meddle(self, relay, frame) {
                                Some(frame) => Input::Frame(link, frame.encode()),
                                None => Input::LinkDown(link),
                            });
                        }
                    }
                    NetAction::Close(link, _) => links.retain(|(of, _)| *of != link),
                    NetAction::Resolve(id, Look::Servers(servers)) => {
                        let named = servers.iter().flatten().filter_map(node_at).map(|(ix, _)| ix).collect::<Vec<_>>();
                        let there = named.into_iter().filter(|ix| !self.relay(*ix).gone).collect::<Vec<_>>();
                        inputs.extend(there.into_iter().filter_map(|ix| Some(Input::Found(id, self.relay(ix).record(&id)?.clone()))));
                    }
                    NetAction::Resolve(id, _) => {
                        inputs.extend(self.published(&id).filter(|_| self.lookup.is_there).map(|record| Input::Found(id, record)));
                    }
                    NetAction::Bootstrap(_) => {}
                    NetAction::Reserve(_)
                    | NetAction::Heard(_)
                    | NetAction::Keep(..)
                    | NetAction::Punch(..)
                    | NetAction::Rekey(_)
                    | NetAction::Admit(_)
                    | NetAction::Publish { .. }
                    | NetAction::Lookups(_)
                    | NetAction::AskHub(..)
                    | NetAction::AnswerHub(..)
                    | NetAction::Host(..)
                    | NetAction::Neighbours(_) => panic!("who has the words alone does nothing else"),
                }
            }
            if inputs.is_empty() {
                self.run_for(SECOND / 2);
                search.tick(self.now);
            }
            for input in inputs {
                search.handle(self.now, &input);
            }
        }
        while let Some(action) = search.poll_action() {
            if let NetAction::Send(link, bytes) = action
                && let Some((_, relay)) = links.iter().find(|(of, _)| *of == link).copied()
            {
                self.say_to_relay(relay, &bytes);
            }
        }
        self.run_for(SECOND);
        search
    }

    /// What a relay answers to a frame of somebody who is no node, on a link of their own.
    pub fn say_to_relay(&mut self, ix: Ix, frame: &[u8]) -> Vec<Vec<u8>> {
        assert!(ix >= RELAYS);
        self.answers_of_relay(ix, frame)
    }
}
