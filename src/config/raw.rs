//! The YAML file as written: read into a tree that knows its lines, then held against the list of keys.
//!
//! A derived `Deserialize` with `deny_unknown_fields` would stop at the first stranger; people who write a file are
//! better served by all of them at once.

use std::fmt;
use std::path::Path;

use serde::de::{Deserialize, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_saphyr::{Options, Spanned};

use super::fault::{Fault, Faults, did_you_mean};
use super::keys::{ISSUER, Key, PROVIDER, SECTIONS, Shape, dotted};
use super::table::{Table, Value};

/// A node of the file, with the line it begins on.
struct Node {
    line: u64,
    kind: Kind,
}

enum Kind {
    Null,
    Flag(bool),
    Whole(i64),
    Fraction,
    Text(String),
    List(Vec<Node>),
    Map(Vec<(String, Node)>),
}

impl<'de> Deserialize<'de> for Node {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let spanned = Spanned::<Kind>::deserialize(deserializer)?;
        Ok(Self { line: spanned.referenced.line(), kind: spanned.value })
    }
}

impl<'de> Deserialize<'de> for Kind {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Any;
        impl<'de> Visitor<'de> for Any {
            type Value = Kind;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a value")
            }
            fn visit_unit<E: Error>(self) -> Result<Kind, E> {
                Ok(Kind::Null)
            }
            fn visit_bool<E: Error>(self, flag: bool) -> Result<Kind, E> {
                Ok(Kind::Flag(flag))
            }
            fn visit_i64<E: Error>(self, number: i64) -> Result<Kind, E> {
                Ok(Kind::Whole(number))
            }
            fn visit_u64<E: Error>(self, number: u64) -> Result<Kind, E> {
                Ok(i64::try_from(number).map_or(Kind::Fraction, Kind::Whole))
            }
            fn visit_i128<E: Error>(self, _: i128) -> Result<Kind, E> {
                Ok(Kind::Fraction)
            }
            fn visit_u128<E: Error>(self, _: u128) -> Result<Kind, E> {
                Ok(Kind::Fraction)
            }
            fn visit_f64<E: Error>(self, _: f64) -> Result<Kind, E> {
                Ok(Kind::Fraction)
            }
            fn visit_str<E: Error>(self, text: &str) -> Result<Kind, E> {
                Ok(Kind::Text(text.to_owned()))
            }
            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Kind, A::Error> {
                let mut nodes = Vec::new();
                while let Some(node) = seq.next_element()? {
                    nodes.push(node);
                }
                Ok(Kind::List(nodes))
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Kind, A::Error> {
                let mut entries = Vec::new();
                while let Some(key) = map.next_key::<Spanned<String>>()? {
                    let value: Node = map.next_value()?;
                    // The key's line: a block value begins on the line after it.
                    let node = Node { line: key.referenced.line(), kind: value.kind };
                    entries.push((key.value, node));
                }
                Ok(Kind::Map(entries))
            }
        }
        deserializer.deserialize_any(Any)
    }
}

/// What the file sets: one table a section, in the order of [`SECTIONS`], one a provider and one an issuer.
pub(super) struct Raw {
    pub(super) sections: Vec<Table>,
    pub(super) providers: Vec<Table>,
    pub(super) issuers: Vec<Table>,
}

impl Raw {
    /// Nothing set.
    pub(super) fn empty() -> Self {
        Self {
            sections: SECTIONS.iter().map(|(name, _)| Table::new(name)).collect(),
            providers: Vec::new(),
            issuers: Vec::new(),
        }
    }

    /// Whether there is nothing to do with these settings: nobody can sign in or bring a token, and no path is
    /// decided otherwise.
    pub(super) fn is_idle(&mut self) -> bool {
        let decides = self.section("policy").is_some_and(|table| !table.is_empty());
        self.providers.is_empty() && self.issuers.is_empty() && !decides
    }

    /// Whether Redis is the store: then there are API tokens to check, made here or by other programs.
    pub(super) fn has_redis(&mut self) -> bool {
        self.section("store").and_then(|table| table.text("url")).is_some_and(|url| url.starts_with("redis"))
    }

    /// The table of a section.
    pub(super) fn section(&mut self, name: &str) -> Option<&mut Table> {
        self.sections.iter_mut().find(|table| table.path == name)
    }

