//! Counts every request and breaks the answers that tests want broken. One middleware, so that every endpoint can
//! fail in every way.

use std::{
    convert::Infallible,
    pin::Pin,
    task::{Context, Poll, ready},
    time::{Duration, UNIX_EPOCH},
};

use actix_web::{
    Error, HttpResponse,
    body::{BodySize, BoxBody, MessageBody, to_bytes},
    dev::{ServiceRequest, ServiceResponse},
    http::{
        Method, StatusCode,
        header::{self, TryIntoHeaderValue},
    },
    middleware::Next,
    web::{self, Bytes},
};
use serde_json::{Value, json};
use tokio::time::{Interval, interval, sleep};

use crate::{
    control::{ENDPOINTS, Settings},
    state::{Idp, now, oops, params},
};

/// What an endpoint is called, by the end of its path below the issuer.
fn endpoint(idp: &Idp, req: &ServiceRequest) -> Option<&'static str> {
    let path = req.path();
    let below = idp.prefixes().into_iter().find_map(|prefix| path.strip_prefix(prefix.as_str()));
    let path = below.filter(|rest| rest.starts_with('/')).unwrap_or(path);
    let (name, _) = ENDPOINTS.iter().find(|(_, known)| *known == path)?;
    let form = req.method() == Method::POST && name.ends_with("authorize");
    Some(if form { "signin" } else { name })
}

/// An answer given in place of the handler's.
fn instead(settings: &Settings, name: &str) -> Option<HttpResponse> {
    if let Some(to) = settings.redirect.get(name) {
        return Some(HttpResponse::Found().insert_header((header::LOCATION, to.as_str())).finish());
    }
    if let Some(status) = settings.status.get(name) {
        let status = StatusCode::from_u16(*status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        return Some(HttpResponse::build(status).json(json!({"error": "server_error"})));
    }
    match settings.garbage.get(name) {
        None | Some(Value::Bool(false) | Value::Null) => None,
        Some(told) => {
            let text = told.as_str().unwrap_or("<html><title>502</title>this is { not JSON").to_owned();
            Some(HttpResponse::Ok().content_type("application/json").body(text))
        }
    }
}

/// The middleware.
pub(crate) async fn faults(
    idp: web::Data<Idp>,
    req: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<BoxBody>, Error> {
    let Some(name) = endpoint(&idp, &req) else {
        return next.call(req).await.map(ServiceResponse::map_into_boxed_body);
    };
    let settings = {
        let mut inner = idp.lock();
        *inner.hits.entry(name).or_default() += 1;
        let query = params(req.query_string());
        inner.last.insert(name, json!({"method": req.method().as_str(), "path": req.path(), "query": query}));
        inner.settings.clone()
    };
    if let Some(delay) = settings.delay_ms.get(name) {
        sleep(Duration::from_millis(*delay)).await;
    }
    if let Some(answer) = instead(&settings, name) {
        return Ok(req.into_response(answer));
    }
    let mut answer = next.call(req).await?.map_into_boxed_body();
    let drip = settings.drip.get(name).copied().unwrap_or(false);
    let huge = settings.huge.get(name).copied().unwrap_or(0);
    if settings.clock_ahead != 0 {
        let told = Duration::from_secs(now().saturating_add_signed(settings.clock_ahead));
        let date = header::HttpDate::from(UNIX_EPOCH + told).try_into_value().map_err(oops)?;
        answer.headers_mut().insert(header::DATE, date);
    }
    if !drip && huge == 0 {
        return Ok(answer);
    }
    let (req, answer) = answer.into_parts();
    let (head, body) = answer.into_parts();
    let real = to_bytes(body).await.map_err(oops)?;
    let odd = Odd {
        padding: huge.saturating_sub(real.len()),
        real,
        tick: drip.then(|| interval(Duration::from_secs(1))),
    };
    Ok(ServiceResponse::new(req, head.set_body(odd).map_into_boxed_body()))
}

/// The true answer, one byte a second, or with so much white space after it that it is right but too big.
struct Odd {
    real: Bytes,
    padding: usize,
    tick: Option<Interval>,
}

impl MessageBody for Odd {
    type Error = Infallible;

    fn size(&self) -> BodySize {
        // No length is told in advance: a client must count for itself.
        BodySize::Stream
    }

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, Infallible>>> {
        let mut most = 16 * 1024;
        if let Some(tick) = &mut self.tick {
            ready!(tick.poll_tick(cx));
            most = 1;
        }
        if !self.real.is_empty() {
            let most = most.min(self.real.len());
            return Poll::Ready(Some(Ok(self.real.split_to(most))));
        }
        if self.padding == 0 {
            return Poll::Ready(None);
        }
        static SPACES: [u8; 16 * 1024] = [b' '; 16 * 1024];
        let chunk = Bytes::from_static(&SPACES).split_to(most.min(self.padding));
        self.padding -= chunk.len();
        Poll::Ready(Some(Ok(chunk)))
    }
}
