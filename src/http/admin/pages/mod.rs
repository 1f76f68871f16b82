//! THE ADMIN SITE: pages over the actions of [`crate::admin`], for people. Every page works without JavaScript,
//! keeps its state in its address, and shows whatever others wrote as text.
//!
//! A handler is given its [`Site`], which only the guard opens: a page without an administrator cannot be written.

mod activity;
mod explain;
mod list;
mod overview;
mod policy;
mod reference;
mod sessions;
mod spark;
mod token_forms;
mod tokens;
mod user;
mod users;

use actix_web::http::StatusCode;
use actix_web::http::header;
use actix_web::web::{self, Bytes, Data, ServiceConfig};
use actix_web::{HttpRequest, HttpResponse, Route};
use minijinja::{Value, context};
use url::form_urlencoded::Serializer;

use self::list::with_query;
use super::guard::{self, Door, Seat};
use crate::admin::view::TokenView;
use crate::admin::{self, Actor, Admin, NewSecret, Refusal};
use crate::clock::Timestamp;
use crate::http::pages::{Pages, Trouble, ago, clip, moment, until};
use crate::http::params::Params;
use crate::http::state::State;
use crate::http::visit::{Then, Visit};
use crate::http::{csrf, only, read};
use crate::identity::provider::Provider;

/// Longer values are cut on display.
const LONGEST: usize = 80;

/// Parameters of pages.
const QUERY: &[&str] = &[
    "q", "page", "sort", "id", "role", "what", "live", "owner", "refused", "as", "who", "method", "url",
    "decision", "done",
];
/// Fields of forms.
const FORM: &[&str] = &[
    "csrf",
    "id",
    "role",
    "name",
    "hosts",
    "roles",
    "scope_admin",
    "scope_authorize",
    "ttl_seconds",
    "limit",
    "email",
    "comment",
    "keep",
];

/// The pages, below the gateway's base path. A page that asks before a change asks for a recent sign-in too, so that
/// nobody fills in a form in vain.
pub(in crate::http) fn routes(config: &mut ServiceConfig) {
    const READ: &str = "GET, HEAD";
    const ASK: &str = "GET, HEAD, POST";
    let asks = |path: &str, ask: Route, act: Route| only(ASK, web::resource(path).route(ask).route(act));
    config
        .service(only(READ, web::resource("/admin").route(page(overview::show))))
        .service(only(READ, web::resource("/admin/").route(page(overview::show))))
        .service(only(READ, web::resource("/admin/password").route(read().to(by_password))))
        .service(only(READ, web::resource("/admin/tokens").route(page(tokens::list))))
        .service(asks("/admin/tokens/new", asking(token_forms::ask), action(token_forms::create)))
        .service(only(READ, web::resource("/admin/tokens/{digest}").route(page(tokens::one))))
        .service(asks("/admin/tokens/{digest}/revoke", asking(tokens::ask_revoke), action(tokens::revoke)))
        .service(asks("/admin/tokens/{digest}/rotate", asking(tokens::ask_rotate), action(tokens::rotate)))
        .service(only(READ, web::resource("/admin/users").route(page(users::list))))
        .service(only(READ, web::resource("/admin/users/one").route(page(user::show))))
        .service(asks("/admin/users/grant", asking(user::show), action(user::grant)))
        .service(asks("/admin/users/ungrant", asking(user::ask_ungrant), action(user::ungrant)))
        .service(asks("/admin/users/disable", asking(user::ask_disable), action(user::disable)))
        .service(asks("/admin/users/enable", asking(user::ask_enable), action(user::enable)))
        .service(asks("/admin/users/sign-out", asking(user::ask_sign_out), action(user::sign_out)))
        .service(only(READ, web::resource("/admin/sessions").route(page(sessions::list))))
        .service(asks("/admin/sessions/end", asking(sessions::ask_end), action(sessions::end)))
        .service(only(READ, web::resource("/admin/policy").route(page(policy::matrix))))
        .service(only(READ, web::resource("/admin/policy/file").route(page(policy::file))))
        .service(only(READ, web::resource("/admin/policy/tests").route(page(policy::tests))))
        .service(only(READ, web::resource("/admin/policy/explain").route(page(explain::show))))
        .service(only(READ, web::resource("/admin/activity").route(page(activity::list))))
        .service(only(READ, web::resource("/api/v1").route(page(reference::show))))
        .service(only(READ, web::resource("/api/v1/").route(page(reference::show))));
}

