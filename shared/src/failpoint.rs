//! Named points at which a fault test makes the process die or wait.
//!
//! `STENO_FAILPOINTS=intake.claimed=abort,transcribe.chunk=sleep(500)` arms them; an unarmed point costs one
//! load. An action may be limited to the jobs whose file name contains a word: `intake.claimed=abort@poison`,
//! and to the n-th time it is reached: `transcribe.chunk=abort#3`.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

static ARMED: OnceLock<Vec<Point>> = OnceLock::new();

#[derive(Debug)]
struct Point {
    name: String,
    action: Action,
    only: Option<String>,
    nth: Option<u32>,
    reached: AtomicU32,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Action {
    Abort,
    Panic,
    Sleep(Duration),
}

/// Arms the points that the environment names. Call it once, at the start of `main`.
///
/// # Errors
/// The part that cannot be read.
pub fn arm() -> Result<(), String> {
    #[expect(clippy::disallowed_methods, reason = "a test's instrument, no setting")]
    let text = std::env::var("STENO_FAILPOINTS").unwrap_or_default();
    let points = text.split(',').filter(|part| !part.is_empty()).map(parse).collect::<Result<Vec<_>, _>>()?;
    for point in &points {
        tracing::warn!(
            failpoint = point.name,
            "a failpoint is armed: this process will misbehave on purpose"
        );
    }
    // A second call changes nothing.
    let _ = ARMED.set(points);
    Ok(())
}

fn parse(part: &str) -> Result<Point, String> {
    let invalid = || format!("STENO_FAILPOINTS: cannot read {part:?}");
    let (name, rest) = part.split_once('=').ok_or_else(invalid)?;
    let (rest, nth) = match rest.split_once('#') {
        Some((rest, nth)) => (rest, Some(nth.parse().map_err(|_| invalid())?)),
        None => (rest, None),
    };
    let (action, only) = match rest.split_once('@') {
        Some((action, only)) => (action, Some(only.to_owned())),
        None => (rest, None),
    };
    let action = match action.strip_prefix("sleep(").and_then(|rest| rest.strip_suffix(')')) {
        Some(millis) => Action::Sleep(Duration::from_millis(millis.parse().map_err(|_| invalid())?)),
        None if action == "abort" => Action::Abort,
        None if action == "panic" => Action::Panic,
        None => return Err(invalid()),
    };
    Ok(Point { name: name.to_owned(), action, only, nth, reached: AtomicU32::new(0) })
}

/// What to do at this point, if it is armed for this file name. Aborting and panicking happen in here.
fn due(name: &str, file_name: Option<&str>) -> Option<Duration> {
    for point in ARMED.get()?.iter().filter(|point| point.name == name) {
        let concerned =
            point.only.as_deref().is_none_or(|only| file_name.is_some_and(|name| name.contains(only)));
        if !concerned {
            continue;
        }
        let reached = point.reached.fetch_add(1, Ordering::Relaxed) + 1;
        if point.nth.is_some_and(|nth| nth != reached) {
            continue;
        }
        match point.action {
            Action::Abort => std::process::abort(),
            Action::Panic => panic!("the failpoint {name} was reached"),
            Action::Sleep(span) => return Some(span),
        }
    }
    None
}

/// The point `name` is reached, on behalf of the job with this file name.
pub async fn hit(name: &str, file_name: Option<&str>) {
    if let Some(span) = due(name, file_name) {
        tokio::time::sleep(span).await;
    }
}

/// The same in a program without a runtime.
pub fn hit_blocking(name: &str) {
    if let Some(span) = due(name, None) {
        std::thread::sleep(span);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn points_are_parsed_or_refused() {
        let point = parse("a.b=sleep(20)@poison#3").unwrap();
        assert_eq!((point.name.as_str(), point.action), ("a.b", Action::Sleep(Duration::from_millis(20))));
        assert_eq!((point.only.as_deref(), point.nth), (Some("poison"), Some(3)));
        for text in ["", "a", "a=", "a=explode", "a=sleep(x)", "a=abort#x"] {
            assert!(parse(text).is_err(), "{text}");
        }
    }
}
