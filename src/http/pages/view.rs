//! What each page is made from. Handlers fill these in with plain values; the words are made here and in
//! the templates, and everything is escaped on its way into a page.

use std::time::Duration;

use minijinja::{Value, context};

use super::tokens::{NewTokenForm, OwnTokens, RevokeToken, TokenMade};
use super::trouble::Trouble;
use super::words::{LONGEST, SHOWN, ago, clip, count, device_in_words, moment, span_in_words, until};
use crate::clock::Timestamp;
use crate::config::ProviderKind;
use crate::policy::decision::Reason;

/// A page to be rendered.
#[derive(Debug)]
pub enum Page<'a> {
    /// Choose a provider.
    Choose(Choose<'a>),
    /// The signed-in person's own page.
    Account(Account<'a>),
    /// Confirm signing out of every session.
    SignOutEverywhere(SignOutEverywhere<'a>),
    /// Make an API token.
    NewToken(NewTokenForm<'a>),
    /// Here it is, this once.
    TokenMade(TokenMade<'a>),
    /// Confirm revoking one.
    RevokeToken(RevokeToken<'a>),
    /// Known, but not allowed.
    Forbidden(Forbidden<'a>),
    /// Something went wrong.
    Problem(Problem<'a>),
    /// Confirm signing out.
    SignOut(SignOut<'a>),
    /// Signed out.
    SignedOut(SignedOut<'a>),
}

/// An address that is safe to follow: http, https or mailto, or a path on the same host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Href(String);

impl Href {
    /// `address` where it is safe; else `/`, so that a page never carries a `javascript:` or `data:` link,
    /// nor a path that browsers read as another host (`//host`, `/\host`).
    #[must_use]
    pub fn new(address: impl Into<String>) -> Self {
        let address = address.into();
        if safe(&address) { Self(address) } else { Self("/".into()) }
    }

    /// The address.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// True for addresses that a link may carry.
pub(super) fn safe(address: &str) -> bool {
    let plain = !address.chars().any(|c| c.is_control() || c.is_whitespace() || c == '\\');
    let starts =
        |scheme: &str| address.get(..scheme.len()).is_some_and(|start| start.eq_ignore_ascii_case(scheme));
    let path = address.starts_with('/') && !address.starts_with("//");
    plain && (path || ["https://", "http://", "mailto:"].into_iter().any(starts))
}

/// A button.
#[derive(Clone, Debug)]
pub struct Action<'a> {
    /// What it says: a verb.
    pub label: &'a str,
    /// Where it goes.
    pub href: Href,
}

/// Choose a provider.
#[derive(Debug)]
pub struct Choose<'a> {
    /// The host that one is going to.
    pub going_to: Option<&'a str>,
    /// In the order of the configuration.
    pub providers: Vec<ProviderChoice<'a>>,
    /// One sentence above the buttons.
    pub note: Option<&'a str>,
}

/// One button of [`Choose`].
#[derive(Debug)]
pub struct ProviderChoice<'a> {
    /// The configured id.
    pub id: &'a str,
    /// What the button says after "Continue with".
    pub label: &'a str,
    /// Decides its mark.
    pub kind: ProviderKind,
    /// Where it goes.
    pub href: Href,
}

/// The account page.
#[derive(Debug)]
pub struct Account<'a> {
    /// Display name.
    pub name: Option<&'a str>,
    /// Verified e-mail.
    pub email: Option<&'a str>,
    /// Stable id, as services see it.
    pub user_id: &'a str,
    /// The provider's label.
    pub provider_label: &'a str,
    /// Sorted.
    pub roles: &'a [String],
    /// When this session began.
    pub signed_in_at: Timestamp,
    /// When it ends at the latest.
    pub expires_at: Timestamp,
    /// How long it lasts without use; `None` is without limit.
    pub idle: Option<Duration>,
    /// The time of the request.
    pub now: Timestamp,
    /// Live sessions, newest first.
    pub sessions: Vec<Session<'a>>,
    /// Their API tokens; `None` where there are none and none may be made.
    pub own: Option<OwnTokens<'a>>,
    /// For the forms.
    pub csrf: &'a str,
    /// One sentence about what was just done ("That session was signed out.").
    pub note: Option<&'a str>,
}

/// One session on the account page.
#[derive(Debug)]
pub struct Session<'a> {
    /// What the form sends to name it.
    pub id: &'a str,
    /// The browser's `User-Agent`, as it was sent; shown in words.
    pub agent: Option<&'a str>,
    /// The client's address at sign-in.
    pub address: Option<&'a str>,
    /// When it began.
    pub first_seen: Timestamp,
    /// When it was last used.
    pub last_seen: Timestamp,
    /// True for the session that asks.
    pub current: bool,
    /// The provider's label.
    pub provider: &'a str,
}

/// Confirm signing out of every session.
#[derive(Debug)]
pub struct SignOutEverywhere<'a> {
    /// Who.
    pub who: &'a str,
    /// How many sessions will end, this one included.
    pub count: usize,
    /// For the form.
    pub csrf: &'a str,
}

/// Known, but not allowed.
#[derive(Debug)]
pub struct Forbidden<'a> {
    /// E-mail, or another name of who is signed in; `None` for somebody who is not.
    pub who: Option<&'a str>,
    /// What is missing.
    pub missing: &'a Reason,
    /// The host asked for.
    pub target_host: &'a str,
    /// Sign in as somebody else; absolute, as this page is seen on other hosts. `None` where another
    /// account would not help or cannot be had.
    pub switch_account_href: Option<Href>,
    /// Names the decision.
    pub decision_id: &'a str,
}

/// Something went wrong.
#[derive(Debug)]
pub struct Problem<'a> {
    /// The cause.
    pub kind: Trouble,
    /// The one button ([`Trouble::button`] has a label for each cause).
    pub action: Action<'a>,
    /// Decision or request id.
    pub reference: Option<&'a str>,
    /// The provider's label.
    pub provider_label: Option<&'a str>,
    /// The e-mail domain that was refused.
    pub domain: Option<&'a str>,
}

/// Confirm signing out.
#[derive(Debug)]
pub struct SignOut<'a> {
    /// Who.
    pub who: &'a str,
    /// For the form.
    pub csrf: &'a str,
}

/// Signed out.
#[derive(Debug)]
pub struct SignedOut<'a> {
    /// Where one may go from here.
    pub where_to: Option<Destination<'a>>,
    /// The provider's label.
    pub provider_label: Option<&'a str>,
    /// True when the provider's own session ended too.
    pub provider_ended: bool,
}

