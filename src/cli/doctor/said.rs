//! What an answer says, if it is one of Doorward's decisions. Every decision carries its id; what carries none came from the
//! proxy, from the service, or from anybody.

use url::Url;

use super::ask::Answer;
use crate::http::forwarded::BadQuestion;

const DECISION_ID: &str = "x-auth-decision-id";

/// See the module.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Said {
    /// Not a decision of Doorward's.
    Stranger,
    /// Sign in first; where, if signing in by browser is set up.
    Challenge(Option<Login>),
    /// A credential was presented and is not valid.
    Invalid,
    /// The proxy may not ask.
    Untrusted,
    /// The proxy says that it was asked over plain http.
    PlainHttp,
    /// The proxy does not say what is asked for: the header that is missing, or there twice.
    NoQuestion(String),
    /// A header is spelt like a protected one.
    Alias,
    /// A method override names another method.
    Override,
    /// Any other question that cannot be answered.
    Bad(String),
    /// This may not pass, whoever asks or because of who asks.
    Forbidden(String),
    /// Too often.
    TooMany,
    /// Could not be checked.
    Unavailable,
    /// 200, which a proxy never hands on.
    Allowed,
}

/// The address to sign in at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Login {
    /// As it was given.
    pub(super) url: Url,
    /// Where the sign-in returns to.
    pub(super) rd: Option<Url>,
    /// The prefix of Doorward's pages.
    pub(super) base: String,
}

impl Login {
    fn parse(text: &str) -> Option<Self> {
        let url = Url::parse(text).ok().filter(|url| matches!(url.scheme(), "http" | "https"))?;
        let base = url.path().strip_suffix("/login")?.to_owned();
        let rd = url.query_pairs().find(|(name, _)| name == "rd").and_then(|(_, rd)| Url::parse(&rd).ok());
        Some(Self { url, rd, base })
    }

    /// One of Doorward's own pages, on the host of the sign-in.
    pub(super) fn page(&self, path: &str) -> Url {
        own_page(&self.url, &self.base, path)
    }
}

/// The page `path` below `base` on the host of `site`.
pub(super) fn own_page(site: &Url, base: &str, path: &str) -> Url {
    let mut url = site.clone();
    url.set_path(&format!("{base}{path}"));
    url.set_query(None);
    url.set_fragment(None);
    url
}

impl Said {
    pub(super) fn of(answer: &Answer) -> Self {
        if answer.header(DECISION_ID).is_none() {
            return Self::Stranger;
        }
        let (error, message) = (answer.member("error"), answer.member("message").unwrap_or_default());
        match (answer.status, error.as_deref()) {
            (200..=299, _) => Self::Allowed,
            (300..=399, _) => {
                // Only absolute addresses are Doorward's; a relative one was made by somebody on the way.
                match answer.header("location").and_then(Login::parse) {
                    Some(login) => Self::Challenge(Some(login)),
                    None => Self::Stranger,
                }
            }
            (401, Some("invalid_token")) => Self::Invalid,
            (401, _) => Self::Challenge(answer.member("login_url").as_deref().and_then(Login::parse)),
            (_, Some("untrusted_peer")) => Self::Untrusted,
            (_, Some("bad_request")) => Self::bad(message),
            (_, Some("rate_limited")) | (429, _) => Self::TooMany,
            (_, Some("unavailable")) | (503, _) => Self::Unavailable,
            (403, _) => Self::Forbidden(message),
            _ => Self::Bad(message),
        }
    }

    fn bad(message: String) -> Self {
        let is = |bad: BadQuestion| message == bad.to_string();
        if is(BadQuestion::PlainHttp) {
            Self::PlainHttp
        } else if is(BadQuestion::Alias) {
            Self::Alias
        } else if is(BadQuestion::MethodOverride) {
            Self::Override
        } else if message.starts_with("the header X-") {
            Self::NoQuestion(message)
        } else {
            Self::Bad(message)
        }
    }

    /// Whether Doorward spoke at all.
    pub(super) fn is_doorwards(&self) -> bool {
        *self != Self::Stranger
    }
}

#[cfg(test)]
mod tests {
    use openidconnect::http::{HeaderMap, HeaderValue};
    use serde_json::json;

    use super::*;
    use crate::clock::Timestamp;

    fn said(status: u16, location: Option<&str>, body: &str, decision: bool) -> Said {
        let mut headers = HeaderMap::new();
        if decision {
            headers.insert(DECISION_ID, HeaderValue::from_static("1b4f689c4491d8d4"));
        }
        if let Some(location) = location {
            headers.insert("location", HeaderValue::from_str(location).unwrap());
        }
        Said::of(&Answer {
            url: Url::parse("https://app.example.com/x").unwrap(),
            status,
            headers,
            body: body.as_bytes().to_vec(),
            at: Timestamp::default(),
        })
    }

    fn refused(status: u16, error: &str, message: &str) -> Said {
        said(status, None, &json!({ "error": error, "message": message }).to_string(), true)
    }

    #[test]
    fn without_a_decision_it_is_a_stranger_whatever_it_says() {
        let login = "https://a/rbac/login?rd=https%3A%2F%2Fapp.example.com%2Fx";
        assert_eq!(said(302, Some(login), "", false), Said::Stranger);
        assert_eq!(said(200, None, "OK", false), Said::Stranger);
        assert_eq!(said(302, Some("/rbac/login"), "", true), Said::Stranger);
        assert_eq!(said(302, Some("https://a/other"), "", true), Said::Stranger);
    }

    #[test]
    fn a_challenge_is_read_from_either_form() {
        let login = "https://auth.example.com/door/login?rd=https%3A%2F%2Fapp.example.com%2Fx%3Fy%3D1";
        let body = json!({ "error": "unauthorized", "login_url": login }).to_string();
        for said in [said(302, Some(login), "", true), said(401, None, &body, true)] {
            let Said::Challenge(Some(read)) = said else { panic!("{said:?}") };
            assert_eq!(read.rd, Url::parse("https://app.example.com/x?y=1").ok());
            assert_eq!(read.page("/callback").as_str(), "https://auth.example.com/door/callback");
        }
        assert_eq!(refused(401, "unauthorized", "missing bearer token"), Said::Challenge(None));
    }

    #[test]
    fn refusals_are_told_apart() {
        for (bad, expected) in [
            (BadQuestion::PlainHttp, Said::PlainHttp),
            (BadQuestion::Alias, Said::Alias),
            (BadQuestion::MethodOverride, Said::Override),
        ] {
            assert_eq!(refused(400, "bad_request", &bad.to_string()), expected);
        }
        // nginx is answered 403.
        let missing = BadQuestion::Missing("X-Original-URL").to_string();
        assert_eq!(refused(403, "bad_request", &missing), Said::NoQuestion(missing));
        assert_eq!(refused(403, "untrusted_peer", ""), Said::Untrusted);
        assert_eq!(refused(403, "forbidden", "no"), Said::Forbidden("no".into()));
        assert_eq!(refused(401, "invalid_token", ""), Said::Invalid);
        assert_eq!(refused(503, "unavailable", ""), Said::Unavailable);
        assert_eq!(refused(429, "rate_limited", ""), Said::TooMany);
        assert_eq!(said(200, None, "OK", true), Said::Allowed);
    }
}
