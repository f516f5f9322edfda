//! The first frame of a session: what the client wishes, and whether it may have it.

use steno_shared::id::JobId;
use steno_shared::live::SessionOptions;

use super::audio::Audio;
use super::control::{self, Control};
use super::messages::Dialect;
use super::meter::Meter;
use super::pcm::Pcm;
use super::resume::Return;
use super::session::{End, Flow, Phase, Session};
use super::worker::Here;
use crate::auth::Caller;
use crate::error::{ApiError, Cause};

impl Session {
    /// The first frame is text: what the client wishes.
    pub(super) async fn first(&mut self, text: &str) -> Flow {
        let Some(fields) = control::fields(text) else {
            let sentence = "the first text frame must be a JSON object, such as {\"language\": \"en\"}";
            self.client.outbox.tell(self.dialect.error(sentence, "invalid_config"));
            return Flow::Break(End::Refused(1003));
        };
        let control = Control::of(&fields);
        if let Some(Control::KeepAlive | Control::Flush) = control {
            return Flow::Continue(());
        }
        match self.config.clone().with(&fields) {
            Ok(config) => self.config = config,
            Err(error) => return self.refused(&error),
        }
        if let Some(id) = self.config.session {
            return self.come_back(id).await;
        }
        if let Err(error) = self.begin().await {
            return self.refused(&error);
        }
        if control == Some(Control::Stop) {
            return self.stop();
        }
        Flow::Continue(())
    }

    /// The first frame is audio, or the end of it.
    pub(super) async fn begin_by_audio(&mut self) -> Flow {
        self.dialect = Dialect::Sdk;
        match self.begin().await {
            Ok(()) => Flow::Continue(()),
            Err(error) => self.refused(&error),
        }
    }

    fn refused(&mut self, error: &ApiError) -> Flow {
        self.client.outbox.tell(self.dialect.error(&error.to_string(), error.code()));
        Flow::Break(End::Refused(match error.status().as_u16() {
            503 => 1013,
            500.. => 1011,
            _ => 1008,
        }))
    }

    async fn begin(&mut self) -> Result<(), ApiError> {
        self.admit().await?;
        let app = &self.app;
        let model = app.registry.resolve_live(&self.config.model, &app.settings.model_aliases).await?;
        let pcm = Pcm::new(self.config.encoding, self.config.rate);
        let pcm = pcm.map_err(|error| ApiError::field(error.to_string()))?;
        self.audio = Some(Audio::new(pcm, self.config.encoding.width(), self.config.rate));
        self.model = Some(model);
        self.script.language = self.config.language.map(|language| (language, 1.0));
        if self.config.store {
            self.script.keep_all();
        }
        if self.config.resume {
            self.client.outbox.keep();
            self.listed = Some(app.live.resumable.list(self.id, self.caller.account().clone()));
        }
        let workers = app.registry.workers().await?;
        let here = workers.stream_workers().any(|worker| {
            worker.address.as_deref() == self.hearing.address()
                && worker.models.iter().any(|m| m.id == model.id)
        });
        let options = SessionOptions {
            model: model.id.clone(),
            language: self.config.language,
            endpoint_ms: self.config.endpoint_ms,
            partials: self.config.partials,
            prompt: self.config.prompt.clone(),
        };
        self.hearing.begin(options, if here { Here::HasModel } else { Here::LacksModel });
        self.phase = Phase::Starting;
        tracing::info!(
            session.id = %self.id, request.id = self.request_id, model = %model.id, dialect = ?self.dialect,
            "live session begun"
        );
        Ok(())
    }

    /// Whose session it is, if the handshake has left that open.
    async fn admit(&mut self) -> Result<(), ApiError> {
        if let Some(key) = self.config.key.take().filter(|_| self.caller.is_anonymous()) {
            let caller = Caller::of_key(&key, &self.app).await?;
            if let Some(meter) = self.meter.take() {
                meter.close(None).await?;
            }
            self.caller = caller;
            self.id = JobId::random();
        }
        if self.meter.is_none() {
            self.meter = Some(Meter::open(&self.app, &self.caller, self.id).await?);
        }
        Ok(())
    }

    /// The client comes back to another session, which gets its socket.
    async fn come_back(&mut self, id: JobId) -> Flow {
        if let Some(key) = self.config.key.take().filter(|_| self.caller.is_anonymous()) {
            match Caller::of_key(&key, &self.app).await {
                Ok(caller) => self.caller = caller,
                Err(error) => return self.refused(&error),
            }
        }
        let session = self.app.live.resumable.find(id, self.caller.account());
        let permit = match &session {
            Some(session) => session.reserve().await.ok(),
            None => None,
        };
        let Some(permit) = permit else {
            let message = "there is no such session to come back to; begin another";
            return self.refused(&ApiError::new(Cause::NotFound, message));
        };
        if let Some(socket) = self.client.take() {
            permit.send(Return { socket, last_seq: self.config.last_seq });
        }
        Flow::Break(End::Unsaid)
    }
}
