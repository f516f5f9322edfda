//! `steno listen`: text while it is said.

use std::io::{self, IsTerminal};
use std::path::PathBuf;

use serde_json::{Map, Value, json};
use tokio::signal::unix::{Signal, SignalKind, signal};
use unicode_width::UnicodeWidthChar;

use super::error::{CommandError, Written, complain};
use super::{output, text};
use crate::client::connection::Connection;
use crate::client::error::ClientError;
use crate::client::live::session::{Session, Step};
use crate::client::live::sound::{Format, Sound};
use crate::client::server::Server;
use crate::live::pcm::Encoding;

/// A partial text is shown on one line of a terminal: its end, if it is longer than this.
const COLUMNS: usize = 78;

/// What `steno listen` takes.
#[derive(Debug, Clone, clap::Args)]
#[command(after_help = AFTER)]
pub(crate) struct Listen {
    /// Mono audio as it is recorded: samples as they are, or a WAV file; standard input unless set
    #[arg(value_name = "FILE")]
    file: Option<PathBuf>,

    /// The language spoken [default: detected]
    #[arg(long, value_name = "CODE")]
    language: Option<String>,

    /// The model; the server's choice unless set
    #[arg(long, value_name = "ID")]
    model: Option<String>,

    /// Samples a second; a WAV file says it itself
    #[arg(long, value_name = "HZ", default_value_t = 16_000, value_parser = clap::value_parser!(u32).range(8_000..=48_000))]
    sample_rate: u32,

    /// How a sample is written: s16le, f32le or mulaw; a WAV file says it itself
    #[arg(long, value_name = "NAME", default_value = "s16le")]
    encoding: Encoding,

    /// Silence that ends an utterance, in milliseconds; the server's choice unless set
    #[arg(long, value_name = "MS", value_parser = clap::value_parser!(u32).range(200..=3_000))]
    endpointing: Option<u32>,

    /// Keep the transcript on the server, as that of a job
    #[arg(long)]
    store: bool,

    /// Show text that may still change: auto = if standard output is a terminal
    #[arg(long, value_name = "WHEN", default_value = "auto")]
    partials: Partials,

    /// Write each message of the server to standard output as a line of JSON, and errors too
    #[arg(long)]
    json: bool,

    #[command(flatten)]
    connection: Connection,
}

const AFTER: &str = "Examples:\n  \
    arecord -q -f S16_LE -r 16000 -c 1 -t raw | steno listen\n  \
    ffmpeg -loglevel error -i talk.mp3 -f s16le -ar 16000 -ac 1 - | steno listen";

/// When partial texts are shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Partials {
    Auto,
    On,
    Off,
}

impl Listen {
    /// What goes to standard output.
    pub(crate) fn written(&self) -> Written {
        if self.json { Written::Json } else { Written::Text }
    }

    fn shows_partials(&self) -> bool {
        match self.partials {
            Partials::Auto => io::stdout().is_terminal(),
            Partials::On => true,
            Partials::Off => false,
        }
    }

    /// What the server is told.
    fn wishes(&self) -> Map<String, Value> {
        let wishes = [
            ("language", self.language.as_ref().map(|language| json!(language))),
            ("model", self.model.as_ref().map(|model| json!(model))),
            ("endpointing", self.endpointing.map(|millis| json!(millis))),
            ("store", Some(json!(self.store))),
            ("partials", Some(json!(self.shows_partials()))),
        ];
        wishes.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?))).collect()
    }
}

/// Listens until the audio ends, or Ctrl-C.
///
/// # Errors
/// If the audio cannot be read, or the session is refused or lost.
pub(crate) async fn run(arguments: &Listen) -> Result<(), CommandError> {
    if arguments.file.is_none() && io::stdin().is_terminal() {
        let message = "standard input is a terminal; name a file, or pipe a microphone in: \
                       arecord -q -f S16_LE -r 16000 -c 1 -t raw | steno listen";
        return Err(CommandError::Usage(message.to_owned()));
    }
    let server = arguments.connection.open()?;
    let mut interrupts = signal(SignalKind::interrupt())?;
    let begun = tokio::select! {
        begun = begin(arguments, &server) => begun,
        _ = interrupts.recv() => Err(ClientError::Interrupted("nothing was heard".to_owned())),
    };
    let (mut sound, session) = begun?;
    let shown = Shown {
        written: arguments.written(),
        partials: arguments.shows_partials(),
        is_terminal: io::stdout().is_terminal(),
        has_partial: false,
        has_text: false,
    };
    Listening { session, interrupts, shown }.run(&mut sound).await
}

async fn begin<'a>(arguments: &Listen, server: &'a Server) -> Result<(Sound, Session<'a>), ClientError> {
    let format = Format { encoding: arguments.encoding, rate: arguments.sample_rate };
    let sound = Sound::open(arguments.file.as_deref(), format).await?;
    let session = Session::open(server, arguments.wishes(), sound.format()).await?;
    Ok((sound, session))
}

