//! `steno usage`: what the key has used, and what is left.

use serde_json::Value;
use steno_shared::settings::Bytes;

use super::error::{CommandError, Json, Written};
use super::{output, text};
use crate::client::connection::Connection;

/// What `steno usage` takes.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct Usage {
    #[command(flatten)]
    pub(crate) json: Json,

    #[command(flatten)]
    connection: Connection,
}

/// Prints it.
///
/// # Errors
/// If the server cannot be asked.
pub(crate) async fn run(arguments: &Usage) -> Result<(), CommandError> {
    let server = arguments.connection.open()?;
    let usage = server.read(server.url(&["v1", "usage"])).await?;
    match Written::by(&arguments.json) {
        Written::Json => output::print_document(&usage),
        Written::Text => output::print(&text::list(&rows(&usage))),
    }
}

fn rows(usage: &Value) -> [(&'static str, String); 6] {
    let running = &usage["concurrent"];
    let largest = usage["max_file_bytes"].as_u64().map(|bytes| Bytes(bytes).to_string());
    [
        ("tier", number(&usage["tier"])),
        ("minutes", quota(&usage["minutes"], "limit")),
        ("credits", quota(&usage["credits"], "granted")),
        ("transcriptions", quota(&usage["transcriptions"], "limit")),
        (
            "running",
            running["running"].as_u64().map_or_else(String::new, |n| of(&n.to_string(), &running["limit"])),
        ),
        ("largest file", largest.unwrap_or_default()),
    ]
}

/// `12 used, 3 reserved, 585 left of 600; resets 2026-12-01 00:00:00Z`.
fn quota(quota: &Value, limit: &str) -> String {
    if !quota.is_object() {
        return String::new();
    }
    let mut text = format!("{} used", number(&quota["used"]));
    if quota["reserved"].as_f64().is_some_and(|reserved| reserved > 0.0) {
        text = format!("{text}, {} reserved", number(&quota["reserved"]));
    }
    if !quota["remaining"].is_null() {
        text = format!("{text}, {}", of(&format!("{} left", number(&quota["remaining"])), &quota[limit]));
    }
    match quota["resets_at"].as_str() {
        Some(at) => format!("{text}; begins anew {}", text::moment(at)),
        None => text,
    }
}

fn of(text: &str, limit: &Value) -> String {
    if limit.is_null() { text.to_owned() } else { format!("{text} of {}", number(limit)) }
}

/// A value without quotation marks.
fn number(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_is_not_limited_is_not_shown_as_limited() {
        let usage = json!({
            "tier": "free",
            "minutes": {"used": 12, "reserved": 3, "limit": 600, "remaining": 585, "resets_at": "2026-12-01T00:00:00Z"},
            "concurrent": {"running": 0},
            "max_file_bytes": 524_288_000,
        });
        let shown = text::list(&rows(&usage));
        assert_eq!(
            shown,
            "tier            free\n\
             minutes         12 used, 3 reserved, 585 left of 600; begins anew 2026-12-01 00:00:00Z\n\
             running         0\n\
             largest file    500MiB\n"
        );
    }
}
