//! How each kind of value is read from text, and how what is allowed is said. Pure.

use std::marker::PhantomData;
use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

use super::values::{LogLevel, Rate, Secret};

/// One way to read a value.
pub(super) trait Rule {
    /// What is read.
    type Value;
    /// Whether the text must never be shown.
    const SECRET: bool = false;
    /// The value of `text`; none when it is not allowed.
    fn parse(&self, text: &str) -> Option<Self::Value>;
    /// What is allowed, in words that continue "allowed: ".
    fn allowed(&self) -> String;
    /// `text` as it may be shown.
    fn mask(text: &str) -> String {
        if Self::SECRET && !text.is_empty() { "********".to_owned() } else { text.to_owned() }
    }
}

/// A rule made of a function and its words.
pub(super) struct Simple<T> {
    parse: fn(&str) -> Option<T>,
    allowed: &'static str,
}

impl<T> Rule for Simple<T> {
    type Value = T;
    fn parse(&self, text: &str) -> Option<T> {
        (self.parse)(text)
    }
    fn allowed(&self) -> String {
        self.allowed.to_owned()
    }
}

/// A whole number between two bounds, both allowed.
pub(super) struct Whole<T>(u64, u64, PhantomData<T>);

pub(super) fn whole<T: TryFrom<u64>>(min: u64, max: u64) -> Whole<T> {
    Whole(min, max, PhantomData)
}

impl<T: TryFrom<u64>> Rule for Whole<T> {
    type Value = T;
    fn parse(&self, text: &str) -> Option<T> {
        let number = digits(text)?;
        (self.0..=self.1).contains(&number).then_some(number)?.try_into().ok()
    }
    fn allowed(&self) -> String {
        format!("a whole number from {} to {}", self.0, self.1)
    }
}

/// A length of time between two bounds, both allowed.
pub(super) struct Span(Duration, Duration);

pub(super) fn duration(min: Duration, max: Duration) -> Span {
    Span(min, max)
}

impl Rule for Span {
    type Value = Duration;
    fn parse(&self, text: &str) -> Option<Duration> {
        let span = span(text)?;
        (self.0..=self.1).contains(&span).then_some(span)
    }
    fn allowed(&self) -> String {
        let (min, max) = (in_words(self.0), in_words(self.1));
        format!("a time from {min} to {max} with its unit (ms, s, m, h, d), such as 500ms or 24h")
    }
}

/// A number of bytes between two bounds, both allowed.
pub(super) struct Bytes(u64, u64);

pub(super) fn bytes(min: u64, max: u64) -> Bytes {
    Bytes(min, max)
}

impl Rule for Bytes {
    type Value = u64;
    fn parse(&self, text: &str) -> Option<u64> {
        let (number, unit) = number_and_unit(text)?;
        let factor = BYTE_UNITS.iter().find(|(name, _)| *name == unit)?.1;
        let bytes = number.checked_mul(factor)?;
        (self.0..=self.1).contains(&bytes).then_some(bytes)
    }
    fn allowed(&self) -> String {
        let words = |bytes: u64| {
            let fits = |unit: &&(&str, u64)| bytes.is_multiple_of(unit.1);
            let unit = BYTE_UNITS.iter().rev().find(fits).unwrap_or(&BYTE_UNITS[0]);
            format!("{}{}", bytes / unit.1, unit.0)
        };
        let (min, max) = (words(self.0), words(self.1));
        format!("a size from {min} to {max} with its unit (B, KiB, MiB, GiB), such as 64MiB")
    }
}

const BYTE_UNITS: [(&str, u64); 4] =
    [("B", 1), ("KiB", 1 << 10), ("MiB", 1 << 20), ("GiB", 1 << 30)];

/// A word out of a list.
pub(super) struct OneOf<T: 'static>(&'static [(&'static str, T)]);

pub(super) fn one_of<T: Copy>(words: &'static [(&'static str, T)]) -> OneOf<T> {
    OneOf(words)
}

impl<T: Copy> Rule for OneOf<T> {
    type Value = T;
    fn parse(&self, text: &str) -> Option<T> {
        self.0.iter().find(|(word, _)| *word == text).map(|(_, value)| *value)
    }
    fn allowed(&self) -> String {
        self.0.iter().map(|(word, _)| *word).collect::<Vec<_>>().join(" or ")
    }
}

/// Text of a bounded length, in bytes, without control characters and spaces at the ends.
pub(super) struct Text(usize);

pub(super) fn text(bytes_max: usize) -> Text {
    Text(bytes_max)
}

