//! What an operator can rely on: who wins, what is refused, and that each refusal is one clear line.

use std::collections::BTreeSet;

use clap::{Args, FromArgMatches};

use super::*;

fn load(flags: &Flags, environment: &Environment) -> Result<Settings, SettingsError> {
    Settings::load(flags, environment).map(|loaded| loaded.settings)
}

fn of<const N: usize>(pairs: [(&str, &str); N]) -> Result<Settings, SettingsError> {
    load(&Flags::default(), &Environment::of(pairs))
}

/// A folder with one TOML file in it.
fn toml(text: &str) -> (tempfile::TempDir, Flags) {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("sagaline.toml");
    std::fs::write(&file, text).unwrap();
    (folder, Flags::default().with_config(file))
}

fn line(result: Result<Settings, SettingsError>) -> String {
    let line = result.map(|_| ()).unwrap_err().to_string();
    assert!(!line.contains('\n'), "more than one line: {line}");
    line
}

#[test]
fn every_default_is_allowed_by_its_own_rule() {
    let settings = Settings::defaults();
    assert_eq!(settings.http.port, 3000);
    assert_eq!(settings.auth.jwt_expires_in, HOUR);
    assert_eq!(settings.orders.product_lock_window, 5 * SECOND);
    assert_eq!(settings.http.body_limit_bytes, MIB);
    assert_eq!(settings.node.worker_threads, None);
    assert_eq!(settings.auth.jwt_secret, None);
}

#[test]
fn names_are_unique_and_need_no_quoting() {
    let rows = rows();
    let names: BTreeSet<_> = rows.iter().map(|row| row.name).collect();
    assert_eq!(names.len(), rows.len());
    for row in rows {
        assert!(row.name.bytes().all(|b| b.is_ascii_uppercase() || b == b'_'), "{}", row.name);
        assert!(row.meaning.ends_with('.'), "{}: {}", row.name, row.meaning);
    }
}

#[test]
fn flag_beats_environment_beats_file_beats_default() {
    let (_folder, config) = toml("port = 1001\nnode_id = \"file\"\nshards = 7\n");
    let environment = Environment::of([("PORT", "1002"), ("NODE_ID", "environment")]);
    let flags = Flags { given: Flags::of([("port", "1003")]).given, ..config };
    let settings = load(&flags, &environment).unwrap();
    assert_eq!(settings.http.port, 1003);
    assert_eq!(settings.node.node_id, "environment");
    assert_eq!(settings.engine.shards, 7);
    assert_eq!(settings.http.requests_max, 4096);
}

#[test]
fn each_value_tells_where_it_came_from() {
    let (folder, config) = toml("shards = 7\n");
    let flags = Flags { given: Flags::of([("port", "0")]).given, ..config };
    let loaded = Settings::load(&flags, &Environment::of([("NODE_ID", "n")])).unwrap();
    let origin =
        |name: &str| loaded.effective.iter().find(|e| e.name == name).unwrap().origin.clone();
    assert_eq!(origin("PORT"), Origin::Flag);
    assert_eq!(origin("NODE_ID"), Origin::Environment);
    assert_eq!(origin("SHARDS"), Origin::File(folder.path().join("sagaline.toml")));
    assert_eq!(origin("GATEWAY"), Origin::Default);
}

#[test]
fn an_empty_variable_counts_as_not_set() {
    assert_eq!(of([("PORT", ""), ("JWT_SECRET", "")]).unwrap().http.port, 3000);
}

#[test]
fn the_config_file_may_be_named_by_the_environment() {
    let (folder, _) = toml("port = 4444\nkafka_brokers = [\"a:1\", \"b:2\"]\n");
    let file = folder.path().join("sagaline.toml");
    let settings = of([("SAGALINE_CONFIG", file.to_str().unwrap())]).unwrap();
    assert_eq!(settings.http.port, 4444);
    assert_eq!(settings.kafka.brokers, ["a:1", "b:2"]);
}

