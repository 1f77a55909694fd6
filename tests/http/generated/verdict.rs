//! What an answer has to be, whatever was asked: in time, of the document, and no failure.

use std::time::Duration;

use serde_json::Value;

use super::api::{Api, Operation};
use super::conforms::differences;
use super::draft::Draft;
use crate::app::TestApp;
use crate::client::Answer;

/// No answer takes so long, however busy the machine is.
const HANGS_AFTER: Duration = Duration::from_secs(60);

/// The answer to a request, which is as the document says.
pub(crate) async fn answered(
    app: &TestApp,
    api: Api<'_>,
    operation: Operation<'_>,
    draft: &Draft,
) -> Answer {
    let ask = draft.ask(app);
    let asked = async {
        match operation.is_endless() {
            true => ask.send_for_the_beginning().await,
            false => ask.send().await,
        }
    };
    let answer = tokio::time::timeout(HANGS_AFTER, asked).await;
    let answer = answer.expect("an answer comes in time");
    check(api, operation, &answer);
    answer
}

fn check(api: Api<'_>, operation: Operation<'_>, answer: &Answer) {
    let status = answer.status;
    assert!(status < 500, "{operation} failed: {}", shown(answer));
    let Some(said) = operation.said["responses"].get(status.to_string()) else {
        panic!("{operation}: not a status of the document: {}", shown(answer));
    };
    for name in ["x-correlation-id", "x-node-id"] {
        assert!(answer.header(name).is_some(), "{operation}: no {name}: {}", shown(answer));
    }
    if status >= 400 { check_problem(api, said, answer) } else { check_content(api, said, answer) }
}

/// A refusal is a problem document, with a code that the document names for this operation.
fn check_problem(api: Api<'_>, said: &Value, answer: &Answer) {
    let code = answer.json()["error"].as_str().unwrap_or_default().to_owned();
    let problem = answer.expect_problem(answer.status, &code);
    let told = &said["content"]["application/problem+json"];
    assert!(told["examples"].get(&code).is_some(), "not a code of the document: {}", shown(answer));
    let differing = differences(api, &told["schema"], &problem);
    assert!(differing.is_empty(), "{differing:?}: {}", shown(answer));
}

fn check_content(api: Api<'_>, said: &Value, answer: &Answer) {
    let Some(content) = said["content"].as_object() else {
        assert!(answer.body.is_empty(), "a body is not in the document: {}", shown(answer));
        return;
    };
    let given = answer.header("content-type").unwrap_or_default();
    let fits = |media: &str| media == "*/*" || given.starts_with(media);
    let Some((media, told)) = content.iter().find(|(media, _)| fits(media)) else {
        panic!("{given} is not in the document: {}", shown(answer));
    };
    if media == "application/json" {
        let differing = differences(api, &told["schema"], &answer.json());
        assert!(differing.is_empty(), "{differing:?}: {}", shown(answer));
    }
}

fn shown(answer: &Answer) -> String {
    let body = &answer.body[..answer.body.len().min(4_000)];
    format!("{} -> {}: {}", answer.asked, answer.status, String::from_utf8_lossy(body))
}
