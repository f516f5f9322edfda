//! An engine that writes down what it is told and says what a test wishes. A session is known by its prompt.

use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use steno_runtime::engine::{EngineError, Transcriber, TranscriberModel};
use steno_runtime::models::ModelLoader;
use steno_shared::catalog::Model;
use steno_shared::live::Resumption;
use steno_stream::engine::{Load, Output, Start};
use steno_stream::server::seam::{Engine, Session};
use steno_tests::wait;
use tokio::sync::mpsc::UnboundedSender;

use crate::lab::SOON;

/// A session with this in its prompt hears nothing.
pub(crate) const DEAF: &str = "deaf";
/// One with this panics when it hears.
pub(crate) const PANIC: &str = "panic";
/// One with this panics when it joins.
pub(crate) const NEVER: &str = "never";

/// The engine.
#[derive(Debug, Clone, Default)]
pub(crate) struct Scripted(Arc<Record>);

#[derive(Debug, Default)]
struct Record {
    sessions: Mutex<Vec<Arc<Told>>>,
    load: Mutex<Option<Load>>,
}

/// Nobody speaks.
pub(crate) const QUIET: Load =
    Load { busy: 0.0, final_wait: Duration::ZERO, pace: Duration::ZERO, speaking: 0, sessions: 0 };

/// What a session was told.
#[derive(Debug)]
pub(crate) struct Told {
    pub(crate) name: String,
    pub(crate) resumption: Option<Resumption>,
    outlet: Mutex<Option<UnboundedSender<Output>>>,
    events: Mutex<Vec<String>>,
    samples: Mutex<Vec<i16>>,
    left: AtomicBool,
}

/// A session's place.
#[derive(Debug)]
pub(crate) struct Place(Arc<Told>);

impl Scripted {
    /// How much there is to do from now on.
    pub(crate) fn set_load(&self, load: Load) {
        *self.0.load.lock().unwrap() = Some(load);
    }

    /// Waits for a session.
    pub(crate) async fn session(&self, name: &str) -> Arc<Told> {
        let find = || self.0.sessions.lock().unwrap().iter().find(|told| told.name == name).map(Arc::clone);
        wait::until(&format!("the session {name}"), SOON, async || find()).await
    }

    /// How many sessions have joined and not left.
    pub(crate) fn present(&self) -> usize {
        let sessions = self.0.sessions.lock().unwrap();
        sessions.iter().filter(|told| !told.left.load(Ordering::Relaxed)).count()
    }
}

impl Engine for Scripted {
    type Session = Place;

    fn join(&self, start: Start, outlet: UnboundedSender<Output>) -> Place {
        let name = start.options.prompt.unwrap_or_default();
        assert!(!name.contains(NEVER), "on purpose");
        let told = Arc::new(Told {
            name,
            resumption: start.resumption,
            outlet: Mutex::new(Some(outlet)),
            events: Mutex::default(),
            samples: Mutex::default(),
            left: AtomicBool::new(false),
        });
        self.0.sessions.lock().unwrap().push(Arc::clone(&told));
        Place(told)
    }

    fn load(&self) -> Load {
        self.0.load.lock().unwrap().unwrap_or(QUIET)
    }
}

impl Told {
    /// Has the session say something.
    pub(crate) fn say(&self, output: Output) {
        if let Some(outlet) = &*self.outlet.lock().unwrap() {
            // Nobody hears one that has left.
            let _ = outlet.send(output);
        }
    }

    /// The engine forgets the session without a word.
    pub(crate) fn lose(&self) {
        self.outlet.lock().unwrap().take();
    }

    /// What it was told, such as `0+1600 flush 1600+10 stop`.
    pub(crate) fn events(&self) -> String {
        self.events.lock().unwrap().join(" ")
    }

    /// Waits until it was told this.
    pub(crate) async fn was_told(&self, events: &str) {
        let what = format!("{}: {events}", self.name);
        wait::until(&what, SOON, async || (self.events() == events).then_some(())).await;
    }

    pub(crate) fn samples(&self) -> Vec<i16> {
        self.samples.lock().unwrap().clone()
    }

    pub(crate) async fn has_left(&self) {
        let left = async || self.left.load(Ordering::Relaxed).then_some(());
        wait::until(&format!("the leaving of {}", self.name), SOON, left).await;
    }

    fn told(&self, event: String) {
        self.events.lock().unwrap().push(event);
    }
}

impl Session for Place {
    fn hear(&self, start: u64, samples: &[i16]) {
        assert!(!self.0.name.contains(PANIC), "on purpose");
        self.0.told(format!("{start}+{}", samples.len()));
        self.0.samples.lock().unwrap().extend_from_slice(samples);
        if !self.0.name.contains(DEAF) {
            let heard = start + samples.len() as u64;
            self.0.say(Output::Heard { heard, needed_from: heard });
        }
    }

    fn flush(&self) {
        self.0.told("flush".to_owned());
    }

    fn stop(&self) {
        self.0.told("stop".to_owned());
        self.0.say(Output::Done);
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.0.left.store(true, Ordering::Relaxed);
    }
}

/// Loads nothing, when it is let.
#[derive(Debug, Clone, Default)]
pub(crate) struct Loader {
    pub(crate) held: Arc<AtomicBool>,
    pub(crate) broken: Arc<AtomicBool>,
}

#[derive(Debug)]
struct Weightless;

impl TranscriberModel for Weightless {
    fn open(&self) -> Result<Box<dyn Transcriber>, EngineError> {
        Err(EngineError::Failed("there are no weights".to_owned()))
    }
}

impl ModelLoader for Loader {
    fn load(&self, _: &Path, _: &Model) -> Result<Arc<dyn TranscriberModel>, EngineError> {
        while self.held.load(Ordering::Relaxed) {
            std::thread::sleep(Duration::from_millis(1));
        }
        if self.broken.load(Ordering::Relaxed) {
            return Err(EngineError::Load("it is damaged".to_owned()));
        }
        Ok(Arc::new(Weightless))
    }
}
