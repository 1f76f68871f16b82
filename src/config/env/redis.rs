//! The names by which programs beside Redis are configured: they make it the store.

use std::collections::BTreeMap;

use super::{beside, put_value};
use crate::config::fault::{Fault, Faults};
use crate::config::keys::{Shape, variable};
use crate::config::raw::Raw;
use crate::config::store::encoded;
use crate::config::table::{Table, Value};

const HOST: &str = "REDIS_HOST";
const PORT: &str = "REDIS_PORT";
const DB: &str = "REDIS_DB";
const TLS: &str = "REDIS_TLS";

/// Names that stand for a key of `store` each.
const KEYS: &[(&str, &str, Shape)] = &[
    ("REDIS_USERNAME", "username", Shape::Text),
    ("REDIS_PASSWORD", "password", Shape::Secret),
    ("REDIS_PASSWORD_FILE", "password_file", Shape::Path),
    ("REDIS_TLS_SKIP_VERIFY", "insecure_tls_skip_verify", Shape::Flag),
];

/// `REDIS_HOST` with what says more about it. The others complete the address of the file when that is Redis.
pub(super) fn apply<'a>(
    env: impl Iterator<Item = (&'a String, &'a String)>,
    raw: &mut Raw,
    faults: &mut Faults,
) {
    let env: BTreeMap<&str, &str> = env
        .filter(|(name, value)| {
            name.contains("REDIS_") || name.starts_with("DOORWARD_STORE_") && !value.is_empty()
        })
        .map(|(name, value)| (name.as_str(), value.as_str()))
        .filter(|(_, value)| !value.is_empty())
        .collect();
    let mut over = Table::new("store");
    for (name, key, shape) in KEYS {
        if let Some(value) = env.get(name) {
            put_value(name, value, &(key, *shape), &mut over, faults);
        }
    }
    match env.get(HOST) {
        Some(host) => {
            let mut flag = Table::new("store");
            if let Some(tls) = env.get(TLS) {
                put_value(TLS, tls, &("tls", Shape::Flag), &mut flag, faults);
            }
            let scheme = if flag.flag("tls") { "rediss" } else { "redis" };
            let bare = host.parse::<std::net::Ipv6Addr>().is_ok();
            let host = if bare { format!("[{host}]") } else { (*host).to_owned() };
            let number = |name: &str, default: &'static str, faults: &mut Faults| {
                let text = env.get(name).copied().unwrap_or(default);
                if text.parse::<u16>().is_err() {
                    faults.push(Fault::new(name, None, format!("must be a number, such as `{default}`")));
                    return default.to_owned();
                }
                encoded(text)
            };
            let (port, db) = (number(PORT, "6379", faults), number(DB, "0", faults));
            over.set("url", Value::Text(format!("{scheme}://{host}:{port}/{db}")), HOST);
        }
        None => {
            for name in [PORT, DB, TLS].into_iter().filter(|name| env.contains_key(name)) {
                let message = "is set without `REDIS_HOST`; set that too, or write it all into `store.url`";
                faults.push(Fault::new(name, None, message));
            }
        }
    }
    for key in ["url", "username", "password", "insecure_tls_skip_verify"] {
        let ours = variable("store", key);
        if over.get(key).is_some() && env.contains_key(ours.as_str()) {
            over.fault(key, beside(&ours), faults);
        }
    }
    over.refuse_pairs(&[("password", Shape::Secret), ("password_file", Shape::Path)], faults);
    if let Some(table) = raw.section("store") {
        table.overlay(over);
    }
}
