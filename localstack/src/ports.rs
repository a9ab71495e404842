//! Loopback ports: the preferred one, or the next that is free.

use std::net::TcpListener;

use crate::error::{Error, Result};

/// How many ports beyond the preferred one are tried.
const TRIES: u16 = 90;

/// The ports that `dev` prefers. Other instances prefer ports further up, so that each usually keeps its own.
pub const PREFERRED: [(&str, u16); 8] = [
    ("localstack", 4566),
    ("postgres", 15432),
    ("postfix", 2525),
    ("sink", 2575),
    ("api", 8080),
    ("collect", 8180),
    ("console", 8280),
    ("gateway", 2222),
];

/// How far up an instance's ports are.
fn offset(instance: &str) -> u16 {
    match instance {
        "dev" => 0,
        "demo" => 1000,
        "test" => 2000,
        _ => 3000,
    }
}

/// A free port for a part, and whether it is the preferred one.
pub fn choose(instance: &str, part: &str) -> Result<(u16, bool)> {
    let base = PREFERRED.iter().find(|(name, _)| *name == part).map_or(20000, |(_, port)| *port);
    let preferred = base + offset(instance);
    (preferred..preferred + TRIES).find(|port| free(*port)).map(|port| (port, port == preferred)).ok_or_else(
        || {
            Error::failed(
                format!("no free port for {part} between {preferred} and {}", preferred + TRIES),
                "See what listens there with `ss -ltnp`.",
            )
        },
    )
}

fn free(port: u16) -> bool {
    TcpListener::bind(("127.0.0.1", port)).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_taken_port_is_passed_over() {
        // Somebody else may take it first.
        let take = || {
            let (port, _) = choose("ports-test", "sink").unwrap();
            TcpListener::bind(("127.0.0.1", port)).ok().map(|taken| (port, taken))
        };
        let (first, taken) = (0..10).find_map(|_| take()).unwrap();
        let (second, preferred) = choose("ports-test", "sink").unwrap();
        assert!(second > first && !preferred);
        drop(taken);
    }
}
