//! Who somebody is: root key, Peer ID, devices and their certificates.
//!
//! A person's root key certifies devices, says that one is gone, and signs nothing else. The Peer ID is SHA-256 of
//! the root public key, so it names itself and needs nobody to vouch for it. Everything a
//! node says is signed by its device key; the device's certificate travels along.
//!
//! The first device goes by the person's Peer ID. Each further one has a Peer ID of its own, an *alias*: a hash over root
//! key and device. So two devices of one person meet others, and each other, as two peers do, and anyone who sees their
//! certificates knows that they are one person's.

use crate::codec::{self, CodecError};
use crate::id::{DeviceId, Digest, PeerId, PublicKeyBytes, SignatureBytes};
use crate::kdf::{Secret, derive, hash, sha256};
use crate::labels::{HASH_ALIAS, HASH_CONTEXT, HASH_DEVICE, HASH_SECOND_ROOT, KEY_ROOT, KEY_SECOND_ROOT, SIGN_DEVICE};
use crate::seal::{DhKey, DhPublic};
use crate::sign::{SigningKey, VerifyingKey};
use crate::time::{DAY, Timestamp};
use minicbor::{Decode, Encode};

/// The Peer ID of a root public key.
pub fn peer_id(root: &PublicKeyBytes) -> PeerId {
    PeerId(sha256(root.as_bytes()))
}

/// The id of a device: the head of a hash over its person's root key and its own keys, so
/// that nobody can certify a device under the id of another person's.
pub fn device_id(root: &PublicKeyBytes, signing: &PublicKeyBytes, dh: &PublicKeyBytes) -> DeviceId {
    let Digest([a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p, ..]) =
        hash(HASH_DEVICE, &[root.as_bytes(), signing.as_bytes(), dh.as_bytes()]);
    DeviceId([a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p])
}

/// The Peer ID of a further device of a person.
pub fn alias_id(root: &PublicKeyBytes, device: &DeviceId) -> PeerId {
    PeerId(hash(HASH_ALIAS, &[root.as_bytes(), device.as_bytes()]).0)
}

/// What a root key says of one device.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct DeviceCertBody {
    /// The device: [`device_id`] of the keys.
    #[n(0)]
    pub device: DeviceId,
    /// Its Ed25519 key.
    #[n(1)]
    pub signing: PublicKeyBytes,
    /// Its X25519 key.
    #[n(2)]
    pub dh: PublicKeyBytes,
    /// Valid from.
    #[n(3)]
    pub not_before: Timestamp,
    /// Valid until.
    #[n(4)]
    pub not_after: Timestamp,
    /// Rises with every certificate of this root; never reused.
    #[n(5)]
    pub serial: u64,
    /// Of a further device, which goes by [`alias_id`]: the serial of its first certificate. It stays when that is renewed,
    /// and of two such devices the lower one stands. Absent for the first device.
    #[n(6)]
    pub alias: Option<u64>,
}

/// A device certificate with the root key that signed it, as it travels.
#[derive(Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct Chain {
    /// The root public key.
    #[n(0)]
    pub root: PublicKeyBytes,
    /// A [`DeviceCertBody`] in its encoding.
    #[cbor(n(1), with = "minicbor::bytes")]
    pub cert: Vec<u8>,
    /// The root key's signature over `cert`; its context is the Peer ID.
    #[n(2)]
    pub signature: SignatureBytes,
}

/// A device whose certificate was verified.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Device {
    /// The Peer ID by which the device goes: the person's, or an alias.
    pub peer: PeerId,
    /// Whose device: the Peer ID of the root key.
    pub person: PeerId,
    /// The root public key.
    pub root: PublicKeyBytes,
    /// The device.
    pub device: DeviceId,
    /// Its checked Ed25519 key.
    pub signing: VerifyingKey,
    /// Its checked X25519 key.
    pub dh: DhPublic,
    /// The certificate's serial.
    pub serial: u64,
    /// Of a further device, the serial of its first certificate.
    pub rank: Option<u64>,
    /// Valid until.
    pub not_after: Timestamp,
}

