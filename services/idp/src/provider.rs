//! Discovery, key set, UserInfo and end of session.

use actix_web::{HttpRequest, HttpResponse, http::header, web};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use reqwest::Url;
use serde_json::{Map, Value, json};

use crate::{
    backchannel,
    keys::overlay,
    page,
    state::{Idp, Params, bearer, now, oops, params},
};

/// OpenID Connect Discovery 1.0.
pub(crate) async fn discovery(idp: web::Data<Idp>) -> HttpResponse {
    let (public, internal) = (&idp.public, &idp.internal);
    let settings = &idp.lock().settings;
    let mut document = Map::new();
    let mut add = |name: &str, value: Value| drop(document.insert(name.to_owned(), value));
    add("issuer", idp.issuer.clone().into());
    add("authorization_endpoint", format!("{public}/authorize").into());
    add("end_session_endpoint", format!("{public}/end_session").into());
    add("token_endpoint", format!("{internal}/token").into());
    add("jwks_uri", format!("{internal}/jwks").into());
    add("userinfo_endpoint", format!("{internal}/userinfo").into());
    add("response_types_supported", json!(["code"]));
    add("response_modes_supported", json!(["query"]));
    add("grant_types_supported", json!(["authorization_code"]));
    add("subject_types_supported", json!(["public"]));
    add("id_token_signing_alg_values_supported", json!(["RS256"]));
    add("token_endpoint_auth_methods_supported", json!(["client_secret_basic", "client_secret_post"]));
    add("code_challenge_methods_supported", json!(["S256"]));
    add("scopes_supported", json!(["openid", "email", "profile"]));
    add(
        "claims_supported",
        json!(["sub", "email", "email_verified", "name", "given_name", "hd", "groups", "roles", "sid"]),
    );
    add("authorization_response_iss_parameter_supported", (!settings.no_iss_param).into());
    add("backchannel_logout_supported", true.into());
    add("backchannel_logout_session_supported", true.into());
    overlay(&mut document, &settings.discovery);
    HttpResponse::Ok().json(document)
}

/// The key set (RFC 7517).
pub(crate) async fn jwks(idp: web::Data<Idp>) -> actix_web::Result<HttpResponse> {
    let inner = idp.lock();
    let mut set = inner.keys.jwks(inner.settings.duplicate_kid, inner.settings.many_keys).map_err(oops)?;
    let keys = set.get_mut("keys").and_then(Value::as_array_mut);
    for key in keys.into_iter().flatten().filter_map(Value::as_object_mut) {
        overlay(key, &inner.settings.jwk);
    }
    Ok(HttpResponse::Ok().json(set))
}

/// UserInfo (OpenID Connect Core 5.3).
pub(crate) async fn userinfo(idp: web::Data<Idp>, req: HttpRequest) -> HttpResponse {
    let inner = idp.lock();
    let ordered = inner.settings.error.get("userinfo");
    let grant = bearer(&req).and_then(|token| inner.by_access_token(token, now()));
    let (Some(grant), None) = (grant, ordered) else {
        let error = ordered.map_or("invalid_token", String::as_str);
        return HttpResponse::Unauthorized()
            .insert_header((header::WWW_AUTHENTICATE, format!("Bearer error=\"{error}\"")))
            .json(json!({ "error": error }));
    };
    let mut claims = inner.person(&grant.account, &grant.scopes);
    overlay(&mut claims, &inner.settings.userinfo);
    HttpResponse::Ok().json(claims)
}

/// RP-initiated logout 1.0, by GET (query) or POST (form). Which session ends is read from the `sid` of the ID
/// token (which only its owner and the client know; its signature may be wrong on purpose) or from `logout_hint`
/// (a `sid` or an e-mail). The clients get their logout token before the browser goes on.
pub(crate) async fn end_session(
    idp: web::Data<Idp>,
    req: HttpRequest,
    body: String,
) -> actix_web::Result<HttpResponse> {
    let text = if req.method() == actix_web::http::Method::POST { body.as_str() } else { req.query_string() };
    let Some(params) = params(text) else {
        return Ok(page::fault(&idp.pages, "The address has a parameter twice, or one that cannot be read."));
    };
    idp.note_form("end_session", &params, "");
    let hint = params.get("id_token_hint").and_then(|token| payload(token));
    let claim = |name: &str| hint.as_ref().and_then(|h| h.get(name)).and_then(Value::as_str);

    let sid = claim("sid").or_else(|| params.get("logout_hint").map(String::as_str));
    for (sid, sub) in end(&idp, sid) {
        backchannel::send(&idp, &backchannel::Order::of(sub, sid)).await.map_err(oops)?;
    }

    let client = params.get("client_id").map(String::as_str).or_else(|| claim("aud"));
    match return_address(&idp, &params, client) {
        Some(to) => Ok(HttpResponse::Found().insert_header((header::LOCATION, to.as_str())).finish()),
        None => page::signed_out(&idp.pages),
    }
}

/// Ends the sessions that a hint names and says which (`sid`, `sub`).
fn end(idp: &Idp, hint: Option<&str>) -> Vec<(String, String)> {
    let Some(hint) = hint else { return Vec::new() };
    let mut inner = idp.lock();
    let ended: Vec<(String, String)> = inner
        .sessions
        .iter()
        .filter(|(sid, (_, account))| *sid == hint || account.email.eq_ignore_ascii_case(hint))
        .map(|(sid, (_, account))| (sid.clone(), account.sub()))
        .collect();
    inner.sessions.retain(|sid, _| !ended.iter().any(|(gone, _)| gone == sid));
    ended
}

fn return_address(idp: &Idp, params: &Params, client: Option<&str>) -> Option<Url> {
    let mut to = Url::parse(params.get("post_logout_redirect_uri")?).ok()?;
    if client != Some(&idp.config.client_id) || !idp.config.allows_redirect(&to) {
        return None;
    }
    if let Some(state) = params.get("state") {
        to.query_pairs_mut().append_pair("state", state);
    }
    Some(to)
}

fn payload(token: &str) -> Option<Map<String, Value>> {
    let bytes = URL_SAFE_NO_PAD.decode(token.split('.').nth(1)?).ok()?;
    serde_json::from_slice(&bytes).ok()
}
