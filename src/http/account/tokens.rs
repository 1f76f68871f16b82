//! People's own API tokens: made and revoked on their account page, never with more than they have.
//!
//! Who acts here is signed in by cookie: a token makes no token. A token that somebody makes has roles of theirs alone
//! and no scope; it may name any host, as the policy decides there as it does for them.

use std::time::Duration;

use actix_web::web::{Bytes, Data};
use actix_web::{HttpRequest, HttpResponse};
use url::form_urlencoded;

use super::{form_of, signed_in};
use crate::http::callers::SignedIn;
use crate::http::csrf;
use crate::http::pages::{
    Choice, MOST_TOKENS, NewTokenForm, OwnToken, OwnTokens, Page, RevokeToken, TokenMade, Trouble,
    span_in_words,
};
use crate::http::params::Params;
use crate::http::state::State;
use crate::http::visit::{Then, Visit};
use crate::identity::api_token::{Asked, FieldFault, NewToken, Owner};
use crate::policy::{Facts, is_role};
use crate::store::page::{Page as Listed, Slice};
use crate::store::token::{TokenDigest, TokenFilter, TokenOrder, TokenRecord};
use crate::store::{self, StoreError};

/// What the form offers, in days; 0 is no end.
const DAYS: [u64; 6] = [1, 7, 30, 90, 365, 0];
/// What it proposes where the operator says nothing.
const PROPOSED: u64 = 90;
const DAY: u64 = 86_400;

/// The tokens of somebody, for their page.
pub(super) async fn own(visit: &Visit<'_>, who: &SignedIn) -> store::Result<Listed<TokenRecord>> {
    let filter = TokenFilter { owner: Some(who.payload.user_id.clone()), ..TokenFilter::default() };
    let slice = Slice { offset: 0, limit: MOST_TOKENS };
    visit.state.store.tokens(&filter, TokenOrder::Newest, slice, visit.now).await
}

/// As the account page shows them; `None` where there is nothing to show.
pub(super) fn view<'a>(visit: &Visit<'_>, who: &SignedIn, own: &'a [TokenRecord]) -> Option<OwnTokens<'a>> {
    let self_service = visit.state.config.tokens.self_service;
    (self_service || !own.is_empty()).then(|| OwnTokens {
        tokens: own.iter().map(|token| line(who, token)).collect(),
        may_make: self_service,
        now: visit.now,
    })
}

fn line<'a>(who: &SignedIn, token: &'a TokenRecord) -> OwnToken<'a> {
    OwnToken {
        digest: token.digest.to_string(),
        name: name_of(who, token),
        hosts: &token.hosts,
        roles: &token.roles,
        expires_at: token.expires_at,
        last_used: token.last_used_at,
    }
}

/// What they called it, without what tells others whose it is.
fn name_of<'a>(who: &SignedIn, token: &'a TokenRecord) -> &'a str {
    let name = token.name.as_deref().unwrap_or("without a name");
    name.strip_prefix(&owner_of(who, &[]).name_prefix()).unwrap_or(name)
}

fn owner_of(who: &SignedIn, vested: &[String]) -> Owner {
    Owner {
        user_id: who.payload.user_id.clone(),
        email: who.payload.email.clone(),
        roles: who.caller.identity.roles.clone(),
        vested: vested.to_vec(),
    }
}

/// `GET {base}/tokens/new`: the form.
pub async fn ask_new(request: HttpRequest, state: Data<State>) -> HttpResponse {
    let visit = Visit::new(&request, &state);
    let who = match signed_in(&visit).await {
        Ok(who) => who,
        Err(answer) => return answer,
    };
    if !state.config.tokens.self_service {
        return visit.trouble(Trouble::NotFound, Then::Home);
    }
    form(&visit, &who, &Asked::default(), &[])
}

