//! SFTP packets by hand (draft-ietf-secsh-filexfer-02): any request, whole or broken, and its answer as it came.

use std::time::Duration;

use bytes::{Buf, BufMut, Bytes, BytesMut};
use russh::{Channel, ChannelStream, client::Msg};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    time::timeout,
};

/// Requests, by the draft's numbers.
pub mod kind {
    pub const INIT: u8 = 1;
    pub const OPEN: u8 = 3;
    pub const CLOSE: u8 = 4;
    pub const READ: u8 = 5;
    pub const WRITE: u8 = 6;
    pub const LSTAT: u8 = 7;
    pub const FSTAT: u8 = 8;
    pub const SETSTAT: u8 = 9;
    pub const FSETSTAT: u8 = 10;
    pub const OPENDIR: u8 = 11;
    pub const READDIR: u8 = 12;
    pub const REMOVE: u8 = 13;
    pub const MKDIR: u8 = 14;
    pub const RMDIR: u8 = 15;
    pub const REALPATH: u8 = 16;
    pub const STAT: u8 = 17;
    pub const RENAME: u8 = 18;
    pub const READLINK: u8 = 19;
    pub const SYMLINK: u8 = 20;
    pub const EXTENDED: u8 = 200;
}

/// Flags of an open.
pub mod flag {
    pub const READ: u32 = 1;
    pub const WRITE: u32 = 2;
    pub const APPEND: u32 = 4;
    pub const CREATE: u32 = 8;
    pub const TRUNCATE: u32 = 16;
    pub const EXCLUDE: u32 = 32;
}

/// Codes of a status.
pub mod status {
    pub const OK: u32 = 0;
    pub const EOF: u32 = 1;
    pub const NO_SUCH_FILE: u32 = 2;
    pub const PERMISSION_DENIED: u32 = 3;
    pub const FAILURE: u32 = 4;
    pub const BAD_MESSAGE: u32 = 5;
    pub const OP_UNSUPPORTED: u32 = 8;
}

/// An attribute's presence, in the flags before the attributes.
const SIZE: u32 = 1;
const OWNERS: u32 = 2;
const PERMISSIONS: u32 = 4;
const TIMES: u32 = 8;

/// S3 answers within seconds, and with retries on a busy machine within a minute or two; a server that says nothing for longer hangs.
const ANSWER_TIME_MAX: Duration = Duration::from_mins(5);

/// A request's fields, one after the other.
#[derive(Clone, Default)]
pub struct Fields(BytesMut);

/// No fields yet.
pub fn fields() -> Fields {
    Fields::default()
}

impl Fields {
    #[must_use]
    pub fn string(mut self, bytes: impl AsRef<[u8]>) -> Self {
        let bytes = bytes.as_ref();
        self.0.put_u32(u32::try_from(bytes.len()).unwrap());
        self.0.put_slice(bytes);
        self
    }

    #[must_use]
    pub fn number(mut self, number: u32) -> Self {
        self.0.put_u32(number);
        self
    }

    #[must_use]
    pub fn long(mut self, number: u64) -> Self {
        self.0.put_u64(number);
        self
    }

    #[must_use]
    pub fn raw(mut self, bytes: &[u8]) -> Self {
        self.0.put_slice(bytes);
        self
    }

    /// Attributes that say nothing.
    #[must_use]
    pub fn no_attributes(self) -> Self {
        self.number(0)
    }

    #[must_use]
    pub fn size(self, size: u64) -> Self {
        self.number(SIZE).long(size)
    }

    /// Mode and times.
    #[must_use]
    pub fn mode_and_times(self, mode: u32, time: u32) -> Self {
        self.number(PERMISSIONS | TIMES).number(mode).number(time).number(time)
    }
}

/// What the server says about a file.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Attributes {
    pub size: Option<u64>,
    pub permissions: Option<u32>,
    pub modified: Option<u32>,
}

impl Attributes {
    pub fn is_folder(&self) -> bool {
        self.permissions.is_some_and(|mode| mode & 0o170_000 == 0o040_000)
    }

    fn read(body: &mut Bytes) -> Self {
        let present = body.get_u32();
        let mut attributes = Self::default();
        if present & SIZE != 0 {
            attributes.size = Some(body.get_u64());
        }
        if present & OWNERS != 0 {
            body.advance(8);
        }
        if present & PERMISSIONS != 0 {
            attributes.permissions = Some(body.get_u32());
        }
        if present & TIMES != 0 {
            body.advance(4);
            attributes.modified = Some(body.get_u32());
        }
        attributes
    }
}

