//! The messages of `/symbolon/room/1` on their streams: what is in them is read by those who are asked.

use crate::net::limits::{HUB_QUESTION, HUB_STREAMS};
use crate::net::lookup::messages::{read_message, write_message};
use futures::{AsyncRead, AsyncWrite};
use libp2p::StreamProtocol;
use libp2p::request_response::{self, Codec, ProtocolSupport};
use std::io;
use symbolon_relay::knock::MESSAGE_MAX;

/// libp2p's questions and answers, with ours.
pub(in crate::net) type Asking = request_response::Behaviour<Messages>;

const PROTOCOL: StreamProtocol = StreamProtocol::new("/symbolon/room/1");

/// Reads and writes the messages: a varint with the length, as for frames, then the message.
#[derive(Debug, Clone, Default)]
pub(in crate::net) struct Messages;

impl Codec for Messages {
    type Protocol = StreamProtocol;
    type Request = Vec<u8>;
    type Response = Vec<u8>;

    async fn read_request<T: AsyncRead + Unpin + Send>(&mut self, _: &StreamProtocol, io: &mut T) -> io::Result<Vec<u8>> {
        read_message(io, MESSAGE_MAX).await
    }

    async fn read_response<T: AsyncRead + Unpin + Send>(&mut self, _: &StreamProtocol, io: &mut T) -> io::Result<Vec<u8>> {
        read_message(io, MESSAGE_MAX).await
    }

    async fn write_request<T: AsyncWrite + Unpin + Send>(&mut self, _: &StreamProtocol, io: &mut T, ask: Vec<u8>) -> io::Result<()> {
        write_message(io, &ask).await
    }

    async fn write_response<T: AsyncWrite + Unpin + Send>(&mut self, _: &StreamProtocol, io: &mut T, answer: Vec<u8>) -> io::Result<()> {
        write_message(io, &answer).await
    }
}

/// The behaviour; only a hub is asked.
pub(in crate::net) fn behaviour(is_hub: bool) -> Asking {
    let support = if is_hub { ProtocolSupport::Full } else { ProtocolSupport::Outbound };
    let config = request_response::Config::default().with_request_timeout(HUB_QUESTION).with_max_concurrent_streams(HUB_STREAMS);
    request_response::Behaviour::with_codec(Messages, [(PROTOCOL, support)], config)
}
