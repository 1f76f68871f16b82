//! Numbers for Prometheus. No label carries a user, a path or a host: every set of labels is bounded by an enum or by
//! the configuration, so no traffic can make the process grow.
//!
//! What the hot path counts is looked up beforehand: a decision costs two or three atomic additions and no lock.

use std::fmt;
use std::fs;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::text::encode;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric, MetricEncoder, NoLabelSet};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::{ConstGauge, Gauge};
use prometheus_client::metrics::info::Info;
use prometheus_client::metrics::{MetricType, TypedMetric};
use prometheus_client::registry::{Registry, Unit};

use crate::clock::Timestamp;

/// The media type of [`Metrics::render`].
pub const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

type Labels<const N: usize> = [(&'static str, String); N];

/// An enum that is one label: its values in the order of their discriminants.
macro_rules! label {
    ($(#[$doc:meta])* $name:ident { $($(#[$inner:meta])* $variant:ident => $text:literal),+ $(,)? }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum $name { $($(#[$inner])* $variant),+ }

        impl $name {
            /// Every value, in order.
            pub const ALL: [Self; [$($text),+].len()] = [$(Self::$variant),+];

            /// The label's text.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $text),+ }
            }
        }
    };
}

label! {
    /// How a decision came out.
    Outcome {
        /// Let through, by somebody known.
        Allowed => "allowed",
        /// Let through, open to everybody, by nobody known.
        Anonymous => "anonymous",
        /// Sent to sign in.
        Challenged => "challenged",
        /// 401: nobody known, or a wrong credential.
        Unauthorized => "unauthorized",
        /// 403: known, but not allowed.
        Forbidden => "forbidden",
        /// 400: a target that could be read in two ways.
        Unreadable => "unreadable",
        /// 400: forwarding headers missing, repeated or malformed.
        BadRequest => "bad_request",
        /// 403: asked by a peer that is no trusted proxy.
        Untrusted => "untrusted",
        /// 503: could not be checked.
        Unavailable => "unavailable",
        /// 429: over a limit.
        RateLimited => "rate_limited",
    }
}

label! {
    /// How a sign-in went on.
    LoginResult {
        /// Somebody was sent to the provider.
        Started => "started",
        /// A session began.
        Completed => "completed",
        /// The person or the provider said no.
        Denied => "denied",
        /// Signed in at the provider, but not let in here: unverified e-mail, other domain.
        NotAllowed => "not_allowed",
        /// The callback or the token failed a check, or the callback was stale.
        Rejected => "rejected",
        /// The provider did not answer, or not sensibly.
        Unavailable => "unavailable",
    }
}

/// Every number of the process. Made once; shared by reference.
#[derive(Debug)]
pub struct Metrics {
    registry: Registry,
    decisions: [Counter; Outcome::ALL.len()],
    latency: Arc<Latency>,
    logins: Family<Labels<2>, Counter>,
    providers: Vec<String>,
    policy_loaded: Counter,
    policy_rejected: Counter,
    policy_version: Family<Labels<1>, Gauge>,
    policy_loaded_at: Gauge,
    store_errors: Counter,
    activity_dropped: Counter,
}

impl Metrics {
    /// For a process that began at `started`, with the ids of its `providers`.
    #[must_use]
    pub fn new<'a>(started: Timestamp, providers: impl IntoIterator<Item = &'a str>) -> Self {
        let mut registry = Registry::default();
        registry.register_collector(Box::new(Process { started }));
        let ours = registry.sub_registry_with_prefix("doorward");

        let build = Info::new([("version", env!("CARGO_PKG_VERSION"))]);
        ours.register("build", "The running build", build);

        let outcomes: Family<Labels<1>, Counter> = Family::default();
        let decisions =
            Outcome::ALL.map(|outcome| made(&outcomes, [("outcome", outcome.as_str().to_owned())]));
        ours.register("decisions", "Decisions by how they came out", outcomes);

        let latency = Arc::new(Latency::default());
        ours.register_with_unit(
            "decision_duration",
            "Time a decision took, from the request's arrival in the handler to its answer",
            Unit::Seconds,
            SharedLatency(Arc::clone(&latency)),
        );

        let logins: Family<Labels<2>, Counter> = Family::default();
        let providers: Vec<String> = providers.into_iter().map(str::to_owned).collect();
        for provider in &providers {
            for result in LoginResult::ALL {
                // Made now, so that a rate over them begins at zero.
                made(&logins, login_labels(provider, result));
            }
        }
        ours.register("logins", "Sign-ins by provider and how they went on", logins.clone());

        let reloads: Family<Labels<1>, Counter> = Family::default();
        let policy_loaded = made(&reloads, [("result", "loaded".to_owned())]);
        let policy_rejected = made(&reloads, [("result", "rejected".to_owned())]);
        ours.register("policy_reloads", "Loads of the policy by result", reloads);
        let policy_version: Family<Labels<1>, Gauge> = Family::default();
        ours.register("policy_version", "1 for the version of the policy in force", policy_version.clone());
        let policy_loaded_at = Gauge::default();
        ours.register_with_unit(
            "policy_loaded_timestamp",
            "When the policy in force was loaded, since the epoch",
            Unit::Seconds,
            policy_loaded_at.clone(),
        );

        let store_errors = Counter::default();
        ours.register("store_errors", "Questions that the store did not answer", store_errors.clone());
        let activity_dropped = Counter::default();
        let help = "Audit lines missing in the lists of activity, as the store was slow";
        ours.register("activity_dropped", help, activity_dropped.clone());

        Self {
            registry,
            decisions,
            latency,
            logins,
            providers,
            policy_loaded,
            policy_rejected,
            policy_version,
            policy_loaded_at,
            store_errors,
            activity_dropped,
        }
    }

    /// Counts a decision that took `took`.
    pub fn decision(&self, outcome: Outcome, took: Duration) {
        if let Some(counter) = self.decisions.get(outcome as usize) {
            counter.inc();
        }
        self.latency.observe(took);
    }

    /// Counts a step of a sign-in. A provider that is not configured counts as `other`.
    pub fn login(&self, provider: &str, result: LoginResult) {
        let known = self.providers.iter().any(|id| id == provider);
        self.logins.get_or_create(&login_labels(if known { provider } else { "other" }, result)).inc();
    }

    /// The policy of that version is in force since `now`.
    pub fn policy_loaded(&self, version: &str, now: Timestamp) {
        self.policy_loaded.inc();
        // One at a time: a label that only ever grew would be one for every edit.
        self.policy_version.clear();
        self.policy_version.get_or_create(&[("version", version.to_owned())]).set(1);
        self.policy_loaded_at.set(now.secs());
    }

    /// A policy was bad, and changed nothing.
    pub fn policy_rejected(&self) {
        self.policy_rejected.inc();
    }

    /// The store did not answer.
    pub fn store_error(&self) {
        self.store_errors.inc();
    }

    /// Counts what the lists of activity lose.
    #[must_use]
    pub fn activity_dropped(&self) -> Counter {
        self.activity_dropped.clone()
    }

    /// All of it as OpenMetrics text of the type [`CONTENT_TYPE`]. Were it ever cut short, its end mark would be
    /// missing, and a scraper refuses it.
    #[must_use]
    pub fn render(&self) -> String {
        let mut text = String::with_capacity(4096);
        if encode(&mut text, &self.registry).is_err() {
            tracing::error!("the metrics could not be written whole");
        }
        text
    }
}

/// A counter of the family that outlives any look-up.
fn made<const N: usize>(family: &Family<Labels<N>, Counter>, labels: Labels<N>) -> Counter {
    family.get_or_create(&labels).clone()
}

fn login_labels(provider: &str, result: LoginResult) -> Labels<2> {
    [("provider", provider.to_owned()), ("result", result.as_str().to_owned())]
}

/// Upper bounds in nanoseconds: a decision from memory takes tens of microseconds, one that waits takes milliseconds.
const BOUNDS: [u64; 14] = [
    10_000,
    25_000,
    50_000,
    100_000,
    250_000,
    500_000,
    1_000_000,
    2_500_000,
    5_000_000,
    10_000_000,
    50_000_000,
    100_000_000,
    500_000_000,
    1_000_000_000,
];

/// A histogram of atomics; the library's takes a lock on every observation.
#[derive(Debug, Default)]
struct Latency {
    buckets: [AtomicU64; BOUNDS.len()],
    beyond: AtomicU64,
    nanos: AtomicU64,
}

impl Latency {
    fn observe(&self, took: Duration) {
        let nanos = u64::try_from(took.as_nanos()).unwrap_or(u64::MAX);
        let bucket = BOUNDS.iter().zip(&self.buckets).find(|(bound, _)| nanos <= **bound);
        bucket.map_or(&self.beyond, |(_, count)| count).fetch_add(1, Ordering::Relaxed);
        self.nanos.fetch_add(nanos, Ordering::Relaxed);
    }
}

#[derive(Debug)]
struct SharedLatency(Arc<Latency>);

impl TypedMetric for SharedLatency {
    const TYPE: MetricType = MetricType::Histogram;
}

impl EncodeMetric for SharedLatency {
    fn encode(&self, mut encoder: MetricEncoder<'_>) -> Result<(), fmt::Error> {
        let counts = self.0.buckets.iter().chain([&self.0.beyond]).map(|count| count.load(Ordering::Relaxed));
        let bounds =
            BOUNDS.iter().map(|nanos| Duration::from_nanos(*nanos).as_secs_f64()).chain([f64::INFINITY]);
        let buckets: Vec<(f64, u64)> = bounds.zip(counts).collect();
        let count = buckets.iter().map(|(_, count)| count).sum();
        let sum = Duration::from_nanos(self.0.nanos.load(Ordering::Relaxed)).as_secs_f64();
        encoder.encode_histogram::<NoLabelSet>(sum, count, &buckets, None)
    }

    fn metric_type(&self) -> MetricType {
        Self::TYPE
    }
}

/// What the system knows of the process, by the names that every Prometheus client uses.
#[derive(Debug)]
struct Process {
    started: Timestamp,
}

impl Collector for Process {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        let started = ConstGauge::new(self.started.secs());
        let help = "Start of the process since the epoch";
        started.encode(encoder.encode_descriptor(
            "process_start_time",
            help,
            Some(&Unit::Seconds),
            MetricType::Gauge,
        )?)?;
        if let Some(bytes) = resident_bytes() {
            let help = "Resident memory";
            ConstGauge::new(bytes).encode(encoder.encode_descriptor(
                "process_resident_memory",
                help,
                Some(&Unit::Bytes),
                MetricType::Gauge,
            )?)?;
        }
        Ok(())
    }
}

