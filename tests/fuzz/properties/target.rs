//! A request's four parts, a line each: method, scheme, host, path and query.

use doorward::policy::target::{Host, Target};
use url::Url;

pub fn target(data: &[u8]) -> bool {
    let mut parts = data.splitn(4, |byte| *byte == b'\n');
    let (Some(method), Some(scheme), Some(host), Some(uri)) =
        (parts.next(), parts.next(), parts.next(), parts.next())
    else {
        return false;
    };
    let Ok(target) = Target::parse(method, scheme, host, uri) else { return false };

    // Nothing was added to the path, lost from it or repaired.
    assert_eq!(target.raw_uri().as_bytes(), uri);
    assert_eq!(target.method().as_bytes(), method);
    // Rendered and read again it is the same, and so is its host by itself.
    let url = target.url();
    assert_eq!(Target::of_url(target.method(), &url).as_ref(), Ok(&target), "{url}");
    let name = target.host().as_str();
    assert_eq!(Host::parse(name.as_bytes()).as_ref(), Ok(target.host()));
    assert!(!name.ends_with('.') && !name.bytes().any(|byte| byte.is_ascii_uppercase()), "{name}");

    if target.ambiguity().is_none() {
        one_reading(&target, &url);
    }
    true
}

/// A path without an ambiguity has nothing to resolve, and a browser's parser sees the very same address.
fn one_reading(target: &Target, url: &str) {
    let path = target.path();
    assert!(path.starts_with('/') && !path.contains("//") && !path.contains('\\'), "{path:?}");
    assert!(!path.chars().any(char::is_control), "{path:?}");
    assert!(!path.split('/').any(|segment| matches!(segment, "." | "..")), "{path:?}");
    assert_eq!(decoded(path), path, "{path:?} can be decoded once more");

    let seen = Url::parse(url).unwrap_or_else(|error| panic!("{url}: {error}"));
    assert_eq!(seen.scheme(), target.scheme().as_str());
    assert_eq!(seen.port(), target.port(), "{url}");
    let address = |text: &str| text.trim_matches(['[', ']']).parse::<std::net::IpAddr>().ok();
    let (theirs, ours) = (seen.host_str().unwrap_or_default(), target.host().as_str());
    assert!(theirs == ours || address(theirs).is_some_and(|theirs| address(ours) == Some(theirs)), "{url}");
    assert_eq!(decoded(seen.path()), path, "{url}");
    assert!(seen.fragment().is_none() && seen.username().is_empty() && seen.password().is_none(), "{url}");
}

/// Percent-decoded once, by other code than the gateway's.
fn decoded(path: &str) -> String {
    // Everything but the path is escaped by the serialiser, so that a `&`, `=` or `+` of the path stays itself.
    let escaped = path.replace('&', "%26").replace('=', "%3D").replace('+', "%2B");
    url::form_urlencoded::parse(escaped.as_bytes())
        .next()
        .map(|(name, _)| name.into_owned())
        .unwrap_or_default()
}
