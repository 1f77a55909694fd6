//! Where values come from, and which of several wins. Reads the TOML file and files of secrets; never
//! the process's environment, which is handed in.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};

use super::error::SettingsError;
use super::flags::{Flags, keys_of};
use super::rules::Rule;
use super::table::{Row, rows};

/// The environment variables of a process.
#[derive(Debug, Clone, Default)]
pub struct Environment(BTreeMap<OsString, OsString>);

impl Environment {
    /// This process's.
    pub fn of_process() -> Self {
        Self(std::env::vars_os().collect())
    }

    /// Made-up ones.
    pub fn of<const N: usize>(pairs: [(&str, &str); N]) -> Self {
        Self(pairs.iter().map(|(name, value)| (name.into(), value.into())).collect())
    }

    /// The variable's text; an empty one counts as not set.
    fn get(&self, name: &str) -> Result<Option<String>, SettingsError> {
        let Some(value) = self.0.get(&OsString::from(name)).filter(|value| !value.is_empty())
        else {
            return Ok(None);
        };
        let text =
            value.to_str().ok_or_else(|| SettingsError::NotText { name: name.to_owned() })?;
        Ok(Some(text.to_owned()))
    }
}

/// Who gave a value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// The command line.
    Flag,
    /// The environment.
    Environment,
    /// The TOML file.
    File(PathBuf),
    /// Nobody.
    Default,
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Flag => f.write_str("flag"),
            Self::Environment => f.write_str("environment"),
            Self::File(path) => write!(f, "{}", path.display()),
            Self::Default => f.write_str("default"),
        }
    }
}

/// One setting as it is in force.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Effective {
    /// The setting.
    pub name: &'static str,
    /// Its value as given; masked when secret, empty for none.
    pub shown: String,
    /// Who gave it.
    pub origin: Origin,
}

