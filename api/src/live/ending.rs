//! The end of a session: what is left is said, kept, paid for, and the client told.

use std::time::Duration;

use bytes::Bytes;
use steno_shared::catalog::ModelId;
use steno_shared::job::{JobOptions, TextOptions};
use steno_shared::object::{ObjectKey, ObjectStore};
use steno_shared::store::KeptSession;
use tokio::time::{Instant, timeout};

use super::messages::{self, Dialect};
use super::outbox::Kind;
use super::session::{Cause, End, Flow, Phase, Session};
use super::socket::Outbound;
use crate::allowance::Allowance;
use crate::auth::Caller;
use crate::error::ApiError;
use crate::state::App;

/// The official Python SDK fails when a server closes: it is left the time after which it does so itself.
const SDK_CLOSES: Duration = Duration::from_secs(35);

/// What became of a session, as its last message tells it.
#[derive(Default)]
struct Settled {
    usage: Option<(u64, Option<u64>)>,
    is_kept: bool,
}

impl Session {
    /// Takes no more audio, and ends when the worker is done with what it has.
    pub(super) fn finish(&mut self, close: u16, within: Duration) -> Flow {
        if !self.is_taking() {
            return Flow::Continue(());
        }
        if let Some(audio) = &mut self.audio {
            match audio.finish() {
                Ok(samples) => self.hearing.feed.push(&samples),
                Err(error) => tracing::warn!(session.id = %self.id, error, "the end of the audio is lost"),
            }
        }
        if let Some(meter) = &self.meter {
            meter.hear(self.duration());
        }
        self.script.begin_tail();
        self.phase = Phase::Ending { close, until: Instant::now() + within };
        if self.hearing.feed.received() == 0 {
            return Flow::Break(End::Last(close));
        }
        self.hearing.feed.stop();
        Flow::Continue(())
    }

    /// Tells the client why, and then the same.
    pub(super) fn fail(&mut self, cause: &Cause, within: Duration) -> Flow {
        match self.phase {
            Phase::Waiting => {
                self.tell(cause);
                Flow::Break(End::Refused(cause.close))
            }
            Phase::Starting | Phase::Live => {
                self.tell(cause);
                self.finish(cause.close, within)
            }
            Phase::Ending { close, until } => {
                // The first cause is the one that is told; but nobody waits for longer than the last allows.
                let until = until.min(Instant::now() + within);
                self.phase = Phase::Ending { close, until };
                Flow::Continue(())
            }
        }
    }

    /// No worker is there to finish: what seemed to be said is taken for said.
    pub(super) fn lost(&mut self, cause: &Cause) -> Flow {
        let ended_by = match self.phase {
            Phase::Ending { close, .. } if close != 1000 => close,
            _ => {
                self.tell(cause);
                cause.close
            }
        };
        self.script.begin_tail();
        self.script.adopt_partial(self.duration());
        Flow::Break(End::Last(ended_by))
    }

    fn tell(&mut self, cause: &Cause) {
        self.client.outbox.tell(self.dialect.error(&cause.sentence, cause.code));
    }

    /// The code by which a session ends that is done.
    pub(super) fn close_code(&self) -> u16 {
        match self.phase {
            Phase::Ending { close, .. } => close,
            _ => 1000,
        }
    }

    /// The end.
    pub(super) async fn end(mut self, end: End) {
        self.hearing.leave();
        let close = match end {
            End::Last(close) => {
                self.script.begin_tail();
                let settled = self.settle().await;
                self.say_last(&settled);
                self.wait_for_return().await;
                close
            }
            End::Refused(close) => close,
            End::Unsaid => 1000,
        };
        if let Some(meter) = self.meter.take()
            && let Err(error) = meter.close(None).await
        {
            tracing::error!(session.id = %self.id, error = %error, "cannot settle a session");
        }
        tracing::info!(
            session.id = %self.id, audio.duration_s = self.duration().as_seconds(), close, "live session ended"
        );
        // Nobody comes back to what is over.
        self.listed = None;
        let leaves = self.dialect == Dialect::Sdk && end == End::Last(1000);
        let farewell = if leaves { Outbound::Leave(SDK_CLOSES) } else { Outbound::Close(close) };
        let Self { mut client, .. } = self;
        client.farewell(farewell).await;
    }

