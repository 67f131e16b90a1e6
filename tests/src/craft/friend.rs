//! What a hand-made friend says, behind a link and in a room.

use super::*;

impl Actor {
    /// The keys of its known envelopes to a friend, from the first on.
    pub fn ratchet(&self, bond: &Bond) -> Ratchet {
        let seed = &bond.bundle.devices[0].seed;
        Ratchet::agree(seed, &self.identity.dh, &bond.device.dh, &self.identity.device, &bond.device.device)
    }

    /// What opens a friend's known envelopes.
    pub fn opener(&self, bond: &Bond) -> Opener {
        let (own, other) = (&self.identity, &bond.device);
        Opener::new(Ratchet::agree(&self.seed, &own.dh, &other.dh, &other.device, &own.device))
    }

    /// The frame of a known envelope with any payload, under its next counter.
    pub fn known_frame(&mut self, bond: &Bond, payload: &[u8]) -> Vec<u8> {
        let nonce = Secret::random(&mut self.rng);
        let key = self.ratchet(bond).ahead(self.counter).expect("a test seals no more");
        let envelope = key.seal(nonce.expose().first_chunk().unwrap(), payload).unwrap();
        self.counter += 1;
        let entry = &bond.bundle.devices[0].entry;
        let key = bond.bundle.friendship.put(&entry.mailbox);
        Frame::Put(Put::new(entry.address.clone(), &key, 3600, None, envelope).unwrap()).encode()
    }

    /// An honest room message to a friend.
    pub fn say(&mut self, bond: &Bond, text: &str, now: Timestamp) -> Vec<u8> {
        let payload = RoomPayload::Text(Text { id: MessageId::random(&mut self.rng), at: now, text: text.into() });
        let sealed = self.cipher.seal(bond.room, &codec::encode(&payload), &[]).unwrap();
        let known = self.next_known(bond, sealed);
        self.known_frame(bond, &codec::encode(&known))
    }

    /// An ordered room message under the next sequence number.
    pub fn next_known(&mut self, bond: &Bond, sealed: Sealed) -> Known {
        self.sequence += 1;
        Known { room: bond.room, epoch: sealed.epoch, sequence: Some(self.sequence - 1), mls: sealed.bytes, piece: None }
    }

    /// The proof that it is behind a link of its own to a node, by the keys that such links have.
    pub fn proof(&mut self, sim: &Sim, node: usize, bond: &Bond) -> Prove {
        let ends = Ends { dialler: sim.transport_key(ROGUE), dialled: sim.transport_key(node) };
        let mut salt = [0; 16];
        self.rng.fill_bytes(&mut salt);
        Prove::new(&self.link_key(bond), Role::Dialler, &ends, salt, WIRE_VERSION, [0x5a; 16])
    }

    /// Its answer to the proof of a node that has dialled it.
    pub fn answer(&mut self, sim: &Sim, node: usize, bond: &Bond) -> Prove {
        let ends = Ends { dialler: sim.transport_key(node), dialled: sim.transport_key(ROGUE) };
        Prove::new(&self.link_key(bond), Role::Dialled, &ends, [7; 16], WIRE_VERSION, [0x5a; 16])
    }

    /// What it shares with a friend to prove links.
    pub fn link_key(&self, bond: &Bond) -> LinkKey {
        LinkKey::agree(&self.identity.dh, &bond.device.dh, &self.identity.device, &bond.device.device)
    }

    /// Proves to a friend that it is behind this link of its own, and takes the friend's answer.
    /// What else came with the answer is left for the one who takes next.
    pub fn prove(&mut self, sim: &mut Sim, node: usize, bond: &Bond, link: LinkId) -> Vec<Vec<u8>> {
        let proof = self.proof(sim, node, bond);
        let mut frames = sim.rogue_send(link, Frame::Prove(proof).encode());
        let ends = Ends { dialler: sim.transport_key(ROGUE), dialled: sim.transport_key(node) };
        let is_answer = |frame: &Vec<u8>| matches!(Frame::decode(frame), Ok(Frame::Prove(answer)) if answer.is_by(&self.link_key(bond), Role::Dialled, &ends));
        let answer = frames.iter().position(is_answer).expect("the friend proves itself, too");
        frames.remove(answer);
        self.sign(sim, link, &frames);
        frames
    }

    /// Signs for steps among some frames: a friend asks how both stand, and hangs up when nothing
    /// is signed.
    pub fn sign(&mut self, sim: &mut Sim, link: LinkId, frames: &[Vec<u8>]) {
        let steps: Vec<FrameId> = frames.iter().filter_map(|frame| step_of(frame)).collect();
        if !steps.is_empty() {
            let stored = self.receipt(sim.now, &steps, Outcome::Stored(sim.now.after(DAY)));
            sim.rogue_send(link, stored);
        }
    }

    /// A new link of its own to a friend, proved.
    pub fn call(&mut self, sim: &mut Sim, node: usize, bond: &Bond) -> LinkId {
        let link = sim.rogue_link(node);
        self.prove(sim, node, bond, link);
        link
    }

    /// Befriends a node that asks: sends an Offer on a link, waits for `accept`, completes.
    pub fn befriend(&mut self, sim: &mut Sim, node: usize) -> (Bond, LinkId) {
        let link = sim.invite(node);
        let to = sim.contact_of(&link);
        let offer = self.offer(sim.now);
        let wire = sim.rogue_link(node);
        let usage = Nonce::random(&mut self.rng);
        let frame = self.offer_frame(&to, usage, &offer);
        assert!(matches!(outcomes(&sim.rogue_send(wire, frame)).as_slice(), [Outcome::Stored(_)]));
        let request = sim.pending(node).expect("the Offer is a row");
        sim.accept(node, request).expect("the row can be accepted");
        let frames = sim.rogue_take(wire);
        let heard = frames.iter().find_map(|frame| self.hear(frame, sim.now)).expect("the Accept comes by the same link");
        let (bond, confirm) = self.complete(&offer, &heard, sim.now);
        let stored = self.receipt(sim.now, &[heard.frame], Outcome::Stored(sim.now.after(DAY)));
        sim.rogue_send(wire, stored);
        assert!(matches!(outcomes(&sim.rogue_send(wire, confirm)).as_slice(), [Outcome::Stored(_)]));
        assert!(sim.is_friend(node, &self.peer()), "the connection is complete");
        // What friends say to each other at once is taken.
        let said: Vec<FrameId> = self.prove(sim, node, &bond, wire).iter().filter_map(|frame| put_id(frame)).collect();
        let taken = self.receipt(sim.now, &said, Outcome::Delivered);
        sim.rogue_send(wire, taken);
        (bond, wire)
    }
}
