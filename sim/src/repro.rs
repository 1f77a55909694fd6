//! A failure on file: the plan, what came of it, and what it was built from. A plan is only the same run
//! in the same build, so whoever runs it again is told when the build is another.

use std::fmt;
use std::fs;
use std::io;
use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::plan::Plan;
use crate::verdict::Verdict;

/// What a run was built from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Build {
    /// The commit that was checked out: for people; the sources decide.
    pub commit: String,
    /// The compiler.
    pub rustc: String,
    /// The hash of `Cargo.lock`.
    pub lock: String,
    /// The hash of all sources of product, storage and simulation.
    pub sources: String,
}

impl Build {
    /// What this program was built from.
    pub fn of_this(commit: String) -> Self {
        Self {
            commit,
            rustc: env!("SAGALINE_SIM_RUSTC").to_owned(),
            lock: env!("SAGALINE_SIM_LOCK").to_owned(),
            sources: env!("SAGALINE_SIM_SOURCES").to_owned(),
        }
    }

    /// What differs in another build, so that a run there may be another run; none: nothing.
    pub fn differs_from(&self, other: &Self) -> Option<String> {
        let parts = [
            ("sources", &self.sources, &other.sources),
            ("Cargo.lock", &self.lock, &other.lock),
            ("rustc", &self.rustc, &other.rustc),
        ];
        let differing = parts.into_iter().filter(|(_, mine, theirs)| mine != theirs);
        let names: Vec<_> =
            differing.map(|(name, mine, theirs)| format!("{name} {mine}, here {theirs}")).collect();
        (!names.is_empty()).then(|| names.join("; "))
    }
}

impl fmt::Display for Build {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "commit {}, sources {}, {}", self.commit, self.sources, self.rustc)
    }
}

/// A run that can be run again.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Repro {
    /// What it was built from.
    pub build: Build,
    /// What came of it.
    pub verdict: Verdict,
    /// The hash of its trace, and that of the state in which it ended.
    pub digest: String,
    /// What happens in it.
    pub plan: Plan,
    /// The deliberate bug it ran with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub canary: Option<String>,
}

impl Repro {
    /// Reads a file; the error names it.
    pub fn read(file: &Path) -> Result<Self, String> {
        let text =
            fs::read_to_string(file).map_err(|error| format!("{}: {error}", file.display()))?;
        serde_json::from_str(&text).map_err(|error| format!("{}: {error}", file.display()))
    }

    /// Writes a file, and the folder when it is not there.
    pub fn write(&self, file: &Path) -> io::Result<()> {
        if let Some(folder) = file.parent() {
            fs::create_dir_all(folder)?;
        }
        fs::write(file, serde_json::to_string_pretty(self)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::seed::Seed;
    use crate::strategy::Scenario;
    use crate::verdict::Signature;

    fn repro() -> Repro {
        let signature = Signature { oracle: "money".to_owned(), what: "captured twice".to_owned() };
        Repro {
            build: Build::of_this("abc".to_owned()),
            verdict: Verdict::Safety(signature),
            digest: "00".to_owned(),
            plan: Plan::draw(Seed(0x7f3a), Scenario::Standard),
            canary: Some("ack-before-sync".to_owned()),
        }
    }

    #[test]
    fn a_repro_survives_its_file() {
        let folder = std::env::temp_dir().join(format!("sagaline-repro-{}", std::process::id()));
        let file = folder.join("out/7f3a.json");
        repro().write(&file).unwrap();
        assert_eq!(Repro::read(&file), Ok(repro()));
        let missing = Repro::read(&folder.join("no.json")).unwrap_err();
        assert!(missing.contains("no.json"), "{missing}");
        fs::remove_dir_all(folder).unwrap();
    }

    #[test]
    fn another_build_is_told_apart_and_another_commit_with_the_same_sources_is_not() {
        let here = Build::of_this("abc".to_owned());
        assert_eq!(here.differs_from(&Build::of_this("def".to_owned())), None);
        let there = Build { sources: "elsewhere".to_owned(), ..here.clone() };
        let told = here.differs_from(&there).unwrap();
        assert!(told.contains("sources") && told.contains("elsewhere"), "{told}");
    }
}
