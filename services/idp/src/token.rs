//! The token endpoint: a code for tokens, once. OpenID Connect Core 3.1.3, RFC 6749 section 2.3.1, RFC 7636.

use actix_web::{HttpRequest, HttpResponse, http::header, web};
use aws_lc_rs::digest::{SHA256, digest};
use base64::{
    Engine,
    engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD},
};
use serde_json::{Map, Value, json};

use crate::{
    keys::overlay,
    state::{ACCESS_LIFE, Grant, Idp, Inner, Params, now, oops, params},
};

/// `POST /token`.
pub(crate) async fn token(
    idp: web::Data<Idp>,
    req: HttpRequest,
    body: String,
) -> actix_web::Result<HttpResponse> {
    let form = params(&body).unwrap_or_default();
    let (client_auth, known) = client(&idp, &req, &form);
    idp.note_form("token", &form, client_auth);
    let ordered = idp.lock().settings.error.get("token").cloned();
    if let Some(error) = ordered {
        return Ok(refuse(&error));
    }
    if !known {
        return Ok(HttpResponse::Unauthorized()
            .insert_header((header::WWW_AUTHENTICATE, "Basic realm=\"idp\""))
            .json(json!({"error": "invalid_client"})));
    }
    if form.get("grant_type").map(String::as_str) != Some("authorization_code") {
        return Ok(refuse("unsupported_grant_type"));
    }
    let now = now();
    let mut inner = idp.lock();
    let Some(grant) = redeem(&mut inner, &form, now).filter(|grant| !grant.github) else {
        return Ok(refuse("invalid_grant"));
    };
    let access_token = inner.new_access_token(grant.clone(), now).map_err(oops)?;
    let claims = id_claims(&idp, &inner, &grant, &access_token, now);
    let Inner { keys, settings, .. } = &*inner;
    let id_token = keys
        .sign(
            settings.alg,
            "JWT",
            settings.kid.as_ref(),
            &settings.header,
            &claims,
            &idp.config.client_secret,
        )
        .map_err(oops)?;
    let mut answer = Map::new();
    answer.insert("access_token".into(), access_token.into());
    answer.insert("token_type".into(), "Bearer".into());
    answer.insert("expires_in".into(), ACCESS_LIFE.into());
    answer.insert("scope".into(), grant.scopes.join(" ").into());
    answer.insert("id_token".into(), id_token.into());
    overlay(&mut answer, &settings.token);
    Ok(HttpResponse::Ok().insert_header((header::CACHE_CONTROL, "no-store")).json(answer))
}

fn refuse(error: &str) -> HttpResponse {
    HttpResponse::BadRequest()
        .insert_header((header::CACHE_CONTROL, "no-store"))
        .json(json!({ "error": error }))
}

/// What the code of this form stands for. The code is spent whatever the outcome; the return address must be the
/// one it was issued for, and the verifier that of the challenge.
pub(crate) fn redeem(inner: &mut Inner, form: &Params, now: u64) -> Option<Grant> {
    let grant = inner.take_code(form.get("code")?, now)?;
    let same_uri = match form.get("redirect_uri") {
        Some(uri) => *uri == grant.redirect_uri,
        // GitHub lets it be left out.
        None => grant.github,
    };
    let proven = match (&grant.challenge, form.get("code_verifier")) {
        (Some(challenge), Some(verifier)) => {
            URL_SAFE_NO_PAD.encode(digest(&SHA256, verifier.as_bytes())) == *challenge
        }
        (Some(_), None) => false,
        (None, _) => true,
    };
    (same_uri && proven).then_some(grant)
}

/// How the client says who it is, and whether it is the one we know.
pub(crate) fn client(idp: &Idp, req: &HttpRequest, form: &Params) -> (&'static str, bool) {
    let basic = req.headers().get(header::AUTHORIZATION).and_then(|value| {
        let encoded = value.to_str().ok()?.strip_prefix("Basic ")?;
        let text = String::from_utf8(STANDARD.decode(encoded).ok()?).ok()?;
        let (id, secret) = text.split_once(':')?;
        // Both are form-encoded before they are base64-encoded (RFC 6749 section 2.3.1).
        let mut decoded = params(&format!("id={id}&secret={secret}"))?;
        Some((decoded.remove("id")?, decoded.remove("secret")?))
    });
    let (how, given) = match basic {
        Some(pair) => ("client_secret_basic", Some(pair)),
        None => {
            let of = |name: &str| form.get(name).cloned();
            ("client_secret_post", of("client_id").zip(of("client_secret")))
        }
    };
    let known =
        given.is_some_and(|(id, secret)| id == idp.config.client_id && secret == idp.config.client_secret);
    (how, known)
}

/// The claims of an ID token, with what tests want different.
fn id_claims(idp: &Idp, inner: &Inner, grant: &Grant, access_token: &str, now: u64) -> Map<String, Value> {
    let mut claims = inner.person(&grant.account, &grant.scopes);
    let mut add = |name: &str, value: Value| drop(claims.insert(name.to_owned(), value));
    add("iss", idp.issuer.clone().into());
    add("aud", idp.config.client_id.clone().into());
    add("azp", idp.config.client_id.clone().into());
    add("iat", now.into());
    add("exp", (now + 600).into());
    add("auth_time", grant.auth_time.into());
    add("sid", grant.sid.clone().into());
    if let Some(nonce) = &grant.nonce {
        add("nonce", nonce.clone().into());
    }
    // Left half of the hash of the access token (OpenID Connect Core 3.1.3.6).
    let hash = digest(&SHA256, access_token.as_bytes());
    let (left, _) = hash.as_ref().split_at(hash.as_ref().len() / 2);
    add("at_hash", URL_SAFE_NO_PAD.encode(left).into());
    overlay(&mut claims, &inner.settings.id_token);
    claims
}
