//! SFTP version 3 (draft-ietf-secsh-filexfer-02, with OpenSSH's `posix-rename` and `limits`) over one SSH channel.
//!
//! The loop is our own: the library's goes on for ever with a stream that it has lost its place in.

mod attributes;
mod listing;
mod reading;
mod refusal;
mod session;
mod writing;

use bytes::{Buf, Bytes};
use russh_sftp::protocol::Packet;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

pub use session::Session;

use refusal::Refusal;

/// The largest packet that a client may send; the same as OpenSSH's.
const PACKET_BYTES_MAX: u32 = 256 * 1024;
/// Type and request id, which begin every packet but the first.
const HEADER_BYTES: usize = 5;

/// Serves one channel to its end, one request after the other; transfers that are still open then are given up.
pub async fn serve<S>(mut stream: S, mut session: Session)
where
    S: AsyncRead + AsyncWrite + Unpin + Send,
{
    while let Some(packet) = receive(&mut stream).await {
        let answer = session.answer(packet).await;
        let Ok(bytes) = Bytes::try_from(answer) else { break };
        if stream.write_all(&bytes).await.is_err() || stream.flush().await.is_err() {
            break;
        }
    }
    session.end().await;
}

/// A request, or the refusal of what was none with the id that it had. `None` at the end, and when the stream makes no sense any more.
async fn receive<S: AsyncRead + Unpin>(stream: &mut S) -> Option<Result<Packet, (u32, Refusal)>> {
    let length = stream.read_u32().await.ok()?;
    if length > PACKET_BYTES_MAX || (length as usize) < HEADER_BYTES {
        return None;
    }
    let mut bytes = vec![0; length as usize];
    stream.read_exact(&mut bytes).await.ok()?;
    let id = (&bytes[1..HEADER_BYTES]).get_u32();
    Some(Packet::try_from(&mut Bytes::from(bytes)).map_err(|_| (id, Refusal::BAD_MESSAGE)))
}
