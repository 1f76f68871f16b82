//! A policy file.

use doorward::policy::Policy;
use doorward::policy::decision::{Caller, Decision, Subject};
use doorward::policy::target::{Host, Target};
use serde_saphyr::granit_parser::{Event, Parser, ScalarStyle};

pub fn policy(data: &[u8]) -> bool {
    let Ok(text) = std::str::from_utf8(data) else { return false };
    let policy = match Policy::parse("p.yaml", text) {
        Ok(policy) => policy,
        Err(faults) => {
            assert!(!faults.is_empty(), "refused for nothing");
            for fault in faults {
                assert!(!fault.to_string().contains('\n'), "{fault:?} is no line");
            }
            return false;
        }
    };
    let tree = Tree::read(text).unwrap_or_else(|| panic!("another reader finds no document in it"));
    let backwards = tree.flow();
    let other = Policy::parse("p.yaml", &backwards)
        .unwrap_or_else(|faults| panic!("in another order it has faults: {backwards}\n{faults:?}"));

    let callers = callers(&policy);
    for target in requests(&tree) {
        for caller in &callers {
            let ask = |policy: &Policy| caller.ask(policy, |caller| policy.find(&target).decide(caller));
            let decision = ask(&policy);
            assert_eq!(decision, ask(&other), "{} depends on the order: {backwards}", target.url());
            let allowed = matches!(decision, Decision::Allow(_));
            let found = policy.find(&target);
            if matches!(caller, Person::Nobody) {
                let why = policy.explain(&target, Caller::Anonymous);
                assert_eq!(why.decision == "allow", allowed);
                assert_eq!(found.is_public(), allowed);
                // Whatever the default says, nobody is let in by it.
                assert!(!allowed || found.rule().is_some(), "{} is open without a rule", target.url());
            }
            assert!(
                !allowed || target.ambiguity().is_none() || found.service().is_some(),
                "{} has no one reading",
                target.url()
            );
            whole_host(&policy, caller, &target, &decision);
        }
    }
    true
}

/// Who may have all of a host may have everything on it that can be read.
fn whole_host(policy: &Policy, caller: &Person, target: &Target, decision: &Decision) {
    let all = caller.ask(policy, |caller| policy.whole_host(target.host()).decide(caller));
    if matches!(all, Decision::Allow(_)) {
        assert!(matches!(decision, Decision::Allow(_) | Decision::Unreadable), "{}", target.url());
    }
}

enum Person {
    Nobody,
    Roles(Vec<String>),
}

impl Person {
    fn ask<T>(&self, policy: &Policy, ask: impl FnOnce(Caller<'_>) -> T) -> T {
        let Self::Roles(roles) = self else { return ask(Caller::Anonymous) };
        let permissions = policy.permissions(roles);
        ask(Caller::Known(Subject { roles, permissions: &permissions, audiences: None }))
    }
}

/// Nobody, somebody, and a holder of each of a few roles.
fn callers(policy: &Policy) -> Vec<Person> {
    let roles: Vec<String> = policy.table().callers.into_iter().skip(2).take(3).collect();
    [Person::Nobody, Person::Roles(Vec::new())]
        .into_iter()
        .chain(roles.into_iter().map(|role| Person::Roles(vec![role])))
        .collect()
}

/// Requests for what the file speaks of, alone and one path behind another, and beside it.
fn requests(tree: &Tree) -> Vec<Target> {
    let mut words = Vec::new();
    tree.words(&mut words);
    let literal = |word: &str| {
        let path = word.replace("/**", "/deep/er").replace(['{', '}'], "");
        path.chars().all(|c| c.is_ascii_graphic() && !matches!(c, '?' | '#' | '%')).then_some(path)
    };
    let mut paths: Vec<String> =
        words.iter().filter(|word| word.starts_with('/')).filter_map(|word| literal(word)).take(4).collect();
    let pairs: Vec<String> =
        paths.iter().flat_map(|one| paths.iter().map(move |two| format!("{one}{two}"))).collect();
    paths.extend(pairs);
    paths.extend(["/", "/nothing/of/it", "/a%2Fb", "/a;b/c"].map(str::to_owned));
    let name = |word: &&str| Host::parse(word.trim_start_matches("*.").as_bytes()).ok();
    let mut hosts: Vec<String> = words
        .iter()
        .filter(|word| word.contains('.'))
        .filter_map(|word| name(&word.as_str()))
        .map(|host| host.to_string())
        .take(4)
        .collect();
    hosts.extend(hosts.first().map(|host| format!("below.{host}")));
    hosts.push("nowhere.test".to_owned());
    let mut all = Vec::new();
    for (n, path) in paths.iter().enumerate() {
        for host in &hosts {
            let other = ["POST", "HEAD", "OPTIONS", "PUT"].get(n % 4).copied().unwrap_or("POST");
            for method in ["GET", other] {
                all.extend(Target::parse(method.as_bytes(), b"https", host.as_bytes(), path.as_bytes()));
            }
        }
    }
    all
}

/// What the file says, without its places; every list and map can be told backwards.
enum Tree {
    /// `true`, `null` and their like, as written.
    Plain(String),
    Text(String),
    List(Vec<Self>),
    Map(Vec<(Self, Self)>),
}

impl Tree {
    fn read(text: &str) -> Option<Self> {
        let mut events: Vec<Event<'_>> = Vec::new();
        for event in Parser::new_from_str(text) {
            match event.ok()?.0 {
                Event::StreamStart | Event::StreamEnd | Event::DocumentStart(..) | Event::DocumentEnd => {}
                Event::Comment(..) => {}
                event => events.push(event),
            }
        }
        Self::node(&mut events.into_iter())
    }

