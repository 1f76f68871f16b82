//! What happened lately: the lines in a sorted set by number, and of each share the numbers in their order, by which the
//! oldest leave.

use serde_json::{Value, json};

use super::super::Result;
use super::super::activity::{Activity, ActivityFilter, Share};
use super::super::page::{Page, Slice};
use super::lists::FAR;
use super::script::{Call, Script};
use super::{LIB, RedisStore};
use crate::clock::Timestamp;

static NOTE: Script = Script::new(&[include_str!("lua/activity_note.lua")]);
static LOOK: Script = Script::new(&[LIB, include_str!("lua/activity.lua")]);

/// Lines looked at in one go.
const LINES: i64 = 500;
/// Lines written in one go.
const PART: usize = 500;

impl RedisStore {
    pub(super) async fn write_activity(&self, activity: &[Activity]) -> Result<()> {
        for part in activity.chunks(PART) {
            let mut call = Call::new(&NOTE).key(self.lines()).arg(self.names.space());
            for share in Share::ALL {
                call = call.arg(share.kept());
            }
            for one in part {
                let Activity { at, event, what, who, decision_id, line } = one;
                let line = json!([at.millis(), event, what, who, decision_id, line]);
                call = call.arg(one.share() as u8).arg(line.to_string());
            }
            self.link.call::<i64>(&call).await?;
        }
        Ok(())
    }

    pub(super) async fn read_activity(
        &self,
        filter: &ActivityFilter,
        slice: Slice,
    ) -> Result<Page<Activity>> {
        let key = self.lines();
        let (mut from, mut total, mut lines) = (0, 0_u64, Vec::new());
        let offset = slice.offset.min(FAR);
        if *filter == ActivityFilter::default() {
            let mut ask = redis::pipe();
            ask.cmd("ZCARD").arg(&key);
            if slice.limit > 0 {
                ask.cmd("ZREVRANGE").arg(&key).arg(offset).arg(offset + u64::from(slice.limit) - 1);
            } else {
                ask.cmd("ZREVRANGE").arg(&key).arg(1).arg(0);
            }
            (total, lines) = self.link.run(async |mut wire| ask.query_async(&mut wire).await).await?;
        } else {
            let exactly =
                |text: &Option<String>| text.as_ref().map_or_else(String::new, |text| format!("={text}"));
            loop {
                let call = Call::new(&LOOK)
                    .key(key.as_str())
                    .arg(from)
                    .arg(LINES)
                    .arg(total)
                    .arg(offset)
                    .arg(slice.limit)
                    .arg(exactly(&filter.event))
                    .arg(exactly(&filter.what))
                    .arg(exactly(&filter.decision_id))
                    .arg(filter.search.to_ascii_lowercase());
                let (seen, matched, found): (i64, u64, Vec<Vec<u8>>) = self.link.call(&call).await?;
                total = matched;
                lines.extend(found);
                from += seen;
                if seen < LINES {
                    break;
                }
            }
        }
        Ok(Page { items: lines.iter().filter_map(|line| read_line(line)).collect(), total })
    }

    fn lines(&self) -> String {
        self.names.of("activity:lines")
    }
}

/// A line behind its number. One that somebody else wrote is left out.
fn read_line(line: &[u8]) -> Option<Activity> {
    let number = line.iter().position(|byte| *byte == b' ')?;
    let Ok(Value::Array(parts)) = serde_json::from_slice(line.get(number..)?) else { return None };
    let text = |at: usize| Some(parts.get(at)?.as_str()?.to_owned());
    Some(Activity {
        at: Timestamp::from_millis(parts.first()?.as_i64()?),
        event: text(1)?,
        what: text(2)?,
        who: text(3),
        decision_id: text(4),
        line: text(5)?,
    })
}