/// What a handler returns: a page, or the page that takes its place.
type Answer = Result<HttpResponse, HttpResponse>;

/// What a handler of a page works with: somebody who may see it, and what was asked.
pub(super) struct Site<'a> {
    visit: &'a Visit<'a>,
    admin: Admin<'a>,
    csrf: String,
    query: Params,
    form: Params,
}

/// A page for an administrator.
fn page<F>(show: F) -> Route
where
    F: AsyncFn(&Site<'_>) -> Answer + Copy + 'static,
{
    read().to(move |request: HttpRequest, state: Data<State>| async move {
        let visit = Visit::new(&request, &state);
        let seat = guard::look(&visit, Door::Page(&here(&visit))).await;
        answer(&visit, seat, Params::default(), show).await
    })
}

/// `GET /` with credentials: the tokens.
pub(in crate::http) async fn front(request: &HttpRequest, state: &Data<State>) -> HttpResponse {
    let visit = Visit::new(request, state);
    let seat = guard::look(&visit, Door::Page("/admin/tokens")).await;
    answer(&visit, seat, Params::default(), tokens::list).await
}

/// `GET /admin/password`: for whoever wants in by password where nobody is asked for it, as people can sign in.
/// Browsers then send it to every page below `/admin/` (RFC 7617 2.2).
async fn by_password(request: HttpRequest, state: Data<State>) -> HttpResponse {
    let visit = Visit::new(&request, &state);
    if !request.headers().contains_key(header::AUTHORIZATION) {
        return guard::ask_for_password(&visit);
    }
    match guard::look(&visit, Door::Page("/admin/")).await {
        Ok(_) => visit.redirect(&format!("{}/admin/", state.config.server.base_path)),
        Err(refused) => refused,
    }
}

/// A token that was made by somebody at a page, shown this once.
pub(super) fn made(visit: &Visit<'_>, seat: Seat<'_>, made: admin::Result<NewSecret>) -> HttpResponse {
    let site = Site::of(visit, seat);
    match made {
        Ok(secret) => token_forms::made(&site, &secret, "Your new token"),
        Err(refusal) => tokens::refused(&site, refusal),
    }
}

/// A token that was revoked by somebody at a page.
pub(super) fn revoked(visit: &Visit<'_>, seat: Seat<'_>, done: admin::Result<TokenView>) -> HttpResponse {
    let site = Site::of(visit, seat);
    match done {
        Ok(_) => site.go(&site.address("/tokens"), "revoked"),
        Err(refusal) => tokens::refused(&site, refusal),
    }
}

/// A page on which a change begins.
fn asking<F>(show: F) -> Route
where
    F: AsyncFn(&Site<'_>) -> Answer + Copy + 'static,
{
    read().to(move |request: HttpRequest, state: Data<State>| async move {
        let visit = Visit::new(&request, &state);
        let seat = guard::prepare(&visit, Door::Page(&here(&visit))).await;
        answer(&visit, seat, Params::default(), show).await
    })
}

/// A form's action by an administrator. Whoever has to sign in again comes back to the page that asks.
fn action<F>(act: F) -> Route
where
    F: AsyncFn(&Site<'_>) -> Answer + Copy + 'static,
{
    web::post().to(move |request: HttpRequest, state: Data<State>, body: Bytes| async move {
        let visit = Visit::new(&request, &state);
        let Some(form) = csrf::form(&body, FORM) else { return bad_request(&visit) };
        let about = ["id", "role"].iter().filter_map(|name| Some((*name, form.get(name)?)));
        let query = Serializer::new(String::new()).extend_pairs(about).finish();
        let back = with_query(below_base(&visit), &query);
        let seat = guard::change(&visit, Door::Page(&back), form.get("csrf")).await;
        answer(&visit, seat, form, act).await
    })
}

/// The path asked for, below the base path.
fn below_base<'v>(visit: &'v Visit<'_>) -> &'v str {
    let path = visit.request.path();
    path.strip_prefix(visit.state.config.server.base_path.as_str()).unwrap_or(path)
}

/// The same with its query, to come back to.
fn here(visit: &Visit<'_>) -> String {
    with_query(below_base(visit), visit.request.query_string())
}

fn bad_request(visit: &Visit<'_>) -> HttpResponse {
    visit.trouble(Trouble::BadRequest, Then::Home)
}

async fn answer<F>(
    visit: &Visit<'_>,
    seat: Result<Seat<'_>, HttpResponse>,
    form: Params,
    handler: F,
) -> HttpResponse
where
    F: AsyncFn(&Site<'_>) -> Answer,
{
    let seat = match seat {
        Ok(seat) => seat,
        Err(refused) => return refused,
    };
    let Ok(query) = Params::read(visit.request.query_string(), QUERY) else { return bad_request(visit) };
    let site = Site { query, form, ..Site::of(visit, seat) };
    handler(&site).await.unwrap_or_else(|instead| instead)
}

impl<'a> Site<'a> {
    /// Without parameters and fields.
    fn of(visit: &'a Visit<'a>, seat: Seat<'a>) -> Self {
        let Seat { admin, csrf, .. } = seat;
        let (query, form) = (Params::default(), Params::default());
        Self { visit, admin, csrf: csrf.unwrap_or_default(), query, form }
    }

    /// A parameter of the address.
    fn asked(&self, name: &str) -> Option<&str> {
        self.query.get(name)
    }

    /// A field of the form, trimmed.
    fn field(&self, name: &str) -> Option<&str> {
        self.form.get(name).map(str::trim).filter(|text| !text.is_empty())
    }

    /// A parameter of the address or, for the action behind it, a field of the form, without which there is no page.
    fn needed(&self, name: &str) -> Result<&str, HttpResponse> {
        self.field(name).or_else(|| self.asked(name)).ok_or_else(|| bad_request(self.visit))
    }

    /// A part of the path.
    fn part(&self, name: &str) -> &str {
        self.visit.request.match_info().get(name).unwrap_or_default()
    }

    /// The path of a page of the site.
    fn address(&self, path: &str) -> String {
        format!("{}/admin{path}", self.visit.state.config.server.base_path)
    }

    /// The same with parameters.
    fn address_with(&self, path: &str, query: &[(&str, &str)]) -> String {
        let query = Serializer::new(String::new()).extend_pairs(query).finish();
        with_query(&self.address(path), &query)
    }

    /// Somebody's page.
    fn user_address(&self, id: &str) -> String {
        self.address_with("/users/one", &[("id", id)])
    }

    /// For a `<time>`: how long ago.
    fn ago(&self, then: Timestamp) -> Value {
        moment(then, ago(self.visit.now, then))
    }

    /// For a `<time>`: how far off.
    fn until(&self, then: Timestamp) -> Value {
        moment(then, until(self.visit.now, then))
    }

    /// What a provider is called; issuers are called by their id.
    fn provider(&self, id: &str) -> String {
        let label = self.visit.state.providers.get(id).map(Provider::label);
        clip(label.unwrap_or(id), 40)
    }

    /// A page of the site. `section` is the entry of the rail that it belongs to.
    fn show(&self, section: &'static str, template: &'static str, page: Value) -> HttpResponse {
        self.show_with(StatusCode::OK, section, template, page)
    }

    fn show_with(
        &self,
        status: StatusCode,
        section: &'static str,
        template: &'static str,
        page: Value,
    ) -> HttpResponse {
        let actor = self.admin.actor();
        let how = match actor {
            Actor::Password(_) => "by password",
            Actor::User { .. } => "signed in",
            Actor::Token { .. } => "by token",
            Actor::Shell(_) => "on the machine",
        };
        let viewer = context! {
            name => clip(actor.display_name(), LONGEST),
            how,
            account => matches!(actor, Actor::User { .. }),
        };
        let values = context! {
            page,
            section,
            viewer,
            csrf => self.csrf.as_str(),
            note => self.asked("done").and_then(done),
            reference => self.visit.id.as_str(),
        };
        let html = self.visit.state.pages.render_admin(template, values);
        self.visit
            .respond(Pages::status_of(&html, status))
            .insert_header((header::CONTENT_SECURITY_POLICY, Pages::ADMIN_CSP))
            .content_type("text/html; charset=utf-8")
            .body(html)
    }

    /// Asks before something is done that cannot be taken back.
    fn confirm(&self, section: &'static str, confirm: Confirm<'_>) -> HttpResponse {
        let (back, back_label) = confirm.back;
        let fields: Vec<Vec<String>> = confirm
            .fields
            .iter()
            .map(|(name, value)| vec![(*name).to_owned(), (*value).to_owned()])
            .collect();
        let page = context! {
            title => confirm.title,
            whom => confirm.whom,
            what => confirm.what,
            button => confirm.button,
            cancel => confirm.cancel,
            danger => confirm.danger,
            action => confirm.action,
            fields,
            back,
            back_label => clip(&back_label, LONGEST),
        };
        self.show(section, "admin-confirm.html", page)
    }

    /// After something was done: on to the page that shows it, by GET, with a word about what was done.
    fn go(&self, address: &str, done: &'static str) -> HttpResponse {
        let sign = if address.contains('?') { '&' } else { '?' };
        let mut builder = self.visit.redirecting(&format!("{address}{sign}done={done}"));
        builder.status(StatusCode::SEE_OTHER).finish()
    }

    /// Why an action was not done, as a page. `back` is where one goes from there.
    fn refused(&self, section: &'static str, refusal: Refusal, back: (&str, &str)) -> HttpResponse {
        let (status, title, text) = match refusal {
            Refusal::NoSuch(text) => (StatusCode::NOT_FOUND, "Not there", sentence(&text)),
            refusal @ Refusal::Faults(_) => {
                (StatusCode::BAD_REQUEST, "That cannot be done", sentence(&refusal.to_string()))
            }
            refusal => {
                tracing::error!(request_id = self.visit.id.as_str(), %refusal, "an admin page needs the store");
                let text = "The store does not answer. Nothing was lost; load this page again in a moment.";
                (StatusCode::SERVICE_UNAVAILABLE, "Not available just now", text.to_owned())
            }
        };
        let page =
            context! { title, text => clip(&text, 400), href => self.address(back.0), label => back.1 };
        let mut response = self.show_with(status, section, "admin-problem.html", page);
        if status == StatusCode::SERVICE_UNAVAILABLE {
            response.headers_mut().insert(header::RETRY_AFTER, header::HeaderValue::from_static("5"));
        }
        response
    }
}

/// A question before an action.
struct Confirm<'a> {
    /// What is about to be done: "Revoke this token".
    title: &'a str,
    /// To whom or what.
    whom: String,
    /// What will happen then, a sentence each.
    what: Vec<String>,
    /// A verb.
    button: &'a str,
    /// The way out.
    cancel: &'a str,
    /// Whether something ends by it.
    danger: bool,
    /// Where the form goes.
    action: String,
    /// What it carries.
    fields: Vec<(&'a str, &'a str)>,
    /// The page behind it: address and name.
    back: (String, String),
}

/// What was done, by the word in the address; nothing else of the address is repeated.
fn done(word: &str) -> Option<&'static str> {
    Some(match word {
        "revoked" => "The token is revoked. It is refused from now on.",
        "granted" => "The role is granted, from their next request on.",
        "ungranted" => "The role is taken back, from their next request on.",
        "disabled" => "The user is disabled, and signed out everywhere.",
        "enabled" => "The user is enabled again, and can sign in.",
        "signed-out" => "They are signed out everywhere.",
        "ended" => "The session is signed out.",
        _ => return None,
    })
}

/// With a capital and a full stop.
fn sentence(text: &str) -> String {
    let mut letters = text.chars();
    let first = letters.next().map(|first| first.to_uppercase().to_string()).unwrap_or_default();
    let end = if text.ends_with(['.', '?', '!']) { "" } else { "." };
    format!("{first}{}{end}", letters.as_str())
}

/// The first few of a list, cut to what can be shown, and how many more there are.
fn few(names: &[String], most: usize) -> (Vec<String>, usize) {
    let shown = names.iter().take(most).map(|name| clip(name, 48)).collect();
    (shown, names.len().saturating_sub(most))
}