/// `POST {base}/tokens/new`: makes it, and shows it this once.
pub async fn make(request: HttpRequest, state: Data<State>, body: Bytes) -> HttpResponse {
    let visit = Visit::new(&request, &state);
    let names = ["csrf", "name", "hosts", "roles", "ttl_seconds"];
    let (who, params) = match form_of(&visit, &body, &names).await {
        Ok(form) => form,
        Err(answer) => return answer,
    };
    if !state.config.tokens.self_service {
        return visit.trouble(Trouble::NotFound, Then::Home);
    }
    let asked = read(&params, &body);
    let policy = state.policy.load();
    let vested = policy.roles(&Facts {
        provider: &who.payload.provider,
        email: who.payload.email.as_deref(),
        groups: &who.payload.groups,
        claimed: &who.payload.roles,
        granted: &[],
    });
    let new = match NewToken::new(&asked, Some(&owner_of(&who, &vested)), &state.config.tokens, is_role) {
        Ok(new) => new,
        Err(faults) => return form(&visit, &who, &asked, &faults),
    };
    match own(&visit, &who).await {
        Ok(own) if own.total < u64::from(MOST_TOKENS) => {}
        Ok(_) => {
            let problem =
                format!(": you have {MOST_TOKENS} tokens, and more than that are for an admin to make");
            return form(&visit, &who, &asked, &[FieldFault { field: "name", problem }]);
        }
        Err(error) => return store_down(&visit, &error),
    }
    let (plain, record) = match new.mint(state.tokens.peppers(), visit.now) {
        Ok(made) => made,
        Err(error) => {
            tracing::error!(request_id = visit.id.as_str(), %error, "no token could be made");
            return visit.trouble(Trouble::StoreDown, Then::Home);
        }
    };
    if let Err(error) = state.store.put_token(&record).await {
        return store_down(&visit, &error);
    }
    visit.audit("token_created", Some(in_words(&record)), Some(&who));
    let page = TokenMade {
        name: name_of(&who, &record),
        token: plain.expose(),
        curl: curl(&visit, &record, plain.expose()),
        expires_at: record.expires_at,
        now: visit.now,
    };
    visit.page(&Page::TokenMade(page), None)
}

/// `GET {base}/tokens/revoke?token=`: says what will happen.
pub async fn ask_revoke(request: HttpRequest, state: Data<State>) -> HttpResponse {
    let visit = Visit::new(&request, &state);
    let who = match signed_in(&visit).await {
        Ok(who) => who,
        Err(answer) => return answer,
    };
    let Ok(params) = Params::read(request.query_string(), &["token"]) else {
        return visit.trouble(Trouble::BadRequest, Then::Home);
    };
    match theirs(&visit, &who, &params).await {
        Ok(Some(token)) => {
            let csrf = csrf::token(&visit, &who);
            let page = RevokeToken { token: line(&who, &token), csrf: &csrf, now: visit.now };
            visit.page(&Page::RevokeToken(page), None)
        }
        Ok(None) => visit.trouble(Trouble::NotFound, Then::Home),
        Err(error) => store_down(&visit, &error),
    }
}

/// `POST {base}/tokens/revoke`: revokes it. What is there no more is as one wanted it.
pub async fn revoke(request: HttpRequest, state: Data<State>, body: Bytes) -> HttpResponse {
    let visit = Visit::new(&request, &state);
    let (who, params) = match form_of(&visit, &body, &["csrf", "token"]).await {
        Ok(form) => form,
        Err(answer) => return answer,
    };
    if params.get("token").and_then(TokenDigest::parse).is_none() {
        return visit.trouble(Trouble::BadRequest, Then::Home);
    }
    let revoked = match theirs(&visit, &who, &params).await {
        Ok(Some(token)) => state.store.revoke_token(&token.digest).await.map(|_| Some(token)),
        other => other,
    };
    match revoked {
        Ok(Some(token)) => {
            state.known.token_changed(&token.digest);
            visit.audit("token_revoked", Some(in_words(&token)), Some(&who));
        }
        Ok(None) => {}
        Err(error) => return store_down(&visit, &error),
    }
    super::back_home(&visit, false)
}

