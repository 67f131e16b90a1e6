//! Somebody at a hub who says what a test wants: plain libp2p, one question on each stream.

use super::stranger::Stranger;
use futures::{AsyncReadExt, AsyncWriteExt};
use libp2p::StreamProtocol;
use std::time::Duration;
use symbolon_relay::knock::{Answer, Ask};
use tokio::runtime::{Builder, Runtime};

const PROTOCOL: StreamProtocol = StreamProtocol::new("/symbolon/room/1");

pub(super) struct HubClient {
    stranger: Stranger,
    runtime: Runtime,
}

impl HubClient {
    /// Connects with a transport key of its own.
    pub(super) fn connect(address: &str) -> Self {
        let runtime = Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let stranger = runtime.block_on(Stranger::connect(address)).unwrap();
        Self { stranger, runtime }
    }

    /// Asks; nothing when there is no answer within this time.
    pub(super) fn ask(&mut self, ask: &Ask, limit: Duration) -> Option<Answer> {
        let (stranger, bytes) = (&mut self.stranger, ask.encode());
        self.runtime.block_on(async move {
            let asking = async move {
                let mut stream = stranger.open(PROTOCOL).await.unwrap();
                stream.write_all(&[length(bytes.len()), bytes].concat()).await.unwrap();
                stream.close().await.unwrap();
                let mut answer = Vec::new();
                stream.read_to_end(&mut answer).await.unwrap();
                let begins = answer.iter().position(|byte| byte & 0x80 == 0).unwrap() + 1;
                Answer::decode(&answer[begins..]).unwrap()
            };
            tokio::time::timeout(limit, asking).await.ok()
        })
    }
}

/// A varint.
fn length(mut of: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    while of >= 0x80 {
        bytes.push(u8::try_from(of & 0x7f).unwrap() | 0x80);
        of >>= 7;
    }
    bytes.push(u8::try_from(of).unwrap());
    bytes
}
