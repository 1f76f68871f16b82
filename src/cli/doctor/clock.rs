//! Whose clock is wrong? Tokens are valid for minutes, so a gateway whose clock is off refuses every sign-in. Each answer says
//! in `Date` what its sender thinks the time is; three opinions are better than two.

use super::change::{Topic, change};
use super::provider::Known;
use super::report::Check;

/// What ID tokens are allowed (`src/identity/provider/id_token.rs`).
const LEEWAY: i64 = 30;

/// `gateway` and each provider: by how many seconds they are ahead of this machine.
pub(super) fn judge(gateway: Option<i64>, providers: &[Known]) -> Check {
    const ID: &str = "clock";
    let Some(gateway) = gateway else {
        return Check::unchecked(
            ID,
            "no answer of Doorward's told the time",
            "Mend the findings about the sign-in, or give --inside URL.",
        );
    };
    let why = "tokens are refused as expired, or as not yet valid, and sessions end too early or too late";
    let lines =
        "set the clock by NTP (`timedatectl set-ntp true`), on the gateway's machine and on the provider's";
    let off = |says: String| {
        Check::finding(
            ID,
            says,
            why,
            change(None, &Topic::Other("the machine whose clock is off", lines, "docs/doctor.md")),
        )
    };
    let apart = |one: i64, other: i64| one.saturating_sub(other);
    for provider in providers {
        let Some(ahead) = provider.ahead else { continue };
        let difference = apart(gateway, ahead);
        if difference.abs() > LEEWAY {
            return off(format!(
                "the gateway's clock is {} the provider's ({})",
                spelt(difference),
                provider.id
            ));
        }
    }
    let heard = providers.iter().filter(|provider| provider.ahead.is_some()).count();
    match (heard, gateway.abs() > LEEWAY) {
        (0, true) => off(format!("the gateway's clock is {} this machine's", spelt(gateway))),
        (0, false) => Check::ok(ID, format!("the gateway's clock is {} this machine's", spelt(gateway))),
        (_, true) => Check::ok(
            ID,
            format!("gateway and provider agree; this machine's own clock is {}", spelt_back(gateway)),
        ),
        (_, false) => Check::ok(ID, "gateway, provider and this machine agree"),
    }
}

fn spelt(ahead: i64) -> String {
    match ahead {
        0 => "equal to".to_owned(),
        ahead if ahead > 0 => format!("{ahead} s ahead of"),
        behind => format!("{} s behind", behind.unsigned_abs()),
    }
}

fn spelt_back(ahead: i64) -> String {
    if ahead > 0 { format!("{ahead} s behind") } else { format!("{} s ahead", ahead.unsigned_abs()) }
}

#[cfg(test)]
mod tests {
    use super::super::report::Outcome;
    use super::*;

    #[test]
    fn who_is_off_is_told_by_the_two_that_agree() {
        let known = |ahead| Known::with_clock("idp", ahead);
        for (gateway, provider, outcome, part) in [
            (Some(0), Some(1), Outcome::Ok, "agree"),
            (Some(400), Some(1), Outcome::Finding, "399 s ahead of the provider's (idp)"),
            (Some(0), Some(400), Outcome::Finding, "400 s behind the provider's"),
            (Some(400), Some(401), Outcome::Ok, "this machine's own clock is 400 s behind"),
            (Some(400), None, Outcome::Finding, "400 s ahead of this machine's"),
            (Some(30), None, Outcome::Ok, "30 s ahead"),
            (None, Some(0), Outcome::Unchecked, "no answer"),
        ] {
            let check = judge(gateway, &[known(provider)]);
            assert_eq!(check.outcome, outcome, "{gateway:?} {provider:?}: {}", check.says);
            assert!(check.says.contains(part), "{part:?} is not in {:?}", check.says);
        }
    }
}
