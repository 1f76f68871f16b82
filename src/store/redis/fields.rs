//! Records as hashes of fields, signed.

use std::collections::HashMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD;

use super::super::record_keys::{RecordKeys, Signed};
use super::super::{Result, StoreError};
use crate::clock::Timestamp;

/// The field that holds the signature.
pub(super) const MAC: &str = "mac";

/// What stands in a hash.
pub(super) struct Fields {
    /// The key it was read from, or will be written to: a record signed under one key is none under another.
    key: String,
    all: HashMap<String, Vec<u8>>,
}

impl Fields {
    /// `None` when there is no such key.
    pub(super) fn read(key: String, all: HashMap<String, Vec<u8>>) -> Option<Self> {
        (!all.is_empty()).then_some(Self { key, all })
    }

    pub(super) fn new(key: String) -> Self {
        Self { key, all: HashMap::new() }
    }

    pub(super) fn put(&mut self, name: &str, value: impl Into<Vec<u8>>) {
        self.all.insert(name.to_owned(), value.into());
    }

    pub(super) fn put_some(&mut self, name: &str, value: Option<impl Into<Vec<u8>>>) {
        if let Some(value) = value {
            self.put(name, value);
        }
    }

    pub(super) fn put_time(&mut self, name: &str, at: Timestamp) {
        self.put(name, at.millis().to_string());
    }

    pub(super) fn has(&self, name: &str) -> bool {
        self.all.contains_key(name)
    }

    pub(super) fn bytes(&self, name: &str) -> Option<&[u8]> {
        self.all.get(name).map(Vec::as_slice)
    }

    pub(super) fn text(&self, name: &str) -> Result<Option<&str>> {
        let Some(bytes) = self.bytes(name) else { return Ok(None) };
        std::str::from_utf8(bytes).map(Some).map_err(|_| self.corrupt(name))
    }

    pub(super) fn owned(&self, name: &str) -> Result<Option<String>> {
        Ok(self.text(name)?.map(str::to_owned))
    }

    pub(super) fn need(&self, name: &str) -> Result<String> {
        self.owned(name)?.ok_or_else(|| self.corrupt(name))
    }

    pub(super) fn time(&self, name: &str) -> Result<Timestamp> {
        let millis = self.text(name)?.and_then(|text| text.parse().ok());
        millis.map(Timestamp::from_millis).ok_or_else(|| self.corrupt(name))
    }

    /// The kind of record and the field that is wrong; never what stands in it.
    pub(super) fn corrupt(&self, what: &str) -> StoreError {
        let kind = self.key.rsplit_once("}:").map_or(self.key.as_str(), |(_, name)| name);
        let kind = kind.split_once(':').map_or("record", |(kind, _)| kind);
        StoreError::Corrupt(format!("`{what}` of a {kind} in Redis"))
    }

    fn parts<'a>(&'a self, names: &[&'a str]) -> Vec<Option<&'a [u8]>> {
        let mut parts = vec![Some(self.key.as_bytes())];
        for name in names {
            parts.push(Some(name.as_bytes()));
            parts.push(self.bytes(name));
        }
        parts
    }

    /// Signs the fields of these names, present or not, together with the key.
    ///
    /// # Errors
    /// When there is no key to sign with.
    pub(super) fn sign(&mut self, names: &[&str], keys: &RecordKeys) -> Result<()> {
        let mac = keys.sign(&self.parts(names));
        let mac =
            mac.ok_or_else(|| StoreError::Unavailable("there is no key to sign records with".into()))?;
        self.put(MAC, STANDARD_NO_PAD.encode(mac));
        Ok(())
    }

    /// # Errors
    /// [`StoreError::Corrupt`] when the signature is missing or of something else.
    pub(super) fn verify(&self, names: &[&str], keys: &RecordKeys) -> Result<Signed> {
        let mac = self.bytes(MAC).and_then(|mac| STANDARD_NO_PAD.decode(mac).ok());
        mac.and_then(|mac| keys.verify(&self.parts(names), &mac)).ok_or_else(|| self.corrupt(MAC))
    }

    /// Names and values, as a script wants them.
    pub(super) fn pairs(&self) -> Vec<Vec<u8>> {
        self.all.iter().flat_map(|(name, value)| [name.clone().into_bytes(), value.clone()]).collect()
    }
}
