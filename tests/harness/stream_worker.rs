//! A scripted worker of live sessions: it speaks the real link, and what it hears is in the samples themselves.
//!
//! A sample above 0 belongs to the word `w` and its value; 0 is silence; [`END`] ends an utterance. It says a partial for
//! each second of audio in which an utterance has begun, and checks that no sample is lost or comes twice.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use steno_shared::catalog::ModelId;
use steno_shared::id::WorkerId;
use steno_shared::job::Lane;
use steno_shared::language::Language;
use steno_shared::live::link::{self, Audio, Frame, SECRET, VERSION};
use steno_shared::live::{FailReason, Reply, Request, Resumption, Said, SessionNumber, SessionOptions};
use steno_shared::store::Store;
use steno_shared::store::workers::{Device, WorkerModel, WorkerRecord};
use steno_shared::time::Millis;
use steno_shared::transcript::{Segment, Word};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use crate::world::World;

/// The sample that ends an utterance.
pub const END: i16 = -1;
/// A partial is said this often.
const SECOND: u64 = 16_000;

/// How a worker is to behave; it may be changed at any time.
#[derive(Debug, Default)]
pub struct Manner {
    /// It refuses sessions.
    pub refuses: AtomicBool,
    /// It hears nothing, and answers nothing but handshakes.
    pub is_deaf: AtomicBool,
    /// It does not say that it is ready.
    pub is_unready: AtomicBool,
    /// It gives up every session that it is sent audio of.
    pub fails: Mutex<Option<FailReason>>,
}

/// What a worker was told.
#[derive(Debug, Default)]
pub struct Told {
    /// How sessions began.
    pub begun: Mutex<Vec<(SessionOptions, Option<Resumption>)>>,
    /// Samples of all sessions.
    pub samples: AtomicU64,
    /// Sessions that it keeps a place for.
    pub open: AtomicU64,
}

/// The worker. Dropping it kills it, as a crash would: its row stays.
#[derive(Debug)]
pub struct StreamWorker {
    /// How it behaves.
    pub manner: Arc<Manner>,
    /// What it was told.
    pub told: Arc<Told>,
    id: WorkerId,
    store: Store,
    tasks: Vec<JoinHandle<()>>,
    links: Links,
}

type Links = Arc<Mutex<Vec<JoinHandle<()>>>>;

impl StreamWorker {
    /// Starts one in this world, with the model `mini`.
    ///
    /// # Panics
    /// If it cannot listen.
    pub async fn start(world: &World) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let store = world.store().await;
        let secret = store.secret(SECRET, "of a test").await.unwrap();
        let id = WorkerId(format!("stream-test-{address}"));
        let record = WorkerRecord {
            id: id.clone(),
            lane: Lane::Stream,
            models: vec![WorkerModel { id: ModelId::from("mini"), loaded: true }],
            device: Device::default(),
            slots: 1000,
            free: 1000,
            address: Some(address),
        };
        store.register_worker(&record).await.unwrap();
        let registering = store.clone();
        let beat = tokio::spawn(async move {
            loop {
                tokio::time::sleep(Duration::from_secs(1)).await;
                registering.register_worker(&record).await.unwrap();
            }
        });
        let (manner, told, links) = (Arc::<Manner>::default(), Arc::<Told>::default(), Links::default());
        let (how, what, open) = (Arc::clone(&manner), Arc::clone(&told), Arc::clone(&links));
        let listening = tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                let link = Link { secret: secret.clone(), manner: Arc::clone(&how), told: Arc::clone(&what) };
                open.lock().unwrap().push(tokio::spawn(async move {
                    // It ends when the API leaves.
                    let _ = link.serve(stream).await;
                }));
            }
        });
        Self { manner, told, id, store, tasks: vec![beat, listening], links }
    }

    /// Stops it as a signal would: its sessions are handed over, its row is removed.
    ///
    /// # Panics
    /// If the row cannot be removed.
    pub async fn stop(self) {
        self.tasks.iter().for_each(JoinHandle::abort);
        self.store.deregister_worker(&self.id).await.unwrap();
    }

    /// Breaks its links; new ones are taken.
    ///
    /// # Panics
    /// Never.
    pub fn break_links(&self) {
        self.links.lock().unwrap().drain(..).for_each(|link| link.abort());
    }
}

