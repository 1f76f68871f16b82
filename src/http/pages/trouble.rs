//! What can go wrong for somebody on the way in, each with one text: what happened, and what to do.

use std::time::Duration;

use super::words::span_in_words;

/// A cause, as people are told it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Trouble {
    /// The sign-in was started too long ago.
    LinkTooOld,
    /// The sign-in was completed before; a callback came twice.
    AlreadyUsed,
    /// The browser did not bring back the cookie that the sign-in began with.
    CookieNotStored,
    /// The provider answered with an error, or the person cancelled there.
    ProviderSaidNo,
    /// The provider does not vouch for the e-mail address.
    EmailNotVerified,
    /// The provider did not tell an e-mail address.
    EmailMissing,
    /// The account's domain may not sign in here.
    DomainNotAllowed,
    /// The provider did not answer, or not in time.
    ProviderSilent,
    /// The provider answered something that cannot be trusted or read.
    ProviderBroken,
    /// Signing in led back to signing in three times in a row.
    TooManyTries,
    /// An administrator disabled the account.
    Disabled,
    /// The provider's answer failed a check of ours.
    SignInRefused,
    /// More roles than a session can hold.
    TooManyRoles,
    /// The provider did not tell all roles or groups, so nothing can be decided by them.
    RolesNotTold,
    /// A form that did not come from our pages.
    Forged,
    /// The store does not answer.
    StoreDown,
    /// The request cannot be understood.
    BadRequest,
    /// There is no such page.
    NotFound,
    /// The page exists, but not for this method.
    MethodNotAllowed,
    /// More was sent than any form of ours has.
    TooLarge,
    /// What was sent did not arrive in time.
    TooSlow,
    /// A fault of ours.
    Internal,
    /// No provider or no external address is configured.
    SignInNotConfigured,
    /// The gateway's own pages were asked for on a host that does not serve them.
    WrongHost,
    /// The page is for the administrator by password, who has not said it, or not rightly.
    PasswordNeeded,
    /// More often than is allowed; so many seconds until another try.
    TooManyRequests(u32),
}

/// The text for one cause.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Text {
    pub(super) title: String,
    pub(super) happened: String,
    /// What to do; one sentence, or several as a list.
    pub(super) steps: Vec<String>,
}

impl Trouble {
    /// Every cause, in the order above.
    pub const ALL: [Self; 26] = [
        Self::LinkTooOld,
        Self::AlreadyUsed,
        Self::CookieNotStored,
        Self::ProviderSaidNo,
        Self::EmailNotVerified,
        Self::EmailMissing,
        Self::DomainNotAllowed,
        Self::ProviderSilent,
        Self::ProviderBroken,
        Self::TooManyTries,
        Self::Disabled,
        Self::SignInRefused,
        Self::TooManyRoles,
        Self::RolesNotTold,
        Self::Forged,
        Self::StoreDown,
        Self::BadRequest,
        Self::NotFound,
        Self::MethodNotAllowed,
        Self::TooLarge,
        Self::TooSlow,
        Self::Internal,
        Self::SignInNotConfigured,
        Self::WrongHost,
        Self::PasswordNeeded,
        Self::TooManyRequests(30),
    ];

    /// The HTTP status that goes with it.
    #[must_use]
    pub const fn status(self) -> u16 {
        match self {
            Self::LinkTooOld
            | Self::AlreadyUsed
            | Self::CookieNotStored
            | Self::TooManyTries
            | Self::BadRequest => 400,
            Self::ProviderSaidNo
            | Self::EmailNotVerified
            | Self::EmailMissing
            | Self::DomainNotAllowed
            | Self::Disabled
            | Self::SignInRefused
            | Self::TooManyRoles
            | Self::Forged => 403,
            Self::PasswordNeeded => 401,
            Self::NotFound => 404,
            Self::MethodNotAllowed => 405,
            Self::TooSlow => 408,
            Self::TooLarge => 413,
            Self::WrongHost => 421,
            Self::TooManyRequests(_) => 429,
            Self::Internal => 500,
            Self::ProviderBroken => 502,
            Self::StoreDown | Self::SignInNotConfigured | Self::RolesNotTold => 503,
            Self::ProviderSilent => 504,
        }
    }

