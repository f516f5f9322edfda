//! A session: what its client sends, what its worker says, its meter, its clocks.

use std::ops::ControlFlow;
use std::time::Duration;

use steno_shared::catalog::Model;
use steno_shared::id::JobId;
use steno_shared::live::{FailReason, Said};
use steno_shared::time::{Millis, SAMPLE_RATE};
use steno_shared::transcript::Segment;
use tokio::time::{Instant, MissedTickBehavior};

use super::audio::Audio;
use super::client::{Client, Sent};
use super::config::{Config, TextMode};
use super::control::{self, Control, Flood};
use super::link::Place;
use super::messages::{Dialect, Told, ready};
use super::meter::{Alarm, Meter};
use super::outbox::Kind;
use super::resume::{Listed, Return};
use super::script::Script;
use super::socket::Socket;
use super::worker::{Heard, Hearing};
use crate::auth::Caller;
use crate::state::App;

/// How often the clocks are looked at.
const TICK: Duration = Duration::from_millis(250);
/// A session that is so far behind its client is too slow.
const BEHIND: u64 = 30 * SAMPLE_RATE as u64;
/// For a worker to finish what it was sent, once no more comes.
const FINISH: Duration = Duration::from_secs(120);
/// The same, where it is late already.
const FINISH_LATE: Duration = Duration::from_secs(10);
/// The same, where the server is being stopped.
const FINISH_STOPPING: Duration = Duration::from_secs(4);

/// What a handshake has settled.
#[derive(Debug)]
pub(super) struct Beginning {
    /// The session.
    pub(super) id: JobId,
    /// Whose it is.
    pub(super) caller: Caller,
    /// What the query says.
    pub(super) config: Config,
    /// None while the caller may be coming back to another session.
    pub(super) meter: Option<Meter>,
    /// Names the handshake in the log.
    pub(super) request_id: String,
}

/// A session, from its handshake to its end.
pub(super) struct Session {
    pub(super) app: App,
    pub(super) id: JobId,
    pub(super) caller: Caller,
    pub(super) config: Config,
    pub(super) meter: Option<Meter>,
    pub(super) request_id: String,
    pub(super) client: Client,
    pub(super) hearing: Hearing,
    pub(super) script: Script,
    pub(super) dialect: Dialect,
    pub(super) model: Option<&'static Model>,
    pub(super) audio: Option<Audio>,
    pub(super) phase: Phase,
    pub(super) listed: Option<Listed>,
    flood: Flood,
    began: Instant,
    /// When the client last sent audio, or said that it is there.
    last_sign: Instant,
}

/// Where a session is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Phase {
    /// The first frame has not come.
    Waiting,
    /// A worker is being got ready.
    Starting,
    /// The client may speak and be heard.
    Live,
    /// No more audio is taken. The socket is closed by this code, at this time at the latest.
    Ending { close: u16, until: Instant },
}

/// How a session goes on.
pub(super) type Flow = ControlFlow<End>;

/// How a session ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum End {
    /// With its last message, and this code.
    Last(u16),
    /// Before it has begun, with this code.
    Refused(u16),
    /// The client is gone, or has gone on to another session.
    Unsaid,
}

/// Why a session ends that its client did not end.
pub(super) struct Cause {
    /// For people.
    pub(super) sentence: String,
    /// For programs.
    pub(super) code: &'static str,
    /// The code of the close frame.
    pub(super) close: u16,
}

enum Event {
    Sent(Sent),
    Heard(Heard),
    Alarm(Alarm),
    Returned(Return),
    Tick,
    Stopping,
}

impl Session {
    /// After a handshake.
    pub(super) fn new(app: App, beginning: Beginning, worker: Option<Place>, socket: Socket) -> Self {
        let Beginning { id, caller, config, meter, request_id } = beginning;
        let now = Instant::now();
        Self {
            hearing: Hearing::new(app.live.links.clone(), worker),
            app,
            id,
            caller,
            config,
            meter,
            request_id,
            client: Client::new(socket),
            script: Script::default(),
            dialect: Dialect::Documented,
            model: None,
            audio: None,
            phase: Phase::Waiting,
            listed: None,
            flood: Flood::default(),
            began: now,
            last_sign: now,
        }
    }