impl Drop for StreamWorker {
    fn drop(&mut self) {
        self.tasks.iter().for_each(JoinHandle::abort);
        self.break_links();
    }
}

struct Link {
    secret: String,
    manner: Arc<Manner>,
    told: Arc<Told>,
}

/// The sessions of a link; each is open until the link ends.
struct Sessions {
    all: HashMap<SessionNumber, Hearing>,
    told: Arc<Told>,
}

impl Drop for Sessions {
    fn drop(&mut self) {
        self.told.open.fetch_sub(self.all.len() as u64, Ordering::SeqCst);
    }
}

impl Link {
    async fn serve(self, stream: TcpStream) -> std::io::Result<()> {
        let (mut reader, mut writer) = stream.into_split();
        let Some(Frame::Message(Request::Hello { version: VERSION, secret })) =
            link::read(&mut reader).await?
        else {
            return Ok(());
        };
        if secret != self.secret {
            return Ok(());
        }
        link::write(&mut writer, &Reply::Welcome).await?;
        let (to, mut replies) = mpsc::unbounded_channel::<Reply>();
        let writing = async move {
            while let Some(reply) = replies.recv().await {
                link::write(&mut writer, &reply).await?;
            }
            std::io::Result::Ok(())
        };
        let reading = async move {
            let mut sessions = Sessions { all: HashMap::new(), told: Arc::clone(&self.told) };
            while let Some(frame) = link::read::<Request>(&mut reader).await? {
                for reply in self.answers(frame, &mut sessions) {
                    let _ = to.send(reply);
                }
            }
            std::io::Result::Ok(())
        };
        tokio::try_join!(reading, writing).map(|_| ())
    }

    fn answers(&self, frame: Frame<Request>, sessions: &mut Sessions) -> Vec<Reply> {
        let on = |setting: &AtomicBool| setting.load(Ordering::SeqCst);
        match frame {
            Frame::Audio(audio) => self.hear(&audio, sessions),
            Frame::Message(Request::Open { session }) if on(&self.manner.refuses) => {
                vec![Reply::Refused { session, retry_after_s: 7 }]
            }
            Frame::Message(Request::Open { session }) => {
                self.told.open.fetch_add(1, Ordering::SeqCst);
                sessions.all.insert(session, Hearing::default());
                vec![Reply::Opened { session }]
            }
            Frame::Message(Request::Begin { session, options, resumption }) => {
                let hearing = sessions.all.get_mut(&session).unwrap();
                hearing.begin(resumption.as_ref().map_or(0, |resumption| resumption.at));
                self.told.begun.lock().unwrap().push((options, resumption));
                if on(&self.manner.is_unready) { Vec::new() } else { vec![Reply::Ready { session }] }
            }
            Frame::Message(Request::Leave { session }) => {
                if sessions.all.remove(&session).is_some() {
                    self.told.open.fetch_sub(1, Ordering::SeqCst);
                }
                Vec::new()
            }
            Frame::Message(_) if on(&self.manner.is_deaf) => Vec::new(),
            Frame::Message(Request::Flush { session }) => {
                let hearing = sessions.all.get_mut(&session).unwrap();
                let mut replies: Vec<_> = hearing.end(session, Ended::Flushed).into_iter().collect();
                replies.push(hearing.heard(session));
                replies
            }
            Frame::Message(Request::Stop { session }) => {
                self.told.open.fetch_sub(1, Ordering::SeqCst);
                let mut hearing = sessions.all.remove(&session).unwrap();
                let mut replies: Vec<_> = hearing.end(session, Ended::Flushed).into_iter().collect();
                replies.push(Reply::Done { session });
                replies
            }
            Frame::Message(Request::Hello { .. }) => panic!("a second hello"),
        }
    }