/// All values that were given, each from the source that wins.
#[derive(Debug, Clone, Default)]
pub(super) struct Sources(BTreeMap<&'static str, (String, Origin)>);

impl Sources {
    pub(super) fn gather(flags: &Flags, environment: &Environment) -> Result<Self, SettingsError> {
        let file = config_file(flags, environment)?;
        let mut sources = Self::default();
        for row in rows() {
            let found = match find(&row, &Origin::Flag, |key| Ok(from_flags(flags, key)))? {
                Some(found) => Some(found),
                None => match find(&row, &Origin::Environment, |key| from(environment, key))? {
                    Some(found) => Some(found),
                    None => file.find(&row)?,
                },
            };
            if let Some(found) = found {
                sources.0.insert(row.name, found);
            }
        }
        Ok(sources)
    }

    /// The value of a row, by its rule.
    pub(super) fn parse<R: Rule>(
        &self,
        name: &'static str,
        default: &'static str,
        rule: &R,
    ) -> Result<R::Value, SettingsError> {
        let text = self.0.get(name).map_or(default, |(text, _)| text);
        rule.parse(text).ok_or_else(|| SettingsError::NotAllowed {
            name,
            value: R::mask(text),
            origin: self.origin(name),
            allowed: rule.allowed(),
        })
    }

    pub(super) fn origin(&self, name: &str) -> Origin {
        self.0.get(name).map_or(Origin::Default, |(_, origin)| origin.clone())
    }

    pub(super) fn effective(&self) -> Vec<Effective> {
        let effective = |row: Row| {
            let text = self.0.get(row.name).map_or(row.default, |(text, _)| text);
            Effective { name: row.name, shown: (row.mask)(text), origin: self.origin(row.name) }
        };
        rows().into_iter().map(effective).collect()
    }
}

fn from_flags(flags: &Flags, key: &str) -> Option<String> {
    flags.given.iter().find(|(given, _)| given == key).map(|(_, value)| value.clone())
}

fn from(environment: &Environment, key: &str) -> Result<Option<String>, SettingsError> {
    environment.get(&key.to_ascii_uppercase())
}

/// The row's value in one source: given itself, or as the file that holds it.
fn find(
    row: &Row,
    origin: &Origin,
    get: impl Fn(&str) -> Result<Option<String>, SettingsError>,
) -> Result<Option<(String, Origin)>, SettingsError> {
    let itself = get(&row.key())?;
    let file = if row.secret { get(&format!("{}_file", row.key()))? } else { None };
    let value = match (itself, file) {
        (Some(_), Some(_)) => {
            return Err(SettingsError::Twice { name: row.name, origin: origin.clone() });
        }
        (Some(value), None) => value,
        (None, Some(path)) => secret_in(&format!("{}_FILE", row.name), Path::new(&path))?,
        (None, None) => return Ok(None),
    };
    Ok(Some((value, origin.clone())))
}

/// The text of a file without the line end that editors leave.
fn secret_in(name: &str, path: &Path) -> Result<String, SettingsError> {
    let text = read(name, path)?;
    Ok(text.trim_end_matches(['\n', '\r']).to_owned())
}

fn read(name: &str, path: &Path) -> Result<String, SettingsError> {
    fs::read_to_string(path).map_err(|cause| SettingsError::Unreadable {
        name: name.to_owned(),
        file: path.to_owned(),
        cause: cause.to_string(),
    })
}

/// The TOML file, flattened to texts.
#[derive(Default)]
struct ConfigFile {
    path: PathBuf,
    values: BTreeMap<String, String>,
}

impl ConfigFile {
    fn find(&self, row: &Row) -> Result<Option<(String, Origin)>, SettingsError> {
        let origin = Origin::File(self.path.clone());
        find(row, &origin, |key| Ok(self.values.get(key).cloned()))
    }
}

fn config_file(flags: &Flags, environment: &Environment) -> Result<ConfigFile, SettingsError> {
    let (name, path) = match &flags.config {
        Some(path) => ("--config", path.clone()),
        None => match environment.get("SAGALINE_CONFIG")? {
            Some(path) => ("SAGALINE_CONFIG", PathBuf::from(path)),
            None => return Ok(ConfigFile::default()),
        },
    };
    let text = read(name, &path)?;
    let table: toml::Table = text.parse().map_err(|e| broken(&path, &text, &e))?;
    let known: Vec<String> = rows().iter().flat_map(keys_of).collect();
    let mut values = BTreeMap::new();
    for (key, value) in table {
        if !known.contains(&key) {
            let near = nearest(&key, &known);
            return Err(SettingsError::UnknownKey { file: path, key, near });
        }
        let Some(value) = as_text(&value) else {
            return Err(SettingsError::WrongShape { file: path, key });
        };
        values.insert(key, value);
    }
    Ok(ConfigFile { path, values })
}

fn broken(path: &Path, text: &str, error: &toml::de::Error) -> SettingsError {
    let before = error.span().and_then(|span| text.get(..span.start)).unwrap_or_default();
    SettingsError::BrokenFile {
        file: path.to_owned(),
        line: before.matches('\n').count() + 1,
        cause: error.message().replace('\n', " "),
    }
}

fn as_text(value: &toml::Value) -> Option<String> {
    match value {
        toml::Value::String(text) => Some(text.clone()),
        toml::Value::Integer(number) => Some(number.to_string()),
        toml::Value::Float(number) => Some(number.to_string()),
        toml::Value::Boolean(yes) => Some(yes.to_string()),
        toml::Value::Array(parts) => {
            let parts = parts.iter().map(|part| part.as_str());
            parts.collect::<Option<Vec<_>>>().map(|parts| parts.join(","))
        }
        toml::Value::Datetime(_) | toml::Value::Table(_) => None,
    }
}

/// The known key that differs from `key` by the fewest edits, when these are few enough to be a slip.
fn nearest(key: &str, known: &[String]) -> Option<String> {
    let key = key.to_ascii_lowercase().replace('-', "_");
    let best = known.iter().min_by_key(|candidate| edits(&key, candidate))?;
    (edits(&key, best) <= 3).then(|| best.clone())
}

/// Levenshtein's distance.
fn edits(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, from) in a.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, to) in b.iter().enumerate() {
            let substituted = diagonal + usize::from(from != *to);
            diagonal = row[j + 1];
            row[j + 1] = substituted.min(row[j] + 1).min(row[j + 1] + 1);
        }
    }
    row[b.len()]
}
