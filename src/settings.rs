//! What an operator can set: plain values with units, no objects.
//!
//! One table, below, says for each setting its name, default, rule and meaning; from it come the flag,
//! the environment variable, the key of the TOML file, `--help`, `sagaline settings` and
//! `.env.example`. The name in the table is the environment's (`BODY_LIMIT`); the flag is
//! `--body-limit`, the TOML key `body_limit`.
//!
//! Precedence: flag > environment > TOML file (`--config` or `SAGALINE_CONFIG`) > default. An empty
//! environment variable counts as not set. A secret may also be given as the path of a file that holds
//! it: `JWT_SECRET_FILE`, `--jwt-secret-file`, `jwt_secret_file`.
//!
//! Called by `cli` once at the start. Never read later: components are handed their group of values.

mod error;
mod flags;
mod rules;
mod sources;
#[macro_use]
mod table;
mod values;

#[cfg(test)]
#[path = "settings_tests.rs"]
mod tests;

use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

pub use error::SettingsError;
pub use flags::Flags;
pub use sources::{Effective, Environment, Origin};
pub use table::{Row, rows};
pub use values::{BackendKind, GatewayKind, LogFormat, LogLevel, ProductLockScope, Rate, Secret};

use rules::{
    address, auto_or, brokers, bytes, duration, email, fraction, hex_key, log_level, node_id,
    one_of, optional, path, rate, secret, secret_url, text, url, whole,
};

const DAY: Duration = Duration::from_secs(24 * 60 * 60);
const HOUR: Duration = Duration::from_secs(60 * 60);
const MINUTE: Duration = Duration::from_secs(60);
const SECOND: Duration = Duration::from_secs(1);
const MILLISECOND: Duration = Duration::from_millis(1);
const KIB: u64 = 1 << 10;
const MIB: u64 = 1 << 20;
const GIB: u64 = 1 << 30;

