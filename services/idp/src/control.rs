//! Misbehaviour on demand: what tests may set, and the addresses they set it by.
//!
//! Every member is a row in the table of README.md. A member or an endpoint that does not exist is refused, so
//! that a test with a spelling mistake does not pass for want of misbehaviour.

use std::collections::BTreeMap;

use actix_web::{HttpResponse, web};
use serde::{Deserialize, Deserializer};
use serde_json::{Map, Value, json};

use crate::{
    backchannel,
    keys::{Alg, overlay},
    state::{Idp, now, oops},
};

/// What can be broken and is counted: name and path. `signin` is the page's own form.
pub(crate) const ENDPOINTS: &[(&str, &str)] = &[
    ("discovery", "/.well-known/openid-configuration"),
    ("jwks", "/jwks"),
    ("authorize", "/authorize"),
    ("signin", ""),
    ("token", "/token"),
    ("userinfo", "/userinfo"),
    ("end_session", "/end_session"),
    ("github_authorize", "/login/oauth/authorize"),
    ("github_token", "/login/oauth/access_token"),
    ("github_user", "/api/user"),
    ("github_emails", "/api/user/emails"),
];

type By<T> = BTreeMap<String, T>;

/// Everything that can be set.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Settings {
    pub(crate) id_token: Map<String, Value>,
    pub(crate) userinfo: Map<String, Value>,
    pub(crate) discovery: Map<String, Value>,
    pub(crate) token: Map<String, Value>,
    pub(crate) logout_token: Map<String, Value>,
    pub(crate) github_user: Map<String, Value>,
    pub(crate) github_emails: Option<Value>,
    pub(crate) alg: Alg,
    #[serde(deserialize_with = "told")]
    pub(crate) kid: Option<Option<String>>,
    pub(crate) header: Map<String, Value>,
    pub(crate) duplicate_kid: bool,
    pub(crate) many_keys: usize,
    pub(crate) jwk: Map<String, Value>,
    pub(crate) email_verified: Option<Value>,
    pub(crate) no_iss_param: bool,
    pub(crate) callback_iss: Option<String>,
    pub(crate) auto_account: Option<Value>,
    pub(crate) backchannel_logout_uri: Option<String>,
    pub(crate) error: By<String>,
    pub(crate) status: By<u16>,
    pub(crate) delay_ms: By<u64>,
    pub(crate) drip: By<bool>,
    pub(crate) huge: By<usize>,
    pub(crate) garbage: By<Value>,
    pub(crate) redirect: By<String>,
    /// Seconds by which the clock that `Date` tells is ahead.
    pub(crate) clock_ahead: i64,
}

/// Tells an explicit null (`Some(None)`) from an absent member (`None`).
fn told<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Option<String>>, D::Error> {
    Option::<String>::deserialize(from).map(Some)
}

impl Settings {
    /// Reads settings, naming what is not known.
    ///
    /// # Errors
    /// A sentence for the author of the test.
    pub(crate) fn read(raw: &Map<String, Value>) -> Result<Self, String> {
        let settings: Self = serde_json::from_value(Value::Object(raw.clone())).map_err(|e| e.to_string())?;
        let named = [
            settings.error.keys().collect::<Vec<_>>(),
            settings.status.keys().collect(),
            settings.delay_ms.keys().collect(),
            settings.drip.keys().collect(),
            settings.huge.keys().collect(),
            settings.garbage.keys().collect(),
            settings.redirect.keys().collect(),
        ];
        for name in named.into_iter().flatten() {
            if !ENDPOINTS.iter().any(|(known, _)| known == name) {
                return Err(format!("unknown endpoint {name}"));
            }
        }
        Ok(settings)
    }
}