    /// Runs it to its end.
    pub(super) async fn run(mut self) {
        let stop = self.app.stop.clone();
        let mut ticks = tokio::time::interval(TICK);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut is_stopping = false;
        let end = loop {
            let take_from = self.take_from();
            let event = tokio::select! {
                sent = self.client.next(take_from) => Event::Sent(sent),
                heard = self.hearing.next() => Event::Heard(heard),
                alarm = alarm(self.meter.as_mut()) => Event::Alarm(alarm),
                back = returned(self.listed.as_mut()) => Event::Returned(back),
                _ = ticks.tick() => Event::Tick,
                () = stop.cancelled(), if !is_stopping => Event::Stopping,
            };
            is_stopping |= matches!(event, Event::Stopping);
            if let ControlFlow::Break(end) = self.handle(event).await {
                break end;
            }
        };
        self.end(end).await;
    }

    async fn handle(&mut self, event: Event) -> Flow {
        match event {
            Event::Sent(sent) => self.sent(sent).await,
            Event::Heard(heard) => self.heard(heard),
            Event::Alarm(alarm) => self.alarmed(alarm),
            Event::Returned(back) => self.returned(back),
            Event::Tick => self.tick(),
            Event::Stopping => self.stopping(),
        }
    }

    /// From when on frames are taken, if at all.
    fn take_from(&self) -> Option<Instant> {
        match (self.phase, &self.audio) {
            (Phase::Starting | Phase::Live, Some(audio)) => audio.take_from(),
            _ => Some(Instant::now()),
        }
    }

    /// The length of the audio.
    pub(super) fn duration(&self) -> Millis {
        Millis::of_samples(self.hearing.feed.received())
    }

    async fn sent(&mut self, sent: Sent) -> Flow {
        let is_first = self.phase == Phase::Waiting;
        match sent {
            Sent::Gone => self.gone(),
            Sent::Oversized => self.too_long("frames must be no longer than 1 MiB"),
            Sent::Broken(close) => {
                let sentence =
                    "what came is no WebSocket frame, or a text frame that is not UTF-8".to_owned();
                self.fail(&Cause { sentence, code: "protocol_error", close }, FINISH)
            }
            Sent::Text(text) if text.len() > control::LONGEST => {
                self.too_long("text frames must be no longer than 64 KiB")
            }
            Sent::Text(_) if self.flood.count() => {
                let sentence = "more than 100 text frames came within a second".to_owned();
                self.fail(&Cause { sentence, code: "too_many_frames", close: 1008 }, FINISH)
            }
            Sent::Text(text) if is_first => self.first(&text).await,
            Sent::Text(text) => self.told(&text),
            Sent::Audio(bytes) => {
                if is_first {
                    self.begin_by_audio().await?;
                }
                self.take(&bytes)
            }
            Sent::Empty => {
                if is_first {
                    self.begin_by_audio().await?;
                }
                self.stop()
            }
        }
    }

    /// The client says that no more audio comes.
    pub(super) fn stop(&mut self) -> Flow {
        self.finish(1000, FINISH)
    }

    fn told(&mut self, text: &str) -> Flow {
        let control = control::fields(text).as_ref().and_then(Control::of);
        match control {
            Some(Control::Stop) => return self.stop(),
            Some(Control::Flush) if self.is_taking() => self.hearing.feed.flush(),
            Some(Control::Flush | Control::KeepAlive) => {}
            None => {
                let sentence = "this text frame means nothing here; send {\"action\": \"stop\"}, \"flush\" or \
                                \"keepalive\", and audio as binary frames";
                self.client.outbox.tell(self.dialect.error(sentence, "unknown_message"));
                return Flow::Continue(());
            }
        }
        self.last_sign = Instant::now();
        Flow::Continue(())
    }

    pub(super) fn is_taking(&self) -> bool {
        matches!(self.phase, Phase::Starting | Phase::Live)
    }