/// A place by its host.
#[derive(Debug)]
pub struct Destination<'a> {
    /// Shown.
    pub host: &'a str,
    /// Followed.
    pub href: Href,
}

impl Page<'_> {
    /// The HTTP status that the page is sent with.
    #[must_use]
    pub const fn status(&self) -> u16 {
        match self {
            Self::Forbidden(_) => 403,
            Self::NewToken(form) if !form.faults.is_empty() => 400,
            Self::Problem(problem) => problem.kind.status(),
            _ => 200,
        }
    }

    /// Whether it loads the script of the copy buttons.
    #[must_use]
    pub const fn has_script(&self) -> bool {
        matches!(self, Self::TokenMade(_))
    }

    /// Its template.
    pub(super) const fn template(&self) -> &'static str {
        match self {
            Self::Choose(_) => "choose.html",
            Self::Account(_) => "account.html",
            Self::SignOutEverywhere(_) => "sign-out-everywhere.html",
            Self::NewToken(_) => "token-new.html",
            Self::TokenMade(_) => "token-made.html",
            Self::RevokeToken(_) => "token-revoke.html",
            Self::Forbidden(_) => "forbidden.html",
            Self::Problem(_) => "problem.html",
            Self::SignOut(_) => "sign-out.html",
            Self::SignedOut(_) => "signed-out.html",
        }
    }

    /// The `page` that its template sees.
    pub(super) fn value(&self) -> Value {
        match self {
            Self::Choose(page) => page.value(),
            Self::Account(page) => page.value(),
            Self::SignOutEverywhere(page) => {
                let count = count(u64::try_from(page.count).unwrap_or(u64::MAX), "session");
                context! { who => clip(page.who, LONGEST), count, csrf => page.csrf }
            }
            Self::NewToken(page) => page.value(),
            Self::TokenMade(page) => page.value(),
            Self::RevokeToken(page) => page.value(),
            Self::Forbidden(page) => page.value(),
            Self::Problem(page) => page.value(),
            Self::SignOut(page) => context! { who => clip(page.who, LONGEST), csrf => page.csrf },
            Self::SignedOut(page) => context! {
                where_to => page.where_to.as_ref().map(|place| {
                    context! { host => clip(place.host, LONGEST), href => place.href.as_str() }
                }),
                provider => page.provider_label,
                provider_ended => page.provider_ended,
            },
        }
    }
}