#[test]
fn bad_values_are_refused_by_name_value_and_what_is_allowed() {
    let bad: &[(&str, &[&str])] = &[
        ("NODE_ID", &["a b", "a/b", "ä"]),
        ("BACKEND", &["sqlite", "Embedded"]),
        ("WORKER_THREADS", &["0", "-1", "two", "1025"]),
        ("DRAIN_TIMEOUT", &["20", "0s", "1.5s", "2h", "20 parsecs", "99999999999999999999s"]),
        ("BIND_ADDRESS", &["localhost", "1.2.3", "127.0.0.1:3000"]),
        ("PORT", &["65536", "-1", "http", "3000 ", "0x1", "+3", "18446744073709551616"]),
        ("BODY_LIMIT", &["1", "1MB", "65MiB", "0B", "-1KiB", "17179869184GiB"]),
        ("HEADER_TIMEOUT", &["0ms", "10"]),
        ("BODY_TIMEOUT", &["0ms"]),
        ("REQUEST_TIMEOUT", &["soon"]),
        ("CONNECTIONS_MAX", &["0"]),
        ("REQUESTS_MAX", &["0", "1e3"]),
        ("MASTER_KEY", &["0123", "not hexadecimal", "zz"]),
        ("JWT_EXPIRES_IN", &["24", "0s", "366d", "forever"]),
        ("REFRESH_EXPIRES_IN", &["0d"]),
        ("ADMIN_EMAIL", &["admin", "@b.c", "a@b", "a b@c.d", "a@b@c.d"]),
        ("ADMIN_PASSWORD", &["short"]),
        ("PASSWORD_HASHES_AT_ONCE", &["0", "65"]),
        ("PASSWORD_QUEUE", &["10001"]),
        ("LOGIN_RATE_PER_ADDRESS", &["20", "0/1m", "20/0s", "20/m", "4294967296/1s"]),
        ("LOGIN_RATE_PER_ACCOUNT", &["/1m", "x/1m"]),
        ("PRODUCT_LOCK_SCOPE", &["user", "products"]),
        ("PRODUCT_LOCK_WINDOW", &["5", "25h"]),
        ("GATEWAY", &["stripe"]),
        ("GATEWAY_URL", &["payments.example.com", "ftp://payments", "http://", "https://payments"]),
        ("GATEWAY_FAKE_FAILURE_RATE", &["1.01", "-0.1", "NaN", "inf", "10%", "1e-1", "."]),
        ("GATEWAY_FAKE_LATENCY", &["61s"]),
        ("SHARDS", &["0", "4097"]),
        ("SAGAS_IN_FLIGHT_MAX", &["0"]),
        ("PARTICIPANT_CALLS_MAX", &["0"]),
        ("BREAKER_OUTCOMES", &["0", "65"]),
        ("BREAKER_OPEN_FOR", &["0ms"]),
        ("SNAPSHOT_EVENTS", &["1", "10001"]),
        ("RETRY_BUDGET", &["2"]),
        ("LEASE_TTL", &["99ms"]),
        ("STORE_CACHE", &["1023KiB", "lots"]),
        ("STORE_WRITE_BUFFER", &["1MiB"]),
        ("STORE_OPEN_FILES_MAX", &["63"]),
        ("DATABASE_URL", &["mysql://db/x", "db"]),
        ("DATABASE_HOST", &[" db"]),
        ("DATABASE_PORT", &["0"]),
        ("DATABASE_NAME", &["a\nb"]),
        ("DATABASE_USERNAME", &[" "]),
        ("DATABASE_POOL_MAX", &["0"]),
        ("REDIS_URL", &["http://redis"]),
        ("REDIS_HOST", &["a\tb"]),
        ("REDIS_PORT", &["65536"]),
        ("KAFKA_BROKERS", &["kafka", "a:1,", "a:0", ":9092", "a:1,b"]),
        ("KAFKA_CLIENT_ID", &[" x"]),
        ("LOG_LEVEL", &["loud", "info,", "x=loud", "=info", "INFO"]),
        ("LOG_FORMAT", &["xml"]),
        ("OTEL_EXPORTER_OTLP_ENDPOINT", &["collector:4318"]),
    ];
    for (name, values) in bad {
        let row = rows().into_iter().find(|row| row.name == *name).unwrap();
        for value in *values {
            let line = line(of([(name, value)]));
            assert!(line.starts_with(name), "{line}");
            assert!(line.contains("(environment)") && line.contains(&row.allowed), "{line}");
            let shown = format!("{:?}", (row.mask)(value));
            assert!(line.contains(&shown), "{line} does not show {shown}");
        }
    }
    let free = ["DATA_DIR", "JWT_SECRET", "DATABASE_PASSWORD", "REDIS_PASSWORD"];
    let tried: BTreeSet<_> = bad.iter().map(|(name, _)| *name).chain(free).collect();
    assert_eq!(tried, rows().iter().map(|row| row.name).collect(), "a setting without a bad value");
}

