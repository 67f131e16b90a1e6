//! The messages of `/symbolon/lookup/1` on their streams.

use crate::net::frame::write_frame;
use crate::net::limits::{LOOKUP_QUESTION, LOOKUP_STREAMS};
use futures::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use libp2p::StreamProtocol;
use libp2p::request_response::{self, Codec, ProtocolSupport};
use std::io;
use symbolon_relay::lookup::{Answer, Ask, MESSAGE_MAX};

/// libp2p's questions and answers, with ours.
pub(in crate::net) type Asking = request_response::Behaviour<Messages>;

const PROTOCOL: StreamProtocol = StreamProtocol::new("/symbolon/lookup/1");

/// Reads and writes the messages: a varint with the length, as for frames, then the message.
#[derive(Debug, Clone, Default)]
pub(in crate::net) struct Messages;

/// Reads a message of at most so many bytes.
pub(in crate::net) async fn read_message<T: AsyncRead + Unpin + Send>(io: &mut T, max: usize) -> io::Result<Vec<u8>> {
    let mut length = 0usize;
    for at in 0..3 {
        let mut byte = [0; 1];
        io.read_exact(&mut byte).await?;
        let [byte] = byte;
        length |= usize::from(byte & 0x7f) << (7 * at);
        if byte & 0x80 == 0 {
            // One form for each length, as everywhere.
            let is_shortest = at == 0 || byte != 0;
            if length == 0 || length > max || !is_shortest {
                break;
            }
            let mut message = vec![0; length];
            io.read_exact(&mut message).await?;
            return Ok(message);
        }
    }
    Err(io::ErrorKind::InvalidData.into())
}

/// Writes a message.
pub(in crate::net) async fn write_message<T: AsyncWrite + Unpin + Send>(io: &mut T, message: &[u8]) -> io::Result<()> {
    let mut bytes = Vec::with_capacity(message.len() + 3);
    write_frame(message, &mut bytes);
    io.write_all(&bytes).await?;
    io.close().await
}

impl Codec for Messages {
    type Protocol = StreamProtocol;
    type Request = Ask;
    type Response = Answer;

    async fn read_request<T: AsyncRead + Unpin + Send>(&mut self, _: &StreamProtocol, io: &mut T) -> io::Result<Ask> {
        Ask::decode(&read_message(io, MESSAGE_MAX).await?).map_err(|_| io::ErrorKind::InvalidData.into())
    }

    async fn read_response<T: AsyncRead + Unpin + Send>(&mut self, _: &StreamProtocol, io: &mut T) -> io::Result<Answer> {
        Answer::decode(&read_message(io, MESSAGE_MAX).await?).map_err(|_| io::ErrorKind::InvalidData.into())
    }

    async fn write_request<T: AsyncWrite + Unpin + Send>(&mut self, _: &StreamProtocol, io: &mut T, ask: Ask) -> io::Result<()> {
        write_message(io, &ask.encode()).await
    }

    async fn write_response<T: AsyncWrite + Unpin + Send>(&mut self, _: &StreamProtocol, io: &mut T, answer: Answer) -> io::Result<()> {
        write_message(io, &answer.encode()).await
    }
}

/// The behaviour; only a server is asked.
pub(in crate::net) fn behaviour(is_server: bool) -> Asking {
    let support = if is_server { ProtocolSupport::Full } else { ProtocolSupport::Outbound };
    let config = request_response::Config::default().with_request_timeout(LOOKUP_QUESTION).with_max_concurrent_streams(LOOKUP_STREAMS);
    request_response::Behaviour::with_codec(Messages, [(PROTOCOL, support)], config)
}
