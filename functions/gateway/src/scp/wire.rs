//! Bytes, lines and bodies over a channel's stream.

use std::{pin::Pin, time::Duration};

use bytes::{Bytes, BytesMut};
use tokio::{
    io::{self, AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    time::timeout,
};

use super::record::LINE_BYTES_MAX;

/// What one read takes in.
const CHUNK_BYTES: usize = 64 * 1024;
/// Without a byte of the other side for this long, a transfer ends: it holds a permit and memory that others could have.
const STALL_TIME_MAX: Duration = Duration::from_mins(5);

/// The other side has gone, has stalled, or makes no sense any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Gone;

/// What the other side says to a line or a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Response {
    /// Go on.
    Done,
    /// Not this one; go on with the next.
    Refused,
}

/// Ends when the gateway stops and has no more time for a transfer.
type Over = Pin<Box<dyn Future<Output = ()> + Send + Sync>>;

/// A stream with what was read ahead of it.
pub struct Wire<S> {
    stream: S,
    ahead: BytesMut,
    /// `None` once it has come.
    over: Option<Over>,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Wire<S> {
    pub fn new(stream: S, over: impl Future<Output = ()> + Send + Sync + 'static) -> Self {
        Self { stream, ahead: BytesMut::new(), over: Some(Box::pin(over)) }
    }

    /// Whether it was the gateway that had to end.
    pub fn is_over(&self) -> bool {
        self.over.is_none()
    }

    pub async fn send(&mut self, bytes: &[u8]) -> Result<(), Gone> {
        let Self { stream, over, .. } = self;
        in_time(over, async {
            stream.write_all(bytes).await?;
            stream.flush().await
        })
        .await
    }

    /// The next line without its line feed, `None` when the stream ends before it begins.
    pub async fn line(&mut self) -> Result<Option<Bytes>, Gone> {
        let mut searched = 0;
        loop {
            if let Some(at) = self.ahead[searched..].iter().position(|byte| *byte == b'\n') {
                let mut line = self.ahead.split_to(searched + at + 1);
                line.truncate(searched + at);
                return if line.len() > LINE_BYTES_MAX { Err(Gone) } else { Ok(Some(line.freeze())) };
            }
            searched = self.ahead.len();
            if searched > LINE_BYTES_MAX {
                return Err(Gone);
            }
            if !self.read_more().await? {
                return if self.ahead.is_empty() { Ok(None) } else { Err(Gone) };
            }
        }
    }

    /// The next bytes of a body: at least one, at most `bytes_max`, which is above 0.
    pub async fn body(&mut self, bytes_max: u64) -> Result<Bytes, Gone> {
        if self.ahead.is_empty() && !self.read_more().await? {
            return Err(Gone);
        }
        let length = usize::try_from(bytes_max).unwrap_or(usize::MAX).min(self.ahead.len());
        Ok(self.ahead.split_to(length).freeze())
    }

    /// What the other side says. Its words, if it has any, are its own user's.
    pub async fn response(&mut self) -> Result<Response, Gone> {
        let byte = self.body(1).await?;
        if byte.as_ref() == [0] {
            return Ok(Response::Done);
        }
        self.line().await?.ok_or(Gone)?;
        if byte.as_ref() == [1] { Ok(Response::Refused) } else { Err(Gone) }
    }

    async fn read_more(&mut self) -> Result<bool, Gone> {
        let Self { stream, ahead, over } = self;
        ahead.reserve(CHUNK_BYTES);
        Ok(in_time(over, stream.read_buf(ahead)).await? > 0)
    }
}

/// Waits for the other side as long as there is time.
async fn in_time<T>(over: &mut Option<Over>, work: impl Future<Output = io::Result<T>>) -> Result<T, Gone> {
    let end = over.as_mut().ok_or(Gone)?;
    tokio::select! {
        done = timeout(STALL_TIME_MAX, work) => done.map_err(|_| Gone)?.map_err(|_| Gone),
        () = end => {
            *over = None;
            Err(Gone)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn wire(bytes: &[u8]) -> Wire<tokio::io::DuplexStream> {
        let (mut client, server) = tokio::io::duplex(bytes.len() + 1);
        client.write_all(bytes).await.unwrap();
        Wire::new(server, std::future::pending())
    }

    #[tokio::test]
    async fn a_gateway_that_stops_ends_it() {
        let (_client, server) = tokio::io::duplex(1);
        let mut wire = Wire::new(server, std::future::ready(()));
        assert_eq!(wire.line().await, Err(Gone));
        assert!(wire.is_over());
        assert_eq!(wire.send(b"ab").await, Err(Gone));
    }

    #[tokio::test]
    async fn lines_bodies_and_responses_follow_each_other() {
        let mut wire = wire(b"C0644 3 x\nabc\0\x01no\n\x02end\n\nrest").await;
        assert_eq!(wire.line().await, Ok(Some(Bytes::from_static(b"C0644 3 x"))));
        assert_eq!(wire.body(2).await, Ok(Bytes::from_static(b"ab")));
        assert_eq!(wire.body(1).await, Ok(Bytes::from_static(b"c")));
        assert_eq!(wire.response().await, Ok(Response::Done));
        assert_eq!(wire.response().await, Ok(Response::Refused));
        assert_eq!(wire.response().await, Err(Gone));
        assert_eq!(wire.line().await, Ok(Some(Bytes::new())));
        assert_eq!(wire.body(100).await, Ok(Bytes::from_static(b"rest")));
        assert_eq!(wire.line().await, Ok(None));
        assert_eq!(wire.body(1).await, Err(Gone));
    }

    #[tokio::test]
    async fn a_line_has_an_end() {
        let longest = [vec![b'x'; LINE_BYTES_MAX], b"\n".to_vec()].concat();
        assert!(matches!(wire(&longest).await.line().await, Ok(Some(line)) if line.len() == LINE_BYTES_MAX));
        for bytes in [[b"x", longest.as_slice()].concat(), vec![b'x'; 5 * CHUNK_BYTES], b"x".to_vec()] {
            assert_eq!(wire(&bytes).await.line().await, Err(Gone));
        }
    }
}
