//! Decisions a minute, drawn: one path a colour, in attributes alone.

use std::fmt::Write as _;

use minijinja::{Value, context};

use super::list::grouped;
use crate::telemetry::metrics::Outcome;
use crate::telemetry::recent::{Lately, MINUTES, Totals};

/// Turned away for what they asked, or as whom.
pub(super) const REFUSED: &[Outcome] = &[
    Outcome::Unauthorized,
    Outcome::Forbidden,
    Outcome::Unreadable,
    Outcome::BadRequest,
    Outcome::Untrusted,
    Outcome::RateLimited,
];
/// From the bottom up: what it is called, its class, its outcomes.
const LAYERS: [(&str, &str, &[Outcome]); 4] = [
    ("allowed", "allowed", &[Outcome::Allowed, Outcome::Anonymous]),
    ("sent to sign in", "asked", &[Outcome::Challenged]),
    ("refused", "refused", REFUSED),
    ("could not be checked", "failed", &[Outcome::Unavailable]),
];
/// A column and the gap beside it.
const STEP: usize = 10;
const WIDTH: usize = 8;
/// Of the tallest column.
const HEIGHT: f64 = 100.0;

/// The last hour as columns.
pub(super) fn spark(lately: &Lately) -> Value {
    let all = |minute: &Totals| minute.decisions.iter().sum::<u64>();
    let peak = lately.minutes.iter().map(all).max().unwrap_or(0);
    // The present minute is always the last column, however short the process has run.
    let first = (MINUTES + 1).saturating_sub(lately.minutes.len());
    let mut paths = vec![String::new(); LAYERS.len()];
    for (column, minute) in lately.minutes.iter().enumerate() {
        let mut below = 0;
        for ((_, _, outcomes), path) in LAYERS.iter().zip(&mut paths) {
            let count = minute.of(outcomes);
            if count > 0 {
                let (top, bottom) = (height(below + count, peak), height(below, peak));
                let _ = write!(
                    path,
                    "M{} {:.1}h{WIDTH}V{:.1}h-{WIDTH}z",
                    (first + column) * STEP + 1,
                    HEIGHT - bottom,
                    HEIGHT - top
                );
            }
            below += count;
        }
    }
    let total = |outcomes: &[Outcome]| lately.minutes.iter().map(|minute| minute.of(outcomes)).sum::<u64>();
    let told: Vec<String> =
        LAYERS.iter().map(|(label, _, outcomes)| format!("{} {label}", grouped(total(outcomes)))).collect();
    let lines: Vec<Value> = LAYERS
        .iter()
        .zip(paths)
        .map(|((label, class, outcomes), path)| {
            context! { label => *label, class => *class, path, total => grouped(total(outcomes)) }
        })
        .collect();
    context! {
        lines,
        width => (MINUTES + 1) * STEP,
        peak => grouped(peak),
        summary => format!("In the last hour: {}. At most {} in a minute.", told.join(", "), grouped(peak)),
    }
}

#[expect(clippy::cast_precision_loss, reason = "a drawing; counts beyond 2^52 look alike")]
fn height(count: u64, peak: u64) -> f64 {
    if peak == 0 { 0.0 } else { count as f64 / peak as f64 * HEIGHT }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Timestamp;

    #[test]
    fn every_outcome_is_in_one_layer() {
        for outcome in Outcome::ALL {
            let layers = LAYERS.iter().filter(|(_, _, outcomes)| outcomes.contains(&outcome));
            assert_eq!(layers.count(), 1, "{outcome:?}");
        }
    }

    #[test]
    fn columns_stand_on_each_other_and_the_present_is_on_the_right() {
        let mut minute = Totals::default();
        minute.decisions[Outcome::Allowed as usize] = 3;
        minute.decisions[Outcome::Forbidden as usize] = 1;
        let minutes = vec![Totals::default(), minute];
        let drawn = spark(&Lately { minutes, today: Totals::default(), since: Timestamp::from_secs(0) });
        let text = |value: &Value, name: &str| value.get_attr(name).unwrap().to_string();
        let lines = drawn.get_attr("lines").unwrap();
        let line = |at: usize| text(&lines.get_item_by_index(at).unwrap(), "path");
        assert_eq!(line(0), "M601 100.0h8V25.0h-8z");
        assert_eq!(line(1), "");
        assert_eq!(line(2), "M601 25.0h8V0.0h-8z");
        assert!(text(&drawn, "summary").contains("3 allowed, 0 sent to sign in, 1 refused"));
        let nothing =
            Lately { minutes: Vec::new(), today: Totals::default(), since: Timestamp::from_secs(0) };
        assert_eq!(text(&spark(&nothing), "peak"), "0");
    }
}