impl Choose<'_> {
    fn value(&self) -> Value {
        let providers: Vec<_> = self
            .providers
            .iter()
            .map(|provider| {
                let mark = match provider.kind {
                    ProviderKind::Google => "google",
                    ProviderKind::Github => "github",
                    ProviderKind::Oidc => "key",
                };
                context! { id => provider.id, label => clip(provider.label, 60), mark, href => provider.href.as_str() }
            })
            .collect();
        context! { going_to => self.going_to.map(|host| clip(host, LONGEST)), providers, note => self.note.map(|note| clip(note, 300)) }
    }
}

impl Account<'_> {
    fn value(&self) -> Value {
        let sessions: Vec<_> =
            self.sessions.iter().take(SHOWN).map(|session| session.value(self.now)).collect();
        let short = self.name.or(self.email).unwrap_or(self.user_id);
        context! {
            name => self.name.map(|name| clip(name, LONGEST)),
            email => self.email.map(|email| clip(email, LONGEST)),
            initial => short.chars().find(|c| c.is_alphanumeric()).map_or("?".into(), |c| c.to_uppercase().to_string()),
            user_id => clip(self.user_id, 255),
            provider => self.provider_label,
            roles => shown(self.roles),
            more_roles => self.roles.len().saturating_sub(SHOWN),
            signed_in => moment(self.signed_in_at, ago(self.now, self.signed_in_at)),
            ends => moment(self.expires_at, until(self.now, self.expires_at)),
            idle => self.idle.map(span_in_words),
            more_sessions => self.sessions.len().saturating_sub(SHOWN),
            others => self.sessions.iter().any(|session| !session.current),
            sessions,
            own => self.own.as_ref().map(OwnTokens::value),
            csrf => self.csrf,
            note => self.note.map(|note| clip(note, 300)),
        }
    }
}

impl Session<'_> {
    fn value(&self, now: Timestamp) -> Value {
        context! {
            id => self.id,
            device => device_in_words(self.agent),
            address => self.address.map(|address| clip(address, 48)),
            first_seen => moment(self.first_seen, ago(now, self.first_seen)),
            last_seen => moment(self.last_seen, ago(now, self.last_seen)),
            current => self.current,
            provider => clip(self.provider, 40),
        }
    }
}

impl Forbidden<'_> {
    fn value(&self) -> Value {
        let (lacking, names) = match self.missing {
            Reason::NoRule | Reason::WrongAudience | Reason::WrongHost | Reason::WrongOrigin => {
                ("rule", Vec::new())
            }
            Reason::MissingRole(roles) if roles.is_empty() => ("rule", Vec::new()),
            Reason::MissingRole(roles) if roles.len() == 1 => ("role", shown(roles)),
            Reason::MissingRole(roles) => ("roles", shown(roles)),
            Reason::MissingPermission(permission) => ("permission", vec![clip(permission, LONGEST)]),
        };
        context! {
            who => self.who.map(|who| clip(who, LONGEST)),
            lacking,
            names,
            host => clip(self.target_host, LONGEST),
            switch_account => self.switch_account_href.as_ref().map(Href::as_str),
            status => 403,
            reference => self.decision_id,
        }
    }
}

impl Problem<'_> {
    fn value(&self) -> Value {
        let domain = self.domain.map(|domain| clip(domain, LONGEST));
        let text = self.kind.text(self.provider_label, domain.as_deref());
        context! {
            kind => self.kind.as_str(),
            title => text.title,
            happened => text.happened,
            steps => text.steps,
            action => context! { label => self.action.label, href => self.action.href.as_str() },
            provider => self.provider_label,
            domain,
            status => self.kind.status(),
            reference => self.reference,
        }
    }
}

fn shown(names: &[String]) -> Vec<String> {
    names.iter().take(SHOWN).map(|name| clip(name, LONGEST)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_safe_addresses_become_links() {
        for good in
            ["/", "/rbac/", "https://a.example/x?y=1#z", "HTTP://a.example", "mailto:help@example.com"]
        {
            assert_eq!(Href::new(good).as_str(), good);
        }
        for bad in [
            "javascript:alert(1)",
            " javascript:alert(1)",
            "java\tscript:alert(1)",
            "data:text/html,x",
            "//evil.example",
            "/\\evil.example",
            "/\t/evil.example",
            "https:evil.example",
            "rbac",
            "",
        ] {
            assert_eq!(Href::new(bad).as_str(), "/", "{bad:?}");
        }
    }
}
