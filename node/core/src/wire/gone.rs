//! A device is its person's no more: the statement of a device that may say so.
//!
//! It goes to friends and own devices in their rooms, and stands in the commit that takes the device out of a shared room.

use minicbor::{Decode, Encode};
use symbolon_presence::id::{Digest, PublicKeyBytes, SignatureBytes};
use symbolon_presence::identity::{Chain, Device, Identity};
use symbolon_presence::kdf::hash;
use symbolon_presence::labels::{HASH_CONTEXT, SIGN_GONE};
use symbolon_presence::sign::{SigningKey, VerifyingKey};
use symbolon_presence::time::Timestamp;

/// A device of a person is theirs no more. Said by an older device of the person.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct Gone {
    /// The certificate of the device that has signed.
    #[n(0)]
    pub chain: Chain,
    /// The certificate of the device that is gone.
    #[n(1)]
    pub device: Chain,
    /// By the device of `chain`.
    #[n(2)]
    pub signature: SignatureBytes,
    /// By the root key, where the device holds it: it outranks every device.
    #[n(3)]
    pub root: Option<SignatureBytes>,
}

impl Gone {
    /// Says that a device is gone.
    pub fn sign(me: &Identity, device: &Chain) -> Self {
        let sign = |key: &SigningKey| key.sign(SIGN_GONE, &context(&me.chain.root), &device.cert);
        Self { chain: me.chain.clone(), device: device.clone(), signature: sign(&me.signing), root: me.root.as_ref().map(sign) }
    }

    /// The device that is gone, if a device of the same person has signed it that may say so: one with the root key, or one
    /// whose certificate is older.
    pub fn verify(&self, sure: Timestamp) -> Option<Device> {
        let by = self.chain.verify_known(sure).ok()?;
        let device = self.device.verify_known(sure).ok()?;
        by.signing.verify(SIGN_GONE, &context(&by.root), &self.device.cert, &self.signature).ok()?;
        let root = self.root.as_ref().map(|root| {
            let key = VerifyingKey::parse(&by.root).ok()?;
            key.verify(SIGN_GONE, &context(&by.root), &self.device.cert, root).ok()
        });
        let outranks = match root {
            Some(signed) => signed.is_some(),
            None => by.rank.zip(device.rank).is_some_and(|(by, device)| by < device),
        };
        (by.person == device.person && by.device != device.device && outranks).then_some(device)
    }
}

fn context(root: &PublicKeyBytes) -> Digest {
    hash(HASH_CONTEXT, &[root.as_bytes()])
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use rand_core::SeedableRng;
    use symbolon_presence::time::{DAY, EARLIEST};

    #[test]
    fn only_an_older_device_of_the_same_person_says_that_one_is_gone() {
        let mut rng = rand_chacha::ChaCha20Rng::from_seed([1; 32]);
        let mut draw = || Identity::generate(&mut rng, EARLIEST, 10 * DAY);
        let (first, stranger) = (draw(), draw());
        let mut further = |serial| {
            let mut me = draw();
            let keys = (me.signing.public(), me.dh.public().bytes());
            let chain = first.certify_further(keys, serial, EARLIEST, EARLIEST.after(DAY)).unwrap();
            assert!(me.become_further(&chain, first.second_root, EARLIEST));
            me
        };
        let (second, third) = (further(5), further(9));
        for (by, gone, holds) in [
            (&first, &second, true),
            (&second, &third, true),
            (&third, &second, false),
            (&second, &first, false),
            (&second, &second, false),
            (&stranger, &second, false),
        ] {
            let said = Gone::sign(by, &gone.chain);
            assert_eq!(said.verify(EARLIEST).is_some(), holds);
            assert!(Gone { device: third.chain.clone(), ..said.clone() }.verify(EARLIEST).is_none() || gone.device == third.device);
            let by_stranger = Gone::sign(&stranger, &gone.chain).root;
            assert!(Gone { root: by_stranger, ..said }.verify(EARLIEST).is_none(), "another root");
        }
        // A certificate that was renewed later makes nobody younger.
        let keys = (second.signing.public(), second.dh.public().bytes());
        let renewed = Identity { chain: first.certify_again((keys, 5), 400, EARLIEST, EARLIEST.after(DAY)).unwrap(), ..second.clone() };
        assert!(Gone::sign(&renewed, &third.chain).verify(EARLIEST).is_some());
        assert!(Gone::sign(&third, &renewed.chain).verify(EARLIEST).is_none());
        // A device that holds the root key outranks the first one.
        let mut returned = draw();
        let entropy = first.entropy.clone().unwrap();
        returned.return_as_further(&Identity::root_of(&entropy), 99, EARLIEST, EARLIEST.after(DAY));
        assert!(Gone::sign(&returned, &first.chain).verify(EARLIEST).is_some());
        assert!(Gone { root: None, ..Gone::sign(&returned, &first.chain) }.verify(EARLIEST).is_none());
    }
}
