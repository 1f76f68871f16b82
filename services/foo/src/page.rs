//! The pages: the greeting, and a report with a button. No script; the style sheet is inline and allowed by its hash, so that the page looks the
//! same whether or not the proxy cut off the prefix.

use actix_web::{HttpResponse, http::header};
use aws_lc_rs::digest::{SHA256, digest};
use base64::{Engine, engine::general_purpose::STANDARD};
use minijinja::{Environment, Value, context};

use crate::identity::{Caller, HEADERS};
use crate::may::Report;

const STYLE: &str = include_str!("../templates/style.css");

/// The templates, the policy they are sent with, and where their links lead.
pub(crate) struct Pages {
    templates: Environment<'static>,
    csp: String,
    prefix: String,
    logout_url: String,
    account_url: String,
}

impl Pages {
    /// Compiles the templates.
    ///
    /// # Errors
    /// When one is wrong.
    pub(crate) fn new(
        prefix: String,
        logout_url: String,
        account_url: String,
    ) -> Result<Self, minijinja::Error> {
        let mut templates = Environment::new();
        templates.add_template("layout.html", include_str!("../templates/layout.html"))?;
        templates.add_template("hello.html", include_str!("../templates/hello.html"))?;
        templates.add_template("report.html", include_str!("../templates/report.html"))?;
        let hash = STANDARD.encode(digest(&SHA256, STYLE.as_bytes()));
        let csp = format!(
            "default-src 'none'; style-src 'sha256-{hash}'; img-src data:; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
        );
        Ok(Self { templates, csp, prefix, logout_url, account_url })
    }

    /// The page for this caller; `header` gives the values of an identity header.
    ///
    /// # Errors
    /// When the template fails.
    pub(crate) fn hello(
        &self,
        caller: &Caller,
        header: impl Fn(&str) -> Vec<String>,
    ) -> Result<HttpResponse, minijinja::Error> {
        let rows: Vec<Value> = HEADERS
            .iter()
            .map(|name| {
                let values = header(name);
                let absent = values.is_empty();
                context! { name => *name, absent, value => shorten(&values.join(", "), *name == "X-Auth-Assertion") }
            })
            .collect();
        let known = !caller.user.is_empty();
        let name = if caller.name.is_empty() { &caller.user } else { &caller.name };
        let html = self.templates.get_template("hello.html")?.render(context! {
            style => Value::from_safe_string(STYLE.to_owned()),
            rows,
            known,
            name => shorten(name, false),
            email => caller.email.as_str(),
            method => caller.method.as_str(),
            roles => caller.roles.clone(),
            verified => caller.assertion.is_ok(),
            reason => caller.assertion.as_ref().err().map(ToString::to_string),
            prefix => self.prefix.as_str(),
            logout_url => self.logout_url.as_str(),
            account_url => self.account_url.as_str(),
        })?;
        Ok(self.html(html))
    }

    /// A report with its button; `approved` once that was pressed.
    ///
    /// # Errors
    /// When the template fails.
    pub(crate) fn report(&self, report: &Report, approved: bool) -> Result<HttpResponse, minijinja::Error> {
        let html = self.templates.get_template("report.html")?.render(context! {
            style => Value::from_safe_string(STYLE.to_owned()),
            known => true,
            approved,
            id => report.id.as_str(),
            approve_at => report.approve_at.as_str(),
            may_approve => report.may_approve,
            reason => report.reason.as_str(),
            prefix => self.prefix.as_str(),
            logout_url => self.logout_url.as_str(),
            account_url => self.account_url.as_str(),
        })?;
        Ok(self.html(html))
    }

    fn html(&self, html: String) -> HttpResponse {
        HttpResponse::Ok()
            .content_type("text/html; charset=utf-8")
            .insert_header((header::CONTENT_SECURITY_POLICY, self.csp.as_str()))
            .insert_header((header::CACHE_CONTROL, "no-store"))
            .insert_header((header::X_CONTENT_TYPE_OPTIONS, "nosniff"))
            .insert_header((header::REFERRER_POLICY, "same-origin"))
            .body(html)
    }
}

/// Long values in the middle cut; of an assertion little is shown, since whoever has it whole can show it around.
fn shorten(text: &str, secret: bool) -> String {
    let (head, tail) = if secret { (16, 0) } else { (200, 20) };
    let many = text.chars().count();
    if many <= head + tail {
        return text.to_owned();
    }
    let start: String = text.chars().take(head).collect();
    let end: String = text.chars().skip(many - tail).collect();
    format!("{start}…{end} ({many} characters)")
}
