//! The PostgreSQL statements of the participants' protocol, on a server of this test's own: they do what
//! [`Barrier`] does, and of two calls at the same time the second waits for the first.

#![allow(clippy::unwrap_used, reason = "tests")]

use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use http::{HeaderMap, HeaderValue};
use sagaline::domain::Aggregate;
use sagaline::engine::barrier::protocol::{ANSWER, ENTER, FORGET, TABLE, UNDO};
use sagaline::engine::barrier::{
    Answer, Barrier, BarrierCommand, BarrierRefusal, CallHeaders, Entered,
};
use sagaline::saga::StepDirection;
use serde_json::{Value, json};
use tempfile::TempDir;

/// A PostgreSQL server in a folder of its own, reached by a socket there. Ends with the test.
struct Server {
    folder: TempDir,
    process: Child,
}

impl Server {
    fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let data = folder.path().join("data");
        if is_root() {
            // It does not run as root.
            run(Command::new("chown").arg("postgres").arg(folder.path()));
        }
        let flags =
            ["--no-sync", "--auth=trust", "--username=postgres", "--no-locale", "-E", "UTF8"];
        run(own("initdb").args(flags).arg(&data).stdout(Stdio::null()));
        let mut server = own("postgres");
        server.arg("-D").arg(&data).arg("-k").arg(folder.path());
        server.args(["-c", "listen_addresses=", "-c", "fsync=off"]);
        let process = server.stderr(Stdio::null()).stdout(Stdio::null()).spawn().unwrap();
        let mut server = Self { folder, process };
        while !server.is_up() {
            assert!(server.process.try_wait().unwrap().is_none(), "the server has ended");
        }
        server
    }

    fn is_up(&self) -> bool {
        let asked = psql(self.folder.path()).args(["-c", "SELECT 1"]).output().unwrap();
        asked.status.success()
    }

    fn session(&self) -> Session {
        let mut session = Session::open(self.folder.path());
        for (name, types, statement) in [
            ("enter", "text, bigint", ENTER),
            ("answer", "text, jsonb", ANSWER),
            ("undo", "text", UNDO),
        ] {
            session.ask(&format!("PREPARE {name} ({types}) AS {statement}"));
        }
        session
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // SIGINT: the fast shutdown, also through the program that changed the user.
        let pid = std::fs::read_to_string(self.folder.path().join("data/postmaster.pid"));
        let pid = pid.ok().and_then(|text| text.lines().next().map(str::to_owned));
        if let Some(pid) = pid {
            run(Command::new("kill").args(["-INT", &pid]));
        }
        self.process.wait().unwrap();
    }
}

fn is_root() -> bool {
    let id = Command::new("id").arg("-u").output().unwrap();
    id.stdout == b"0\n"
}

/// A program of the server, as a user it runs under.
fn own(program: &str) -> Command {
    let found = std::fs::read_dir("/usr/lib/postgresql").map(|versions| {
        let folder = |version: std::io::Result<std::fs::DirEntry>| version.unwrap().path();
        versions.map(folder).map(|version| version.join("bin").join(program)).max()
    });
    let path = found.ok().flatten().unwrap_or_else(|| PathBuf::from(program));
    if !is_root() {
        return Command::new(path);
    }
    let mut command = Command::new("setpriv");
    command.args(["--reuid=postgres", "--regid=postgres", "--clear-groups"]).arg(path);
    command.current_dir("/");
    command
}

fn run(command: &mut Command) {
    let status = command
        .status()
        .unwrap_or_else(|error| panic!("{command:?}: {error}; scripts/test installs PostgreSQL"));
    assert!(status.success(), "{command:?}: {status}");
}

fn psql(folder: &Path) -> Command {
    let mut command = Command::new("psql");
    command.args(["-X", "-q", "-A", "-t", "-F", "|", "-U", "postgres", "-h"]).arg(folder);
    command
}

/// One connection.
struct Session {
    input: ChildStdin,
    output: BufReader<ChildStdout>,
    process: Child,
}

impl Session {
    fn open(folder: &Path) -> Self {
        let mut command = psql(folder);
        command.args(["-v", "ON_ERROR_STOP=1"]).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut process = command.spawn().unwrap();
        let (input, output) = (process.stdin.take().unwrap(), process.stdout.take().unwrap());
        Self { input, output: BufReader::new(output), process }
    }

    fn send(&mut self, statement: &str) {
        writeln!(self.input, "{statement};\n\\echo ----").unwrap();
    }

