//! Tokens that only their issuer can read (RFC 7662): it is asked, and its answer is kept for a short while.

use std::sync::Arc;
use std::time::Duration;

use secrecy::SecretString;
use serde_json::Value;

use quick_cache::sync::Cache;

use super::claims::Claims;
use super::discovery::Discovery;
use super::jwt::Rules;
use super::outgoing::{Outgoing, OutgoingError};
use super::refresh::Asker;
use super::verified::{Digest, Verdict, Verified};
use crate::clock::Timestamp;
use crate::config;

/// How long an answer is relied on: a token that its issuer takes back works this long at most.
const RELIED_ON: Duration = Duration::from_secs(30);
/// Answers kept for one issuer; one has about 1 KB.
const KEPT: usize = 10_000;

/// One issuer's way of being asked, and its answers by token.
#[derive(Debug)]
pub(super) struct Introspection {
    client_id: String,
    client_secret: SecretString,
    discovery: Discovery,
    outgoing: Outgoing,
    answers: Cache<Digest, Answer>,
}

#[derive(Clone, Debug)]
struct Answer {
    at: Timestamp,
    said: Result<Arc<Verified>, &'static str>,
}

impl Introspection {
    pub(super) fn new(config: &config::Introspection, discovery: Discovery, outgoing: Outgoing) -> Self {
        Self {
            client_id: config.client_id.clone(),
            client_secret: config.client_secret.clone(),
            discovery,
            outgoing,
            answers: Cache::new(KEPT),
        }
    }

    /// What the issuer says of a token. Many who bring the same one at once share one question.
    pub(super) async fn ask(&self, token: &str, digest: &Digest, rules: &Rules, now: Timestamp) -> Verdict {
        if let Some(kept) = self.answers.get(digest)
            && (kept.at > now || now.since(kept.at) >= RELIED_ON || is_over(&kept, now))
        {
            self.answers.remove_if(digest, |held| held.at == kept.at);
        }
        let asking = async {
            let claims = self.question(token, now).await?;
            Ok::<_, OutgoingError>(Answer { at: now, said: judge(&claims, rules, now) })
        };
        match self.answers.get_or_insert_async(digest, asking).await {
            Ok(Answer { said: Ok(verified), .. }) => Verdict::of(verified),
            Ok(Answer { said: Err(why), .. }) => Verdict::Wrong(why),
            Err(error) => Verdict::Unchecked(error.to_string()),
        }
    }

    async fn question(&self, token: &str, now: Timestamp) -> Result<Claims, OutgoingError> {
        let metadata = self.discovery.get(now, Asker::Program).await?;
        let endpoint = metadata
            .introspection_endpoint
            .as_ref()
            .ok_or_else(|| OutgoingError::BadAnswer("the issuer has no introspection_endpoint".into()))?;
        let form = [("token", token), ("token_type_hint", "access_token")];
        self.outgoing.post_form(endpoint, &form, &self.client_id, &self.client_secret).await
    }
}

fn is_over(answer: &Answer, now: Timestamp) -> bool {
    answer.said.as_ref().is_ok_and(|verified| verified.is_over(now))
}

fn judge(claims: &Claims, rules: &Rules, now: Timestamp) -> Result<Arc<Verified>, &'static str> {
    if claims.get("active") != Some(&Value::Bool(true)) {
        return Err("its issuer says that it is not active");
    }
    if claims.get("iss").is_some_and(|iss| iss != rules.issuer.as_str()) {
        return Err("it is of another issuer");
    }
    let bearer = |kind: &Value| kind.as_str().is_some_and(|kind| kind.eq_ignore_ascii_case("bearer"));
    if claims.get("token_type").is_some_and(|kind| !bearer(kind)) {
        return Err("its issuer says that it is another kind of token");
    }
    let verified = rules.believe(claims, now)?;
    Ok(Arc::new(Verified { believed_for: RELIED_ON, ..verified }))
}
