//! Certificates, aliases and stored identities.

use super::*;
use crate::time::MINUTE;
use rand_core::SeedableRng;

const NOW: Timestamp = Timestamp(1_800_000_000_000);

fn identity() -> Identity {
    Identity::generate(&mut rand_chacha::ChaCha20Rng::seed_from_u64(1), NOW, 30 * DAY)
}

#[test]
fn peer_id_is_sha256_of_the_root_key() {
    let me = identity();
    assert_eq!(me.peer().0, sha256(me.root.as_ref().unwrap().public().as_bytes()));
    assert_eq!(me.chain.verify(NOW).unwrap().peer, me.peer());
}

#[test]
fn a_chain_with_any_bit_changed_is_refused() {
    let chain = identity().chain;
    let bytes = codec::encode(&chain);
    for bit in 0..bytes.len() * 8 {
        let mut bad = bytes.clone();
        bad[bit / 8] ^= 1 << (bit % 8);
        let verified = codec::decode::<Chain>(&bad, 1024).ok().and_then(|c| c.verify(NOW).ok());
        // A changed root key is another person at best, and never one whose signature holds.
        assert_eq!(verified, None, "bit {bit}");
    }
}

#[test]
fn a_renewed_certificate_is_of_the_same_device_under_a_higher_serial_and_for_longer() {
    let mut me = identity();
    let before = me.chain.verify(NOW).unwrap();
    me.renew(9, NOW.after(DAY), NOW.after(60 * DAY));
    let after = me.chain.verify(NOW.after(40 * DAY)).unwrap();
    assert_eq!((after.peer, after.device, &after.signing, after.dh), (before.peer, before.device, &before.signing, before.dh));
    assert_eq!((after.serial, me.device), (9, before.device));
    assert_eq!(me.chain.verify(NOW), Err(ChainError::NotYet));
    assert_eq!(Identity::from_stored(&me.to_stored()).chain, me.chain);
}

#[test]
fn a_certificate_of_another_root_is_refused() {
    let mut chain = identity().chain;
    chain.root = Identity::generate(&mut rand_chacha::ChaCha20Rng::seed_from_u64(2), NOW, DAY).chain.root;
    assert_eq!(chain.verify(NOW), Err(ChainError::BadSignature));
}

#[test]
fn a_certificate_holds_in_its_time_only_with_ten_minutes_of_skew() {
    let chain = identity().chain;
    let end = NOW.after(30 * DAY);
    assert!(chain.verify(Timestamp(NOW.0 - 10 * MINUTE)).is_ok());
    assert_eq!(chain.verify(Timestamp(NOW.0 - 11 * MINUTE)), Err(ChainError::NotYet));
    assert!(chain.verify(end.after(10 * MINUTE)).is_ok());
    assert_eq!(chain.verify(end.after(11 * MINUTE)), Err(ChainError::Expired));
}

#[test]
fn a_known_device_is_read_for_400_days_longer_by_sure_time_and_by_a_clock_that_is_behind() {
    let chain = identity().chain;
    let end = NOW.after(30 * DAY);
    for sure in [Timestamp(0), NOW, end, end.after(KNOWN_LONGER)] {
        assert!(chain.verify_known(sure).is_ok());
    }
    assert_eq!(chain.verify_known(end.after(KNOWN_LONGER + DAY)), Err(ChainError::Expired));
    assert!(chain.is_untimely(end.after(DAY)) && chain.is_untimely(Timestamp(0)) && !chain.is_untimely(NOW));
}

#[test]
fn a17_a_certificate_over_a_zero_x25519_key_is_refused() {
    let me = identity();
    let mut body: DeviceCertBody = codec::decode(&me.chain.cert, CERT_MAX).unwrap();
    body.dh = PublicKeyBytes([0; 32]);
    let cert = codec::encode(&body);
    let signature = me.root.as_ref().unwrap().sign(SIGN_DEVICE, &device_context(&me.peer()), &cert);
    assert_eq!(Chain { root: me.chain.root, cert, signature }.verify(NOW), Err(ChainError::WeakKey));
}

#[test]
fn a_certificate_under_the_id_of_another_device_is_refused() {
    let me = identity();
    let mut body: DeviceCertBody = codec::decode(&me.chain.cert, CERT_MAX).unwrap();
    body.device = DeviceId([7; 16]);
    let cert = codec::encode(&body);
    let signature = me.root.as_ref().unwrap().sign(SIGN_DEVICE, &device_context(&me.peer()), &cert);
    assert_eq!(Chain { root: me.chain.root, cert, signature }.verify(NOW), Err(ChainError::WrongId));
}

#[test]
fn a_further_device_goes_by_an_alias_under_the_same_person_and_certifies_nobody() {
    let (me, mut other) = (identity(), Identity::generate(&mut rand_chacha::ChaCha20Rng::seed_from_u64(3), NOW, 30 * DAY));
    let keys = (other.signing.public(), other.dh.public().bytes());
    let chain = me.certify_further(keys, 7, NOW, NOW.after(DAY)).unwrap();
    let device = chain.verify(NOW).unwrap();
    assert_eq!((device.person, device.serial), (me.peer(), 7));
    assert_ne!(device.peer, me.peer());
    assert_eq!(device.peer, alias_id(&me.chain.root, &device.device));

    let before = other.peer();
    let mine = me.certify_further((me.signing.public(), me.dh.public().bytes()), 8, NOW, NOW.after(DAY)).unwrap();
    for wrong in [&mine, &me.chain, &other.chain.clone()] {
        assert!(!other.become_further(wrong, me.second_root, NOW), "of other keys, or of a first device");
    }
    assert!(!other.become_further(&chain, me.second_root, NOW.after(2 * DAY)), "too late");
    assert_eq!(other.peer(), before);
    assert!(other.become_further(&chain, me.second_root, NOW));
    let mut again = Identity::from_stored(&codec::decode(&codec::encode(&other.to_stored()), 1024).unwrap());
    assert_eq!((again.peer(), again.person(), again.device), (device.peer, me.peer(), device.device));
    assert!(again.entropy.is_none() && again.root.is_none());
    assert!(!again.renew(9, NOW, NOW.after(DAY)) && again.certify_further(keys, 9, NOW, NOW.after(DAY)).is_none());
}

#[test]
fn a_further_device_keeps_its_rank_when_its_certificate_is_renewed_and_none_is_older_than_its_first_one() {
    let (me, other) = (identity(), Identity::generate(&mut rand_chacha::ChaCha20Rng::seed_from_u64(4), NOW, DAY));
    let keys = (other.signing.public(), other.dh.public().bytes());
    let first = me.certify_further(keys, 5, NOW, NOW.after(DAY)).unwrap().verify(NOW).unwrap();
    let again = me.certify_again((keys, 5), 40, NOW, NOW.after(DAY)).unwrap().verify(NOW).unwrap();
    assert_eq!((first.rank, first.serial, again.rank, again.serial), (Some(5), 5, Some(5), 40));
    assert_eq!((first.peer, first.device), (again.peer, again.device));
    assert_eq!(me.certify_again((keys, 6), 5, NOW, NOW.after(DAY)).unwrap().verify(NOW), Err(ChainError::Malformed));
}

#[test]
fn stored_keys_read_back() {
    let me = identity();
    let bytes = codec::encode(&me.to_stored());
    let again = Identity::from_stored(&codec::decode(&bytes, 1024).unwrap());
    assert_eq!(again.chain, me.chain);
    assert_eq!(again.signing.seed(), me.signing.seed());
    assert_eq!(again.dh.expose(), me.dh.expose());
}
