//! Asking, from outside: as somebody's browser or as a program, without following anything. A credential goes to the
//! origin that was named by hand and to no other.

use std::borrow::Cow;
use std::time::UNIX_EPOCH;

use actix_web::http::header::HttpDate;
use openidconnect::http::{HeaderMap, HeaderValue, Method, Request};
use serde_json::Value;
use url::Url;

use crate::clock::{Clock as _, SystemClock, Timestamp};
use crate::identity::outgoing::{Outgoing, OutgoingError};

/// What proves who asks.
pub(super) enum Credential {
    /// The text of a `Cookie` header.
    Cookie(HeaderValue),
    /// The text of an `Authorization` header.
    Token(HeaderValue),
}

/// One request.
#[derive(Clone)]
pub(super) struct Question {
    url: Url,
    method: Method,
    headers: Vec<(String, String)>,
    cookie: Option<String>,
    signed_in: bool,
}

impl Question {
    fn new(url: &Url, headers: &[(&str, &str)]) -> Self {
        let headers = headers.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        Self {
            url: url.clone(),
            method: Method::GET,
            headers: headers.collect(),
            cookie: None,
            signed_in: false,
        }
    }

    /// A browser on its way to a page.
    pub(super) fn person(url: &Url) -> Self {
        Self::new(
            url,
            &[
                ("accept", "text/html,application/xhtml+xml,*/*;q=0.8"),
                ("sec-fetch-mode", "navigate"),
                ("sec-fetch-dest", "document"),
            ],
        )
    }

    /// A program, which is answered in JSON.
    pub(super) fn program(url: &Url) -> Self {
        Self::new(url, &[("accept", "application/json")])
    }

    /// The same with an empty form.
    pub(super) fn posting(mut self) -> Self {
        self.method = Method::POST;
        self.with("content-type", "application/x-www-form-urlencoded")
    }

    /// With one more header.
    pub(super) fn with(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    /// With one more cookie.
    pub(super) fn cookie(mut self, pair: &str) -> Self {
        self.cookie = Some(pair.to_owned());
        self
    }

    /// With the operator's credential, if there is one and this is where it belongs.
    pub(super) const fn signed_in(mut self) -> Self {
        self.signed_in = true;
        self
    }
}

/// See the module.
pub(super) struct Asker {
    outgoing: Outgoing,
    /// Where the credential belongs.
    own: Url,
    credential: Option<Credential>,
}

impl Asker {
    pub(super) fn new(outgoing: Outgoing, own: Url, credential: Option<Credential>) -> Self {
        Self { outgoing: outgoing.allowing_http(true), own, credential }
    }

    pub(super) const fn credential(&self) -> Option<&Credential> {
        self.credential.as_ref()
    }

    /// # Errors
    /// Why there is no answer.
    pub(super) async fn ask(&self, question: Question) -> Result<Answer, OutgoingError> {
        let Question { url, method, headers, cookie, signed_in } = question;
        let mut request = Request::builder().method(method).uri(url.as_str());
        for (name, value) in &headers {
            request = request.header(name, value);
        }
        let given = self.credential.as_ref().filter(|_| signed_in && url.origin() == self.own.origin());
        let mut cookies: Vec<&[u8]> = Vec::new();
        match given {
            Some(Credential::Cookie(line)) => cookies.push(line.as_bytes()),
            Some(Credential::Token(token)) => request = request.header("authorization", token),
            None => {}
        }
        cookies.extend(cookie.as_deref().map(str::as_bytes));
        if !cookies.is_empty() {
            request = request.header("cookie", cookies.join(b"; ".as_slice()));
        }
        let bad = |_| OutgoingError::BadAnswer(format!("{} cannot be asked", url.as_str()));
        let response = self.outgoing.look(request.body(Vec::new()).map_err(bad)?).await?;
        let (parts, body) = response.into_parts();
        Ok(Answer { url, status: parts.status.as_u16(), headers: parts.headers, body, at: SystemClock.now() })
    }
}

/// What came back.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) url: Url,
    pub(super) status: u16,
    pub(super) headers: HeaderMap,
    pub(super) body: Vec<u8>,
    /// When, by our own clock.
    pub(super) at: Timestamp,
}

impl Answer {
    /// The first value of a header, when it is text.
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// Every value of it that is text.
    pub(super) fn all(&self, name: &str) -> impl Iterator<Item = &str> {
        self.headers.get_all(name).iter().filter_map(|value| value.to_str().ok())
    }

