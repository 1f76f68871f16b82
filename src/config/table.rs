//! Values as written, shaped but unchecked, and where each came from.

use std::collections::BTreeMap;

use secrecy::SecretString;

use super::fault::{Fault, Faults};
use super::keys::{Key, dotted};
use super::secret;

/// A value in the shape its key asks for. No `Debug`: secrets pass through here.
pub(super) enum Value {
    /// Written as `null`: the default, except where "none" is a choice.
    Null,
    /// Written in a wrong shape, which was reported: it is not also missing.
    Wrong,
    Text(String),
    Flag(bool),
    List(Vec<String>),
}

/// A value and where it was written: `doorward.yaml:3`, or the name of a variable.
pub(super) struct Setting {
    pub(super) value: Value,
    pub(super) origin: String,
}

/// The values of one section, or of one provider.
#[derive(Default)]
pub(super) struct Table {
    /// What comes before the key in a fault: `session`, `providers.google`.
    pub(super) path: String,
    /// Where it begins, for faults about what is missing.
    pub(super) origin: Option<String>,
    values: BTreeMap<&'static str, Setting>,
}

impl Table {
    pub(super) fn new(path: &str) -> Self {
        Self { path: path.to_owned(), ..Self::default() }
    }

    pub(super) fn set(&mut self, key: &'static str, value: Value, origin: impl Into<String>) {
        self.values.insert(key, Setting { value, origin: origin.into() });
    }

    pub(super) fn is_empty(&self) -> bool {
        self.values.is_empty()
    }

    pub(super) fn get(&self, key: &str) -> Option<&Setting> {
        self.values.get(key)
    }

    /// Lets `over` win, key by key. A secret and its file are one key: setting one of them unsets the other.
    pub(super) fn overlay(&mut self, over: Self) {
        for (key, setting) in over.values {
            match key.strip_suffix("_file") {
                Some(plain) => self.values.remove(plain),
                None => self.values.remove(format!("{key}_file").as_str()),
            };
            self.values.insert(key, setting);
        }
    }

    /// A secret given both as a value and as a file in one place is a mistake, and which one is meant is a guess.
    pub(super) fn refuse_pairs(&self, keys: &[Key], faults: &mut Faults) {
        for (file, _) in keys {
            let Some(plain) = file.strip_suffix("_file") else { continue };
            if let (Some(_), Some(setting)) = (self.text(file), self.written(plain)) {
                let origin = Some(setting.origin.as_str());
                let message = format!("is set beside `{}`; keep one of the two", dotted(&self.path, file));
                faults.push(Fault::new(dotted(&self.path, plain), origin, message));
            }
        }
    }

    /// What was written for a key, be it right or wrong.
    pub(super) fn written(&self, key: &str) -> Option<&Setting> {
        self.get(key).filter(|setting| !matches!(setting.value, Value::Null))
    }

    /// Reports `message` against `key`, with the place of the key, else of the table.
    pub(super) fn fault(&self, key: &str, message: impl Into<String>, faults: &mut Faults) {
        let origin = self.get(key).map(|setting| setting.origin.as_str()).or(self.origin.as_deref());
        faults.push(Fault::new(dotted(&self.path, key), origin, message));
    }

    pub(super) fn text(&self, key: &str) -> Option<&str> {
        match &self.get(key)?.value {
            Value::Text(text) => Some(text),
            _ => None,
        }
    }

    pub(super) fn flag(&self, key: &str) -> bool {
        matches!(self.get(key), Some(Setting { value: Value::Flag(true), .. }))
    }

    pub(super) fn list(&self, key: &str) -> Option<&[String]> {
        match &self.get(key)?.value {
            Value::List(list) => Some(list),
            _ => None,
        }
    }

    /// The text made into what it stands for; `None` when it is unset, or wrong and now among the faults.
    pub(super) fn parse<T>(
        &self,
        key: &str,
        faults: &mut Faults,
        parse: impl FnOnce(&str) -> Result<T, String>,
    ) -> Option<T> {
        match parse(self.text(key)?) {
            Ok(value) => Some(value),
            Err(message) => {
                self.fault(key, message, faults);
                None
            }
        }
    }

    /// The same for every entry of a list; wrong ones are all reported.
    pub(super) fn each<T>(
        &self,
        key: &str,
        faults: &mut Faults,
        parse: impl Fn(&str) -> Result<T, String>,
    ) -> Option<Vec<T>> {
        let list = self.list(key)?.iter().filter_map(|entry| match parse(entry) {
            Ok(value) => Some(value),
            Err(message) => {
                self.fault(key, message, faults);
                None
            }
        });
        Some(list.collect())
    }

    /// A secret, from `key` or from the file that `{key}_file` names.
    pub(super) fn secret(&self, key: &str, faults: &mut Faults) -> Option<SecretString> {
        let file = format!("{key}_file");
        self.parse(&file, faults, |path| secret::read(path.as_ref()))
            .or_else(|| self.text(key).map(|text| SecretString::from(text.to_owned())))
    }
}
