//! What actix-web costs by itself.

use std::fs;
use std::path::Path;

use actix_web::http::header::{HeaderName, HeaderValue};
use actix_web::web::{self, Data};
use actix_web::{App, HttpRequest, HttpResponse, HttpServer};
use anyhow::Context as _;

struct Constant(Vec<(HeaderName, HeaderValue)>);

async fn empty(_request: HttpRequest) -> HttpResponse {
    HttpResponse::Ok().finish()
}

async fn constant(_request: HttpRequest, constant: Data<Constant>) -> HttpResponse {
    let mut answer = HttpResponse::Ok();
    for (name, value) in &constant.0 {
        answer.insert_header((name.clone(), value.clone()));
    }
    answer.body("OK")
}

/// Serves at `listen` on one worker: `/empty` answers an empty 200, `/constant` the header lines of the file `headers`
/// and `OK`.
///
/// # Errors
/// When the file cannot be read as headers, or the address is taken.
pub async fn serve(listen: &str, headers: &Path) -> anyhow::Result<()> {
    // For the life of the process, so that a value is handed out without a count of its users.
    let text: &'static str = fs::read_to_string(headers)?.leak();
    let headers = text
        .lines()
        .map(|line| {
            let (name, value) = line.split_once(": ").context("a header line is `name: value`")?;
            let name = HeaderName::from_bytes(name.to_lowercase().as_bytes())?;
            Ok((name, HeaderValue::from_static(value)))
        })
        .collect::<anyhow::Result<Vec<_>>>()?;
    let constant_answer = Data::new(Constant(headers));
    let app = move || {
        App::new()
            .app_data(constant_answer.clone())
            .route("/empty", web::route().to(empty))
            .route("/constant", web::route().to(constant))
    };
    HttpServer::new(app).bind(listen)?.workers(1).run().await?;
    Ok(())
}