    /// A stable name, for templates and logs.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::LinkTooOld => "link-too-old",
            Self::AlreadyUsed => "already-used",
            Self::CookieNotStored => "cookie-not-stored",
            Self::ProviderSaidNo => "provider-said-no",
            Self::EmailNotVerified => "email-not-verified",
            Self::EmailMissing => "email-missing",
            Self::DomainNotAllowed => "domain-not-allowed",
            Self::ProviderSilent => "provider-silent",
            Self::ProviderBroken => "provider-broken",
            Self::TooManyTries => "too-many-tries",
            Self::Disabled => "disabled",
            Self::SignInRefused => "sign-in-refused",
            Self::TooManyRoles => "too-many-roles",
            Self::RolesNotTold => "roles-not-told",
            Self::Forged => "forged",
            Self::StoreDown => "store-down",
            Self::BadRequest => "bad-request",
            Self::NotFound => "not-found",
            Self::MethodNotAllowed => "method-not-allowed",
            Self::TooLarge => "too-large",
            Self::TooSlow => "too-slow",
            Self::Internal => "internal",
            Self::SignInNotConfigured => "sign-in-not-configured",
            Self::WrongHost => "wrong-host",
            Self::PasswordNeeded => "password-needed",
            Self::TooManyRequests(_) => "too-many-requests",
        }
    }

    /// What the page's one button usually says.
    #[must_use]
    pub const fn button(self) -> &'static str {
        match self {
            Self::LinkTooOld | Self::AlreadyUsed => "Sign in again",
            Self::CookieNotStored
            | Self::ProviderSaidNo
            | Self::ProviderSilent
            | Self::ProviderBroken
            | Self::TooManyTries
            | Self::StoreDown
            | Self::SignInNotConfigured
            | Self::SignInRefused
            | Self::TooManyRequests(_)
            | Self::Internal => "Try again",
            Self::EmailNotVerified
            | Self::EmailMissing
            | Self::DomainNotAllowed
            | Self::TooManyRoles
            | Self::RolesNotTold
            | Self::Disabled => "Use another account",
            Self::BadRequest
            | Self::NotFound
            | Self::MethodNotAllowed
            | Self::TooLarge
            | Self::TooSlow
            | Self::WrongHost
            | Self::PasswordNeeded
            | Self::Forged => "Go to your account",
        }
    }

    /// What happened, in a few words; for programs.
    #[must_use]
    pub fn title(self) -> String {
        self.text(None, None).title
    }

    /// The text, with the provider's name and the domain it is about where they are known.
    pub(super) fn text(self, provider: Option<&str>, domain: Option<&str>) -> Text {
        let the = provider.unwrap_or("The sign-in provider");
        let your = provider.map_or_else(|| "your provider".to_owned(), str::to_owned);
        let account = provider.map_or_else(|| "account".to_owned(), |name| format!("{name} account"));
        let (title, happened, steps): (&str, String, Vec<String>) = match self {
            Self::LinkTooOld => (
                "This sign-in took too long",
                "A sign-in must be finished within 10 minutes, and this one was started earlier.".into(),
                vec!["Sign in again. You will come back to the page that you wanted.".into()],
            ),
            Self::AlreadyUsed => (
                "This sign-in link was already used",
                "A sign-in link works once. This happens after going back, or after loading the page again."
                    .into(),
                vec!["Sign in again to go on.".into()],
            ),
            Self::CookieNotStored => (
                "Your browser did not keep our cookie",
                "Signing in needs a cookie, and the one that we set before you left for the provider did \
                 not come back."
                    .into(),
                vec![
                    "Allow cookies for this site, and switch off extensions that block them.".into(),
                    "Use one browser and one window from beginning to end.".into(),
                    "Check the address: it must be the usual name of this site, and begin with https:// \
                     if it normally does."
                        .into(),
                ],
            ),
            Self::ProviderSaidNo => (
                "The sign-in was not completed",
                format!("{the} did not sign you in. You may have cancelled, or not be allowed to use this."),
                vec![format!(
                    "Try again, and accept what {your} asks for. You can also choose another account there."
                )],
            ),
            Self::EmailNotVerified => (
                "Your email address is not confirmed",
                format!("{the} has not confirmed that your email address is yours, so we cannot rely on it."),
                vec![format!("Confirm the address in the settings of your {account}, then sign in again.")],
            ),
            Self::EmailMissing => (
                "We did not get your email address",
                format!("{the} signed you in, but did not tell us your email address, which we need."),
                vec![format!(
                    "Add an email address to your {account} and let it be shared, then sign in again."
                )],
            ),
            Self::DomainNotAllowed => (
                "This account cannot be used here",
                domain.map_or_else(
                    || format!("Your {account} does not belong to an organisation that may sign in here."),
                    |domain| format!("Accounts of {domain} may not sign in here."),
                ),
                vec!["Sign in with the account of your organisation.".into()],
            ),
            Self::ProviderSilent => (
                "The sign-in provider does not answer",
                format!("{the} did not answer in time. Nothing is wrong with your account."),
                vec!["Wait a moment, then try again.".into()],
            ),
            Self::ProviderBroken => (
                "The sign-in provider gave a wrong answer",
                format!("{the} sent an answer that we cannot accept, so we did not sign you in."),
                vec!["Try again. If it keeps happening, ask for help.".into()],
            ),
            Self::TooManyTries => (
                "Signing in goes round in circles",
                "You were sent to sign in several times in a row, and were still not signed in. We stopped \
                 here. The likely causes:"
                    .into(),
                vec![
                    "Your browser does not keep our cookie. Allow cookies for this site.".into(),
                    "The site was opened under another name than the one it signs in for. Use its usual \
                     address."
                        .into(),
                    "The address begins with http:// where it should begin with https://.".into(),
                ],
            ),
            Self::Disabled => (
                "Your account is disabled",
                "An administrator has disabled this account, so it cannot be used to sign in.".into(),
                vec!["Ask your administrator, or use another account.".into()],
            ),
            Self::SignInRefused => (
                "We could not accept this sign-in",
                format!("The answer of {your} did not pass our checks, so we did not sign you in."),
                vec!["Try again. If it keeps happening, ask for help.".into()],
            ),
            Self::TooManyRoles => (
                "Your account has too many roles",
                format!("{the} told us of more roles than a sign-in here can carry."),
                vec!["Ask your administrator to shorten the list of roles of your account.".into()],
            ),
            Self::RolesNotTold => (
                "We cannot check what you may do",
                format!(
                    "{the} did not tell us which groups your account is in, because there are too many of them."
                ),
                vec![
                    "Ask your administrator: what to change is in the log, under the reference below.".into(),
                ],
            ),
            Self::Forged => (
                "This form did not come from here",
                "Another site may have tried to act in your name, so nothing was changed.".into(),
                vec!["If you sent it yourself, open the page again and repeat it.".into()],
            ),
            Self::StoreDown => (
                "We cannot check your sign-in just now",
                "A part of this service does not answer. You have not been signed out.".into(),
                vec!["Wait a moment, then try again.".into()],
            ),
            Self::BadRequest => (
                "We cannot read this request",
                "The address or the form that was sent is not complete, or is too old.".into(),
                vec!["Go back and start again. If you typed the address, check it.".into()],
            ),
            Self::NotFound => (
                "Page not found",
                "There is no page at this address.".into(),
                vec!["If you typed the address, check it.".into()],
            ),
            Self::MethodNotAllowed => (
                "This page works differently",
                "The page exists, but it cannot be used in this way.".into(),
                vec!["Open it from your account page instead.".into()],
            ),
            Self::TooLarge => (
                "That is more than fits",
                "The form that was sent is longer than any that this site has, so nothing was changed."
                    .into(),
                vec!["Open the page again, and write less into it.".into()],
            ),
            Self::TooSlow => (
                "The form arrived too slowly",
                "Your connection took too long to send it, so nothing was changed.".into(),
                vec!["Open the page again and repeat it where the connection is better.".into()],
            ),
            Self::Internal => (
                "Something went wrong on our side",
                "This is not your fault, and we have made a note of it.".into(),
                vec!["Try again in a moment. If it keeps happening, ask for help.".into()],
            ),
            Self::SignInNotConfigured => (
                "Signing in is not set up yet",
                "Nobody can sign in here by browser, because the gateway has no sign-in provider or no \
                 public address."
                    .into(),
                vec!["Ask whoever runs this site to finish its set-up.".into()],
            ),
            Self::WrongHost => (
                "This page lives at another address",
                "Sign-in and account pages are not served under the name that you used.".into(),
                vec!["Go to your account at its own address.".into()],
            ),
            Self::PasswordNeeded => (
                "The administrator's name and password are needed",
                "They were not given, or one of them is wrong.".into(),
                vec!["Load the page again and write them into the window that your browser shows.".into()],
            ),
            Self::TooManyRequests(secs) => (
                "Too many requests",
                "More was asked for in your name, or from where you are, than is allowed in so short a time."
                    .into(),
                vec![format!("Wait {}, then try again.", wait_in_words(secs))],
            ),
        };
        Text { title: title.to_owned(), happened, steps }
    }
}

