//! API tokens: the list, one of them, and its end.

use actix_web::HttpResponse;
use minijinja::{Value, context};

use super::list::{List, grouped};
use super::token_forms::made;
use super::{Answer, Confirm, LONGEST, Site, clip, few};
use crate::admin::Refusal;
use crate::admin::view::TokenView;
use crate::clock::Timestamp;
use crate::store::token::{TokenFilter, TokenOrder};

/// A token that ends sooner than this wants attention.
pub(super) const SOON: std::time::Duration = std::time::Duration::from_secs(SOON_DAYS * 86_400);
pub(super) const SOON_DAYS: u64 = 14;
/// How long the old token may go on after a rotation: time to put the new one in its place.
const KEEP: u32 = 3600;
const BACK: (&str, &str) = ("/tokens", "All tokens");

/// `GET /tokens`.
pub(super) async fn list(site: &Site<'_>) -> Answer {
    let list = List::asked(site, "/tokens", &["newest", "name", "ends"], &["owner", "soon"]);
    let order = match list.sort() {
        Some("name") => TokenOrder::Name,
        Some("ends") => TokenOrder::Ends,
        _ => TokenOrder::Newest,
    };
    let filter = TokenFilter {
        search: list.q.clone(),
        owner: list.filter("owner").map(str::to_owned),
        ends_before: list.filter("soon").map(|_| site.visit.now.plus(SOON)),
    };
    let found = site.admin.tokens(&filter, order, list.part()).await;
    let found = found.map_err(|refusal| refused(site, refusal))?;
    if let Some(last) = list.beyond(found.total) {
        return Ok(site.visit.redirect(&last));
    }
    let page = context! {
        tokens => found.items.iter().map(|token| row(site, token)).collect::<Vec<_>>(),
        owner => filter.owner.map(|owner| clip(&owner, LONGEST)),
        soon => filter.ends_before.map(|_| SOON_DAYS),
        list => list.value(
            found.total,
            &[],
            &[("name", "ascending"), ("newest", "descending"), ("ends", "ascending")],
        ),
    };
    Ok(site.show("tokens", "admin-tokens.html", page))
}

/// `GET /tokens/{digest}`.
pub(super) async fn one(site: &Site<'_>) -> Answer {
    let token = named(site).await?;
    Ok(site.show("tokens", "admin-token.html", context! { token => whole(site, &token) }))
}

/// `GET /tokens/{digest}/revoke`.
pub(super) async fn ask_revoke(site: &Site<'_>) -> Answer {
    let token = named(site).await?;
    let address = one_address(site, &token);
    let mut what = vec![
        format!("Every program that uses it is refused from the next request on, on {}.", places(&token)),
        "It cannot be brought back; a new token has to be made and put in its place.".to_owned(),
    ];
    if let Some(used) = token.last_used_at {
        what.insert(0, format!("It was last used {}.", super::ago(site.visit.now, used)));
    }
    let confirm = Confirm {
        title: "Revoke this token",
        whom: format!("{}, {}", title(&token), owner(&token)),
        what,
        button: "Revoke the token",
        cancel: "Keep it",
        danger: true,
        action: format!("{address}/revoke"),
        fields: Vec::new(),
        back: (address, title(&token)),
    };
    Ok(site.confirm("tokens", confirm))
}

/// `POST /tokens/{digest}/revoke`.
pub(super) async fn revoke(site: &Site<'_>) -> Answer {
    let token = site.admin.revoke_token(site.part("digest")).await;
    token.map_err(|refusal| refused(site, refusal))?;
    Ok(site.go(&site.address("/tokens"), "revoked"))
}

/// `GET /tokens/{digest}/rotate`.
pub(super) async fn ask_rotate(site: &Site<'_>) -> Answer {
    let token = named(site).await?;
    let address = one_address(site, &token);
    let confirm = Confirm {
        title: "Rotate this token",
        whom: format!("{}, {}", title(&token), owner(&token)),
        what: vec![
            "A new token is made that may do the same and is shown once.".to_owned(),
            "The old one goes on for one hour: time to put the new one in its place. Then it is refused."
                .to_owned(),
        ],
        button: "Make the new token",
        cancel: "Keep the old one",
        danger: false,
        action: format!("{address}/rotate"),
        fields: Vec::new(),
        back: (address, title(&token)),
    };
    Ok(site.confirm("tokens", confirm))
}

