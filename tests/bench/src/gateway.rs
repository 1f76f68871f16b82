//! A gateway's configuration, and people signed in to it, without a browser: sessions are written to the store and
//! sealed by the same code and key ring that a sign-in uses.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, anyhow};
use doorward::clock::Timestamp;
use doorward::config::Config;
use doorward::identity::ids;
use doorward::identity::session::{Payload, SessionCookies};
use doorward::store::{SessionRecord, SignIn, Store};

use crate::requests::HOST;

/// A configuration in `dir`: one worker, a policy of `rules` rules one of which lets staff in, and `more` sections. The
/// store is embedded unless these say otherwise.
///
/// # Errors
/// When a file cannot be written, or the configuration has faults.
pub fn configure(dir: &Path, listen: &str, rules: usize, more: &str) -> anyhow::Result<Config> {
    let policy = dir.join("policy.yaml");
    fs::write(&policy, policy_of(rules))?;
    let settings = format!(
        "data_dir: {}\nserver:\n  listen: {listen}\n  external_url: https://{HOST}\n  workers: 1\nops:\n  listen: 127.0.0.1:0\n\
         policy:\n  file: {}\n{more}",
        dir.display(),
        policy.display()
    );
    let file = dir.join("doorward.yaml");
    fs::write(&file, settings)?;
    Config::load(Some(&file), &BTreeMap::new()).map_err(|faults| anyhow!("{faults}"))
}

/// A policy of that many rules, the last of which is the one that is met.
#[must_use]
pub fn policy_of(rules: usize) -> String {
    let mut text = "version: 1\nroles:\n  staff: [\"reports:read\", \"reports:write\"]\nassign:\n  \
                    - { role: staff, email_domain: example.test }\nservices:\n"
        .to_owned();
    // Services of ten endpoints each, as a house with many services has them.
    for n in 0..rules.saturating_sub(1) {
        if n % 10 == 0 {
            let _ =
                writeln!(text, "  service{n}:\n    hosts: [{HOST}]\n    prefix: /service{n}\n    endpoints:");
        }
        let _ = writeln!(text, "      - {{ path: \"/things{n}/{{id}}\", permission: \"reports:read\" }}");
    }
    let _ = writeln!(
        text,
        "  foo:\n    hosts: [{HOST}]\n    prefix: /foo\n    endpoints:\n      \
         - {{ path: \"/reports/{{id}}\", methods: [GET], permission: \"reports:read\" }}"
    );
    text
}

/// Signs that many people in; returns their cookies as `name=value`.
///
/// # Errors
/// When the store does not take a session, or one cannot be sealed.
pub async fn sign_in(
    store: &dyn Store,
    cookies: &SessionCookies,
    people: usize,
    now: Timestamp,
) -> anyhow::Result<Vec<String>> {
    let mut lines = Vec::with_capacity(people);
    for n in 0..people {
        let (sid, subject) = (ids::session_id()?, format!("10769150350006150715{n:05}"));
        let (email, name) = (format!("person{n}@example.test"), format!("Person Number {n}"));
        let expires_at = now.plus(Duration::from_secs(8 * 3600));
        let who = SignIn {
            user_id: subject.clone(),
            provider: "google".into(),
            subject: subject.clone(),
            email: Some(email.clone()),
            name: Some(name.clone()),
        };
        store.sign_in(&who, now).await?;
        let session = SessionRecord {
            id: sid.clone(),
            user_id: subject.clone(),
            provider: "google".into(),
            subject: subject.clone(),
            provider_sid: None,
            created_at: now,
            last_seen_at: now,
            expires_at,
            address: Some("203.0.113.7".into()),
            agent: None,
            logout_hint: None,
        };
        store.open_session(&session).await?;
        let payload = Payload {
            sid,
            user_id: subject.clone(),
            provider: "google".into(),
            subject,
            email: Some(email),
            name: Some(name),
            roles: Vec::new(),
            groups: Vec::new(),
            signed_in_at: now,
            expires_at,
            idle_secs: Some(3600),
            proved_at: now,
        };
        let value = cookies.seal(&payload, HOST).context("a session could not be sealed")?;
        lines.push(format!("{}={value}", cookies.name()));
    }
    Ok(lines)
}
