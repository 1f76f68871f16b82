//! The policy as written, in either of its two forms, with the place of everything.

use super::fault::{At, Faults, Place};
use super::fields::{Fields, shown, texts};
use super::names;
use super::pattern::{HostPattern, Pattern};
use super::services::{prefix, service};
use super::target::Host;
use super::trial::Trial;
use super::yaml::{Node, Value};

/// Who a rule lets through.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Access {
    Public,
    Authenticated,
    /// Any of these.
    Roles(Vec<String>),
    Permission(String),
}

#[derive(Debug, Default)]
pub(super) struct Document {
    /// `default: authenticated`.
    pub(super) default_authenticated: bool,
    /// The table of roles and their permissions; `None` when there is none, and then any role may be named.
    pub(super) roles: Option<Vec<(At<String>, Vec<String>)>>,
    pub(super) assign: Vec<Assign>,
    pub(super) public: Vec<At<Pattern>>,
    pub(super) services: Vec<Service>,
    /// The rules of the short form: prefix and access.
    pub(super) short: Vec<(At<Pattern>, Access)>,
    pub(super) tests: Vec<Trial>,
}

/// One entry of `assign`.
#[derive(Debug)]
pub(super) struct Assign {
    pub(super) role: At<String>,
    pub(super) to: Holder,
    pub(super) provider: Option<At<String>>,
}

/// Who gets an assigned role. E-mails and domains in lower case.
#[derive(Debug)]
pub(super) enum Holder {
    Email(String),
    Domain(String),
    Group(String),
}

#[derive(Debug)]
pub(super) struct Service {
    pub(super) name: At<String>,
    /// Empty: every host.
    pub(super) hosts: Vec<At<HostPattern>>,
    pub(super) prefix: Pattern,
    pub(super) access: Option<At<Access>>,
    pub(super) endpoints: Vec<Endpoint>,
    pub(super) settings: Settings,
}

/// What a service says beside its rules.
#[derive(Debug, Default)]
pub(super) struct Settings {
    pub(super) shadow: bool,
    pub(super) preflight: bool,
    pub(super) passthrough: bool,
    pub(super) audiences: Vec<String>,
    pub(super) openapi: Option<At<String>>,
    pub(super) opaque: Option<Place>,
    /// Canonical origins that may open a WebSocket; empty: not checked.
    pub(super) origins: Vec<String>,
}

impl Settings {
    /// Whether two services treat a request alike that no rule of theirs covers.
    pub(super) fn agree(&self, other: &Self) -> bool {
        self.shadow == other.shadow
            && self.preflight == other.preflight
            && self.passthrough == other.passthrough
            && self.audiences == other.audiences
            && self.origins == other.origins
    }
}

#[derive(Debug)]
pub(super) struct Endpoint {
    pub(super) path: At<Pattern>,
    /// As written, for the rule's name.
    pub(super) written: String,
    pub(super) methods: Vec<String>,
    pub(super) access: Access,
}

const ROOT: [&str; 7] = ["version", "default", "roles", "assign", "public", "services", "tests"];
const ASSIGN: [&str; 5] = ["role", "email", "email_domain", "group", "provider"];

/// Reads either form: one whose keys are all paths is the short one.
pub(super) fn read(root: &Node, faults: &mut Faults) -> Document {
    match &root.value {
        Value::Map(map) if !map.is_empty() && map.iter().all(|(key, _)| key.value.starts_with('/')) => {
            Document {
                short: map.iter().filter_map(|(key, roles)| short(key, roles, faults)).collect(),
                ..Document::default()
            }
        }
        Value::Map(map) if map.is_empty() => {
            faults.add(
                root.place,
                "the policy says nothing",
                "write at least 'default: deny' or 'default: authenticated'",
            );
            Document::default()
        }
        _ => full(root, faults),
    }
}

fn short(key: &At<String>, roles: &Node, faults: &mut Faults) -> Option<(At<Pattern>, Access)> {
    let pattern = prefix(&At { value: &key.value, place: key.place }, faults);
    let access = match &roles.value {
        Value::Null => Access::Public,
        Value::List(list) if list.is_empty() => Access::Public,
        Value::List(list) if matches!(list.as_slice(), [Node { value: Value::Text(word), .. }] if word == "public") => {
            Access::Public
        }
        _ => Access::Roles(role_names(texts(roles, &shown(&key.value), key.place, faults), faults)),
    };
    Some((At { value: pattern?, place: key.place }, access))
}

