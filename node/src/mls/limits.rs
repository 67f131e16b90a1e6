//! Every number that OpenMLS is configured with, and the cipher's own bounds.

use super::extensions::{self, QUEUE, STATE};
use openmls::prelude::{
    Capabilities, Ciphersuite, CredentialType, ExtensionType, Lifetime as LeafLifetime, MlsGroupCreateConfig, MlsGroupJoinConfig,
    ProtocolVersion, SenderRatchetConfiguration,
};
use symbolon_core::world::{CipherError, Lifetime};
use symbolon_presence::id::Digest;
use symbolon_presence::time::SECOND;

/// The one ciphersuite: X-Wing (X25519 and ML-KEM-768), ChaCha20-Poly1305, SHA-256, Ed25519; 0x004D in
/// draft-ietf-mls-pq-ciphersuites. Its name says 256 bits, ML-KEM-768 gives about 192.
pub const SUITE: Ciphersuite = Ciphersuite::MLS_256_XWING_CHACHA20POLY1305_SHA256_Ed25519;
/// That of rooms which an older build made (RFC 9420, section 17.1). They are read until they are made again; nobody
/// comes in any more.
pub const SUITE_BEFORE: Ciphersuite = Ciphersuite::MLS_128_DHKEMX25519_CHACHA20POLY1305_SHA256_Ed25519;
/// A sender's texts open in any order within so many generations. OpenMLS's default of 5
/// loses texts in a mesh.
pub const OUT_OF_ORDER_TOLERANCE: u32 = 1_024;
/// A sender's ratchet is moved forward by at most so many generations for one message.
pub const FORWARD_DISTANCE: u32 = 65_536;
/// Texts of so many epochs before the current one still open. Every kept epoch is written
/// again with every text, hence few.
pub const PAST_EPOCHS: usize = 2;
/// Parent epochs kept for rewinding, a room. The oldest goes first.
pub const PARENTS_MAX: usize = 16;
/// Groups kept decoded in memory. The one not used for longest goes first.
pub const GROUPS_MAX: usize = 256;
/// Changed rows kept in memory before they are written early, within the same transaction.
pub const DIRTY_ROWS_MAX: usize = 4_096;
/// Longest message, commit, Welcome, KeyPackage or GroupInfo that is looked at, in bytes: what goes in pieces.
pub const MESSAGE_MAX: usize = symbolon_core::wire::WHOLE_MAX;

/// How OpenMLS treats a room. Padding is 0: envelopes pad outside.
pub(super) fn join_config() -> MlsGroupJoinConfig {
    MlsGroupJoinConfig::builder()
        .wire_format_policy(openmls::group::PURE_CIPHERTEXT_WIRE_FORMAT_POLICY)
        .padding_size(0)
        .max_past_epochs(PAST_EPOCHS)
        .number_of_resumption_psks(0)
        .use_ratchet_tree_extension(true)
        .sender_ratchet_configuration(SenderRatchetConfiguration::new(OUT_OF_ORDER_TOLERANCE, FORWARD_DISTANCE))
        .build()
}

/// The same for a room that is made here.
pub(super) fn create_config(lifetime: Lifetime, state: Option<Digest>) -> Result<MlsGroupCreateConfig, CipherError> {
    let config = MlsGroupCreateConfig::builder()
        .ciphersuite(SUITE)
        .wire_format_policy(openmls::group::PURE_CIPHERTEXT_WIRE_FORMAT_POLICY)
        .padding_size(0)
        .max_past_epochs(PAST_EPOCHS)
        .number_of_resumption_psks(0)
        .use_ratchet_tree_extension(true)
        .sender_ratchet_configuration(SenderRatchetConfiguration::new(OUT_OF_ORDER_TOLERANCE, FORWARD_DISTANCE))
        .lifetime(leaf_lifetime(lifetime))
        .capabilities(capabilities(state.is_some()))
        .with_group_context_extensions(extensions::context(state)?);
    Ok(config.build())
}

/// What a leaf of ours says it understands: what MLS demands, and our extensions where they are used, so in a
/// KeyPackage and in a room with a state. In that of two friends older builds look as before.
pub(super) fn capabilities(ours: bool) -> Capabilities {
    let own = [ExtensionType::LastResort, ExtensionType::Unknown(STATE), ExtensionType::Unknown(QUEUE)];
    Capabilities::builder()
        .versions(vec![ProtocolVersion::Mls10])
        .ciphersuites(vec![SUITE])
        .extensions(if ours { own.to_vec() } else { Vec::new() })
        .proposals(Vec::new())
        .credentials(vec![CredentialType::Basic])
        .build()
}

/// MLS counts seconds: the start is rounded down, the end up.
pub(super) fn leaf_lifetime(lifetime: Lifetime) -> LeafLifetime {
    LeafLifetime::init(lifetime.not_before.0 / SECOND, lifetime.not_after.0.div_ceil(SECOND))
}
