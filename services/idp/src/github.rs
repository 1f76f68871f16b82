//! GitHub's way of saying who somebody is: a token endpoint that answers errors with 200, and a user API.
//! <https://docs.github.com/en/apps/oauth-apps/building-oauth-apps/authorizing-oauth-apps>

use actix_web::{HttpRequest, HttpResponse, http::header, web};
use serde_json::{Map, Value, json};

use crate::{
    keys::overlay,
    state::{Grant, Idp, bearer, now, oops, params},
    token::{client, redeem},
};

/// `POST /login/oauth/access_token`: form-encoded unless JSON is asked for, and 200 for errors too.
pub(crate) async fn access_token(
    idp: web::Data<Idp>,
    req: HttpRequest,
    body: String,
) -> actix_web::Result<HttpResponse> {
    let form = params(&body).unwrap_or_default();
    let (client_auth, known) = client(&idp, &req, &form);
    idp.note_form("github_token", &form, client_auth);
    let now = now();
    let mut inner = idp.lock();
    let error = |code: &str| {
        vec![("error", code.to_owned()), ("error_description", "see the documentation".to_owned())]
    };
    let ordered = inner.settings.error.get("github_token").cloned();
    let pairs = if let Some(ordered) = ordered {
        error(&ordered)
    } else if !known {
        error("incorrect_client_credentials")
    } else if let Some(grant) = redeem(&mut inner, &form, now).filter(|grant| grant.github) {
        let scope = grant.scopes.join(",");
        let token = inner.new_access_token(grant, now).map_err(oops)?;
        vec![("access_token", token), ("scope", scope), ("token_type", "bearer".to_owned())]
    } else {
        error("bad_verification_code")
    };
    let json =
        req.headers().get(header::ACCEPT).is_some_and(|v| v.as_bytes().windows(4).any(|w| w == b"json"));
    if json {
        let object: Map<String, Value> =
            pairs.into_iter().map(|(name, value)| (name.to_owned(), value.into())).collect();
        return Ok(HttpResponse::Ok().json(object));
    }
    let mut url = reqwest::Url::parse("http://form/").map_err(oops)?;
    url.query_pairs_mut().extend_pairs(pairs);
    let text = url.query().unwrap_or_default().to_owned();
    Ok(HttpResponse::Ok().content_type("application/x-www-form-urlencoded").body(text))
}

/// Whose token it is; GitHub also refuses those who do not name their program.
fn caller(idp: &Idp, req: &HttpRequest) -> Result<Grant, Box<HttpResponse>> {
    if !req.headers().contains_key(header::USER_AGENT) {
        return Err(Box::new(
            HttpResponse::Forbidden()
                .body("Request forbidden by administrative rules: no User-Agent header."),
        ));
    }
    bearer(req)
        .and_then(|token| idp.lock().by_access_token(token, now()))
        .filter(|grant| grant.github)
        .ok_or_else(|| Box::new(HttpResponse::Unauthorized().json(json!({"message": "Bad credentials"}))))
}

/// `GET /api/user`. The e-mail is private, as it is by default.
pub(crate) async fn user(idp: web::Data<Idp>, req: HttpRequest) -> HttpResponse {
    let grant = match caller(&idp, &req) {
        Ok(grant) => grant,
        Err(answer) => return *answer,
    };
    let account = &grant.account;
    let login = account.email.split('@').next().unwrap_or_default();
    let mut user = Map::new();
    let mut add = |name: &str, value: Value| drop(user.insert(name.to_owned(), value));
    add("login", login.into());
    // Fits the 32 bits that GitHub's numbers fit.
    add("id", (account.number() >> 33).into());
    add("type", "User".into());
    add("name", account.full_name().into());
    add("email", Value::Null);
    add("html_url", format!("{}/{login}", idp.public).into());
    overlay(&mut user, &idp.lock().settings.github_user);
    HttpResponse::Ok().json(user)
}

/// `GET /api/user/emails`: needs the scope, and lists an address that is not the primary one first.
pub(crate) async fn emails(idp: web::Data<Idp>, req: HttpRequest) -> HttpResponse {
    let grant = match caller(&idp, &req) {
        Ok(grant) => grant,
        Err(answer) => return *answer,
    };
    if !grant.scopes.iter().any(|scope| scope == "user:email" || scope == "user") {
        return HttpResponse::NotFound().json(json!({"message": "Not Found"}));
    }
    let account = &grant.account;
    let inner = idp.lock();
    let mut primary = json!({"email": account.email, "primary": true, "visibility": "private"});
    if let (Some(verified), Some(object)) = (inner.email_verified(account), primary.as_object_mut()) {
        object.insert("verified".into(), verified);
    }
    let spare = json!({
        "email": format!("{}@users.noreply.github.example", account.number()),
        "primary": false, "verified": true, "visibility": null,
    });
    let told = inner.settings.github_emails.clone();
    HttpResponse::Ok().json(told.unwrap_or_else(|| json!([spare, primary])))
}