settings! {
    /// The process itself.
    node: NodeSettings {
        /// Name of this node in answers, events and log lines. Unique in a cluster.
        node_id: String = NODE_ID["node-1"] node_id();
        /// Where events, locks and messages live: in this process, or in PostgreSQL, Redis and Kafka.
        backend: BackendKind = BACKEND["embedded"] one_of(BackendKind::WORDS);
        /// Folder of the embedded store, the fake gateway's ledger and generated secrets. One process at a time.
        data_dir: PathBuf = DATA_DIR["./data"] path();
        /// Threads that run requests and sagas. auto: one per core and one more, since a sync blocks the one it runs on.
        worker_threads: Option<usize> = WORKER_THREADS["auto"] auto_or(whole(1, 1_024));
        /// Longest time a stop may take: finish requests, hand over sagas, close the store.
        drain_timeout: Duration = DRAIN_TIMEOUT["20s"] duration(SECOND, HOUR);
    }

    /// The HTTP server.
    http: HttpSettings {
        /// Address to listen on. All interfaces by default, as a server behind nginx or in a container needs.
        bind_address: IpAddr = BIND_ADDRESS["0.0.0.0"] address();
        /// Port to listen on. 0: any free one; the start line names it.
        port: u16 = PORT["3000"] whole(0, 65_535);
        /// Biggest request body; more is answered 413.
        body_limit_bytes: u64 = BODY_LIMIT["1MiB"] bytes(KIB, 64 * MIB);
        /// Longest time a client may take to send a request's head.
        header_timeout: Duration = HEADER_TIMEOUT["10s"] duration(MILLISECOND, HOUR);
        /// Longest time a client may take to send a request's body; more is answered 408.
        body_timeout: Duration = BODY_TIMEOUT["30s"] duration(MILLISECOND, HOUR);
        /// Longest time the server works on a request, beside what `Prefer: wait` asked for; more is answered 503.
        request_timeout: Duration = REQUEST_TIMEOUT["30s"] duration(MILLISECOND, HOUR);
        /// Connections open at once; further ones wait to be accepted.
        connections_max: usize = CONNECTIONS_MAX["10000"] whole(1, 1_000_000);
        /// Requests in work at once; further ones are answered 503 with Retry-After.
        requests_max: usize = REQUESTS_MAX["4096"] whole(1, 1_000_000);
    }

    /// Who may do what.
    auth: AuthSettings {
        /// Signs access tokens (HS256). Not set: generated once and kept in the data folder, readable by its owner only.
        jwt_secret: Option<Secret> = JWT_SECRET[""] optional(secret(1));
        /// Wraps the keys under which personal data is stored; the same for all nodes over one log. Not set: generated once and kept in the data folder, readable by its owner only. Whoever loses it loses the personal data.
        master_key: Option<Secret> = MASTER_KEY[""] optional(hex_key());
        /// Life of an access token.
        jwt_expires_in: Duration = JWT_EXPIRES_IN["1h"] duration(SECOND, 365 * DAY);
        /// Life of a refresh token.
        refresh_expires_in: Duration = REFRESH_EXPIRES_IN["30d"] duration(SECOND, 365 * DAY);
        /// Email of the administrator made at the start when there is none with it. Needs ADMIN_PASSWORD.
        admin_email: Option<String> = ADMIN_EMAIL[""] optional(email());
        /// Password of that administrator. Needs ADMIN_EMAIL.
        admin_password: Option<Secret> = ADMIN_PASSWORD[""] optional(secret(8));
        /// Passwords hashed at once; each takes a core for some ten milliseconds and 19 MiB.
        password_hashes_at_once: usize = PASSWORD_HASHES_AT_ONCE["2"] whole(1, 64);
        /// Passwords that may wait to be hashed; further ones are answered 503 with Retry-After.
        password_queue: usize = PASSWORD_QUEUE["64"] whole(0, 10_000);
        /// Logins that fail from one address; after so many further ones are answered 429.
        login_rate_per_address: Rate = LOGIN_RATE_PER_ADDRESS["120/1m"] rate();
        /// Logins that fail for one account; after so many further ones are answered 429.
        login_rate_per_account: Rate = LOGIN_RATE_PER_ACCOUNT["20/1m"] rate();
    }

    /// Orders.
    orders: OrderSettings {
        /// Whom a product in flight is locked for: every customer (product) or the one who orders it (customer).
        product_lock_scope: ProductLockScope = PRODUCT_LOCK_SCOPE["product"] one_of(ProductLockScope::WORDS);
        /// How long after an order was accepted its products stay locked at least.
        product_lock_window: Duration = PRODUCT_LOCK_WINDOW["5s"] duration(Duration::ZERO, DAY);
    }

    /// The payment gateway.
    gateway: GatewaySettings {
        /// fake: in this process, with test tokens and a ledger of its own. http: a remote one at GATEWAY_URL.
        kind: GatewayKind = GATEWAY["fake"] one_of(GatewayKind::WORDS);
        /// Base address of the remote gateway. Needed when GATEWAY is http.
        url: Option<String> = GATEWAY_URL[""] optional(url(&["http"]));
        /// Share of the fake gateway's calls that fail with 503 before anything happened.
        fake_failure_rate: f64 = GATEWAY_FAKE_FAILURE_RATE["0"] fraction();
        /// How long the fake gateway takes for a call.
        fake_latency: Duration = GATEWAY_FAKE_LATENCY["0ms"] duration(Duration::ZERO, MINUTE);
    }

    /// The saga engine.
    engine: EngineSettings {
        /// Parts the sagas are divided into for ownership. Fixed when a store is made.
        shards: u32 = SHARDS["64"] whole(1, 4_096);
        /// Sagas a node takes on before it answers new ones 503 with Retry-After.
        sagas_in_flight_max: usize = SAGAS_IN_FLIGHT_MAX["100000"] whole(1, 10_000_000);
        /// Calls to one participant under way at once; further ones wait.
        participant_calls_max: usize = PARTICIPANT_CALLS_MAX["256"] whole(1, 100_000);
        /// By how many of its last calls a participant's circuit breaker judges: it opens when 8 of 10 of them failed.
        breaker_outcomes: u32 = BREAKER_OUTCOMES["10"] whole(1, 64);
        /// How long an open breaker keeps calls back at first; doubled up to 5 s while it does not help.
        breaker_open_for: Duration = BREAKER_OPEN_FOR["500ms"] duration(MILLISECOND, HOUR);
        /// Retries that may fail per first attempt at a participant, on average; ten a second may in any case.
        retry_budget: f64 = RETRY_BUDGET["0.2"] fraction();
        /// Aggregates with at least so many events are loaded from a snapshot on.
        snapshot_events: usize = SNAPSHOT_EVENTS["512"] whole(2, 10_000);
        /// Life of a shard's lease in a cluster: a dead node's sagas are taken over within twice this. Embedded: not used.
        lease_ttl: Duration = LEASE_TTL["10s"] duration(100 * MILLISECOND, HOUR);
    }

    /// The embedded store.
    store: StoreSettings {
        /// Memory for blocks read from disk.
        cache_bytes: u64 = STORE_CACHE["32MiB"] bytes(MIB, 64 * GIB);
        /// Memory for writes not yet sorted into files.
        write_buffer_bytes: u64 = STORE_WRITE_BUFFER["64MiB"] bytes(4 * MIB, 16 * GIB);
        /// Files held open.
        open_files_max: u32 = STORE_OPEN_FILES_MAX["512"] whole(64, 1_000_000);
    }

    /// PostgreSQL, for the cluster backend: checked and kept, not used by the embedded one.
    database: DatabaseSettings {
        /// Address as one line; replaces the parts below.
        url: Option<Secret> = DATABASE_URL[""] optional(secret_url(&["postgres", "postgresql"]));
        /// Host.
        host: String = DATABASE_HOST["localhost"] text(255);
        /// Port.
        port: u16 = DATABASE_PORT["5432"] whole(1, 65_535);
        /// Database.
        name: String = DATABASE_NAME["sagaline"] text(63);
        /// User.
        username: String = DATABASE_USERNAME["sagaline"] text(63);
        /// Password.
        password: Option<Secret> = DATABASE_PASSWORD[""] optional(secret(1));
        /// Connections at most.
        pool_max: u32 = DATABASE_POOL_MAX["20"] whole(1, 10_000);
    }

    /// Redis, for the cluster backend: checked and kept, not used by the embedded one.
    redis: RedisSettings {
        /// Address as one line; replaces the parts below.
        url: Option<Secret> = REDIS_URL[""] optional(secret_url(&["redis", "rediss"]));
        /// Host.
        host: String = REDIS_HOST["localhost"] text(255);
        /// Port.
        port: u16 = REDIS_PORT["6379"] whole(1, 65_535);
        /// Password.
        password: Option<Secret> = REDIS_PASSWORD[""] optional(secret(1));
    }

    /// Kafka, for the cluster backend: checked and kept, not used by the embedded one.
    kafka: KafkaSettings {
        /// Brokers to find the cluster by: host:port, separated by commas.
        brokers: Vec<String> = KAFKA_BROKERS["localhost:9092"] brokers();
        /// How this node names itself to the brokers.
        client_id: String = KAFKA_CLIENT_ID["sagaline"] text(249);
    }

    /// What the node tells about itself.
    telemetry: TelemetrySettings {
        /// Least level of the log lines: a level, or levels per module such as `info,sagaline::engine=debug`.
        log_level: LogLevel = LOG_LEVEL["info"] log_level();
        /// How log lines look: for people (text) or machines (json).
        log_format: LogFormat = LOG_FORMAT["text"] one_of(LogFormat::WORDS);
        /// Collector of traces (OTLP over HTTP). Checked and kept; this version sends none.
        otlp_endpoint: Option<String> = OTEL_EXPORTER_OTLP_ENDPOINT[""] optional(url(&["http", "https"]));
    }
}

