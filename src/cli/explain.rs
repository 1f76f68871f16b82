//! `doorward explain`: why is one request answered as it is?

use std::process::ExitCode;
use std::sync::Arc;

use clap::Args;
use serde_json::json;

use super::ConfigFile;
use crate::clock::{Clock as _, SystemClock};
use crate::config::{Config, StoreUrl};
use crate::identity::bearer::{Issuers, Verdict, digest_of};
use crate::policy::decision::{Caller, Subject};
use crate::policy::target::Target;
use crate::policy::{Explanation, Facts, Policy};
use crate::store::UserRecord;
use crate::{cli, server};

/// The end of `explain --help`.
pub(super) const MORE: &str = "\
Examples:
  doorward explain --config doorward.yaml --as ada@example.com GET https://app.example.com/reports/7
  doorward explain --roles staff,reader POST https://app.example.com/reports
  doorward explain --anonymous --json GET https://app.example.com/

--as knows what the policy assigns and what an admin granted. What the provider claims is known only at a sign-in: add \
it by --roles.

Exit status: 0 allowed, 1 not allowed, 2 bad usage or configuration.";

#[derive(Debug, Args)]
pub(super) struct Explain {
    #[command(flatten)]
    file: ConfigFile,
    /// Somebody with this verified e-mail.
    #[arg(long = "as", value_name = "EMAIL", conflicts_with_all = ["token", "anonymous"])]
    email: Option<String>,
    /// The provider or issuer that vouches for the e-mail; the first one unless the person is known.
    #[arg(long, value_name = "ID", requires = "email")]
    provider: Option<String>,
    /// Somebody with these roles, comma separated.
    #[arg(long, value_delimiter = ',', conflicts_with_all = ["token", "anonymous"])]
    roles: Vec<String>,
    /// Whoever holds this bearer token; `-` reads it from standard input. Its issuer is asked for its keys.
    #[arg(long, value_name = "TOKEN", conflicts_with = "anonymous")]
    token: Option<String>,
    /// Nobody; also when nothing else is said.
    #[arg(long)]
    anonymous: bool,
    /// As JSON.
    #[arg(long)]
    json: bool,
    /// The request's method.
    method: String,
    /// The whole address asked for.
    url: String,
}

/// Whom the explanation is about, and what was found out of them.
#[derive(Default)]
struct Person {
    roles: Vec<String>,
    audiences: Option<Vec<String>>,
    /// What is worth saying about them.
    notes: Vec<String>,
}

enum Asker {
    Anonymous,
    Wrong(String),
    Unchecked(String),
    Known(Person),
}

/// Explains; what goes wrong is said on standard error.
pub(super) fn run(explain: &Explain) -> ExitCode {
    let config = match explain.file.load() {
        Ok(config) => config,
        Err(faults) => return cli::refuse(&faults),
    };
    let target = match Target::of_url(&explain.method, &explain.url) {
        Ok(target) => target,
        Err(error) => return usage(&format!("this is no method and whole address: {error}")),
    };
    let live = match server::policy(&config) {
        Ok(live) => live,
        Err(error) => return bad(&error),
    };
    let policy = Arc::clone(&live.load());
    let asker = match actix_web::rt::System::new().block_on(explain.asker(&config, &policy)) {
        Ok(asker) => asker,
        Err(error) => return cli::fail(&error),
    };
    let (explanation, notes) = match &asker {
        Asker::Anonymous => (policy.explain(&target, Caller::Anonymous), Vec::new()),
        Asker::Wrong(why) => (policy.explain(&target, Caller::Wrong), vec![format!("refused: {why}")]),
        Asker::Unchecked(why) => {
            (policy.explain(&target, Caller::Unchecked), vec![format!("could not be checked: {why}")])
        }
        Asker::Known(person) => {
            let permissions = policy.permissions(&person.roles);
            let subject = Subject {
                roles: &person.roles,
                permissions: &permissions,
                audiences: person.audiences.as_deref(),
            };
            let mut notes = vec![format!("roles: {}", listed(&person.roles))];
            notes.push(format!("permissions: {}", listed(&permissions)));
            notes.extend(person.notes.iter().cloned());
            (policy.explain(&target, Caller::Known(subject)), notes)
        }
    };
    explain.answer(&explanation, &notes)
}

fn listed(names: &[String]) -> String {
    if names.is_empty() { "none".to_owned() } else { names.join(", ") }
}