/// Why a chain is not believed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ChainError {
    /// The certificate cannot be read.
    Malformed,
    /// A key that must not be used.
    WeakKey,
    /// Not signed by the root key.
    BadSignature,
    /// The device id is not the one of these keys.
    WrongId,
    /// No longer valid.
    Expired,
    /// Not valid yet: made by a clock that is ahead of ours, by more than is granted.
    NotYet,
}

impl From<CodecError> for ChainError {
    fn from(_: CodecError) -> Self {
        Self::Malformed
    }
}

/// For so long after its end a certificate still lets what a known device sends be read. It adds
/// nobody, offers nothing and publishes nothing.
pub const KNOWN_LONGER: u64 = 400 * DAY;

/// Longest encoded device certificate, in bytes.
pub const CERT_MAX: usize = 256;

impl Chain {
    /// Certifies a device.
    fn sign(root: &SigningKey, body: &DeviceCertBody) -> Self {
        let cert = codec::encode(body);
        let signature = root.sign(SIGN_DEVICE, &device_context(&peer_id(&root.public())), &cert);
        Self { root: root.public(), cert, signature }
    }

    /// What the certificate says, unchecked; none when it is no certificate.
    pub fn body(&self) -> Option<DeviceCertBody> {
        codec::decode(&self.cert, CERT_MAX).ok()
    }

    /// Verifies the root key's signature, the keys and the validity at `now` (clock skew granted).
    pub fn verify(&self, now: Timestamp) -> Result<Device, ChainError> {
        let (device, not_before) = self.verify_keys()?;
        if not_before.is_future_at(now) {
            return Err(ChainError::NotYet);
        }
        if device.not_after.is_expired_at(now) {
            return Err(ChainError::Expired);
        }
        Ok(device)
    }

    /// The same for somebody who is known already: what they sent is read for [`KNOWN_LONGER`]
    /// after the certificate has expired, by sure time, and also by a clock that is behind.
    pub fn verify_known(&self, sure: Timestamp) -> Result<Device, ChainError> {
        let (device, _) = self.verify_keys()?;
        if device.not_after.after(KNOWN_LONGER).is_expired_at(sure) { Err(ChainError::Expired) } else { Ok(device) }
    }

    /// Whether nothing is wrong but the time.
    pub fn is_untimely(&self, now: Timestamp) -> bool {
        matches!(self.verify(now), Err(ChainError::Expired | ChainError::NotYet))
    }

    fn verify_keys(&self) -> Result<(Device, Timestamp), ChainError> {
        let root = VerifyingKey::parse(&self.root).map_err(|_| ChainError::WeakKey)?;
        let person = peer_id(&self.root);
        root.verify(SIGN_DEVICE, &device_context(&person), &self.cert, &self.signature).map_err(|_| ChainError::BadSignature)?;
        let body: DeviceCertBody = codec::decode(&self.cert, CERT_MAX)?;
        let signing = VerifyingKey::parse(&body.signing).map_err(|_| ChainError::WeakKey)?;
        let dh = DhPublic::parse(&body.dh).map_err(|_| ChainError::WeakKey)?;
        if body.device != device_id(&self.root, &body.signing, &body.dh) {
            return Err(ChainError::WrongId);
        }
        let peer = match body.alias {
            Some(first) if first <= body.serial => alias_id(&self.root, &body.device),
            None => person,
            // No certificate is older than the first one.
            Some(_) => return Err(ChainError::Malformed),
        };
        let (serial, rank, not_after) = (body.serial, body.alias, body.not_after);
        Ok((Device { peer, person, root: self.root, device: body.device, signing, dh, serial, rank, not_after }, body.not_before))
    }
}

impl core::fmt::Debug for Chain {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("Chain(..)")
    }
}

/// A root key, and the hash of the second one.
#[derive(Debug, Clone)]
pub struct Root {
    root: SigningKey,
    second_root: Digest,
}

impl Root {
    /// Whose it is.
    pub fn person(&self) -> PeerId {
        peer_id(&self.root.public())
    }

    /// What friends hold of the second root key.
    pub fn second_root(&self) -> Digest {
        self.second_root
    }

    /// The root key as a device keeps it, with the hash of the second one.
    pub fn kept(seed: &Secret, second_root: Digest) -> Self {
        Self { root: SigningKey::from_seed(seed.expose()), second_root }
    }
}

