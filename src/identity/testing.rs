//! A small web site for tests of what is asked of others: real sockets, pages that can be changed while it runs,
//! and a count of who asked.

use std::collections::HashMap;
use std::convert::Infallible;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};
use std::time::Duration;

use actix_web::body::{BodySize, BoxBody, MessageBody};
use actix_web::web::Bytes;
use actix_web::{App, HttpRequest, HttpResponse, HttpServer, web};
use serde_json::Value;
use url::Url;

/// What a path answers.
#[derive(Clone)]
pub(crate) enum Page {
    Json(Value),
    Text(u16, String),
    Redirect(String),
    /// Never ends and never pauses.
    Endless,
    /// One byte in 20 ms, never ends.
    Drip,
    /// Says nothing at all.
    Silent,
}

#[derive(Default)]
struct Inner {
    pages: HashMap<String, Page>,
    requests: Vec<Asked>,
}

/// A request as it arrived.
#[derive(Clone)]
pub(crate) struct Asked {
    pub(crate) path: String,
    pub(crate) authorization: Option<String>,
    pub(crate) agent: Option<String>,
    pub(crate) body: String,
}

/// The running site; it ends with the test's runtime.
#[derive(Clone)]
pub(crate) struct Site {
    inner: Arc<Mutex<Inner>>,
    origin: String,
}

impl Site {
    pub(crate) fn start() -> Self {
        let inner = Arc::<Mutex<Inner>>::default();
        let shared = Arc::clone(&inner);
        let server = HttpServer::new(move || {
            App::new().app_data(web::Data::from(Arc::clone(&shared))).default_service(web::to(answer))
        })
        .workers(1)
        .disable_signals()
        .bind(("127.0.0.1", 0))
        .unwrap();
        let origin = format!("http://{}", server.addrs()[0]);
        actix_web::rt::spawn(server.run());
        Self { inner, origin }
    }

    pub(crate) fn origin(&self) -> &str {
        &self.origin
    }

    pub(crate) fn url(&self, path: &str) -> Url {
        Url::parse(&format!("{}{path}", self.origin)).unwrap()
    }

    pub(crate) fn set(&self, path: &str, page: Page) {
        self.inner.lock().unwrap().pages.insert(path.to_owned(), page);
    }

    pub(crate) fn hits(&self, path: &str) -> usize {
        self.inner.lock().unwrap().requests.iter().filter(|asked| asked.path == path).count()
    }

    pub(crate) fn last(&self, path: &str) -> Asked {
        self.inner.lock().unwrap().requests.iter().rfind(|asked| asked.path == path).unwrap().clone()
    }
}

async fn answer(request: HttpRequest, body: String, inner: web::Data<Mutex<Inner>>) -> HttpResponse<BoxBody> {
    let header =
        |name: &str| request.headers().get(name).and_then(|value| value.to_str().ok()).map(str::to_owned);
    let page = {
        let mut inner = inner.lock().unwrap();
        inner.requests.push(Asked {
            path: request.path().to_owned(),
            authorization: header("authorization"),
            agent: header("user-agent"),
            body,
        });
        inner.pages.get(request.path()).cloned()
    };
    match page {
        None => HttpResponse::NotFound().body("no such page"),
        Some(Page::Json(value)) => HttpResponse::Ok().json(value),
        Some(Page::Text(status, text)) => {
            HttpResponse::build(status.try_into().unwrap()).content_type("application/json").body(text)
        }
        Some(Page::Redirect(to)) => HttpResponse::Found().insert_header(("location", to)).finish(),
        Some(Page::Endless) => HttpResponse::Ok().body(Stream(None)),
        Some(Page::Drip) => {
            HttpResponse::Ok().body(Stream(Some(tokio::time::interval(Duration::from_millis(20)))))
        }
        Some(Page::Silent) => {
            tokio::time::sleep(Duration::from_secs(60)).await;
            HttpResponse::Ok().finish()
        }
    }
}

struct Stream(Option<tokio::time::Interval>);

impl MessageBody for Stream {
    type Error = Infallible;

    fn size(&self) -> BodySize {
        BodySize::Stream
    }

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, Infallible>>> {
        match &mut self.0 {
            None => Poll::Ready(Some(Ok(Bytes::from_static(&[b' '; 16384])))),
            Some(interval) => interval.poll_tick(cx).map(|_| Some(Ok(Bytes::from_static(b" ")))),
        }
    }
}
