//! The *device list*: which devices a person has, signed by their second root key.
//!
//! A root key certifies devices, and anyone who steals the device that holds it certifies devices of their own. The second root
//! key lies on no device: it follows from the words of the recovery phrase, and friends hold its hash. So what it signs
//! outranks all that the root key and any device say. The protocol page is `docs/protocol/recovery.md`.

use crate::codec;
use crate::id::{DeviceId, Digest, PeerId, PublicKeyBytes, SignatureBytes};
use crate::identity::{peer_id, second_root, second_root_hash};
use crate::kdf::{Secret, hash};
use crate::labels::{HASH_CONTEXT, SIGN_DEVICES};
use crate::sign::VerifyingKey;
use minicbor::{Decode, Encode};

/// Devices in a list, at most: as many as a person has.
pub const LISTED_MAX: usize = 8;

/// Longest encoded body, in bytes.
pub const LIST_MAX: usize = 160;

/// What the second root key says.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct DeviceListBody {
    /// Rises with every list of this person: the higher one counts.
    #[n(0)]
    pub number: u64,
    /// The devices, in rising order, each once; 1 to [`LISTED_MAX`].
    #[n(1)]
    pub devices: Vec<DeviceId>,
}

impl DeviceListBody {
    fn is_bounded(&self) -> bool {
        (1..=LISTED_MAX).contains(&self.devices.len()) && self.devices.is_sorted_by(|one, next| one < next)
    }
}

/// A device list as it travels.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct DeviceList {
    /// The root public key: whose list it is.
    #[n(0)]
    pub root: PublicKeyBytes,
    /// The second root public key.
    #[n(1)]
    pub second: PublicKeyBytes,
    /// A [`DeviceListBody`] in its encoding.
    #[cbor(n(2), with = "minicbor::bytes")]
    pub body: Vec<u8>,
    /// The second root key's signature over `body`; its context is the person.
    #[n(3)]
    pub signature: SignatureBytes,
}

impl DeviceList {
    /// Says that a person has these devices and no other, by the entropy of their recovery phrase. None when they are none, or
    /// more than [`LISTED_MAX`].
    pub fn sign(entropy: &Secret, root: &PublicKeyBytes, number: u64, mut devices: Vec<DeviceId>) -> Option<Self> {
        devices.sort_unstable();
        devices.dedup();
        let body = DeviceListBody { number, devices };
        if !body.is_bounded() {
            return None;
        }
        let key = second_root(entropy);
        let body = codec::encode(&body);
        let signature = key.sign(SIGN_DEVICES, &context(root), &body);
        Some(Self { root: *root, second: key.public(), body, signature })
    }

    /// What it says, if the second root key with this hash has signed it.
    pub fn verify(&self, second_root: &Digest) -> Option<DeviceListBody> {
        if second_root_hash(&self.second) != *second_root {
            return None;
        }
        let key = VerifyingKey::parse(&self.second).ok()?;
        key.verify(SIGN_DEVICES, &context(&self.root), &self.body, &self.signature).ok()?;
        let body: DeviceListBody = codec::decode(&self.body, LIST_MAX).ok()?;
        body.is_bounded().then_some(body)
    }

    /// Whose it is, unchecked.
    pub fn person(&self) -> PeerId {
        peer_id(&self.root)
    }
}

fn context(root: &PublicKeyBytes) -> Digest {
    hash(HASH_CONTEXT, &[root.as_bytes()])
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::identity::Identity;
    use crate::time::{DAY, EARLIEST};
    use rand_core::SeedableRng;

    fn person(seed: u8) -> Identity {
        Identity::generate(&mut rand_chacha::ChaCha20Rng::from_seed([seed; 32]), EARLIEST, DAY)
    }

    fn device(n: u8) -> DeviceId {
        DeviceId([n; 16])
    }

    #[test]
    fn a_list_of_devices_is_believed_only_from_the_second_root_key_that_friends_hold() {
        let (ana, mallory) = (person(1), person(2));
        let (words, root) = (ana.entropy.clone().unwrap(), ana.chain.root);
        let list = DeviceList::sign(&words, &root, 7, vec![device(9), device(3), device(9)]).unwrap();
        assert_eq!(list.verify(&ana.second_root).unwrap(), DeviceListBody { number: 7, devices: vec![device(3), device(9)] });
        assert_eq!(list.person(), ana.person());
        assert!(list.verify(&mallory.second_root).is_none());
        // Who has the root key and not the words signs with a key of their own.
        let forged = DeviceList::sign(&mallory.entropy.clone().unwrap(), &root, 8, vec![device(1)]).unwrap();
        assert!(forged.verify(&ana.second_root).is_none());
        let with_true_key = DeviceList { second: list.second, ..forged.clone() };
        assert!(with_true_key.verify(&ana.second_root).is_none());
        assert!(DeviceList { body: forged.body, ..list.clone() }.verify(&ana.second_root).is_none());
        assert!(DeviceList { root: mallory.chain.root, ..list }.verify(&ana.second_root).is_none(), "of another person");
    }

    #[test]
    fn a_list_of_devices_has_at_least_one_and_at_most_eight_each_once_and_in_order() {
        let ana = person(1);
        let (words, root) = (ana.entropy.clone().unwrap(), ana.chain.root);
        let sign = |devices| DeviceList::sign(&words, &root, u64::MAX, devices);
        assert!(sign(Vec::new()).is_none() && sign((0..9).map(device).collect()).is_none());
        let full = sign((0..8).map(device).collect()).unwrap();
        assert!(full.body.len() <= LIST_MAX && full.verify(&ana.second_root).is_some());
        // What the key itself has signed and what is no list is none, either.
        let signed = |devices| {
            let body = codec::encode(&DeviceListBody { number: 1, devices });
            let key = second_root(&words);
            let signature = key.sign(SIGN_DEVICES, &context(&root), &body);
            DeviceList { root, second: key.public(), body, signature }
        };
        assert!(signed(vec![device(1), device(2)]).verify(&ana.second_root).is_some());
        for devices in [vec![device(2), device(1)], vec![device(1), device(1)], Vec::new(), (0..9).map(device).collect()] {
            assert!(signed(devices).verify(&ana.second_root).is_none());
        }
    }
}
