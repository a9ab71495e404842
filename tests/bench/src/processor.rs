//! What the two sides of a benchmark cost in processor time, which a crowded machine blurs less than it does the clock.

use std::{collections::BTreeMap, ops::Sub};

use localstack::Stack;
use serde::Serialize;
use sqlx::{Connection, PgConnection};

use crate::{Result, comparison::rounded};

/// Linux counts in hundredths of a second, whatever its timer does.
const TICKS_PER_SECOND: f64 = 100.0;

/// Processor seconds of one run.
#[derive(Debug, Default, Clone, Copy, Serialize)]
pub struct Seconds {
    /// The program's own code.
    pub user: f64,
    /// The kernel, on its behalf.
    pub system: f64,
    /// The same of Postgres, all its processes.
    pub server_user: f64,
    pub server_system: f64,
}

impl Seconds {
    /// Of all processes that ended below this one, and of the server so far.
    pub fn now(server: &Server) -> Result<Self> {
        let ended = stat("self")?.ended;
        let mut seconds = Self { user: ended.0, system: ended.1, ..Self::default() };
        for entry in std::fs::read_dir("/proc")? {
            let name = entry?.file_name();
            let Some(pid) = name.to_str().filter(|name| name.bytes().all(|byte| byte.is_ascii_digit()))
            else {
                continue;
            };
            // One that ended meanwhile is among its parent's.
            let Ok(process) = stat(pid) else { continue };
            if pid == server.postmaster {
                seconds.server_user += process.own.0 + process.ended.0;
                seconds.server_system += process.own.1 + process.ended.1;
            } else if process.parent == server.postmaster {
                seconds.server_user += process.own.0;
                seconds.server_system += process.own.1;
            }
        }
        Ok(seconds)
    }

    /// User and system, program and server.
    pub fn sum(&self) -> f64 {
        self.user + self.system + self.server_user + self.server_system
    }

    /// The run of these whose sum is the middle one.
    pub fn median(mut runs: Vec<Self>) -> Self {
        runs.sort_by(|a, b| a.sum().total_cmp(&b.sum()));
        runs.get(runs.len() / 2).copied().unwrap_or_default()
    }
}

impl Sub for Seconds {
    type Output = Self;

    fn sub(self, before: Self) -> Self {
        Self {
            user: rounded(self.user - before.user, 2),
            system: rounded(self.system - before.system, 2),
            server_user: rounded(self.server_user - before.server_user, 2),
            server_system: rounded(self.server_system - before.server_system, 2),
        }
    }
}

/// Of this process so far.
pub fn own_seconds() -> Result<f64> {
    seconds_of("self")
}

/// Of any process so far, by its number.
pub fn seconds_of(pid: &str) -> Result<f64> {
    let (user, system) = stat(pid)?.own;
    Ok(user + system)
}

/// The Postgres whose time is counted. It runs on this machine.
pub struct Server {
    postmaster: String,
}

impl Server {
    pub async fn of(stack: &Stack) -> Result<Self> {
        let mut connection = PgConnection::connect(&stack.superuser_database_url).await?;
        let backend: i32 = sqlx::query_scalar("SELECT pg_backend_pid()").fetch_one(&mut connection).await?;
        Ok(Self { postmaster: stat(&backend.to_string())?.parent })
    }
}

/// Processor seconds so far of all processes that live, by the name of their program; with those of their children that ended.
pub fn by_program() -> Result<BTreeMap<String, f64>> {
    let mut programs = BTreeMap::new();
    for entry in std::fs::read_dir("/proc")? {
        let name = entry?.file_name();
        let Some(pid) = name.to_str().filter(|name| name.bytes().all(|byte| byte.is_ascii_digit())) else {
            continue;
        };
        let (Ok(process), Ok(program)) = (stat(pid), std::fs::read_to_string(format!("/proc/{pid}/comm")))
        else {
            continue;
        };
        let seconds = process.own.0 + process.own.1 + process.ended.0 + process.ended.1;
        *programs.entry(program.trim_end().to_owned()).or_insert(0.0) += seconds;
    }
    Ok(programs)
}

/// Of one process: user and system time, its own and that of its children that ended.
struct Stat {
    parent: String,
    own: (f64, f64),
    ended: (f64, f64),
}

/// proc(5), `/proc/[pid]/stat`.
fn stat(pid: &str) -> Result<Stat> {
    let line = std::fs::read_to_string(format!("/proc/{pid}/stat"))?;
    // The second field is the name, in parentheses, and may hold anything.
    let (_, rest) = line.rsplit_once(')').ok_or("no process")?;
    let fields: Vec<&str> = rest.split_ascii_whitespace().collect();
    let seconds = |number: usize| -> Result<f64> {
        Ok(fields.get(number - 3).ok_or("no time")?.parse::<f64>()? / TICKS_PER_SECOND)
    };
    Ok(Stat {
        parent: (*fields.get(1).ok_or("no parent")?).to_owned(),
        own: (seconds(14)?, seconds(15)?),
        ended: (seconds(16)?, seconds(17)?),
    })
}

/// Both sides' time for the same work.
#[derive(Debug, Serialize)]
pub struct Costs {
    pub bench: &'static str,
    pub case: &'static str,
    pub ours: Seconds,
    pub peer: Seconds,
}

impl Costs {
    /// Prints a line for people or for programs.
    pub fn print(&self, json: bool) -> serde_json::Result<()> {
        if json {
            println!("{}", serde_json::to_string(self)?);
            return Ok(());
        }
        let words = |side: &Seconds| {
            let Seconds { user, system, server_user, server_system } = side;
            format!("{user:.2} + {system:.2}, PostgreSQL {server_user:.2} + {server_system:.2}")
        };
        let Self { bench, case, ours, peer } = self;
        println!(
            "{bench}, {case}, processor seconds (user + system): ours {}; peer {}",
            words(ours),
            words(peer)
        );
        Ok(())
    }
}
