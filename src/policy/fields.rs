//! Reading a YAML map by its keys: unknown keys, wrong kinds and empty values become faults, and reading goes
//! on, so that one look at the file finds them all.

use super::fault::{At, Faults, Place, did_you_mean};
use super::yaml::{Node, Value};

/// A map of which every key is known.
#[derive(Debug)]
pub(super) struct Fields<'n> {
    pub(super) place: Place,
    entries: Vec<(&'n At<String>, &'n Node)>,
}

impl<'n> Fields<'n> {
    /// `what` names the map in faults ("a service").
    pub(super) fn of(node: &'n Node, what: &str, known: &[&str], faults: &mut Faults) -> Option<Self> {
        let keys = known.join(", ");
        let Value::Map(map) = &node.value else {
            let problem = format!("{what} is a map, and this is {}", node.kind());
            faults.add(node.place, problem, format!("write keys such as: {keys}"));
            return None;
        };
        let mut entries = Vec::new();
        for (key, value) in map {
            if known.contains(&key.value.as_str()) {
                entries.push((key, value));
            } else {
                let advice = did_you_mean(&key.value, known.iter().copied(), format!("known here: {keys}"));
                faults.add(key.place, format!("unknown key '{}' in {what}", shown(&key.value)), advice);
            }
        }
        Some(Self { place: node.place, entries })
    }

    pub(super) fn get(&self, key: &str) -> Option<(Place, &'n Node)> {
        self.entries.iter().find(|(name, _)| name.value == key).map(|(name, node)| (name.place, *node))
    }

    /// A text; nothing after the colon is a fault.
    pub(super) fn text(&self, key: &str, faults: &mut Faults) -> Option<At<&'n str>> {
        let (place, node) = self.get(key)?;
        text(node, key, place, faults)
    }

    /// `true` or nothing at all: `false` would read like a rule that it is not.
    pub(super) fn flag(&self, key: &str, faults: &mut Faults) -> bool {
        match self.get(key) {
            Some((_, Node { value: Value::Bool(true), .. })) => true,
            Some((place, _)) => {
                faults.add(
                    place,
                    format!("'{key}' can only be true"),
                    format!("write '{key}: true', or leave it out"),
                );
                false
            }
            None => false,
        }
    }

    /// One of a few words.
    pub(super) fn word(&self, key: &str, words: &[&str], faults: &mut Faults) -> Option<&'n str> {
        let text = self.text(key, faults)?;
        if words.contains(&text.value) {
            return Some(text.value);
        }
        let advice =
            did_you_mean(text.value, words.iter().copied(), format!("write one of: {}", words.join(", ")));
        faults.add(text.place, format!("'{}' is no value of '{key}'", shown(text.value)), advice);
        None
    }

    /// A list of at least one text. `None` only when the key is absent: a list with faults is an empty one.
    pub(super) fn texts(&self, key: &str, faults: &mut Faults) -> Option<Vec<At<&'n str>>> {
        let (place, node) = self.get(key)?;
        Some(texts(node, key, place, faults))
    }

    /// The entries of a list of maps.
    pub(super) fn list(&self, key: &str, faults: &mut Faults) -> &'n [Node] {
        match self.get(key) {
            None => &[],
            Some((_, Node { value: Value::List(list), .. })) if !list.is_empty() => list,
            Some((place, node)) => {
                let problem = format!("'{key}' is a list, and this is {}", emptiness(node));
                faults.add(place, problem, format!("write entries below it, or leave '{key}' out"));
                &[]
            }
        }
    }

    /// The entries of a map whose keys are names.
    pub(super) fn map(&self, key: &str, faults: &mut Faults) -> &'n [(At<String>, Node)] {
        match self.get(key) {
            None => &[],
            Some((_, Node { value: Value::Map(map), .. })) if !map.is_empty() => map,
            Some((place, node)) => {
                let problem = format!("'{key}' is a map, and this is {}", emptiness(node));
                faults.add(place, problem, format!("write 'name: …' below it, or leave '{key}' out"));
                &[]
            }
        }
    }
}

/// A list of at least one text.
pub(super) fn texts<'n>(node: &'n Node, key: &str, place: Place, faults: &mut Faults) -> Vec<At<&'n str>> {
    match &node.value {
        Value::List(list) if !list.is_empty() => {
            list.iter().filter_map(|item| text(item, key, item.place, faults)).collect()
        }
        Value::Text(one) => {
            faults.add(node.place, format!("'{key}' is a list"), format!("write '[{}]'", shown(one)));
            Vec::new()
        }
        _ => {
            let problem = format!("'{key}' is a list, and this is {}", emptiness(node));
            faults.add(place, problem, format!("name at least one, or leave '{key}' out"));
            Vec::new()
        }
    }
}

fn text<'n>(node: &'n Node, key: &str, place: Place, faults: &mut Faults) -> Option<At<&'n str>> {
    match &node.value {
        Value::Text(text) if !text.is_empty() => Some(At { value: text, place: node.place }),
        _ => {
            let problem = format!("'{key}' takes a text, and this is {}", emptiness(node));
            faults.add(place, problem, "write one, in quotes if it is a word like true or null");
            None
        }
    }
}

fn emptiness(node: &Node) -> &'static str {
    match &node.value {
        Value::List(list) if list.is_empty() => "an empty list",
        Value::Map(map) if map.is_empty() => "an empty map",
        Value::Text(text) if text.is_empty() => "an empty text",
        _ => node.kind(),
    }
}

/// Fit for a message of one line.
pub(super) fn shown(text: &str) -> String {
    text.chars().filter(|letter| !letter.is_control()).take(60).collect()
}
