//! The keys: a master key that stays outside the store, and one key for each subject, which the store has
//! wrapped under it. Pure: randomness comes from the caller.
//!
//! ```text
//! master ─┬─ wraps subject keys: XChaCha20-Poly1305, a random nonce of 192 bits for each wrap
//!         └─ hashes what claims are unique by: keyed BLAKE3
//! subject ─┬─ seals parts: XChaCha20-Poly1305
//!          └─ makes their nonces: keyed BLAKE3 over the parts
//! ```
//! A nonce that is made from what it seals is never used for anything else, whatever the randomness of a
//! machine is worth; that two equal parts of one subject look equal is all that it tells. The subject is
//! bound to both as associated bytes: a box or a key that is moved to another subject does not open.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use chacha20poly1305::aead::{Aead, Payload};
use chacha20poly1305::{KeyInit, XChaCha20Poly1305, XNonce};

const KEY_BYTES: usize = 32;
const NONCE_BYTES: usize = 24;
/// Bytes of randomness that a new subject's key takes: the key, and the nonce of its wrap.
pub(super) const RANDOM_BYTES: usize = KEY_BYTES + NONCE_BYTES;
/// The first byte of a box and of a wrapped key.
const FORMAT: u8 = 1;

/// The key under which all subjects' keys are wrapped. Never in the store, never printed: who has the store
/// and not this reads nobody's personal parts. All nodes over one log have the same.
#[derive(Clone, PartialEq, Eq)]
pub struct MasterKey([u8; KEY_BYTES]);

impl MasterKey {
    /// A key of these bytes, which must come from a good source of randomness.
    pub fn new(bytes: [u8; KEY_BYTES]) -> Self {
        Self(bytes)
    }

    /// Reads 64 hexadecimal digits.
    pub fn parse(text: &str) -> Result<Self, String> {
        let bytes = blake3::Hash::from_hex(text.trim());
        let wants = |_| "a master key wants to be 64 hexadecimal digits".to_owned();
        bytes.map(|bytes| Self(*bytes.as_bytes())).map_err(wants)
    }

    /// Tells two master keys apart without telling anything of them.
    pub(super) fn fingerprint(&self) -> String {
        let hash = blake3::Hash::from(self.derived("fingerprint"));
        hash.to_hex().chars().take(16).collect()
    }

    /// What stands in the log's index for the key of a claim: the same for the same key, and told from
    /// nothing but this master key.
    pub(super) fn hashed(&self, kind: &str, key: &str) -> String {
        let mut hasher = blake3::Hasher::new_keyed(&self.derived("claims"));
        hasher.update(&(kind.len() as u64).to_le_bytes()).update(kind.as_bytes());
        hasher.update(key.as_bytes()).finalize().to_hex().to_string()
    }

    /// A new subject's key, and how the store keeps it.
    pub(super) fn make(&self, subject: &str, random: [u8; RANDOM_BYTES]) -> (SubjectKey, String) {
        let (mut key, mut nonce) = ([0; KEY_BYTES], [0; NONCE_BYTES]);
        key.copy_from_slice(&random[..KEY_BYTES]);
        nonce.copy_from_slice(&random[KEY_BYTES..]);
        let sealed = sealed(&self.derived("subject keys"), nonce, subject, &key);
        let hex: String = sealed.iter().map(|byte| format!("{byte:02x}")).collect();
        (SubjectKey::of(&key), hex)
    }

    /// The key that the store keeps; none when it is not of this subject or this master key.
    pub(super) fn unwrap(&self, subject: &str, kept: &str) -> Option<SubjectKey> {
        let byte = |at: usize| u8::from_str_radix(kept.get(at..at + 2)?, 16).ok();
        let bytes = (0..kept.len()).step_by(2).map(byte).collect::<Option<Vec<u8>>>()?;
        let key = opened(&self.derived("subject keys"), subject, &bytes)?;
        key.as_slice().try_into().ok().map(SubjectKey::of)
    }

    fn derived(&self, what: &str) -> [u8; KEY_BYTES] {
        blake3::derive_key(&format!("sagaline master key: {what}"), &self.0)
    }
}

impl fmt::Debug for MasterKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("MasterKey(…)")
    }
}

/// One subject's key: the two that are derived from it, each for its own use.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct SubjectKey {
    parts: [u8; KEY_BYTES],
    nonces: [u8; KEY_BYTES],
}

impl SubjectKey {
    fn of(key: &[u8; KEY_BYTES]) -> Self {
        let derived =
            |what: &str| blake3::derive_key(&format!("sagaline subject key: {what}"), key);
        Self { parts: derived("parts"), nonces: derived("nonces") }
    }