/// An answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    Status(u32, String),
    Handle(Bytes),
    Data(Bytes),
    Names(Vec<(String, Attributes)>),
    Attributes(Attributes),
    Extended(Bytes),
    /// The server ended the channel.
    Ended,
}

impl Answer {
    /// The status' code; `None` when the answer is none.
    pub fn code(&self) -> Option<u32> {
        if let Self::Status(code, _) = self { Some(*code) } else { None }
    }

    /// The code of a refusal. Panics when something was granted, or when a person would be told nothing.
    pub fn refused(&self) -> u32 {
        match self {
            Self::Status(code, words) if *code != status::OK => {
                assert!(words.len() > 5, "code {code} comes without words");
                *code
            }
            granted => panic!("granted: {granted:?}"),
        }
    }

    #[track_caller]
    pub fn done(self) {
        assert!(matches!(self, Self::Status(status::OK, _)), "{self:?}");
    }

    #[track_caller]
    pub fn handle(self) -> Bytes {
        if let Self::Handle(handle) = self { handle } else { panic!("no handle: {self:?}") }
    }

    #[track_caller]
    pub fn data(self) -> Bytes {
        if let Self::Data(data) = self { data } else { panic!("no data: {self:?}") }
    }

    #[track_caller]
    pub fn attributes(self) -> Attributes {
        if let Self::Attributes(attributes) = self { attributes } else { panic!("no attributes: {self:?}") }
    }

    #[track_caller]
    pub fn names(self) -> Vec<(String, Attributes)> {
        if let Self::Names(names) = self { names } else { panic!("no names: {self:?}") }
    }

    fn read(kind: u8, mut body: Bytes) -> Self {
        match kind {
            101 => Self::Status(body.get_u32(), text(&mut body)),
            102 => Self::Handle(string(&mut body)),
            103 => Self::Data(string(&mut body)),
            104 => {
                let count = body.get_u32();
                let mut name = || {
                    let name = text(&mut body);
                    string(&mut body);
                    (name, Attributes::read(&mut body))
                };
                Self::Names((0..count).map(|_| name()).collect())
            }
            105 => Self::Attributes(Attributes::read(&mut body)),
            201 => Self::Extended(body),
            other => panic!("an answer of type {other}"),
        }
    }
}

fn string(body: &mut Bytes) -> Bytes {
    let length = body.get_u32() as usize;
    body.split_to(length)
}

fn text(body: &mut Bytes) -> String {
    String::from_utf8(string(body).to_vec()).unwrap()
}

/// One channel with the subsystem.
pub struct Sftp {
    stream: ChannelStream<Msg>,
    id: u32,
    /// What the server has told that it can beyond version 3.
    pub extensions: Vec<String>,
}

impl Sftp {
    /// Exchanges versions.
    pub async fn begin(channel: Channel<Msg>) -> Self {
        let mut sftp = Self { stream: channel.into_stream(), id: 0, extensions: Vec::new() };
        sftp.send_bytes(&packet(kind::INIT, &3_u32.to_be_bytes())).await;
        let (kind, mut body) = sftp.receive_packet().await.expect("a version");
        assert_eq!((kind, body.get_u32()), (2, 3), "this is not version 3");
        while body.has_remaining() {
            sftp.extensions.push(text(&mut body));
            string(&mut body);
        }
        sftp
    }

    /// Sends bytes as they are; the server may have gone.
    pub async fn send_bytes(&mut self, bytes: &[u8]) {
        let _ = self.stream.write_all(bytes).await;
        let _ = self.stream.flush().await;
    }

    /// Sends a request and does not wait for its answer; the id that the answer will have.
    pub async fn send(&mut self, kind: u8, fields: Fields) -> u32 {
        self.id += 1;
        let body = [&self.id.to_be_bytes(), fields.0.as_ref()].concat();
        self.send_bytes(&packet(kind, &body)).await;
        self.id
    }

    /// The next answer, and to which request.
    pub async fn receive(&mut self) -> (u32, Answer) {
        match self.receive_packet().await {
            Some((kind, mut body)) => (body.get_u32(), Answer::read(kind, body)),
            None => (0, Answer::Ended),
        }
    }