impl Explain {
    async fn asker(&self, config: &Config, policy: &Policy) -> anyhow::Result<Asker> {
        match (&self.email, &self.token) {
            (_, Some(token)) => self.by_token(token, config, policy).await,
            (Some(email), None) => self.by_email(email, config, policy).await,
            (None, None) if !self.anonymous && !self.roles.is_empty() => {
                let facts = Facts { claimed: &self.roles, ..Facts::default() };
                Ok(Asker::Known(Person { roles: policy.roles(&facts), ..Person::default() }))
            }
            (None, None) => Ok(Asker::Anonymous),
        }
    }

    async fn by_email(&self, email: &str, config: &Config, policy: &Policy) -> anyhow::Result<Asker> {
        let users = known_users(config, email).await?;
        let user = users.iter().find(|user| self.provider.as_ref().is_none_or(|id| *id == user.provider));
        let mut notes = Vec::new();
        if let Some(user) = user {
            notes.push(format!("user: {}, granted: {}", user.id, listed(&user.granted)));
            if user.disabled {
                return Ok(Asker::Wrong("the user is disabled".to_owned()));
            }
        } else {
            notes.push("nobody with this e-mail has signed in yet".to_owned());
        }
        let first = config.identity_ids().first().map(|id| (*id).to_owned());
        let provider = self.provider.clone().or_else(|| user.map(|user| user.provider.clone())).or(first);
        let roles = policy.roles(&Facts {
            provider: provider.as_deref().unwrap_or_default(),
            email: Some(email),
            groups: &[],
            claimed: &self.roles,
            granted: user.map_or(&[], |user| &user.granted),
        });
        Ok(Asker::Known(Person { roles, audiences: None, notes }))
    }

    async fn by_token(&self, token: &str, config: &Config, policy: &Policy) -> anyhow::Result<Asker> {
        let mut read = String::new();
        let token = if token == "-" {
            std::io::Read::read_to_string(&mut std::io::stdin(), &mut read)?;
            read.trim()
        } else {
            token
        };
        let issuers = Issuers::new(&config.issuers).map_err(|fault| anyhow::anyhow!(fault))?;
        let verified = match issuers.check(token, &digest_of(token), SystemClock.now()).await {
            Verdict::Valid(verified) => verified,
            Verdict::Wrong(why) => return Ok(Asker::Wrong(why.to_owned())),
            Verdict::Unchecked(why) => return Ok(Asker::Unchecked(why)),
        };
        let ids = crate::identity::user_id::UserIds::new(
            config.identity_ids().into_iter().map(str::to_owned).collect(),
        );
        let Some(id) = ids.of(&verified.issuer, &verified.subject) else {
            return Ok(Asker::Wrong("its sub looks like the id of somebody of another issuer".to_owned()));
        };
        let users = known_users(config, &id).await?;
        let user = users.iter().find(|user| user.id == id);
        if user.is_some_and(|user| user.disabled) {
            return Ok(Asker::Wrong("the user is disabled".to_owned()));
        }
        let roles = policy.roles(&Facts {
            provider: &verified.issuer,
            email: verified.email.as_deref(),
            groups: &verified.groups,
            claimed: &verified.roles,
            granted: user.map_or(&[], |user| &user.granted),
        });
        let notes = vec![format!("user: {id}")];
        Ok(Asker::Known(Person { roles, audiences: Some(verified.audiences.clone()), notes }))
    }

    #[expect(clippy::print_stdout, reason = "the answer of a command")]
    fn answer(&self, explanation: &Explanation, notes: &[String]) -> ExitCode {
        if self.json {
            let mut json = serde_json::to_value(explanation).unwrap_or_default();
            if let Some(members) = json.as_object_mut() {
                members.insert("caller".to_owned(), json!(notes));
            }
            println!("{json:#}");
        } else {
            print!("{explanation}");
            for note in notes {
                println!("  caller:  {note}");
            }
        }
        if explanation.decision == "allow" { ExitCode::SUCCESS } else { ExitCode::FAILURE }
    }
}

/// Users of this name in the store, if there is one yet; explaining makes none.
async fn known_users(config: &Config, name: &str) -> anyhow::Result<Vec<UserRecord>> {
    match &config.store {
        StoreUrl::Sqlite(path) if !path.exists() => Ok(Vec::new()),
        _ => {
            let store = server::store(config).await?;
            Ok(store.users_named(name).await?)
        }
    }
}

#[expect(clippy::print_stderr, reason = "the answer of a command")]
fn usage(message: &str) -> ExitCode {
    eprintln!("doorward: {message}");
    ExitCode::from(2)
}

/// A policy with faults is bad configuration.
fn bad(error: &anyhow::Error) -> ExitCode {
    cli::fail(error);
    ExitCode::from(2)
}
