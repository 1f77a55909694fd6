//! The API's document: it is the router, and the router is it.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use serde_json::{Value, json};

use crate::app::TestApp;

/// Method, path and operation of everything in the document.
fn operations(document: &Value) -> Vec<(String, String, Value)> {
    let mut operations = Vec::new();
    for (path, item) in document["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            operations.push((method.to_uppercase(), path.clone(), operation.clone()));
        }
    }
    operations
}

/// A path with something in each of its places.
fn filled(path: &str) -> String {
    let id = "00000000-0000-7000-8000-000000000000";
    path.replace("{id}", id).replace("{status}", "parked").replace("{file}", "index.html")
}

fn roles(operation: &Value) -> Option<Vec<String>> {
    let roles = operation["security"].as_array()?.first()?["bearer"].as_array()?;
    Some(roles.iter().map(|role| role.as_str().unwrap().to_owned()).collect())
}

#[tokio::test(flavor = "multi_thread")]
async fn every_path_of_the_document_takes_its_methods_and_no_others() {
    let app = TestApp::start().await;
    let mut methods = BTreeMap::<String, BTreeSet<String>>::new();
    for (method, path, _) in operations(&app.document().await) {
        methods.entry(path).or_default().insert(method);
    }
    assert!(methods.len() > 45, "{}", methods.len());
    for (path, documented) in methods {
        let refused = app.ask("PATCH", &filled(&path)).send().await;
        refused.expect_problem(405, "METHOD_NOT_ALLOWED");
        let allowed = refused.header("allow").unwrap().split(',').map(str::to_owned);
        let allowed: BTreeSet<String> = allowed.filter(|method| method != "HEAD").collect();
        assert_eq!(allowed, documented, "{path}");
    }
}

