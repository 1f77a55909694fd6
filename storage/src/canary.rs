//! Deliberate bugs: each stands behind `planted("its-name")` at the place where somebody could have made
//! it, so that the simulation can be asked to find it. Without the feature `canaries`, which only the
//! simulation's own build turns on, `planted` is the constant `false` and the bug is not compiled in.
//! Which ones there are, and who must find them, stands in the simulation's registry.

/// Which bug a process of the simulation runs with: one name, from this environment variable.
#[cfg(feature = "canaries")]
pub const PLANTED: &str = "SAGALINE_CANARY";

#[cfg(feature = "canaries")]
static NAME: std::sync::OnceLock<Option<String>> = std::sync::OnceLock::new();

/// Whether this process runs with the bug of that name.
#[cfg(feature = "canaries")]
pub fn planted(name: &str) -> bool {
    NAME.get_or_init(|| std::env::var(PLANTED).ok()).as_deref() == Some(name)
}

/// Whether this process runs with the bug of that name: never.
#[cfg(not(feature = "canaries"))]
#[inline(always)]
pub const fn planted(_name: &str) -> bool {
    false
}

/// From now on this process runs with the bug of that name, whatever the environment says. False: it is
/// too late, somebody has asked before.
#[cfg(feature = "canaries")]
pub fn plant(name: &str) -> bool {
    NAME.set(Some(name.to_owned())).is_ok()
}
