//! The proof of a link: who is behind it.
//!
//! Who dials a friend does not know who answers at the address, and who is dialled does not
//! know who calls. Envelopes and receipts show neither: they are good from anyone who brings
//! them. A [`Prove`] is good on one link only: its MAC covers the transport keys of both ends,
//! which the transport has checked, under a key that the two devices alone can compute.

use minicbor::{Decode, Encode};
use symbolon_presence::id::{DeviceId, PublicKeyBytes};
use symbolon_presence::kdf::{Secret, derive, mac, mac_matches};
use symbolon_presence::labels::{KEY_LINK, MAC_LINK};
use symbolon_presence::seal::{DhKey, DhPublic};

/// The version of what two friends say to each other. It rises with each change that an older
/// build would misunderstand; [`Prove`] itself keeps its form in every version, so that builds
/// that differ can say so.
pub const WIRE_VERSION: u32 = 2;

/// One run of a node, drawn at its start.
pub type Instance = [u8; 16];

/// The two ends of a link.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// Who opened it.
    Dialler,
    /// Who was called.
    Dialled,
}

/// The Ed25519 keys that both ends have proved to the transport.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ends {
    /// Of who opened the link.
    pub dialler: PublicKeyBytes,
    /// Of who was called.
    pub dialled: PublicKeyBytes,
}

/// What two devices share to prove links: nobody else can compute it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LinkKey(Secret);

impl LinkKey {
    /// `own` is the private key of either certificate, `other` the public key of the other.
    pub fn agree(own: &DhKey, other: &DhPublic, one: &DeviceId, two: &DeviceId) -> Self {
        let (low, high) = (one.min(two), one.max(two));
        Self(derive(own.agree(other).expose(), KEY_LINK, &[low.as_bytes(), high.as_bytes()]))
    }
}

/// Who is behind this end of the link.
#[derive(Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct Prove {
    /// Drawn for this link.
    #[cbor(n(0), with = "minicbor::bytes")]
    pub salt: [u8; 16],
    /// MAC over salt, role, both transport keys and what follows, under the [`LinkKey`].
    #[cbor(n(1), with = "minicbor::bytes")]
    pub mac: [u8; 16],
    /// The sender's [`WIRE_VERSION`].
    #[n(2)]
    pub version: u32,
    /// The sender's run.
    #[cbor(n(3), with = "minicbor::bytes")]
    pub instance: Instance,
}

opaque_debug!(Prove);

impl Prove {
    /// What the end in this role says.
    pub fn new(key: &LinkKey, role: Role, ends: &Ends, salt: [u8; 16], version: u32, instance: Instance) -> Self {
        let mut prove = Self { salt, mac: [0; 16], version, instance };
        prove.mac = prove.expected_mac(key, role, ends);
        prove
    }

    /// Whether the end in this role is the other device of this key. On another link, with a
    /// changed version or run, and as the other end, the same bytes prove nothing.
    pub fn is_by(&self, key: &LinkKey, role: Role, ends: &Ends) -> bool {
        mac_matches(&self.expected_mac(key, role, ends), &self.mac)
    }

    fn expected_mac(&self, key: &LinkKey, role: Role, ends: &Ends) -> [u8; 16] {
        let role = match role {
            Role::Dialler => [0],
            Role::Dialled => [1],
        };
        let parts: [&[u8]; 6] =
            [&self.salt, &role, ends.dialler.as_bytes(), ends.dialled.as_bytes(), &self.instance, &self.version.to_be_bytes()];
        mac(&key.0, MAC_LINK, &parts)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ENDS: Ends = Ends { dialler: PublicKeyBytes([1; 32]), dialled: PublicKeyBytes([2; 32]) };

    fn keys() -> [LinkKey; 2] {
        let (a, b) = (DhKey::from_bytes([1; 32]), DhKey::from_bytes([2; 32]));
        let (one, two) = (DeviceId([7; 16]), DeviceId([3; 16]));
        [LinkKey::agree(&a, &b.public(), &one, &two), LinkKey::agree(&b, &a.public(), &two, &one)]
    }

    #[test]
    fn both_devices_compute_the_same_key_and_a_third_another() {
        let [a, b] = keys();
        assert_eq!(a, b);
        let third = DhKey::from_bytes([3; 32]);
        assert_ne!(LinkKey::agree(&third, &DhKey::from_bytes([2; 32]).public(), &DeviceId([7; 16]), &DeviceId([3; 16])), a);
        assert_ne!(
            LinkKey::agree(&DhKey::from_bytes([1; 32]), &DhKey::from_bytes([2; 32]).public(), &DeviceId([8; 16]), &DeviceId([3; 16])),
            a
        );
    }

    #[test]
    fn a103_a_proof_is_good_on_its_own_link_for_its_own_end_and_unchanged() {
        let [a, b] = keys();
        let prove = Prove::new(&a, Role::Dialler, &ENDS, [5; 16], WIRE_VERSION, [6; 16]);
        assert!(prove.is_by(&b, Role::Dialler, &ENDS));
        assert!(!prove.is_by(&b, Role::Dialled, &ENDS), "shown back to who made it");
        let other = PublicKeyBytes([9; 32]);
        assert!(!prove.is_by(&b, Role::Dialler, &Ends { dialler: other, ..ENDS }), "handed on by somebody else");
        assert!(!prove.is_by(&b, Role::Dialler, &Ends { dialled: other, ..ENDS }), "made for somebody else");
        let changes: [fn(&mut Prove); 4] = [|p| p.salt[0] ^= 1, |p| p.mac[0] ^= 1, |p| p.version += 1, |p| p.instance[15] ^= 1];
        for (index, change) in changes.iter().enumerate() {
            let mut bad = prove.clone();
            change(&mut bad);
            assert!(!bad.is_by(&b, Role::Dialler, &ENDS), "change {index}");
        }
    }
}
