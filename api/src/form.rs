//! Receiving a form: the file streamed to the object store, the fields before or after it, everything counted.
//!
//! multer parses hyper's own chunks. Nothing is left of a form that is refused or breaks off, since an object
//! exists only once its writer is finished.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use futures::{Stream, StreamExt};
use multer::{Field, Multipart};
use steno_shared::object::{ObjectKey, ObjectStore, ObjectWriter};
use steno_shared::settings;

use crate::error::{ApiError, Cause};
use crate::options::TranscribeOptions;

/// Of a form, all that is not the file: names, headers, boundaries, the other fields.
const OVERHEAD: u64 = 1 << 20;
const MAX_FIELD: usize = 64 * 1024;
const MAX_FIELDS: usize = 100;
/// What Node's `fetch` sends for a form of the package `form-data`.
const STRINGIFIED: &[u8] = b"[object FormData]";
const STRINGIFIED_FIX: &str = "the body is the text \"[object FormData]\": the form was turned into a string on \
    its way, as Node's fetch does with the package form-data; use Node's own: const form = new FormData(); \
    form.append(\"file\", await fs.openAsBlob(path), name)";
/// A text this short in place of a file is a mistake of the command line.
const MAX_MISTAKE: usize = 4096;

/// A received form.
#[derive(Debug)]
pub(crate) struct Form {
    pub(crate) options: TranscribeOptions,
    /// None if a URL was given in its place.
    pub(crate) file: Option<SpooledFile>,
}

/// A file that lies in the object store in all but name: it exists once its writer is finished.
#[derive(Debug)]
pub(crate) struct SpooledFile {
    pub(crate) writer: Box<dyn ObjectWriter>,
    pub(crate) name: Option<String>,
}

/// Where a form comes from and where its file goes.
#[derive(Debug)]
pub(crate) struct Receiver<'a> {
    pub(crate) objects: &'a dyn ObjectStore,
    pub(crate) key: ObjectKey,
    pub(crate) max_file: u64,
}

/// What has arrived of a body, for the stream and the parser.
#[derive(Debug, Default)]
struct Arrived {
    total: AtomicU64,
    file: AtomicU64,
}

impl Receiver<'_> {
    /// Refuses, from the length that the client announces, what would be refused in the end.
    pub(crate) async fn expect(&self, length: Option<u64>) -> Result<(), ApiError> {
        let Some(length) = length else { return Ok(()) };
        if length > self.max_file + OVERHEAD {
            return Err(self.too_large());
        }
        let free = self.objects.free_bytes().await?;
        if free.is_some_and(|free| free < length + OVERHEAD) {
            return Err(ApiError::out_of_space());
        }
        Ok(())
    }

    /// Reads a form to its end.
    pub(crate) async fn receive<S>(&self, content_type: &str, body: S) -> Result<Form, ApiError>
    where
        S: Stream<Item = Result<Bytes, std::io::Error>> + Send + 'static,
    {
        let arrived = Arc::new(Arrived::default());
        let mut body = Box::pin(body);
        // The first chunk is looked at before the parser, whose errors would not tell.
        let first = body.next().await.transpose().map_err(broken_off)?.unwrap_or_default();
        if first.as_ref() == STRINGIFIED {
            return Err(ApiError::new(Cause::InvalidBody, STRINGIFIED_FIX));
        }
        let boundary = multer::parse_boundary(content_type).map_err(|_| {
            let message = "send the file as a form (multipart/form-data) with a part named \"file\"; with curl: \
                           -F file=@recording.mp3";
            ApiError::new(Cause::InvalidBody, message)
        })?;
        let whole = futures::stream::once(async { Ok(first) }).chain(body);
        self.parse(Multipart::new(counted(whole, Arc::clone(&arrived)), boundary), &arrived).await
    }

    async fn parse(&self, mut parts: Multipart<'_>, arrived: &Arrived) -> Result<Form, ApiError> {
        let mut options = TranscribeOptions::default();
        let mut file = None;
        let mut fields = 0;
        while let Some(mut field) = parts.next_field().await.map_err(unreadable)? {
            fields += 1;
            if fields > MAX_FIELDS {
                return Err(ApiError::new(Cause::InvalidBody, "the form has more than 100 fields"));
            }
            match field.name().unwrap_or_default().to_owned().as_str() {
                "file" if file.is_some() => {
                    return Err(ApiError::new(
                        Cause::InvalidBody,
                        "the form has more than one file; send one",
                    ));
                }
                "file" => file = Some(self.spool(&mut field, arrived).await?),
                name if TranscribeOptions::knows(name) => {
                    let value = text(&mut field, name).await?;
                    options.set(name, &value)?;
                }
                name => skip(&mut field, name).await?,
            }
        }
        options.check()?;
        match (&file, &options.url) {
            (None, None) => {
                let message = "the form has no file: send it in a part named \"file\"; with curl: \
                               -F file=@recording.mp3";
                Err(ApiError::new(Cause::MissingFile, message))
            }
            (Some(_), Some(_)) => Err(ApiError::field("send a file or a url, not both")),
            _ => Ok(Form { options, file }),
        }
    }

    async fn spool(&self, field: &mut Field<'_>, arrived: &Arrived) -> Result<SpooledFile, ApiError> {
        let name = field.file_name().map(str::to_owned);
        // `-F file=recording.mp3` without the @ sends the name instead of the file.
        let may_be_mistake = name.is_none() && field.content_type().is_none();
        let mut head = Vec::new();
        let mut writer = self.objects.create(&self.key).await?;
        let mut bytes = 0;
        while let Some(chunk) = field.chunk().await.map_err(unreadable)? {
            bytes += chunk.len() as u64;
            if bytes > self.max_file {
                return Err(self.too_large());
            }
            arrived.file.store(bytes, Ordering::Relaxed);
            if may_be_mistake && head.len() <= MAX_MISTAKE {
                head.extend_from_slice(&chunk);
            }
            writer.write(chunk).await?;
        }
        if bytes == 0 {
            return Err(ApiError::new(
                Cause::Job(steno_shared::error::FailureCode::EmptyFile),
                "the file is empty",
            ));
        }
        if may_be_mistake && head.len() <= MAX_MISTAKE && head.is_ascii() {
            let message = "the part \"file\" holds a text, not a file; with curl, an @ stands before the path: \
                           -F file=@recording.mp3";
            return Err(ApiError::new(Cause::MissingFile, message));
        }
        Ok(SpooledFile { writer, name })
    }

    fn too_large(&self) -> ApiError {
        let message =
            format!("the file is larger than {}, the most that is accepted", settings::Bytes(self.max_file));
        ApiError::new(Cause::FileTooLarge, message)
    }
}

