//! Making a token: the form, and the one page that shows the token itself.

use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use minijinja::{Value, context};
use secrecy::ExposeSecret as _;

use super::tokens::{refused, title};
use super::{Answer, Site, clip, few, sentence};
use crate::admin::{NewSecret, Refusal};
use crate::identity::api_token::{Asked, FieldFault, SCOPE_ADMIN, SCOPE_AUTHORIZE};

const DAY: i64 = 86_400;
/// Ends to choose from; `0` is never.
const ENDS: [(i64, &str); 6] = [
    (7 * DAY, "in a week"),
    (30 * DAY, "in 30 days"),
    (90 * DAY, "in 90 days"),
    (365 * DAY, "in a year"),
    (3 * 365 * DAY, "in three years"),
    (0, "never"),
];
/// Unless somebody chooses: what nobody needs any more should end by itself.
const USUALLY: i64 = 90 * DAY;

/// `GET /tokens/new`.
pub(super) async fn ask(site: &Site<'_>) -> Answer {
    Ok(form(site, StatusCode::OK, &[]))
}

/// `POST /tokens/new`: the token, shown once, or the form again with what is wrong with it.
pub(super) async fn create(site: &Site<'_>) -> Answer {
    let text = |name| site.field(name).map(str::to_owned);
    let words = |name| {
        let words = site.field(name).unwrap_or_default().split(|c: char| c == ',' || c.is_whitespace());
        words.filter(|word| !word.is_empty()).map(str::to_owned).collect::<Vec<_>>()
    };
    let scopes = [("scope_admin", SCOPE_ADMIN), ("scope_authorize", SCOPE_AUTHORIZE)];
    // What is no number is answered as a number that cannot be.
    let number = |name| site.field(name).map(|text| text.parse().unwrap_or(-1));
    let asked = Asked {
        name: text("name"),
        email: text("email"),
        comment: text("comment"),
        hosts: words("hosts"),
        roles: words("roles"),
        scopes: scopes
            .iter()
            .filter(|(field, _)| site.field(field).is_some())
            .map(|(_, scope)| (*scope).to_owned())
            .collect(),
        ttl_seconds: number("ttl_seconds"),
        limit: number("limit"),
    };
    match site.admin.create_token(&asked).await {
        Ok(secret) => Ok(made(site, &secret, "Your new token")),
        Err(Refusal::Faults(faults)) => Ok(form(site, StatusCode::BAD_REQUEST, &faults)),
        Err(refusal) => Err(refused(site, refusal)),
    }
}

/// The token itself: in this answer, and nowhere else.
pub(super) fn made(site: &Site<'_>, secret: &NewSecret, title_of_page: &str) -> HttpResponse {
    let token = secret.secret.expose_secret();
    let host = secret.token.hosts.iter().find(|host| !host.contains('*'));
    let scheme = if site.visit.state.login.wants_https() { "https" } else { "http" };
    let curl =
        host.map(|host| format!("curl -H 'Authorization: Bearer {token}' {scheme}://{host}{}/", port(site)));
    let page = context! {
        title => title_of_page,
        name => title(&secret.token),
        digest => secret.token.digest.as_str(),
        token,
        curl,
    };
    site.show("tokens", "admin-token-made.html", page)
}

/// Services are where the gateway is, as far as the gateway knows.
fn port(site: &Site<'_>) -> String {
    let url = site.visit.state.config.server.external_url.as_ref();
    url.and_then(url::Url::port).map_or_else(String::new, |port| format!(":{port}"))
}

fn form(site: &Site<'_>, status: StatusCode, faults: &[FieldFault]) -> HttpResponse {
    let state = site.visit.state;
    let policy = state.policy.load();
    let known: Vec<String> = policy.role_names().map(str::to_owned).collect();
    let (shown, more) = few(&known, 12);
    let roles_hint = match (shown.is_empty(), more) {
        (true, _) => {
            "What it may be, separated by spaces. None: it opens what only asks for a sign-in.".to_owned()
        }
        (false, 0) => format!("What it may be, separated by spaces. The policy knows: {}.", shown.join(", ")),
        (false, more) => {
            format!(
                "What it may be, separated by spaces. The policy knows {} and {more} more.",
                shown.join(", ")
            )
        }
    };
    let rules = &state.config.rate_limit;
    let limit_hint = match (rules.max, rules.window.as_secs()) {
        (0, _) => "Empty: no limit. 0: no limit, whatever is configured.".to_owned(),
        (max, window) => {
            format!("Empty: {max} in {window} s, as for all tokens. 0: no limit.")
        }
    };
    let wrong = |field: &str| {
        let fault = faults.iter().find(|fault| fault.field == field)?;
        Some(clip(&sentence(&problem(fault, "this")), 300))
    };
    let ttl = site.field("ttl_seconds").map_or_else(|| USUALLY.to_string(), str::to_owned);
    let ends: Vec<Value> =
        ENDS.iter().map(|(value, label)| context! { value => value.to_string(), label => *label }).collect();
    let field = |name| site.field(name).unwrap_or_default();
    let page = context! {
        errors => faults.iter().map(|fault| {
            let text = sentence(&problem(fault, label(fault.field)));
            context! { field => fault.field, text => clip(&text, 300) }
        }).collect::<Vec<_>>(),
        wrong => context! {
            name => wrong("name"), hosts => wrong("hosts"), roles => wrong("roles"), scopes => wrong("scopes"),
            ttl_seconds => wrong("ttl_seconds"), limit => wrong("limit"), email => wrong("email"),
            comment => wrong("comment"),
        },
        form => context! {
            name => field("name"), hosts => field("hosts"), roles => field("roles"), limit => field("limit"),
            email => field("email"), comment => field("comment"), ttl_seconds => ttl,
            scope_admin => site.field("scope_admin").is_some(),
            scope_authorize => site.field("scope_authorize").is_some(),
        },
        ends,
        roles_hint,
        limit_hint,
    };
    site.show_with(status, "tokens", "admin-token-new.html", page)
}

/// What a field is called on the form.
fn label(field: &'static str) -> &'static str {
    match field {
        "ttl_seconds" => "ends",
        "limit" => "requests a window",
        "email" => "contact",
        other => other,
    }
}

/// What is wrong with it: words behind the field's name, or about a value that they quote.
fn problem(fault: &FieldFault, name: &str) -> String {
    let plain = fault.problem.replace('`', "");
    match (plain.starts_with('"'), name) {
        (true, "this") => plain,
        (true, name) => format!("{name}: {plain}"),
        (false, name) => format!("{name} {plain}"),
    }
}
