//! From a URL into the object store.
//!
//! Redirects are followed by hand, so that each hop is judged like the first. What was written of a download that
//! fails is gone with its writer.

use std::time::{Duration, Instant};

use reqwest::header::{CONTENT_DISPOSITION, LOCATION};
use reqwest::{Response, StatusCode};
use steno_shared::error::FailureCode;
use steno_shared::job::Setback;
use steno_shared::object::{ObjectError, ObjectKey, ObjectStore, ObjectWriter, Stored};
use steno_shared::outside::{OutsideUrl, RefusedUrl};
use steno_shared::settings::Bytes;
use tokio::time::{error::Elapsed, timeout};

use crate::dial::Dialer;
use crate::fault::{describe, refusal, seconds};
use crate::file_name;

const MAX_REDIRECTS: usize = 5;
/// So much of the disk stays free, and so often it is looked at.
const SPARE: u64 = 64 * 1024 * 1024;
/// A server that sends less than this in the time that it may keep silent holds up the others.
const LEAST: Bytes = Bytes(32 * 1024);

/// What a download may use up.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Limits {
    /// The largest file, inclusive.
    pub(crate) bytes: u64,
    /// Time without a byte.
    pub(crate) stall: Duration,
    /// Time in all.
    pub(crate) total: Duration,
}

/// Where the file goes.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Place<'a> {
    pub(crate) objects: &'a dyn ObjectStore,
    pub(crate) key: ObjectKey,
}

impl Place<'_> {
    async fn create(self) -> Result<Box<dyn ObjectWriter>, Setback> {
        self.objects.create(&self.key).await.map_err(|error| not_stored(&error))
    }

    /// Refuses if there is no room for so many more bytes, and some to spare.
    async fn require(self, bytes: u64) -> Result<(), Setback> {
        let free = self.objects.free_bytes().await.map_err(|error| not_stored(&error))?;
        if free.is_some_and(|free| free < bytes.saturating_add(SPARE)) {
            return Err(not_stored(&ObjectError::Full));
        }
        Ok(())
    }
}

/// A file that has been fetched.
#[derive(Debug)]
pub(crate) struct Fetched {
    pub(crate) stored: Stored,
    /// What it is called, if anybody says so.
    pub(crate) file_name: Option<String>,
}

/// Downloads what a URL names.
///
/// # Errors
/// Final if the URL is refused, the file is too large, or the server says that it has nothing there; to be tried
/// again if the server or the way to it is at fault.
pub(crate) async fn download(
    dialer: &Dialer,
    url: &OutsideUrl,
    limits: Limits,
    place: Place<'_>,
) -> Result<Fetched, Setback> {
    match timeout(limits.total, fetch(dialer, url, limits, place)).await {
        Ok(fetched) => fetched,
        Err(_) => {
            let message = format!("the download of the URL took longer than {}", seconds(limits.total));
            Err(Setback::give_up(FailureCode::UrlFailed, message))
        }
    }
}

async fn fetch(
    dialer: &Dialer,
    url: &OutsideUrl,
    limits: Limits,
    place: Place<'_>,
) -> Result<Fetched, Setback> {
    let (mut response, url) = follow(dialer, url, limits.stall).await?;
    let announced = response.content_length().unwrap_or(0);
    if announced > limits.bytes {
        return Err(too_large(limits.bytes));
    }
    place.require(announced).await?;
    let mut writer = place.create().await?;
    let disposition = response.headers().get(CONTENT_DISPOSITION).and_then(|value| value.to_str().ok());
    let file_name = file_name::of(disposition, &url);
    let (mut read, mut looked_at) = (0, 0);
    let mut pace = Pace::new(limits.stall);
    while let Some(chunk) = next(&mut response, &mut pace).await? {
        read += chunk.len() as u64;
        if read > limits.bytes {
            return Err(too_large(limits.bytes));
        }
        if read - looked_at >= SPARE {
            place.require(announced.saturating_sub(read)).await?;
            looked_at = read;
        }
        writer.write(chunk).await.map_err(|error| not_stored(&error))?;
    }
    let stored = writer.finish().await.map_err(|error| not_stored(&error))?;
    Ok(Fetched { stored, file_name })
}