#[test]
fn values_that_look_unusual_and_are_right_are_taken() {
    let settings = of([
        ("JWT_EXPIRES_IN", "90 m"),
        ("BODY_LIMIT", "2048B"),
        ("LOG_LEVEL", "warn,sagaline::engine=trace"),
        ("BIND_ADDRESS", "::1"),
        ("DATABASE_URL", "postgresql://u:p%40ss@[::1]:5432/db?sslmode=require"),
        ("WORKER_THREADS", "3"),
        ("GATEWAY_FAKE_FAILURE_RATE", ".5"),
    ])
    .unwrap();
    assert_eq!(settings.auth.jwt_expires_in, 90 * MINUTE);
    assert_eq!(settings.http.body_limit_bytes, 2048);
    assert_eq!(settings.telemetry.log_level.as_str(), "warn,sagaline::engine=trace");
    assert_eq!(settings.node.worker_threads, Some(3));
    assert_eq!(settings.gateway.fake_failure_rate, 0.5);
}

#[test]
fn a_bad_secret_is_not_shown() {
    let line = line(of([("ADMIN_EMAIL", "a@b.c"), ("ADMIN_PASSWORD", "hunter2")]));
    assert!(!line.contains("hunter2"), "{line}");
    assert!(line.contains("8 to 4096 bytes"), "{line}");
    let shown = format!("{:?}", of([("JWT_SECRET", "hunter2")]).unwrap());
    assert!(!shown.contains("hunter2"), "{shown}");
}

#[test]
fn a_password_in_an_address_is_not_shown_wherever_it_stands() {
    let cases = [
        ("postgres://h:5432/db", "postgres://h:5432/db"),
        ("postgres://me:hunter2@h/db", "postgres://********@h/db"),
        ("postgres://h/db?password=hunter2", "postgres://h/db?password=********"),
        (
            "postgres://me:hunter2@h/db?sslmode=require&password=hunter2",
            "postgres://********@h/db?sslmode=********&password=********",
        ),
        ("postgres://h/db?hunter2", "postgres://h/db?********"),
        ("postgres://h/db#password=hunter2", "postgres://h/db#password=********"),
        ("postgres://h/db?password=hunter2@h", "postgres://********"),
        ("postgres://me:hunter2?@h/db", "postgres://********"),
        ("postgres:hunter2", "********"),
        ("", ""),
    ];
    for name in ["DATABASE_URL", "REDIS_URL", "GATEWAY_URL", "OTEL_EXPORTER_OTLP_ENDPOINT"] {
        let row = rows().into_iter().find(|row| row.name == name).unwrap();
        for (given, shown) in cases {
            assert_eq!((row.mask)(given), shown, "{name}");
        }
    }
}

#[test]
fn a_secret_may_stand_in_a_file() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("secret");
    std::fs::write(&file, "from a file\r\n").unwrap();
    let path = file.to_str().unwrap();
    let settings = of([("JWT_SECRET_FILE", path)]).unwrap();
    assert_eq!(settings.auth.jwt_secret.unwrap().expose(), "from a file");
    let settings = load(&Flags::of([("jwt_secret_file", path)]), &Environment::default()).unwrap();
    assert_eq!(settings.auth.jwt_secret.unwrap().expose(), "from a file");
}

#[test]
fn a_secret_given_twice_in_one_place_is_refused_and_in_two_places_overridden() {
    let line = line(of([("JWT_SECRET", "a"), ("JWT_SECRET_FILE", "/b")]));
    assert_eq!(line, "JWT_SECRET and JWT_SECRET_FILE are both set (environment); give one of them");
    let environment = Environment::of([("JWT_SECRET_FILE", "/does/not/exist")]);
    let settings = load(&Flags::of([("jwt_secret", "typed")]), &environment).unwrap();
    assert_eq!(settings.auth.jwt_secret.unwrap().expose(), "typed");
}

