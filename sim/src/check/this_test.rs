//! The test that is running: by its name, its package and its binary, so that it can be run again.

use std::env;
use std::path::{Path, PathBuf};

/// One test of one binary of one package.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct ThisTest {
    /// `trips_survive_everything`.
    pub(super) name: String,
    /// `travel`.
    pub(super) package: String,
    /// The folder of the package's manifest.
    pub(super) folder: PathBuf,
    /// `survives`.
    pub(super) target: String,
    binary: PathBuf,
}

impl ThisTest {
    /// Asks the thread, the environment and the binary. Panics when this is no test under cargo.
    pub(super) fn find() -> Self {
        let binary = env::current_exe().expect("a test binary knows its own path");
        let folder = env::var_os("CARGO_MANIFEST_DIR").map(PathBuf::from);
        let folder = folder.or_else(|| env::current_dir().ok()).unwrap_or_default();
        let package = env::var("CARGO_PKG_NAME").unwrap_or_default();
        let name = named_thread().or_else(named_argument);
        let name =
            name.expect("only from within a test: a test has a name, by which it is run again");
        let target = target_of(&binary);
        Self { name, package, folder, target, binary }
    }

    /// What `cargo test` has to be told to run it alone.
    pub(super) fn arguments(&self) -> Vec<String> {
        let mut arguments: Vec<&str> = Vec::new();
        if !self.package.is_empty() {
            arguments.extend(["-p", &self.package]);
        }
        match self.is_integration() {
            true => arguments.extend(["--test", &self.target]),
            false => arguments.extend(["--lib", "--bins"]),
        }
        arguments.extend(["--", "--exact", &self.name]);
        arguments.into_iter().map(str::to_owned).collect()
    }

    /// Where what it leaves behind goes: beside the build.
    #[cfg(madsim)]
    pub(super) fn out(&self) -> PathBuf {
        // target/debug/deps/survives-0123456789abcdef
        let target = self.binary.ancestors().nth(3).unwrap_or_else(|| Path::new("."));
        target.join("sagaline-check")
    }

    /// The binary it is in.
    #[cfg(madsim)]
    pub(super) fn binary(&self) -> &Path {
        &self.binary
    }

    fn is_integration(&self) -> bool {
        let tests = self.folder.join("tests");
        tests.join(format!("{}.rs", self.target)).exists()
            || tests.join(&self.target).join("main.rs").exists()
    }
}

/// The test harness names each test's thread after it.
fn named_thread() -> Option<String> {
    let thread = std::thread::current();
    thread.name().filter(|name| *name != "main").map(str::to_owned)
}

/// A runner that has one test a process may run it on the main thread.
fn named_argument() -> Option<String> {
    let mut arguments = env::args().skip_while(|argument| argument != "--exact").skip(1);
    arguments.next()
}

/// A binary's name without cargo's hash.
fn target_of(binary: &Path) -> String {
    let stem = binary.file_stem().map(|stem| stem.to_string_lossy().into_owned());
    let stem = stem.unwrap_or_default();
    match stem.rsplit_once('-') {
        Some((name, hash)) if hash.len() == 16 && hash.bytes().all(|it| it.is_ascii_hexdigit()) => {
            name.to_owned()
        }
        Some(_) | None => stem,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_target_is_a_binary_without_its_hash() {
        let of = |path: &str| target_of(Path::new(path));
        assert_eq!(of("target/debug/deps/survives-0123456789abcdef"), "survives");
        assert_eq!(of("target/debug/deps/my-tests-0123456789abcdef.exe"), "my-tests");
        assert_eq!(of("target/debug/my-tests"), "my-tests");
    }

    #[test]
    fn a_test_finds_itself() {
        let this = ThisTest::find();
        assert_eq!(this.name, "check::this_test::tests::a_test_finds_itself");
        let arguments = this.arguments();
        assert!(arguments.ends_with(&["--exact".to_owned(), this.name]), "{arguments:?}");
    }
}
