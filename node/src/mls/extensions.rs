//! What stands in MLS beside its own: the room state in the context of each epoch, the queue in a KeyPackage.
//!
//! Both are extensions of private-use types (RFC 9420, section 17.3). A context has either none at all or exactly two,
//! the state and the demand that all members know it; so no member can put in anything else, or somebody who would
//! block a change of state.

use openmls::group::GroupContext;
use openmls::prelude::{
    Capabilities, Extension, ExtensionType, Extensions, KeyPackage, LeafNode, RequiredCapabilitiesExtension, UnknownExtension,
};
use symbolon_core::world::{CipherError, PackageKind, QUEUE_MAX};
use symbolon_presence::id::Digest;
use tls_codec::Size as _;

/// The room state, in the GroupContext.
pub(super) const STATE: u16 = 0xF5B0;
/// Where to write to the leaf, in a KeyPackage.
pub(super) const QUEUE: u16 = 0xF5B1;
/// Longest list of what a leaf understands, in bytes; ours takes less than 30.
const CAPABILITIES_MAX: usize = 256;

/// The extensions of a context with this room state.
pub(super) fn context(state: Option<Digest>) -> Result<Extensions<GroupContext>, CipherError> {
    let Some(state) = state else { return Ok(Extensions::empty()) };
    let demanded = RequiredCapabilitiesExtension::new(&[ExtensionType::Unknown(STATE)], &[], &[]);
    let both = vec![Extension::RequiredCapabilities(demanded), Extension::Unknown(STATE, UnknownExtension(state.0.to_vec()))];
    Extensions::from_vec(both).map_err(|_| CipherError::Broken)
}

/// The room state of a context; refused when there is anything else in it.
pub(super) fn state(context: &Extensions<GroupContext>) -> Result<Option<Digest>, CipherError> {
    let state = match context.unknown(STATE) {
        Some(UnknownExtension(state)) => Some(Digest(state.as_slice().try_into().map_err(|_| CipherError::Broken)?)),
        None => None,
    };
    if *context == self::context(state)? { Ok(state) } else { Err(CipherError::Broken) }
}

/// The extensions of a KeyPackage, without the mark of last resort, which OpenMLS adds.
pub(super) fn package(kind: &PackageKind) -> Result<Extensions<KeyPackage>, CipherError> {
    if kind.queue.is_empty() {
        return Ok(Extensions::empty());
    }
    Extensions::single(Extension::Unknown(QUEUE, UnknownExtension(kind.queue.clone()))).map_err(|_| CipherError::Broken)
}

/// What a KeyPackage is for; refused when there is anything else in it.
pub(super) fn kind(package: &KeyPackage) -> Result<PackageKind, CipherError> {
    let (last_resort, extensions) = (package.last_resort(), package.extensions());
    let queue = extensions.unknown(QUEUE).map(|queue| queue.0.clone());
    let expected = usize::from(last_resort) + usize::from(queue.is_some());
    if extensions.iter().count() != expected || queue.as_ref().is_some_and(|queue| queue.is_empty() || queue.len() > QUEUE_MAX) {
        return Err(CipherError::Broken);
    }
    Ok(PackageKind { last_resort, queue: queue.unwrap_or_default() })
}

/// Whether a leaf may stand in the tree of a room with this state: it knows the state's extension, brings none of its
/// own, and does not fill the tree with what it understands. OpenMLS asks the first of newcomers only.
pub(super) fn fits(capabilities: &Capabilities, extensions: &Extensions<LeafNode>, state: Option<Digest>) -> bool {
    let knows_state = capabilities.extensions().contains(&ExtensionType::Unknown(STATE));
    extensions.iter().next().is_none() && capabilities.tls_serialized_len() <= CAPABILITIES_MAX && (knows_state || state.is_none())
}