/// The token that is named, if it is theirs.
async fn theirs(visit: &Visit<'_>, who: &SignedIn, params: &Params) -> store::Result<Option<TokenRecord>> {
    let Some(digest) = params.get("token").and_then(TokenDigest::parse) else { return Ok(None) };
    let token = visit.state.store.token(&digest, visit.now).await?;
    Ok(token.filter(|token| token.owner.as_deref() == Some(&who.payload.user_id)))
}

/// What the form says. Hosts stand one a line or behind commas; each role is a field of its own, or stands in the text
/// for those that the form has no box for.
fn read(params: &Params, body: &[u8]) -> Asked {
    let words = |text: Option<&str>| -> Vec<String> {
        let words = text.unwrap_or_default().split([',', ' ', '\t', '\r', '\n']);
        words.filter(|word| !word.is_empty()).map(str::to_owned).collect()
    };
    // What is no number is as wrong as a time that is over.
    let ttl_seconds = params.get("ttl_seconds").map(|text| text.parse().unwrap_or(-1));
    let mut roles = words(params.get("roles"));
    let boxes = form_urlencoded::parse(body).filter(|(name, _)| name == "role");
    roles.extend(boxes.map(|(_, role)| role.into_owned()));
    Asked {
        name: params.get("name").map(str::to_owned),
        hosts: words(params.get("hosts")),
        roles,
        ttl_seconds,
        ..Asked::default()
    }
}

fn form(visit: &Visit<'_>, who: &SignedIn, asked: &Asked, faults: &[FieldFault]) -> HttpResponse {
    let csrf = csrf::token(visit, who);
    let page = NewTokenForm {
        name: asked.name.as_deref().unwrap_or_default(),
        hosts: asked.hosts.join("\n"),
        roles: &who.caller.identity.roles,
        chosen: &asked.roles,
        ends: ends(visit, asked),
        faults,
        csrf: &csrf,
    };
    visit.page(&Page::NewToken(page), None)
}

/// How long a token may live here: some round spans within the operator's limit, and the limit itself.
fn ends(visit: &Visit<'_>, asked: &Asked) -> Vec<Choice> {
    let rules = &visit.state.config.tokens;
    let max = rules.max_ttl.map(|max| max.as_secs());
    let default = rules.default_ttl.map(|ttl| ttl.as_secs());
    let mut offered: Vec<u64> = DAYS.iter().map(|days| days * DAY).collect();
    offered.extend(default.iter().chain(&max));
    offered.retain(|ttl| max.is_none_or(|max| (1..=max).contains(ttl)));
    // "No end" is the longest of all.
    offered.sort_unstable_by_key(|ttl| ttl.wrapping_sub(1));
    offered.dedup();
    let asked = asked.ttl_seconds.and_then(|ttl| u64::try_from(ttl).ok()).filter(|ttl| offered.contains(ttl));
    let proposed = asked.or(default).unwrap_or(PROPOSED * DAY);
    let choice = |ttl: u64| Choice {
        value: ttl.to_string(),
        label: match ttl {
            0 => "never".to_owned(),
            ttl => format!("after {}", span_in_words(Duration::from_secs(ttl))),
        },
        chosen: ttl == proposed,
    };
    offered.into_iter().map(choice).collect()
}

/// A line to try it with: on the first of its hosts that is one.
fn curl(visit: &Visit<'_>, token: &TokenRecord, plain: &str) -> Option<String> {
    let host = token.hosts.iter().find(|host| !host.contains('*'))?;
    Some(format!("curl -H 'Authorization: Bearer {plain}' {}/", visit.scheme_and(host)))
}

/// For the log.
fn in_words(token: &TokenRecord) -> String {
    let name = token.name.as_deref().unwrap_or_default();
    let hosts = if token.hosts.is_empty() { "nowhere".to_owned() } else { token.hosts.join(", ") };
    format!("token/{} {name:?} for {hosts}", token.stable_id())
}

fn store_down(visit: &Visit<'_>, error: &StoreError) -> HttpResponse {
    tracing::error!(request_id = visit.id.as_str(), %error, "people's tokens need the store");
    visit.trouble(Trouble::StoreDown, Then::Home)
}
