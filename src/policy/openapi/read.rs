//! Operations out of an OpenAPI 3 description (OpenAPI Specification 3.0, 3.1, 3.2). Only paths, methods and the
//! paths of servers are looked at.

use std::collections::HashMap;

use super::super::fault::{Faults, Place, did_you_mean};
use super::super::fields::shown;
use super::super::yaml::{Node, Value};

const METHODS: [&str; 9] = ["get", "put", "post", "delete", "options", "head", "patch", "trace", "query"];
/// What else a path item has.
const BESIDE: [&str; 6] = ["$ref", "summary", "description", "servers", "parameters", "additionalOperations"];
/// How many references lead from one path item to the next.
const MAX_HOPS: usize = 8;

/// One operation as it is described.
pub(super) struct Described {
    pub(super) method: String,
    /// With the server's path and the service's prefix; `{name}` stands for what varies.
    pub(super) path: String,
    pub(super) place: Place,
}

impl Described {
    /// The path as somebody would ask for it, with `probe` for all that varies.
    pub(super) fn uri(&self, probe: &str) -> String {
        let mut uri = String::new();
        let mut rest = self.path.as_str();
        while let Some((before, after)) = rest.split_once('{') {
            let Some((_, after)) = after.split_once('}') else { break };
            escape(before, &mut uri);
            uri.push_str(probe);
            rest = after;
        }
        escape(rest, &mut uri);
        uri
    }
}

/// Escapes what a request may not have; escapes that are there already stay.
fn escape(text: &str, uri: &mut String) {
    use std::fmt::Write as _;
    for byte in text.bytes() {
        if byte.is_ascii_graphic() && !matches!(byte, b'?' | b'#' | b'{' | b'}') {
            uri.push(char::from(byte));
        } else {
            let _ = write!(uri, "%{byte:02X}");
        }
    }
}

pub(super) fn operations(root: &Node, prefix: &str, faults: &mut Faults) -> Vec<Described> {
    match root.get("openapi").and_then(Node::text) {
        Some(version) if version.starts_with("3.") => {}
        _ => {
            let instead = "it begins with 'openapi: 3.…'; Swagger 2 has to be converted";
            faults.add(root.place, "this is no OpenAPI 3 description", instead);
            return Vec::new();
        }
    }
    let Some(Node { value: Value::Map(paths), .. }) = root.get("paths") else {
        faults.add(root.place, "the description has no paths", "write them under 'paths'");
        return Vec::new();
    };
    let mut found = Reader { root, prefix, faults, operations: Vec::new() };
    for (path, item) in paths.iter().filter(|(path, _)| !path.value.starts_with("x-")) {
        if path.value.starts_with('/') {
            found.item(&path.value, path.place, item);
        } else {
            let problem = format!("'{}' is no path", shown(&path.value));
            found.faults.add(path.place, problem, "paths begin with a slash");
        }
    }
    found.operations
}

struct Reader<'n, 'f> {
    root: &'n Node,
    prefix: &'n str,
    faults: &'f mut Faults,
    operations: Vec<Described>,
}

impl<'n> Reader<'n, '_> {
    fn item(&mut self, path: &str, place: Place, item: &'n Node) {
        let Some(entries) = self.follow(item) else {
            let problem = format!("the operations of '{}' could not be found", shown(path));
            let instead = "write them there; aliases and references to other files are not followed";
            self.faults.add(place, problem, instead);
            return;
        };
        let servers = entries.iter().find(|(key, _)| key.value == "servers").map(|(_, node)| node);
        for (key, value) in entries {
            let name = key.value.as_str();
            if METHODS.contains(&name) {
                self.operation(name.to_ascii_uppercase(), path, key.place, value, servers);
            } else if name == "additionalOperations" {
                if let Value::Map(more) = &value.value {
                    for (method, value) in more {
                        self.operation(method.value.clone(), path, method.place, value, servers);
                    }
                }
            } else if !BESIDE.contains(&name) && !name.starts_with("x-") {
                let known = METHODS.into_iter().chain(BESIDE);
                let instead = did_you_mean(name, known, "write a method in lower-case letters, as in get");
                let problem = format!("unknown key '{}' in a path", shown(name));
                self.faults.add(key.place, problem, instead);
            }
        }
    }

    fn operation(&mut self, method: String, path: &str, place: Place, value: &Node, servers: Option<&Node>) {
        let servers = value.get("servers").or(servers).or_else(|| self.root.get("servers"));
        let bases = bases(servers);
        let path = self.seen_by_the_gateway(path, &bases);
        self.operations.push(Described { method, path, place });
    }

    /// A path item's entries, wherever in the file it is kept.
    fn follow(&self, item: &'n Node) -> Option<&'n [(super::At<String>, Node)]> {
        let mut item = item;
        for _ in 0..MAX_HOPS {
            let Value::Map(entries) = &item.value else { return None };
            let Some(to) = item.get("$ref") else { return Some(entries) };
            let mut node = self.root;
            for step in to.text()?.strip_prefix("#/")?.split('/') {
                // A JSON pointer (RFC 6901).
                node = node.get(&step.replace("~1", "/").replace("~0", "~"))?;
            }
            item = node;
        }
        None
    }

    /// The path behind the server's own path if that lies within the service's prefix, else by itself if it does,
    /// else behind both.
    fn seen_by_the_gateway(&self, path: &str, bases: &[String]) -> String {
        let within = |path: &str| {
            path.strip_prefix(self.prefix).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        };
        let mut behind = bases.iter().map(|base| format!("{base}{path}"));
        let first = bases.first().map_or("", String::as_str);
        behind.find(|path| within(path)).unwrap_or_else(|| {
            if within(path) { path.to_owned() } else { format!("{}{first}{path}", self.prefix) }
        })
    }
}

/// The paths of the servers, without a slash at the end; variables have their defaults.
fn bases(servers: Option<&Node>) -> Vec<String> {
    let Some(Node { value: Value::List(servers), .. }) = servers else { return Vec::new() };
    servers.iter().filter_map(base).collect()
}

fn base(server: &Node) -> Option<String> {
    let mut url = server.get("url")?.text()?.to_owned();
    if let Some(Node { value: Value::Map(variables), .. }) = server.get("variables") {
        let defaults: HashMap<String, &str> = variables
            .iter()
            .filter_map(|(name, node)| Some((format!("{{{}}}", name.value), node.get("default")?.text()?)))
            .collect();
        for (name, default) in defaults {
            url = url.replace(&name, default);
        }
    }
    let after = url
        .split_once("://")
        .map_or(url.as_str(), |(_, rest)| rest.find('/').map_or("", |at| rest.get(at..).unwrap_or("")));
    let path = after.split(['?', '#']).next().unwrap_or_default().trim_end_matches('/');
    // Relative to where the description lies, which is not known: taken from the root.
    let path = path.trim_start_matches("./");
    Some(match path {
        "" | "." => String::new(),
        path if path.starts_with('/') => path.to_owned(),
        path => format!("/{path}"),
    })
}
