//! What a process needs of memory, as the kernel tells it (proc(5), `/proc/[pid]/status`).

use crate::Result;

/// The most that a process had, by its number or `self`.
pub fn peak_rss_mib(process: &str) -> Result<u64> {
    let status = std::fs::read_to_string(format!("/proc/{process}/status"))?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap_or_default();
    let kib: u64 = line.trim().trim_end_matches(" kB").parse()?;
    Ok(kib.div_ceil(1024))
}
