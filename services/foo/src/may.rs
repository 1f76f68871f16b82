//! "May they?", asked of the gateway, for what only a service knows: which buttons to show.
//!
//! The answer is about the credentials that came with the request, so those are passed on, and nothing else of it.

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

/// `GET /api/reports/{id}`: a report, and whether the page should have a button that deletes it. A button that is not
/// known to work is not shown; whoever sends the request all the same is stopped by the gateway.
pub(crate) async fn report(gateway: Option<&Gateway>, req: &HttpRequest, id: &str) -> HttpResponse {
    let path = req.uri().path();
    let answer = match gateway {
        Some(gateway) => gateway.may(req, "DELETE", path).await,
        None => Err("no gateway to ask is configured (--authorize-url)".to_owned()),
    };
    let (may_delete, reason) = match answer {
        Ok(answer) => (answer.allow, answer.reason),
        Err(why) => (false, why),
    };
    HttpResponse::Ok().insert_header((header::CACHE_CONTROL, "no-store")).json(json!({
        "id": id, "title": format!("Report {id}"), "may_delete": may_delete, "reason": reason,
    }))
}
