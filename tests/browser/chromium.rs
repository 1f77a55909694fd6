//! A headless Chromium with one page, driven over its debugging pipe: a message is a line of JSON that ends
//! at a zero byte, commands go to its descriptor 3, and answers and events come from its descriptor 4.

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use serde_json::{Value, json};

const NAMES: [&str; 4] = ["chromium", "chromium-browser", "google-chrome", "google-chrome-stable"];

/// The sandbox does not work for root and in most containers; the only page is the node's own.
const FLAGS: [&str; 7] = [
    "--headless=new",
    "--remote-debugging-pipe",
    "--no-sandbox",
    "--no-first-run",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-component-update",
];

/// The browser; it ends with its test.
pub(crate) struct Chromium {
    process: Child,
    commands: ChildStdin,
    messages: BufReader<ChildStdout>,
    /// The page's; empty while there is none.
    session: String,
    sent: u64,
    /// What happened on the page, in its order.
    events: Vec<Value>,
}

impl Chromium {
    /// Starts it on a folder of its own, with a page on which nothing is.
    pub(crate) fn start(folder: &Path) -> Self {
        let program = program();
        let mut command = Command::new("sh");
        command.args(["-c", r#"exec "$@" 3<&0 4>&1 </dev/null >/dev/null"#, "sh", program]);
        command.args(FLAGS).arg(format!("--user-data-dir={}", folder.display())).arg("about:blank");
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut process = command.spawn().unwrap();
        let commands = process.stdin.take().unwrap();
        let messages = BufReader::new(process.stdout.take().unwrap());
        let (session, events) = (String::new(), Vec::new());
        let mut started = Self { process, commands, messages, session, sent: 0, events };
        started.attach();
        started
    }

    fn attach(&mut self) {
        let target = self.call("Target.createTarget", &json!({"url": "about:blank"}));
        let attach = json!({"targetId": target["targetId"], "flatten": true});
        let attached = self.call("Target.attachToTarget", &attach);
        self.session = attached["sessionId"].as_str().unwrap().to_owned();
        for domain in ["Network", "Runtime", "Log", "Page"] {
            self.call(&format!("{domain}.enable"), &json!({}));
        }
    }

    /// Opens an address, and has `script` known to whatever is evaluated there.
    pub(crate) fn open(&mut self, url: &str, script: &str) {
        self.call("Page.navigate", &json!({"url": url}));
        while !self.events.iter().any(|event| event["method"] == "Page.loadEventFired") {
            let event = self.receive();
            self.events.push(event);
        }
        self.evaluate(&format!("{script}; true"));
    }

    /// The value of an expression on the page, when it has come.
    pub(crate) fn evaluate(&mut self, expression: &str) -> Value {
        let asked = json!({
            "expression": expression, "awaitPromise": true, "returnByValue": true,
        });
        let answer = self.call("Runtime.evaluate", &asked);
        assert!(answer.get("exceptionDetails").is_none(), "{answer}");
        answer["result"]["value"].clone()
    }

    fn call(&mut self, method: &str, parameters: &Value) -> Value {
        self.sent += 1;
        let mut command = json!({"id": self.sent, "method": method, "params": parameters});
        if !self.session.is_empty() {
            command["sessionId"] = self.session.as_str().into();
        }
        write!(self.commands, "{command}\0").unwrap();
        self.commands.flush().unwrap();
        loop {
            let message = self.receive();
            if message["id"] == self.sent {
                assert!(message.get("error").is_none(), "{method}: {message}");
                return message["result"].clone();
            }
            self.events.push(message);
        }
    }

    fn receive(&mut self) -> Value {
        let mut message = Vec::new();
        self.messages.read_until(0, &mut message).unwrap();
        assert_eq!(message.pop(), Some(0), "the browser has ended");
        serde_json::from_slice(&message).unwrap()
    }

    /// What the events of a kind say.
    pub(crate) fn told<'a>(&'a self, method: &'a str) -> impl Iterator<Item = &'a Value> {
        let of_kind = self.events.iter().filter(move |event| event["method"] == method);
        of_kind.map(|event| &event["params"])
    }
}

impl Drop for Chromium {
    fn drop(&mut self) {
        drop(self.process.kill());
        drop(self.process.wait());
    }
}

/// The first browser of the known names that runs.
fn program() -> &'static str {
    let runs = |name: &&str| {
        let version = Command::new(*name).arg("--version").output();
        version.is_ok_and(|output| output.status.success())
    };
    let found = NAMES.into_iter().find(runs);
    found.unwrap_or_else(|| {
        panic!(
            "no Chromium is found, by any of the names {NAMES:?}: `scripts/install --tests` installs \
             one where the system has it as a package; SAGALINE_NO_BROWSER=1 leaves this test out"
        )
    })
}
