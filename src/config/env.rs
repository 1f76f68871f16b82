//! The environment: `DOORWARD_SECTION_KEY` for every key, and the names that operators already have.
//!
//! The variables are an argument, so tests never touch the process. An empty variable counts as unset: that is how
//! Compose files pass on what was not set. A `DOORWARD_` variable that means nothing is a fault, as a misspelt key is.

mod keycloak;
mod redis;

use std::collections::BTreeMap;

use super::fault::{Fault, Faults, did_you_mean};
use super::keys::{ISSUER, Key, PREFIX, PROVIDER, SECTIONS, Shape, dotted, variable};
use super::raw::Raw;
use super::table::{Table, Value};

/// The Google names and the keys of a provider they stand for.
const GOOGLE: &[(&str, &str)] = &[
    ("GOOGLE_CLIENT_ID", "client_id"),
    ("GOOGLE_CLIENT_SECRET", "client_secret"),
    ("GOOGLE_CLIENT_SECRET_FILE", "client_secret_file"),
];

/// Names that operators already have, and the section and key each is another name of.
const ALIASES: &[(&str, &str, &str)] = &[
    ("ROLE_MAPPING_FILE", "policy", "file"),
    ("PEPPER", "tokens", "pepper"),
    ("PEPPER_FILE", "tokens", "pepper_file"),
    ("TOKEN_TTL_SECONDS", "tokens", "default_ttl_seconds"),
    ("RATE_LIMIT_WINDOW_SEC", "rate_limit", "window_sec"),
    ("RATE_LIMIT_MAX", "rate_limit", "max"),
    ("ADMIN_USER", "admin", "user"),
    ("ADMIN_PASS", "admin", "pass"),
    ("ADMIN_PASS_FILE", "admin", "pass_file"),
];

/// Names the command line reads.
const COMMAND_LINE: [&str; 2] = ["DOORWARD_CONFIG", "DOORWARD_TOKEN"];

/// Puts what the environment sets over what the file set.
pub(super) fn apply(env: &BTreeMap<String, String>, raw: &mut Raw, faults: &mut Faults) {
    let ours = || env.iter().filter(|(name, value)| !is_service_link(name, value));
    for (name, _) in ours() {
        if name.starts_with(PREFIX) && !COMMAND_LINE.contains(&name.as_str()) && !is_known(name) {
            refuse(name, faults);
        }
    }
    sections(env, raw, faults);
    redis::apply(ours(), raw, faults);
    google(env, raw, faults);
    entries(ours(), &PROVIDERS, &mut raw.providers, faults);
    keycloak::apply(env, raw, faults);
    entries(ours(), &ISSUERS, &mut raw.issuers, faults);
}

/// A list of maps, and how variables name the keys of its entries: `DOORWARD_PROVIDERS_GOOGLE_CLIENT_ID`.
struct List {
    path: &'static str,
    keys: &'static [Key],
}

const PROVIDERS: List = List { path: "providers", keys: PROVIDER };
const ISSUERS: List = List { path: "bearer.issuers", keys: ISSUER };

fn is_known(name: &str) -> bool {
    SECTIONS.iter().any(|(section, keys)| keys.iter().any(|(key, _)| variable(section, key) == name))
        || [PROVIDERS, ISSUERS].iter().any(|list| list.variable(name).is_some())
}

/// Kubernetes and Docker links describe a service called `doorward` (or `redis`) in variables that look like ours.
fn is_service_link(name: &str, value: &str) -> bool {
    let port = |rest: &str| rest.is_empty() || rest.starts_with('_');
    let after = |mark: &str| name.split_once(mark).is_some_and(|(_, rest)| port(rest));
    name.ends_with("_SERVICE_HOST")
        || after("_SERVICE_PORT")
        || (after("_PORT") && ["tcp://", "udp://", "sctp://"].iter().any(|scheme| value.starts_with(scheme)))
        || ["_TCP_", "_UDP_", "_SCTP_"].iter().any(|mark| {
            name.split_once(mark).is_some_and(|(head, tail)| {
                head.rsplit_once("_PORT_").is_some_and(|(_, n)| n.parse::<u16>().is_ok())
                    && ["PROTO", "PORT", "ADDR"].contains(&tail)
            })
        })
}

fn refuse(name: &str, faults: &mut Faults) {
    let list = [PROVIDERS, ISSUERS].into_iter().find(|list| name.starts_with(&list.prefix()));
    let hint = if let Some(List { path, keys }) = list {
        let keys: Vec<String> =
            keys.iter().skip(1).map(|(key, _)| variable(&format!("{path}.ID"), key)).collect();
        format!("; those of an entry of `{path}` are {}", keys.join(", "))
    } else {
        let all: Vec<String> = SECTIONS
            .iter()
            .flat_map(|(section, keys)| keys.iter().map(|(key, _)| variable(section, key)))
            .collect();
        did_you_mean(name, all.iter().map(String::as_str))
    };
    faults.push(Fault::new(name, None, format!("is not a known variable{hint}")));
}

