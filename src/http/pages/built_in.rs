//! The templates that are compiled in, by the names under which operators may replace them.

macro_rules! templates {
    ($($name:literal),+ $(,)?) => {
        /// Name and source.
        pub(super) const BUILT_IN: &[(&str, &str)] =
            &[$(($name, include_str!(concat!("templates/", $name)))),+];
    };
}

templates![
    "layout.html",
    "marks.html",
    "choose.html",
    "account.html",
    "sign-out-everywhere.html",
    "token-new.html",
    "token-made.html",
    "token-revoke.html",
    "forbidden.html",
    "problem.html",
    "sign-out.html",
    "signed-out.html",
    "admin-layout.html",
    "admin-parts.html",
    "admin-overview.html",
    "admin-tokens.html",
    "admin-token.html",
    "admin-token-new.html",
    "admin-token-made.html",
    "admin-users.html",
    "admin-user.html",
    "admin-sessions.html",
    "admin-policy-frame.html",
    "admin-policy.html",
    "admin-policy-file.html",
    "admin-policy-tests.html",
    "admin-explain.html",
    "admin-activity.html",
    "admin-api.html",
    "admin-confirm.html",
    "admin-problem.html",
];
