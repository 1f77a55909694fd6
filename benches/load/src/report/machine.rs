//! The machine that the figures are of, as the kernel tells it.

use std::fs;

/// What is told of the machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Machine {
    /// The processor's model.
    pub(crate) processor: String,
    /// Threads that run at once.
    pub(crate) cores: usize,
    /// Memory.
    pub(crate) memory_gib: u64,
    /// The kernel's release.
    pub(crate) kernel: String,
}

/// Reads it; what the kernel does not tell is `unknown`.
pub(crate) fn describe() -> Machine {
    let unknown = || "unknown".to_owned();
    let read = |path: &str| fs::read_to_string(path).unwrap_or_default();
    let memory = field(&read("/proc/meminfo"), "MemTotal").and_then(|kib| {
        let kib: u64 = kib.strip_suffix("kB")?.trim().parse().ok()?;
        Some(kib.div_ceil(1_048_576))
    });
    let kernel = read("/proc/sys/kernel/osrelease").trim().to_owned();
    Machine {
        processor: field(&read("/proc/cpuinfo"), "model name").unwrap_or_else(unknown),
        cores: std::thread::available_parallelism().map_or(0, usize::from),
        memory_gib: memory.unwrap_or_default(),
        kernel: if kernel.is_empty() { unknown() } else { kernel },
    }
}

fn field(text: &str, name: &str) -> Option<String> {
    let line = text.lines().find(|line| line.starts_with(name))?;
    Some(line.split_once(':')?.1.trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_found_by_name() {
        let text = "processor\t: 0\nmodel name\t: A Chip\nmodel name\t: Other\n";
        assert_eq!(field(text, "model name").as_deref(), Some("A Chip"));
        assert_eq!(field(text, "flags"), None);
    }
}