fn sections(env: &BTreeMap<String, String>, raw: &mut Raw, faults: &mut Faults) {
    for (section, keys) in SECTIONS {
        let mut over = Table::new(section);
        for key in *keys {
            put(env, &variable(section, key.0), key, &mut over, faults);
        }
        let theirs = ALIASES.iter().filter(|(_, theirs, _)| theirs == section);
        for (name, _, key) in theirs {
            let Some(key) = keys.iter().find(|(known, _)| known == key) else { continue };
            match over.get(key.0).map(|setting| setting.origin.clone()) {
                Some(taken) if env.get(*name).is_some_and(|value| !value.is_empty()) => {
                    let mut other = Table::new(section);
                    put(env, name, key, &mut other, faults);
                    other.fault(key.0, beside(&taken), faults);
                }
                _ => put(env, name, key, &mut over, faults),
            }
        }
        over.refuse_pairs(keys, faults);
        if let Some(table) = raw.section(section) {
            table.overlay(over);
        }
    }
}

/// `GOOGLE_CLIENT_ID` and its secret: they complete the Google provider of the file, or make one.
fn google(env: &BTreeMap<String, String>, raw: &mut Raw, faults: &mut Faults) {
    let mut over = Table::new("providers.google");
    for (name, key) in GOOGLE {
        if let Some(key) = PROVIDER.iter().find(|(known, _)| known == key) {
            put(env, name, key, &mut over, faults);
        }
    }
    if over.is_empty() {
        return;
    }
    over.refuse_pairs(PROVIDER, faults);
    let mut theirs = raw.providers.iter_mut().filter(|table| table.text("kind") == Some("google"));
    match (theirs.next(), theirs.next()) {
        (Some(table), None) => {
            let id = table.text("id").unwrap_or_default().to_owned();
            for (_, key) in GOOGLE {
                let same = variable(&format!("providers.{id}"), key);
                if over.get(key).is_some() && env.get(&same).is_some_and(|value| !value.is_empty()) {
                    over.fault(key, beside(&same), faults);
                }
            }
            table.overlay(over);
        }
        (None, _) => {
            let mut table = Table::new("providers.google");
            table.set("id", Value::Text("google".to_owned()), "GOOGLE_CLIENT_ID");
            table.set("kind", Value::Text("google".to_owned()), "GOOGLE_CLIENT_ID");
            table.overlay(over);
            raw.providers.push(table);
        }
        (Some(_), Some(_)) => {
            let message = "could be meant for several providers of kind google; \
                use `DOORWARD_PROVIDERS_ID_CLIENT_ID` with the id of one";
            faults.push(Fault::new("GOOGLE_CLIENT_ID", None, message));
        }
    }
}

/// `DOORWARD_PROVIDERS_GOOGLE_CLIENT_ID`: a key of the entry with that id; a new id makes an entry.
fn entries<'a>(
    env: impl Iterator<Item = (&'a String, &'a String)>,
    list: &List,
    tables: &mut Vec<Table>,
    faults: &mut Faults,
) {
    let mut overs: BTreeMap<String, Table> = BTreeMap::new();
    for (name, value) in env {
        let Some((id, key)) = list.variable(name) else { continue };
        let path = format!("{}.{id}", list.path);
        let over = overs.entry(id).or_insert_with(|| Table::new(&path));
        put_value(name, value, key, over, faults);
    }
    for (id, over) in overs {
        if over.is_empty() {
            continue;
        }
        over.refuse_pairs(list.keys, faults);
        match tables.iter_mut().find(|table| table.text("id") == Some(&id)) {
            Some(table) => table.overlay(over),
            None => {
                let mut table = Table::new(&over.path);
                table.set("id", Value::Text(id), "the environment");
                table.overlay(over);
                tables.push(table);
            }
        }
    }
}

impl List {
    fn prefix(&self) -> String {
        variable(self.path, "")
    }

    /// The entry's id and the key that a variable is about. Ids have no `_`, so theirs stand for `-`; the longest
    /// key wins (`CLIENT_SECRET_FILE` over a made-up `…_FILE`).
    fn variable(&self, name: &str) -> Option<(String, &'static Key)> {
        let rest = name.strip_prefix(&self.prefix())?;
        self.keys
            .iter()
            .skip(1)
            .filter_map(|key| {
                let id = rest.strip_suffix(key.0.to_ascii_uppercase().as_str())?.strip_suffix('_')?;
                (!id.is_empty()).then(|| (id.to_ascii_lowercase().replace('_', "-"), key))
            })
            .max_by_key(|(_, key)| key.0.len())
    }
}

fn put(env: &BTreeMap<String, String>, name: &str, key: &Key, table: &mut Table, faults: &mut Faults) {
    if let Some(value) = env.get(name) {
        put_value(name, value, key, table, faults);
    }
}

fn put_value(name: &str, value: &str, (key, shape): &Key, table: &mut Table, faults: &mut Faults) {
    if value.is_empty() {
        return;
    }
    let value = match shape {
        Shape::Flag => match value {
            "true" | "1" => Value::Flag(true),
            "false" | "0" => Value::Flag(false),
            _ => {
                faults.push(Fault::new(dotted(&table.path, key), Some(name), "must be `true` or `false`"));
                Value::Wrong
            }
        },
        Shape::List | Shape::Secrets => Value::List(
            value.split(',').map(str::trim).filter(|entry| !entry.is_empty()).map(str::to_owned).collect(),
        ),
        _ => Value::Text(value.to_owned()),
    };
    table.set(key, value, name);
}

fn beside(other: &str) -> String {
    format!("is set beside `{other}`; keep one of the two")
}
