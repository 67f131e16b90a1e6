//! The recovery phrase: the words from which the root key comes. They are shown until their user has confirmed that they are
//! written down, and are not here any more from then on.

use crate::command::CommandError;
use crate::state::State;
use crate::table::Table;
use crate::turn::Turn;
use crate::wire::backup_key;
use symbolon_presence::words::recovery_words;

/// The words.
pub(crate) fn phrase(state: &State) -> Result<String, CommandError> {
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
