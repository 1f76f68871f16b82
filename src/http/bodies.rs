//! What is sent to us is read here, once and whole, before a handler sees the request: so much at most, and in so much
//! time. A sender that trickles holds a connection no longer than one that does not.

use std::time::Duration;

use actix_web::body::{EitherBody, MessageBody};
use actix_web::dev::{Payload, ServiceRequest, ServiceResponse};
use actix_web::error::PayloadError;
use actix_web::middleware::Next;
use actix_web::web::{Bytes, BytesMut, Data};
use actix_web::{Error, HttpMessage as _};
use futures_util::StreamExt as _;

use super::pages::Trouble;
use super::state::State;
use super::visit::{Then, Visit};

/// Forms and questions are small.
pub const MAX_BODY: usize = 64 * 1024;
/// The slowest phone has sent that much by then.
const PATIENCE: Duration = Duration::from_secs(10);

/// Reads the body, or answers 408 or 413 and closes the connection, on which the rest of the body may follow.
///
/// # Errors
/// Those of the handler.
pub async fn whole<B: MessageBody>(
    mut request: ServiceRequest,
    next: Next<B>,
) -> Result<ServiceResponse<EitherBody<B>>, Error> {
    let trouble = match tokio::time::timeout(PATIENCE, read(request.take_payload())).await {
        Ok(Ok(body)) => {
            request.set_payload(Payload::from(body));
            return next.call(request).await.map(ServiceResponse::map_into_left_body);
        }
        Ok(Err(PayloadError::Overflow)) => Trouble::TooLarge,
        Ok(Err(_)) => Trouble::BadRequest,
        Err(_) => Trouble::TooSlow,
    };
    let request = request.into_parts().0;
    let response = match request.app_data::<Data<State>>() {
        Some(state) => {
            let mut response = Visit::new(&request, state).trouble(trouble, Then::Home);
            response.head_mut().set_connection_type(actix_web::http::ConnectionType::Close);
            response
        }
        None => actix_web::HttpResponse::InternalServerError().finish(),
    };
    Ok(ServiceResponse::new(request, response).map_into_right_body())
}

async fn read(mut payload: Payload) -> Result<Bytes, PayloadError> {
    let mut body = BytesMut::new();
    while let Some(chunk) = payload.next().await {
        let chunk = chunk?;
        if body.len() + chunk.len() > MAX_BODY {
            return Err(PayloadError::Overflow);
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body.freeze())
}