impl Rule for Text {
    type Value = String;
    fn parse(&self, text: &str) -> Option<String> {
        let fits = (1..=self.0).contains(&text.len()) && text.trim() == text;
        (fits && !text.chars().any(char::is_control)).then(|| text.to_owned())
    }
    fn allowed(&self) -> String {
        format!("1 to {} bytes of text", self.0)
    }
}

/// Empty for none, or what another rule takes.
pub(super) struct Optional<R>(R, &'static str);

pub(super) fn optional<R: Rule>(rule: R) -> Optional<R> {
    Optional(rule, "")
}

/// `auto` for none, or what another rule takes.
pub(super) fn auto_or<R: Rule>(rule: R) -> Optional<R> {
    Optional(rule, "auto")
}

impl<R: Rule> Rule for Optional<R> {
    type Value = Option<R::Value>;
    const SECRET: bool = R::SECRET;
    fn parse(&self, text: &str) -> Option<Self::Value> {
        if text == self.1 { Some(None) } else { self.0.parse(text).map(Some) }
    }
    fn allowed(&self) -> String {
        let none = if self.1.is_empty() { "nothing" } else { self.1 };
        format!("{}, or {none}", self.0.allowed())
    }
    fn mask(text: &str) -> String {
        R::mask(text)
    }
}

/// A secret of at least so many bytes.
pub(super) struct Hidden(usize);

pub(super) fn secret(bytes_min: usize) -> Hidden {
    Hidden(bytes_min)
}

impl Rule for Hidden {
    type Value = Secret;
    const SECRET: bool = true;
    fn parse(&self, text: &str) -> Option<Secret> {
        (self.0..=4_096).contains(&text.len()).then(|| Secret::new(text))
    }
    fn allowed(&self) -> String {
        format!("{} to 4096 bytes of text", self.0)
    }
}

/// A key of 32 bytes.
pub(super) struct HexKey;

pub(super) fn hex_key() -> HexKey {
    HexKey
}

impl Rule for HexKey {
    type Value = Secret;
    const SECRET: bool = true;
    fn parse(&self, text: &str) -> Option<Secret> {
        let fits = text.len() == 64 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
        fits.then(|| Secret::new(text))
    }
    fn allowed(&self) -> String {
        "64 hexadecimal digits".to_owned()
    }
}

/// An address with one of some schemes.
pub(super) struct Url(&'static [&'static str]);

pub(super) fn url(schemes: &'static [&'static str]) -> Url {
    Url(schemes)
}

impl Rule for Url {
    type Value = String;
    fn parse(&self, text: &str) -> Option<String> {
        let uri: http::Uri = text.parse().ok()?;
        let known = uri.scheme_str().is_some_and(|scheme| self.0.contains(&scheme));
        (known && uri.host().is_some_and(|host| !host.is_empty())).then(|| text.to_owned())
    }
    fn allowed(&self) -> String {
        let schemes: Vec<_> = self.0.iter().map(|scheme| format!("{scheme}://host…")).collect();
        format!("an address {}", schemes.join(" or "))
    }
    fn mask(text: &str) -> String {
        without_password(text)
    }
}

/// The same, for one that may hold a password: kept as a secret, shown without the password.
pub(super) struct HiddenUrl(Url);

pub(super) fn secret_url(schemes: &'static [&'static str]) -> HiddenUrl {
    HiddenUrl(Url(schemes))
}

impl Rule for HiddenUrl {
    type Value = Secret;
    const SECRET: bool = true;
    fn parse(&self, text: &str) -> Option<Secret> {
        self.0.parse(text).map(Secret::new)
    }
    fn allowed(&self) -> String {
        self.0.allowed()
    }
    fn mask(text: &str) -> String {
        without_password(text)
    }
}

/// The address without who logs in, and without the values behind the `?`: a password may be one of them.
fn without_password(url: &str) -> String {
    let Some((scheme, rest)) = url.split_once("://") else {
        return if url.is_empty() { String::new() } else { "********".to_owned() };
    };
    let (place, query) = rest.split_at(rest.find(['?', '#']).unwrap_or(rest.len()));
    // Whether it ends a password with a `?` in it, or is a part of one behind the `?`, cannot be told.
    if query.contains('@') {
        return format!("{scheme}://********");
    }
    let query = without_values(query);
    match place.rsplit_once('@') {
        Some((_, host)) => format!("{scheme}://********@{host}{query}"),
        None => format!("{scheme}://{place}{query}"),
    }
}

