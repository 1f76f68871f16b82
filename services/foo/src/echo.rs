//! `/api/echo`: the request as it arrived here, so that tests can compare it with what the gateway decided on.

use std::{collections::BTreeMap, future::poll_fn, pin::pin};

use actix_web::{
    HttpRequest, HttpResponse,
    body::{BodyStream, MessageBody},
    http::StatusCode,
    web,
};
use aws_lc_rs::digest::{Context, SHA256};
use serde_json::{Value, json};

use crate::identity::values;

/// Any method; the path and query are as they came, never decoded.
pub(crate) async fn echo(req: HttpRequest, body: web::Payload) -> actix_web::Result<HttpResponse> {
    Ok(HttpResponse::Ok().json(received(&req, body).await?))
}

/// Any other address: the same, as a 404.
pub(crate) async fn nowhere(req: HttpRequest, body: web::Payload) -> actix_web::Result<HttpResponse> {
    let mut answer = received(&req, body).await?;
    if let Some(object) = answer.as_object_mut() {
        object.insert("error".to_owned(), "not_found".into());
    }
    Ok(HttpResponse::build(StatusCode::NOT_FOUND).json(answer))
}

async fn received(req: &HttpRequest, body: web::Payload) -> actix_web::Result<Value> {
    // `BodyStream` is how actix lets a stream be read to its end without another crate; nothing is kept of it.
    let mut body = pin!(BodyStream::new(body));
    let (mut length, mut hash) = (0_u64, Context::new(&SHA256));
    while let Some(chunk) = poll_fn(|cx| body.as_mut().poll_next(cx)).await {
        let chunk = chunk.map_err(|_| actix_web::error::ErrorBadRequest("the body stopped in the middle"))?;
        length += chunk.len() as u64;
        hash.update(&chunk);
    }
    let sha256: String = hash.finish().as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
    let headers: BTreeMap<&str, Vec<String>> =
        req.headers().keys().map(|name| (name.as_str(), values(req.headers(), name.as_str()))).collect();
    Ok(json!({
        "method": req.method().as_str(),
        "path": req.uri().path(),
        "query": req.uri().query(),
        "headers": headers,
        "body": {"length": length, "sha256": sha256},
    }))
}
