//! The authorization endpoint: checks the request, shows who can sign in, and sends the browser back with a code.
//! OpenID Connect Core 3.1.2, RFC 7636 (PKCE, required), RFC 9207 (`iss`); and GitHub's, which has none of these.

use actix_web::{HttpRequest, HttpResponse, http::header, web};
use reqwest::Url;
use serde_json::Value;

use crate::{
    account::{Account, email_fault},
    keys::random,
    page::{self, SignIn},
    state::{Grant, Idp, Params, now, oops, params},
};

/// A request that may be answered by a redirect.
struct Valid {
    github: bool,
    redirect_uri: Url,
    params: Params,
}

impl Valid {
    fn get(&self, name: &str) -> Option<&str> {
        self.params.get(name).map(String::as_str)
    }

    /// Back to the client with these parameters, its state, and who we are.
    fn back(&self, idp: &Idp, with: &[(&str, &str)]) -> HttpResponse {
        let mut to = self.redirect_uri.clone();
        {
            let mut query = to.query_pairs_mut();
            query.extend_pairs(with);
            if let Some(state) = self.get("state") {
                query.append_pair("state", state);
            }
            let settings = &idp.lock().settings;
            if !self.github && !settings.no_iss_param {
                query.append_pair("iss", settings.callback_iss.as_deref().unwrap_or(&idp.issuer));
            }
        }
        // 303, so that the form's POST is followed by a GET.
        HttpResponse::SeeOther()
            .insert_header((header::LOCATION, to.as_str()))
            .insert_header((header::CACHE_CONTROL, "no-store"))
            .finish()
    }
}

/// The start: `GET /authorize` and GitHub's.
pub(crate) async fn start(idp: web::Data<Idp>, req: HttpRequest) -> actix_web::Result<HttpResponse> {
    let valid = match check(&idp, &req) {
        Ok(valid) => valid,
        Err(answer) => return Ok(*answer),
    };
    let hinted =
        valid.get("login_hint").and_then(|hint| hint.strip_prefix("auto:")).map(|email| idp.account(email));
    let account = match hinted {
        Some(account) => Some(account),
        None => auto_account(&idp)?,
    };
    match account {
        Some(account) => finish(&idp, &valid, account),
        None if valid.get("prompt") == Some("none") => Ok(valid.back(&idp, &[("error", "login_required")])),
        None => show(&idp, &req, &valid, None, &Params::new()),
    }
}

/// The sign-in page's form: an account picked or typed, or "cancel".
pub(crate) async fn pick(
    idp: web::Data<Idp>,
    req: HttpRequest,
    body: String,
) -> actix_web::Result<HttpResponse> {
    let valid = match check(&idp, &req) {
        Ok(valid) => valid,
        Err(answer) => return Ok(*answer),
    };
    let form = params(&body).unwrap_or_default();
    idp.note_form("signin", &form, "");
    let field = |name: &str| form.get(name).map(String::as_str).unwrap_or_default();
    let list = |name: &str| -> Vec<String> {
        field(name).split(',').map(str::trim).filter(|s| !s.is_empty()).map(str::to_owned).collect()
    };
    if form.contains_key("cancel") {
        return Ok(valid.back(&idp, &[("error", "access_denied")]));
    }
    if let Some(email) = form.get("account") {
        return finish(&idp, &valid, idp.account(email));
    }
    if let Some(fault) = email_fault(field("email")) {
        return show(&idp, &req, &valid, Some(fault), &form);
    }
    let mut account = Account::new(field("email"), field("name"));
    account.email_verified = Value::Bool(!form.contains_key("unverified"));
    account.roles = list("roles");
    account.groups = list("groups");
    finish(&idp, &valid, account)
}

/// Checks everything. A client or return address that is not known is told to the person, never redirected to
/// (RFC 6749 section 4.1.2.1); all other faults go back to the client.
fn check(idp: &Idp, req: &HttpRequest) -> Result<Valid, Box<HttpResponse>> {
    let github = req.path().ends_with("/login/oauth/authorize");
    let refuse = |why: &str| Err(Box::new(page::fault(&idp.pages, why)));
    let Some(params) = params(req.query_string()) else {
        return refuse("The address has a parameter twice, or one that cannot be read.");
    };
    let get = |name: &str| params.get(name).map(String::as_str);
    if get("client_id") != Some(&idp.config.client_id) {
        return refuse("The client_id is not the one this provider was started with.");
    }
    let Some(redirect_uri) = get("redirect_uri").and_then(|uri| Url::parse(uri).ok()) else {
        return refuse("The redirect_uri is missing or is no address.");
    };
    if !idp.config.allows_redirect(&redirect_uri) {
        return refuse("The redirect_uri is not registered with this provider (--redirect-uri).");
    }
    let valid = Valid { github, redirect_uri, params: params.clone() };
    let endpoint = if github { "github_authorize" } else { "authorize" };
    let ordered = idp.lock().settings.error.get(endpoint).cloned();
    if let Some(error) = ordered {
        return Err(Box::new(valid.back(idp, &[("error", &error)])));
    }
    if github {
        return Ok(valid);
    }
    let scopes = get("scope").unwrap_or_default();
    let challenge = get("code_challenge").unwrap_or_default();
    let fault = if get("response_type") != Some("code") {
        ("unsupported_response_type", "response_type must be code")
    } else if !scopes.split(' ').any(|scope| scope == "openid") {
        ("invalid_scope", "scope must have openid")
    } else if get("response_mode").is_some_and(|mode| mode != "query") {
        ("invalid_request", "response_mode must be query")
    } else if get("code_challenge_method") != Some("S256") || !(43..=128).contains(&challenge.len()) {
        ("invalid_request", "PKCE with S256 is required")
    } else {
        return Ok(valid);
    };
    Err(Box::new(valid.back(idp, &[("error", fault.0), ("error_description", fault.1)])))
}

/// The account that tests set to sign in by itself.
fn auto_account(idp: &Idp) -> actix_web::Result<Option<Account>> {
    let told = idp.lock().settings.auto_account.clone();
    match told {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(email)) => Ok(Some(idp.account(&email))),
        Some(object) => {
            serde_json::from_value(object).map(Some).map_err(actix_web::error::ErrorInternalServerError)
        }
    }
}

fn show(
    idp: &Idp,
    req: &HttpRequest,
    valid: &Valid,
    fault: Option<&str>,
    typed: &Params,
) -> actix_web::Result<HttpResponse> {
    let to = valid.redirect_uri.host_str().unwrap_or_default();
    let sign_in = SignIn { to, query: req.query_string(), accounts: &idp.accounts, fault, typed };
    page::sign_in(&idp.pages, &sign_in)
}

fn finish(idp: &Idp, valid: &Valid, account: Account) -> actix_web::Result<HttpResponse> {
    let now = now();
    let grant = Grant {
        github: valid.github,
        redirect_uri: valid.get("redirect_uri").unwrap_or_default().to_owned(),
        challenge: valid.get("code_challenge").map(str::to_owned),
        nonce: valid.get("nonce").map(str::to_owned),
        scopes: valid.get("scope").unwrap_or_default().split([' ', ',']).map(str::to_owned).collect(),
        account,
        sid: random(16).map_err(oops)?,
        auth_time: now,
    };
    let code = idp.lock().new_code(grant, now).map_err(oops)?;
    Ok(valid.back(idp, &[("code", &code)]))
}