/// The answer at the end of the redirects, and where that is.
async fn follow(
    dialer: &Dialer,
    url: &OutsideUrl,
    stall: Duration,
) -> Result<(Response, OutsideUrl), Setback> {
    let mut url = url.clone();
    for _ in 0..=MAX_REDIRECTS {
        let request = dialer.client(&url).map_err(refused)?.get(url.as_str());
        let answered = timeout(stall, request.send()).await.map_err(|elapsed| stalled(elapsed, stall))?;
        let response = answered.map_err(|error| failed(&error))?;
        let Some(location) = redirect(&response) else {
            return if response.status().is_success() {
                Ok((response, url))
            } else {
                Err(answered_badly(response.status()))
            };
        };
        url = url.redirected(&location).map_err(refused)?;
        tracing::debug!(url = %url, "redirected");
    }
    let message = format!("the URL leads through more than {MAX_REDIRECTS} redirects");
    Err(Setback::give_up(FailureCode::UrlFailed, message))
}

fn redirect(response: &Response) -> Option<String> {
    let redirects = matches!(response.status().as_u16(), 301 | 302 | 303 | 307 | 308);
    let location = response.headers().get(LOCATION).filter(|_| redirects)?;
    Some(String::from_utf8_lossy(location.as_bytes()).into_owned())
}

async fn next(response: &mut Response, pace: &mut Pace) -> Result<Option<bytes::Bytes>, Setback> {
    let asked = Instant::now();
    let chunk = timeout(pace.stall, response.chunk()).await;
    let chunk = chunk.map_err(|elapsed| stalled(elapsed, pace.stall))?.map_err(|error| failed(&error))?;
    if let Some(chunk) = &chunk {
        pace.keep(asked.elapsed(), chunk.len() as u64)?;
    }
    Ok(chunk)
}

/// How fast bytes come. Only waiting for them counts: what the disk takes is not the server's fault.
#[derive(Debug)]
struct Pace {
    stall: Duration,
    waited: Duration,
    bytes: u64,
    /// A server may begin slowly.
    begins: bool,
}

impl Pace {
    fn new(stall: Duration) -> Self {
        Self { stall, waited: Duration::ZERO, bytes: 0, begins: true }
    }

    /// So many bytes have come after so long.
    fn keep(&mut self, waited: Duration, bytes: u64) -> Result<(), Setback> {
        self.waited += waited;
        self.bytes += bytes;
        if self.waited < self.stall {
            return Ok(());
        }
        if !self.begins && self.bytes < LEAST.0 {
            let message = format!("the server of the URL sent less than {LEAST} in {}", seconds(self.stall));
            return Err(Setback::give_up(FailureCode::UrlFailed, message));
        }
        *self = Self { begins: false, ..Self::new(self.stall) };
        Ok(())
    }
}

fn stalled(_: Elapsed, stall: Duration) -> Setback {
    let message = format!("the server of the URL sent nothing for {}", seconds(stall));
    Setback::retry(FailureCode::UrlFailed, message)
}

fn refused(refused: RefusedUrl) -> Setback {
    Setback::give_up(FailureCode::UrlRefused, refused.to_string())
}

fn failed(error: &reqwest::Error) -> Setback {
    match refusal(error) {
        Some(reason) => refused(reason),
        None => {
            let message = format!("the URL could not be downloaded: {}", describe(error));
            Setback::retry(FailureCode::UrlFailed, message)
        }
    }
}

