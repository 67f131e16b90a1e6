//! Decoders of what passes a hub of rooms, and of what is sealed in it.

use super::canonical;
use crate::samples::{NOW, ann, vouching};
use symbolon_core::cards::CardLink;
use symbolon_core::limits::{CARD_MAX, OLD_LINK_MAX};
use symbolon_core::wire::{CardRecord, KnockBody, VouchHello, VouchResponse};
use symbolon_relay::knock::{Answer, Ask};

/// A question to a hub. Also what is sealed in it, as members and vouchers open it.
pub(super) fn hub_ask(bytes: &[u8]) -> bool {
    let Ok(ask) = Ask::decode(bytes) else { return false };
    assert!(ask.encode() == bytes, "a second encoding was accepted");
    match ask {
        Ask::Knock(knock) => drop(KnockBody::open(&knock.sealed, &vouching::secret(), &knock.nonce, NOW)),
        Ask::Respond(respond) => {
            let transcript = vouching::transcript();
            let ben = crate::samples::ben().identity.chain.verify(NOW).ok();
            ben.and_then(|ben| VouchResponse::open(&respond.sealed, &vouching::answer_key(), &transcript, &ben));
        }
        Ask::Listen(listen) => drop(listen.room()),
        Ask::Say(say) => drop(say.room()),
        Ask::Await(_) => {}
    }
    true
}

/// What a hub answers.
pub(super) fn hub_answer(bytes: &[u8]) -> bool {
    let Ok(answer) = Answer::decode(bytes) else { return false };
    assert!(answer.encode() == bytes, "a second encoding was accepted");
    if let Answer::Said(_, sealed) = answer {
        VouchHello::open(&sealed, &vouching::ephemeral(), &vouching::secret().alias(), &vouching::KNOCK);
    }
    true
}

/// The body of a room's card, as it was opened where it lies.
pub(super) fn card_record(bytes: &[u8]) -> bool {
    let Some(record) = canonical::<CardRecord>(bytes, CARD_MAX) else { return false };
    record.verify(NOW, &vouching::card_secret().id(), vouching::CARD_DAY, &ann().identity.peer());
    true
}

/// A card, in whatever was pasted: text behind the longest link is looked at no more than the bound says.
pub(super) fn card(bytes: &[u8]) -> bool {
    if bytes.len() > OLD_LINK_MAX {
        let _ = CardLink::find(&String::from_utf8_lossy(bytes));
        return false;
    }
    let Ok(card) = CardLink::find(&String::from_utf8_lossy(bytes)) else { return false };
    assert!(CardLink::find(&card.text()).is_ok_and(|again| again == card), "what it writes says something else");
    true
}
