//! What to write where: for each thing that can be wrong, the line in the files of `deployment/`, by proxy.

use clap::ValueEnum;
use serde::Serialize;

/// The proxies that there are files for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ValueEnum)]
#[serde(rename_all = "lowercase")]
pub(super) enum Proxy {
    Traefik,
    Nginx,
    Caddy,
    Envoy,
}

impl Proxy {
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Traefik => "traefik",
            Self::Nginx => "nginx",
            Self::Caddy => "caddy",
            Self::Envoy => "envoy",
        }
    }

    const fn page(self) -> &'static str {
        match self {
            Self::Traefik => "docs/proxies/traefik.md",
            Self::Nginx => "docs/proxies/nginx.md",
            Self::Caddy => "docs/proxies/caddy.md",
            Self::Envoy => "docs/proxies/envoy.md",
        }
    }
}

/// What is wrong, as far as a line is concerned.
pub(super) enum Topic<'a> {
    /// The proxy does not ask about this route.
    NotAsked,
    /// It asks somewhere where nobody answers, or not in the way in which it must.
    BadQuestion,
    /// The policy opens, or closes, the address for everybody.
    Policy,
    /// The proxy is not in the list of those who may ask.
    TrustedProxies,
    /// Doorward is not shown the client's headers.
    HeadersHidden,
    /// What the proxy says of the address is not what was asked for.
    Address,
    /// http where https is meant, or the other way round; what the external URL must be.
    ExternalUrl(&'a str),
    /// Plain http reaches a gateway of https.
    PlainHttp,
    /// A sign-in may not return to this host.
    ReturnHost(&'a str),
    /// Doorward's own pages are not routed; their prefix.
    BasePath(&'a str),
    /// Somebody on the way changes cookies.
    Cookies,
    /// Clients say what they ask for.
    ForwardedHeaders,
    /// A client's identity headers reach services: which.
    IdentityHeaders(&'a str),
    /// So do aliases of them.
    Aliases,
    /// Cookies of clients are lost, or Doorward's own reach services.
    Credentials,
    /// An address for the inside is routed.
    Exposed(&'a str),
    /// Something in doorward.yaml or at the provider, by its own line.
    Other(&'a str, &'a str, &'static str),
}

/// A change to make.
#[derive(Debug, Serialize)]
pub(super) struct Change {
    /// Which file, or whose settings.
    pub(super) place: String,
    /// What to write there.
    pub(super) lines: String,
    /// Where more is said.
    pub(super) page: &'static str,
}

const GATEWAY: &str = "doorward.yaml";
const POLICY: &str = "the policy (`doorward explain --anonymous GET URL` names the rule that speaks)";

pub(super) fn change(proxy: Option<Proxy>, topic: &Topic<'_>) -> Change {
    let (place, lines, page) = match topic {
        Topic::Policy => {
            let lines = "the rule of this address: `roles: [...]` or `authenticated: true`, not `public: true`; or another \
                 address as the argument of doctor";
            (POLICY, lines.to_owned(), "docs/policy.md")
        }
        Topic::TrustedProxies => {
            let lines = "server: { trusted_proxies: [ADDRESS_OR_NETWORK_OF_THE_PROXY] }";
            (GATEWAY, lines.to_owned(), "docs/configuration.md")
        }
        Topic::ExternalUrl(url) => {
            (GATEWAY, format!("server: {{ external_url: \"{url}\" }}"), "docs/configuration.md")
        }
        Topic::ReturnHost(host) => {
            let lines = format!(
                "login: {{ return_hosts: [\"{host}\"] }}   # or session.cookie_domain, a parent of this host and of \
                 server.external_url"
            );
            (GATEWAY, lines, "docs/configuration.md")
        }
        Topic::Other(place, lines, page) => (*place, (*lines).to_owned(), *page),
        of_proxy => match proxy {
            Some(proxy) => {
                let (place, lines) = line(proxy, of_proxy);
                (place, lines, proxy.page())
            }
            None => {
                let lines = format!("{} (--proxy NAME tells the line)", in_words(of_proxy));
                ("the proxy's configuration", lines, "docs/proxies/README.md")
            }
        },
    };
    Change { place: place.to_owned(), lines, page }
}

/// For a proxy that nobody recognised.
fn in_words(topic: &Topic<'_>) -> String {
    match topic {
        Topic::NotAsked => "ask Doorward (/auth) on every route of every service".to_owned(),
        Topic::BadQuestion => "ask at Doorward's own address, in this proxy's way".to_owned(),
        Topic::HeadersHidden => "show Doorward all headers of the client".to_owned(),
        Topic::Address => "tell Doorward the address as the client asked for it".to_owned(),
        Topic::PlainHttp => {
            "redirect http to https, and tell Doorward the scheme that the browser used".to_owned()
        }
        Topic::BasePath(base) => format!("route {base}/ to Doorward, without asking about it"),
        Topic::Cookies => "leave Doorward's cookies as they are".to_owned(),
        Topic::ForwardedHeaders => "replace X-Forwarded-* of clients, whoever they are".to_owned(),
        Topic::IdentityHeaders(names) => format!("replace {names} by what Doorward answers"),
        Topic::Aliases => "refuse or drop headers with `_` or `.` in their names".to_owned(),
        Topic::Credentials => {
            "Cookie and Authorization among the headers taken from Doorward's answer if, and only if, \
             forward_auth.strip_credentials is true"
                .to_owned()
        }
        Topic::Exposed(path) => format!("no route to {path}"),
        _ => String::new(),
    }
}

const TRAEFIK: &str = "Traefik's dynamic configuration (deployment/traefik/dynamic/doorward.yaml)";
const TRAEFIK_STATIC: &str = "Traefik's static configuration (deployment/traefik/traefik.yaml)";
const NGINX: &str = "nginx (deployment/nginx/doorward.conf)";
const CADDY: &str = "the Caddyfile (deployment/caddy/Caddyfile)";
const ENVOY: &str = "Envoy (deployment/envoy/envoy.yaml)";

fn line(proxy: Proxy, topic: &Topic<'_>) -> (&'static str, String) {
    match proxy {
        Proxy::Traefik => traefik(topic),
        Proxy::Nginx => (NGINX, nginx(topic)),
        Proxy::Caddy => (CADDY, caddy(topic)),
        Proxy::Envoy => (ENVOY, envoy(topic)),
    }
}

fn traefik(topic: &Topic<'_>) -> (&'static str, String) {
    let fixed = |place, lines: &str| (place, lines.to_owned());
    match topic {
        Topic::NotAsked => fixed(
            TRAEFIK,
            "routers: { NAME: { middlewares: [doorward] } }   # on the service's router, first in its list",
        ),
        Topic::BadQuestion => fixed(
            TRAEFIK,
            "middlewares: { doorward: { forwardAuth: { address: \"http://DOORWARD:8000/auth\" } } }",
        ),
        Topic::HeadersHidden => fixed(TRAEFIK, "forwardAuth: leave authRequestHeaders out"),
        Topic::Address => fixed(
            TRAEFIK,
            "routers: { NAME: { middlewares: [doorward, ...] } }   # before StripPrefix, ReplacePath and their like",
        ),
        Topic::PlainHttp => fixed(
            TRAEFIK_STATIC,
            "entryPoints: { web: { http: { redirections: { entryPoint: { to: websecure, scheme: https } } } } }\n\
             # and where a load balancer ends TLS in front of Traefik, its addresses:\n\
             entryPoints: { web: { forwardedHeaders: { trustedIPs: [ADDRESS_OF_THE_LOAD_BALANCER] } } }",
        ),
        Topic::BasePath(base) => (
            TRAEFIK,
            format!(
                "routers: {{ doorward: {{ rule: \"Path(`{base}`) || PathPrefix(`{base}/`)\", priority: 1000, service: doorward }} }}   # no middlewares"
            ),
        ),
        Topic::Cookies => {
            fixed(TRAEFIK, "routers: { doorward: { } }   # no middleware that changes headers of answers")
        }
        Topic::ForwardedHeaders => fixed(
            TRAEFIK_STATIC,
            "entryPoints: { NAME: { forwardedHeaders: { insecure: false, trustedIPs: [] } } }   # or the load balancer's addresses alone",
        ),
        Topic::IdentityHeaders(names) => {
            (TRAEFIK, format!("forwardAuth: {{ authResponseHeaders: [{names}, ...] }}   # all eight"))
        }
        Topic::Aliases => {
            fixed(TRAEFIK_STATIC, "entryPoints: { NAME: { http: { aliasHeadersStrategy: reject } } }")
        }
        Topic::Credentials => fixed(
            TRAEFIK,
            "forwardAuth: { authResponseHeaders: [..., Cookie, Authorization] }   # if, and only if, doorward.yaml has forward_auth: { strip_credentials: true }",
        ),
        Topic::Exposed(path) => {
            (TRAEFIK, format!("routers: no rule that leads {path} to the service doorward"))
        }
        _ => fixed(TRAEFIK, ""),
    }
}

fn nginx(topic: &Topic<'_>) -> String {
    match topic {
        Topic::NotAsked => "auth_request /.doorward;   # in the server, and no `auth_request off` in this location".into(),
        Topic::BadQuestion => "location = /.doorward { internal; auth_request off; proxy_pass http://doorward/auth/nginx; proxy_set_header X-Original-URL $scheme://$http_host$request_uri; proxy_set_header X-Original-Method $request_method; }\n\
             error_page 401 403 = @doorward;".into(),
        Topic::HeadersHidden => "location = /.doorward { ... }   # no `proxy_pass_request_headers off`".into(),
        Topic::Address => "proxy_set_header X-Original-URL $scheme://$http_host$request_uri;   # never $uri; in /.doorward and in @doorward".into(),
        Topic::PlainHttp => "server { listen 80; return 308 https://$host$request_uri; }".into(),
        Topic::BasePath(base) => format!("location ^~ {base}/ {{ auth_request off; proxy_pass http://doorward; proxy_set_header Host $http_host; }}"),
        Topic::Cookies => format!("location ^~ /rbac/ {{ ... }}   # no {}", "proxy_cookie_path, proxy_cookie_domain, proxy_cookie_flags, proxy_hide_header Set-Cookie"),
        Topic::ForwardedHeaders => "proxy_set_header X-Original-URL $scheme://$http_host$request_uri;   # and not out of $http_x_forwarded_*".into(),
        Topic::IdentityHeaders(names) => {
            let lines = names.split(", ").map(|name| {
                let variable = name.to_lowercase().replace('-', "_");
                format!("auth_request_set $doorward_{variable} $upstream_http_{variable}; proxy_set_header {name} $doorward_{variable};")
            });
            lines.chain(["# a location with a proxy_set_header of its own needs all of them again".into()]).collect::<Vec<_>>().join("\n")
        }
        Topic::Aliases => "underscores_in_headers off; ignore_invalid_headers on;".into(),
        Topic::Credentials => "proxy_set_header Cookie $doorward_cookie; proxy_set_header Authorization \"\";   # if, and only if, doorward.yaml has forward_auth: { strip_credentials: true }".into(),
        Topic::Exposed(path) => format!("no location whose proxy_pass leads {path} to doorward; /.doorward is `internal`"),
        _ => String::new(),
    }
}

fn caddy(topic: &Topic<'_>) -> String {
    match topic {
        Topic::NotAsked => "import doorward   # in the service's handle, before its reverse_proxy".into(),
        Topic::BadQuestion => "forward_auth DOORWARD:8000 { uri /auth }".into(),
        Topic::HeadersHidden => "forward_auth { ... }   # no `header_up -NAME` in it".into(),
        Topic::Address => "import doorward   # before uri strip_prefix, rewrite and handle_path".into(),
        Topic::PlainHttp => "https://HOST { ... }   # Caddy redirects http by itself; behind a load balancer: servers { trusted_proxies static ITS_ADDRESS }".into(),
        Topic::BasePath(base) => format!("@doorward expression `{{http.request.orig_uri}}.matches(\"^{base}(/|[?]|$)\")`\nhandle @doorward {{ reverse_proxy DOORWARD:8000 }}"),
        Topic::Cookies => "handle @doorward { reverse_proxy DOORWARD:8000 }   # no `header` that changes Set-Cookie".into(),
        Topic::ForwardedHeaders => "servers { }   # no trusted_proxies, or the load balancer's addresses alone".into(),
        Topic::IdentityHeaders(names) => format!("copy_headers {} ...   # all eight; and Caddy 2.11.4 or newer", names.replace(',', "")),
        Topic::Aliases => "Caddy 2.11.4 or newer drops them".into(),
        Topic::Credentials => "copy_headers Cookie Authorization   # if, and only if, doorward.yaml has forward_auth: { strip_credentials: true }".into(),
        Topic::Exposed(path) => format!("no handle that leads {path} to Doorward; its matcher looks at {{http.request.orig_uri}}"),
        _ => String::new(),
    }
}

fn envoy(topic: &Topic<'_>) -> String {
    match topic {
        Topic::NotAsked => "no `ExtAuthzPerRoute: disabled` on the service's route; envoy.filters.http.ext_authz stands before the router filter".into(),
        Topic::BadQuestion => "http_service: { server_uri: { uri: \"http://DOORWARD:8000\", cluster: doorward, timeout: 5s }, path_prefix: /auth/envoy }".into(),
        Topic::HeadersHidden => "allowed_headers: { patterns: [{ safe_regex: { regex: \".*\" } }] }".into(),
        Topic::Address => "no prefix_rewrite, regex_rewrite or host_rewrite before ext_authz; use_remote_address: true".into(),
        Topic::PlainHttp => "redirect: { https_redirect: true }   # on the listener of port 80; behind a load balancer: xff_num_trusted_hops".into(),
        Topic::BasePath(base) => format!("- match: {{ prefix: {base}/ }}\n  route: {{ cluster: doorward }}\n  typed_per_filter_config: *open   # ExtAuthzPerRoute, disabled"),
        Topic::Cookies => "no response_headers_to_remove or rewrite of Set-Cookie on Doorward's route".into(),
        Topic::ForwardedHeaders => "use_remote_address: true".into(),
        Topic::IdentityHeaders(names) => {
            let lines = names.split(", ").map(|name| {
                let name = name.to_lowercase();
                format!("early_header_mutation: - remove: {name}     allowed_upstream_headers: - {{ exact: {name} }}")
            });
            lines.collect::<Vec<_>>().join("\n")
        }
        Topic::Aliases => "common_http_protocol_options: { headers_with_underscores_action: REJECT_REQUEST }".into(),
        Topic::Credentials => "allowed_upstream_headers: - { exact: cookie }   # and doorward.yaml: forward_auth: { strip_credentials: true }".into(),
        Topic::Exposed(path) => format!("no route that leads {path} to the cluster doorward"),
        _ => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_proxy_has_a_line_for_everything_and_so_has_one_that_nobody_knows() {
        let topics = [
            Topic::NotAsked,
            Topic::BadQuestion,
            Topic::Policy,
            Topic::TrustedProxies,
            Topic::HeadersHidden,
            Topic::Address,
            Topic::ExternalUrl("https://a"),
            Topic::PlainHttp,
            Topic::ReturnHost("a.example.com"),
            Topic::BasePath("/rbac"),
            Topic::Cookies,
            Topic::ForwardedHeaders,
            Topic::IdentityHeaders("X-Auth-Roles, X-User-Id"),
            Topic::Aliases,
            Topic::Credentials,
            Topic::Exposed("/auth"),
            Topic::Other("the provider", "the line", "docs/keycloak.md"),
        ];
        for topic in &topics {
            for proxy in [None].into_iter().chain(Proxy::value_variants().iter().copied().map(Some)) {
                let change = change(proxy, topic);
                assert!(
                    !change.place.is_empty() && !change.lines.is_empty() && !change.lines.starts_with(" (")
                );
                let page = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join(change.page);
                assert!(page.exists(), "{} is not there", change.page);
            }
        }
    }

    #[test]
    fn files_that_are_named_exist() {
        for place in [TRAEFIK, TRAEFIK_STATIC, NGINX, CADDY, ENVOY] {
            let file = place.split(['(', ')']).nth(1).unwrap();
            assert!(std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join(file).exists(), "{file}");
        }
    }
}