#[test]
fn a_file_that_cannot_be_read_is_named() {
    let line = line(of([("JWT_SECRET_FILE", "/does/not/exist")]));
    assert!(
        line.starts_with("JWT_SECRET_FILE names the file /does/not/exist, which cannot"),
        "{line}"
    );
    let line = self::line(of([("SAGALINE_CONFIG", "/does/not/exist.toml")]));
    assert!(line.starts_with("SAGALINE_CONFIG names the file /does/not/exist.toml"), "{line}");
}

#[test]
fn unknown_keys_of_the_file_are_refused_with_the_nearest_known_one() {
    let (_folder, flags) = toml("prot = 1\n");
    let line = line(load(&flags, &Environment::default()));
    assert!(line.ends_with("unknown setting \"prot\"; did you mean \"port\"?"), "{line}");
    let (_folder, flags) = toml("favourite_colour = \"red\"\n");
    let line = self::line(load(&flags, &Environment::default()));
    assert!(line.ends_with("`sagaline settings` lists them all"), "{line}");
}

#[test]
fn a_broken_file_is_refused_with_its_line() {
    let (_folder, flags) = toml("port = 1\nnode_id = \"x\n");
    let line = line(load(&flags, &Environment::default()));
    assert!(line.contains("sagaline.toml: line 2: "), "{line}");
    let (_folder, flags) = toml("[port]\nx = 1\n");
    let line = self::line(load(&flags, &Environment::default()));
    assert!(line.contains("port must be a text, a number"), "{line}");
}

#[test]
fn what_belongs_together_must_come_together() {
    assert_eq!(
        line(of([("GATEWAY", "http")])),
        "GATEWAY_URL is missing: it must be set because GATEWAY is http"
    );
    assert_eq!(
        line(of([("ADMIN_EMAIL", "a@b.c")])),
        "ADMIN_PASSWORD is missing: it must be set because ADMIN_EMAIL is set"
    );
    assert_eq!(
        line(of([("ADMIN_PASSWORD", "12345678")])),
        "ADMIN_EMAIL is missing: it must be set because ADMIN_PASSWORD is set"
    );
}

#[test]
fn the_cluster_backend_is_refused_for_now() {
    assert_eq!(
        line(of([("BACKEND", "cluster")])),
        "BACKEND = \"cluster\" (environment) is not available in this version; allowed: embedded"
    );
}

#[test]
fn a_short_jwt_secret_is_warned_about() {
    assert_eq!(of([("JWT_SECRET", "short")]).unwrap().warnings().len(), 1);
    assert!(Settings::defaults().warnings().is_empty());
    let long = "0123456789abcdef0123456789abcdef";
    assert!(of([("JWT_SECRET", long)]).unwrap().warnings().is_empty());
}

#[test]
fn flags_stand_before_and_behind_a_subcommand() {
    let command = || {
        let serve = clap::Command::new("serve");
        Flags::augment_args(clap::Command::new("sagaline").subcommand(serve))
    };
    let port = |line: &[&str]| {
        let matches = command().try_get_matches_from(line).unwrap();
        let flags = Flags::from_arg_matches(&matches).unwrap();
        load(&flags, &Environment::of([("PORT", "1")])).unwrap().http.port
    };
    assert_eq!(port(&["sagaline"]), 1);
    assert_eq!(port(&["sagaline", "--port", "2"]), 2);
    assert_eq!(port(&["sagaline", "--port=3", "serve"]), 3);
    assert_eq!(port(&["sagaline", "serve", "--port", "4"]), 4);
    command().debug_assert();
}

#[test]
fn every_setting_stands_in_the_long_help() {
    let mut command = Flags::augment_args(clap::Command::new("sagaline"));
    let help = command.render_long_help().to_string();
    for row in rows() {
        assert!(help.contains(&format!("--{} ", row.flag())), "{}", row.name);
        assert!(help.contains(&format!("[env: {}]", row.name)), "{}", row.name);
    }
}
