//! Lists: searched, filtered, sorted and paged by the store. Their whole state is in the address, so that a list can
//! be sent to somebody.

use minijinja::{Value, context};
use url::form_urlencoded::Serializer;

use super::Site;
use crate::admin::{LIST, Part};

/// Nobody turns more pages than these.
const LAST_PAGE: u64 = 1_000_000_000;

/// What of a list is asked for.
pub(super) struct List {
    address: String,
    /// What is searched for.
    pub(super) q: String,
    page: u64,
    sort: Option<&'static str>,
    first_sort: Option<&'static str>,
    /// Filters beside the search, as far as they are set.
    kept: Vec<(&'static str, String)>,
}

impl List {
    /// From the address of the request. `sorts` are the orders that there are, the first one unless asked
    /// otherwise; `filters` are the parameters beside them.
    pub(super) fn asked(
        site: &Site<'_>,
        path: &str,
        sorts: &[&'static str],
        filters: &[&'static str],
    ) -> Self {
        let first_sort = sorts.first().copied();
        let wanted = site.asked("sort").and_then(|wanted| sorts.iter().find(|sort| **sort == wanted));
        let kept = filters
            .iter()
            .filter_map(|name| Some((*name, site.asked(name).filter(|value| !value.is_empty())?.to_owned())));
        Self {
            address: site.address(path),
            q: site.asked("q").unwrap_or_default().trim().chars().take(200).collect(),
            page: site.asked("page").and_then(|page| page.parse().ok()).unwrap_or(1).clamp(1, LAST_PAGE),
            sort: wanted.copied().or(first_sort),
            first_sort,
            kept: kept.collect(),
        }
    }

    /// The order asked for.
    pub(super) const fn sort(&self) -> Option<&'static str> {
        self.sort
    }

    /// A filter's value.
    pub(super) fn filter(&self, name: &str) -> Option<&str> {
        self.kept.iter().find(|(kept, _)| *kept == name).map(|(_, value)| value.as_str())
    }

    /// The part of the list that this page shows.
    pub(super) fn part(&self) -> Part {
        Part { offset: (self.page - 1) * u64::from(LIST), limit: LIST }
    }

    /// The same part of a list that is at hand.
    pub(super) fn cut<T>(&self, all: Vec<T>) -> Vec<T> {
        let offset = usize::try_from(self.part().offset).unwrap_or(usize::MAX);
        all.into_iter().skip(offset).take(LIST as usize).collect()
    }

    /// Where to go when the page asked for is beyond the end: the last one there is.
    pub(super) fn beyond(&self, total: u64) -> Option<String> {
        (self.page > pages(total)).then(|| self.href(pages(total), self.sort, &[]))
    }

    /// This list with a filter set or (empty) not set, from its first page.
    pub(super) fn with(&self, name: &'static str, value: &str) -> String {
        self.href(1, self.sort, &[(name, value)])
    }

    fn href(&self, page: u64, sort: Option<&str>, others: &[(&'static str, &str)]) -> String {
        let mut query = Serializer::new(String::new());
        if !self.q.is_empty() {
            query.append_pair("q", &self.q);
        }
        let kept = self.kept.iter().filter(|(name, _)| others.iter().all(|(other, _)| other != name));
        for (name, value) in kept.map(|(name, value)| (*name, value.as_str())).chain(others.iter().copied()) {
            if !value.is_empty() {
                query.append_pair(name, value);
            }
        }
        if let Some(sort) = sort.filter(|sort| Some(*sort) != self.first_sort) {
            query.append_pair("sort", sort);
        }
        if page > 1 {
            query.append_pair("page", &page.to_string());
        }
        with_query(&self.address, &query.finish())
    }

    /// What the templates need. `own` are the filters that the search form has fields of its own for; `orders` are
    /// the columns that sort, and which way they do.
    pub(super) fn value(&self, total: u64, own: &[&str], orders: &[(&'static str, &'static str)]) -> Value {
        let pages = pages(total);
        let Part { offset, limit } = self.part();
        let sorts: std::collections::BTreeMap<&str, Value> = orders
            .iter()
            .map(|(order, way)| {
                let current = (self.sort == Some(order)).then_some(*way);
                (*order, context! { href => self.href(1, Some(order), &[]), current })
            })
            .collect();
        let sort = self.sort.filter(|_| self.sort != self.first_sort).map(|sort| ("sort", sort.to_owned()));
        let kept: Vec<(&str, String)> =
            self.kept.iter().filter(|(name, _)| !own.contains(name)).cloned().chain(sort).collect();
        context! {
            action => self.address.as_str(),
            q => self.q.as_str(),
            kept,
            filtered => !self.q.is_empty() || self.kept.iter().any(|(name, _)| *name != "live"),
            clear => self.address.as_str(),
            from => grouped((offset + 1).min(total)),
            to => grouped((offset + u64::from(limit)).min(total)),
            total => grouped(total),
            pages,
            first => self.href(1, self.sort, &[]),
            last => self.href(pages, self.sort, &[]),
            prev => (self.page > 1).then(|| self.href(self.page - 1, self.sort, &[])),
            next => (self.page < pages).then(|| self.href(self.page + 1, self.sort, &[])),
            sorts,
        }
    }
}

fn pages(total: u64) -> u64 {
    total.div_ceil(u64::from(LIST)).max(1)
}

/// An address with a query, if there is one.
pub(super) fn with_query(address: &str, query: &str) -> String {
    if query.is_empty() { address.to_owned() } else { format!("{address}?{query}") }
}

/// 100,000 as people write it.
pub(super) fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn list(page: u64, sort: &'static str) -> List {
        let address = "/rbac/admin/tokens".to_owned();
        let kept = vec![("owner", "a&b=c".to_owned())];
        List { address, q: "é <b>".into(), page, sort: Some(sort), first_sort: Some("newest"), kept }
    }

    #[test]
    fn addresses_carry_the_whole_state_and_nothing_that_goes_without_saying() {
        let value = list(2, "name").value(120, &[], &[("name", "ascending"), ("newest", "descending")]);
        let text = |name: &str| value.get_attr(name).unwrap().to_string();
        assert_eq!(text("prev"), "/rbac/admin/tokens?q=%C3%A9+%3Cb%3E&owner=a%26b%3Dc&sort=name");
        assert_eq!(text("next"), "/rbac/admin/tokens?q=%C3%A9+%3Cb%3E&owner=a%26b%3Dc&sort=name&page=3");
        assert_eq!((text("from"), text("to"), text("total")), ("51".into(), "100".into(), "120".into()));
        assert_eq!(list(1, "newest").with("owner", ""), "/rbac/admin/tokens?q=%C3%A9+%3Cb%3E");
    }

    #[test]
    fn there_is_no_page_beyond_the_last_one() {
        assert_eq!(list(3, "newest").beyond(150), None);
        assert!(list(4, "newest").beyond(150).unwrap().ends_with("&page=3"));
        assert!(!list(4, "newest").beyond(0).unwrap().contains("page="));
        assert_eq!(list(1, "newest").beyond(0), None);
    }

    #[test]
    fn numbers_are_grouped() {
        for (number, text) in [(0, "0"), (999, "999"), (1000, "1,000"), (1_234_567, "1,234,567")] {
            assert_eq!(grouped(number), text);
        }
    }
}
