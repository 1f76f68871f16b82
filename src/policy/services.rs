//! Services and their endpoints, as written.

use super::document::{Access, Endpoint, Service, Settings, permission_name, role_names};
use super::fault::{At, Faults, did_you_mean, distance};
use super::fields::{Fields, shown};
use super::names;
use super::pattern::{HostPattern, Pattern};
use super::target;
use super::yaml::Node;

const SERVICE: [&str; 14] = [
    "hosts",
    "prefix",
    "roles",
    "permission",
    "authenticated",
    "public",
    "mode",
    "preflight",
    "authorization",
    "audiences",
    "openapi",
    "paths",
    "origins",
    "endpoints",
];
const ENDPOINT: [&str; 6] = ["path", "methods", "permission", "roles", "authenticated", "public"];

pub(super) fn service(name: &At<String>, node: &Node, faults: &mut Faults) -> Option<Service> {
    if !names::is_service(&name.value) {
        let problem = format!("'{}' cannot name a service", shown(&name.value));
        faults.add(name.place, problem, "use up to 64 letters, digits and '-._'");
    }
    let fields = Fields::of(node, "a service", &SERVICE, faults)?;
    let everything = Pattern { rest: true, ..Pattern::default() };
    // A bad prefix does not hide the faults behind it.
    let own_prefix = match fields.text("prefix", faults) {
        Some(text) => prefix(&text, faults),
        None => fields.get("prefix").is_none().then(|| everything.clone()),
    };
    let prefix = own_prefix.as_ref().unwrap_or(&everything);
    let endpoints: Vec<Endpoint> =
        fields.list("endpoints", faults).iter().filter_map(|node| endpoint(node, prefix, faults)).collect();
    let access = access(&fields, faults);
    if access.is_none() && fields.get("endpoints").is_none() && !names_access(&fields) {
        let advice = "write one of: roles, permission, authenticated, public; or endpoints";
        faults.add(
            name.place,
            format!("service '{}' says nothing about who may", shown(&name.value)),
            advice,
        );
    }
    let settings = Settings {
        shadow: fields.word("mode", &["enforce", "shadow"], faults) == Some("shadow"),
        preflight: fields.flag("preflight", faults),
        passthrough: fields.word("authorization", &["check", "passthrough"], faults) == Some("passthrough"),
        audiences: owned(fields.texts("audiences", faults)),
        openapi: fields
            .text("openapi", faults)
            .map(|text| At { value: text.value.to_owned(), place: text.place }),
        opaque: (fields.word("paths", &["canonical", "opaque"], faults) == Some("opaque"))
            .then(|| fields.get("paths").map_or(name.place, |(place, _)| place)),
        origins: fields
            .texts("origins", faults)
            .unwrap_or_default()
            .iter()
            .filter_map(|text| origin_or_fault(text, faults))
            .collect(),
    };
    let hosts = hosts(&fields, faults);
    Some(Service { name: name.clone(), hosts, prefix: own_prefix?, access, endpoints, settings })
}

fn owned(texts: Option<Vec<At<&str>>>) -> Vec<String> {
    texts.unwrap_or_default().into_iter().map(|text| text.value.to_owned()).collect()
}

fn hosts(fields: &Fields<'_>, faults: &mut Faults) -> Vec<At<HostPattern>> {
    let mut hosts: Vec<At<HostPattern>> = Vec::new();
    for text in fields.texts("hosts", faults).unwrap_or_default() {
        match HostPattern::parse(text.value) {
            Ok(host) if hosts.iter().any(|other| other.value == host) => {
                faults.add(text.place, format!("host '{host}' is there twice"), "keep one of the two");
            }
            Ok(value) => hosts.push(At { value, place: text.place }),
            Err((problem, instead)) => faults.add(text.place, problem, instead),
        }
    }
    hosts
}

fn origin_or_fault(text: &At<&str>, faults: &mut Faults) -> Option<String> {
    let origin = origin(text.value);
    if origin.is_none() {
        let problem = format!("'{}' is no origin", shown(text.value));
        faults.add(
            text.place,
            problem,
            "write scheme and host (and port) only, as in 'https://app.example.com'",
        );
    }
    origin
}

