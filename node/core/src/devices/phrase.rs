//! The recovery phrase: the words from which the root key comes. They are shown until their user has confirmed that they are
//! written down, and are not here any more from then on.

use crate::command::CommandError;
use crate::identity;
use crate::state::State;
use crate::table::Table;
use crate::turn::Turn;
use crate::wire::backup_key;
use symbolon_presence::words::recovery_words;

/// Shows the words. From now on they may be written down somewhere: what they need to be of use is left at our relays.
pub(crate) fn show_phrase(state: &mut State, turn: &mut Turn<'_>) -> Result<String, CommandError> {
    let words = phrase(state)?;
    if let Some(entropy) = state.own.identity.entropy.as_ref().filter(|_| state.own.backup_key.is_none()) {
        let key = backup_key(entropy);
        turn.put(Table::Meta, b"backup key", &key);
        state.own.backup_key = Some(key);
        identity::records_changed(turn);
    }
    Ok(words)
}

/// The relays at which lies what the words need, by their links: one of them is needed beside the words.
pub(crate) fn relays_of_phrase(state: &State) -> Vec<String> {
    state.own.relay_mailboxes.values().filter(|own| own.is_told()).map(|own| own.link.to_string()).collect()
}

fn phrase(state: &State) -> Result<String, CommandError> {
    let identity = &state.own.identity;
    match &identity.entropy {
        Some(entropy) => Ok(recovery_words(entropy)),
        None if identity.root.is_none() => Err(CommandError::NotFirstDevice),
        None => Err(CommandError::PhraseGone),
    }
}

/// They are written down: what they were made of is erased here. Backups are sealed as before.
pub(crate) fn confirm_phrase(state: &mut State, turn: &mut Turn<'_>) -> Result<(), CommandError> {
    phrase(state)?;
    let Some(entropy) = state.own.identity.entropy.take() else { return Ok(()) };
    let key = backup_key(&entropy);
    turn.put(Table::Meta, b"backup key", &key);
    turn.put(Table::Meta, b"identity", &state.own.identity.to_stored());
    state.own.backup_key = Some(key);
    Ok(())
}
