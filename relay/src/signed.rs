//! Frames that their sender signs for one mailbox: the context, and the check.

use minicbor::Encode;
use symbolon_presence::codec;
use symbolon_presence::id::{Digest, MailboxId, PublicKeyBytes, SignatureBytes};
use symbolon_presence::kdf::hash;
use symbolon_presence::labels::{HASH_CONTEXT, Label};
use symbolon_presence::sign::VerifyingKey;

/// Not signed by whom it says, not for this mailbox, or beyond its bounds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BadFrame;

/// What every signature about a mailbox covers beside its body.
pub(crate) fn context(mailbox: &MailboxId) -> Digest {
    hash(HASH_CONTEXT, &[mailbox.as_bytes()])
}

/// Whether a body is signed, for this mailbox, by the key that its frame names.
pub(crate) fn is_signed<T: Encode<()>>(
    owner: &PublicKeyBytes,
    label: Label,
    mailbox: &MailboxId,
    body: &T,
    signature: &SignatureBytes,
) -> Result<(), BadFrame> {
    let key = VerifyingKey::parse(owner).map_err(|_| BadFrame)?;
    key.verify(label, &context(mailbox), &codec::encode(body), signature).map_err(|_| BadFrame)
}