    pub(super) fn text(&self) -> Cow<'_, str> {
        String::from_utf8_lossy(&self.body)
    }

    /// The body as JSON; null when it is none.
    pub(super) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_default()
    }

    /// A member of a JSON body, when it is text.
    pub(super) fn member(&self, name: &str) -> Option<String> {
        self.json().get(name)?.as_str().map(str::to_owned)
    }

    /// Where it redirects to.
    pub(super) fn location(&self) -> Option<Url> {
        if !(300..400).contains(&self.status) {
            return None;
        }
        self.url.join(self.header("location")?).ok()
    }

    /// How many seconds the sender's clock is ahead of ours, by `Date`. A copy out of a cache says how old it is.
    pub(super) fn clock_ahead(&self) -> Option<i64> {
        let date: HttpDate = self.header("date")?.parse().ok()?;
        let since = std::time::SystemTime::from(date).duration_since(UNIX_EPOCH).ok()?;
        let age: i64 = self.header("age").and_then(|age| age.trim().parse().ok()).unwrap_or(0);
        Some(i64::try_from(since.as_secs()).ok()?.saturating_add(age).saturating_sub(self.at.secs()))
    }

    /// `302 to https://…`, for people. Of addresses elsewhere the query is left out: it has secrets of a sign-in in it.
    pub(super) fn outcome(&self) -> String {
        match self.location() {
            Some(mut to) => {
                if !to.path().ends_with("/login") {
                    to.set_query(None);
                }
                format!("{} to {to}", self.status)
            }
            None => self.status.to_string(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::identity::testing::{Page, Site};

    fn asker(own: &Url, credential: Credential) -> Asker {
        Asker::new(Outgoing::new().unwrap(), own.clone(), Some(credential))
    }

    #[actix_web::test]
    async fn a_credential_goes_to_its_own_origin_and_only_when_asked_to() {
        let (own, other) = (Site::start(), Site::start());
        for site in [&own, &other] {
            site.set("/", Page::Text(200, "hello".into()));
        }
        let asker = asker(&own.url("/"), Credential::Token(HeaderValue::from_static("Bearer s3cret")));
        for (site, signed_in, expected) in
            [(&own, true, Some("Bearer s3cret")), (&own, false, None), (&other, true, None)]
        {
            let question = Question::program(&site.url("/"));
            let question = if signed_in { question.signed_in() } else { question };
            assert_eq!(asker.ask(question).await.unwrap().status, 200);
            assert_eq!(site.last("/").authorization.as_deref(), expected);
        }
    }

    #[actix_web::test]
    async fn redirects_and_errors_are_answers_and_a_body_without_end_is_cut() {
        let site = Site::start();
        site.set("/away", Page::Redirect("/rbac/login?rd=x".into()));
        site.set("/broken", Page::Text(502, "no".into()));
        site.set("/endless", Page::Endless);
        let asker = asker(&site.url("/"), Credential::Cookie(HeaderValue::from_static("a=b")));
        let ask = async |path| asker.ask(Question::person(&site.url(path))).await.unwrap();
        let away = ask("/away").await;
        assert_eq!((away.status, away.location()), (302, Some(site.url("/rbac/login?rd=x"))));
        assert_eq!(ask("/broken").await.outcome(), "502");
        let endless = ask("/endless").await;
        assert_eq!(endless.body.len(), crate::identity::outgoing::MAX_BODY);
        assert!(endless.clock_ahead().is_none_or(|ahead| ahead.abs() <= 2));
    }

    #[test]
    fn a_clock_is_read_out_of_date_and_age() {
        let mut answer = Answer {
            url: Url::parse("https://a/").unwrap(),
            status: 200,
            headers: HeaderMap::new(),
            body: Vec::new(),
            at: Timestamp::from_secs(784_111_777),
        };
        assert_eq!(answer.clock_ahead(), None);
        answer.headers.insert("date", HeaderValue::from_static("Sun, 06 Nov 1994 08:49:37 GMT"));
        assert_eq!(answer.clock_ahead(), Some(0));
        answer.headers.insert("age", HeaderValue::from_static("60"));
        assert_eq!(answer.clock_ahead(), Some(60));
        answer.headers.insert("date", HeaderValue::from_static("yesterday"));
        assert_eq!(answer.clock_ahead(), None);
    }
}
