//! The command line: one file per subcommand. Called by `main`; the only caller of
//! [`crate::settings::Settings::load`].

pub mod settings;
