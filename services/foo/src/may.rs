//! "May they?", asked of the gateway, for what only a service knows: which buttons to show.
//!
//! The answer is about the credentials that came with the request, so those are passed on, and nothing else of it.
//! The proxy must leave them in the request for that: see docs/services.md.

use std::time::Duration;

use actix_web::{HttpRequest, HttpResponse, http::header};
use serde::Deserialize;
use serde_json::json;

/// Somebody waits for the page: a gateway that takes longer than this counts as away.
const PATIENCE: Duration = Duration::from_secs(3);

/// Where the gateway is asked.
#[derive(Clone)]
pub(crate) struct Gateway {
    client: reqwest::Client,
    authorize_url: String,
}

#[derive(Deserialize)]
struct Answer {
    allow: bool,
    reason: String,
}

impl Gateway {
    /// `authorize_url` is the gateway's `/authorize`.
    ///
    /// # Errors
    /// When no client can be made.
    pub(crate) fn new(authorize_url: &str) -> Result<Self, reqwest::Error> {
        let client = reqwest::Client::builder()
            .timeout(PATIENCE)
            .redirect(reqwest::redirect::Policy::none())
            .no_proxy()
            .build()?;
        Ok(Self { client, authorize_url: authorize_url.to_owned() })
    }

    /// Whether who sent `req` may do `method` on `path`; `Err` says why that is not known.
    async fn may(&self, req: &HttpRequest, method: &str, path: &str) -> Result<Answer, String> {
        let host = req.headers().get("x-forwarded-host").or_else(|| req.headers().get(header::HOST));
        let host = host.and_then(|host| host.to_str().ok()).ok_or("the request has no host")?;
        let mut question = self
            .client
            .post(&self.authorize_url)
            .header("x-forwarded-host", host)
            .json(&json!({ "method": method, "host": host, "path": path }));
        for name in [header::AUTHORIZATION, header::COOKIE] {
            for value in req.headers().get_all(&name) {
                question = question.header(name.as_str(), value.as_bytes());
            }
        }
        let answer = question.send().await.map_err(|_| "the gateway does not answer")?;
        match answer.status().as_u16() {
            200 => answer.json().await.map_err(|_| "the gateway's answer cannot be read".to_owned()),
            status => Err(format!("the gateway answered {status}")),
        }
    }
}

/// A report, and whether its reader may approve it.
pub(crate) struct Report {
    pub(crate) id: String,
    /// Where approving is done, as browsers know the address.
    pub(crate) approve_at: String,
    pub(crate) may_approve: bool,
    /// In the gateway's words, or why they could not be had.
    pub(crate) reason: String,
}

impl Report {
    /// Asks whether who sent `req` may approve. An answer that could not be had is a "no": a button that is not known
    /// to work is not offered, and whoever sends its request all the same is stopped by the gateway.
    pub(crate) async fn read(gateway: Option<&Gateway>, prefix: &str, id: &str, req: &HttpRequest) -> Self {
        let approve_at = format!("{prefix}/reports/{id}/approve");
        let answer = match gateway {
            Some(gateway) => gateway.may(req, "POST", &approve_at).await,
            None => Err("no gateway to ask is configured (--authorize-url)".to_owned()),
        };
        let (may_approve, reason) = match answer {
            Ok(answer) => (answer.allow, answer.reason),
            Err(why) => (false, why),
        };
        Self { id: id.to_owned(), approve_at, may_approve, reason }
    }

    /// `GET /api/reports/{id}`.
    pub(crate) fn json(&self) -> HttpResponse {
        HttpResponse::Ok().insert_header((header::CACHE_CONTROL, "no-store")).json(json!({
            "id": self.id, "title": format!("Report {}", self.id),
            "may_approve": self.may_approve, "reason": self.reason,
        }))
    }
}
