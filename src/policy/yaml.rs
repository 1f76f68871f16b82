//! YAML as a tree in which every key and value knows its place, so that every fault can name it.
//!
//! Read from the parser's events and not through serde: serde stops at the first fault, reads a key without a
//! value as an absent one, and has no places for keys. Only plain data is taken: no anchors, aliases, tags or
//! second documents, none of which a policy needs and each of which can hide what a reviewer reads.

use serde_saphyr::granit_parser::{Event, Marker, Parser, ScalarStyle, ScanError};

use super::fault::{At, Faults, Place};

/// The largest file, in bytes: some hundred thousand rules.
pub(super) const MAX_BYTES: usize = 16 * 1024 * 1024;
/// The deepest nesting; the grammar needs six.
const MAX_DEPTH: usize = 16;
/// How deep an outline goes: a server's variable of one operation of an OpenAPI description.
const OUTLINE_DEPTH: usize = 8;

#[derive(Debug)]
pub(super) struct Node {
    pub(super) place: Place,
    pub(super) value: Value,
}

#[derive(Debug)]
pub(super) enum Value {
    /// Nothing after the colon, `~` or `null`.
    Null,
    Text(String),
    /// Plain `true` or `false`.
    Bool(bool),
    List(Vec<Node>),
    Map(Vec<(At<String>, Node)>),
}

impl Node {
    /// The value of a key, if this is a map that has it.
    pub(super) fn get(&self, name: &str) -> Option<&Self> {
        let Value::Map(map) = &self.value else { return None };
        map.iter().find(|(key, _)| key.value == name).map(|(_, node)| node)
    }

    pub(super) fn text(&self) -> Option<&str> {
        let Value::Text(text) = &self.value else { return None };
        Some(text)
    }

    /// What a person would call it.
    pub(super) const fn kind(&self) -> &'static str {
        match self.value {
            Value::Null => "nothing",
            Value::Text(_) => "a text",
            Value::Bool(_) => "true or false",
            Value::List(_) => "a list",
            Value::Map(_) => "a map",
        }
    }
}

/// The one document of `text`, or `None` with the faults told. An empty file is a fault.
pub(super) fn parse(text: &str, faults: &mut Faults) -> Option<Node> {
    let advice = "write at least 'default: deny' or 'default: authenticated'";
    read(text, false, advice, faults)
}

/// The upper levels of somebody else's file, YAML or JSON. What lies deeper is nothing here; so is an alias, which
/// is never followed, and anchors and tags say nothing.
pub(super) fn outline(text: &str, faults: &mut Faults) -> Option<Node> {
    read(text, true, "write the description, or name another file", faults)
}

fn read(text: &str, outline: bool, if_empty: &str, faults: &mut Faults) -> Option<Node> {
    if text.len() > MAX_BYTES {
        faults.add(Place::default(), "the file is over 16 MiB", "split it");
        return None;
    }
    let mut events = Events { parser: Parser::new_from_str(text), outline, faults };
    match events.document() {
        Ok(Some(node)) => Some(node),
        Ok(None) => {
            events.faults.add(Place { line: 1, column: 1 }, "the file is empty", if_empty);
            None
        }
        Err(Stop::Told) => None,
        Err(Stop::Syntax(error)) => {
            let problem = format!("this is not YAML: {}", error.info());
            events.faults.add(place(error.marker()), problem, "check quotes, colons and indentation here");
            None
        }
    }
}

fn place(marker: &Marker) -> Place {
    let number = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
    Place { line: number(marker.line()), column: number(marker.col().saturating_add(1)) }
}

enum Stop {
    Syntax(Box<ScanError>),
    /// The fault is already in the list.
    Told,
}

struct Events<'t, 'f> {
    parser: Parser<'t, serde_saphyr::granit_parser::StrInput<'t>>,
    outline: bool,
    faults: &'f mut Faults,
}

