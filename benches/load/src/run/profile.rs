//! How long the measures take: for a look, for `make bench`, for the published figures.

use std::fmt;
use std::path::Path;

use clap::ValueEnum;

use crate::failure::{Context, Failure};

/// How long everything takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Profile {
    /// A look whether everything runs; its figures mean nothing. About a minute.
    Quick,
    /// What `make bench` judges by: several rounds of some seconds.
    Standard,
    /// What is published: 5 s of warm-up, 20 s measured, three rounds.
    Full,
}

impl Profile {
    /// Rounds of each ratio.
    pub(crate) fn rounds(self) -> usize {
        match self {
            Self::Quick => 1,
            Self::Standard | Self::Full => 3,
        }
    }

    /// Seconds of a load run that are not measured.
    pub(crate) fn warmup_s(self) -> f64 {
        match self {
            Self::Quick => 0.5,
            Self::Standard => 2.0,
            Self::Full => 5.0,
        }
    }

    /// Seconds that are.
    pub(crate) fn measured_s(self) -> f64 {
        match self {
            Self::Quick => 1.0,
            Self::Standard => 6.0,
            Self::Full => 20.0,
        }
    }

    /// Appends of one storage round, of `full` in the longest profile.
    pub(crate) fn appends(self, full: usize) -> usize {
        match self {
            Self::Quick => full / 20,
            Self::Standard => full / 2,
            Self::Full => full,
        }
    }

    /// How far the log grows. The bar is about a million events, so only a look stops earlier.
    pub(crate) fn growth_events(self) -> u64 {
        match self {
            Self::Quick => 30_000,
            Self::Standard | Self::Full => 1_000_000,
        }
    }
}

impl fmt::Display for Profile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Quick => "quick",
            Self::Standard => "standard",
            Self::Full => "full",
        })
    }
}

/// An empty folder `name` in `parent`; what was there before is deleted.
pub(crate) fn empty_dir(parent: &Path, name: &str) -> Result<std::path::PathBuf, Failure> {
    let dir = parent.join(name);
    if dir.exists() {
        std::fs::remove_dir_all(&dir).context(format!("emptying {}", dir.display()))?;
    }
    std::fs::create_dir_all(&dir).context(format!("making {}", dir.display()))?;
    Ok(dir)
}
