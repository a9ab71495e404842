//! Packets over a channel's stream.

use std::time::Duration;

use bytes::{Buf, BufMut, Bytes, BytesMut};
use tokio::{
    io::{self, AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadHalf, WriteHalf},
    time::timeout,
};

/// The largest packet that a client may send; the same as OpenSSH's.
pub const PACKET_BYTES_MAX: u32 = 256 * 1024;
/// Type and request id, which begin every packet.
pub const HEADER_BYTES: usize = 5;
const LENGTH_BYTES: usize = 4;
/// `SSH_FXP_DATA`
const DATA: u8 = 103;

/// What is taken in while an answer waits for the client. Only the content of files fills a client's window, so these are requests to read:
/// thirty thousand of them, where clients have some thousands under way at most. Who goes on sending and reads nothing holds no more.
const AHEAD_BYTES_MAX: usize = 4 * PACKET_BYTES_MAX as usize;
/// Room for what the channel gives at once, so that it is not taken in by crumbs.
const ROOM_BYTES: usize = 32 * 1024;
/// What a session keeps of its buffer while nothing waits in it: two of the largest packets.
const KEPT_BYTES_MAX: usize = 2 * PACKET_BYTES_MAX as usize;
/// How long one answer may take: the largest at 1 kB/s. Whoever is slower holds a transfer that others could have.
const SEND_TIME_MAX: Duration = Duration::from_mins(5);

/// One side reads and writes; what it has read ahead waits here.
pub struct Wire<S> {
    read: ReadHalf<S>,
    write: WriteHalf<S>,
    ahead: BytesMut,
    ended: bool,
    /// The last answer with a file's content: its memory serves the next one.
    data: Vec<u8>,
}

impl<S: AsyncRead + AsyncWrite> Wire<S> {
    pub fn new(stream: S) -> Self {
        let (read, write) = io::split(stream);
        Self { read, write, ahead: BytesMut::new(), ended: false, data: Vec::new() }
    }

    /// The next packet without its length; `None` at the end, and when the stream makes no sense any more.
    pub async fn receive(&mut self) -> Option<Bytes> {
        loop {
            if let Some(length) = self.ahead.first_chunk().map(|bytes| u32::from_be_bytes(*bytes)) {
                if length > PACKET_BYTES_MAX || (length as usize) < HEADER_BYTES {
                    return None;
                }
                if self.ahead.len() >= LENGTH_BYTES + length as usize {
                    self.ahead.advance(LENGTH_BYTES);
                    return Some(self.ahead.split_to(length as usize).freeze());
                }
                // Room for all of it at once: a buffer that grows as it fills copies what it holds each time.
                self.ahead.reserve(LENGTH_BYTES + length as usize - self.ahead.len());
            }
            if self.ended || !self.read_more().await {
                return None;
            }
        }
    }

    /// Sends an answer. The client may be sending requests, and read answers only after that: they are taken in meanwhile, or both
    /// sides would wait for each other.
    pub async fn send(&mut self, answer: &[u8]) -> io::Result<()> {
        self.data = Vec::new();
        self.send_packet(answer).await
    }

    /// Sends a piece of a file. The library would take fresh memory for each.
    pub async fn send_data(&mut self, id: u32, bytes: &[u8]) -> io::Result<()> {
        let length =
            |bytes: usize| u32::try_from(bytes).map_err(|_| io::Error::from(io::ErrorKind::InvalidInput));
        let mut packet = std::mem::take(&mut self.data);
        packet.clear();
        packet.reserve(LENGTH_BYTES + HEADER_BYTES + LENGTH_BYTES + bytes.len());
        packet.put_u32(length(HEADER_BYTES + LENGTH_BYTES + bytes.len())?);
        packet.put_u8(DATA);
        packet.put_u32(id);
        packet.put_u32(length(bytes.len())?);
        packet.put_slice(bytes);
        let sent = self.send_packet(&packet).await;
        self.data = packet;
        sent
    }

    async fn send_packet(&mut self, answer: &[u8]) -> io::Result<()> {
        let Self { read, write, ahead, ended, .. } = self;
        let sending = async {
            write.write_all(answer).await?;
            write.flush().await
        };
        let both = async {
            tokio::pin!(sending);
            loop {
                make_room(ahead);
                tokio::select! {
                    biased;
                    sent = &mut sending => return sent,
                    more = read.read_buf(ahead), if !*ended && ahead.len() < AHEAD_BYTES_MAX => {
                        *ended = !matches!(more, Ok(1..));
                    }
                }
            }
        };
        timeout(SEND_TIME_MAX, both).await.map_err(|_| io::Error::from(io::ErrorKind::TimedOut))?
    }