    /// The rows of the statement sent last.
    fn rows(&mut self) -> Vec<String> {
        let mut rows = Vec::new();
        loop {
            let mut line = String::new();
            assert!(self.output.read_line(&mut line).unwrap() > 0, "the session has ended");
            match line.trim_end() {
                "----" => return rows,
                row => rows.push(row.to_owned()),
            }
        }
    }

    fn ask(&mut self, statement: &str) -> Vec<String> {
        self.send(statement);
        self.rows()
    }

    /// Begins a call's transaction; the row as it was found.
    fn enter(&mut self, call: &str, epoch: u64) -> Entered {
        self.ask("BEGIN");
        self.send(&format!("EXECUTE enter('{call}', {epoch})"));
        entered(&self.rows())
    }

    /// Ends it as [`Entered`] says.
    fn end<T>(&mut self, verdict: &Result<T, BarrierRefusal>) {
        let is_older = matches!(verdict, Err(BarrierRefusal::OlderEpoch { .. }));
        self.ask(if is_older { "ROLLBACK" } else { "COMMIT" });
    }

    /// The protocol's steps for an action, with a business that answers `first`.
    fn act(&mut self, call: &str, epoch: u64, first: &Answer) -> Result<Answer, BarrierRefusal> {
        let answered = match self.enter(call, epoch).action(epoch) {
            Ok(Some(known)) => Ok(read(known)),
            Ok(None) => {
                let json = written(first).to_string().replace('\'', "''");
                self.ask(&format!("EXECUTE answer('{call}', '{json}')"));
                Ok(first.clone())
            }
            Err(refusal) => Err(refusal),
        };
        self.end(&answered);
        answered
    }

    /// The protocol's steps for an undo. True: there was something to undo.
    fn undo(&mut self, call: &str, epoch: u64) -> Result<bool, BarrierRefusal> {
        let undone = self.enter(call, epoch).undo(epoch);
        if undone.is_ok() {
            self.ask(&format!("EXECUTE undo('{call}')"));
        }
        self.end(&undone);
        undone
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        drop(writeln!(self.input, "\\q"));
        self.process.wait().unwrap();
    }
}

/// What *enter* gives.
fn entered(rows: &[String]) -> Entered {
    let [row] = rows else { panic!("{rows:?}") };
    let (epoch, rest) = row.split_once('|').unwrap();
    let (answer, undone) = rest.rsplit_once('|').unwrap();
    let answer = (!answer.is_empty()).then(|| serde_json::from_str(answer).unwrap());
    Entered { epoch: epoch.parse().unwrap(), answer, undone: undone == "t" }
}

/// As the protocol writes an answer: its status and its body.
fn written(answer: &Answer) -> Value {
    match answer {
        Answer::Done { value } => json!({"status": 200, "body": value}),
        Answer::Rejected { reason } => json!({"status": 409, "body": reason}),
    }
}

fn read(answer: &Value) -> Answer {
    let body = &answer["body"];
    match answer["status"].as_u64() {
        Some(200) => Answer::Done { value: body.clone() },
        _ => Answer::Rejected { reason: body.as_str().unwrap().to_owned() },
    }
}

/// What the aggregate makes of the same calls.
#[derive(Default)]
struct Model(Barrier);

impl Model {
    fn record(&mut self, command: BarrierCommand) {
        for event in self.0.decide(command).unwrap() {
            self.0.evolve(&event);
        }
    }

    fn act(&mut self, epoch: u64, first: &Answer) -> Result<Answer, BarrierRefusal> {
        let known = self.0.admit_action(epoch);
        match known {
            Ok(None) => self.record(BarrierCommand::Answer { epoch, answer: first.clone() }),
            Err(BarrierRefusal::OlderEpoch { .. }) => {}
            Ok(Some(_)) | Err(BarrierRefusal::Undone) => {
                self.record(BarrierCommand::Repeat { epoch });
            }
        }
        Ok(known?.unwrap_or_else(|| first.clone()))
    }

    fn undo(&mut self, epoch: u64) -> Result<bool, BarrierRefusal> {
        let happened = self.0.admit_undo(epoch)?;
        self.record(BarrierCommand::Undo { epoch });
        Ok(happened)
    }
}

/// Draws the same numbers in every run.
struct Dice(u64);

impl Dice {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % bound
    }
}

