//! The friendship secret F_r and the keys it yields.
//!
//! F_r is drawn again only when somebody is revoked; everything a friend may do hangs on
//! it, so one new secret takes everything back at once.

use crate::id::{MailboxId, PublicKeyBytes};
use crate::kdf::{Secret, derive, mac};
use crate::labels::{KEY_CAP, KEY_FEK, KEY_LAN, KEY_PUT, KEY_WAIK, MAC_LAN};
use crate::lan::LanPlaces;
use crate::sign::SigningKey;
use minicbor::{Decode, Encode};

/// F_r with its revision r.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct FriendshipSecret {
    /// Rises by one with each revocation.
    #[n(0)]
    pub revision: u64,
    /// 32 random bytes.
    #[n(1)]
    pub secret: Secret,
}

impl FriendshipSecret {
    /// Friendship encryption key: credentials and signature encryption keys in AddPackages.
    pub fn fek(&self) -> Secret {
        derive(self.secret.expose(), KEY_FEK, &[])
    }

    /// Welcome attribution key.
    pub fn waik(&self) -> Secret {
        derive(self.secret.expose(), KEY_WAIK, &[])
    }

    /// Key of the tag by which friends recognise each other on a LAN.
    pub fn lan(&self) -> Secret {
        derive(self.secret.expose(), KEY_LAN, &[])
    }

    /// The tag that a node of the owner shows on a LAN in one hour (hours since 1970): nobody
    /// but friends can tell it from chance, and it fits no other instance, transport key or list
    /// of places.
    pub fn lan_tag(&self, instance: &[u8; 8], hour: u32, transport: &PublicKeyBytes, places: &LanPlaces) -> [u8; 16] {
        mac(&self.lan(), MAC_LAN, &[instance, &hour.to_be_bytes(), transport.as_bytes(), places.as_bytes()])
    }

    /// Put key at one mailbox: the right to write to the owner's queues there.
    pub fn put(&self, mailbox: &MailboxId) -> Secret {
        derive(self.secret.expose(), KEY_PUT, &[mailbox.as_bytes()])
    }

    /// Capability at one mailbox: the friendship token; its public half lies at the mailbox.
    pub fn capability(&self, mailbox: &MailboxId) -> SigningKey {
        SigningKey::from_seed(derive(self.secret.expose(), KEY_CAP, &[mailbox.as_bytes()]).expose())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_lan_tag_fits_one_secret_instance_hour_transport_key_and_list_of_places() {
        let f = FriendshipSecret { revision: 0, secret: Secret::from_bytes([1; 32]) };
        let g = FriendshipSecret { revision: 1, secret: Secret::from_bytes([2; 32]) };
        let (k, l) = (PublicKeyBytes([3; 32]), PublicKeyBytes([4; 32]));
        let [here, there, port, more] =
            [&[1, 10, 9, 0, 1, 0, 9][..], &[1, 10, 9, 0, 2, 0, 9], &[1, 10, 9, 0, 1, 0, 8], &[1, 10, 9, 0, 1, 0, 9, 1, 10, 9, 0, 2, 0, 9]]
                .map(|list| LanPlaces::decode(list).unwrap());
        let tag = f.lan_tag(&[5; 8], 6, &k, &here);
        assert_eq!(tag, f.lan_tag(&[5; 8], 6, &k, &here));
        for other in [
            g.lan_tag(&[5; 8], 6, &k, &here),
            f.lan_tag(&[6; 8], 6, &k, &here),
            f.lan_tag(&[5; 8], 7, &k, &here),
            f.lan_tag(&[5; 8], 6, &l, &here),
            f.lan_tag(&[5; 8], 6, &k, &there),
            f.lan_tag(&[5; 8], 6, &k, &port),
            f.lan_tag(&[5; 8], 6, &k, &more),
        ] {
            assert_ne!(other, tag);
        }
    }

    #[test]
    fn every_key_differs_by_use_and_by_mailbox() {
        let f = FriendshipSecret { revision: 0, secret: Secret::from_bytes([1; 32]) };
        let (m, n) = (MailboxId([1; 32]), MailboxId([2; 32]));
        let keys = [
            f.fek(),
            f.waik(),
            f.lan(),
            f.put(&m),
            f.put(&n),
            Secret::from_bytes(f.capability(&m).seed()),
            Secret::from_bytes(f.capability(&n).seed()),
        ];
        for (i, a) in keys.iter().enumerate() {
            for (j, b) in keys.iter().enumerate() {
                assert_eq!(a == b, i == j);
            }
        }
    }
}
