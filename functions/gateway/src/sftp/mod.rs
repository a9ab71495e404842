//! SFTP version 3 (draft-ietf-secsh-filexfer-02, with OpenSSH's extensions) over one SSH channel.
//!
//! The loop is our own: the library's goes on for ever with a stream that it has lost its place in, and reads nothing while it writes.

mod attempt;
mod attributes;
mod copying;
mod extended;
mod extension;
mod handles;
mod level;
mod listing;
mod names;
mod packet;
mod reading;
pub(crate) mod refusal;
mod session;
mod text;
mod way;
mod window;
mod wire;
mod writing;

use bytes::{Buf, Bytes};
use russh_sftp::protocol::{Data, Packet};
use tokio::io::{AsyncRead, AsyncWrite};

pub use session::Session;

use refusal::Refusal;
use wire::{HEADER_BYTES, Wire};

/// Serves one channel to its end, or to the gateway's, one request after the other; transfers that are still open then are broken off. The
/// stream stays open for what has to be said at its end.
pub async fn serve<S: AsyncRead + AsyncWrite>(stream: S, mut session: Session) {
    let mut wire = Wire::new(stream);
    loop {
        let bytes = tokio::select! {
            biased;
            () = session.must_end() => break,
            bytes = wire.receive() => bytes,
        };
        let Some(bytes) = bytes else { break };
        let sent = match session.answer(parse(bytes)).await {
            Packet::Data(Data { id, data }) => wire.send_data(id, &data).await,
            answer => match Bytes::try_from(answer) {
                Ok(answer) => wire.send(&answer).await,
                Err(_) => break,
            },
        };
        if sent.is_err() {
            break;
        }
    }
    Box::pin(session.end()).await;
}

/// A request, or the refusal of what was none with the id that it had.
fn parse(mut bytes: Bytes) -> Result<Packet, (u32, Refusal)> {
    let id = (&bytes[1..HEADER_BYTES]).get_u32();
    Packet::try_from(&mut bytes).map_err(|_| (id, Refusal::BAD_MESSAGE))
}