    /// Reads `text`, which stood in `file`. What is wrong in it goes to `faults`; the rest is still returned, so that
    /// it is checked as well.
    pub(super) fn parse(file: &Path, text: &str, faults: &mut Faults) -> Self {
        let mut raw = Self::empty();
        let reader = Reader { file };
        // A snippet would quote the lines around a mistake, and with them a secret. Strict booleans are YAML 1.2's:
        // `y` and `no` are texts.
        let options = serde_saphyr::options! { with_snippet: false, strict_booleans: true };
        match parse_tree(text, options) {
            Ok(Node { kind: Kind::Map(entries), .. }) => reader.top(entries, &mut raw, faults),
            Ok(Node { kind: Kind::Null, .. }) => {}
            Ok(Node { line, .. }) => {
                let message = "must be a map of sections, such as `server:` and `providers:`";
                faults.push(Fault::new(file.display().to_string(), Some(&reader.at(line)), message));
            }
            Err(message) => faults.push(Fault::new(
                file.display().to_string(),
                None,
                format!("is not readable as YAML: {message}"),
            )),
        }
        raw
    }
}

fn parse_tree(text: &str, options: Options) -> Result<Node, String> {
    if text.trim().is_empty() {
        return Ok(Node { line: 1, kind: Kind::Null });
    }
    serde_saphyr::from_str_with_options(text, options)
        .map_err(|error| error.without_snippet().to_string().replace('\n', " "))
}

struct Reader<'a> {
    file: &'a Path,
}

