//! Hashes of passwords, on threads of their own.

use std::sync::{Arc, Mutex, PoisonError};

use access::password;
use tokio::sync::{mpsc, oneshot};

use crate::Error;

/// Hashes under way at once: each takes a core for some 30 ms, and a thread keeps its 19 MiB.
const THREADS: usize = 2;
/// Those that wait; more wait to wait.
const QUEUE_MAX: usize = 16;

/// The threads; they end when this is dropped.
pub struct Hashing(mpsc::Sender<Job>);

struct Job {
    password: String,
    /// Absent when there is no such account: then it takes as long.
    stored: Option<String>,
    matches: oneshot::Sender<bool>,
}

impl Hashing {
    pub fn new() -> Self {
        let (sender, jobs) = mpsc::channel(QUEUE_MAX);
        let jobs = Arc::new(Mutex::new(jobs));
        for _ in 0..THREADS {
            let jobs = Arc::clone(&jobs);
            std::thread::spawn(move || work(&jobs));
        }
        Self(sender)
    }

    /// Whether a password is the stored one.
    pub async fn verify(&self, password: String, stored: Option<String>) -> Result<bool, Error> {
        let (matches, answer) = oneshot::channel();
        self.0.send(Job { password, stored, matches }).await.map_err(|_| Error::Task)?;
        answer.await.map_err(|_| Error::Task)
    }
}

fn work(jobs: &Mutex<mpsc::Receiver<Job>>) {
    let next = || jobs.lock().unwrap_or_else(PoisonError::into_inner).blocking_recv();
    let mut verifier = password::Verifier::default();
    while let Some(job) = next() {
        // Whoever asked has gone: the client hung up.
        if job.matches.is_closed() {
            continue;
        }
        let matches = verifier.verify(&job.password, job.stored.as_deref());
        let _ = job.matches.send(matches);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn many_are_verified_at_once() {
        const CASES: [(&str, bool, bool); 3] = [
            ("correct horse battery", true, true),
            ("wrong horse battery", true, false),
            ("correct horse battery", false, false),
        ];
        let stored = password::hash("correct horse battery").unwrap();
        let hashing = Arc::new(Hashing::new());
        let tasks = CASES.iter().cycle().take(9).map(|(password, known, expected)| {
            let (hashing, stored) = (Arc::clone(&hashing), known.then(|| stored.clone()));
            tokio::spawn(async move {
                assert_eq!(hashing.verify((*password).to_owned(), stored).await.ok(), Some(*expected));
            })
        });
        for task in tasks.collect::<Vec<_>>() {
            task.await.unwrap();
        }
    }
}
