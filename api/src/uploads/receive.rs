//! Receiving: what arrives becomes parts, and what has arrived before a break is kept.
//!
//! This runs in a task of its own, so that a client that leaves does not take with it what it has sent.

use bytes::Bytes;
use futures::StreamExt;
use futures::stream::BoxStream;
use poem::Body;
use steno_shared::failpoint;
use steno_shared::object::{ObjectKey, ObjectWriter};
use steno_shared::store::UploadRecord;

use super::checksum::Checksum;
use super::turn::Turn;
use super::{finish, no_such_upload};
use crate::error::{ApiError, Cause};
use crate::state::App;

/// A part is closed at this length, so that a crash costs no more of a long request.
const PART: u64 = 64 << 20;
/// What is left free on the disk for everything else.
const SPARE: u64 = 16 << 20;

/// What a request brings.
#[derive(Debug)]
pub(crate) struct Patch {
    /// Where its bytes belong.
    pub(crate) offset: u64,
    /// How many it announces.
    pub(crate) length: Option<u64>,
    pub(crate) checksum: Option<Checksum>,
    pub(crate) body: Body,
}

/// Takes a request's bytes, and makes the job if they are the last; the upload as it stands then.
pub(crate) async fn receive(app: App, upload: UploadRecord, patch: Patch) -> Result<UploadRecord, ApiError> {
    let id = upload.id;
    let turn = app.uploads.turns.take(id).await;
    // What an older request has stored until now counts.
    let upload = app.store.upload(id).await?.ok_or_else(no_such_upload)?;
    accept(&app, &upload, &patch).await?;
    let mut receiver = Receiver::new(&app, &turn, &upload, patch);
    receiver.receive().await?;
    let is_complete = receiver.offset == upload.length;
    drop(turn);
    if is_complete {
        finish(&app, id).await?;
    }
    app.store.upload(id).await?.ok_or_else(no_such_upload)
}

/// Refuses what would be refused in the end.
async fn accept(app: &App, upload: &UploadRecord, patch: &Patch) -> Result<(), ApiError> {
    if patch.offset != upload.received {
        let message = format!(
            "Upload-Offset is {}, but the upload stands at {}; go on from there",
            patch.offset, upload.received
        );
        return Err(ApiError::new(Cause::WrongOffset, message));
    }
    let missing = upload.length - upload.received;
    if patch.length.is_some_and(|length| length > missing) {
        return Err(too_long(upload));
    }
    if app.stop.is_cancelled() {
        return Err(stopping());
    }
    if missing > 0 {
        // The parts stay until they have been joined.
        require_space(app, missing + upload.length).await?;
    }
    Ok(())
}

/// Refuses if the disk has no room for so many bytes.
pub(super) async fn require_space(app: &App, bytes: u64) -> Result<(), ApiError> {
    let free = app.objects.free_bytes().await?;
    if free.is_some_and(|free| free < bytes.saturating_add(SPARE)) {
        return Err(ApiError::out_of_space());
    }
    Ok(())
}

fn too_long(upload: &UploadRecord) -> ApiError {
    let message =
        format!("the request goes beyond the upload's {} bytes, as Upload-Length said", upload.length);
    ApiError::new(Cause::FileTooLarge, message)
}

fn moved() -> ApiError {
    let message = "another request has moved the upload on meanwhile; HEAD says where it stands";
    ApiError::new(Cause::WrongOffset, message)
}

fn stopping() -> ApiError {
    ApiError::new(Cause::Stopping, "the server is being stopped; what has arrived is kept, go on shortly")
}

/// What comes next of a body.
enum Next {
    Chunk(Bytes),
    End,
    /// Nothing more, for this reason.
    Broken(ApiError),
}

struct Receiver<'a> {
    app: &'a App,
    turn: &'a Turn,
    upload: &'a UploadRecord,
    /// Up to here, all is stored and counted.
    offset: u64,
    checksum: Option<Checksum>,
    body: BoxStream<'static, Result<Bytes, std::io::Error>>,
}

impl<'a> Receiver<'a> {
    fn new(app: &'a App, turn: &'a Turn, upload: &'a UploadRecord, patch: Patch) -> Self {
        let body = patch.body.into_bytes_stream().boxed();
        Self { app, turn, upload, offset: patch.offset, checksum: patch.checksum, body }
    }

    /// Reads the body to its end, or as far as it comes.
    async fn receive(&mut self) -> Result<(), ApiError> {
        let mut next = self.next().await;
        loop {
            match next {
                Next::Chunk(first) => next = self.part(first).await?,
                // What came was checked with its part.
                Next::End => return self.checksum.take().map_or(Ok(()), Checksum::check),
                Next::Broken(error) => return Err(error),
            }
        }
    }

    /// Makes a part of what comes, and says what comes after it.
    async fn part(&mut self, first: Bytes) -> Result<Next, ApiError> {
        if self.offset == self.upload.length {
            return Err(too_long(self.upload));
        }
        let life = self.app.settings.upload_expiry.0;
        let number = self.app.store.begin_part(self.upload.id, self.offset, life).await?;
        let key = ObjectKey::part(self.upload.id, number.ok_or_else(moved)?);
        let mut writer = self.app.objects.create(&key).await?;
        let mut bytes = 0;
        let mut next = Next::Chunk(first);
        while let Next::Chunk(chunk) = next {
            if bytes >= PART && self.checksum.is_none() {
                next = Next::Chunk(chunk);
                break;
            }
            bytes += chunk.len() as u64;
            self.write(&mut *writer, bytes, chunk).await?;
            next = self.next().await;
        }
        if let Some(checksum) = self.checksum.take() {
            if let Next::Broken(error) = next {
                return Err(error);
            }
            checksum.check()?;
        }
        failpoint::hit("upload.received", None).await;
        writer.finish().await?;
        failpoint::hit("upload.stored", None).await;
        if !self.app.store.add_part(&key, self.offset, bytes, life).await? {
            self.app.objects.remove(&key).await?;
            return Err(moved());
        }
        self.offset += bytes;
        Ok(next)
    }

    async fn write(
        &mut self,
        writer: &mut dyn ObjectWriter,
        bytes: u64,
        chunk: Bytes,
    ) -> Result<(), ApiError> {
        if self.offset + bytes > self.upload.length {
            return Err(too_long(self.upload));
        }
        if let Some(checksum) = &mut self.checksum {
            checksum.update(&chunk);
        }
        Ok(writer.write(chunk).await?)
    }

    async fn next(&mut self) -> Next {
        let chunk = tokio::select! {
            biased;
            () = self.turn.stop.cancelled() => {
                let message = "a newer request goes on with the upload; what has arrived here is kept";
                return Next::Broken(ApiError::new(Cause::TakenOver, message));
            }
            () = self.app.stop.cancelled() => return Next::Broken(stopping()),
            chunk = self.body.next() => chunk,
        };
        match chunk {
            Some(Ok(chunk)) => Next::Chunk(chunk),
            None => Next::End,
            Some(Err(_)) => {
                let message = "the body breaks off; what has arrived is kept, HEAD says how much";
                Next::Broken(ApiError::new(Cause::InvalidBody, message))
            }
        }
    }
}