/// The private keys of this node: root key (on the first device) and device keys.
///
/// The root key comes from 32 bytes that a 24-word recovery phrase will show; a second
/// root key comes from the same bytes and is stored nowhere, only its hash.
#[derive(Debug, Clone)]
pub struct Identity {
    /// What the recovery phrase will show; none on a further device.
    pub entropy: Option<Secret>,
    /// Hash of the second root public key; friends hold it against a stolen root key.
    pub second_root: Digest,
    /// Root key; none on a further device.
    pub root: Option<SigningKey>,
    /// This device's signing key.
    pub signing: SigningKey,
    /// This device's X25519 key.
    pub dh: DhKey,
    /// This device's certificate.
    pub chain: Chain,
    /// This device.
    pub device: DeviceId,
}

impl Identity {
    /// Draws a new person with a first device, valid from `now` for `lifetime` milliseconds.
    pub fn generate<R: rand_core::CryptoRng + ?Sized>(rng: &mut R, now: Timestamp, lifetime: u64) -> Self {
        let entropy = Secret::random(rng);
        Self::certify(entropy, 1, rng, now, lifetime)
    }

    /// Draws a device's keys and certifies them under the root key of `entropy`.
    pub fn certify<R: rand_core::CryptoRng + ?Sized>(entropy: Secret, serial: u64, rng: &mut R, now: Timestamp, lifetime: u64) -> Self {
        let root = SigningKey::from_seed(derive(entropy.expose(), KEY_ROOT, &[]).expose());
        let second_root = second_root_hash(&second_root(&entropy).public());
        let signing = SigningKey::random(rng);
        let dh = DhKey::random(rng);
        let device = device_id(&root.public(), &signing.public(), &dh.public().bytes());
        let body = DeviceCertBody {
            device,
            signing: signing.public(),
            dh: dh.public().bytes(),
            not_before: now,
            not_after: now.after(lifetime),
            serial,
            alias: None,
        };
        let chain = Chain::sign(&root, &body);
        Self { entropy: Some(entropy), second_root, root: Some(root), signing, dh, chain, device }
    }

    /// The root key of a recovery phrase.
    pub fn root_of(entropy: &Secret) -> Root {
        let root = SigningKey::from_seed(derive(entropy.expose(), KEY_ROOT, &[]).expose());
        Root { root, second_root: second_root_hash(&second_root(entropy).public()) }
    }

    /// This device, with the keys that it has, is a further one of the person with this root key from now on, and holds that
    /// key as well: it certifies others.
    pub fn return_as_further(&mut self, root: &Root, serial: u64, not_before: Timestamp, not_after: Timestamp) {
        let (signing, dh) = (self.signing.public(), self.dh.public().bytes());
        let device = device_id(&root.root.public(), &signing, &dh);
        let body = DeviceCertBody { device, signing, dh, not_before, not_after, serial, alias: Some(serial) };
        self.chain = Chain::sign(&root.root, &body);
        (self.device, self.second_root) = (device, root.second_root);
        (self.entropy, self.root) = (None, Some(root.root.clone()));
    }

    /// This device holds the root key of its person from now on. False, and nothing changes, when it is another person's.
    pub fn hold(&mut self, root: &Root) -> bool {
        let is_ours = root.person() == self.person();
        if is_ours {
            self.root = Some(root.root.clone());
        }
        is_ours
    }

    /// Renews the device's certificate: the same keys, and so the same device, under a serial that was never used. False on
    /// a further device, which holds no root key.
    pub fn renew(&mut self, serial: u64, not_before: Timestamp, not_after: Timestamp) -> bool {
        let Some(root) = &self.root else { return false };
        let (signing, dh) = (self.signing.public(), self.dh.public().bytes());
        let alias = self.chain.body().and_then(|body| body.alias);
        let body = DeviceCertBody { device: self.device, signing, dh, not_before, not_after, serial, alias };
        self.chain = Chain::sign(root, &body);
        true
    }

    /// Certifies a further device by its keys, under a serial that was never used. None without the root key.
    pub fn certify_further(
        &self,
        keys: (PublicKeyBytes, PublicKeyBytes),
        serial: u64,
        not_before: Timestamp,
        not_after: Timestamp,
    ) -> Option<Chain> {
        self.certify_again((keys, serial), serial, not_before, not_after)
    }

