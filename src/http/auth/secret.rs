//! The secret that signs access tokens: given by the settings, or made once and kept in the data folder,
//! readable by the owner only. Called by the binary at start.

use std::fs::{File, OpenOptions, Permissions};
use std::io::{ErrorKind, Read, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::Path;

use sagaline_storage::Entropy;

/// Fewest bytes of a secret: with fewer, whoever has one token can try them all.
const SECRET_BYTES_MIN: usize = 32;
/// Its name in the data folder.
const FILE_NAME: &str = "jwt.secret";
/// Read and write by the owner, nothing by others.
const MODE: u32 = 0o600;

/// The bytes that sign tokens. Never printed.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(Vec<u8>);

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Secret(***)")
    }
}

/// Why there is no secret; one line for an operator.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct SecretError(String);

impl Secret {
    /// Takes a secret of at least 32 bytes.
    pub fn new(bytes: impl Into<Vec<u8>>) -> Result<Self, SecretError> {
        let bytes = bytes.into();
        if bytes.len() < SECRET_BYTES_MIN {
            return Err(SecretError(format!(
                "JWT_SECRET has {} bytes: wants at least {SECRET_BYTES_MIN} (try: openssl rand -hex 32)",
                bytes.len()
            )));
        }
        Ok(Self(bytes))
    }

    /// The secret of a data folder, made when there is none yet. After `Ok` it is on the disk.
    pub fn of_folder(folder: &Path, entropy: &impl Entropy) -> Result<Self, SecretError> {
        let path = folder.join(FILE_NAME);
        match File::open(&path) {
            Ok(file) => read(file, &path),
            Err(error) if error.kind() == ErrorKind::NotFound => create(folder, &path, entropy),
            Err(error) => Err(cannot("read", &path, &error)),
        }
    }

    pub(super) fn bytes(&self) -> &[u8] {
        &self.0
    }
}

fn read(mut file: File, path: &Path) -> Result<Secret, SecretError> {
    let mode = file.metadata().map_err(|error| cannot("read", path, &error))?.permissions().mode();
    if mode & 0o077 != 0 {
        return Err(SecretError(format!(
            "{} can be read by others (mode {:o}): it signs every access token; chmod 600 it",
            path.display(),
            mode & 0o777
        )));
    }
    let mut text = String::new();
    file.read_to_string(&mut text).map_err(|error| cannot("read", path, &error))?;
    Secret::new(text.trim()).map_err(|error| SecretError(format!("{}: {error}", path.display())))
}

/// Written beside and renamed, so that a crash leaves the whole secret or none.
fn create(folder: &Path, path: &Path, entropy: &impl Entropy) -> Result<Secret, SecretError> {
    let mut bytes = [0; 32];
    entropy.fill(&mut bytes);
    let text = crate::http::hex::encode(&bytes);
    let beside = path.with_extension("new");
    write(&beside, &text).map_err(|error| cannot("write", &beside, &error))?;
    std::fs::rename(&beside, path).map_err(|error| cannot("write", path, &error))?;
    let synced = File::open(folder).and_then(|folder| folder.sync_all());
    synced.map_err(|error| cannot("sync", folder, &error))?;
    Secret::new(text)
}

fn write(path: &Path, text: &str) -> std::io::Result<()> {
    let mut options = OpenOptions::new();
    let mut file = options.write(true).create(true).truncate(true).mode(MODE).open(path)?;
    // A file left behind by a crash keeps its own mode.
    file.set_permissions(Permissions::from_mode(MODE))?;
    writeln!(file, "{text}")?;
    file.sync_all()
}

fn cannot(verb: &str, path: &Path, error: &std::io::Error) -> SecretError {
    SecretError(format!("cannot {verb} {}: {error}", path.display()))
}

#[cfg(test)]
mod tests {
    use sagaline_storage::clock::SystemEntropy;

    use super::*;

    #[test]
    fn generated_secret_is_kept_and_private() {
        let folder = tempfile::tempdir().unwrap();
        let made = Secret::of_folder(folder.path(), &SystemEntropy).unwrap();
        assert_eq!(Secret::of_folder(folder.path(), &SystemEntropy).unwrap(), made);
        let mode = std::fs::metadata(folder.path().join(FILE_NAME)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        let other = tempfile::tempdir().unwrap();
        assert_ne!(Secret::of_folder(other.path(), &SystemEntropy).unwrap(), made);
    }

    #[test]
    fn secret_that_others_can_read_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        Secret::of_folder(folder.path(), &SystemEntropy).unwrap();
        let path = folder.path().join(FILE_NAME);
        std::fs::set_permissions(&path, Permissions::from_mode(0o644)).unwrap();
        let refused = Secret::of_folder(folder.path(), &SystemEntropy).unwrap_err().to_string();
        assert!(refused.contains("644") && refused.contains("chmod 600"), "{refused}");
    }

    #[test]
    fn short_secret_is_refused() {
        assert!(Secret::new("x".repeat(31)).is_err());
        assert!(Secret::new("x".repeat(32)).is_ok());
    }
}
