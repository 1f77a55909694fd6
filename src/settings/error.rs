//! Why a start is refused. Each is one line for an operator.

use std::path::PathBuf;

use super::sources::Origin;

/// Why the settings were refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SettingsError {
    /// A value its rule does not take.
    #[error("{name} = {value:?} ({origin}) is not allowed; allowed: {allowed}")]
    NotAllowed {
        /// The setting.
        name: &'static str,
        /// What was given; masked when secret.
        value: String,
        /// By what.
        origin: Origin,
        /// What may be given.
        allowed: String,
    },
    /// A setting that another one makes necessary.
    #[error("{name} is missing: it must be set because {because}")]
    Missing {
        /// The setting.
        name: &'static str,
        /// The other one.
        because: &'static str,
    },
    /// The cluster backend is not part of this version.
    #[error("BACKEND = \"cluster\" ({origin}) is not available in this version; allowed: embedded")]
    ClusterUnavailable {
        /// Who asked for it.
        origin: Origin,
    },
    /// A secret given twice in one place.
    #[error("{name} and {name}_FILE are both set ({origin}); give one of them")]
    Twice {
        /// The setting.
        name: &'static str,
        /// Where.
        origin: Origin,
    },
    /// A key of the TOML file that no setting has.
    #[error("{}: unknown setting {key:?}{}", file.display(), near.as_ref().map_or_else(
        || "; `sagaline settings` lists them all".to_owned(),
        |near| format!("; did you mean {near:?}?"),
    ))]
    UnknownKey {
        /// The TOML file.
        file: PathBuf,
        /// The key.
        key: String,
        /// The key that looks most like it.
        near: Option<String>,
    },
    /// A value in the TOML file that is a table or a date.
    #[error("{}: {key} must be a text, a number, true, false or a list of texts", file.display())]
    WrongShape {
        /// The TOML file.
        file: PathBuf,
        /// The key.
        key: String,
    },
    /// A TOML file that is none.
    #[error("{}: line {line}: {cause}", file.display())]
    BrokenFile {
        /// The TOML file.
        file: PathBuf,
        /// Where, counted from 1.
        line: usize,
        /// The parser's words.
        cause: String,
    },
    /// A file that a setting names and that cannot be read.
    #[error("{name} names the file {}, which cannot be read: {cause}", file.display())]
    Unreadable {
        /// The setting.
        name: String,
        /// The file.
        file: PathBuf,
        /// The system's words.
        cause: String,
    },
    /// An environment variable that is no text.
    #[error("{name} (environment) is not UTF-8")]
    NotText {
        /// The variable.
        name: String,
    },
}
