//! A name server of one test on a loopback port. What it says about a domain is told by the domain's first label.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::SocketAddr,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
};

use hickory_proto::{
    op::{Message, OpCode, ResponseCode},
    rr::{
        Name, RData, Record, RecordType,
        rdata::{A, AAAA, MX, SOA, TXT},
    },
};
use tokio::{net::UdpSocket, task::JoinHandle};

/// For how long its answers hold.
const TTL_SECONDS: u32 = 600;
/// The largest packet without EDNS is far smaller.
const PACKET_BYTES: usize = 4 << 10;

/// One string of a TXT record (RFC 1035, 3.3).
const STRING_BYTES_MAX: usize = 255;

/// First labels of domains, and what they are.
pub const KINDS: [&str; 10] =
    ["mx", "null-mx", "a-only", "aaaa-only", "nothing", "nxdomain", "servfail", "refused", "silent", "at"];

#[derive(Default)]
struct State {
    asked: Mutex<BTreeSet<(String, RecordType)>>,
    /// TXT records by their names.
    texts: Mutex<BTreeMap<String, Vec<String>>>,
    silent: AtomicBool,
}

/// A server that runs until it is dropped.
pub struct NameServer {
    pub address: SocketAddr,
    state: Arc<State>,
    serving: JoinHandle<()>,
}

impl NameServer {
    /// Answers each question at once. A first label begins with one of [`KINDS`], and may go on with `--` and anything; after `at` these are
    /// its IPv4 addresses, `at--192-0-2-1--192-0-2-2`.
    pub async fn start() -> Self {
        Self::gathering(0).await
    }

    /// Answers nothing until so many different questions are there; from then on each at once.
    pub async fn gathering(together: usize) -> Self {
        let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let address = socket.local_addr().unwrap();
        let state = Arc::<State>::default();
        let serving = tokio::spawn(serve(socket, Arc::clone(&state), together));
        Self { address, state, serving }
    }

    /// All TXT records of a name from now on, long ones as several strings; none takes them away. A name without any exists all the same.
    pub fn publish(&self, name: &str, texts: &[&str]) {
        let texts = texts.iter().map(|text| (*text).to_owned()).collect();
        self.state.texts.lock().unwrap().insert(name.to_owned(), texts);
    }

    /// Answers nothing any more.
    pub fn fall_silent(&self) {
        self.state.silent.store(true, Ordering::Relaxed);
    }

    /// Domains and kinds of records of all questions so far.
    pub fn asked(&self) -> BTreeSet<(String, RecordType)> {
        self.state.asked.lock().unwrap().clone()
    }

    /// How many domains' mail exchanges were asked for.
    pub fn asked_for_exchanges(&self) -> usize {
        self.asked().iter().filter(|(_, kind)| *kind == RecordType::MX).count()
    }
}

impl Drop for NameServer {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

async fn serve(socket: UdpSocket, state: Arc<State>, together: usize) {
    let mut waiting = Vec::new();
    let mut packet = vec![0; PACKET_BYTES];
    loop {
        let (length, client) = socket.recv_from(&mut packet).await.unwrap();
        let question = Message::from_vec(&packet[..length]).unwrap();
        let (name, kind) = (question.queries[0].name().clone(), question.queries[0].query_type());
        state.asked.lock().unwrap().insert((written(&name), kind));
        if state.silent.load(Ordering::Relaxed) {
            continue;
        }
        if let Some(answer) = answer(&question, &name, kind, &state) {
            waiting.push((answer.to_vec().unwrap(), client));
        }
        if state.asked.lock().unwrap().len() >= together {
            for (answer, client) in waiting.drain(..) {
                // A client that went away is none of ours.
                let _ = socket.send_to(&answer, client).await;
            }
        }
    }
}

/// Without the root's dot.
fn written(name: &Name) -> String {
    name.to_ascii().trim_end_matches('.').to_owned()
}

fn answer(question: &Message, name: &Name, kind: RecordType, state: &State) -> Option<Message> {
    let text = name.to_ascii();
    let label = text.split('.').next().unwrap();
    let (what, more) = label.split_once("--").unwrap_or((label, ""));
    let mut answer = Message::response(question.metadata.id, OpCode::Query);
    answer.metadata.recursion_desired = true;
    answer.metadata.recursion_available = true;
    answer.add_query(question.queries[0].clone());
    let host = || Name::from_ascii("host.example.").unwrap();
    let records = match (what, kind) {
        ("silent", _) => return None,
        ("servfail", _) => {
            answer.metadata.response_code = ResponseCode::ServFail;
            return Some(answer);
        }
        ("refused", _) => {
            answer.metadata.response_code = ResponseCode::Refused;
            return Some(answer);
        }
        (_, RecordType::TXT) => {
            let texts = state.texts.lock().unwrap();
            texts.get(&written(name)).into_iter().flatten().map(|text| strings(text)).collect()
        }
        ("mx", RecordType::MX) => vec![RData::MX(MX::new(10, host()))],
        ("null-mx", RecordType::MX) => vec![RData::MX(MX::new(0, Name::root()))],
        // A domain with a null MX may well have a web server.
        ("a-only" | "null-mx", RecordType::A) => vec![RData::A(A::new(192, 0, 2, 1))],
        ("aaaa-only", RecordType::AAAA) => vec![RData::AAAA(AAAA::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 1))],
        ("at", RecordType::A) => more.split("--").map(address).collect(),
        ("nxdomain", _) => {
            answer.metadata.response_code = ResponseCode::NXDomain;
            Vec::new()
        }
        (known, _) => {
            assert!(KINDS.contains(&known), "there is no kind of domain {known}");
            Vec::new()
        }
    };
    if records.is_empty() {
        let soa = SOA::new(host(), host(), 1, 3_600, 600, 86_400, TTL_SECONDS);
        answer.add_authority(Record::from_rdata(name.base_name(), TTL_SECONDS, RData::SOA(soa)));
    }
    for data in records {
        answer.add_answer(Record::from_rdata(name.clone(), TTL_SECONDS, data));
    }
    Some(answer)
}

fn strings(text: &str) -> RData {
    RData::TXT(TXT::from_bytes(text.as_bytes().chunks(STRING_BYTES_MAX).collect()))
}

/// `192-0-2-1`
fn address(text: &str) -> RData {
    RData::A(A(text.replace('-', ".").parse().unwrap()))
}
