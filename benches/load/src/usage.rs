//! What a process uses, as the kernel counts it. Read by the load program and the collector.

use std::fs;
use std::time::Duration;

use crate::failure::{Context, Failure};

/// One tick of the kernel's CPU accounting: 100 a second on every Linux that can run this.
const TICK: Duration = Duration::from_millis(10);

/// Resident memory of a process in bytes.
pub(crate) fn resident_bytes(pid: u32) -> Result<u64, Failure> {
    let path = format!("/proc/{pid}/status");
    let status = fs::read_to_string(&path).context(&path)?;
    parse_resident(&status).ok_or_else(|| Failure::new(format!("{path} has no VmRSS")))
}

/// CPU time a process has used so far, in user and kernel mode, all threads together.
pub(crate) fn cpu_time(pid: u32) -> Result<Duration, Failure> {
    let path = format!("/proc/{pid}/stat");
    let stat = fs::read_to_string(&path).context(&path)?;
    let ticks =
        parse_cpu(&stat).ok_or_else(|| Failure::new(format!("{path} is not as expected")))?;
    Ok(TICK * u32::try_from(ticks).unwrap_or(u32::MAX))
}

fn parse_resident(status: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kib: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kib * 1_024)
}

/// The name stands in parentheses and may hold anything, so fields count from the last one.
fn parse_cpu(stat: &str) -> Option<u64> {
    let mut fields = stat.get(stat.rfind(')')? + 1..)?.split_whitespace();
    let user: u64 = fields.nth(11)?.parse().ok()?;
    let system: u64 = fields.next()?.parse().ok()?;
    Some(user + system)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_and_cpu_are_read_from_the_kernels_text() {
        assert_eq!(parse_resident("Name:\tx\nVmRSS:\t   10240 kB\n"), Some(10_485_760));
        let stat = "77 (a b) c) S 1 77 77 0 -1 4194560 1 0 0 0 250 50 0 0 20 0 3 0";
        assert_eq!(parse_cpu(stat), Some(300));
    }

    #[test]
    fn this_process_has_memory_and_a_missing_one_is_a_failure() {
        assert!(resident_bytes(std::process::id()).expect("own status") > 0);
        cpu_time(std::process::id()).expect("own stat");
        assert!(resident_bytes(u32::MAX).is_err());
    }
}