    /// Parts in a box, as text.
    pub(super) fn seal(&self, subject: &str, parts: &[u8]) -> String {
        let hash = blake3::keyed_hash(&self.nonces, parts);
        let mut nonce = [0; NONCE_BYTES];
        nonce.copy_from_slice(&hash.as_bytes()[..NONCE_BYTES]);
        BASE64.encode(sealed(&self.parts, nonce, subject, parts))
    }

    /// The parts in a box; none when it was changed, or is not this subject's.
    pub(super) fn open(&self, subject: &str, sealed_box: &str) -> Option<Vec<u8>> {
        opened(&self.parts, subject, &BASE64.decode(sealed_box).ok()?)
    }
}

/// `format | nonce | ciphertext with its tag`.
fn sealed(key: &[u8; KEY_BYTES], nonce: [u8; NONCE_BYTES], subject: &str, parts: &[u8]) -> Vec<u8> {
    let cipher = XChaCha20Poly1305::new(key.into());
    let payload = Payload { msg: parts, aad: subject.as_bytes() };
    let cut = cipher.encrypt(&XNonce::from(nonce), payload);
    let cut = cut.expect("the cipher takes messages of up to 256 GiB");
    [&[FORMAT], &nonce[..], &cut].concat()
}

fn opened(key: &[u8; KEY_BYTES], subject: &str, sealed: &[u8]) -> Option<Vec<u8>> {
    let (&FORMAT, rest) = sealed.split_first()? else { return None };
    let (nonce, cut) = rest.split_first_chunk::<NONCE_BYTES>()?;
    let cipher = XChaCha20Poly1305::new(key.into());
    let payload = Payload { msg: cut, aad: subject.as_bytes() };
    cipher.decrypt(&XNonce::from(*nonce), payload).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn master() -> MasterKey {
        MasterKey::new([7; KEY_BYTES])
    }

    #[test]
    fn parts_come_back_and_a_box_is_not_another_subjects() {
        let (key, kept) = master().make("ada", [3; RANDOM_BYTES]);
        assert!(master().unwrap("ada", &kept).unwrap() == key);
        let sealed = key.seal("ada", b"parts");
        assert_eq!(key.open("ada", &sealed).unwrap(), b"parts");
        assert_eq!(key.open("bob", &sealed), None);
        assert!(master().unwrap("bob", &kept).is_none());
        assert!(MasterKey::new([8; KEY_BYTES]).unwrap("ada", &kept).is_none());
    }

    #[test]
    fn a_changed_byte_is_noticed_and_nonsense_is_refused() {
        let (key, kept) = master().make("ada", [3; RANDOM_BYTES]);
        let mut bytes = BASE64.decode(key.seal("ada", b"parts")).unwrap();
        for at in 0..bytes.len() {
            bytes[at] ^= 1;
            assert_eq!(key.open("ada", &BASE64.encode(&bytes)), None, "byte {at}");
            bytes[at] ^= 1;
        }
        for nonsense in ["", "x", "AQ==", "é"] {
            assert_eq!(key.open("ada", nonsense), None);
            assert!(master().unwrap("ada", nonsense).is_none());
        }
        assert!(master().unwrap("ada", &kept[..kept.len() - 2]).is_none());
    }

    #[test]
    fn the_same_parts_have_the_same_box_and_others_another_nonce() {
        let (key, _) = master().make("ada", [3; RANDOM_BYTES]);
        assert_eq!(key.seal("ada", b"parts"), key.seal("ada", b"parts"));
        assert_ne!(key.seal("ada", b"parts")[..32], key.seal("ada", b"Parts")[..32]);
    }

    #[test]
    fn a_master_key_is_read_and_not_shown() {
        let text = "07".repeat(KEY_BYTES);
        assert_eq!(MasterKey::parse(&format!("{text}\n")).unwrap(), master());
        assert!(MasterKey::parse("07").unwrap_err().contains("64 hexadecimal digits"));
        assert_eq!(format!("{:?}", master()), "MasterKey(…)");
    }

    #[test]
    fn hashes_of_claims_are_of_kind_and_key() {
        let hash = |kind, key| master().hashed(kind, key);
        assert_eq!(hash("email", "a@b.org"), hash("email", "a@b.org"));
        assert_ne!(hash("email", "a@b.org"), hash("emaila", "@b.org"));
        assert_ne!(hash("email", "a@b.org"), MasterKey::new([8; 32]).hashed("email", "a@b.org"));
    }
}