/// Beyond a minute in whole ones, rounded up: who comes back then is not too early.
fn wait_in_words(secs: u32) -> String {
    let secs = u64::from(secs);
    span_in_words(Duration::from_secs(if secs > 60 { secs.next_multiple_of(60) } else { secs }))
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn every_cause_has_its_own_text_and_an_error_status() {
        let texts: HashSet<_> =
            Trouble::ALL.iter().map(|cause| cause.text(Some("Google"), Some("example.com")).title).collect();
        assert_eq!(texts.len(), Trouble::ALL.len());
        let names: HashSet<_> = Trouble::ALL.iter().map(|cause| cause.as_str()).collect();
        assert_eq!(names.len(), Trouble::ALL.len());
        for cause in Trouble::ALL {
            assert!((400..600).contains(&cause.status()), "{cause:?}");
            let text = cause.text(None, None);
            assert!(!text.steps.is_empty() && !text.happened.contains("  "), "{cause:?}");
            assert!(!cause.button().is_empty());
        }
    }

    #[test]
    fn the_provider_and_the_domain_are_named_where_known() {
        let text = Trouble::DomainNotAllowed.text(Some("Google"), Some("gmail.com"));
        assert_eq!(text.happened, "Accounts of gmail.com may not sign in here.");
        assert!(Trouble::ProviderSilent.text(Some("Google"), None).happened.starts_with("Google did not"));
        assert!(Trouble::ProviderSilent.text(None, None).happened.starts_with("The sign-in provider did"));
    }
}