/// An origin (RFC 6454 section 6.2) in one spelling: lower-case, without a default port.
pub(super) fn origin(text: &str) -> Option<String> {
    let (scheme, authority) = text.split_once("://")?;
    let web = scheme.eq_ignore_ascii_case("http") || scheme.eq_ignore_ascii_case("https");
    let target = target::Target::parse(b"GET", scheme.as_bytes(), authority.as_bytes(), b"/").ok()?;
    web.then(|| target.url().trim_end_matches('/').to_owned())
}

pub(super) fn prefix(text: &At<&str>, faults: &mut Faults) -> Option<Pattern> {
    Pattern::prefix(text.value).map_err(|(problem, instead)| faults.add(text.place, problem, instead)).ok()
}

fn endpoint(node: &Node, prefix: &Pattern, faults: &mut Faults) -> Option<Endpoint> {
    let fields = Fields::of(node, "an endpoint", &ENDPOINT, faults)?;
    let path = fields.text("path", faults);
    if fields.get("path").is_none() {
        faults.add(fields.place, "an endpoint without a path", "write 'path: /…'; '/**' is everything");
    }
    let methods = methods(&fields, faults);
    let access = access(&fields, faults);
    if access.is_none() && !names_access(&fields) {
        let advice = "write one of: roles, permission, authenticated, public";
        faults.add(fields.place, "an endpoint that does not say who may", advice);
    }
    let path = path?;
    let pattern = Pattern::endpoint(prefix, path.value)
        .map_err(|(problem, instead)| faults.add(path.place, problem, instead))
        .ok()?;
    let path_at = At { value: pattern, place: node.place };
    Some(Endpoint { path: path_at, written: path.value.to_owned(), methods, access: access?.value })
}

fn methods(fields: &Fields<'_>, faults: &mut Faults) -> Vec<String> {
    // The registered ones that services use (RFC 9110, 5789, 4918, 3253): a near miss of these is a mistake.
    const USUAL: [&str; 17] = [
        "GET",
        "HEAD",
        "POST",
        "PUT",
        "PATCH",
        "DELETE",
        "OPTIONS",
        "CONNECT",
        "TRACE",
        "PROPFIND",
        "PROPPATCH",
        "MKCOL",
        "COPY",
        "MOVE",
        "LOCK",
        "UNLOCK",
        "REPORT",
    ];
    let mut methods = Vec::new();
    for text in fields.texts("methods", faults).unwrap_or_default() {
        let upper = text.value.to_ascii_uppercase();
        let near =
            USUAL.iter().find(|usual| distance(&upper, usual) == 1 && !USUAL.contains(&upper.as_str()));
        if target::parse_method(text.value.as_bytes()).is_err() || near.is_some() {
            let advice = did_you_mean(&upper, USUAL, "write a name in upper-case letters, as in GET");
            faults.add(text.place, format!("'{}' is no method", shown(text.value)), advice);
        } else if methods.contains(&upper) {
            faults.add(text.place, format!("method {upper} is there twice"), "keep one of the two");
        } else {
            methods.push(upper);
        }
    }
    methods
}

const ACCESS: [&str; 4] = ["roles", "permission", "authenticated", "public"];

fn names_access(fields: &Fields<'_>) -> bool {
    ACCESS.iter().any(|key| fields.get(key).is_some())
}

/// What the map says about who may; `None` when it says nothing, or something with a fault.
fn access(fields: &Fields<'_>, faults: &mut Faults) -> Option<At<Access>> {
    let mut named = ACCESS.iter().filter_map(|key| Some((key, fields.get(key)?.0)));
    let (key, place) = named.next()?;
    if let Some((other, place)) = named.next() {
        let problem = format!("'{key}' and '{other}' together");
        faults.add(place, problem, "keep one; different rules for different paths are endpoints");
    }
    let access = match *key {
        "roles" => {
            let roles = role_names(fields.texts("roles", faults)?, faults);
            (!roles.is_empty()).then_some(Access::Roles(roles))
        }
        "permission" => {
            let permission = fields.text("permission", faults)?;
            permission_name(&permission, faults).then(|| Access::Permission(permission.value.to_owned()))
        }
        "authenticated" => fields.flag("authenticated", faults).then_some(Access::Authenticated),
        _ => fields.flag("public", faults).then_some(Access::Public),
    };
    Some(At { value: access?, place })
}
