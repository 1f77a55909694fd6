//! Commands that speak to a node over its HTTP API: to a running one with the rights of whoever logs in, to one
//! of this process that is at rest with all of them.

mod bulk;
mod consumer;
mod saga;

use std::fmt::Write as _;
use std::future::Future;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use bytes::Bytes;
use http::{Method, Request, StatusCode, header};
use http_body_util::Full;
use parking_lot::Mutex;
use serde::Deserialize;
use serde_json::{Value, json};

pub use consumer::{ConsumerCommand, run as run_consumer};
pub use saga::{SagaCommand, run};

use super::failure::{Exit, Failure};
use super::password::Passwords;
use crate::engine::InProcess;
use crate::engine::http_client::{Connect, Connecting, HttpClient, TcpConnect};
use crate::settings::HttpSettings;

/// Names the environment variable that a token can be given in.
pub const TOKEN: &str = "SAGALINE_TOKEN";

/// The answer to a request with a wrong value in it.
const BAD_REQUEST: u16 = 400;
/// The code of the refusal of a token whose time is over.
const TOKEN_EXPIRED: &str = "TOKEN_EXPIRED";

/// Longest time until there is a connection.
const CONNECT_MAX: Duration = Duration::from_secs(10);
/// An answer may take so much longer than the node may work on it: what is late is heard from the node.
const ON_THE_WAY: Duration = Duration::from_secs(30);

/// Which node, and as whom.
#[derive(Debug, Clone, clap::Args)]
pub struct Reach {
    /// The node's address; without it, the one that the settings name on this machine.
    #[arg(long, global = true)]
    pub url: Option<String>,
    /// Log in with this e-mail address; the password is asked for at a terminal, else read from the first
    /// line of stdin. Without it the access token in the environment variable SAGALINE_TOKEN counts.
    #[arg(long, global = true)]
    pub email: Option<String>,
}

impl Reach {
    /// Whether anything says that a running node is meant.
    pub fn is_given(&self, token: Option<&str>) -> bool {
        self.url.is_some() || self.email.is_some() || token.is_some()
    }
}

/// A node that is spoken to.
pub struct Remote {
    http: HttpClient,
    base: String,
    token: Mutex<String>,
    /// Who logged in, and with which password.
    account: Option<(String, String)>,
    /// Longest time for an answer, beside what was asked to be waited for.
    answer_max: Duration,
    /// It carries nothing out before it is started again.
    at_rest: bool,
}

/// TCP, to somebody who may not be there.
struct TimedConnect;

impl Connect for TimedConnect {
    fn connect(&self, host: String, port: u16) -> Connecting {
        let connecting = TcpConnect.connect(host, port);
        Box::pin(async move {
            let connected = tokio::time::timeout(CONNECT_MAX, connecting).await;
            connected.unwrap_or_else(|_| {
                let line = format!("no connection within {CONNECT_MAX:?}");
                Err(io::Error::new(io::ErrorKind::TimedOut, line))
            })
        })
    }
}

/// An answer that is no success.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Refusal {
    pub(super) status: u16,
    pub(super) code: String,
    detail: String,
}

impl From<Refusal> for Failure {
    fn from(refusal: Refusal) -> Self {
        let Refusal { status, code, detail } = refusal;
        // What the node finds wrong with a request was wrong in an argument.
        let exit = if status == BAD_REQUEST { Exit::Usage } else { Exit::Failed };
        Self::new(exit, format!("the node answered {status} {code}: {detail}"))
    }
}

impl Remote {
    /// Logs in at the node, or takes the token that was given. `settings`: where a node of this machine
    /// listens, and how long it works on a request.
    pub async fn reach(
        reach: &Reach,
        settings: &HttpSettings,
        token: Option<String>,
        passwords: &mut Passwords,
    ) -> Result<Self, Failure> {
        let here = || format!("http://127.0.0.1:{}", settings.port);
        let base = reach.url.clone().unwrap_or_else(here);
        let mut remote = Self::new(&base, settings.request_timeout + ON_THE_WAY);
        match (&reach.email, token) {
            (Some(email), _) => {
                let account = (email.clone(), passwords.next(email)?);
                remote.log_in(&account).await?;
                remote.account = Some(account);
            }
            (None, Some(token)) => *remote.token.lock() = token,
            (None, None) => {
                let line = format!("who are you? Give --email, or an access token in {TOKEN}");
                return Err(Failure::new(Exit::Usage, line));
            }
        }
        Ok(remote)
    }

    fn new(base: &str, answer_max: Duration) -> Self {
        let (base, token) = (base.trim_end_matches('/').to_owned(), Mutex::default());
        let http = HttpClient::new(Arc::new(TimedConnect));
        Self { http, base, token, account: None, answer_max, at_rest: false }
    }

    /// A node of this process that is at rest, and the token of who may do everything.
    pub(super) fn at_rest(routes: Router, token: String, settings: &HttpSettings) -> Self {
        let node = InProcess::new().service("node", routes);
        let remote = Self::new("http://node", settings.request_timeout + ON_THE_WAY);
        *remote.token.lock() = token;
        Self { http: HttpClient::new(Arc::new(node)), at_rest: true, ..remote }
    }

