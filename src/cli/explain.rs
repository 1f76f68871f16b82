//! `doorward explain`: why is one request answered as it is?

use std::io::BufReader;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use clap::Args;
use serde_json::json;

use super::ConfigFile;
use crate::admin::{Actor, Explained, Question, Refusal};
use crate::audit::{
    self,
    recorded::{self, Recorded},
};
use crate::clock::{Clock as _, SystemClock};
use crate::config::{Config, StoreUrl};
use crate::identity::api_token;
use crate::identity::bearer::{Issuers, Verdict, digest_of, means_jwt};
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
  doorward explain --config doorward.yaml --decision 1b4f689c4491d8d4
  docker compose logs --no-log-prefix doorward | doorward explain --config doorward.yaml --decision 1b4f689c4491d8d4 --log -

--as knows what the policy assigns and what an admin granted. What the provider claims is known only at a sign-in: add \
it by --roles.

--decision takes the id that the 403 page, X-Auth-Decision-Id and the audit line show. Who asked for what, and \
with which roles, is in that line; the rules are those of the policy as it is now, and a difference to what was answered \
then is told.

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
    /// Whoever holds this token; `-` reads it from standard input. Of a JWT the issuer is asked for its keys; every other
    /// is an API token, which its id or digest names too, and is looked up in the store.
    #[arg(long, value_name = "TOKEN", conflicts_with = "anonymous")]
    token: Option<String>,
    /// Nobody; also when nothing else is said.
    #[arg(long)]
    anonymous: bool,
    /// A decision that was made, by its id in the audit log.
    #[arg(long, value_name = "DECISION", conflicts_with_all = ["email", "roles", "token", "anonymous", "method"])]
    decision: Option<String>,
    /// The audit log that has it, `-` for standard input; `audit.file` unless given.
    #[arg(long, value_name = "FILE", requires = "decision")]
    log: Option<PathBuf>,
    /// As JSON.
    #[arg(long)]
    json: bool,
    /// The request's method.
    #[arg(required_unless_present = "decision", requires = "url")]
    method: Option<String>,
    /// The whole address asked for.
    #[arg(required_unless_present = "decision")]
    url: Option<String>,
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
    /// As administrators are told.
    Told(Box<Explained>),
}

/// The decision in the first of these files that has it.
fn find_in(files: &[PathBuf], id: &str) -> std::io::Result<Option<Recorded>> {
    for file in files {
        let found = std::fs::File::open(file)
            .and_then(|log| recorded::find(BufReader::new(log), id))
            .map_err(|error| std::io::Error::new(error.kind(), format!("{}: {error}", file.display())))?;
        if found.is_some() {
            return Ok(found);
        }
    }
    Ok(None)
}

