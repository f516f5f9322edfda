//! `GET /v1/jobs/{id}/events`: a job as it goes on, as server-sent events.

use std::io;
use std::time::Duration;

use bytes::Bytes;
use futures::stream;
use poem::web::Data;
use poem::{Body, IntoResponse, Request, Response};
use poem_openapi::param::Path;
use poem_openapi::registry::{MetaMediaType, MetaResponse, MetaResponses, MetaSchemaRef, Registry};
use poem_openapi::types::{ToJSON, Type};
use poem_openapi::{ApiResponse, OpenApi};
use steno_shared::id::JobId;
use steno_shared::job::{Job, StageKind};
use steno_shared::time::Millis;
use steno_shared::transcript::{ChannelSpeakers, Segment};
use tokio::sync::watch;
use tokio::time::Instant;

use super::{Tag, jobs};
use crate::auth::Caller;
use crate::error::ApiError;
use crate::job_document::{self, JobDocument};
use crate::rates::Stream;
use crate::reply::SegmentDocument;
use crate::speakers::{self, Stored};
use crate::state::App;

/// However often the database changes, the job is looked at no more often than this.
const LEAST: Duration = Duration::from_millis(200);
/// The look behind the notifications.
const POLL: Duration = Duration::from_secs(1);
/// A comment goes out this often, so that nothing in between gives the connection up.
const BEAT: Duration = Duration::from_secs(15);

#[derive(Debug)]
pub(crate) struct Routes;

#[OpenApi]
impl Routes {
    /// Follow a job.
    ///
    /// Server-sent events: `progress` with the job whenever it goes on, `segment` with each piece of text as it is
    /// final, in order of time, and `end` with the job, after which the stream ends. Segments are sent before it is
    /// known who speaks: `speakers`, just before the end, says when who does, as `GET /v1/jobs/{id}/speakers`, and the
    /// transcript has the words of each. The id of an event is the number of segments sent; a client that connects
    /// again with `Last-Event-ID` gets those after it.
    #[oai(path = "/v1/jobs/:id/events", method = "get", operation_id = "follow_job", tag = "Tag::Jobs")]
    async fn follow(
        &self,
        caller: Caller,
        app: Data<&App>,
        /// The job's id.
        id: Path<String>,
        request: &Request,
    ) -> Result<Events, ApiError> {
        let job = jobs::find(&app, &caller, &id).await?;
        let last = request.headers().get("last-event-id").and_then(|id| id.to_str().ok());
        let follower = Follower {
            _stream: app.streams.open(&caller)?,
            app: app.clone(),
            job: job.id,
            changes: app.waiters.changes(),
            sent: last.and_then(|id| id.parse().ok()).unwrap_or(0),
            seen: 0,
            after: None,
            early: Vec::new(),
            speakers: ChannelSpeakers::default(),
            shown: None,
            looked: None,
            said: Instant::now(),
            ended: false,
        };
        let events = stream::unfold(follower, |mut follower| async move {
            let events = follower.next().await?;
            Some((Ok::<_, io::Error>(Bytes::from(events)), follower))
        });
        let response = Response::builder()
            .content_type("text/event-stream")
            .header("cache-control", "no-store")
            .header("x-accel-buffering", "no");
        Ok(Events(response.body(Body::from_bytes_stream(events))))
    }
}

/// Who follows a job, and what it was told.
struct Follower {
    app: App,
    job: JobId,
    changes: watch::Receiver<u64>,
    /// Segments that the client has.
    sent: usize,
    /// Segments of the chunks up to `after` that are final.
    seen: usize,
    /// The first sample of the last chunk that was read.
    after: Option<u64>,
    /// Segments of these chunks before which one of another channel may come.
    early: Vec<Segment>,
    /// The labels of the channels.
    speakers: ChannelSpeakers,
    shown: Option<JobDocument>,
    looked: Option<Instant>,
    /// When something was last sent.
    said: Instant,
    ended: bool,
    /// Its place among those of the account.
    _stream: Stream,
}