    async fn log_in(&self, (email, password): &(String, String)) -> Result<(), Failure> {
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct LoggedIn {
            access_token: String,
        }
        let body = json!({ "email": email, "password": password }).to_string();
        let answer = self.send(Method::POST, "/auth/login", Bytes::from(body), None).await??;
        let logged_in: LoggedIn = serde_json::from_value(answer).map_err(not_understood)?;
        *self.token.lock() = logged_in.access_token;
        Ok(())
    }

    /// What the node answers to a GET: a failure when it cannot be reached, a refusal when it says no.
    pub(super) async fn get(&self, path: &str) -> Result<Result<Value, Refusal>, Failure> {
        self.ask(Method::GET, path, Bytes::new(), None).await
    }

    /// A GET that waits up to so many seconds for the end of what it asks for.
    pub(super) async fn get_and_wait(
        &self,
        path: &str,
        seconds: u64,
    ) -> Result<Result<Value, Refusal>, Failure> {
        self.ask(Method::GET, path, Bytes::new(), Some(seconds)).await
    }

    /// What the node answers to a POST.
    pub(super) async fn post(
        &self,
        path: &str,
        body: &Value,
    ) -> Result<Result<Value, Refusal>, Failure> {
        self.ask(Method::POST, path, Bytes::from(body.to_string()), None).await
    }

    /// What the node answers to a PUT.
    pub(super) async fn put(
        &self,
        path: &str,
        body: &Value,
    ) -> Result<Result<Value, Refusal>, Failure> {
        self.ask(Method::PUT, path, Bytes::from(body.to_string()), None).await
    }

    /// A run may outlive its token: who logged in does so again.
    async fn ask(
        &self,
        method: Method,
        path: &str,
        body: Bytes,
        wait_s: Option<u64>,
    ) -> Result<Result<Value, Refusal>, Failure> {
        let answer = self.send(method.clone(), path, body.clone(), wait_s).await?;
        match (&answer, &self.account) {
            (Err(refusal), Some(account)) if refusal.code == TOKEN_EXPIRED => {
                self.log_in(account).await?;
                self.send(method, path, body, wait_s).await
            }
            _ => Ok(answer),
        }
    }

    async fn send(
        &self,
        method: Method,
        path: &str,
        body: Bytes,
        wait_s: Option<u64>,
    ) -> Result<Result<Value, Refusal>, Failure> {
        let url = format!("{}{path}", self.base);
        let wrong = |error: &dyn std::fmt::Display| {
            Failure::new(Exit::Usage, format!("`{url}` cannot be asked: {error}"))
        };
        let mut request = Request::builder().method(method).uri(&url);
        request = request.header(header::CONTENT_TYPE, "application/json");
        let token = self.token.lock().clone();
        if !token.is_empty() {
            request = request.header(header::AUTHORIZATION, format!("Bearer {token}"));
        }
        if let Some(seconds) = wait_s {
            request = request.header("prefer", format!("wait={seconds}"));
        }
        let request = request.body(Full::new(body)).map_err(|error| wrong(&error))?;
        let limit = self.answer_max + Duration::from_secs(wait_s.unwrap_or_default());
        let sent = tokio::time::timeout(limit, self.http.send(request)).await;
        let sent = sent.unwrap_or_else(|_| Err(format!("it took longer than {limit:?}")));
        let response = sent.map_err(|cause| {
            Failure::new(Exit::Failed, format!("no answer from {}: {cause}", self.base))
        })?;
        answered(response.status(), response.body())
    }
}

/// What comes of `work`, unless the operator wants no more before that.
async fn unless_stopped<T>(
    stop: impl Future<Output = ()>,
    work: impl Future<Output = Result<T, Failure>>,
) -> Result<T, Failure> {
    tokio::select! {
        biased;
        () = stop => Err(Failure::new(Exit::Failed, "it was stopped")),
        done = work => done,
    }
}

fn answered(status: StatusCode, body: &[u8]) -> Result<Result<Value, Refusal>, Failure> {
    if status.is_success() {
        return serde_json::from_slice(body).map(Ok).map_err(not_understood);
    }
    let problem: Problem = serde_json::from_slice(body).unwrap_or_default();
    let wrong = problem.errors.iter().map(|wrong| format!("; {}: {}", wrong.field, wrong.message));
    let detail = problem.detail + &wrong.collect::<String>();
    Ok(Err(Refusal { status: status.as_u16(), code: problem.error, detail }))
}

/// What is read of a problem document.
#[derive(Deserialize, Default)]
#[serde(default)]
struct Problem {
    error: String,
    detail: String,
    errors: Vec<WrongField>,
}

#[derive(Deserialize)]
struct WrongField {
    field: String,
    message: String,
}

/// An answer that this program does not understand: another version of it, or not a node at all.
pub(super) fn not_understood(error: serde_json::Error) -> Failure {
    Failure::new(Exit::Failed, format!("the answer is not one of a node: {error}"))
}

/// A value in a path or a query: everything but what needs no escape is written as its bytes.
pub(super) fn escaped(value: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte);
    value.bytes().fold(String::new(), |mut text, byte| {
        match plain(byte) {
            true => text.push(char::from(byte)),
            false => write!(text, "%{byte:02X}").expect("writing to a String cannot fail"),
        }
        text
    })
}

#[cfg(test)]
#[path = "remote_tests.rs"]
mod tests;
