//! What can go wrong between the gateway and a provider. Texts are for the log: they name no token, code or
//! secret. The page that a person sees follows from the variant.

use thiserror::Error;

use crate::identity::claims::{self, EmailFault};
use crate::identity::outgoing::OutgoingError;

/// Why a sign-in or a logout notice ended.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum ProviderError {
    /// The provider does not answer, or not in time: later it may.
    #[error("the provider does not answer: {0}")]
    Unavailable(String),
    /// The provider's answer is no good (502); its operator or the configuration must change.
    #[error("the provider's answer is no good: {0}")]
    BadAnswer(String),
    /// The provider refuses the gateway itself: client id or secret are wrong.
    #[error("the provider refuses this client: {0}")]
    ClientRefused(String),
    /// The code is unknown, used or expired there: signing in again helps.
    #[error("the provider refuses the code: {0}")]
    CodeRefused(String),
    /// The ID token fails a check.
    #[error("the ID token is not valid: {0}")]
    InvalidIdToken(String),
    /// The callback was not answered by the provider that was asked (RFC 9207).
    #[error("the answer is by another issuer than the one asked, or does not say by which")]
    WrongIssuer,
    /// The account has no e-mail.
    #[error("the account has no e-mail")]
    EmailMissing,
    /// The provider does not say that the e-mail is this person's.
    #[error("the e-mail is not verified at the provider")]
    EmailNotVerified,
    /// The e-mail cannot be used as one.
    #[error("the e-mail is not usable as an address")]
    EmailUnusable,
    /// The account is in none of the `allowed_domains`.
    #[error("the account is in none of the allowed domains")]
    DomainNotAllowed,
    /// The account is of none of the `allowed_tenants`.
    #[error("the account is of none of the allowed tenants: {0}")]
    TenantNotAllowed(String),
    /// The provider keeps roles or groups elsewhere, so they could not be checked.
    #[error("{}", claims::elsewhere(.0))]
    ClaimElsewhere(String),
    /// The back-channel logout token fails a check.
    #[error("the logout token is not valid: {0}")]
    InvalidLogoutToken(String),
}

impl From<OutgoingError> for ProviderError {
    fn from(error: OutgoingError) -> Self {
        match error {
            OutgoingError::Unavailable(text) => Self::Unavailable(text),
            OutgoingError::BadAnswer(text) => Self::BadAnswer(text),
        }
    }
}

impl From<EmailFault> for ProviderError {
    fn from(fault: EmailFault) -> Self {
        match fault {
            EmailFault::Missing => Self::EmailMissing,
            EmailFault::NotVerified => Self::EmailNotVerified,
            EmailFault::Unusable => Self::EmailUnusable,
        }
    }
}