    fn hear(&self, audio: &Audio, sessions: &mut Sessions) -> Vec<Reply> {
        let session = audio.session;
        self.told.samples.fetch_add(audio.samples.len() as u64, Ordering::SeqCst);
        if self.manner.is_deaf.load(Ordering::SeqCst) {
            return Vec::new();
        }
        if let Some(reason) = *self.manner.fails.lock().unwrap() {
            self.told.open.fetch_sub(1, Ordering::SeqCst);
            sessions.all.remove(&session);
            return vec![Reply::Failed { session, reason, message: "as the test wishes".to_owned() }];
        }
        // One that was given up may be sent audio that was under way.
        let Some(hearing) = sessions.all.get_mut(&session) else { return Vec::new() };
        hearing.hear(session, audio)
    }
}

/// What a session was heard to say.
#[derive(Default)]
struct Hearing {
    at: u64,
    needed_from: u64,
    words: Vec<(i16, u64, u64)>,
    told_language: bool,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Ended {
    ByPause,
    Flushed,
}

impl Hearing {
    fn begin(&mut self, at: u64) {
        (self.at, self.needed_from) = (at, at);
    }

    fn heard(&self, session: SessionNumber) -> Reply {
        Reply::Heard { session, heard: self.at, needed_from: self.needed_from }
    }

    fn hear(&mut self, session: SessionNumber, audio: &Audio) -> Vec<Reply> {
        assert_eq!(audio.start, self.at, "audio is lost, or comes twice");
        let mut replies = Vec::new();
        for sample in &audio.samples {
            match (*sample, self.words.last_mut()) {
                (END, _) => replies.extend(self.end(session, Ended::ByPause)),
                (0, _) => {}
                (value, Some((word, _, end))) if *word == value => *end = self.at + 1,
                (value, _) => self.words.push((value, self.at, self.at + 1)),
            }
            self.at += 1;
            if !self.told_language && !self.words.is_empty() {
                self.told_language = true;
                let language = Language::parse("en").unwrap();
                replies.push(Reply::Said { session, said: Said::Language { language, probability: 0.9 } });
            }
            if self.at.is_multiple_of(SECOND) && !self.words.is_empty() {
                replies.push(self.partial(session));
            }
        }
        replies.push(self.heard(session));
        replies
    }

    fn text(&self) -> String {
        let words: Vec<_> = self.words.iter().map(|(word, ..)| format!("w{word}")).collect();
        words.join(" ")
    }

    fn span(&self) -> (Millis, Millis) {
        let (first, last) = (self.words.first().unwrap(), self.words.last().unwrap());
        (Millis::of_samples(first.1), Millis::of_samples(last.2))
    }

    fn partial(&self, session: SessionNumber) -> Reply {
        let (start, end) = self.span();
        Reply::Said { session, said: Said::Partial { start, end, text: self.text() } }
    }

    fn end(&mut self, session: SessionNumber, ended: Ended) -> Option<Reply> {
        self.needed_from = self.at;
        if self.words.is_empty() {
            return None;
        }
        let (start, end) = self.span();
        let text = self.text();
        let words = std::mem::take(&mut self.words);
        let word = |(word, start, end): &(i16, u64, u64)| Word {
            word: format!("w{word}"),
            punctuated_word: format!("w{word}"),
            start: Millis::of_samples(*start),
            end: Millis::of_samples(*end),
            confidence: 0.75,
            speaker: None,
            overlap: false,
        };
        let segment = Segment {
            start,
            end,
            text,
            speaker: None,
            channel: None,
            language: None,
            confidence: 0.75,
            words: words.iter().map(word).collect(),
        };
        let said =
            Said::Final { segment, utterance_end: ended == Ended::ByPause, needed_from: self.needed_from };
        Some(Reply::Said { session, said })
    }
}

/// Audio in which these words are said, of half a second each.
#[must_use]
pub fn words(words: &[i16]) -> Vec<i16> {
    words.iter().flat_map(|word| std::iter::repeat_n(*word, 8000)).collect()
}

/// The same, and the end of the utterance, which takes a sample.
#[must_use]
pub fn utterance(said: &[i16]) -> Vec<i16> {
    let mut samples = words(said);
    samples.push(END);
    samples
}