/// A route can come onto the router in another way only if somebody writes it down. (What `http/own` makes is
/// not this router: users nest it under their own, without a document.)
#[test]
fn no_route_stands_beside_the_document() {
    fn files(folder: &Path, found: &mut Vec<std::path::PathBuf>) {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() { files(&path, found) } else { found.push(path) }
        }
    }
    let mut found = Vec::new();
    files(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src/http"), &mut found);
    assert!(found.len() > 40);
    let own = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/http/own");
    for file in found.iter().filter(|file| !file.starts_with(&own)) {
        let text = std::fs::read_to_string(file).unwrap();
        for way in [".route(", ".nest(", ".route_service(", ".nest_service("] {
            assert!(!text.contains(way), "{}: {way}", file.display());
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_operation_is_described_and_refuses_who_may_not() {
    let app = TestApp::start().await;
    let document = app.document().await;
    assert_eq!(document["openapi"], "3.1.0");
    let customer = app.customer().await;
    let mut ids = BTreeSet::new();
    for (method, path, operation) in operations(&document) {
        let at = format!("{method} {path}");
        let id = operation["operationId"].as_str().unwrap_or_else(|| panic!("{at}: no id"));
        assert!(ids.insert(id.to_owned()), "{at}: {id} stands twice");
        assert!(operation["summary"].as_str().is_some_and(|text| text.ends_with('.')), "{at}");
        let responses = operation["responses"].as_object().unwrap();
        assert!(responses.keys().any(|status| status.starts_with('2') || status == "308"), "{at}");
        let Some(roles) = roles(&operation) else { continue };
        let refused = app.ask(&method, &filled(&path)).send().await;
        refused.expect_problem(401, "TOKEN_MISSING");
        let forbidden = &responses.get("403").map(|response| &response["description"]);
        assert_eq!(forbidden.is_some(), !roles.is_empty(), "{at}");
        if !roles.is_empty() {
            let ask = app.ask(&method, &filled(&path)).bearer(&customer).json(&json!({}));
            ask.send().await.expect_problem(403, "FORBIDDEN");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_refusal_of_the_document_is_a_known_problem_with_an_example() {
    let app = TestApp::start().await;
    let document = app.document().await;
    for (method, path, operation) in operations(&document) {
        for (status, response) in operation["responses"].as_object().unwrap() {
            assert!(
                response["headers"]["X-Correlation-Id"].is_object(),
                "{method} {path} {status}"
            );
            if !status.starts_with(['4', '5']) {
                continue;
            }
            let problem = &response["content"]["application/problem+json"];
            assert_eq!(problem["schema"]["$ref"], "#/components/schemas/Problem");
            let examples = problem["examples"].as_object().unwrap();
            assert!(!examples.is_empty());
            for (code, example) in examples {
                let reference = example["$ref"].as_str().unwrap().trim_start_matches('#');
                let example = &document.pointer(reference).unwrap()["value"];
                assert_eq!(example["error"], **code, "{method} {path} {status}: {code}");
                assert_eq!(example["status"].to_string(), *status, "{method} {path}: {code}");
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn who_may_ask_for_a_wait_is_told_where_it_was_granted() {
    let app = TestApp::start().await;
    let mut waits = 0;
    for (method, path, operation) in operations(&app.document().await) {
        let parameters = operation["parameters"].as_array().cloned().unwrap_or_default();
        let prefers = parameters.iter().any(|parameter| parameter["name"] == "Prefer");
        for (status, response) in operation["responses"].as_object().unwrap() {
            let told = response["headers"].get("Preference-Applied").is_some();
            let expected = prefers && status.starts_with('2');
            assert_eq!(told, expected, "{method} {path} {status}");
            waits += u32::from(told);
        }
    }
    assert!(waits >= 6, "{waits}");
}

#[tokio::test(flavor = "multi_thread")]
async fn every_reference_leads_to_something_and_bodies_have_examples() {
    let app = TestApp::start().await;
    let document = app.document().await;
    let mut references = BTreeSet::new();
    collect(&document, &mut references);
    assert!(references.len() > 20);
    for reference in references {
        let found = document.pointer(reference.strip_prefix('#').unwrap());
        assert!(found.is_some(), "{reference} leads nowhere");
    }
    let schemas = document["components"]["schemas"].as_object().unwrap();
    for name in
        ["RegisterBody", "LogInBody", "OrderDraft", "StartBody", "ReasonBody", "ResolveBody"]
    {
        let schema = &schemas[name];
        assert!(schema["example"].is_object() || schema["examples"].is_array(), "{name}: {schema}");
    }
}

fn collect(value: &Value, references: &mut BTreeSet<String>) {
    match value {
        Value::Object(members) => {
            if let Some(reference) = members.get("$ref").and_then(Value::as_str) {
                references.insert(reference.to_owned());
            }
            members.values().for_each(|member| collect(member, references));
        }
        Value::Array(items) => items.iter().for_each(|item| collect(item, references)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

/// The examples of bodies are what people send first.
#[tokio::test(flavor = "multi_thread")]
async fn example_of_an_order_can_be_sent() {
    let app = TestApp::start().await;
    let customer = app.customer().await;
    let document = app.document().await;
    let schema = &document["components"]["schemas"]["OrderDraft"];
    let example = schema.get("example").unwrap_or_else(|| &schema["examples"][0]);
    assert_eq!(app.place_and_wait(&customer, example).await.expect(201)["status"], "paid");
}

#[tokio::test(flavor = "multi_thread")]
async fn page_stands_in_the_binary_and_loads_nothing_from_elsewhere() {
    let app = TestApp::start().await;
    let lead = app.ask("GET", "/api").send().await;
    assert_eq!((lead.status, lead.header("location")), (308, Some("/api/")));
    let page = app.ask("GET", "/api/").send().await;
    assert_eq!(page.status, 200);
    assert_eq!(page.header("content-type"), Some("text/html"));
    let policy = page.header("content-security-policy").unwrap();
    assert!(policy.starts_with("default-src 'self'"), "{policy}");
    let text = String::from_utf8(page.body.to_vec()).unwrap();
    assert!(!text.contains("http://") && !text.contains("https://"), "{text}");
    let document = app.document().await;
    let documented = &document["paths"]["/api/{file}"]["get"]["responses"]["200"]["content"];
    let is_file = |part: &&str| [".js", ".css", ".png"].iter().any(|end| part.ends_with(end));
    let mut loaded = 0;
    for part in text.split(['"', '\'']).filter(is_file).chain(["index.html"]) {
        let name = part.trim_start_matches("./");
        let file = app.ask("GET", &format!("/api/{name}")).send().await;
        assert_eq!(file.status, 200, "{name}");
        let content_type = file.header("content-type").unwrap();
        assert!(documented.get(content_type).is_some(), "{name}: {content_type}");
        loaded += 1;
    }
    assert!(loaded >= 5, "{text}");
    let start = app.ask("GET", "/api/swagger-initializer.js").send().await;
    let start = String::from_utf8_lossy(&start.body).into_owned();
    assert!(start.contains("/api-json"), "{start}");
    // The bundle would show the document to a validator on the net.
    assert!(start.contains(r#""validatorUrl": "none""#), "{start}");
    app.ask("GET", "/api/nothing.js").send().await.expect_problem(404, "NOT_FOUND");
}