/// Counts what arrives and ends the stream when too much of it is not the file.
fn counted<S>(body: S, arrived: Arc<Arrived>) -> impl Stream<Item = Result<Bytes, std::io::Error>> + Send
where
    S: Stream<Item = Result<Bytes, std::io::Error>> + Send + 'static,
{
    body.map(move |chunk| {
        let chunk = chunk?;
        let before = arrived.total.fetch_add(chunk.len() as u64, Ordering::Relaxed);
        // What arrived before was parsed by now, save for what the parser holds back.
        if before.saturating_sub(arrived.file.load(Ordering::Relaxed)) > 2 * OVERHEAD {
            return Err(std::io::Error::new(std::io::ErrorKind::FileTooLarge, "too much besides the file"));
        }
        Ok(chunk)
    })
}

async fn text(field: &mut Field<'_>, name: &str) -> Result<String, ApiError> {
    let mut bytes = Vec::new();
    while let Some(chunk) = field.chunk().await.map_err(unreadable)? {
        if bytes.len() + chunk.len() > MAX_FIELD {
            return Err(ApiError::field(format!("the field {name} is longer than 64 KiB")));
        }
        bytes.extend_from_slice(&chunk);
    }
    String::from_utf8(bytes).map_err(|_| ApiError::field(format!("the field {name} is not UTF-8 text")))
}

/// Unknown fields are ignored, but not without bound.
async fn skip(field: &mut Field<'_>, name: &str) -> Result<(), ApiError> {
    let mut bytes = 0;
    while let Some(chunk) = field.chunk().await.map_err(unreadable)? {
        bytes += chunk.len();
        if bytes as u64 > OVERHEAD {
            let name: String = name.chars().take(40).collect();
            let message =
                format!("the unknown field {name:?} is larger than 1 MiB; the file belongs in \"file\"");
            return Err(ApiError::new(Cause::InvalidBody, message));
        }
    }
    Ok(())
}

fn unreadable(error: multer::Error) -> ApiError {
    let message = match error {
        multer::Error::StreamReadFailed(error) => {
            let too_large = error
                .downcast_ref::<std::io::Error>()
                .is_some_and(|error| error.kind() == std::io::ErrorKind::FileTooLarge);
            if too_large {
                "the form has more than 1 MiB besides its file".to_owned()
            } else {
                "the form breaks off before its end".to_owned()
            }
        }
        multer::Error::IncompleteStream
        | multer::Error::IncompleteHeaders
        | multer::Error::IncompleteFieldData { .. } => "the form breaks off before its end".to_owned(),
        error => format!("the form cannot be read: {error}"),
    };
    ApiError::new(Cause::InvalidBody, message)
}

fn broken_off(_: std::io::Error) -> ApiError {
    ApiError::new(Cause::InvalidBody, "the form breaks off before its end")
}
