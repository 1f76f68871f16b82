//! One person: who it is, which roles they have and why, where they are signed in, and what may be done about it.

use std::collections::BTreeMap;

use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use minijinja::{Value, context};

use super::{Answer, Confirm, LONGEST, Site, ago, clip, sentence};
use super::{activity, sessions, tokens, users};
use crate::admin::view::UserView;
use crate::admin::{Part, Refusal, UserDetail};
use crate::policy::{Facts, Source};
use crate::store::activity::ActivityFilter;

const BACK: (&str, &str) = ("/users", "All users");
/// Of each list on the page.
const SHOWN: usize = 10;

/// `GET /users/one?id=…`.
pub(super) async fn show(site: &Site<'_>) -> Answer {
    page(site, StatusCode::OK, None).await
}

/// `POST /users/grant`.
pub(super) async fn grant(site: &Site<'_>) -> Answer {
    let id = site.needed("id")?;
    let Some(role) = site.field("role") else {
        return page(site, StatusCode::BAD_REQUEST, Some("Write the name of a role.".to_owned())).await;
    };
    match site.admin.grant(id, role).await {
        Ok(user) => Ok(site.go(&site.user_address(&user.id), "granted")),
        Err(Refusal::Faults(faults)) => {
            let why: Vec<String> = faults.into_iter().map(|fault| fault.problem).collect();
            page(site, StatusCode::BAD_REQUEST, Some(clip(&sentence(&why.join("; ")), 400))).await
        }
        Err(refusal) => Err(refused(site, refusal)),
    }
}

/// `GET /users/ungrant?id=…&role=…`.
pub(super) async fn ask_ungrant(site: &Site<'_>) -> Answer {
    let (user, role) = (detail(site).await?.user, site.needed("role")?);
    let what = vec![
        format!(
            "They lose the role {} from their next request on, without having to sign in again.",
            clip(role, 60)
        ),
        "If a provider or the policy gives them the same role, they keep it.".to_owned(),
    ];
    let fields = vec![("id", user.id.as_str()), ("role", role)];
    ask(site, &user, "Take back a role", what, "Take the role back", "/users/ungrant", fields)
}

/// `POST /users/ungrant`.
pub(super) async fn ungrant(site: &Site<'_>) -> Answer {
    let user = site.admin.ungrant(site.needed("id")?, site.needed("role")?).await;
    done(site, user, "ungranted")
}

/// `GET /users/disable?id=…`.
pub(super) async fn ask_disable(site: &Site<'_>) -> Answer {
    let UserDetail { user, sessions, tokens, .. } = detail(site).await?;
    let what = vec![
        format!("{} at once, and they cannot sign in again.", ends(sessions.len(), "session")),
        tokens_too(tokens.len()),
        "What they were granted is kept for the day they are enabled again.".to_owned(),
    ];
    let fields = vec![("id", user.id.as_str())];
    ask(site, &user, "Disable this user", what, "Disable", "/users/disable", fields)
}

/// `POST /users/disable`.
pub(super) async fn disable(site: &Site<'_>) -> Answer {
    let user = site.admin.disable(site.needed("id")?).await;
    done(site, user, "disabled")
}

/// `GET /users/enable?id=…`.
pub(super) async fn ask_enable(site: &Site<'_>) -> Answer {
    let user = detail(site).await?.user;
    let what = vec![
        "They can sign in again, with the roles that they have.".to_owned(),
        "Their own API tokens are good again.".to_owned(),
    ];
    let fields = vec![("id", user.id.as_str())];
    ask(site, &user, "Enable this user", what, "Enable", "/users/enable", fields)
}

/// `POST /users/enable`.
pub(super) async fn enable(site: &Site<'_>) -> Answer {
    let user = site.admin.enable(site.needed("id")?).await;
    done(site, user, "enabled")
}

/// `GET /users/sign-out?id=…`.
pub(super) async fn ask_sign_out(site: &Site<'_>) -> Answer {
    let UserDetail { user, sessions, .. } = detail(site).await?;
    let what = vec![
        format!("{} at once; every browser has to sign in again.", ends(sessions.len(), "session")),
        "Their API tokens go on. To stop those too, disable the user.".to_owned(),
    ];
    let fields = vec![("id", user.id.as_str())];
    ask(site, &user, "Sign out everywhere", what, "Sign out everywhere", "/users/sign-out", fields)
}

/// `POST /users/sign-out`.
pub(super) async fn sign_out(site: &Site<'_>) -> Answer {
    let id = site.needed("id")?;
    match site.admin.sign_out_everywhere(id).await {
        Ok(_) => Ok(site.go(&site.user_address(id), "signed-out")),
        Err(refusal) => Err(refused(site, refusal)),
    }
}

fn ask(
    site: &Site<'_>,
    user: &UserView,
    title: &str,
    what: Vec<String>,
    button: &str,
    path: &str,
    fields: Vec<(&str, &str)>,
) -> Answer {
    let (name, also) = users::title(user);
    let confirm = Confirm {
        title,
        whom: also.map_or_else(|| name.clone(), |also| format!("{name}, {also}")),
        what,
        button,
        cancel: "Cancel",
        danger: path != "/users/enable",
        action: site.address(path),
        fields,
        back: (site.user_address(&user.id), name),
    };
    Ok(site.confirm("users", confirm))
}

fn done(site: &Site<'_>, user: crate::admin::Result<UserView>, word: &'static str) -> Answer {
    let user = user.map_err(|refusal| refused(site, refusal))?;
    Ok(site.go(&site.user_address(&user.id), word))
}

