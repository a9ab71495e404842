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
    pub peak_rss_mib: f64,
}

impl Comparison {
    /// From the rates of all runs.
    pub fn of(names: [&'static str; 4], mut ours: Vec<f64>, mut peers: Vec<f64>, peak_rss_mib: f64) -> Self {
        let [bench, case, unit, peer_name] = names;
        let (ours, peer) = (median(&mut ours), median(&mut peers));
        let ratio = (ours / peer * 1000.0).round() / 1000.0;
        Self { bench, case, unit, ours: ours.round(), peer: peer.round(), peer_name, ratio, peak_rss_mib }
    }

    /// A line for people or for programs.
    pub fn print(&self, json: bool) {
        if json {
            println!("{}", serde_json::to_string(self).unwrap());
            return;
        }
        let Self { bench, case, unit, ours, peer, peer_name, ratio, peak_rss_mib } = self;
        println!("{bench} ({case}): {ours} {unit}; {peer_name}: {peer}; ratio {ratio}; peak {peak_rss_mib} MiB");
    }
}

fn median(values: &mut [f64]) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

/// The most memory that this process has had, in MiB.
pub fn peak_rss_mib() -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    let kib: f64 = line.trim().trim_end_matches(" kB").parse().unwrap();
    (kib / 102.4).round() / 10.0
}
