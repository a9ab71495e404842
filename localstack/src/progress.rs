//! One line per step on standard error: a bar that turns on a terminal, plain lines elsewhere.

use std::io::IsTerminal;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};

/// Steps that take longer tell how long.
const WORTH_TELLING: Duration = Duration::from_millis(1500);

/// A step under way.
pub struct Step {
    what: String,
    began: Instant,
    bar: Option<ProgressBar>,
}

impl Step {
    /// Begins a step.
    pub fn begin(what: impl Into<String>) -> Self {
        let what = what.into();
        let bar = std::io::stderr().is_terminal().then(|| {
            let bar = ProgressBar::new_spinner().with_message(what.clone());
            if let Ok(style) = ProgressStyle::with_template("{spinner} {msg} {elapsed}") {
                bar.set_style(style);
            }
            bar.enable_steady_tick(Duration::from_millis(120));
            bar
        });
        if bar.is_none() {
            eprintln!("{what} ...");
        }
        Self { what, began: Instant::now(), bar }
    }

    /// Ends it well.
    pub fn done(self, result: &str) {
        let took = self.began.elapsed();
        let time =
            if took > WORTH_TELLING { format!(" ({:.1} s)", took.as_secs_f64()) } else { String::new() };
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
        eprintln!("{}: {result}{time}", self.what);
    }
}

impl Drop for Step {
    // A step that is dropped without `done` failed: the error is told by whoever handles it.
    fn drop(&mut self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}
