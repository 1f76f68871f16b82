//! WHO IS ASKING? Everything that turns a credential into an [`Identity`], and nothing about what it may do.

pub mod api_token;
pub mod assertion;
pub mod bearer;
pub mod claims;
pub mod compact;
pub mod discovery;
pub mod handle;
pub mod ids;
mod introspection;
pub mod jwks;
mod jwt;
pub mod keyfile;
pub mod outgoing;
pub mod provider;
pub mod refresh;
pub mod seal;
pub mod session;
#[cfg(test)]
pub(crate) mod testing;
pub mod user_id;
mod verified;

use std::borrow::Cow;

use crate::clock::Timestamp;

/// How somebody proved who they are; the value of `X-Auth-Method`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Method {
    /// A sign-in in this browser, by the session cookie.
    Session,
    /// A bearer JWT of a configured issuer.
    Jwt,
    /// One of Doorward's own API tokens.
    Token,
}

impl Method {
    /// As services see it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Session => "session",
            Self::Jwt => "jwt",
            Self::Token => "token",
        }
    }
}

/// A verified caller. Values are fit for a header: no control bytes, roles without separators.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// How it was proved.
    pub method: Method,
    /// Stable id (`X-User-Id`).
    pub user_id: String,
    /// The provider or issuer, by its configured id.
    pub provider: String,
    /// `sub` there.
    pub subject: String,
    /// Only ever a verified e-mail; of an API token that of whom to ask about it, as its maker says.
    pub email: Option<String>,
    /// Display name, any Unicode.
    pub name: Option<String>,
    /// Sorted, without duplicates: the provider's claim, what the policy assigns, what an admin granted.
    pub roles: Vec<String>,
    /// Sorted: what the roles permit.
    pub permissions: Vec<String>,
    /// When the credential ends.
    pub expires_at: Option<Timestamp>,
}

impl Identity {
    /// What services and logs know a person by (`X-Auth-User`): the verified e-mail, else the subject. A subject that
    /// looks like an e-mail, for which nobody vouched, is named with its provider: it must not pass for the person who
    /// has that address.
    #[must_use]
    pub fn user(&self) -> Cow<'_, str> {
        match &self.email {
            Some(email) => email.into(),
            None if self.subject.contains('@') => format!("{}/{}", self.provider, self.subject).into(),
            None => self.subject.as_str().into(),
        }
    }
}