/// The settings of this start, and where each came from.
#[derive(Debug, Clone)]
pub struct Loaded {
    /// The values.
    pub settings: Settings,
    /// One per row of the table, in its order, fit to be shown: secrets are masked.
    pub effective: Vec<Effective>,
}

impl NodeSettings {
    /// How many worker threads the runtime gets. By default one more than there are cores: the log's
    /// sync blocks the thread that it runs on.
    pub fn threads(&self) -> usize {
        let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        self.worker_threads.unwrap_or(cores + 1)
    }
}

impl Settings {
    /// Reads, parses and checks everything. The error is one line that names the setting, the value and
    /// what is allowed.
    pub fn load(flags: &Flags, environment: &Environment) -> Result<Loaded, SettingsError> {
        let sources = sources::Sources::gather(flags, environment)?;
        let settings = Self::build(&sources)?;
        settings.check(&sources)?;
        Ok(Loaded { settings, effective: sources.effective() })
    }

    /// The settings of a node that was told nothing.
    pub fn defaults() -> Self {
        Self::build(&sources::Sources::default()).expect("a test parses every default of the table")
    }

    /// What is allowed but unwise, one line each, for the log at the start.
    pub fn warnings(&self) -> Vec<String> {
        let secret =
            self.auth.jwt_secret.as_ref().map_or(usize::MAX, |secret| secret.expose().len());
        let short = format!(
            "JWT_SECRET has {secret} bytes: tokens signed with it can be forged by trying; take 32 random bytes or more"
        );
        if secret < 32 { vec![short] } else { Vec::new() }
    }

    /// The rules between settings.
    fn check(&self, sources: &sources::Sources) -> Result<(), SettingsError> {
        if self.node.backend == BackendKind::Cluster {
            let origin = sources.origin("BACKEND");
            return Err(SettingsError::ClusterUnavailable { origin });
        }
        if self.gateway.kind == GatewayKind::Http && self.gateway.url.is_none() {
            return Err(SettingsError::Missing { name: "GATEWAY_URL", because: "GATEWAY is http" });
        }
        match (&self.auth.admin_email, &self.auth.admin_password) {
            (Some(_), None) => Err(SettingsError::Missing {
                name: "ADMIN_PASSWORD",
                because: "ADMIN_EMAIL is set",
            }),
            (None, Some(_)) => Err(SettingsError::Missing {
                name: "ADMIN_EMAIL",
                because: "ADMIN_PASSWORD is set",
            }),
            (Some(_), Some(_)) | (None, None) => Ok(()),
        }
    }
}
