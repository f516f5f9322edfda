//! Making a job: the upload as a stream, or the address that the server fetches from.

use std::io;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use futures::{Stream, StreamExt, future, stream};
use rand::RngExt;
use reqwest::multipart::{Form, Part};
use reqwest::{Body, Method, RequestBuilder};
use serde_json::{Map, Value};
use tokio::io::AsyncReadExt;
use tokio_util::io::ReaderStream;

use super::Watch;
use super::error::ClientError;
use super::job::Job;
use super::media::{Media, Source};
use super::retry::Retries;
use super::server::Server;
use super::shape::Shape;

/// What is read of a file at a time.
const BLOCK: usize = 64 * 1024;

/// How it is to be transcribed; what is `None` is the server's choice.
#[derive(Debug, Clone, Default, clap::Args)]
pub(crate) struct Options {
    /// Model that transcribes; the server's default unless set
    #[arg(long, value_name = "MODEL")]
    pub(crate) model: Option<String>,

    /// Language that is spoken, such as en; detected unless set
    #[arg(long, value_name = "LANGUAGE")]
    pub(crate) language: Option<String>,

    /// Whether speakers are told apart: true or false
    #[arg(long, value_name = "BOOLEAN", action = clap::ArgAction::Set)]
    pub(crate) diarize: Option<bool>,

    /// Expected number of speakers; 0 finds out
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u8).range(0..=32))]
    pub(crate) speakers: Option<u8>,

    /// Where their number is found out, at least so many speakers
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u8).range(0..=32))]
    pub(crate) min_speakers: Option<u8>,

    /// Where their number is found out, at most so many speakers
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u8).range(0..=32))]
    pub(crate) max_speakers: Option<u8>,

    #[command(flatten)]
    pub(crate) shape: Shape,
}

/// A job that is being made. However often it is tried, it becomes one job.
#[derive(Debug)]
pub(crate) struct Submission {
    media: Option<Media>,
    url: Option<String>,
    options: Options,
    idempotency_key: String,
    sent: Arc<Sent>,
    watch: Arc<dyn Watch>,
}

/// What has become of the body of one try.
#[derive(Debug, Default)]
struct Sent {
    bytes: AtomicU64,
    whole: AtomicBool,
    /// Why the file could not be read on.
    failure: Mutex<Option<io::Error>>,
}

impl Submission {
    /// Opens what is to be transcribed.
    ///
    /// # Errors
    /// If it cannot be read.
    pub(crate) fn open(
        source: &Source,
        options: &Options,
        watch: Arc<dyn Watch>,
    ) -> Result<Self, ClientError> {
        let (media, url) = match source {
            Source::File(path) => (Some(Media::open(path)?), None),
            Source::StandardInput => (Some(Media::standard_input()?), None),
            Source::Url(url) => (None, Some(url.clone())),
        };
        let idempotency_key = format!("cli-{:032x}", rand::rng().random::<u128>());
        Ok(Self { media, url, options: options.clone(), idempotency_key, sent: Arc::default(), watch })
    }

    /// Whether the server has all it needs, and may have made the job.
    pub(crate) fn is_sent(&self) -> bool {
        self.sent.whole.load(Ordering::Relaxed)
    }

    /// Sends it until the server has made a job of it.
    ///
    /// # Errors
    /// If the file cannot be read on, or the server refuses or cannot be reached.
    pub(crate) async fn run(&self, server: &Server) -> Result<Job, ClientError> {
        let mut retries = Retries::new(&*self.watch);
        loop {
            let request = self.request(server)?;
            let error = match server.send(request).await {
                Ok(response) => return Job::of(server, server.document(response).await?),
                Err(error) => error,
            };
            let failure = self.sent.failure.lock().unwrap_or_else(PoisonError::into_inner).take();
            if let (Some(failure), Some(media)) = (failure, &self.media) {
                return Err(ClientError::file("read", &media.name, &failure));
            }
            if !self.can_be_repeated() {
                return Err(error);
            }
            retries.after(error).await?;
        }
    }

    /// What was read of a pipe is gone.
    fn can_be_repeated(&self) -> bool {
        let is_pipe = self.media.as_ref().is_some_and(|media| media.length().is_none());
        !is_pipe || self.sent.bytes.load(Ordering::Relaxed) == 0
    }