    fn take(&mut self, bytes: &[u8]) -> Flow {
        if !self.is_taking() {
            return Flow::Continue(());
        }
        let Some(audio) = &mut self.audio else { return Flow::Continue(()) };
        match audio.take(bytes) {
            Ok(samples) => self.hearing.feed.push(&samples),
            Err(error) => {
                tracing::error!(session.id = %self.id, error, "audio cannot be read");
                return self.fail(&internal(), FINISH);
            }
        }
        self.last_sign = Instant::now();
        if let Some(meter) = &self.meter {
            meter.hear(self.duration());
        }
        Flow::Continue(())
    }

    fn too_long(&mut self, sentence: &str) -> Flow {
        self.fail(&Cause { sentence: sentence.to_owned(), code: "frame_too_large", close: 1009 }, FINISH)
    }

    fn gone(&mut self) -> Flow {
        match self.phase {
            Phase::Waiting => Flow::Break(End::Unsaid),
            Phase::Starting | Phase::Live if self.listed.is_none() => self.stop(),
            _ => Flow::Continue(()),
        }
    }

    fn heard(&mut self, heard: Heard) -> Flow {
        match heard {
            Heard::Nothing => {}
            Heard::Ready => self.ready(),
            Heard::Said(said) => self.said(said),
            Heard::Done => return Flow::Break(End::Last(self.close_code())),
            Heard::Lost => tracing::warn!(session.id = %self.id, "a session has lost its worker"),
            Heard::Moved => {
                let at = self.hearing.feed.restart();
                let resumption = self.script.resumption(at);
                self.hearing.resume(Some(resumption).filter(|_| self.phase != Phase::Starting));
                // What seemed to be said is heard again.
                let end = self.duration();
                self.said(Said::Partial { start: end, end, text: String::new() });
            }
            Heard::Failed(reason, message) => {
                tracing::error!(session.id = %self.id, reason = ?reason, message, "a worker gave a session up");
                return self.lost(&match reason {
                    FailReason::Busy => busy(),
                    FailReason::NoModel => Cause {
                        sentence: "the model is not installed on the server's workers any more".to_owned(),
                        code: "model_not_installed",
                        close: 1011,
                    },
                    FailReason::Internal | FailReason::Stopping => internal(),
                });
            }
            // Before the first frame nothing is missing yet.
            Heard::NoWorker(_) if self.phase == Phase::Waiting => {}
            Heard::NoWorker(super::links::NoPlace::Busy { .. }) => return self.lost(&busy()),
            Heard::NoWorker(super::links::NoPlace::NoWorker) => {
                let sentence = "no worker of live sessions is left; try again shortly".to_owned();
                return self.lost(&Cause { sentence, code: "no_worker", close: 1013 });
            }
        }
        Flow::Continue(())
    }

    fn ready(&mut self) {
        if let Some(audio) = &mut self.audio {
            audio.ready();
        }
        if self.phase == Phase::Starting {
            self.phase = Phase::Live;
            self.last_sign = Instant::now();
            if self.dialect == Dialect::Documented {
                self.client.outbox.tell(self.ready_message());
            }
        }
    }

    pub(super) fn ready_message(&self) -> serde_json::Map<String, serde_json::Value> {
        ready(self.id, self.model.map_or("", |model| model.id.as_str()), self.config.language)
    }

    fn said(&mut self, said: Said) {
        let dialect = self.dialect;
        match said {
            Said::Partial { start, end, text } => {
                let end = end.min(self.duration());
                let start = start.min(end);
                self.script.set_partial(&text, start, end);
                if self.config.partials && !self.script.is_in_tail() {
                    self.client.outbox.push(Kind::Partial, dialect.partial(&text, start, end));
                }
            }
            Said::Final { segment, utterance_end, needed_from } => {
                self.hearing.finished_until(needed_from);
                self.said_finally(segment);
                let (start, end) = self.script.last();
                if utterance_end
                    && !self.script.is_in_tail()
                    && let Some(event) = dialect.utterance_end(start, end)
                {
                    self.client.outbox.push(Kind::Kept, event);
                }
            }
            Said::Language { language, probability } => {
                self.script.language = Some((language, probability));
                if let Some(event) = dialect.language(language, probability) {
                    self.client.outbox.push(Kind::Kept, event);
                }
            }
        }
    }