impl Follower {
    /// The next events; none after the end.
    async fn next(&mut self) -> Option<String> {
        loop {
            if self.ended {
                return None;
            }
            self.pause().await?;
            let events = match self.look().await {
                Ok(events) => events,
                Err(error) => {
                    // The client connects again.
                    tracing::warn!(?error, job.id = %self.job, "cannot follow a job");
                    return None;
                }
            };
            if !events.is_empty() {
                self.said = Instant::now();
                return Some(events);
            }
            if self.said.elapsed() >= BEAT {
                self.said = Instant::now();
                return Some(":\n\n".to_owned());
            }
        }
    }

    /// Waits for a change, not at first; none when the server is being stopped.
    async fn pause(&mut self) -> Option<()> {
        let Some(looked) = self.looked else { return Some(()) };
        let change = async {
            tokio::select! {
                _ = self.changes.changed() => {}
                () = tokio::time::sleep(POLL) => {}
            }
            tokio::time::sleep_until(looked + LEAST).await;
        };
        tokio::select! {
            () = change => Some(()),
            () = self.app.stop.cancelled() => None,
        }
    }

    async fn look(&mut self) -> Result<String, ApiError> {
        self.looked = Some(Instant::now());
        let Some(job) = self.app.store.job(self.job).await? else {
            self.ended = true;
            return Ok(String::new());
        };
        let document = job_document::of(&self.app, job.clone()).await?;
        let mut events = String::new();
        // Progress first: it never claims less than the segments that follow it.
        if self.shown.as_ref() != Some(&document) && !job.state.is_final() {
            self.event(&mut events, "progress", &document.to_json_string());
        }
        for segment in self.segments(&job).await? {
            self.sent += 1;
            let json = SegmentDocument::from(segment).to_json_string();
            self.event(&mut events, "segment", &json);
        }
        if job.state.is_final() {
            self.ended = true;
            if job.transcript.is_some() && job.options.diarize {
                let speakers = speakers::read(&self.app, &job).await?;
                self.event(&mut events, "speakers", &speakers.to_json_string());
            }
            self.event(&mut events, "end", &document.to_json_string());
        }
        self.shown = Some(document);
        Ok(events)
    }

    fn event(&self, events: &mut String, name: &str, json: &str) {
        events.push_str(&format!("id: {}\nevent: {name}\ndata: {json}\n\n", self.sent));
    }

    /// The segments that the client has not and that will not change.
    async fn segments(&mut self, job: &Job) -> Result<Vec<Segment>, ApiError> {
        if job.state.is_final() {
            if job.transcript.is_none() {
                return Ok(Vec::new());
            }
            let stored = speakers::of_stored(&self.app, job, Stored::into_unlabelled);
            let segments = stored.await?.segments;
            return Ok(segments.into_iter().skip(self.sent).collect());
        }
        let stages = self.app.store.stages(job.id).await?;
        let transcribe = stages.iter().find(|stage| stage.kind == StageKind::Transcribe);
        let done = transcribe.map(|stage| stage.progress.done).unwrap_or_default();
        // Chunks end in any order; all that begin before `done` are there. They are known by the samples of all
        // channels, which stand in turn, from the first that was heard on.
        let channels = u64::from(job.channels.max(1));
        for chunk in self.app.store.chunks_after(job.id, self.after).await? {
            if Millis::of_samples(chunk.start / channels) >= done {
                break;
            }
            self.after = Some(chunk.start);
            self.early.extend(chunk.segments());
        }
        let (origin, _) = job.options.media.window(job.duration.unwrap_or_default());
        let mut fresh = Vec::new();
        self.early.sort_by_key(|segment| (segment.start, segment.channel));
        let settled = self.early.partition_point(|segment| segment.start < origin + done);
        for mut segment in self.early.drain(..settled) {
            if job.options.diarize {
                self.speakers.label(&mut segment);
            }
            if self.seen >= self.sent {
                fresh.push(segment);
            }
            self.seen += 1;
        }
        Ok(fresh)
    }
}

/// The stream of events.
struct Events(Response);

impl IntoResponse for Events {
    fn into_response(self) -> Response {
        self.0
    }
}

impl ApiResponse for Events {
    fn meta() -> MetaResponses {
        let schema: MetaSchemaRef = String::schema_ref();
        MetaResponses {
            responses: vec![MetaResponse {
                description: "The events, until the job ends.",
                status: Some(200),
                status_range: None,
                content: vec![MetaMediaType { content_type: "text/event-stream", schema }],
                headers: vec![],
            }],
        }
    }

    fn register(_: &mut Registry) {}
}