    async fn read_more(&mut self) -> bool {
        if self.ahead.is_empty() && self.ahead.capacity() > KEPT_BYTES_MAX {
            self.ahead = BytesMut::new();
        }
        make_room(&mut self.ahead);
        self.ended = !matches!(self.read.read_buf(&mut self.ahead).await, Ok(1..));
        !self.ended
    }
}

fn make_room(ahead: &mut BytesMut) {
    if ahead.capacity() - ahead.len() < ROOM_BYTES {
        ahead.reserve(ROOM_BYTES);
    }
}

#[cfg(test)]
mod tests {
    use std::pin::pin;

    use futures_util::FutureExt;
    use russh_sftp::protocol::{Data, Packet};

    use super::*;

    fn packet(body: &[u8]) -> Vec<u8> {
        let mut packet = u32::try_from(body.len()).unwrap().to_be_bytes().to_vec();
        packet.extend_from_slice(body);
        packet
    }

    #[tokio::test]
    async fn a_client_that_sends_before_it_reads_is_served() {
        const REQUESTS: usize = 1000;
        // Both directions hold far less than what is under way.
        let (mut client, server) = io::duplex(1024);
        let server = tokio::spawn(async move {
            let mut wire = Wire::new(server);
            while let Some(request) = wire.receive().await {
                assert_eq!(request.len(), 25);
                wire.send(&[7; 5000]).await.unwrap();
            }
        });
        for _ in 0..REQUESTS {
            client.write_all(&packet(&[1; 25])).await.unwrap();
        }
        let mut answers = vec![0; REQUESTS * 5000];
        client.read_exact(&mut answers).await.unwrap();
        drop(client);
        server.await.unwrap();
    }

    #[tokio::test]
    async fn a_client_that_sends_and_never_reads_is_held_up() {
        const PIPE_BYTES: usize = 1024;
        let (mut client, server) = io::duplex(PIPE_BYTES);
        let mut wire = Wire::new(server);
        let (mut taken, answer) = (0, [7; 5000]);
        {
            // Never ends, because the client does not read.
            let mut sending = pin!(wire.send(&answer));
            let mut held_up = false;
            while !held_up {
                // The runtime lets nobody do everything at once.
                tokio::task::yield_now().await;
                assert!(sending.as_mut().now_or_never().is_none());
                let sent = client.write(&[1; PIPE_BYTES]).now_or_never();
                held_up = sent.is_none();
                taken += sent.map_or(0, Result::unwrap);
                assert!(taken <= AHEAD_BYTES_MAX + ROOM_BYTES + PIPE_BYTES, "{taken}");
            }
        }
        assert!(taken >= AHEAD_BYTES_MAX && wire.ahead.len() < AHEAD_BYTES_MAX + ROOM_BYTES);
    }

    #[tokio::test]
    async fn data_goes_out_as_the_library_would_write_it() {
        for bytes in [Vec::new(), b"abc".to_vec(), vec![7; 300_000]] {
            let (mut client, server) = io::duplex(1024);
            let data = Data { id: 5, data: bytes.clone() };
            let expected = Bytes::try_from(Packet::from(data)).unwrap();
            let mut got = vec![0; expected.len()];
            let mut wire = Wire::new(server);
            let (sent, read) = tokio::join!(wire.send_data(5, &bytes), client.read_exact(&mut got));
            sent.unwrap();
            read.unwrap();
            assert!(got == expected);
        }
    }

    #[tokio::test]
    async fn packets_come_whole_and_nonsense_ends_the_stream() {
        for (bytes, count) in [
            ([packet(b"12345"), packet(b"123456")].concat(), 2),
            (packet(b"12345")[..8].to_vec(), 0),
            ([packet(b"12345"), packet(b"1234")].concat(), 1),
            ([packet(b"12345"), u32::MAX.to_be_bytes().to_vec()].concat(), 1),
            (Vec::new(), 0),
        ] {
            let (mut client, server) = io::duplex(1024);
            client.write_all(&bytes).await.unwrap();
            drop(client);
            let mut wire = Wire::new(server);
            let mut received = 0;
            while wire.receive().await.is_some() {
                received += 1;
            }
            assert_eq!(received, count);
        }
    }
}
