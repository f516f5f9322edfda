//! The engine with models that hear a word in each burst of noise, and ones that fail.

use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};

use steno_runtime::engine::{ChunkOptions, ChunkText, EngineError, Transcriber, TranscriberModel};
use steno_runtime::models::{ModelLoader, Models};
use steno_shared::catalog::Model;
use steno_shared::language::Language;
use steno_shared::live::Said;
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};

use super::*;
use crate::session::course::tests::{Sound, options, sentence, text_of};

/// What a fake model does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Manner {
    Hears,
    Panics,
    Fails,
}

#[derive(Debug)]
struct Fake {
    manner: Manner,
    under_way: AtomicUsize,
    most: AtomicUsize,
}

#[derive(Debug)]
struct State(Arc<Fake>);

#[derive(Debug)]
struct Loader(Arc<Fake>);

impl ModelLoader for Loader {
    fn load(&self, _: &Path, _: &Model) -> Result<Arc<dyn TranscriberModel>, EngineError> {
        Ok(Arc::new(FakeModel(Arc::clone(&self.0))))
    }
}

#[derive(Debug)]
struct FakeModel(Arc<Fake>);

impl TranscriberModel for FakeModel {
    fn open(&self) -> Result<Box<dyn Transcriber>, EngineError> {
        Ok(Box::new(State(Arc::clone(&self.0))))
    }
}

impl Transcriber for State {
    fn detect_language(&mut self, _: &[f32], _: &StopFlag) -> Result<(Language, f64), EngineError> {
        Ok((Language::parse("en").unwrap(), 0.99))
    }

    fn transcribe(
        &mut self,
        samples: &[f32],
        _: &ChunkOptions,
        _: &StopFlag,
    ) -> Result<ChunkText, EngineError> {
        let under_way = self.0.under_way.fetch_add(1, Ordering::SeqCst) + 1;
        self.0.most.fetch_max(under_way, Ordering::SeqCst);
        let text = match self.0.manner {
            Manner::Hears => Ok(text_of(samples)),
            Manner::Fails => Err(EngineError::Failed("no".to_owned())),
            Manner::Panics => panic!("as asked for"),
        };
        self.0.under_way.fetch_sub(1, Ordering::SeqCst);
        text
    }
}

/// A model of a manner.
async fn model(manner: Manner) -> (Arc<Loaded>, Arc<Fake>, tempfile::TempDir) {
    let folder = tempfile::tempdir().unwrap();
    let entry = catalog::model("mini").unwrap();
    std::fs::create_dir(entry.folder(folder.path())).unwrap();
    std::fs::write(entry.path(folder.path()), b"weights").unwrap();
    let fake = Arc::new(Fake { manner, under_way: AtomicUsize::new(0), most: AtomicUsize::new(0) });
    let models = Models::new(folder.path().to_owned(), Arc::new(Loader(Arc::clone(&fake))));
    (models.get(&"mini".into()).await.unwrap(), fake, folder)
}

fn join(engine: &Engine, model: &Arc<Loaded>) -> (Session, UnboundedReceiver<Output>) {
    let (outlet, outputs) = unbounded_channel();
    let entry = catalog::model("mini").unwrap();
    let start = Start { model: Arc::clone(model), entry, options: options(), resumption: None };
    (engine.join_with(start, outlet, Box::new(Sound)), outputs)
}

/// All that is said until the session has ended.
async fn all(mut outputs: UnboundedReceiver<Output>) -> Vec<Output> {
    let mut all = Vec::new();
    while let Some(output) = outputs.recv().await {
        let is_last = matches!(output, Output::Done | Output::Failed { .. });
        all.push(output);
        if is_last {
            break;
        }
    }
    all
}

fn finals(outputs: &[Output]) -> String {
    let finals = outputs.iter().filter_map(|output| match output {
        Output::Said(Said::Final { segment, .. }) => Some(segment.text.as_str()),
        _ => None,
    });
    finals.collect::<Vec<_>>().join(" ")
}

#[tokio::test]
async fn many_sessions_are_all_served_in_order() {
    let (model, fake, _folder) = model(Manner::Hears).await;
    let engine = Engine::start(2).unwrap();
    let mut sessions = Vec::new();
    for number in 0..20u16 {
        sessions.push((number, join(&engine, &model)));
    }
    let samples = |number| [sentence(number..number + 8, 9600), sentence(number..number + 3, 4000)].concat();
    let length = samples(0).len();
    for at in (0..length).step_by(1600) {
        for (number, (session, _)) in &sessions {
            let samples = samples(*number);
            session.hear(at as u64, &samples[at..(at + 1600).min(length)]);
        }
    }
    assert_eq!(engine.load().sessions, 20);
    for (number, (session, outputs)) in sessions {
        session.stop();
        let outputs = all(outputs).await;
        let words = (number..number + 8).chain(number..number + 3).map(|word| format!("w{word}"));
        assert_eq!(finals(&outputs), words.collect::<Vec<_>>().join(" "));
        assert_eq!(outputs.last(), Some(&Output::Done));
    }
    engine.settle();
    let load = engine.load();
    assert_eq!((load.sessions, load.speaking), (0, 0));
    assert!((0.0..=1.0).contains(&load.busy));
    assert!(fake.most.load(Ordering::SeqCst) <= 2);
}

#[tokio::test]
async fn threads_survive_what_an_engine_does_and_the_session_fails() {
    for manner in [Manner::Panics, Manner::Fails] {
        let (bad, _, _folder) = model(manner).await;
        let engine = Engine::start(1).unwrap();
        for _ in 0..3 {
            let (session, outputs) = join(&engine, &bad);
            session.hear(0, &sentence(0..5, 0));
            session.stop();
            let last = all(outputs).await.pop();
            assert!(matches!(last, Some(Output::Failed { reason: FailReason::Internal, .. })), "{last:?}");
            // What comes later is of no use, and no harm.
            session.hear(0, &[0; 100]);
            session.flush();
            session.stop();
        }
        let (good, _, _other_folder) = model(Manner::Hears).await;
        let (session, outputs) = join(&engine, &good);
        session.hear(0, &sentence(0..5, 0));
        session.stop();
        assert_eq!(finals(&all(outputs).await), "w0 w1 w2 w3 w4");
    }
}

#[tokio::test]
async fn who_leaves_is_told_nothing_more_and_leaves_nothing_behind() {
    let (model, ..) = model(Manner::Hears).await;
    let engine = Engine::start(1).unwrap();
    let (session, mut outputs) = join(&engine, &model);
    session.hear(0, &sentence(0..5, 9600));
    drop(session);
    engine.settle();
    while outputs.try_recv().is_ok() {}
    assert_eq!(engine.load().sessions, 0);
    assert!(outputs.recv().await.is_none(), "nobody holds the other end any more");
}

#[tokio::test]
async fn missing_audio_fails_the_session_and_an_engine_that_ends_says_so() {
    let (model, ..) = model(Manner::Hears).await;
    let engine = Engine::start(1).unwrap();
    let (session, outputs) = join(&engine, &model);
    session.hear(1, &[0; 10]);
    let last = all(outputs).await.pop();
    assert!(matches!(last, Some(Output::Failed { reason: FailReason::Internal, .. })), "{last:?}");
    let (_session, outputs) = join(&engine, &model);
    drop(engine);
    let last = all(outputs).await.pop();
    assert!(matches!(last, Some(Output::Failed { reason: FailReason::Stopping, .. })), "{last:?}");
}