fn answered_badly(status: StatusCode) -> Setback {
    let message = format!("the server of the URL answered {status}");
    let passing = status.is_server_error()
        || matches!(
            status,
            StatusCode::REQUEST_TIMEOUT | StatusCode::TOO_EARLY | StatusCode::TOO_MANY_REQUESTS
        );
    if passing {
        Setback::retry(FailureCode::UrlFailed, message)
    } else {
        Setback::give_up(FailureCode::UrlFailed, message)
    }
}

fn too_large(limit: u64) -> Setback {
    let limit = Bytes(limit);
    Setback::give_up(FailureCode::FileTooLarge, format!("the file at the URL is larger than {limit}"))
}

/// A setback for what the object store says.
pub(crate) fn not_stored(error: &ObjectError) -> Setback {
    match error {
        ObjectError::Full => {
            let message = "the server has no room for this file at the moment; try again later";
            Setback::retry(FailureCode::OutOfSpace, message)
        }
        error => {
            tracing::error!(error = %error, "a download cannot be stored");
            Setback::retry(
                FailureCode::Internal,
                "the file could not be stored because of a fault of the server",
            )
        }
    }
}

#[cfg(test)]
mod tests {
    use async_trait::async_trait;
    use steno_shared::object::{LocalObject, ObjectEntry, ObjectKind};

    use super::*;

    /// A store that knows only how many bytes are free.
    #[derive(Debug)]
    struct Disk(Option<u64>);

    #[async_trait]
    impl ObjectStore for Disk {
        async fn create(&self, key: &ObjectKey) -> Result<Box<dyn ObjectWriter>, ObjectError> {
            Err(ObjectError::Missing(*key))
        }
        async fn read(&self, key: &ObjectKey, _: u64) -> Result<Vec<u8>, ObjectError> {
            Err(ObjectError::Missing(*key))
        }
        async fn local(&self, key: &ObjectKey) -> Result<LocalObject, ObjectError> {
            Err(ObjectError::Missing(*key))
        }
        async fn remove(&self, _: &ObjectKey) -> Result<(), ObjectError> {
            Ok(())
        }
        async fn list(
            &self,
            _: ObjectKind,
            _: Option<&ObjectKey>,
            _: usize,
        ) -> Result<Vec<ObjectEntry>, ObjectError> {
            Ok(Vec::new())
        }
        async fn sweep(&self) -> Result<usize, ObjectError> {
            Ok(0)
        }
        async fn free_bytes(&self) -> Result<Option<u64>, ObjectError> {
            Ok(self.0)
        }
        async fn check(&self) -> Result<(), ObjectError> {
            Ok(())
        }
    }

    #[tokio::test]
    async fn a_file_for_which_there_is_no_room_waits() {
        let key = ObjectKey::fetched(steno_shared::id::JobId::random(), 1);
        let require = async |free, bytes| Place { objects: &Disk(free), key }.require(bytes).await;
        assert_eq!(require(None, u64::MAX).await, Ok(()));
        assert_eq!(require(Some(SPARE + 7), 7).await, Ok(()));
        for (free, bytes) in [(SPARE + 7, 8), (SPARE - 1, 0), (u64::MAX - 1, u64::MAX)] {
            let refused = require(Some(free), bytes).await;
            let full =
                matches!(&refused, Err(Setback::Retry(failure)) if failure.code == FailureCode::OutOfSpace);
            assert!(full, "{free} {bytes}: {refused:?}");
        }
    }

    #[test]
    fn a_server_may_begin_slowly_and_must_then_keep_up() {
        let (most, all) = (Duration::from_secs(29), Duration::from_secs(30));
        let mut pace = Pace::new(all);
        for _ in 0..3 {
            // The beginning is over with the second byte.
            assert_eq!(pace.keep(most, 1), Ok(()));
        }
        assert!(matches!(pace.keep(most, 1), Err(Setback::Final(_))));

        let mut pace = Pace::new(all);
        for _ in 0..100 {
            assert_eq!(pace.keep(all, LEAST.0), Ok(()));
        }
        assert!(pace.keep(all, LEAST.0 - 1).is_err());
    }
}
