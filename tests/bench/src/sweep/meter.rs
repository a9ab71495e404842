//! Between a function and Postgres: what passes is handed on, and what the function asks is counted.
//!
//! By the protocol's own messages (PostgreSQL, "Frontend/Backend Protocol"): each Execute is a statement, and each Query as many as it has; each Sync
//! and each Query is waited for, so it is a round trip. What a server counts itself would know no utility statement by its text, forget the
//! rarest of many thousands, and have to be installed.

use std::{
    collections::{BTreeMap, HashMap},
    net::SocketAddr,
    sync::{Arc, Mutex, PoisonError},
};

use serde::Serialize;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, BufReader, BufWriter, copy},
    net::{
        TcpListener, TcpStream,
        tcp::{OwnedReadHalf, OwnedWriteHalf},
    },
};

use crate::Result;

/// The code with which a client asks for TLS before it begins.
const SSL_REQUEST: u32 = 80_877_103;
/// No message of a function is longer; a length beyond this is none.
const MESSAGE_BYTES_MAX: usize = 64 * 1024 * 1024;

/// What was asked.
#[derive(Debug, Default, Clone, Serialize)]
pub struct Statements {
    /// By their text, with every number in it as 0.
    pub by_text: BTreeMap<String, u64>,
    /// How often the function waited for an answer. More than statements, where some had to be prepared.
    pub round_trips: u64,
}

impl Statements {
    /// All of them.
    pub fn count(&self) -> u64 {
        self.by_text.values().sum()
    }

    fn add(&mut self, text: &str) {
        let (mut plain, mut digits) = (String::with_capacity(text.len()), false);
        for word in text.split_whitespace() {
            if !plain.is_empty() {
                plain.push(' ');
            }
            for char in word.chars() {
                if !char.is_ascii_digit() {
                    plain.push(char);
                } else if !digits {
                    plain.push('0');
                }
                digits = char.is_ascii_digit();
            }
        }
        *self.by_text.entry(plain).or_default() += 1;
    }
}

/// A door to one server.
pub struct Meter {
    /// Where to connect instead.
    pub address: SocketAddr,
    statements: Arc<Mutex<Statements>>,
}

impl Meter {
    /// Listens on a loopback port until the process ends. `server` is a host and a port.
    pub async fn start(server: String) -> Result<Self> {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
        let address = listener.local_addr()?;
        let statements = Arc::<Mutex<Statements>>::default();
        let counted = statements.clone();
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let (server, counted) = (server.clone(), counted.clone());
                // A connection that breaks is the function's to notice.
                tokio::spawn(async move { pass(client, &server, &counted).await });
            }
        });
        Ok(Self { address, statements })
    }

    /// What was asked since the last time.
    pub fn take(&self) -> Statements {
        std::mem::take(&mut self.statements.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

async fn pass(client: TcpStream, server: &str, counted: &Mutex<Statements>) -> Result<()> {
    let server = TcpStream::connect(server).await?;
    client.set_nodelay(true)?;
    server.set_nodelay(true)?;
    let ((questions, mut answers), (mut from_server, to_server)) = (client.into_split(), server.into_split());
    let mut questions = BufReader::new(questions);
    let startup = startup(&mut questions, &mut answers).await?;
    let mut to_server = BufWriter::new(to_server);
    to_server.write_all(&startup).await?;
    to_server.flush().await?;
    let back = tokio::spawn(async move { copy(&mut from_server, &mut answers).await });
    let asked = ask(&mut questions, &mut to_server, counted).await;
    // Tells the server of the end; what it still says is handed on.
    drop(to_server);
    back.await??;
    asked
}

/// The first message has no letter. TLS is declined: what is sealed cannot be counted.
async fn startup(client: &mut BufReader<OwnedReadHalf>, answers: &mut OwnedWriteHalf) -> Result<Vec<u8>> {
    loop {
        let length = client.read_u32().await?;
        let mut message = length.to_be_bytes().to_vec();
        message.resize(checked(length)?, 0);
        client.read_exact(message.get_mut(4..).unwrap_or_default()).await?;
        if message.get(4..8) != Some(SSL_REQUEST.to_be_bytes().as_slice()) {
            return Ok(message);
        }
        answers.write_all(b"N").await?;
    }
}

async fn ask(
    client: &mut BufReader<OwnedReadHalf>,
    server: &mut BufWriter<OwnedWriteHalf>,
    counted: &Mutex<Statements>,
) -> Result<()> {
    // Texts by the names of prepared statements; these by the names of portals.
    let (mut prepared, mut bound) = (HashMap::<Vec<u8>, String>::new(), HashMap::<Vec<u8>, Vec<u8>>::new());
    let mut body = Vec::new();
    loop {
        let Ok(letter) = client.read_u8().await else { return Ok(server.flush().await?) };
        let length = client.read_u32().await?;
        body.resize(checked(length)? - 4, 0);
        client.read_exact(&mut body).await?;
        server.write_u8(letter).await?;
        server.write_u32(length).await?;
        server.write_all(&body).await?;
        let (first, second) = two_strings(&body);
        match letter {
            b'P' => {
                prepared.insert(first.to_vec(), String::from_utf8_lossy(second).into_owned());
            }
            b'B' => {
                bound.insert(first.to_vec(), second.to_vec());
            }
            b'E' | b'Q' | b'S' => {
                let mut counted = counted.lock().unwrap_or_else(PoisonError::into_inner);
                if letter == b'E' {
                    let text = bound.get(first).and_then(|statement| prepared.get(statement));
                    counted.add(text.map_or("unknown", String::as_str));
                } else {
                    counted.round_trips += 1;
                }
                if letter == b'Q' {
                    let text = String::from_utf8_lossy(first).into_owned();
                    let statements = text.split(';').filter(|statement| !statement.trim().is_empty());
                    statements.for_each(|statement| counted.add(statement));
                }
            }
            _ => {}
        }
        // What belongs together comes together.
        if client.buffer().is_empty() {
            server.flush().await?;
        }
    }
}

fn checked(length: u32) -> Result<usize> {
    let length = usize::try_from(length)?;
    if (4..=MESSAGE_BYTES_MAX).contains(&length) { Ok(length) } else { Err("no message of Postgres".into()) }
}

/// What stands before the first zero, and between it and the second.
fn two_strings(body: &[u8]) -> (&[u8], &[u8]) {
    let mut strings = body.splitn(3, |byte| *byte == 0);
    (strings.next().unwrap_or_default(), strings.next().unwrap_or_default())
}
