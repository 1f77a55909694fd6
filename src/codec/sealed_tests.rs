//! Personal parts taken out of JSON and put back.

use serde_json::json;

use super::*;
use crate::domain::PersonalField;

const PERSONAL: Personal = Personal {
    subject: Subject::Field("/userId"),
    fields: &[
        PersonalField { at: "/address", forgotten: r#"{"city":"forgotten"}"# },
        PersonalField { at: "/note", forgotten: "null" },
        PersonalField { at: "/details/phone", forgotten: r#""forgotten""# },
    ],
};

fn taken(json: &Value) -> Taken {
    take(json.to_string().as_bytes(), &PERSONAL, None).unwrap().unwrap()
}

fn order() -> Value {
    json!({"userId": "ada", "address": {"city": "London"}, "details": {"phone": "1"}, "total": 3})
}

#[test]
fn what_is_stored_reads_as_if_the_person_were_forgotten() {
    let taken = taken(&order());
    assert_eq!(taken.subject, "ada");
    let parts: Value = serde_json::from_slice(&taken.parts).unwrap();
    assert_eq!(parts, json!({"/address": {"city": "London"}, "/details/phone": "1"}));
    let stored = taken.store(Some("xyz".to_owned())).unwrap();
    assert!(is_sealed(&stored));
    assert_eq!(of(&stored).unwrap(), Sealed { sealed_box: "xyz".to_owned(), of: "ada".to_owned() });
    let stored: Value = serde_json::from_slice(&stored).unwrap();
    let forgotten = json!({
        "userId": "ada", "address": {"city": "forgotten"}, "details": {"phone": "forgotten"},
        "total": 3, "sealed": {"of": "ada", "box": "xyz"},
    });
    assert_eq!(stored, forgotten);
}

#[test]
fn parts_are_put_back_at_any_depth_and_what_cannot_be_opened_stays_forgotten() {
    let part = taken(&order());
    let parts: Map<String, Value> = serde_json::from_slice(&part.parts).unwrap();
    let stored = part.store(Some("xyz".to_owned())).unwrap();
    let stored: Value = serde_json::from_slice(&stored).unwrap();
    let mut document =
        json!({"state": {"input": stored}, "others": [{"sealed": {"of": "bob", "box": "?"}}]});
    assert_eq!(boxes(&document).len(), 2);
    open(&mut document, &mut |sealed| (sealed.of == "ada").then(|| parts.clone()));
    assert_eq!(document, json!({"state": {"input": order()}, "others": [{}]}));
}

#[test]
fn without_personal_parts_nothing_is_sealed() {
    let plain = json!({"userId": "ada", "note": null, "total": 3}).to_string();
    assert!(take(plain.as_bytes(), &PERSONAL, None).unwrap().is_none());
    assert!(!is_sealed(plain.as_bytes()) && of(plain.as_bytes()).is_none());
}

#[test]
fn a_box_of_a_forgotten_person_is_not_made() {
    let stored = taken(&order()).store(None).unwrap();
    assert!(!is_sealed(&stored));
    assert!(!String::from_utf8_lossy(&stored).contains("London"));
}

#[test]
fn parts_without_a_subject_are_refused() {
    let nobody = json!({"address": {"city": "London"}}).to_string();
    let error = take(nobody.as_bytes(), &PERSONAL, None).unwrap_err();
    assert!(error.to_string().contains("/userId"), "{error}");
    let own = json!({"userId": "ada", "address": {}, "sealed": 1}).to_string();
    let error = take(own.as_bytes(), &PERSONAL, None).unwrap_err();
    assert!(error.to_string().contains("`sealed`"), "{error}");
}