/// The command under way.
struct Listening<'a> {
    session: Session<'a>,
    interrupts: Signal,
    shown: Shown,
}

impl Listening<'_> {
    async fn run(mut self, sound: &mut Sound) -> Result<(), CommandError> {
        let ended = self.listen(sound).await;
        // Whatever follows begins on a line of its own.
        let cleared = self.shown.clear();
        let last = ended?;
        cleared?;
        if let Some(refusal) = self.session.refusal() {
            return Err(refusal.into());
        }
        self.shown.end(&last);
        Ok(())
    }

    /// Up to the last message, which is returned.
    async fn listen(&mut self, sound: &mut Sound) -> Result<Map<String, Value>, CommandError> {
        loop {
            let step = tokio::select! {
                step = self.session.step(sound) => step?,
                _ = self.interrupts.recv() => {
                    if self.session.is_stopping() {
                        return Err(interrupted());
                    }
                    self.shown.clear()?;
                    complain("stopping; the rest of the text follows; Ctrl-C again leaves at once");
                    self.session.stop();
                    continue;
                }
            };
            match step {
                Step::Message(message) => {
                    self.shown.message(&message)?;
                    if message.get("is_final") == Some(&Value::Bool(true)) {
                        return Ok(message);
                    }
                }
                Step::Lost(error) => {
                    self.shown.clear()?;
                    complain(&format!("{error}; connecting again"));
                    tokio::select! {
                        resumed = self.session.resume() => resumed?,
                        _ = self.interrupts.recv() => return Err(interrupted()),
                    }
                    complain("connected again");
                }
            }
        }
    }
}

fn interrupted() -> CommandError {
    ClientError::Interrupted("the text that was still to come is lost".to_owned()).into()
}

/// What is on standard output.
struct Shown {
    written: Written,
    partials: bool,
    is_terminal: bool,
    /// Whether a partial text is on the terminal's line.
    has_partial: bool,
    has_text: bool,
}

impl Shown {
    fn message(&mut self, message: &Map<String, Value>) -> Result<(), CommandError> {
        let text =
            |name: &str| message.get(name).and_then(Value::as_str).map(|text| text::clean(text.trim()));
        let (said, partial) = (text("text"), text("partial"));
        self.has_text |= said.as_ref().is_some_and(|text| !text.is_empty());
        let is_partial = said.is_none() && partial.is_some();
        if self.written == Written::Json {
            // An error is the last line that the command writes.
            if (is_partial && !self.partials) || message.contains_key("error") {
                return Ok(());
            }
            return output::print(&format!("{}\n", Value::Object(message.clone())));
        }
        match (said, partial) {
            (Some(said), _) => {
                self.clear()?;
                if said.is_empty() { Ok(()) } else { output::print(&format!("{said}\n")) }
            }
            (None, Some(partial)) if self.partials => self.partial(&partial),
            _ => Ok(()),
        }
    }

    fn partial(&mut self, partial: &str) -> Result<(), CommandError> {
        if !self.is_terminal {
            let line = if partial.is_empty() { String::new() } else { format!("... {partial}\n") };
            return output::print(&line);
        }
        self.clear()?;
        self.has_partial = !partial.is_empty();
        // Without wrapping: what does not fit cannot be taken back.
        output::print(&format!("\x1b[?7l{}\x1b[?7h", end_of(partial)))
    }

    /// Takes the partial text off the terminal.
    fn clear(&mut self) -> Result<(), CommandError> {
        if std::mem::take(&mut self.has_partial) { output::print("\r\x1b[K") } else { Ok(()) }
    }

    /// What is to be said after the last message.
    fn end(&self, last: &Map<String, Value>) {
        if let Some(job) = last.get("job_id").and_then(Value::as_str) {
            complain(&format!("kept as {job}; `steno jobs transcript {job}` reads it"));
        }
        if !self.has_text && self.written == Written::Text {
            let seconds = last.get("duration").and_then(Value::as_f64).unwrap_or(0.0);
            complain(&format!("no speech in {} of audio", text::clock(seconds)));
        }
    }
}

/// As much of the end as one line shows.
fn end_of(partial: &str) -> &str {
    let mut width = 0;
    let fits = |(at, letter): (usize, char)| {
        width += letter.width().unwrap_or(0);
        (width <= COLUMNS).then_some(at)
    };
    let from = partial.char_indices().rev().map_while(fits).last().unwrap_or(partial.len());
    &partial[from..]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_end_of_a_long_partial_is_shown() {
        assert_eq!(end_of("one two"), "one two");
        assert_eq!(end_of(""), "");
        let long = format!("{}é", "x".repeat(500));
        assert_eq!(end_of(&long).chars().count(), COLUMNS);
        assert!(end_of(&long).ends_with('é'));
        assert_eq!(end_of(&"日".repeat(100)).chars().count(), COLUMNS / 2);
    }
}
