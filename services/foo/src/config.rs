//! What the program is told, by arguments or by environment (`--jwks-url X` is `FOO_JWKS_URL=X`).

/// Every option and its default.
const OPTIONS: &[(&str, &str)] = &[
    ("listen", "127.0.0.1:8081"),
    ("prefix", "/foo"),
    ("jwks-url", ""),
    ("issuer", ""),
    ("audience", "foo"),
    ("authorize-url", ""),
    ("logout-url", "/rbac/logout"),
    ("account-url", "/rbac/"),
    ("port-file", ""),
];

/// How to use the program.
pub(crate) const USAGE: &str = "\
The sample service behind Doorward: says who you are. It must be reachable only through the proxy.

usage: foo [options]      (each option is also FOO_<NAME>, e.g. FOO_JWKS_URL)
  --listen ADDR           address to listen on; port 0 picks one    [127.0.0.1:8081]
  --prefix PATH           served below this path as well as at /    [/foo]
  --jwks-url URL          Doorward's keys, e.g. http://doorward:8000/rbac/.well-known/jwks.json
  --issuer URL            `iss` of its assertions
  --audience NAME         this service's name in the policy         [foo]
  --authorize-url URL     Doorward's /authorize, e.g. http://doorward:8000/authorize
  --logout-url URL        [/rbac/logout]
  --account-url URL       [/rbac/]
  --port-file FILE        the port is written here once it listens
  --health                asks the one that listens there whether it is well: exit status 0 or 1";

/// The settings.
#[derive(Clone, Debug)]
pub(crate) struct Config {
    pub(crate) listen: String,
    pub(crate) prefix: String,
    pub(crate) jwks_url: String,
    pub(crate) issuer: String,
    pub(crate) audience: String,
    pub(crate) authorize_url: String,
    pub(crate) logout_url: String,
    pub(crate) account_url: String,
    pub(crate) port_file: String,
    /// Ask a running one whether it is well, instead of serving.
    pub(crate) health: bool,
}

impl Config {
    /// Reads the arguments, then the environment, then the defaults. `Ok(None)` = help was asked for.
    ///
    /// # Errors
    /// A sentence that names the option.
    pub(crate) fn read(
        args: impl IntoIterator<Item = String>,
        env: impl Fn(&str) -> Option<String>,
    ) -> Result<Option<Self>, String> {
        let mut given: Vec<(String, String)> = Vec::new();
        let mut health = false;
        let mut args = args.into_iter();
        while let Some(arg) = args.next() {
            let bare = arg.strip_prefix("--").ok_or_else(|| format!("unexpected argument {arg:?}"))?;
            if bare == "help" {
                return Ok(None);
            }
            if bare == "health" {
                health = true;
                continue;
            }
            let (name, inline) = match bare.split_once('=') {
                Some((name, value)) => (name, Some(value.to_owned())),
                None => (bare, None),
            };
            if !OPTIONS.iter().any(|(known, _)| *known == name) {
                return Err(format!("unknown option --{name}"));
            }
            let value = inline.or_else(|| args.next()).ok_or_else(|| format!("--{name} needs a value"))?;
            given.push((name.to_owned(), value));
        }
        let get = |name: &str| {
            let told = given.iter().rev().find(|(given, _)| given == name).map(|(_, value)| value.clone());
            let variable = format!("FOO_{}", name.to_uppercase().replace('-', "_"));
            told.or_else(|| env(&variable).filter(|value| !value.is_empty())).unwrap_or_else(|| {
                OPTIONS.iter().find(|(known, _)| *known == name).map_or("", |(_, default)| default).to_owned()
            })
        };
        let config = Self {
            listen: get("listen"),
            prefix: match get("prefix").trim_matches('/') {
                "" => String::new(),
                path => format!("/{path}"),
            },
            jwks_url: get("jwks-url"),
            issuer: get("issuer"),
            audience: get("audience"),
            authorize_url: get("authorize-url"),
            logout_url: get("logout-url"),
            account_url: get("account-url"),
            port_file: get("port-file"),
            health,
        };
        if config.jwks_url.is_empty() != config.issuer.is_empty() {
            return Err("--jwks-url and --issuer go together".to_owned());
        }
        Ok(Some(config))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arguments_then_environment_then_defaults() {
        let env = |name: &str| (name == "FOO_LISTEN").then(|| "env:1".to_owned());
        let read = |args: &[&str]| Config::read(args.iter().map(|a| (*a).to_owned()), env);
        assert_eq!(read(&["--listen", "arg:1"]).unwrap().unwrap().listen, "arg:1");
        let config = read(&["--prefix=/bar/"]).unwrap().unwrap();
        assert_eq!(
            (config.listen.as_str(), config.prefix.as_str(), config.audience.as_str()),
            ("env:1", "/bar", "foo")
        );
        assert!(read(&["--help"]).unwrap().is_none());
        assert_eq!(read(&["--nope"]).unwrap_err(), "unknown option --nope");
        assert!(read(&["--jwks-url", "http://x/"]).unwrap_err().contains("--issuer"));
    }
}
