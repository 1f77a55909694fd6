//! The secrets of a node when the settings give none: the one that signs access tokens, and the key under
//! which subjects' keys are wrapped. Made once and kept in the data folder, readable by the owner only.
//! Called by the binary at start.

use std::fs::{File, OpenOptions, Permissions};
use std::io::{ErrorKind, Read, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::Path;

use sagaline_storage::Entropy;

use crate::engine::MasterKey;
use crate::settings::Secret;

/// What signs access tokens, in the data folder.
pub const SECRET_FILE: &str = "jwt.secret";
/// The master key, in the data folder.
pub const MASTER_KEY_FILE: &str = "master.key";
/// Read and write by the owner, nothing by others.
const MODE: u32 = 0o600;

/// Why there is no secret; one line for an operator.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct SecretError(String);

/// The signing secret of a data folder, made when there is none yet. After `Ok` it is on the disk.
pub fn signing_secret(folder: &Path, entropy: &impl Entropy) -> Result<Secret, SecretError> {
    kept(folder, SECRET_FILE, "it signs every access token", entropy)
}

/// The master key of a data folder, made when there is none yet. After `Ok` it is on the disk. Without it
/// nobody reads the personal data in the folder's store any more.
pub fn master_key(folder: &Path, entropy: &impl Entropy) -> Result<MasterKey, SecretError> {
    let text = kept(folder, MASTER_KEY_FILE, "every subject's key is wrapped under it", entropy)?;
    MasterKey::parse(text.expose()).map_err(|error| {
        SecretError(format!("{}: {error}", folder.join(MASTER_KEY_FILE).display()))
    })
}

fn kept(
    folder: &Path,
    name: &str,
    purpose: &str,
    entropy: &impl Entropy,
) -> Result<Secret, SecretError> {
    let path = folder.join(name);
    match File::open(&path) {
        Ok(file) => read(file, &path, purpose),
        Err(error) if error.kind() == ErrorKind::NotFound => create(folder, &path, entropy),
        Err(error) => Err(cannot("read", &path, &error)),
    }
}

fn read(mut file: File, path: &Path, purpose: &str) -> Result<Secret, SecretError> {
    let mode = file.metadata().map_err(|error| cannot("read", path, &error))?.permissions().mode();
    if mode & 0o077 != 0 {
        return Err(SecretError(format!(
            "{} can be read by others (mode {:o}): {purpose}; chmod 600 it",
            path.display(),
            mode & 0o777
        )));
    }
    let mut text = String::new();
    file.read_to_string(&mut text).map_err(|error| cannot("read", path, &error))?;
    if text.trim().is_empty() {
        return Err(SecretError(format!(
            "{} is empty: remove it to have a new one",
            path.display()
        )));
    }
    Ok(Secret::new(text.trim()))
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
    Ok(Secret::new(text))
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
        let made = signing_secret(folder.path(), &SystemEntropy).unwrap();
        assert_eq!(signing_secret(folder.path(), &SystemEntropy).unwrap(), made);
        let mode = std::fs::metadata(folder.path().join(SECRET_FILE)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        let other = tempfile::tempdir().unwrap();
        assert_ne!(signing_secret(other.path(), &SystemEntropy).unwrap(), made);
    }

    #[test]
    fn master_key_is_kept_and_a_damaged_one_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let made = master_key(folder.path(), &SystemEntropy).unwrap();
        assert_eq!(master_key(folder.path(), &SystemEntropy).unwrap(), made);
        std::fs::write(folder.path().join(MASTER_KEY_FILE), "0123").unwrap();
        let refused = master_key(folder.path(), &SystemEntropy).unwrap_err().to_string();
        assert!(refused.contains("master.key") && refused.contains("64"), "{refused}");
    }

    #[test]
    fn secret_that_others_can_read_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        signing_secret(folder.path(), &SystemEntropy).unwrap();
        let path = folder.path().join(SECRET_FILE);
        std::fs::set_permissions(&path, Permissions::from_mode(0o644)).unwrap();
        let refused = signing_secret(folder.path(), &SystemEntropy).unwrap_err().to_string();
        assert!(refused.contains("644") && refused.contains("chmod 600"), "{refused}");
    }
}
