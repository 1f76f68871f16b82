//! What the policy answers, and the only place where "allow" comes from.

use std::fmt;

/// Who asks, as far as it was found out. Absent, wrong and could-not-check are three outcomes, and they
/// stay three until the policy has spoken: a public target turns nobody away, every other target answers
/// each of them differently.
#[derive(Clone, Copy, Debug)]
pub enum Caller<'a> {
    /// No credential was presented.
    Anonymous,
    /// One was presented, and it is not valid.
    Wrong,
    /// One was presented, and whether it is valid could not be found out.
    Unchecked,
    /// A verified caller, with a credential that is not good on the host asked for.
    Elsewhere,
    /// A verified caller.
    Known(Subject<'a>),
}

/// What the policy needs to know of a verified caller.
#[derive(Clone, Copy, Debug)]
pub struct Subject<'a> {
    /// Sorted.
    pub roles: &'a [String],
    /// Sorted; `*` stands for all.
    pub permissions: &'a [String],
    /// For whom the credential is, where it says so (a bearer JWT's `aud`).
    pub audiences: Option<&'a [String]>,
}

/// The policy's word on one question.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Decision {
    /// Let it through.
    Allow(Permit),
    /// Sign in first.
    Challenge,
    /// The credential presented is not valid.
    Invalid,
    /// The credential presented could not be checked.
    Unavailable,
    /// No, whoever this is.
    Deny(Reason),
    /// The target can be read in two ways: no answer to it is safe.
    Unreadable,
}

/// Proof that the policy allowed this request; nothing outside this module can make one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Permit {
    _made_by_policy: (),
}

impl Permit {
    // Used by the matcher, the only caller.
    pub(super) const fn new() -> Self {
        Self { _made_by_policy: () }
    }
}

/// Why not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reason {
    /// No rule covers the target, and the default is to deny.
    NoRule,
    /// The caller has none of these roles.
    MissingRole(Vec<String>),
    /// The caller's roles do not permit this.
    MissingPermission(String),
    /// The caller's token is for other services than this one.
    WrongAudience,
    /// The caller's token does not list the host.
    WrongHost,
    /// A WebSocket is opened by a page whose origin the service does not list.
    WrongOrigin,
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoRule => f.write_str("no rule allows this to anybody"),
            Self::MissingRole(roles) => write!(f, "none of the roles {}", roles.join(", ")),
            Self::MissingPermission(permission) => write!(f, "the permission {permission} is missing"),
            Self::WrongAudience => f.write_str("the token is not meant for this service"),
            Self::WrongHost => f.write_str("the token does not list this host"),
            Self::WrongOrigin => f.write_str("a WebSocket from an origin that the service does not list"),
        }
    }
}
