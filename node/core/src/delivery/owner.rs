//! Whose an envelope is, and how it is cared for.
//!
//! Delivery keeps an envelope's owner in its row and hands it back with what became of the envelope. It never
//! looks inside: all that it does with an envelope follows from the policy. What is said in a room, and is done with
//! once it was delivered, is [`EnvelopeOwner::Said`]. Any other new kind of envelope is one more owner and one more line of
//! each table below, and of no other file unless its fate concerns somebody new.

use minicbor::{Decode, Encode};
use std::cmp::Ordering;
use symbolon_presence::id::{EpochId, RequestId, RoomId};

/// Whose an envelope is: the machine that has put it, and by what that machine finds its own row again.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub(crate) enum EnvelopeOwner {
    #[n(0)]
    Offer(#[n(0)] RequestId),
    #[n(1)]
    Accept(#[n(0)] RequestId),
    #[n(2)]
    Confirm(#[n(0)] RequestId),
    /// A text: conversation and arrival number.
    #[n(3)]
    Text(#[n(0)] RoomId, #[n(1)] u64),
    /// How far we have read.
    #[n(4)]
    Mark,
    /// Stands where a text was that was given up, so that the next ones can be opened.
    #[n(5)]
    Skip,
    /// What became of envelopes that came by way of a relay.
    #[n(6)]
    Receipts,
    /// What friends have, for one who was taken out for a while.
    #[n(7)]
    Bundle,
    /// Something that is said in a room and kept until it is delivered, and nobody wants to hear what became of it. A
    /// sub-protocol with such frames needs no owner of its own. Older builds have said nothing so but introductions.
    #[n(8)]
    Said,
    /// How we stand with the device: a question, and an answer to the device's own.
    #[n(9)]
    Standing,
    #[n(10)]
    Answer,
    /// A seed of ours, for a friend.
    #[n(11)]
    Seed,
    /// What this build takes.
    #[n(12)]
    Capabilities,
    /// A piece of a long message, except the last: that one is whose the message is.
    #[n(13)]
    Piece,
    /// A commit of ours: its room, and the epoch that it leads to.
    #[n(14)]
    Commit(#[n(0)] RoomId, #[n(1)] EpochId),
    /// A lifeline of ours, for a friend.
    #[n(15)]
    Lifeline,
    /// A Welcome into this room, for a friend.
    #[n(16)]
    Welcome(#[n(0)] RoomId),
    /// A commit of ours in a shared room, and the epoch that it leads to.
    #[n(17)]
    RoomCommit(#[n(0)] RoomId, #[n(1)] EpochId),
    /// A question for the commits since an epoch of a shared room, and what answers it.
    #[n(18)]
    Since,
    /// That we leave this shared room, for its members.
    #[n(19)]
    Leave(#[n(0)] RoomId),
    /// How our device is written to, for members of this shared room.
    #[n(20)]
    Ways(#[n(0)] RoomId),
    /// What one device of a person says to another one, or of one to a friend.
    #[n(35)]
    Own,
    /// Texts for another device of ours: with a lower arrival number than this it has them then.
    #[n(36)]
    OwnTexts(#[n(0)] u64),
    /// To somebody who has asked by a pairing code.
    #[n(37)]
    Joined(#[n(0)] RequestId),
    /// To a device of ours that it is ours no more.
    #[n(38)]
    OwnGone,
    /// To a friend's device, after this one was restored.
    #[n(39)]
    Returned(#[n(0)] RequestId),
    /// Texts of shared rooms for another device of ours: in this round it has those with a lower arrival number then.
    #[n(40)]
    OwnRoomTexts(#[n(0)] u64, #[n(1)] u64),
    /// What is being written, for another device of ours.
    #[n(41)]
    OwnDrafts,
}

/// How an envelope is cared for. Nothing of it is stored: it follows from the owner.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct DeliveryPolicy {
    /// The name under which it is counted.
    pub name: &'static str,
    pub lane: Lane,
    pub until: Until,
    pub links: Links,
    /// Where it waits, it holds up nobody behind it: the relay that it goes to may be gone, or no seed known.
    pub waits_aside: bool,
    /// It asks by an invite, for this request: it is left at a relay again and again, because the relay's answer
    /// says when somebody else has used the invite.
    pub asks: Option<RequestId>,
    /// It is for a device that is away, and taken back once the device is here.
    pub for_away: bool,
    /// At most one of them waits for a device.
    pub single: Option<Single>,
}

/// The order in which envelopes go: those of the first lane may be what makes the others welcome.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Lane {
    Steps,
    Rooms,
}

/// Until when an envelope is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Until {
    /// Anybody has signed that it is kept, be it a relay.
    Stored,
    /// The recipient's own mailbox has signed that it is kept there.
    Taken,
    /// The same, and the request that it agrees to waits for no answer any more.
    Answered(RequestId),
    /// The recipient has opened it.
    Delivered,
}

/// Into which links an envelope may go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Links {
    /// Any, because somebody may become a friend by it. If the request renews a friendship, it goes to the
    /// device alone.
    Any(RequestId),
    /// Those behind which the device has proved to be.
    Proved,
    /// The same, while its room is not in doubt: anyone who has ended the friendship hangs up at what is of it.
    Friends,
}

/// Of what at most one waits; the device's row knows its number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Single {
    Question,
    /// It is dropped when nothing is signed for in time: it may go where nobody listens any more, and anybody
    /// who still waits for it asks again.
    Answer,
}

/// Whom it concerns what became of an envelope.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Concern {
    /// Nobody: delivery alone cares for it.
    Nobody,
    /// A text: conversation and arrival number.
    Text(RoomId, u64),
    /// A request whose Offer or Accept it is.
    Ask(RequestId),
    /// A request whose Confirm it is.
    Confirm(RequestId),
    /// The friend who is given everything again.
    Friend,
    /// What a device was shown of this build.
    Shown,
    /// A commit of ours: its room, and the epoch that it leads to.
    Commit(RoomId, EpochId),
    /// The friend who gets a lifeline.
    Lifeline,
    /// The device that comes into a room.
    Welcome(RoomId),
    /// Texts for another device of ours.
    OwnTexts(u64),
    /// Texts of shared rooms for another device of ours: round and arrival number.
    OwnRoomTexts(u64, u64),
    /// What is being written, for another device of ours.
    OwnDrafts,
    /// The device that is ours no more.
    OwnGone,
    /// What was said to another device of ours.
    Own,
}

impl EnvelopeOwner {
    /// Whom it concerns what becomes of an envelope of this owner.
    pub fn concern(&self) -> Concern {
        match self {
            Self::Text(conversation, arrival) => Concern::Text(*conversation, *arrival),
            Self::Offer(request) | Self::Accept(request) => Concern::Ask(*request),
            Self::Confirm(request) => Concern::Confirm(*request),
            Self::Bundle => Concern::Friend,
            Self::Capabilities => Concern::Shown,
            Self::Commit(room, epoch) => Concern::Commit(*room, *epoch),
            Self::Mark
            | Self::Skip
            | Self::Receipts
            | Self::Said
            | Self::Standing
            | Self::Answer
            | Self::Seed
            | Self::Piece
            | Self::RoomCommit(..)
            | Self::Since
            | Self::Leave(_)
            | Self::Joined(_)
            | Self::Returned(_)
            | Self::Ways(_) => Concern::Nobody,
            Self::OwnTexts(up_to) => Concern::OwnTexts(*up_to),
            Self::OwnRoomTexts(round, up_to) => Concern::OwnRoomTexts(*round, *up_to),
            Self::OwnDrafts => Concern::OwnDrafts,
            Self::Own => Concern::Own,
            Self::OwnGone => Concern::OwnGone,
            Self::Lifeline => Concern::Lifeline,
            Self::Welcome(room) => Concern::Welcome(*room),
        }
    }

    /// How an envelope of this owner is cared for: the one place where that is said.
    pub fn policy(&self) -> DeliveryPolicy {
        match self {
            Self::Offer(request) => DeliveryPolicy { asks: Some(*request), ..step("offer", Until::Taken, Links::Any(*request)) },
            // A side that has blocked us for a while takes it in, as far as its receipts go, and drops it.
            Self::Accept(request) => step("accept", Until::Answered(*request), Links::Any(*request)),
            Self::Confirm(request) => step("confirm", Until::Taken, Links::Any(*request)),
            Self::Text(..) => of_room("text"),
            Self::Mark => of_room("mark"),
            Self::Skip => of_room("skip"),
            Self::Bundle => of_room("bundle"),
            Self::Said => of_room("said"),
            Self::Seed => of_room("seed"),
            Self::Piece => of_room("piece"),
            Self::Capabilities => of_room("capabilities"),
            Self::Commit(..) => of_room("commit"),
            Self::Lifeline => of_room("lifeline"),
            Self::Welcome(_) => of_room("welcome"),
            Self::RoomCommit(..) => of_room("commit"),
            Self::Since => of_room("since"),
            Self::Leave(_) => of_room("leave"),
            Self::Ways(_) => of_room("ways"),
            Self::Own => of_room("own"),
            Self::OwnTexts(_) => of_room("own_texts"),
            Self::OwnRoomTexts(..) => of_room("own_room_texts"),
            Self::OwnDrafts => of_room("own_drafts"),
            Self::Returned(request) => DeliveryPolicy { waits_aside: true, ..step("returned", Until::Taken, Links::Any(*request)) },
            // Its friendship ends then, and with it the care for this.
            Self::OwnGone => DeliveryPolicy { until: Until::Stored, ..of_room("own_gone") },
            Self::Joined(request) => step("joined", Until::Taken, Links::Any(*request)),
            // When a list is lost, it is asked for again: the other side leaves its envelope again.
            Self::Receipts => DeliveryPolicy { for_away: true, waits_aside: true, ..step("receipts", Until::Stored, Links::Friends) },
            // It is followed by others.
            Self::Standing => standing(Single::Question),
            Self::Answer => standing(Single::Answer),
        }
    }

    /// The arrival number of a text.
    pub fn arrival(&self) -> Option<u64> {
        if let Self::Text(_, arrival) = self { Some(*arrival) } else { None }
    }

    /// Where a text's envelope stands to one of the same conversation: an outbox holds them in the order in which
    /// they were written. None for what is no text, or of another one.
    pub fn order_of_texts(&self, conversation: &RoomId, arrival: u64) -> Option<Ordering> {
        let Self::Text(of, number) = self else { return None };
        (of == conversation).then(|| number.cmp(&arrival))
    }
}

fn step(name: &'static str, until: Until, links: Links) -> DeliveryPolicy {
    DeliveryPolicy { name, lane: Lane::Steps, until, links, waits_aside: false, asks: None, for_away: false, single: None }
}

/// What is said in a room: only `delivered` ends the care for it.
fn of_room(name: &'static str) -> DeliveryPolicy {
    DeliveryPolicy { lane: Lane::Rooms, ..step(name, Until::Delivered, Links::Friends) }
}

fn standing(single: Single) -> DeliveryPolicy {
    DeliveryPolicy { waits_aside: true, single: Some(single), ..step("standing", Until::Stored, Links::Proved) }
}

#[cfg(test)]
mod tests;