fn refused(site: &Site<'_>, refusal: Refusal) -> HttpResponse {
    site.refused("users", refusal, BACK)
}

async fn detail(site: &Site<'_>) -> Result<UserDetail, HttpResponse> {
    site.admin.user(site.needed("id")?).await.map_err(|refusal| refused(site, refusal))
}

fn ends(count: usize, noun: &str) -> String {
    match count {
        0 => format!("They have no {noun} now; nothing ends"),
        1 => format!("Their {noun} ends"),
        count => format!("Their {count} {noun}s end"),
    }
}

fn tokens_too(count: usize) -> String {
    match count {
        0 => "Their bearer tokens are refused too.".to_owned(),
        1 => "Their API token is refused too, and so are their bearer tokens.".to_owned(),
        count => format!("Their {count} API tokens are refused too, and so are their bearer tokens."),
    }
}

async fn page(site: &Site<'_>, status: StatusCode, wrong: Option<String>) -> Answer {
    let UserDetail { user, sessions, tokens, .. } = detail(site).await?;
    let others = match &user.email {
        Some(email) => same_email(site, email, &user.id).await?,
        None => Vec::new(),
    };
    let filter = ActivityFilter { search: user.id.clone(), ..ActivityFilter::default() };
    let part = Part { offset: 0, limit: u32::try_from(SHOWN).unwrap_or(u32::MAX) };
    let lately = site.admin.activity(&filter, part).await.map_err(|refusal| refused(site, refusal))?;
    let (roles, claims) = roles(site, &user);
    let about = |path: &str| site.address_with(path, &[("id", &user.id)]);
    let policy = site.visit.state.policy.load();
    let known: Vec<&str> = policy.role_names().chain([crate::policy::ADMIN_ROLE]).collect();
    let page = context! {
        user => users::row(site, &user),
        others,
        roles,
        claims,
        known_roles => known.iter().filter(|role| !user.roles.iter().any(|have| have == *role)).take(200).map(|role| (*role).to_owned()).collect::<Vec<_>>(),
        role => site.field("role").or_else(|| site.asked("role")).unwrap_or_default(),
        wrong,
        sessions => sessions.iter().take(SHOWN).map(|session| sessions::row(site, session)).collect::<Vec<_>>(),
        more_sessions => sessions.len().saturating_sub(SHOWN),
        tokens => tokens.iter().take(SHOWN).map(|token| tokens::row(site, token)).collect::<Vec<_>>(),
        more_tokens => tokens.len().saturating_sub(SHOWN),
        tokens_total => tokens.len(),
        tokens_href => site.address_with("/tokens", &[("owner", &user.id)]),
        activity => lately.items.iter().map(|event| activity::row(site, event)).collect::<Vec<_>>(),
        activity_href => site.address_with("/activity", &[("q", &user.id)]),
        sign_out_href => about("/users/sign-out"),
        disable_href => about("/users/disable"),
        enable_href => about("/users/enable"),
    };
    Ok(site.show_with(status, "users", "admin-user.html", page))
}

/// Users of their own who have the same e-mail address, at another provider.
async fn same_email(site: &Site<'_>, email: &str, id: &str) -> Result<Vec<Value>, HttpResponse> {
    let found = site.admin.users_of_email(email).await.map_err(|refusal| refused(site, refusal))?;
    let same = found.iter().filter(|user| user.id != id);
    Ok(same
        .map(|user| {
            let title = format!("{} at {}", clip(&user.subject, 48), site.provider(&user.provider));
            context! { href => site.user_address(&user.id), title }
        })
        .collect())
}

/// Their roles with where each comes from, and a word on how much is known of the provider's.
fn roles(site: &Site<'_>, user: &UserView) -> (Vec<Value>, String) {
    let seen = site.visit.state.callers.last_seen(&user.id);
    let payload = seen.as_ref().map(|seen| &seen.payload);
    let policy = site.visit.state.policy.load();
    let sources: BTreeMap<String, Vec<Source>> = policy.role_sources(&Facts {
        provider: &user.provider,
        email: payload.map_or(user.email.as_deref(), |payload| payload.email.as_deref()),
        groups: payload.map_or(&[], |payload| &payload.groups),
        claimed: payload.map_or(&[], |payload| &payload.roles),
        granted: &user.roles,
    });
    let provider = site.provider(&user.provider);
    let rows = sources.into_iter().map(|(name, sources)| {
        let granted = sources.contains(&Source::Granted);
        let sources: Vec<Value> = sources
            .into_iter()
            .map(|source| match source {
                Source::Claimed => context! { text => format!("{provider} says so"), href => None::<String> },
                Source::Granted => context! { text => "granted here", href => None::<String> },
                Source::Assigned { to, line } => {
                    let text = format!("assigned to {}, line {line} of the policy", clip(&to, LONGEST));
                    context! { text, href => format!("{}#L{line}", site.address("/policy/file")) }
                }
            })
            .collect();
        let query = [("id", user.id.as_str()), ("role", name.as_str())];
        let take_href = granted.then(|| site.address_with("/users/ungrant", &query));
        context! { name => clip(&name, LONGEST), sources, take_href }
    });
    let claims = match payload {
        Some(payload) => {
            format!("What {provider} says is of the sign-in {}.", ago(site.visit.now, payload.signed_in_at))
        }
        None => format!(
            "What {provider} says of them (roles and groups) is known here while they use a session; none was used \
             on this instance lately."
        ),
    };
    (rows.collect(), claims)
}