    fn node<'t>(events: &mut impl Iterator<Item = Event<'t>>) -> Option<Self> {
        let event = events.next()?;
        Self::after(event, events)
    }

    fn after<'t>(event: Event<'t>, events: &mut impl Iterator<Item = Event<'t>>) -> Option<Self> {
        match event {
            Event::Scalar(text, style, ..) => {
                let word = matches!(&*text, "" | "~" | "null" | "Null" | "NULL" | "true" | "false");
                let plain = style == ScalarStyle::Plain && word;
                Some(if plain { Self::Plain(text.into_owned()) } else { Self::Text(text.into_owned()) })
            }
            Event::SequenceStart(..) => {
                let mut list = Vec::new();
                loop {
                    match events.next()? {
                        Event::SequenceEnd => return Some(Self::List(list)),
                        event => list.push(Self::after(event, events)?),
                    }
                }
            }
            Event::MappingStart(..) => {
                let mut map = Vec::new();
                loop {
                    match events.next()? {
                        Event::MappingEnd => return Some(Self::Map(map)),
                        key => map.push((Self::after(key, events)?, Self::node(events)?)),
                    }
                }
            }
            _ => None,
        }
    }

    /// Every text in it, keys among them.
    fn words<'t>(&'t self, words: &mut Vec<&'t String>) {
        match self {
            Self::Plain(_) => {}
            Self::Text(text) => words.push(text),
            Self::List(list) => list.iter().for_each(|item| item.words(words)),
            Self::Map(map) => map.iter().for_each(|(key, value)| {
                key.words(words);
                value.words(words);
            }),
        }
    }

    /// As YAML in flow style, every list and every map backwards.
    fn flow(&self) -> String {
        let joined = |parts: Vec<String>| parts.join(", ");
        match self {
            Self::Plain(word) if word.is_empty() => "null".to_owned(),
            Self::Plain(word) => word.clone(),
            Self::Text(text) => quoted(text),
            Self::List(list) => format!("[{}]", joined(list.iter().rev().map(Self::flow).collect())),
            // `? ` because keys may be longer than YAML lets others be.
            Self::Map(map) => {
                let pair = |(key, value): &(Self, Self)| format!("? {} : {}", key.name(), value.flow());
                format!("{{{}}}", joined(map.iter().rev().map(pair).collect()))
            }
        }
    }

    /// A key is a text whatever it looks like.
    fn name(&self) -> String {
        match self {
            Self::Plain(word) => quoted(word),
            other => other.flow(),
        }
    }
}

fn quoted(text: &str) -> String {
    let letter = |c: char| match c {
        ' '..='~' if !matches!(c, '"' | '\\') => c.to_string(),
        c => format!("\\U{:08X}", u32::from(c)),
    };
    format!("\"{}\"", text.chars().map(letter).collect::<String>())
}