    async fn receive_packet(&mut self) -> Option<(u8, Bytes)> {
        let packet = async {
            let length = self.stream.read_u32().await.ok()?;
            let mut body = vec![0; length as usize];
            self.stream.read_exact(&mut body).await.ok()?;
            Some(Bytes::from(body))
        };
        let mut packet = timeout(ANSWER_TIME_MAX, packet).await.expect("the server answers")?;
        Some((packet.get_u8(), packet))
    }

    /// One request and its answer.
    pub async fn ask(&mut self, kind: u8, fields: Fields) -> Answer {
        let id = self.send(kind, fields).await;
        let (answered, answer) = self.receive().await;
        assert!(answered == id || answer == Answer::Ended, "an answer to another request");
        answer
    }

    /// A request with one string: a path or a handle.
    pub async fn ask_one(&mut self, kind: u8, string: impl AsRef<[u8]>) -> Answer {
        self.ask(kind, fields().string(string)).await
    }

    pub async fn open(&mut self, path: impl AsRef<[u8]>, flags: u32) -> Answer {
        self.ask(kind::OPEN, fields().string(path).number(flags).no_attributes()).await
    }

    pub async fn read(&mut self, handle: &[u8], offset: u64, length: u32) -> Answer {
        self.ask(kind::READ, fields().string(handle).long(offset).number(length)).await
    }

    pub async fn write(&mut self, handle: &[u8], offset: u64, bytes: &[u8]) -> Answer {
        self.ask(kind::WRITE, fields().string(handle).long(offset).string(bytes)).await
    }

    pub async fn close(&mut self, handle: &[u8]) -> Answer {
        self.ask_one(kind::CLOSE, handle).await
    }

    pub async fn stat(&mut self, path: impl AsRef<[u8]>) -> Answer {
        self.ask_one(kind::STAT, path).await
    }

    pub async fn rename(&mut self, from: impl AsRef<[u8]>, to: impl AsRef<[u8]>) -> Answer {
        self.ask(kind::RENAME, fields().string(from).string(to)).await
    }

    pub async fn extended(&mut self, name: &str, data: Fields) -> Answer {
        self.ask(kind::EXTENDED, fields().string(name).raw(&data.0)).await
    }

    /// Writes a whole file as simple clients do, in pieces of 32 KiB that each wait for their answer.
    pub async fn put(&mut self, path: &str, bytes: &[u8]) {
        let handle = self.open(path, flag::WRITE | flag::CREATE | flag::TRUNCATE).await.handle();
        self.write_all(&handle, 0, bytes).await;
        self.close(&handle).await.done();
    }

    /// Writes bytes at an offset, one piece after the other.
    pub async fn write_all(&mut self, handle: &[u8], mut offset: u64, bytes: &[u8]) {
        for piece in bytes.chunks(32 * 1024) {
            self.write(handle, offset, piece).await.done();
            offset += piece.len() as u64;
        }
    }

    /// Reads a whole file; the refusal when it has none.
    pub async fn get(&mut self, path: impl AsRef<[u8]>) -> Result<Vec<u8>, Answer> {
        let handle = match self.open(path, flag::READ).await {
            Answer::Handle(handle) => handle,
            refused => return Err(refused),
        };
        let mut bytes = Vec::new();
        loop {
            match self.read(&handle, bytes.len() as u64, 32 * 1024).await {
                Answer::Data(data) => bytes.extend(data),
                Answer::Status(status::EOF, _) => break,
                refused => return Err(refused),
            }
        }
        self.close(&handle).await.done();
        Ok(bytes)
    }

    /// All names of a folder, sorted.
    pub async fn list(&mut self, path: &str) -> Vec<(String, Attributes)> {
        let handle = self.ask_one(kind::OPENDIR, path).await.handle();
        let mut all = Vec::new();
        loop {
            match self.ask_one(kind::READDIR, &handle).await {
                Answer::Names(names) => all.extend(names),
                Answer::Status(status::EOF, _) => break,
                refused => panic!("{refused:?}"),
            }
        }
        self.close(&handle).await.done();
        all.sort_by(|one, other| one.0.cmp(&other.0));
        all
    }
}

/// A packet with its length.
pub fn packet(kind: u8, body: &[u8]) -> Vec<u8> {
    let length = u32::try_from(body.len() + 1).unwrap();
    [&length.to_be_bytes(), [kind].as_slice(), body].concat()
}
