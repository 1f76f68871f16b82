//! The names of roles, permissions and services: what may stand in a header, and what is taken.

/// The role that opens the admin pages; always known.
pub const ADMIN_ROLE: &str = "doorward-admin";

/// Words that mean somebody else than holders of a role.
const BUILT_IN: [&str; 4] = ["public", "authenticated", "anonymous", "*"];

const MAX_NAME: usize = 128;

/// Whether a role of this name may exist: it goes into a comma-separated header, so it has no separator, no
/// quote, no control byte and nothing beyond ASCII; and it is none of the words `public`, `authenticated`,
/// `anonymous` and `*`.
#[must_use]
pub fn is_role(name: &str) -> bool {
    is_header_word(name) && !is_built_in(name)
}

pub(super) fn is_built_in(name: &str) -> bool {
    BUILT_IN.iter().any(|word| name.eq_ignore_ascii_case(word))
}

/// Printable ASCII without space, comma, semicolon, quotes and backslash.
pub(super) fn is_header_word(name: &str) -> bool {
    !name.is_empty()
        && name.len() <= MAX_NAME
        && name
            .bytes()
            .all(|byte| byte.is_ascii_graphic() && !matches!(byte, b',' | b';' | b'"' | b'\'' | b'\\'))
}

/// A service's name is the audience of its identity assertion.
pub(super) fn is_service(name: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-');
    !name.is_empty() && name.len() <= 64 && name.bytes().all(plain)
}
