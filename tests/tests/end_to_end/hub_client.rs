//! Somebody at a hub who says what a test wants: plain libp2p, one question on each stream.

use super::stranger::Stranger;
use futures::{AsyncReadExt, AsyncWriteExt};
use libp2p::StreamProtocol;
use std::time::Duration;
use symbolon_relay::knock::{Answer, Ask};
use symbolon_relay::lookup;
use tokio::runtime::{Builder, Runtime};

const PROTOCOL: StreamProtocol = StreamProtocol::new("/symbolon/room/1");
const LOOKUP: StreamProtocol = StreamProtocol::new("/symbolon/lookup/1");

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
        self.send(PROTOCOL, ask.encode(), limit).map(|answer| Answer::decode(&answer).unwrap())
    }

    /// The same of who keeps records, which hubs do, too.
    pub(super) fn look(&mut self, ask: &lookup::Ask, limit: Duration) -> Option<lookup::Answer> {
        self.send(LOOKUP, ask.encode(), limit).map(|answer| lookup::Answer::decode(&answer).unwrap())
    }

    fn send(&mut self, protocol: StreamProtocol, bytes: Vec<u8>, limit: Duration) -> Option<Vec<u8>> {
        let stranger = &mut self.stranger;
        self.runtime.block_on(async move {
            let asking = async move {
                let mut stream = stranger.open(protocol).await.unwrap();
                stream.write_all(&[length(bytes.len()), bytes].concat()).await.unwrap();
                stream.close().await.unwrap();
                let mut answer = Vec::new();
                stream.read_to_end(&mut answer).await.unwrap();
                let begins = answer.iter().position(|byte| byte & 0x80 == 0).unwrap() + 1;
                answer.split_off(begins)
            };
            tokio::time::timeout(limit, asking).await.ok()
        })
    }
}

/// A varint.
pub(super) fn length(mut of: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    while of >= 0x80 {
        bytes.push(u8::try_from(of & 0x7f).unwrap() | 0x80);
        of >>= 7;
    }
    bytes.push(u8::try_from(of).unwrap());
    bytes
}