    fn request(&self, server: &Server) -> Result<RequestBuilder, ClientError> {
        self.sent.bytes.store(0, Ordering::Relaxed);
        let request = server.request(Method::POST, server.url(&["v1", "jobs"]));
        let request = request.header("idempotency-key", &self.idempotency_key);
        let fields = self.options.fields();
        let Some(media) = &self.media else {
            self.sent.whole.store(true, Ordering::Relaxed);
            let url = self.url.iter().map(|url| ("url", Value::from(url.as_str())));
            return Ok(request.json(&url.chain(fields).map(owned).collect::<Map<_, _>>()));
        };
        self.sent.whole.store(false, Ordering::Relaxed);
        let body = self.body(media).map_err(|error| ClientError::file("read", &media.name, &error))?;
        let part = match media.length() {
            Some(length) => Part::stream_with_length(body, length),
            None => Part::stream(body),
        };
        // The options first: the server can refuse a wrong one before the file has come.
        let form = fields.into_iter().fold(Form::new(), |form, (name, value)| form.text(name, plain(&value)));
        Ok(request.multipart(form.part("file", part.file_name(media.name.clone()))))
    }

    fn body(&self, media: &Media) -> io::Result<Body> {
        let file = tokio::fs::File::from_std(media.reader()?);
        let total = media.length();
        // A file that grows meanwhile is sent as it was announced.
        let bytes = ReaderStream::with_capacity(file.take(total.unwrap_or(u64::MAX)), BLOCK);
        Ok(Body::wrap_stream(counted(bytes, total, Arc::clone(&self.sent), Arc::clone(&self.watch))))
    }
}

/// Counts what goes through, and keeps the error that ends it.
fn counted(
    bytes: impl Stream<Item = io::Result<Bytes>> + Send + 'static,
    total: Option<u64>,
    sent: Arc<Sent>,
    watch: Arc<dyn Watch>,
) -> impl Stream<Item = io::Result<Bytes>> + Send + 'static {
    let at_end = Arc::clone(&sent);
    let counted = bytes.map(move |block| match block {
        Ok(block) => {
            let length = u64::try_from(block.len()).unwrap_or(u64::MAX);
            let all = sent.bytes.fetch_add(length, Ordering::Relaxed) + length;
            if total == Some(all) {
                sent.whole.store(true, Ordering::Relaxed);
            }
            watch.sent(all, total);
            Ok(block)
        }
        Err(error) => {
            sent.fail(io::Error::new(error.kind(), error.to_string()));
            Err(error)
        }
    });
    let end = stream::once(async move { at_end.end(total) });
    counted.chain(end.filter_map(|()| future::ready(None)))
}

impl Sent {
    fn fail(&self, error: io::Error) {
        *self.failure.lock().unwrap_or_else(PoisonError::into_inner) = Some(error);
    }

    fn end(&self, total: Option<u64>) {
        if total.is_some_and(|total| self.bytes.load(Ordering::Relaxed) < total) {
            return self.fail(io::Error::other("it has become shorter while it was sent"));
        }
        self.whole.store(true, Ordering::Relaxed);
    }
}

impl Options {
    /// The fields of the request.
    fn fields(&self) -> Vec<(&'static str, Value)> {
        let model = self.model.as_deref().map(|model| ("model", Value::from(model)));
        let language = self.language.as_deref().map(|language| ("language", Value::from(language)));
        let diarize = self.diarize.map(|diarize| ("diarize", Value::from(diarize)));
        let numbers = [
            ("speakers", self.speakers),
            ("min_speakers", self.min_speakers),
            ("max_speakers", self.max_speakers),
        ];
        let numbers = numbers.into_iter().filter_map(|(name, number)| Some((name, Value::from(number?))));
        let fields = [model, language, diarize].into_iter().flatten().chain(numbers);
        fields.chain(self.shape.fields()).collect()
    }
}

fn owned((name, value): (&str, Value)) -> (String, Value) {
    (name.to_owned(), value)
}

/// A value as a form or a query has it.
pub(super) fn plain(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}