/// `POST /tokens/{digest}/rotate`.
pub(super) async fn rotate(site: &Site<'_>) -> Answer {
    let secret = site.admin.rotate_token(site.part("digest"), KEEP).await;
    let secret = secret.map_err(|refusal| refused(site, refusal))?;
    Ok(made(site, &secret, "Your new token, in the place of the old one"))
}

async fn named(site: &Site<'_>) -> Result<TokenView, HttpResponse> {
    site.admin.token(site.part("digest")).await.map_err(|refusal| refused(site, refusal))
}

pub(super) fn refused(site: &Site<'_>, refusal: Refusal) -> HttpResponse {
    site.refused("tokens", refusal, BACK)
}

fn one_address(site: &Site<'_>, token: &TokenView) -> String {
    site.address(&format!("/tokens/{}", token.digest))
}

/// What to call it.
pub(super) fn title(token: &TokenView) -> String {
    let name = token.name.as_deref().filter(|name| !name.trim().is_empty());
    name.map_or_else(|| format!("Token {}", token.id), |name| clip(name, LONGEST))
}

fn owner(token: &TokenView) -> String {
    match (&token.owner, &token.email) {
        (Some(owner), _) => format!("made by {} for themselves", clip(owner, LONGEST)),
        (None, Some(email)) => format!("contact {}", clip(email, LONGEST)),
        (None, None) => "made by an administrator".to_owned(),
    }
}

fn places(token: &TokenView) -> String {
    let (shown, more) = few(&token.hosts, 4);
    match (shown.is_empty(), more) {
        (true, _) => "no host".to_owned(),
        (false, 0) if token.hosts.iter().any(|host| host == "*") => "every host".to_owned(),
        (false, 0) => shown.join(", "),
        (false, more) => format!("{} and {more} more", shown.join(", ")),
    }
}

fn limit(site: &Site<'_>, token: &TokenView) -> String {
    let rules = &site.visit.state.config.rate_limit;
    let window = rules.window.as_secs();
    let of = |number: u64| match number {
        0 => "none".to_owned(),
        number if window == 1 => format!("{} a second", grouped(number)),
        number => format!("{} in {window} s", grouped(number)),
    };
    match token.limit {
        Some(limit) => of(limit.into()),
        None => of(rules.max.into()),
    }
}

/// Whether it ends soon.
fn ends_soon(token: &TokenView, now: Timestamp) -> bool {
    token.expires_at.is_some_and(|end| end < now.plus(SOON))
}

/// A row of a list.
pub(super) fn row(site: &Site<'_>, token: &TokenView) -> Value {
    let (hosts, more_hosts) = few(&token.hosts, 2);
    let (roles, more_roles) = few(&token.roles, 2);
    context! {
        digest => token.digest.as_str(),
        name => title(token),
        owner => match (&token.owner, &token.email) {
            (Some(owner), _) => format!("of {}", clip(owner, 48)),
            (None, Some(email)) => clip(email, 48),
            (None, None) => "by an administrator".to_owned(),
        },
        comment => token.comment.as_ref().map(|comment| clip(comment, 40)),
        hosts, more_hosts, roles, more_roles,
        ends => token.expires_at.map(|end| site.until(end)),
        soon => token.replaced_at.is_none() && ends_soon(token, site.visit.now),
        replaced => token.replaced_at.map(|at| site.ago(at)),
        used => token.last_used_at.map(|used| site.ago(used)),
        made => token.created_at.map(|made| site.ago(made)),
        limit => limit(site, token),
        own_limit => token.limit.is_some(),
    }
}

fn whole(site: &Site<'_>, token: &TokenView) -> Value {
    let (hosts, more_hosts) = few(&token.hosts, 100);
    let (roles, more_roles) = few(&token.roles, 100);
    context! {
        hosts, more_hosts, roles, more_roles,
        scopes => token.scopes.clone(),
        owner => token.owner.as_ref().map_or_else(|| "an administrator".to_owned(), |owner| clip(owner, LONGEST)),
        owner_href => token.owner.as_ref().map(|owner| site.user_address(owner)),
        email => token.email.as_ref().map(|email| clip(email, LONGEST)),
        comment => token.comment.clone(),
        ..row(site, token)
    }
}
