//! One import's questions about domains: each domain once, many at the same time, and only as long as there are answers.

use std::{
    collections::HashMap,
    rc::Rc,
    sync::Arc,
    time::{Duration, Instant},
};

use tokio::{runtime::Handle, task::JoinSet, time::timeout};

use super::resolver::{Answer, Resolver};
use crate::reading::gate::{Domains, Question, Verdict};

/// Domains that are asked about at the same time. A name server near by answers thousands of questions a second.
const UNDER_WAY_MAX: usize = 64;

/// When an import no longer waits for name servers.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// So many domains one after another without an answer: the name servers are down.
    pub failures_max: u32,
    /// The import stood still for so long in all.
    pub waited_max: Duration,
}

impl Limits {
    /// More domains than one owner with bad servers usually has next to each other in a file. When nobody answers at all, it is two rounds
    /// of timeouts.
    const FAILURES_MAX: u32 = 128;
    /// Of the time that an import has; the rest is for its rows.
    const WAITED_PART: u32 = 3;

    /// For an import that has so much time.
    pub fn within(time: Duration) -> Self {
        Self { failures_max: Self::FAILURES_MAX, waited_max: time / Self::WAITED_PART }
    }
}

/// The questions of one import. Belongs to the thread that reads, which is not one of the runtime's own.
pub struct Lookups {
    resolver: Arc<Resolver>,
    runtime: Handle,
    limits: Limits,
    under_way: JoinSet<(Box<str>, Answer)>,
    waiting: HashMap<Box<str>, Question>,
    asked: u64,
    failures: u32,
    waited: Duration,
    stopped: bool,
}

impl Lookups {
    /// None is asked yet.
    pub fn new(resolver: Arc<Resolver>, runtime: Handle, limits: Limits) -> Self {
        let stopped = !resolver.is_usable();
        Self {
            resolver,
            runtime,
            limits,
            under_way: JoinSet::new(),
            waiting: HashMap::new(),
            asked: 0,
            failures: 0,
            waited: Duration::ZERO,
            stopped,
        }
    }

    /// Domains that name servers were asked about.
    pub fn asked(&self) -> u64 {
        self.asked
    }

    /// Whether the name servers failed, and nobody is asked any more.
    pub fn has_stopped(&self) -> bool {
        self.stopped
    }

    /// Waits for any answer. Without one in time there will be no more.
    fn next(&mut self) {
        let begun = Instant::now();
        let left = self.limits.waited_max.saturating_sub(self.waited);
        let next = self.runtime.block_on(async { timeout(left, self.under_way.join_next()).await });
        self.waited += begun.elapsed();
        match next {
            Ok(Some(Ok((domain, answer)))) => self.answered(&domain, answer),
            // A task that panicked leaves its question to the end of all.
            Ok(Some(Err(_))) => self.failed(),
            Ok(None) | Err(_) => self.stop(),
        }
    }

    fn answered(&mut self, domain: &str, answer: Answer) {
        self.resolver.learn(domain, answer);
        if let Some(question) = self.waiting.remove(domain) {
            question.set(Some(answer.verdict));
        }
        if answer.verdict == Verdict::Unknown {
            self.failed();
        } else {
            self.failures = 0;
        }
    }

    fn failed(&mut self) {
        self.failures += 1;
        if self.failures >= self.limits.failures_max {
            self.stop();
        }
    }

    /// Nobody is waited for or asked any more.
    fn stop(&mut self) {
        self.stopped = true;
        self.under_way.abort_all();
        for (_, question) in self.waiting.drain() {
            question.set(Some(Verdict::Unknown));
        }
    }
}

impl Domains for Lookups {
    fn ask(&mut self, domain: &str) -> Question {
        if let Some(question) = self.waiting.get(domain) {
            return Rc::clone(question);
        }
        if let Some(verdict) = self.resolver.known(domain) {
            return Rc::new(Some(verdict).into());
        }
        while !self.stopped && self.under_way.len() >= UNDER_WAY_MAX {
            self.next();
        }
        if self.stopped {
            return Rc::new(Some(Verdict::Unknown).into());
        }
        self.asked += 1;
        let (resolver, domain) = (Arc::clone(&self.resolver), Box::<str>::from(domain));
        let question = Question::default();
        self.waiting.insert(domain.clone(), Rc::clone(&question));
        let lookup = async move {
            let answer = resolver.ask(&domain).await;
            (domain, answer)
        };
        self.under_way.spawn_on(lookup, &self.runtime);
        question
    }

    fn look(&mut self) {
        while !self.stopped {
            match self.under_way.try_join_next() {
                Some(Ok((domain, answer))) => self.answered(&domain, answer),
                Some(Err(_)) => self.failed(),
                None => break,
            }
        }
    }

    fn wait(&mut self, question: &Question) -> Verdict {
        loop {
            if let Some(verdict) = question.get() {
                return verdict;
            }
            self.next();
        }
    }
}
