//! Names that a user's application cannot have in a check: the simulated nodes are those of the reference
//! application, which has things of its own under them.

#[cfg(not(madsim))]
mod application;
#[cfg(madsim)]
mod log;

#[cfg(not(madsim))]
pub(super) use application::refused;
#[cfg(madsim)]
pub(super) use log::refused;

fn clash(what: &str, name: &str) -> String {
    format!(
        "the {what} `{name}` cannot be checked under this name: the simulated nodes are those of the \
         reference application and have their own {what} `{name}`; give yours another name"
    )
}
