//! What the program is told, by arguments or by environment (`--client-id X` is `IDP_CLIENT_ID=X`).

use std::{collections::BTreeMap, fmt, path::PathBuf};

use reqwest::Url;

/// Every option: its name, and whether it takes a value. `IDP_` + the name in upper case is its variable;
/// options that may be given several times are comma separated there.
const OPTIONS: &[(&str, bool)] = &[
    ("listen", true),
    ("issuer", true),
    ("issuer-path", true),
    ("public-url", true),
    ("internal-url", true),
    ("client-id", true),
    ("client-secret", true),
    ("redirect-uri", true),
    ("backchannel-logout-uri", true),
    ("accounts", true),
    ("port-file", true),
    ("control", true),
    ("health", false),
    ("help", false),
];

/// How to use the program.
pub(crate) const USAGE: &str = "\
A stand-in OpenID provider for demos and tests. It trusts everybody: never put it in front of anything real.

usage: idp [options]           (each option is also IDP_<NAME>, e.g. IDP_CLIENT_ID)
  --listen ADDR                address to listen on; port 0 picks one     [127.0.0.1:0]
  --issuer URL                 the `iss` of its tokens, to the letter     [--public-url, else http://ADDR]
  --issuer-path PATH           appended to the default issuer, e.g. /realms/main, or / for a slash at the end
  --public-url URL             where browsers reach it (authorize, end_session)
  --internal-url URL           where clients reach it (token, jwks, userinfo)
  --client-id ID               [doorward]
  --client-secret SECRET       [doorward-secret]
  --redirect-uri URL           allowed return addresses by prefix, repeatable  [any loopback host]
  --backchannel-logout-uri URL where logout tokens are sent, repeatable
  --accounts FILE              JSON list of accounts instead of the built-in ones
  --port-file FILE             the port is written here once it listens
  --control on|off             the /control endpoints                     [on when listening on loopback]
  --health                     asks the one that listens there whether it is well: exit status 0 or 1";

/// The settings of one provider.
#[derive(Clone)]
pub(crate) struct Config {
    /// Address to listen on.
    pub(crate) listen: String,
    /// `iss`, when told.
    pub(crate) issuer: Option<String>,
    /// Path added to the issuer when it is made up from the address.
    pub(crate) issuer_path: String,
    /// Base address for browsers.
    pub(crate) public_url: Option<String>,
    /// Base address for clients.
    pub(crate) internal_url: Option<String>,
    /// The one client there is.
    pub(crate) client_id: String,
    /// Its secret.
    pub(crate) client_secret: String,
    /// Return addresses allowed by prefix; none = any loopback host.
    pub(crate) redirect_uris: Vec<Url>,
    /// Where logout tokens go.
    pub(crate) backchannel_logout_uris: Vec<String>,
    /// File of accounts.
    pub(crate) accounts: Option<PathBuf>,
    /// Where to write the port.
    pub(crate) port_file: Option<PathBuf>,
    /// Whether `/control` answers; `None` = only on loopback.
    pub(crate) control: Option<bool>,
    /// Ask a running one whether it is well, instead of serving.
    pub(crate) health: bool,
}

impl fmt::Debug for Config {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Config")
            .field("listen", &self.listen)
            .field("issuer", &self.issuer)
            .finish_non_exhaustive()
    }
}

/// Why the program does not start.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Stop {
    /// `--help` was asked for.
    Help,
    /// The arguments make no sense; says which.
    Bad(String),
}

impl Config {
    /// Reads the arguments, then the environment for what they leave open.
    ///
    /// # Errors
    /// [`Stop::Help`], or [`Stop::Bad`] naming the option.
    pub(crate) fn read(
        args: impl IntoIterator<Item = String>,
        env: impl Fn(&str) -> Option<String>,
    ) -> Result<Self, Stop> {
        let mut given: BTreeMap<&str, Vec<String>> = BTreeMap::new();
        let mut args = args.into_iter();
        while let Some(arg) = args.next() {
            let bare =
                arg.strip_prefix("--").ok_or_else(|| Stop::Bad(format!("unexpected argument {arg:?}")))?;
            let (name, inline) = match bare.split_once('=') {
                Some((name, value)) => (name, Some(value.to_owned())),
                None => (bare, None),
            };
            let (name, takes_value) = OPTIONS
                .iter()
                .find(|(known, _)| *known == name)
                .ok_or_else(|| Stop::Bad(format!("unknown option --{name}")))?;
            if !takes_value {
                if *name == "help" {
                    return Err(Stop::Help);
                }
                given.entry(name).or_default();
                continue;
            }
            let value =
                inline.or_else(|| args.next()).ok_or_else(|| Stop::Bad(format!("--{name} needs a value")))?;
            given.entry(name).or_default().push(value);
        }
        for (name, _) in OPTIONS.iter().filter(|(_, takes_value)| *takes_value) {
            let variable = format!("IDP_{}", name.to_uppercase().replace('-', "_"));
            if let (false, Some(value)) = (given.contains_key(name), env(&variable).filter(|v| !v.is_empty()))
            {
                given.insert(name, value.split(',').map(|v| v.trim().to_owned()).collect());
            }
        }

        let health = given.contains_key("health");
        let mut many = |name: &str| given.remove(name).unwrap_or_default();
        let redirect_uris = many("redirect-uri")
            .iter()
            .map(|v| Url::parse(v).map_err(|e| Stop::Bad(format!("--redirect-uri {v}: {e}"))))
            .collect::<Result<_, _>>()?;
        let backchannel_logout_uris = many("backchannel-logout-uri");
        let mut one = |name: &str| given.remove(name).and_then(|mut values| values.pop());
        let mut address = |name: &str| match one(name) {
            None => Ok(None),
            Some(value) => match Url::parse(&value) {
                Ok(url) if url.has_host() => Ok(Some(value)),
                _ => Err(Stop::Bad(format!("--{name}: not an absolute address: {value}"))),
            },
        };
        // An issuer is a name, to the letter: some end in a slash.
        let issuer = address("issuer")?;
        let mut base = |name: &str| -> Result<Option<String>, Stop> {
            Ok(address(name)?.map(|value| value.trim_end_matches('/').to_owned()))
        };
        let (public_url, internal_url) = (base("public-url")?, base("internal-url")?);
        let issuer_path = match one("issuer-path").unwrap_or_default() {
            path if path.is_empty() => path,
            path => format!("/{}", path.trim_start_matches('/')),
        };
        let control = match one("control").as_deref() {
            None => None,
            Some("on") => Some(true),
            Some("off") => Some(false),
            Some(other) => return Err(Stop::Bad(format!("--control is on or off, not {other}"))),
        };
        Ok(Self {
            listen: one("listen").unwrap_or_else(|| "127.0.0.1:0".to_owned()),
            issuer,
            issuer_path,
            public_url,
            internal_url,
            client_id: one("client-id").unwrap_or_else(|| "doorward".to_owned()),
            client_secret: one("client-secret").unwrap_or_else(|| "doorward-secret".to_owned()),
            redirect_uris,
            backchannel_logout_uris,
            accounts: one("accounts").map(PathBuf::from),
            port_file: one("port-file").map(PathBuf::from),
            control,
            health,
        })
    }

