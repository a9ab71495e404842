//! Two rates in one line.

use serde::Serialize;

/// Ours and the peer's rate of the same work.
#[derive(Debug, Serialize)]
pub struct Comparison {
    pub bench: &'static str,
    pub case: &'static str,
    pub unit: &'static str,
    pub ours: f64,
    pub peer: f64,
    pub peer_name: &'static str,
    /// Ours to the peer's: larger is better.
    pub ratio: f64,
    pub peak_rss_mib: u64,
}

impl Comparison {
    /// Prints a line for people or for programs.
    pub fn print(&self, json: bool) -> serde_json::Result<()> {
        if json {
            println!("{}", serde_json::to_string(self)?);
            return Ok(());
        }
        let Self { bench, case, unit, ours, peer, peer_name, ratio, peak_rss_mib } = self;
        println!(
            "{bench}, {case}: {ours} {unit}; {peer_name} {peer}; ratio {ratio}; peak {peak_rss_mib} MiB"
        );
        Ok(())
    }
}

/// The rate of so many in so many seconds.
#[allow(clippy::cast_precision_loss, reason = "counts are far below 2^52")]
pub fn per_second(count: usize, seconds: f64) -> f64 {
    count as f64 / seconds
}

/// The middle one of an odd number of values.
pub fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}

/// To so many digits behind the point.
pub fn rounded(value: f64, digits: i32) -> f64 {
    let scale = 10_f64.powi(digits);
    (value * scale).round() / scale
}