/// Explains; what goes wrong is said on standard error.
pub(super) fn run(explain: &Explain) -> ExitCode {
    let config = match explain.file.load() {
        Ok(config) => config,
        Err(faults) => return cli::refuse(&faults),
    };
    let live = match server::policy(&config) {
        Ok(live) => live,
        Err(error) => return bad(&error),
    };
    let policy = Arc::clone(&live.load());
    if let Some(id) = &explain.decision {
        return explain.recorded(id, &config, &policy);
    }
    let (Some(method), Some(url)) = (&explain.method, &explain.url) else {
        return usage("write a method and a whole address, or --decision");
    };
    let target = match Target::of_url(method, url) {
        Ok(target) => target,
        Err(error) => return usage(&format!("this is no method and whole address: {error}")),
    };
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
        Asker::Told(told) => {
            let caller = &told.caller;
            let mut notes = vec![format!("user: {}", caller.id.as_deref().unwrap_or("none"))];
            notes.push(format!("roles: {}", listed(&caller.roles)));
            notes.push(format!("permissions: {}", listed(&caller.permissions)));
            notes.extend(caller.notes.iter().cloned());
            (told.explanation.clone(), notes)
        }
    };
    explain.answer(&explanation, &notes, None)
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
        if self.roles.is_empty() {
            notes.push(
                "what the provider claims is in the person's own session alone: add it by --roles".to_owned(),
            );
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
        // As for a request: the store is asked first, and of what looks like ours nobody else is.
        if !means_jwt(token)
            && let Some(asker) = self.by_api_token(token).await?
        {
            return Ok(asker);
        }
        let issuers = Issuers::new(&config.issuers).map_err(|fault| anyhow::anyhow!(fault))?;
        let verified = match issuers.check(token, &digest_of(token), SystemClock.now()).await {
            Verdict::Valid(verified) => verified,
            Verdict::Wrong(why) => return Ok(Asker::Wrong(why.to_owned())),
            Verdict::Unchecked(why) => return Ok(Asker::Unchecked(why)),
        };
        if let Some(claim) = &verified.groups_elsewhere
            && policy.uses_groups()
        {
            return Ok(Asker::Unchecked(crate::identity::claims::elsewhere(claim)));
        }
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

    /// Whoever holds an API token, as administrators are told of them. Explaining makes no store.
    async fn by_api_token(&self, token: &str) -> anyhow::Result<Option<Asker>> {
        let config =
            self.file.load().map_err(|_| anyhow::anyhow!("the configuration has changed meanwhile"))?;
        let is_ours = token.starts_with(api_token::PREFIX);
        if is_ours && !api_token::is_well_formed(token) {
            return Ok(Some(Asker::Wrong(
                "it is no API token: its form or its checksum is wrong".to_owned(),
            )));
        }
        if is_without_store(&config) {
            return Ok(is_ours.then(|| Asker::Wrong("there is no store yet, and so no API token".to_owned())));
        }
        let question = Question {
            token: Some(token.to_owned()),
            method: self.method.clone(),
            url: self.url.clone(),
            ..Question::default()
        };
        let desk = server::desk(config).await?;
        let nobody = Actor::Shell(String::new());
        match desk.seat(nobody, SystemClock.now(), None, None).explain(&question).await {
            Ok(told) => Ok(Some(Asker::Told(Box::new(told)))),
            Err(Refusal::NoSuch(why)) if is_ours => Ok(Some(Asker::Wrong(why))),
            Err(Refusal::NoSuch(_)) => Ok(None),
            Err(refusal) => Err(refusal.into()),
        }
    }

    /// Explains a decision of the log.
    fn recorded(&self, id: &str, config: &Config, policy: &Policy) -> ExitCode {
        let found = match (&self.log, &config.audit.file) {
            (None, None) => {
                return usage("`audit.file` is not set: write --log FILE, or --log - for standard input");
            }
            (Some(file), _) if file.as_os_str() == "-" => recorded::find(std::io::stdin().lock(), id),
            (Some(file), _) => find_in(std::slice::from_ref(file), id),
            (None, Some(file)) => find_in(&audit::with_older(file), id),
        };
        let recorded = match found {
            Ok(Some(recorded)) => recorded,
            Ok(None) => return usage(&format!("no decision {id} in the log")),
            Err(error) => return usage(&format!("the log cannot be read: {error}")),
        };
        let explanation = match recorded.explain(policy) {
            Ok(explanation) => explanation,
            Err(why) => return usage(&format!("{recorded}\ndoorward: {why}")),
        };
        let mut notes = vec![recorded.to_string()];
        if let Some(roles) = &recorded.roles {
            notes.push(format!("roles: {}", listed(roles)));
        }
        if recorded.differs_from(&explanation) {
            let rule = recorded.rule.as_deref().unwrap_or("the default");
            let place = recorded.rule_at.as_deref().map(|at| format!(" ({at})")).unwrap_or_default();
            notes.push(format!("the policy was another one then: {rule}{place} spoke: {}", recorded.outcome));
        }
        self.answer(&explanation, &notes, Some(&recorded))
    }

    fn answer(&self, explanation: &Explanation, notes: &[String], recorded: Option<&Recorded>) -> ExitCode {
        let text = if self.json {
            let mut json = serde_json::to_value(explanation).unwrap_or_default();
            if let Some(members) = json.as_object_mut() {
                members.insert("caller".to_owned(), json!(notes));
                if let Some(recorded) = recorded {
                    members.insert("recorded".to_owned(), json!(recorded));
                    members.insert("differs".to_owned(), json!(recorded.differs_from(explanation)));
                }
            }
            format!("{json:#}")
        } else {
            let label = if recorded.is_some() { "then:  " } else { "caller:" };
            let notes: Vec<String> = notes.iter().map(|note| format!("  {label}  {note}\n")).collect();
            format!("{explanation}{}", notes.concat()).trim_end().to_owned()
        };
        let status = if explanation.decision == "allow" { ExitCode::SUCCESS } else { ExitCode::FAILURE };
        cli::put(&text, status)
    }
}

/// Users of this name in the store, if there is one yet; explaining makes none.
async fn known_users(config: &Config, name: &str) -> anyhow::Result<Vec<UserRecord>> {
    if is_without_store(config) {
        return Ok(Vec::new());
    }
    let store = server::store(config).await?;
    Ok(store.users_named(name).await?)
}

fn is_without_store(config: &Config) -> bool {
    matches!(&config.store, StoreUrl::Sqlite(path) if !path.exists())
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
