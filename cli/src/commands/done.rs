//! What to do when a command did what was asked, and its answer could not be written.

use super::Verb;
use crate::args::{DeviceVerb, IdVerb, InviteVerb, LookupVerb, RelayVerb, RoomVerb};

const SENT: &str = "Your text was accepted all the same: do not send it again. `symbolon read` shows it.";
const INVITED: &str =
    "The invite was made all the same. `symbolon invite list` lists it, `symbolon invite revoke` takes it back; then make another one.";
const PAIRED: &str =
    "A code was made all the same, and nobody has seen it. Make room there, or write to another place; another code ends this one.";
const CHANGED: &str =
    "What you asked for is done all the same. Look at it before you do it again: `symbolon status`, `friends`, `requests`, `room list`.";

/// The hint for a command that has changed something by the time it answers; `None` for one that only shows.
pub fn hint(verb: &Verb) -> Option<&'static str> {
    if only_shows(verb) {
        return None;
    }
    let is = [
        (matches!(verb, Verb::Send(_)), SENT),
        (matches!(verb, Verb::Invite(flags) if flags.verb.is_none()), INVITED),
        (matches!(verb, Verb::Device { verb: DeviceVerb::Pair { .. } }), PAIRED),
    ];
    Some(is.into_iter().find_map(|(is, hint)| is.then_some(hint)).unwrap_or(CHANGED))
}

/// Any other command has changed something.
fn only_shows(verb: &Verb) -> bool {
    let shows_alone = matches!(
        verb,
        Verb::Up(_)
            | Verb::Demo
            | Verb::Completions { .. }
            | Verb::Man { .. }
            | Verb::Friends { .. }
            | Verb::Status
            | Verb::Doctor
            | Verb::Read(_)
            | Verb::Search { .. }
            | Verb::Export { .. }
            | Verb::Page { sign_out: false }
            | Verb::Id { verb: None | Some(IdVerb::Phrase { confirm: false }) }
            | Verb::Requests { verb: None, .. }
            | Verb::Settings { value: None, .. }
            | Verb::Room { verb: RoomVerb::List { .. } | RoomVerb::Members { .. } | RoomVerb::Card { .. } }
            | Verb::Relay { verb: RelayVerb::Run(_) | RelayVerb::List | RelayVerb::Status | RelayVerb::Info }
            | Verb::Device { verb: DeviceVerb::List { .. } }
            | Verb::Lookup { verb: LookupVerb::List }
    );
    let lists = matches!(verb, Verb::Invite(flags) if matches!(flags.verb, Some(InviteVerb::List)));
    shows_alone || lists || matches!(verb, Verb::Verify { words, .. } if words.is_empty())
}