/// `VmRSS` of `/proc/self/status`, proc(5); nothing where there is no such file.
fn resident_bytes() -> Option<i64> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kib: i64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    kib.checked_mul(1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn metrics() -> Metrics {
        Metrics::new(Timestamp::from_secs(1_700_000_000), ["google", "kc"])
    }

    #[track_caller]
    fn has(text: &str, line: &str) {
        assert!(text.lines().any(|l| l == line), "{line}\nnot in\n{text}");
    }

    #[test]
    fn everything_is_there_from_the_start() {
        let text = metrics().render();
        for outcome in Outcome::ALL {
            has(&text, &format!("doorward_decisions_total{{outcome=\"{}\"}} 0", outcome.as_str()));
        }
        for provider in ["google", "kc"] {
            has(&text, &format!("doorward_logins_total{{provider=\"{provider}\",result=\"completed\"}} 0"));
        }
        has(&text, &format!("doorward_build_info{{version=\"{}\"}} 1", env!("CARGO_PKG_VERSION")));
        has(&text, "process_start_time_seconds 1700000000");
        has(&text, "doorward_policy_reloads_total{result=\"rejected\"} 0");
        has(&text, "doorward_store_errors_total 0");
        assert!(text.ends_with("# EOF\n"));
        let resident = text.lines().find_map(|line| line.strip_prefix("process_resident_memory_bytes "));
        assert!(resident.unwrap().parse::<u64>().unwrap() > 100_000);
    }

    #[test]
    fn decisions_count_each_under_its_own_name() {
        let metrics = metrics();
        for (n, outcome) in Outcome::ALL.into_iter().enumerate() {
            for _ in 0..=n {
                metrics.decision(outcome, Duration::from_micros(20));
            }
        }
        metrics.decision(Outcome::Allowed, Duration::from_secs(5));
        let text = metrics.render();
        has(&text, "doorward_decisions_total{outcome=\"allowed\"} 2");
        has(&text, "doorward_decisions_total{outcome=\"unavailable\"} 9");
        has(&text, "doorward_decision_duration_seconds_bucket{le=\"0.00001\"} 0");
        has(&text, "doorward_decision_duration_seconds_bucket{le=\"0.000025\"} 55");
        has(&text, "doorward_decision_duration_seconds_bucket{le=\"1.0\"} 55");
        has(&text, "doorward_decision_duration_seconds_bucket{le=\"+Inf\"} 56");
        has(&text, "doorward_decision_duration_seconds_count 56");
        has(&text, "doorward_decision_duration_seconds_sum 5.0011");
    }

    #[test]
    fn label_sets_do_not_grow_with_traffic() {
        let metrics = metrics();
        let before = metrics.render().lines().count();
        for n in 0..100 {
            metrics.login(&format!("made-up-{n}"), LoginResult::Rejected);
            metrics.policy_loaded(&format!("v{n}"), Timestamp::from_secs(n));
        }
        metrics.login("kc", LoginResult::Completed);
        metrics.policy_rejected();
        metrics.store_error();
        let text = metrics.render();
        let versions = text.lines().filter(|line| line.starts_with("doorward_policy_version{")).count();
        let others = text.lines().filter(|line| line.contains("provider=\"other\"")).count();
        assert_eq!((versions, others), (1, 1));
        assert!(text.lines().count() <= before + 4, "{text}");
        has(&text, "doorward_logins_total{provider=\"other\",result=\"rejected\"} 100");
        has(&text, "doorward_logins_total{provider=\"kc\",result=\"completed\"} 1");
        has(&text, "doorward_policy_version{version=\"v99\"} 1");
        has(&text, "doorward_policy_loaded_timestamp_seconds 99");
        has(&text, "doorward_policy_reloads_total{result=\"loaded\"} 100");
        has(&text, "doorward_policy_reloads_total{result=\"rejected\"} 1");
        has(&text, "doorward_store_errors_total 1");
    }
}