    /// A client that may come back has its time for it, though nothing is kept for it but messages.
    async fn wait_for_return(&mut self) {
        let (Some(gone), Some(listed)) = (self.client.gone_at(), &mut self.listed) else { return };
        let left = self.app.settings.stream_resume.0.saturating_sub(gone.elapsed());
        let back = tokio::select! {
            back = timeout(left, listed.returned()) => back.ok(),
            () = self.app.stop.cancelled() => None,
        };
        if let Some(back) = back {
            self.client.attach(back.socket);
            let mut ready = self.ready_message();
            let samples = self.audio.as_ref().map_or(0, super::audio::Audio::samples);
            ready.insert("received_samples".to_owned(), samples.into());
            self.client.outbox.tell_again(ready, back.last_seq);
        }
    }

    /// Keeps what is to be kept, and settles what it costs.
    async fn settle(&mut self) -> Settled {
        let mut settled = Settled::default();
        let Some(meter) = self.meter.take() else { return settled };
        let wants_kept = self.config.store && self.hearing.feed.received() > 0;
        let kept = match wants_kept {
            true => match self.transcript() {
                Ok((kept, json)) => {
                    write(&*self.app.objects, &kept.transcript, json).await.map(|()| Some(kept))
                }
                Err(error) => Err(error),
            },
            false => Ok(None),
        };
        let is_lost = kept.is_err();
        let kept = kept.unwrap_or_default();
        match meter.close(kept.as_ref()).await {
            Ok(Some(credits)) => {
                // One that cost nothing, because its account could not pay for a minute, is not kept.
                settled.is_kept = kept.is_some() && credits > 0;
                settled.usage = Some((credits, remaining(&self.app, &self.caller).await));
            }
            // It was settled without being kept.
            Ok(None) => {}
            Err(error) => drop(ApiError::from(error)),
        }
        if wants_kept && (is_lost || !settled.is_kept) {
            let sentence = "the session could not be stored; its text is in the last message".to_owned();
            self.tell(&Cause { sentence, code: "not_stored", close: 1011 });
        }
        settled
    }

    /// The transcript, and how it becomes a job's.
    fn transcript(&self) -> Result<(KeptSession, Vec<u8>), ApiError> {
        let (model, duration) =
            (self.model.map(|model| model.id.clone()).unwrap_or_default(), self.duration());
        let transcript = self.script.transcript(model.clone(), self.config.language, duration);
        transcript.check().map_err(|error| ApiError::internal(&error))?;
        let json = serde_json::to_vec(&transcript).map_err(|error| ApiError::internal(&error))?;
        let kept = KeptSession {
            transcript: ObjectKey::transcript(self.id, 1),
            duration,
            options: self.job_options(model),
            request_id: self.request_id.clone(),
        };
        Ok((kept, json))
    }

    fn job_options(&self, model: ModelId) -> JobOptions {
        let text = TextOptions { prompt: self.config.prompt.clone(), ..TextOptions::default() };
        JobOptions { model, language: self.config.language, text, ..JobOptions::default() }
    }

    fn say_last(&mut self, settled: &Settled) {
        let words = self.script.tail_segments().iter().flat_map(|segment| &segment.words).collect();
        let cumulative = self.config.text_mode == super::config::TextMode::Cumulative;
        let last = self.dialect.last(&messages::End {
            session: self.id,
            tail: if cumulative { &self.script.text } else { self.script.tail() },
            transcript: &self.script.text,
            words,
            duration: self.duration(),
            language: self.script.language.map(|(language, _)| language),
            usage: settled.usage,
            is_kept: settled.is_kept,
        });
        self.client.outbox.push(Kind::Kept, last);
    }
}

async fn write(objects: &dyn ObjectStore, key: &ObjectKey, json: Vec<u8>) -> Result<(), ApiError> {
    let mut writer = objects.create(key).await?;
    writer.write(Bytes::from(json)).await?;
    writer.finish().await?;
    Ok(())
}

/// What the account may still use.
async fn remaining(app: &App, caller: &Caller) -> Option<u64> {
    let usage = app.store.usage(caller.account()).await;
    let usage = usage.inspect_err(|error| tracing::warn!(error = %error, "cannot read what is left")).ok()?;
    Allowance::of(&caller.limits, &usage).credits_remaining
}
