//! Accounts from the command line: `sagaline user …`, and the administrator of a first start.

use std::fmt::Write;

use sagaline_storage::{Backend, EventStore};
use serde_json::json;

use super::account::{Accounts, Change, Shown, Wanted, failure, nobody};
use super::failure::{Exit, Failure};
use super::password::Passwords;
use crate::domain::{EMAIL_CLAIM_KIND, Email, Role, User, UserId};
use crate::http::app::App;
use crate::http::auth::{Account, NewAccount, own_correlation};
use crate::settings::Settings;

/// `sagaline user …`
#[derive(Debug, Clone, clap::Subcommand)]
pub enum UserCommand {
    /// Make an account; its password is asked for at a terminal, else read from a line of stdin: the first, or
    /// the second behind that of --as.
    Create(Create),
    /// List accounts. Forgotten ones are not among them.
    List(List),
    /// Give a user another role.
    Role(ChangeRole),
    /// Close an account.
    Disable(Disable),
    /// Open a closed account again.
    Enable(One),
    /// Forget a user for good: every name, address and password of it is gone from the log, the views and
    /// the traces; its e-mail address is free. A backup that was made before still knows it.
    Forget(One),
}

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
    /// Print the account as JSON.
    #[arg(long)]
    pub json: bool,
}

/// `sagaline user list`
#[derive(Debug, Clone, clap::Args)]
pub struct List {
    /// At most so many.
    #[arg(long, default_value_t = 1_000)]
    pub limit: usize,
    /// Print each as a JSON object on a line of its own.
    #[arg(long)]
    pub json: bool,
}

/// An account.
#[derive(Debug, Clone, clap::Args)]
pub struct One {
    /// Its id or its e-mail address.
    pub who: String,
    /// Print the account as JSON.
    #[arg(long)]
    pub json: bool,
}

/// `sagaline user role`
#[derive(Debug, Clone, clap::Args)]
pub struct ChangeRole {
    /// Which account.
    #[command(flatten)]
    pub one: One,
    /// customer, merchant or admin.
    pub role: String,
}

/// `sagaline user disable`
#[derive(Debug, Clone, clap::Args)]
pub struct Disable {
    /// Which account.
    #[command(flatten)]
    pub one: One,
    /// Why; it becomes part of the account's history.
    #[arg(long)]
    pub reason: String,
}

/// Does it, and returns what is to be printed. Next of `passwords` is that of a new account.
pub async fn run(
    accounts: &impl Accounts,
    command: &UserCommand,
    passwords: &mut Passwords,
) -> Result<String, Failure> {
    let (one, change) = match command {
        UserCommand::Create(create) => return created(accounts, create, passwords).await,
        UserCommand::List(list) => return listed(accounts, list).await,
        UserCommand::Role(change) => (&change.one, Change::Role(role(&change.role)?)),
        UserCommand::Disable(disable) => (&disable.one, Change::Disable(disable.reason.clone())),
        UserCommand::Enable(one) => (one, Change::Enable),
        UserCommand::Forget(one) => (one, Change::Forget),
    };
    let id = match UserId::parse(&one.who) {
        Ok(id) => id,
        Err(_) => named(accounts, &one.who).await?.id,
    };
    Ok(text(&accounts.change(id, &change).await?, one.json))
}

async fn created(
    accounts: &impl Accounts,
    create: &Create,
    passwords: &mut Passwords,
) -> Result<String, Failure> {
    let role = role(&create.role).map_err(|failure| failure.at("--role"))?;
    let wanted = Wanted {
        email: create.email.clone(),
        password: passwords.next(&create.email)?,
        first_name: create.first_name.clone(),
        last_name: create.last_name.clone(),
        role,
    };
    let made = accounts.create(&wanted).await?;
    match create.json {
        true => Ok(text(&made, true)),
        false => Ok(format!("{role} {} has the id {}", create.email, made.id)),
    }
}

async fn listed(accounts: &impl Accounts, list: &List) -> Result<String, Failure> {
    let (mut out, mut left) = (String::new(), list.limit);
    let mut after: Option<String> = None;
    loop {
        let (page, next) = accounts.page(after.as_deref()).await?;
        for shown in page.iter().take(left) {
            writeln!(out, "{}", text(shown, list.json)).expect("writing to a String cannot fail");
        }
        left = left.saturating_sub(page.len());
        after = next;
        if left == 0 || after.is_none() {
            return Ok(out);
        }
    }
}

/// The account with an address.
async fn named(accounts: &impl Accounts, who: &str) -> Result<Shown, Failure> {
    let email = Email::parse(who).map_err(|_| {
        let wants = format!("`{who}`: wants the id or the e-mail address of a user");
        Failure::new(Exit::Usage, wants)
    })?;
    accounts.with_email(&email).await?.ok_or_else(|| nobody(who))
}

fn role(word: &str) -> Result<Role, Failure> {
    Role::parse(word).map_err(|error| Failure::new(Exit::Usage, error))
}

fn text(shown: &Shown, as_json: bool) -> String {
    if as_json { json!(shown).to_string() } else { shown.line() }
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
    let claim = app.node().aggregates().claim::<User>(EMAIL_CLAIM_KIND, new.email().as_str());
    let claim = claim.map_err(|error| Failure::new(Exit::Failed, error))?;
    if backend.events().claim_holder(&claim).await?.is_some() {
        return Ok(None);
    }
    let (aggregates, correlation) = (app.node().aggregates(), own_correlation(backend));
    let made = new.create(backend, &aggregates, app.passwords(), Role::Admin, correlation).await;
    made.map(Some).map_err(|error| failure(email, &error))
}
