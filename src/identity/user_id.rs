//! The stable id of a person, as services and the store know it.

/// The ids of all providers and issuers, the first one first.
#[derive(Clone, Debug, Default)]
pub struct UserIds(Vec<String>);

impl UserIds {
    /// `ids` in the order of the configuration, each once.
    #[must_use]
    pub fn new(ids: Vec<String>) -> Self {
        Self(ids)
    }

    /// `sub` as it stands for the first, `id/sub` for every other, so that a person has one id by browser and by
    /// bearer. `None` for a subject of the first that could be taken for another's, or for an API token.
    #[must_use]
    pub fn of(&self, id: &str, subject: &str) -> Option<String> {
        if self.0.first().is_none_or(|first| first != id) {
            return Some(format!("{id}/{subject}"));
        }
        let looks_foreign = subject
            .split_once('/')
            .is_some_and(|(front, _)| front == "token" || self.0.iter().any(|other| other == front));
        (!looks_foreign).then(|| subject.to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_gets_an_id_of_another_issuer() {
        let ids = UserIds::new(vec!["google".into(), "kc".into()]);
        assert_eq!(ids.of("google", "7").as_deref(), Some("7"));
        assert_eq!(ids.of("kc", "7").as_deref(), Some("kc/7"));
        assert_eq!(ids.of("google", "a/7").as_deref(), Some("a/7"));
        for lying in ["kc/7", "google/7", "token/7"] {
            assert_eq!(ids.of("google", lying), None);
        }
    }
}