impl Reader<'_> {
    /// `doorward.yaml:3`.
    fn at(&self, line: u64) -> String {
        let name = self.file.file_name().unwrap_or(self.file.as_os_str()).to_string_lossy();
        format!("{name}:{line}")
    }

    fn top(&self, entries: Vec<(String, Node)>, raw: &mut Raw, faults: &mut Faults) {
        for (name, node) in entries {
            let origin = self.at(node.line);
            if name == "providers" {
                let hint = "`- { id: google, kind: google, client_id: … }`";
                raw.providers = self.entries("providers", hint, node, PROVIDER, faults);
            } else if name == "bearer" {
                self.bearer(node, raw, faults);
            } else if let Some((_, keys)) = SECTIONS.iter().find(|(section, _)| *section == name) {
                if let Some(table) = raw.section(&name) {
                    table.origin = Some(origin);
                    self.table(node, keys, table, faults);
                    table.refuse_pairs(keys, faults);
                }
            } else if let Some((section, keys)) = SECTIONS.first()
                && let Some((key, shape)) = keys.iter().find(|(key, _)| *key == name)
                && let Some(table) = raw.section(section)
            {
                self.value(key, *shape, node, table, faults);
            } else {
                let known =
                    SECTIONS.iter().map(|(section, _)| *section).chain(["providers", "bearer", "data_dir"]);
                let home = SECTIONS.iter().find(|(_, keys)| keys.iter().any(|(key, _)| *key == name));
                let hint = home.map_or_else(
                    || did_you_mean(&name, known),
                    |(section, _)| format!("; did you mean `{}`?", dotted(section, &name)),
                );
                faults.push(Fault::new(name, Some(&origin), format!("is not a known key{hint}")));
            }
        }
    }

    /// The section that has nothing but a list in it.
    fn bearer(&self, node: Node, raw: &mut Raw, faults: &mut Faults) {
        let members = match node.kind {
            Kind::Null => return,
            Kind::Map(members) => members,
            _ => {
                let message = "must be a map: `bearer: { issuers: […] }`";
                faults.push(Fault::new("bearer", Some(&self.at(node.line)), message));
                return;
            }
        };
        for (name, node) in members {
            if name == "issuers" {
                let hint = "`- { issuer: https://login.example.com/realms/main, audiences: [api] }`";
                raw.issuers = self.entries("bearer.issuers", hint, node, ISSUER, faults);
            } else {
                let hint = did_you_mean(&name, ["issuers"]);
                let message = format!("is not a known key{hint}");
                faults.push(Fault::new(dotted("bearer", &name), Some(&self.at(node.line)), message));
            }
        }
    }

    /// The entries of a list of maps, a table each.
    fn entries(&self, list: &str, hint: &str, node: Node, keys: &[Key], faults: &mut Faults) -> Vec<Table> {
        let entries = match node.kind {
            Kind::Null => return Vec::new(),
            Kind::List(entries) => entries,
            _ => {
                let message = format!("must be a list: {hint}");
                faults.push(Fault::new(list, Some(&self.at(node.line)), message));
                return Vec::new();
            }
        };
        let mut tables = Vec::new();
        for (n, entry) in entries.into_iter().enumerate() {
            let mut table = Table::new(&name_of(list, &entry, n));
            table.origin = Some(self.at(entry.line));
            self.table(entry, keys, &mut table, faults);
            table.refuse_pairs(keys, faults);
            tables.push(table);
        }
        tables
    }

    fn table(&self, node: Node, keys: &[Key], table: &mut Table, faults: &mut Faults) {
        let entries = match node.kind {
            Kind::Null => return,
            Kind::Map(entries) => entries,
            _ => {
                let message = "must be a map of keys, such as `{ listen: 0.0.0.0:8000 }`";
                faults.push(Fault::new(table.path.clone(), Some(&self.at(node.line)), message));
                return;
            }
        };
        for (name, node) in entries {
            if let Some((key, shape)) = keys.iter().find(|(key, _)| *key == name) {
                self.value(key, *shape, node, table, faults);
            } else {
                let hint = did_you_mean(&name, keys.iter().map(|(key, _)| *key));
                let key = dotted(&table.path, &name);
                faults.push(Fault::new(key, Some(&self.at(node.line)), format!("is not a known key{hint}")));
            }
        }
    }

    fn value(&self, key: &'static str, shape: Shape, node: Node, table: &mut Table, faults: &mut Faults) {
        let origin = self.at(node.line);
        let value = self.shaped(shape, node.kind).unwrap_or_else(|message| {
            faults.push(Fault::new(dotted(&table.path, key), Some(&origin), message));
            Value::Wrong
        });
        table.set(key, value, origin);
    }

    fn shaped(&self, shape: Shape, kind: Kind) -> Result<Value, &'static str> {
        const QUOTE: &str = "must be text; put the value in quotes";
        match (shape, kind) {
            (_, Kind::Null) => Ok(Value::Null),
            (Shape::Flag, Kind::Flag(flag)) => Ok(Value::Flag(flag)),
            (Shape::Flag, _) => Err("must be `true` or `false`"),
            (Shape::List | Shape::Secrets, Kind::List(nodes)) => nodes
                .into_iter()
                .map(|node| match node.kind {
                    Kind::Text(text) => Ok(text),
                    _ => Err("must be a list of texts; put each value in quotes"),
                })
                .collect::<Result<_, _>>()
                .map(Value::List),
            (Shape::List | Shape::Secrets, _) => Err("must be a list, such as `[one, two]`"),
            (_, Kind::Text(text)) if text.trim().is_empty() => Err("is empty; set it or take it out"),
            (Shape::Path, Kind::Text(text)) => Ok(Value::Text(self.beside_file(&text))),
            (_, Kind::Text(text)) => Ok(Value::Text(text)),
            (Shape::Number, Kind::Whole(number)) => Ok(Value::Text(number.to_string())),
            (_, Kind::Flag(_) | Kind::Whole(_) | Kind::Fraction) => Err(QUOTE),
            (_, Kind::List(_) | Kind::Map(_)) => Err("must be a single value"),
        }
    }

    /// A relative path in a file starts where the file is, so that it does not matter where the program is started.
    fn beside_file(&self, path: &str) -> String {
        let folder = self.file.parent().unwrap_or(Path::new(""));
        folder.join(path).to_string_lossy().into_owned()
    }
}

/// `providers.google`, or `providers[0]` for an entry without an id.
fn name_of(list: &str, entry: &Node, n: usize) -> String {
    let Kind::Map(entries) = &entry.kind else { return format!("{list}[{n}]") };
    entries
        .iter()
        .find_map(|(key, node)| match &node.kind {
            Kind::Text(id) if key == "id" => Some(format!("{list}.{}", id.escape_debug())),
            _ => None,
        })
        .unwrap_or_else(|| format!("{list}[{n}]"))
}
