//! E-mail addresses, one spelling each.

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::invalid::Invalid;

/// An address that mail can be sent to, in lower case: accounts are unique by this text.
///
/// Lower case also before the `@`: no provider in use tells `Ada@` from `ada@`, and two accounts that
/// people cannot tell apart are worse than a mailbox that cannot register.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "Arc<str>")]
pub struct Email(Arc<str>);

impl Email {
    /// Longest address, in bytes (RFC 5321's path without its brackets).
    pub const BYTES_MAX: usize = 254;
    const LOCAL_BYTES_MAX: usize = 64;
    const LABEL_BYTES_MAX: usize = 63;

    /// Checks an address and puts it in lower case.
    pub fn parse(text: &str) -> Result<Self, Invalid> {
        let sound = text.len() <= Self::BYTES_MAX
            && text.rsplit_once('@').is_some_and(|(local, domain)| {
                Self::is_local_part(local) && Self::is_domain(domain)
            });
        if sound {
            return Ok(Self(text.to_ascii_lowercase().into()));
        }
        let wants =
            format!("an e-mail address like ada@example.org, at most {} bytes", Self::BYTES_MAX);
        Err(Invalid::text(text, wants))
    }

    /// The address in lower case.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    fn is_local_part(text: &str) -> bool {
        let allowed = |b: u8| b.is_ascii_alphanumeric() || b"!#$%&'*+/=?^_`{|}~-".contains(&b);
        text.len() <= Self::LOCAL_BYTES_MAX
            && text.split('.').all(|atom| !atom.is_empty() && atom.bytes().all(allowed))
    }

    fn is_domain(text: &str) -> bool {
        let sound = |label: &str| {
            (1..=Self::LABEL_BYTES_MAX).contains(&label.len())
                && label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
                && !label.starts_with('-')
                && !label.ends_with('-')
        };
        text.split('.').all(sound)
            && text
                .rsplit_once('.')
                .is_some_and(|(_, top)| top.len() >= 2 && !top.bytes().all(|b| b.is_ascii_digit()))
    }
}

impl TryFrom<Arc<str>> for Email {
    type Error = Invalid;

    fn try_from(text: Arc<str>) -> Result<Self, Invalid> {
        Self::parse(&text)
    }
}

impl utoipa::PartialSchema for Email {
    fn schema() -> utoipa::openapi::RefOr<utoipa::openapi::Schema> {
        super::schema::formatted(utoipa::openapi::schema::KnownFormat::Email, "ada@example.org")
    }
}

impl utoipa::ToSchema for Email {}

impl fmt::Display for Email {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn addresses_that_differ_in_case_are_one() {
        let email = Email::parse("Ada.Lovelace+Shop@Example.ORG").unwrap();
        assert_eq!(email.as_str(), "ada.lovelace+shop@example.org");
        assert_eq!(email, Email::parse("ada.lovelace+shop@example.org").unwrap());
    }

    #[test]
    fn what_no_mail_can_reach_is_refused() {
        for bad in [
            "",
            "@",
            "ada",
            "ada@",
            "@example.org",
            "ada@example",
            "ada@@example.org",
            "a b@example.org",
            ".ada@example.org",
            "ada.@example.org",
            "a..b@example.org",
            "ada@-example.org",
            "ada@example-.org",
            "ada@example..org",
            "ada@1.2.3.4",
            "ada@example.o",
            "adä@example.org",
            "ada@example.org\n",
            "<ada@example.org>",
        ] {
            assert!(Email::parse(bad).is_err(), "{bad:?}");
        }
        assert!(Email::parse(&format!("{}@example.org", "a".repeat(65))).is_err());
        assert!(Email::parse(&format!("a@{}.org", "b".repeat(64))).is_err());
    }

    proptest! {
        #[test]
        fn any_text_is_refused_or_is_its_own_spelling(text in "\\PC{0,40}@?\\PC{0,40}") {
            if let Ok(email) = Email::parse(&text) {
                prop_assert_eq!(Email::parse(email.as_str()).unwrap(), email);
            }
        }
    }
}
