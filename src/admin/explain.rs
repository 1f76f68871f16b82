//! Why is a request answered as it is? For anybody, or as it once was for a decision that was written down.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{Admin, Part, Refusal, Result};
use crate::audit::recorded::Recorded;
use crate::identity::api_token::Hosts;
use crate::policy::decision::{self, Subject};
use crate::policy::target::Target;
use crate::policy::{Explanation, Facts};
use crate::store::activity::ActivityFilter;

/// What is to be explained: either a request, or a decision of the past.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Question {
    /// As whom: a user's id or e-mail, which nobody has to have yet. Nobody asks if this, `token` and `roles` are missing.
    pub user: Option<String>,
    /// As whoever holds the token of this digest.
    pub token: Option<String>,
    /// Roles beside those that are known: what a provider claims is known at a sign-in only.
    pub roles: Vec<String>,
    /// The provider that vouches, where the person is not known.
    pub provider: Option<String>,
    /// The request's method; `GET` if missing.
    pub method: Option<String>,
    /// The whole address asked for.
    pub url: Option<String>,
    /// The id of a decision that was written down, instead of all others.
    pub decision_id: Option<String>,
}

/// As whom it was explained.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Caller {
    /// `anonymous`, `user`, `token` or `roles`.
    pub kind: &'static str,
    /// Who it is, where there is somebody.
    pub id: Option<String>,
    /// All their roles.
    pub roles: Vec<String>,
    /// What those permit.
    pub permissions: Vec<String>,
    /// What is worth knowing about them.
    pub notes: Vec<String>,
}

/// The answer.
#[derive(Clone, Debug, Serialize)]
pub struct Explained {
    /// What the policy of now says.
    #[serde(flatten)]
    pub explanation: Explanation,
    /// As whom.
    pub caller: Caller,
    /// The line that was written down, when a decision of the past was asked about.
    pub recorded: Option<Value>,
}

/// Somebody, and whether their credential is good.
struct Somebody {
    caller: Caller,
    credential: Credential,
}

#[derive(Clone, Copy)]
enum Credential {
    None,
    Good,
    Refused,
    /// A token that is good on other hosts.
    Elsewhere,
}