/// `?name=…&name=…` with its names alone.
fn without_values(query: &str) -> String {
    let Some(mark) = query.chars().next() else { return String::new() };
    let masked = |part: &str| match part.split_once('=') {
        Some((name, _)) => format!("{name}=********"),
        None => "********".to_owned(),
    };
    let parts: Vec<_> = query[mark.len_utf8()..].split('&').map(masked).collect();
    format!("{mark}{}", parts.join("&"))
}

pub(super) fn node_id() -> Simple<String> {
    let parse = |text: &str| {
        let fits = (1..=64).contains(&text.len())
            && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(&b));
        fits.then(|| text.to_owned())
    };
    Simple { parse, allowed: "1 to 64 ASCII letters, digits, dots, hyphens and underscores" }
}

pub(super) fn path() -> Simple<PathBuf> {
    let parse =
        |text: &str| (!text.is_empty() && !text.contains('\0')).then(|| PathBuf::from(text));
    Simple { parse, allowed: "a path" }
}

pub(super) fn address() -> Simple<IpAddr> {
    let allowed = "an IP address, such as 127.0.0.1 (this machine only) or 0.0.0.0 (everywhere)";
    Simple { parse: |text| text.parse().ok(), allowed }
}

pub(super) fn fraction() -> Simple<f64> {
    let parse = |text: &str| {
        let plain = text.bytes().all(|b| b.is_ascii_digit() || b == b'.');
        let number: f64 = plain.then(|| text.parse().ok())??;
        (0.0..=1.0).contains(&number).then_some(number)
    };
    Simple { parse, allowed: "a number from 0 to 1, such as 0.25" }
}

pub(super) fn rate() -> Simple<Rate> {
    let parse = |text: &str| {
        let (count, per) = text.split_once('/')?;
        let (count, per) = (u32::try_from(digits(count)?).ok()?, span(per)?);
        (count > 0 && !per.is_zero()).then_some(Rate { count, per })
    };
    Simple { parse, allowed: "a count and a time, such as 20/1m" }
}

pub(super) fn email() -> Simple<String> {
    let parse = |text: &str| {
        let (name, host) = text.split_once('@')?;
        let fits = !name.is_empty() && host.contains('.') && text.len() <= 254;
        (fits && !host.contains('@') && !text.contains(char::is_whitespace))
            .then(|| text.to_owned())
    };
    Simple { parse, allowed: "an email address" }
}

pub(super) fn brokers() -> Simple<Vec<String>> {
    let parse = |text: &str| text.split(',').map(one_broker).collect();
    Simple { parse, allowed: "host:port, separated by commas" }
}

fn one_broker(text: &str) -> Option<String> {
    let (host, port) = text.trim().rsplit_once(':')?;
    let good = !host.is_empty() && digits(port).is_some_and(|port| (1..=65_535).contains(&port));
    good.then(|| text.trim().to_owned())
}

pub(super) fn log_level() -> Simple<LogLevel> {
    let parse = |text: &str| {
        let known =
            |level: &str| ["off", "error", "warn", "info", "debug", "trace"].contains(&level);
        let part = |part: &str| match part.split_once('=') {
            Some((module, level)) => !module.is_empty() && known(level),
            None => known(part),
        };
        text.split(',').all(part).then(|| LogLevel(text.to_owned()))
    };
    Simple {
        parse,
        allowed: "off, error, warn, info, debug or trace; also per module: info,sagaline=debug",
    }
}

fn digits(text: &str) -> Option<u64> {
    (!text.is_empty() && text.bytes().all(|b| b.is_ascii_digit())).then(|| text.parse().ok())?
}

fn number_and_unit(text: &str) -> Option<(u64, &str)> {
    let (number, unit) = text.split_at(text.find(|c: char| !c.is_ascii_digit())?);
    Some((digits(number)?, unit.trim_start()))
}

fn span(text: &str) -> Option<Duration> {
    let (number, unit) = number_and_unit(text)?;
    let unit_ms = SPAN_UNITS.iter().find(|(name, _)| *name == unit)?.1;
    Some(Duration::from_millis(number.checked_mul(unit_ms)?))
}

fn in_words(span: Duration) -> String {
    let ms = u64::try_from(span.as_millis()).unwrap_or(u64::MAX);
    let fits = |unit: &&(&str, u64)| ms >= unit.1 && ms.is_multiple_of(unit.1);
    let unit = SPAN_UNITS.iter().rev().find(fits).unwrap_or(&SPAN_UNITS[0]);
    format!("{}{}", ms / unit.1, unit.0)
}

const SPAN_UNITS: [(&str, u64); 5] =
    [("ms", 1), ("s", 1_000), ("m", 60_000), ("h", 3_600_000), ("d", 86_400_000)];