impl<'t> Events<'t, '_> {
    fn next(&mut self) -> Result<Option<(Event<'t>, Place)>, Stop> {
        loop {
            match self.parser.next() {
                None => return Ok(None),
                Some(Err(error)) => return Err(Stop::Syntax(Box::new(error))),
                Some(Ok((Event::Comment(..), _))) => {}
                Some(Ok((event, span))) => return Ok(Some((event, place(&span.start)))),
            }
        }
    }

    fn document(&mut self) -> Result<Option<Node>, Stop> {
        let mut found = None;
        while let Some((event, place)) = self.next()? {
            match event {
                Event::StreamStart | Event::StreamEnd | Event::DocumentStart(..) | Event::DocumentEnd => {}
                _ if found.is_some() => {
                    return self.stop(place, "a second document in the file", "keep one, without '---'");
                }
                event => found = Some(self.node(event, place, 0)?),
            }
        }
        // A document of comments alone comes as one empty value.
        Ok(found.filter(|node| !matches!(node.value, Value::Null)))
    }

    fn node(&mut self, event: Event<'t>, place: Place, depth: usize) -> Result<Node, Stop> {
        if self.outline && (depth > OUTLINE_DEPTH || matches!(event, Event::Alias(_))) {
            self.skip(&event)?;
            return Ok(Node { place, value: Value::Null });
        }
        if depth > MAX_DEPTH {
            return self.stop(place, "too many levels of nesting", "see the grammar in docs/policy.md");
        }
        self.plain_data_only(&event, place)?;
        let value = match event {
            Event::Scalar(text, style, ..) => scalar(&text, style == ScalarStyle::Plain),
            Event::SequenceStart(..) => {
                let mut list = Vec::new();
                while let Some((event, place)) = self.next()? {
                    if matches!(event, Event::SequenceEnd) {
                        break;
                    }
                    list.push(self.node(event, place, depth + 1)?);
                }
                Value::List(list)
            }
            Event::MappingStart(..) => self.map(depth)?,
            _ => return self.stop(place, "something that is no value", "write a text, a list or a map"),
        };
        Ok(Node { place, value })
    }

    /// Passes over what `event` begins, however deep it goes.
    fn skip(&mut self, event: &Event<'t>) -> Result<(), Stop> {
        let change = |event: &Event<'t>| match event {
            Event::SequenceStart(..) | Event::MappingStart(..) => 1_i64,
            Event::SequenceEnd | Event::MappingEnd => -1,
            _ => 0,
        };
        let mut open = change(event);
        while open > 0 {
            let Some((event, _)) = self.next()? else { break };
            open += change(&event);
        }
        Ok(())
    }

    fn map(&mut self, depth: usize) -> Result<Value, Stop> {
        let mut map: Vec<(At<String>, Node)> = Vec::new();
        let mut seen: std::collections::HashMap<String, Place> = std::collections::HashMap::new();
        while let Some((event, place)) = self.next()? {
            if matches!(event, Event::MappingEnd) {
                break;
            }
            self.plain_data_only(&event, place)?;
            let Event::Scalar(key, ..) = event else {
                return self.stop(place, "a key that is no plain text", "write 'key: value'");
            };
            let key = key.into_owned();
            let Some((event, value_place)) = self.next()? else { break };
            let value = self.node(event, value_place, depth + 1)?;
            if let Some(first) = seen.get(&key) {
                let problem = format!("'{key}' is there twice (first in line {})", first.line);
                self.faults.add(place, problem, "keep one of the two");
                continue;
            }
            seen.insert(key.clone(), place);
            map.push((At { value: key, place }, value));
        }
        Ok(Value::Map(map))
    }

    fn plain_data_only(&mut self, event: &Event<'t>, place: Place) -> Result<(), Stop> {
        if self.outline {
            return Ok(());
        }
        let (anchor, tagged) = match event {
            Event::Scalar(_, _, anchor, tag) => (*anchor, tag.is_some()),
            Event::SequenceStart(_, anchor, tag) | Event::MappingStart(_, anchor, tag) => {
                (*anchor, tag.is_some())
            }
            Event::Alias(_) => (1, false),
            _ => (0, false),
        };
        if anchor != 0 {
            return self.stop(
                place,
                "anchors and aliases ('&', '*') are not read",
                "write the value out, or quote it",
            );
        }
        if tagged {
            return self.stop(place, "tags ('!') are not read", "leave it out, or quote the value");
        }
        Ok(())
    }

    fn stop<T>(&mut self, place: Place, problem: &str, instead: &str) -> Result<T, Stop> {
        self.faults.add(place, problem, instead);
        Err(Stop::Told)
    }
}

fn scalar(text: &str, plain: bool) -> Value {
    match text {
        "" | "~" | "null" | "Null" | "NULL" if plain => Value::Null,
        "true" if plain => Value::Bool(true),
        "false" if plain => Value::Bool(false),
        text => Value::Text(text.to_owned()),
    }
}
