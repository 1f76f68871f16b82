//! OpenID Connect Back-Channel Logout 1.0: tells the client that a session is over.

use actix_web::web;
use aws_lc_rs::error::Unspecified;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use crate::{
    keys::{overlay, random},
    state::{Idp, now},
};

/// A logout token to send.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Order {
    sub: Option<String>,
    sid: Option<String>,
    /// Claims to change; null removes.
    overrides: Map<String, Value>,
    /// Header members to change; null removes.
    header: Map<String, Value>,
    /// Where to, instead of where it is configured.
    uri: Option<String>,
}

impl Order {
    /// The normal one, for a session that ended here.
    pub(crate) fn of(sub: String, sid: String) -> Self {
        Self { sub: Some(sub), sid: Some(sid), ..Self::default() }
    }
}

/// Sends one logout token to every address configured; one line of what happened for each. Nobody is waited for
/// longer than 5 seconds, and an address that does not answer is an `error` line and no failure.
///
/// # Errors
/// When the system has no randomness.
pub(crate) async fn send(idp: &web::Data<Idp>, order: &Order) -> Result<Vec<Value>, Unspecified> {
    let now = now();
    let mut claims = Map::new();
    let mut add = |name: &str, value: Value| drop(claims.insert(name.to_owned(), value));
    add("iss", idp.issuer.clone().into());
    add("aud", idp.config.client_id.clone().into());
    add("iat", now.into());
    add("exp", (now + 120).into());
    add("jti", random(16)?.into());
    add("events", json!({"http://schemas.openid.net/event/backchannel-logout": {}}));
    if let Some(sub) = &order.sub {
        add("sub", sub.clone().into());
    }
    if let Some(sid) = &order.sid {
        add("sid", sid.clone().into());
    }
    let (token, uris) = {
        let inner = idp.lock();
        let settings = &inner.settings;
        overlay(&mut claims, &settings.logout_token);
        overlay(&mut claims, &order.overrides);
        let mut header = settings.header.clone();
        header.extend(order.header.clone());
        let secret = &idp.config.client_secret;
        let token =
            inner.keys.sign(settings.alg, "logout+jwt", settings.kid.as_ref(), &header, &claims, secret)?;
        let told = order.uri.clone().or_else(|| settings.backchannel_logout_uri.clone());
        (token, told.map_or_else(|| idp.config.backchannel_logout_uris.clone(), |uri| vec![uri]))
    };
    let mut sent = Vec::new();
    for uri in uris {
        let line = match idp.http.post(&uri).form(&[("logout_token", &token)]).send().await {
            Ok(answer) => json!({"uri": uri, "status": answer.status().as_u16()}),
            Err(error) => json!({"uri": uri, "error": error.to_string()}),
        };
        sent.push(line);
    }
    idp.lock().backchannel.extend(sent.iter().cloned());
    Ok(sent)
}