/// `GET /control`: what is set, what was asked, and by whom.
pub(crate) async fn show(idp: web::Data<Idp>) -> HttpResponse {
    let inner = idp.lock();
    HttpResponse::Ok().json(json!({
        "issuer": idp.issuer,
        "settings": inner.raw,
        "hits": inner.hits,
        "last": inner.last,
        "kids": inner.keys.kids(),
        "sessions": inner.sessions.len(),
        "backchannel": inner.backchannel,
    }))
}

/// `POST /control`: each member given replaces that setting, the others stay. `rotate` acts at once.
pub(crate) async fn set(
    idp: web::Data<Idp>,
    body: web::Json<Map<String, Value>>,
) -> actix_web::Result<HttpResponse> {
    let mut given = body.into_inner();
    let mut flag = |name: &str| given.remove(name).and_then(|v| v.as_bool()).unwrap_or(false);
    let (rotate, drop_old) = (flag("rotate"), flag("drop_old"));
    let mut inner = idp.lock();
    let mut raw = inner.raw.clone();
    raw.extend(given);
    match Settings::read(&raw) {
        Err(message) => return Ok(HttpResponse::BadRequest().json(json!({"error": message}))),
        Ok(settings) => {
            inner.settings = settings;
            inner.raw = raw;
        }
    }
    if rotate {
        inner.keys.rotate(drop_old).map_err(oops)?;
    }
    Ok(HttpResponse::Ok().json(json!({"settings": inner.raw, "kids": inner.keys.kids()})))
}

/// `PUT /control`: these settings and no others, and counters at zero, all at once: nobody meets good behaviour in
/// between. Keys and sessions stay.
pub(crate) async fn replace(idp: web::Data<Idp>, body: web::Json<Map<String, Value>>) -> HttpResponse {
    let raw = body.into_inner();
    let settings = match Settings::read(&raw) {
        Ok(settings) => settings,
        Err(message) => return HttpResponse::BadRequest().json(json!({"error": message})),
    };
    let mut inner = idp.lock();
    inner.settings = settings;
    inner.raw = raw;
    inner.hits.clear();
    inner.last.clear();
    inner.backchannel.clear();
    HttpResponse::NoContent().finish()
}

/// `DELETE /control`: good behaviour again, counters at zero. Keys and sessions stay.
pub(crate) async fn reset(idp: web::Data<Idp>) -> HttpResponse {
    let mut inner = idp.lock();
    inner.settings = Settings::default();
    inner.raw.clear();
    inner.hits.clear();
    inner.last.clear();
    inner.backchannel.clear();
    HttpResponse::NoContent().finish()
}

/// Body of `POST /control/mint`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Mint {
    #[serde(default)]
    claims: Map<String, Value>,
    #[serde(default)]
    header: Map<String, Value>,
    #[serde(default)]
    alg: Alg,
    typ: Option<String>,
}

/// `POST /control/mint`: a token with these claims; `iss`, `iat` and `exp` (in 5 minutes) are added unless given or null.
pub(crate) async fn mint(idp: web::Data<Idp>, body: web::Json<Mint>) -> actix_web::Result<HttpResponse> {
    let Mint { claims: over, header, alg, typ } = body.into_inner();
    let now = now();
    let mut claims = Map::new();
    claims.insert("iss".into(), idp.issuer.clone().into());
    claims.insert("iat".into(), now.into());
    claims.insert("exp".into(), (now + 300).into());
    overlay(&mut claims, &over);
    let typ = typ.as_deref().unwrap_or("JWT");
    let token =
        idp.lock().keys.sign(alg, typ, None, &header, &claims, &idp.config.client_secret).map_err(oops)?;
    Ok(HttpResponse::Ok().json(json!({"token": token, "claims": claims})))
}

/// `POST /control/backchannel`: sends a logout token now and says what was answered.
pub(crate) async fn send_logout(
    idp: web::Data<Idp>,
    body: web::Json<backchannel::Order>,
) -> actix_web::Result<HttpResponse> {
    let sent = backchannel::send(&idp, &body).await.map_err(oops)?;
    Ok(HttpResponse::Ok().json(json!({ "sent": sent })))
}
