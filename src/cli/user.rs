//! Accounts from the command line: `sagaline user create`, and the administrator of a first start.

use std::io::BufRead;

use sagaline_storage::{Backend, Claim, EventStore};

use super::failure::{Exit, Failure};
use crate::domain::{EMAIL_CLAIM_KIND, Role};
use crate::engine::{EngineSettings, NodeBuilder};
use crate::http::Error;
use crate::http::app::App;
use crate::http::auth::{Account, NewAccount, PasswordSettings, Passwords, own_correlation};
use crate::settings::Settings;

/// `sagaline user create`
#[derive(Debug, Clone, clap::Args)]
pub struct Create {
    /// The e-mail address to log in with.
    #[arg(long)]
    pub email: String,
    /// customer, merchant or admin.
    #[arg(long, default_value = "customer")]
    pub role: String,
    /// First name.
    #[arg(long, default_value = "Sagaline")]
    pub first_name: String,
    /// Last name.
    #[arg(long, default_value = "User")]
    pub last_name: String,
}

/// Makes an account in the store of a stopped node. Returns the line to print.
pub async fn create<B: Backend>(
    backend: B,
    settings: &Settings,
    create: &Create,
    password: impl BufRead,
) -> Result<String, Failure> {
    let usage = |error: &dyn std::fmt::Display| Failure::new(Exit::Usage, error);
    let role = Role::parse(&create.role).map_err(|error| usage(&format!("--role: {error}")))?;
    let password = first_line(password)?;
    let (first, last) = (&create.first_name, &create.last_name);
    let new = NewAccount::check(&create.email, &password, first, last).map_err(|e| usage(&e))?;
    let passwords = Passwords::new(PasswordSettings::default()).map_err(|error| usage(&error))?;
    // A node without sagas: it takes none of them up.
    let node_id = settings.node.node_id.clone();
    let engine =
        EngineSettings { node_id, shards: settings.engine.shards, ..EngineSettings::default() };
    let node = NodeBuilder::new(backend.clone()).settings(engine).start().await;
    let node = node.map_err(|error| Failure::new(Exit::Failed, error))?;
    let correlation = own_correlation(&backend);
    let made = new.create(&backend, &node.aggregates(), &passwords, role, correlation).await;
    let drained = node.drain().await;
    let account = made.map_err(|error| failure(&create.email, &error))?;
    drained?;
    Ok(format!("{role} {} has the id {}", create.email, account.id))
}

pub(super) fn first_line(mut input: impl BufRead) -> Result<String, Failure> {
    let mut line = String::new();
    input.read_line(&mut line).map_err(|error| {
        Failure::new(Exit::Failed, format!("cannot read the password: {error}"))
    })?;
    Ok(line.trim_end_matches(['\n', '\r']).to_owned())
}

/// The administrator of the settings, made when nobody has the address yet.
pub(super) async fn ensure_admin<B: Backend>(
    app: &App<B>,
    settings: &Settings,
) -> Result<Option<Account>, Failure> {
    let auth = &settings.auth;
    let (Some(email), Some(password)) = (&auth.admin_email, &auth.admin_password) else {
        return Ok(None);
    };
    let new = NewAccount::check(email, password.expose(), "Sagaline", "Administrator");
    let wrong = |error| Failure::new(Exit::Usage, format!("ADMIN_EMAIL, ADMIN_PASSWORD: {error}"));
    let new = new.map_err(wrong)?;
    let backend = app.node().backend();
    let claim = Claim::new(EMAIL_CLAIM_KIND, new.email().as_str());
    if backend.events().claim_holder(&claim).await?.is_some() {
        return Ok(None);
    }
    let (aggregates, correlation) = (app.node().aggregates(), own_correlation(backend));
    let made = new.create(backend, &aggregates, app.passwords(), Role::Admin, correlation).await;
    made.map(Some).map_err(|error| failure(email, &error))
}

fn failure(email: &str, error: &Error) -> Failure {
    let exit =
        if let Error::Unavailable(_) = error { Exit::StoreUnavailable } else { Exit::Failed };
    Failure::new(exit, format!("account {email}: {}", error.for_operator()))
}
