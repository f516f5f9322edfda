//! Logs: one line an event on standard error, for people or as JSON.

use std::io::IsTerminal;

use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::ParseError;
use tracing_subscriber::fmt::format::FmtSpan;

use crate::settings::{Common, LogFormat};

/// Starts logging as the settings say. Call it once, at the start of `main`.
///
/// # Errors
/// If the filter of the settings cannot be parsed.
pub fn init(settings: &Common) -> Result<(), ParseError> {
    let filter = EnvFilter::builder().parse(&settings.log)?;
    // Statements are no business of a reader of logs; they stay available by naming the target.
    let quieter = ["sqlx=warn", "sea_orm=warn", "sea_orm_migration=warn", "apalis=warn"];
    // What clients send and get, frame by frame, with keys, is nobody's business at any level.
    let silent = "tungstenite=warn";
    let filter = quieter.iter().try_fold(filter, |filter, directive| {
        let target = directive.split('=').next().unwrap_or_default();
        let named = settings.log.contains(target);
        Ok::<_, ParseError>(if named { filter } else { filter.add_directive(directive.parse()?) })
    })?;
    let filter = filter.add_directive(silent.parse()?);
    let lines = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    match settings.log_format {
        LogFormat::Text => lines.with_ansi(std::io::stderr().is_terminal()).compact().init(),
        LogFormat::Json => lines.with_span_events(FmtSpan::NONE).json().flatten_event(true).init(),
    }
    Ok(())
}
