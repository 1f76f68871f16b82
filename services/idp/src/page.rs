//! The pages: sign in, signed out, and what went wrong. No script; the style sheet is inline and allowed by its
//! hash, so the pages look the same behind any prefix.

use actix_web::{HttpResponse, http::StatusCode, http::header};
use aws_lc_rs::digest::{SHA256, digest};
use base64::{Engine, engine::general_purpose::STANDARD};
use minijinja::{Environment, Value, context};

use crate::{account::Account, state::Params};

const STYLE: &str = include_str!("../templates/style.css");

/// The templates and the policy they are sent with.
pub(crate) struct Pages {
    templates: Environment<'static>,
    csp: String,
}

impl Pages {
    /// Compiles the templates.
    ///
    /// # Errors
    /// When one of them is wrong.
    pub(crate) fn new() -> Result<Self, minijinja::Error> {
        let mut templates = Environment::new();
        templates.add_template("layout.html", include_str!("../templates/layout.html"))?;
        templates.add_template("sign_in.html", include_str!("../templates/sign_in.html"))?;
        templates.add_template("message.html", include_str!("../templates/message.html"))?;
        let hash = STANDARD.encode(digest(&SHA256, STYLE.as_bytes()));
        // No form-action: browsers apply it to every redirect after the form too, and those lead to any client.
        let csp = format!(
            "default-src 'none'; style-src 'sha256-{hash}'; img-src data:; base-uri 'none'; frame-ancestors 'none'"
        );
        Ok(Self { templates, csp })
    }

    fn answer(&self, status: StatusCode, name: &str, with: Value) -> Result<HttpResponse, minijinja::Error> {
        let style = Value::from_safe_string(STYLE.to_owned());
        let html = self.templates.get_template(name)?.render(context! { style, ..with })?;
        Ok(HttpResponse::build(status)
            .content_type("text/html; charset=utf-8")
            .insert_header((header::CONTENT_SECURITY_POLICY, self.csp.as_str()))
            .insert_header((header::CACHE_CONTROL, "no-store"))
            .insert_header((header::REFERRER_POLICY, "no-referrer"))
            .insert_header((header::X_CONTENT_TYPE_OPTIONS, "nosniff"))
            .body(html))
    }
}

/// What the sign-in page shows.
pub(crate) struct SignIn<'a> {
    /// The host that wants to know.
    pub(crate) to: &'a str,
    /// The request's query as it came: the form sends it again.
    pub(crate) query: &'a str,
    pub(crate) accounts: &'a [Account],
    /// What is wrong with the e-mail typed.
    pub(crate) fault: Option<&'a str>,
    pub(crate) typed: &'a Params,
}

/// The sign-in page; 422 when what was typed is wrong.
pub(crate) fn sign_in(pages: &Pages, page: &SignIn<'_>) -> actix_web::Result<HttpResponse> {
    let accounts: Vec<Value> = page.accounts.iter().map(row).collect();
    let with =
        context! { accounts, to => page.to, query => page.query, fault => page.fault, typed => page.typed };
    let status = if page.fault.is_some() { StatusCode::UNPROCESSABLE_ENTITY } else { StatusCode::OK };
    pages.answer(status, "sign_in.html", with).map_err(crate::state::oops)
}

fn row(account: &Account) -> Value {
    let name = account.full_name();
    let short: String = name.chars().take(60).collect();
    let initials: String = name.split(' ').filter_map(|word| word.chars().next()).take(2).collect();
    let mut notes = Vec::new();
    if account.email_verified != true {
        notes.push("e-mail not verified".to_owned());
    }
    if account.groups.len() > 20 {
        notes.push(format!("{} groups", account.groups.len()));
    }
    if name.len() > 1000 {
        notes.push(format!("{} KB name", name.len() / 1000));
    }
    context! { email => account.email.as_str(), name => short, initials, roles => account.roles.clone(), notes }
}

/// A request that cannot be answered by a redirect.
pub(crate) fn fault(pages: &Pages, text: &str) -> HttpResponse {
    let with = context! { title => "This request cannot be answered", text };
    pages
        .answer(StatusCode::BAD_REQUEST, "message.html", with)
        .unwrap_or_else(|_| HttpResponse::InternalServerError().finish())
}

/// After the end of the session, when there is nowhere to return to.
pub(crate) fn signed_out(pages: &Pages) -> actix_web::Result<HttpResponse> {
    let with = context! { title => "You are signed out", text => "You can close this window." };
    pages.answer(StatusCode::OK, "message.html", with).map_err(crate::state::oops)
}