#[test]
fn the_statements_of_the_protocol_keep_its_rules_on_postgresql() {
    let server = Server::start();
    let mut session = server.session_with_table();
    does_what_the_aggregate_does(&mut session);
    twins_wait_for_each_other(&server, &mut session);
    the_headers_of_a_request_lead_to_its_row(&mut session);
    what_cannot_come_any_more_is_forgotten(&mut session);
}

impl Server {
    fn session_with_table(&self) -> Session {
        let mut making = Session::open(self.folder.path());
        for _ in 0..2 {
            making.ask(TABLE);
        }
        self.session()
    }
}

fn does_what_the_aggregate_does(session: &mut Session) {
    let mut dice = Dice(0x5a6a_11e5);
    let (mut refused, mut answered) = (0, 0);
    for number in 0..60 {
        let (call, mut model) = (format!("saga-{number}/hotel"), Model::default());
        for step in 0..8 {
            let epoch = 1 + dice.below(3) + step / 3;
            let outcome = match dice.below(3) {
                0 => {
                    let (here, there) = (session.undo(&call, epoch), model.undo(epoch));
                    assert_eq!(here, there, "{call} undo under {epoch}");
                    here.map(drop)
                }
                choice => {
                    let first = match choice {
                        1 => Answer::Done { value: json!({"room": step, "of": "O'Hara"}) },
                        _ => Answer::Rejected { reason: format!("full | {step}") },
                    };
                    let here = session.act(&call, epoch, &first);
                    assert_eq!(here, model.act(epoch, &first), "{call} under {epoch}");
                    here.map(drop)
                }
            };
            refused += usize::from(outcome.is_err());
            answered += usize::from(outcome.is_ok());
        }
    }
    assert!(refused > 50 && answered > 50, "{refused} refused, {answered} answered");
}

fn twins_wait_for_each_other(server: &Server, session: &mut Session) {
    let (mut twin, mut watcher) = (server.session(), server.session());
    let row = session.enter("twins/hotel", 1);
    assert!(row.answer.is_none());
    twin.ask("BEGIN");
    twin.send("EXECUTE enter('twins/hotel', 1)");
    let waiting = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'";
    while watcher.ask(waiting) != ["1"] {
        std::thread::yield_now();
    }
    let first = Answer::Done { value: json!("room 4") };
    session.ask(&format!("EXECUTE answer('twins/hotel', '{}')", written(&first)));
    session.ask("COMMIT");
    assert_eq!(entered(&twin.rows()).answer, Some(written(&first)));
    twin.ask("COMMIT");
}

/// The headers of a request, as a service gets them.
fn headers(saga: &str, direction: &str, epoch: u64) -> HeaderMap {
    let key = format!("{saga}/hotel/{direction}");
    let mut headers = HeaderMap::new();
    headers.insert("idempotency-key", HeaderValue::from_str(&key).unwrap());
    headers.insert("sagaline-epoch", HeaderValue::from(epoch));
    headers.insert("x-correlation-id", HeaderValue::from_static("request-7"));
    headers
}

fn the_headers_of_a_request_lead_to_its_row(session: &mut Session) {
    let saga = "0192f3a4-5b6c-7d8e-9f01-23456789abcd";
    let room = Answer::Done { value: json!("room 4") };
    let mut serve = |direction: &str, epoch: u64| {
        let asked = CallHeaders::read(&headers(saga, direction, epoch)).unwrap();
        let call = asked.key.to_string();
        match asked.direction {
            StepDirection::Action => session.act(&call, asked.epoch, &room).map(drop),
            StepDirection::Compensation => session.undo(&call, asked.epoch).map(drop),
        }
    };
    assert_eq!(serve("action", 1), Ok(()));
    assert_eq!(serve("compensation", 2), Ok(()));
    let older = BarrierRefusal::OlderEpoch { presented: 1, current: 2 };
    assert_eq!(serve("action", 1), Err(older));
    assert_eq!(serve("action", 2), Err(BarrierRefusal::Undone));
    let row = format!("SELECT epoch, undone FROM saga_barrier WHERE call = '{saga}/hotel'");
    assert_eq!(session.ask(&row), ["2|t"]);
}

fn what_cannot_come_any_more_is_forgotten(session: &mut Session) {
    session.ask(
        "UPDATE saga_barrier SET seen = now() - interval '31 days' WHERE call <> 'twins/hotel'",
    );
    session.ask(FORGET);
    assert_eq!(session.ask("SELECT call FROM saga_barrier"), ["twins/hotel"]);
}
