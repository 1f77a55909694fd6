//! Users: given events, when a command comes, then events or a refusal.

use super::*;

fn register() -> UserCommand {
    UserCommand::Register(Box::new(Registration {
        email: Email::parse("Ada@Example.org").unwrap(),
        password_hash: PasswordHash::new("$argon2id$secret"),
        first_name: PersonName::parse("Ada").unwrap(),
        last_name: PersonName::parse("Lovelace").unwrap(),
        role: Role::Customer,
    }))
}

fn disable() -> UserCommand {
    UserCommand::Disable { reason: "left".to_owned() }
}

fn given(commands: impl IntoIterator<Item = UserCommand>) -> User {
    let mut user = User::default();
    for command in commands {
        for event in user.decide(command).expect("a legal past") {
            user.evolve(&event);
        }
    }
    user
}

#[test]
fn registering_claims_the_address_in_its_one_spelling() {
    let user = User::default();
    let event = &user.decide(register()).unwrap()[0];
    let wants = ClaimIntent::Take { kind: "email".into(), key: "ada@example.org".into() };
    assert_eq!(user.claims(event), [wants]);
}

#[test]
fn an_account_is_registered_once() {
    assert_eq!(given([register()]).decide(register()), Err(UserRefusal::AlreadyRegistered));
}

#[test]
fn nothing_can_be_asked_of_an_account_that_is_not_there() {
    let password_hash = PasswordHash::new("$argon2id$other");
    let commands = [
        UserCommand::ChangeRole { role: Role::Admin },
        UserCommand::ChangePassword { password_hash },
        disable(),
        UserCommand::Enable,
    ];
    for command in commands {
        assert_eq!(User::default().decide(command), Err(UserRefusal::NotRegistered));
    }
}

#[test]
fn role_password_and_status_change_and_stay() {
    let password_hash = PasswordHash::new("$argon2id$other");
    let change = UserCommand::ChangePassword { password_hash: password_hash.clone() };
    let user =
        given([register(), UserCommand::ChangeRole { role: Role::Admin }, change, disable()]);
    assert_eq!(user.account().unwrap().role, Role::Admin);
    assert_eq!(user.account().unwrap().password_hash, password_hash);
    assert_eq!(user.status(), UserStatus::Disabled);
    assert_eq!(given([register(), disable(), UserCommand::Enable]).status(), UserStatus::Active);
}

#[test]
fn what_is_so_already_changes_nothing() {
    let user = given([register(), disable()]);
    assert_eq!(user.decide(disable()), Ok(vec![]));
    assert_eq!(user.decide(UserCommand::ChangeRole { role: Role::Customer }), Ok(vec![]));
    assert_eq!(given([register()]).decide(UserCommand::Enable), Ok(vec![]));
}

#[test]
fn a_password_hash_is_never_printed() {
    let printed = format!("{:?}", given([register()]));
    assert!(!printed.contains("argon2"), "{printed}");
}

#[test]
fn events_survive_storing() {
    let event = User::default().decide(register()).unwrap().remove(0);
    let stored = serde_json::to_string(&event).unwrap();
    assert!(stored.starts_with(r#"{"UserRegistered":{"email":"ada@example.org""#), "{stored}");
    assert_eq!(serde_json::from_str::<UserEvent>(&stored).unwrap(), event);
}
