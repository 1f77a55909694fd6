//! What the compiler says to programs that must not compile: the library's own words, or those of the
//! compiler with the right names in them.
//!
//! The compiler is given the library as it was built for this very test, so nothing is built a second time.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::SystemTime;

/// Each program, the error's code, and what the error says. How the compiler arranges it is its own.
const MISTAKES: [(&str, &str, &[&str]); 9] = [
    (
        "forgotten_compensation",
        "E0277",
        &[
            "step `Hotel` cannot be undone, so it cannot be compensable",
            "write `impl Compensable for Hotel` with `async fn compensate`, or make it the pivot or a \
             retriable step",
        ],
    ),
    (
        "not_a_step",
        "E0277",
        &[
            "`Hotel` is no saga step",
            "write `impl Step for Hotel` with NAME, Saga, Output and `async fn action`",
        ],
    ),
    (
        "not_an_aggregate",
        "E0277",
        &[
            "`Account` is no aggregate",
            "write `impl Aggregate for Account` with CATEGORY, Command, Event, Refusal, `decide` and \
             `evolve`; it must be `Default + Clone + Serialize + Deserialize`",
        ],
    ),
    (
        "not_a_projection",
        "E0277",
        &[
            "`Trips` is no projection",
            "write `impl Projection for Trips` with NAME, VERSION, CATEGORIES, Document, `keys` and \
             `apply`",
        ],
    ),
    (
        "not_a_consumer",
        "E0277",
        &[
            "`Letters` is no consumer",
            "write `impl Consumer for Letters` with NAME, CATEGORIES and `async fn consume`",
        ],
    ),
    ("missing_serde", "E0277", &["`Room: serde::Serialize`", "type Output = Room;"]),
    ("step_of_another_saga", "E0271", &["`<Hotel as Step>::Saga == u64`", "type Saga = String;"]),
    ("wrong_output", "E0271", &["Result<u32, ", "Result<String, ", "async fn action"]),
    ("wrong_probe", "E0271", &["Probe<u32>", "Probe<String>", "async fn probe"]),
];

#[test]
fn a_program_that_must_not_compile_is_told_why() {
    let compiler = Compiler::of_this_test();
    for (program, code, words) in MISTAKES {
        let said = compiler.compile(&source(program)).expect_err(program);
        assert!(said.contains(&format!("error[{code}]")), "{program}:\n{said}");
        for words in words {
            assert!(said.contains(words), "{program} does not say {words:?}:\n{said}");
        }
    }
}

#[test]
fn every_program_that_must_not_compile_is_tried() {
    let folder = std::fs::read_dir(source("x").parent().expect("a folder")).expect("it is there");
    let name = |entry: std::io::Result<std::fs::DirEntry>| {
        let path = entry.expect("an entry").path();
        path.file_stem().expect("a name").to_string_lossy().into_owned()
    };
    for program in folder.map(name).filter(|program| program != CONTROL) {
        assert!(MISTAKES.iter().any(|(known, ..)| *known == program), "{program} is not tried");
    }
}

/// It has no mistake.
const CONTROL: &str = "control";

fn source(program: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("tests/compile/{program}.rs"))
}

struct Compiler {
    dependencies: PathBuf,
    library: PathBuf,
}

impl Compiler {
    /// With the newest library beside this test in which a program without a mistake compiles: cargo keeps
    /// some of them there, with other features.
    fn of_this_test() -> Self {
        let test = std::env::current_exe().expect("a test knows where it is");
        let dependencies = test.parent().expect("a test lies in a folder").to_owned();
        let files = std::fs::read_dir(&dependencies).expect("the folder of this test");
        let mut libraries: Vec<(SystemTime, PathBuf)> = files
            .map(|entry| entry.expect("an entry").path())
            .filter(|path| is_library(path))
            .map(|path| (std::fs::metadata(&path).and_then(|it| it.modified()), path))
            .map(|(built, path)| (built.expect("the system tells times of files"), path))
            .collect();
        libraries.sort();
        let mut said = String::new();
        for (_, library) in libraries.into_iter().rev() {
            let compiler = Self { dependencies: dependencies.clone(), library };
            match compiler.compile(&source(CONTROL)) {
                Ok(()) => return compiler,
                Err(error) => said = error,
            }
        }
        panic!("no library in {} is one for this test: {said}", dependencies.display());
    }

    /// The error is what the compiler says.
    fn compile(&self, program: &Path) -> Result<(), String> {
        let out = tempfile::tempdir().expect("a folder");
        let output = Command::new("rustc")
            .args(["--edition", "2024", "--emit", "metadata", "--out-dir"])
            .arg(out.path())
            .arg("-L")
            .arg(format!("dependency={}", self.dependencies.display()))
            .arg("--extern")
            .arg(format!("sagaline={}", self.library.display()))
            .arg(program)
            .output()
            .expect("the compiler runs: it built this test");
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        if output.status.success() { Ok(()) } else { Err(said) }
    }
}

fn is_library(path: &Path) -> bool {
    let name = path.file_name().map(|name| name.to_string_lossy().into_owned());
    name.is_some_and(|name| name.starts_with("libsagaline-") && name.ends_with(".rlib"))
}
