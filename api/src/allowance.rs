//! What an account may still use, as headers tell it.

use poem::http::{HeaderMap, HeaderValue};
use steno_shared::account::Tier;
use steno_shared::store::{Usage, Used};

const DAY: u64 = 86_400;

/// What a tier allows and how much of it is left.
#[derive(Debug, Clone, Default)]
pub(crate) struct Allowance {
    /// The credits that the job in question costs.
    pub(crate) credits_used: Option<u64>,
    /// Credits of the balance, or minutes of the month; none without such a limit.
    pub(crate) credits_remaining: Option<u64>,
    policies: Vec<Policy>,
}

/// A limit, as draft-ietf-httpapi-ratelimit-headers (from -08 on) writes it.
#[derive(Debug, Clone)]
struct Policy {
    name: &'static str,
    quota: u64,
    left: u64,
    /// Seconds from one reset to the next, and to the next one; none for a balance.
    window: Option<(u64, u64)>,
}

impl Allowance {
    /// Of a tier, by what was used.
    pub(crate) fn of(tier: &Tier, usage: &Usage) -> Self {
        let until = |end: i64| (end - usage.now).max(0).unsigned_abs().div_ceil(1000);
        let mut policies = Vec::new();
        let mut add = |name, quota: u64, used: &Used, window| {
            policies.push(Policy { name, quota, left: used.left_of(quota), window });
        };
        if let Some(quota) = tier.transcriptions_per_day {
            add("day", u64::from(quota), &usage.day, Some((DAY, until(usage.day_ends))));
        }
        if let Some(quota) = tier.minutes_per_month {
            add("month", u64::from(quota), &usage.month, Some((30 * DAY, until(usage.month_ends))));
        }
        if tier.credits {
            add("credits", usage.credits.granted, &usage.credits, None);
        }
        let remaining = policies.iter().rev().find(|policy| policy.name != "day").map(|policy| policy.left);
        Self { credits_used: None, credits_remaining: remaining, policies }
    }

    /// Writes the headers.
    pub(crate) fn write(&self, headers: &mut HeaderMap) {
        if let Some(used) = self.credits_used {
            headers.insert("x-credits-used", HeaderValue::from(used));
        }
        if let Some(remaining) = self.credits_remaining {
            headers.insert("x-credits-remaining", HeaderValue::from(remaining));
        }
        let windowed: Vec<_> =
            self.policies.iter().filter_map(|policy| policy.window.map(|window| (policy, window))).collect();
        let list = |line: &dyn Fn(&Policy, (u64, u64)) -> String| {
            let lines: Vec<_> = windowed.iter().map(|(policy, window)| line(policy, *window)).collect();
            HeaderValue::try_from(lines.join(", ")).ok().filter(|_| !lines.is_empty())
        };
        let policy = list(&|policy, (all, _)| format!("\"{}\";q={};w={all}", policy.name, policy.quota));
        let left = list(&|policy, (_, reset)| format!("\"{}\";r={};t={reset}", policy.name, policy.left));
        for (name, value) in [("ratelimit-policy", policy), ("ratelimit", left)] {
            if let Some(value) = value {
                headers.insert(name, value);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn usage() -> Usage {
        Usage {
            now: 500,
            day_ends: 60_000,
            month_ends: 120_000,
            day: Used { used: 1, ..Used::default() },
            month: Used { used: 10, reserved: 2, ..Used::default() },
            credits: Used { granted: 100, used: 30, reserved: 5 },
            running: 0,
            queued: 0,
        }
    }

    fn written(tier: &Tier) -> HeaderMap {
        let mut headers = HeaderMap::new();
        Allowance::of(tier, &usage()).write(&mut headers);
        headers
    }

    #[test]
    fn limits_with_a_window_are_told_with_their_reset() {
        let tier = Tier { transcriptions_per_day: Some(3), minutes_per_month: Some(600), ..Tier::default() };
        let headers = written(&tier);
        assert_eq!(headers["ratelimit-policy"], "\"day\";q=3;w=86400, \"month\";q=600;w=2592000");
        assert_eq!(headers["ratelimit"], "\"day\";r=2;t=60, \"month\";r=588;t=120");
        assert_eq!(headers["x-credits-remaining"], "588");
    }

    #[test]
    fn a_balance_is_told_and_no_limit_is_silent() {
        let headers = written(&Tier { credits: true, ..Tier::default() });
        assert_eq!(headers["x-credits-remaining"], "65");
        assert!(!headers.contains_key("ratelimit"));
        assert!(written(&Tier::default()).is_empty());
    }
}
