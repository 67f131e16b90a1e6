//! An owner of a mailbox at a relay, without a node around it.
#![allow(dead_code, reason = "each of those that use it needs another part")]

use super::caller::{Caller, Line};
use rand_chacha::ChaCha20Rng;
use rand_core::{Rng, SeedableRng};
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::{SystemTime, UNIX_EPOCH};
use symbolon_presence::id::{Nonce, QueueId};
use symbolon_presence::kdf::Secret;
use symbolon_presence::sign::SigningKey;
use symbolon_presence::time::Timestamp;
use symbolon_relay::frame::Frame;
use symbolon_relay::link::RelayLink;
use symbolon_relay::session::{MailboxRecord, Session, Update};

/// The time by this machine's clock.
pub fn now() -> Timestamp {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Timestamp(u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
}

fn sixteen(rng: &mut ChaCha20Rng) -> [u8; 16] {
    let mut bytes = [0; 16];
    rng.fill_bytes(&mut bytes);
    bytes
}

/// A fresh owner's first record and a session, as frames. None when the link is no relay's.
pub fn frames(link: &RelayLink, seed: u64) -> Option<(Vec<u8>, Vec<u8>)> {
    let mut rng = ChaCha20Rng::seed_from_u64(seed);
    let key = SigningKey::random(&mut rng);
    let record = MailboxRecord {
        version: 1,
        direct: QueueId(sixteen(&mut rng)),
        contact: QueueId(sixteen(&mut rng)),
        queue_secret: Secret::random(&mut rng),
        revision: 1,
        put: Secret::random(&mut rng),
        revoked: Vec::new(),
        at: now(),
        claim: None,
        capability: SigningKey::random(&mut rng).public(),
    };
    let update = Update::seal(&key, link, &record, &mut rng)?;
    let session = Session::sign(&key, &link.mailbox(), Nonce(sixteen(&mut rng)), now());
    Some((Frame::Update(update).encode(), Frame::Session(session).encode()))
}

/// An owner who is connected.
#[derive(Debug)]
pub struct Owner {
    pub caller: Caller,
    pub line: Line,
}

impl Owner {
    /// Makes a mailbox at an open relay and opens a session.
    pub async fn connect(from: Option<Ipv4Addr>, to: SocketAddr, link: &RelayLink, seed: u64) -> io::Result<Self> {
        let caller = Caller::call(from, to).await?;
        let mut line = caller.open().await?;
        let (update, session) = frames(link, seed).ok_or_else(|| io::Error::other("no link"))?;
        line.send(&update).await?;
        line.frame().await?;
        line.send(&session).await?;
        line.frame().await?;
        Ok(Self { caller, line })
    }
}
