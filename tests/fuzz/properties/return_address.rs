//! An address that somebody asks a sign-in to return to.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use doorward::config::Config;
use doorward::http::login::return_to::ReturnRules;
use url::Url;

static RULES: LazyLock<ReturnRules> = LazyLock::new(|| {
    let set = [
        ("DOORWARD_SERVER_EXTERNAL_URL", "https://auth.example.test"),
        ("DOORWARD_LOGIN_RETURN_HOSTS", "app.example.test,*.apps.example.test,odd.example.test:8443"),
        ("GOOGLE_CLIENT_ID", "id"),
        ("GOOGLE_CLIENT_SECRET", "secret"),
    ];
    let env: BTreeMap<String, String> = set.map(|(key, value)| (key.into(), value.into())).into();
    ReturnRules::new(&Config::load(None, &env).unwrap_or_else(|faults| panic!("{faults}")))
});

/// The allow-list, written down a second time.
fn listed(host: &str, port: Option<u16>) -> bool {
    let below_apps = host.split_once(".apps.example.test").is_some_and(|(label, rest)| {
        rest.is_empty()
            && label.split('.').all(|label| {
                !label.is_empty() && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
            })
    });
    match port {
        None => matches!(host, "auth.example.test" | "app.example.test") || below_apps,
        Some(8443) => host == "odd.example.test",
        Some(_) => false,
    }
}

pub fn return_address(data: &[u8]) -> bool {
    let Ok(raw) = std::str::from_utf8(data) else { return false };
    let Some(to) = RULES.check(raw) else { return false };

    let address = to.as_str();
    // Fit for a header, and without anything that a browser repairs.
    assert!(address.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'\\'), "{address:?}");
    let url = Url::parse(address).unwrap_or_else(|error| panic!("{address}: {error}"));
    assert_eq!(url.as_str(), address);
    assert_eq!(url.scheme(), "https");
    assert_eq!(url.host_str(), Some(to.host()));
    assert!(listed(to.host(), url.port()), "{address} is on no list");
    assert!(url.username().is_empty() && url.password().is_none() && url.fragment().is_none(), "{address}");
    assert!(!url.path().starts_with("//"), "{address}");

    // Judged again it stays what it is; and a browser that is sent to the raw text, from a page of the gateway,
    // would come to the same host.
    assert_eq!(RULES.check(address).as_ref(), Some(&to));
    let page = Url::parse("https://auth.example.test/rbac/login").unwrap_or_else(|error| panic!("{error}"));
    let followed = page.join(raw).unwrap_or_else(|error| panic!("{raw}: {error}"));
    assert_eq!(followed.origin(), url.origin(), "{raw}");

    // Of the gateway's own pages only those that do nothing by being opened.
    let own = url.path().strip_prefix("/rbac").filter(|rest| rest.is_empty() || rest.starts_with('/'));
    if let Some(rest) = own {
        assert!(matches!(rest, "" | "/" | "/admin") || rest.starts_with("/admin/"), "{address}");
    }
    true
}