    /// The same again for a device whose first certificate had another serial.
    pub fn certify_again(
        &self,
        ((signing, dh), first): ((PublicKeyBytes, PublicKeyBytes), u64),
        serial: u64,
        not_before: Timestamp,
        not_after: Timestamp,
    ) -> Option<Chain> {
        let root = self.root.as_ref()?;
        let device = device_id(&root.public(), &signing, &dh);
        Some(Chain::sign(root, &DeviceCertBody { device, signing, dh, not_before, not_after, serial, alias: Some(first) }))
    }

    /// Takes a certificate of another root for this device's keys: from now on it is a further device of that person, and
    /// what it was before is gone. False, and nothing changes, when the certificate is not that.
    pub fn become_further(&mut self, chain: &Chain, second_root: Digest, now: Timestamp) -> bool {
        let Ok(device) = chain.verify(now) else { return false };
        let is_ours = device.signing.bytes() == self.signing.public() && device.dh.bytes() == self.dh.public().bytes();
        if !is_ours || device.peer == device.person {
            return false;
        }
        (self.entropy, self.root) = (None, None);
        (self.second_root, self.chain, self.device) = (second_root, chain.clone(), device.device);
        true
    }

    /// The Peer ID by which this device goes: the person's, or an alias.
    pub fn peer(&self) -> PeerId {
        match self.chain.body().and_then(|body| body.alias) {
            Some(_) => alias_id(&self.chain.root, &self.device),
            None => self.person(),
        }
    }

    /// This person's Peer ID.
    pub fn person(&self) -> PeerId {
        peer_id(&self.chain.root)
    }

    /// Writes the private keys for storage inside the encrypted store.
    pub fn to_stored(&self) -> StoredIdentity {
        StoredIdentity {
            entropy: self.entropy.clone(),
            second_root: self.second_root,
            root: self.root.as_ref().map(SigningKey::seed),
            signing: self.signing.seed(),
            dh: *self.dh.expose(),
            chain: self.chain.clone(),
            device: self.device,
        }
    }

    /// Reads what [`Identity::to_stored`] wrote.
    pub fn from_stored(stored: &StoredIdentity) -> Self {
        Self {
            entropy: stored.entropy.clone(),
            second_root: stored.second_root,
            root: stored.root.as_ref().map(SigningKey::from_seed),
            signing: SigningKey::from_seed(&stored.signing),
            dh: DhKey::from_bytes(stored.dh),
            chain: stored.chain.clone(),
            device: stored.device,
        }
    }
}

/// [`Identity`] as it lies in the store.
#[derive(Clone, Encode, Decode, zeroize::Zeroize, zeroize::ZeroizeOnDrop)]
#[cbor(map)]
pub struct StoredIdentity {
    #[cbor(n(0), with = "minicbor::bytes")]
    root: Option<[u8; 32]>,
    #[cbor(n(1), with = "minicbor::bytes")]
    signing: [u8; 32],
    #[cbor(n(2), with = "minicbor::bytes")]
    dh: [u8; 32],
    #[n(3)]
    #[zeroize(skip)]
    chain: Chain,
    #[n(4)]
    #[zeroize(skip)]
    device: DeviceId,
    #[n(5)]
    entropy: Option<Secret>,
    #[n(6)]
    #[zeroize(skip)]
    second_root: Digest,
}

/// The second root key of a recovery phrase. It is used where the words were typed, and kept nowhere.
pub(crate) fn second_root(entropy: &Secret) -> SigningKey {
    SigningKey::from_seed(derive(entropy.expose(), KEY_SECOND_ROOT, &[]).expose())
}

/// What friends hold of a second root key.
pub(crate) fn second_root_hash(key: &PublicKeyBytes) -> Digest {
    hash(HASH_SECOND_ROOT, &[key.as_bytes()])
}

fn device_context(peer: &PeerId) -> Digest {
    hash(HASH_CONTEXT, &[peer.as_bytes()])
}

/// The context of a signature that one person's device makes for another person.
pub fn pair_context(speaker: &PeerId, hearer: &PeerId) -> Digest {
    hash(HASH_CONTEXT, &[speaker.as_bytes(), hearer.as_bytes()])
}

#[cfg(test)]
mod tests;