    /// Whether a client may be sent back to `uri`: same scheme, host and port as a registered value and inside
    /// its path; with none registered, any address of this machine (`*.localhost` included).
    pub(crate) fn allows_redirect(&self, uri: &Url) -> bool {
        let plain = uri.username().is_empty() && uri.password().is_none() && uri.fragment().is_none();
        if !plain || !matches!(uri.scheme(), "http" | "https") {
            return false;
        }
        if self.redirect_uris.is_empty() {
            return is_loopback(uri.host_str().unwrap_or_default());
        }
        self.redirect_uris.iter().any(|known| {
            let inside = uri
                .path()
                .strip_prefix(known.path())
                .is_some_and(|rest| rest.is_empty() || rest.starts_with('/') || known.path().ends_with('/'));
            known.origin() == uri.origin() && inside
        })
    }
}

/// Whether a host is this machine.
pub(crate) fn is_loopback(host: &str) -> bool {
    let address = host.trim_start_matches('[').trim_end_matches(']');
    host == "localhost"
        || host.ends_with(".localhost")
        || address.parse::<std::net::IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(args: &[&str]) -> Result<Config, Stop> {
        Config::read(args.iter().map(|a| (*a).to_owned()), |_| None)
    }

    #[test]
    fn arguments_win_over_the_environment() {
        let env = |name: &str| match name {
            "IDP_CLIENT_ID" => Some("from-env".to_owned()),
            "IDP_REDIRECT_URI" => Some("http://a.example/x, http://b.example/".to_owned()),
            _ => None,
        };
        let config = Config::read(["--client-id".to_owned(), "arg".to_owned()], env).unwrap();
        assert_eq!((config.client_id.as_str(), config.redirect_uris.len()), ("arg", 2));
        assert_eq!(Config::read([], env).unwrap().client_id, "from-env");
    }

    #[test]
    fn bad_arguments_are_named() {
        assert_eq!(read(&["--nope", "1"]).unwrap_err(), Stop::Bad("unknown option --nope".into()));
        assert_eq!(read(&["--listen"]).unwrap_err(), Stop::Bad("--listen needs a value".into()));
        assert!(
            matches!(read(&["--issuer", "nonsense"]).unwrap_err(), Stop::Bad(m) if m.contains("--issuer"))
        );
        assert_eq!(read(&["--help"]).unwrap_err(), Stop::Help);
    }

    #[test]
    fn redirects_stay_inside_what_is_registered() {
        let allows = |config: &Config, uri: &str| config.allows_redirect(&Url::parse(uri).unwrap());
        let open = read(&[]).unwrap();
        for good in
            ["http://127.0.0.1:8000/cb", "https://localhost/cb", "http://a.localhost:1/x", "http://[::1]/x"]
        {
            assert!(allows(&open, good), "{good}");
        }
        for bad in [
            "http://example.com/",
            "http://localhost.evil.example/",
            "http://127.0.0.1@evil.example/",
            "ftp://localhost/",
        ] {
            assert!(!allows(&open, bad), "{bad}");
        }
        let listed = read(&["--redirect-uri=https://auth.example.com/rbac"]).unwrap();
        assert!(allows(&listed, "https://auth.example.com/rbac/callback/github"));
        for bad in [
            "https://auth.example.com/rbacevil",
            "https://auth.example.com.evil.example/rbac",
            "http://auth.example.com/rbac",
            "http://localhost/rbac",
        ] {
            assert!(!allows(&listed, bad), "{bad}");
        }
    }
}