fn full(root: &Node, faults: &mut Faults) -> Document {
    let Some(fields) = Fields::of(root, "the policy", &ROOT, faults) else { return Document::default() };
    if let Some(version) = fields.text("version", faults)
        && version.value != "1"
    {
        faults.add(version.place, "this version of the grammar is not known", "write 'version: 1'");
    }
    let default = fields.word("default", &["deny", "authenticated"], faults);
    let has_roles = fields.get("roles").is_some();
    let roles =
        fields.map("roles", faults).iter().filter_map(|(name, node)| role(name, node, faults)).collect();
    let public = fields.texts("public", faults).unwrap_or_default();
    Document {
        default_authenticated: default == Some("authenticated"),
        roles: has_roles.then_some(roles),
        assign: fields.list("assign", faults).iter().filter_map(|node| assign(node, faults)).collect(),
        public: public
            .iter()
            .filter_map(|text| Some(At { value: prefix(text, faults)?, place: text.place }))
            .collect(),
        services: fields
            .map("services", faults)
            .iter()
            .filter_map(|(name, node)| service(name, node, faults))
            .collect(),
        short: Vec::new(),
        tests: fields.list("tests", faults).iter().filter_map(|node| Trial::read(node, faults)).collect(),
    }
}

fn role(name: &At<String>, node: &Node, faults: &mut Faults) -> Option<(At<String>, Vec<String>)> {
    // A role without permissions is a role all the same.
    let permissions = match &node.value {
        Value::Null => Vec::new(),
        Value::List(list) if list.is_empty() => Vec::new(),
        _ => texts(node, &shown(&name.value), name.place, faults),
    };
    let permissions = permissions
        .into_iter()
        .filter(|permission| permission.value == "*" || permission_name(permission, faults))
        .map(|permission| permission.value.to_owned())
        .collect();
    role_name(&At { value: &name.value, place: name.place }, faults)?;
    Some((name.clone(), permissions))
}

pub(super) fn permission_name(permission: &At<&str>, faults: &mut Faults) -> bool {
    let fine = names::is_header_word(permission.value) && !permission.value.contains('*');
    if !fine {
        let problem = format!("'{}' cannot name a permission", shown(permission.value));
        faults.add(
            permission.place,
            problem,
            "use ASCII letters, digits and '-._:/'; '*' alone stands for all",
        );
    }
    fine
}

fn role_name<'n>(name: &At<&'n str>, faults: &mut Faults) -> Option<&'n str> {
    if names::is_built_in(name.value) {
        let advice =
            "write 'public: true' or 'authenticated: true' instead of 'roles', or choose another name";
        faults.add(name.place, format!("'{}' is a built-in word and no role", name.value), advice);
        return None;
    }
    if !names::is_role(name.value) {
        let problem = format!("'{}' cannot name a role", shown(name.value));
        faults.add(
            name.place,
            problem,
            "use ASCII letters, digits and '-._:/', without spaces, commas and quotes",
        );
        return None;
    }
    Some(name.value)
}

pub(super) fn role_names(names: Vec<At<&str>>, faults: &mut Faults) -> Vec<String> {
    let mut roles: Vec<String> =
        names.iter().filter_map(|name| role_name(name, faults)).map(str::to_owned).collect();
    roles.sort();
    roles.dedup();
    roles
}

fn assign(node: &Node, faults: &mut Faults) -> Option<Assign> {
    let fields = Fields::of(node, "an assignment", &ASSIGN, faults)?;
    let role = fields.text("role", faults);
    let email = fields.text("email", faults).map(|text| (text.place, email(text.value).map(Holder::Email)));
    let domain = fields.text("email_domain", faults).map(|text| {
        let name =
            text.value.strip_prefix('@').map_or_else(|| Host::parse(text.value.as_bytes()).ok(), |_| None);
        (text.place, name.map(|host| Holder::Domain(host.as_str().to_owned())))
    });
    let group =
        fields.text("group", faults).map(|text| (text.place, Some(Holder::Group(text.value.to_owned()))));
    let provider = fields.text("provider", faults);
    let Some(role) = role else {
        if fields.get("role").is_none() {
            faults.add(fields.place, "an assignment without a role", "write 'role: name'");
        }
        return None;
    };
    let role = At { value: role_name(&role, faults)?.to_owned(), place: role.place };
    let mut holders = [email, domain, group].into_iter().flatten();
    let (Some((place, holder)), None) = (holders.next(), holders.next()) else {
        faults.add(
            fields.place,
            "an assignment names one kind of holder",
            "write one of: email, email_domain, group",
        );
        return None;
    };
    let Some(to) = holder else {
        faults.add(
            place,
            "this is no e-mail address or domain",
            "write 'email: ada@example.com' or 'email_domain: example.com'",
        );
        return None;
    };
    let provider = provider.map(|text| At { value: text.value.to_owned(), place: text.place });
    Some(Assign { role, to, provider })
}

/// An e-mail in the form that is compared: lower-case, with exactly one `@` and something on both sides.
pub(super) fn email(text: &str) -> Option<String> {
    let (local, domain) = text.split_once('@')?;
    let fine = !local.is_empty()
        && !domain.is_empty()
        && !domain.contains('@')
        && !text.chars().any(|letter| letter.is_control() || letter.is_whitespace());
    fine.then(|| text.to_lowercase())
}