    fn said_finally(&mut self, segment: Segment) {
        let segment = self.script.add(segment, self.duration());
        if self.script.is_in_tail() {
            return;
        }
        let whole = (self.config.text_mode == TextMode::Cumulative).then_some(self.script.text.as_str());
        let language = self.script.language.map(|(language, _)| language);
        let told = Told { segment: &segment, whole, language };
        self.client.outbox.push(Kind::Kept, self.dialect.said(&told));
    }

    fn alarmed(&mut self, alarm: Alarm) -> Flow {
        match alarm {
            Alarm::Short(shortage) => {
                let failure = shortage.failure();
                let cause = Cause { sentence: failure.message, code: failure.code.as_str(), close: 1008 };
                self.fail(&cause, FINISH)
            }
            Alarm::Lost => {
                tracing::error!(session.id = %self.id, "a session was settled by another process");
                self.fail(&internal(), FINISH_LATE)
            }
        }
    }

    fn returned(&mut self, back: Return) -> Flow {
        self.client.attach(back.socket);
        self.last_sign = Instant::now();
        let mut ready = self.ready_message();
        if let Some(audio) = &mut self.audio {
            audio.restart();
            ready.insert("received_samples".to_owned(), audio.samples().into());
        }
        self.client.outbox.tell_again(ready, back.last_seq);
        Flow::Continue(())
    }

    fn tick(&mut self) -> Flow {
        let settings = &self.app.settings;
        match self.phase {
            Phase::Waiting if self.began.elapsed() > settings.stream_config_timeout.0 => {
                let sentence = format!(
                    "neither wishes nor audio came within {}; send a JSON object, or audio",
                    settings.stream_config_timeout
                );
                self.fail(&Cause { sentence, code: "no_config", close: 1008 }, FINISH)
            }
            Phase::Waiting => Flow::Continue(()),
            Phase::Starting | Phase::Live => self.tick_live(),
            Phase::Ending { until, .. } if Instant::now() > until => self.lost(&too_slow()),
            Phase::Ending { .. } => Flow::Continue(()),
        }
    }

    fn tick_live(&mut self) -> Flow {
        let settings = &self.app.settings;
        if self.hearing.feed.behind() > BEHIND {
            return self.fail(&too_slow(), FINISH_LATE);
        }
        if self.began.elapsed() > settings.stream_max.0 {
            let sentence = format!(
                "the session has lasted {}, as long as one may on this server; open another",
                settings.stream_max
            );
            return self.fail(&Cause { sentence, code: "session_too_long", close: 1008 }, FINISH);
        }
        let waited = self.client.gone_at().is_some_and(|gone| gone.elapsed() > settings.stream_resume.0);
        // While no worker is ready the client may have nothing more to send.
        let is_idle = self.phase == Phase::Live && self.last_sign.elapsed() > settings.stream_idle.0;
        if waited || self.client.is_here() && is_idle {
            return self.finish(1000, FINISH);
        }
        Flow::Continue(())
    }

    fn stopping(&mut self) -> Flow {
        let sentence = "the server is being stopped".to_owned();
        self.fail(&Cause { sentence, code: "stopping", close: 1012 }, FINISH_STOPPING)
    }
}

fn busy() -> Cause {
    let sentence = "all workers of live sessions are busy; try again in a moment".to_owned();
    Cause { sentence, code: "busy", close: 1013 }
}

fn too_slow() -> Cause {
    let sentence = "the server cannot keep up with this session; try again in a moment".to_owned();
    Cause { sentence, code: "too_slow", close: 1013 }
}

fn internal() -> Cause {
    Cause { sentence: "internal error".to_owned(), code: "internal", close: 1011 }
}

async fn alarm(meter: Option<&mut Meter>) -> Alarm {
    match meter {
        Some(meter) => meter.alarm().await,
        None => std::future::pending().await,
    }
}

async fn returned(listed: Option<&mut Listed>) -> Return {
    match listed {
        Some(listed) => listed.returned().await,
        None => std::future::pending().await,
    }
}