impl Admin<'_> {
    /// Explains by the policy of now.
    ///
    /// # Errors
    /// [`Refusal::Faults`] for an address or method that is none; [`Refusal::NoSuch`] for a decision or token that is
    /// not there (any more); [`Refusal::Store`].
    pub async fn explain(&self, question: &Question) -> Result<Explained> {
        if let Some(id) = &question.decision_id {
            return self.explain_again(id).await;
        }
        let Some(url) = &question.url else {
            return Err(Refusal::field("url", "is missing: a whole address"));
        };
        let method = question.method.as_deref().unwrap_or("GET");
        let target = Target::of_url(method, url)
            .map_err(|error| Refusal::field("url", format!("with this method is no request: {error}")))?;
        let somebody = self.somebody(question, target.host().as_str()).await?;
        Ok(self.answer(&target, somebody))
    }

    async fn explain_again(&self, decision_id: &str) -> Result<Explained> {
        let filter = ActivityFilter {
            event: Some("decision".to_owned()),
            decision_id: Some(decision_id.to_owned()),
            ..ActivityFilter::default()
        };
        let found = self.activity(&filter, Part { offset: 0, limit: 1 }).await?.items.pop();
        let Some(found) = found else {
            return Err(Refusal::NoSuch(format!(
                "no decision {decision_id:?} was written down lately; `audit.decisions` says which are"
            )));
        };
        let Ok(recorded) = serde_json::from_value::<Recorded>(found.line.clone()) else {
            return Err(Refusal::NoSuch(format!(
                "the decision {decision_id:?} was written down in another form"
            )));
        };
        let policy = self.desk.policy.load();
        let explanation = recorded.explain(&policy).map_err(|why| {
            Refusal::NoSuch(format!("the decision {decision_id:?} cannot be explained: {why}"))
        })?;
        let mut notes = vec!["the roles are those of that time, the rules those of now".to_owned()];
        if recorded.differs_from(&explanation) {
            notes.push("it was answered otherwise then".to_owned());
        }
        let roles = recorded.roles.unwrap_or_default();
        let kind = match recorded.auth_method.as_deref() {
            None => "anonymous",
            Some("token") => "token",
            Some(_) => "user",
        };
        let permissions = policy.permissions(&roles);
        let caller = Caller { kind, id: recorded.user_id, roles, permissions, notes };
        Ok(Explained { explanation, caller, recorded: Some(found.line) })
    }

    fn answer(&self, target: &Target, somebody: Somebody) -> Explained {
        let Somebody { caller, credential } = somebody;
        let who = match credential {
            Credential::None => decision::Caller::Anonymous,
            Credential::Refused => decision::Caller::Wrong,
            Credential::Elsewhere => decision::Caller::Elsewhere,
            Credential::Good => decision::Caller::Known(Subject {
                roles: &caller.roles,
                permissions: &caller.permissions,
                audiences: None,
            }),
        };
        let explanation = self.desk.policy.load().explain(target, who);
        Explained { explanation, caller, recorded: None }
    }

    async fn somebody(&self, question: &Question, host: &str) -> Result<Somebody> {
        match (&question.token, &question.user) {
            (Some(token), None) => self.by_token(token, host).await,
            (None, Some(name)) => self.by_name(name, question).await,
            (None, None) if question.roles.is_empty() => {
                let caller = Caller { kind: "anonymous", ..Caller::default() };
                Ok(Somebody { caller, credential: Credential::None })
            }
            (None, None) => {
                let facts = Facts { claimed: &question.roles, ..Facts::default() };
                Ok(self.known("roles", None, &facts, Vec::new()))
            }
            (Some(_), Some(_)) => Err(Refusal::field("token", "and `user` are two: ask as one of them")),
        }
    }

    async fn by_name(&self, name: &str, question: &Question) -> Result<Somebody> {
        let user = self.maybe_named(name).await?;
        let mut notes = Vec::new();
        match &user {
            None => notes.push("nobody of this name has signed in yet".to_owned()),
            Some(user) if user.disabled => notes.push("the user is disabled".to_owned()),
            Some(_) => {}
        }
        if question.roles.is_empty() {
            notes.push(
                "roles and groups that the provider claims are in the person's own session alone: add them to the roles"
                    .to_owned(),
            );
        }
        let provider = question.provider.as_ref().or(user.as_ref().map(|user| &user.provider));
        let first = self.desk.config.identity_ids().first().copied();
        let facts = Facts {
            provider: provider.map(String::as_str).or(first).unwrap_or_default(),
            email: user.as_ref().map_or(Some(name), |user| user.email.as_deref()),
            groups: &[],
            claimed: &question.roles,
            granted: user.as_ref().map_or(&[], |user| &user.granted),
        };
        let id = user.as_ref().map(|user| user.id.clone());
        let mut somebody = self.known("user", id, &facts, notes);
        if user.is_some_and(|user| user.disabled) {
            somebody.credential = Credential::Refused;
        }
        Ok(somebody)
    }

    async fn by_token(&self, name: &str, host: &str) -> Result<Somebody> {
        let token = self.token_named(name).await?;
        let mut notes = Vec::new();
        let mut roles = token.roles.clone();
        let mut credential = Credential::Good;
        if let Some(owner) = &token.owner {
            notes.push(format!("the token is {owner}'s own: it has what they have"));
            let owner = self.maybe_named(owner).await?;
            let granted = owner.as_ref().map_or(&[][..], |owner| &owner.granted);
            roles.retain(|role| token.vested.contains(role) || granted.contains(role));
            if owner.is_some_and(|owner| owner.disabled) {
                notes.push("they are disabled".to_owned());
                credential = Credential::Refused;
            }
        }
        if !Hosts::new(&token.hosts).cover(host) {
            notes.push(format!("the token is not good on {host}"));
            credential = Credential::Elsewhere;
        }
        let id = Some(format!("token/{}", token.stable_id()));
        let facts = Facts { claimed: &roles, ..Facts::default() };
        Ok(Somebody { credential, ..self.known("token", id, &facts, notes) })
    }

    fn known(
        &self,
        kind: &'static str,
        id: Option<String>,
        facts: &Facts<'_>,
        notes: Vec<String>,
    ) -> Somebody {
        let policy = self.desk.policy.load();
        let roles = policy.roles(facts);
        let permissions = policy.permissions(&roles);
        Somebody { caller: Caller { kind, id, roles, permissions, notes }, credential: Credential::Good }
    }
}
