//! From a server into the part of a file, across broken connections, servers that cannot go on where they stopped,
//! and files that change meanwhile.
//!
//! Redirects are followed, and the proxies of the environment used: who may choose the catalogue's addresses and
//! the mirror is the operator.

use std::time::{Duration, Instant, SystemTime};

use reqwest::header::{ACCEPT_ENCODING, CONTENT_RANGE, ETAG, HeaderMap, IF_RANGE, RANGE, RETRY_AFTER};
use reqwest::{Client, Response, StatusCode, Url};
use steno_shared::settings::Span;
use tokio::io::AsyncWriteExt;
use tokio::time::timeout;

use super::mirror::{Mirror, shown};
use super::part::Part;
use super::{InstallError, Rate, Watch};

const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
const USER_AGENT: &str = concat!("steno/", env!("CARGO_PKG_VERSION"));
/// So often in a row a download may break off with nothing to show for it.
const TRIES: u32 = 5;
/// The first pause, doubled each time.
const PAUSE: Duration = Duration::from_millis(500);
/// A server that wants to be left alone longer than this is asked again after this.
const LONGEST_PAUSE: Duration = Duration::from_secs(60);
/// This much more is something to show.
const HEADWAY: u64 = 1 << 20;
/// A server that sends less than this in the time that it may keep silent has stalled.
const LEAST: u64 = 32 * 1024;
/// Who watches is told at most so often.
const TELL: Duration = Duration::from_millis(100);

/// Where files come from.
#[derive(Debug)]
pub(crate) struct Source {
    http: Client,
    mirror: Option<Mirror>,
    stall: Duration,
}

/// What is to be downloaded.
#[derive(Debug, Clone, Copy)]
pub(super) struct Wanted<'a> {
    /// Where it may be.
    pub(super) urls: &'a [String],
    /// Its length.
    pub(super) bytes: u64,
    /// Where it goes.
    pub(super) part: &'a Part,
    /// Who wants to see it.
    pub(super) watch: &'a dyn Watch,
}

/// Why one request did not bring the rest of the file.
#[derive(Debug)]
enum Fault {
    /// The next may.
    Passing(String, Option<Duration>),
    /// This address has no such file.
    Missing(StatusCode),
    /// No other request will.
    Final(InstallError),
}

impl From<InstallError> for Fault {
    fn from(error: InstallError) -> Self {
        Self::Final(error)
    }
}

impl Source {
    /// The catalogue's servers, or a mirror of them. One that says nothing for `stall` is asked again.
    pub(crate) fn new(mirror: Option<Mirror>, stall: Duration) -> Result<Self, InstallError> {
        let http = Client::builder().connect_timeout(CONNECT_TIMEOUT).user_agent(USER_AGENT).build();
        let http = http.map_err(|error| InstallError::Https(root(&error)))?;
        Ok(Self { http, mirror, stall })
    }

    /// Downloads what the part lacks, and returns the address that it came from.
    pub(super) async fn download(&self, wanted: Wanted<'_>) -> Result<String, InstallError> {
        let mut missing = None;
        for url in wanted.urls {
            let url = Url::parse(url).map_err(|error| InstallError::Https(format!("{url}: {error}")))?;
            let url = self.mirror.as_ref().map_or_else(|| url.clone(), |mirror| mirror.of(&url));
            match self.try_on(&url, wanted).await? {
                None => return Ok(shown(&url)),
                Some(status) => missing = Some((shown(&url), status)),
            }
        }
        let (url, status) = missing.unwrap_or_default();
        Err(InstallError::Missing { url, status: status.to_string() })
    }

    /// Asks until the file is whole, or says why it is not there.
    async fn try_on(&self, url: &Url, wanted: Wanted<'_>) -> Result<Option<StatusCode>, InstallError> {
        let (mut tries, mut most) = (0, wanted.part.bytes());
        loop {
            let (reason, asked) = match self.ask(url, wanted).await {
                Ok(()) => return Ok(None),
                Err(Fault::Missing(status)) => return Ok(Some(status)),
                Err(Fault::Final(error)) => return Err(error),
                Err(Fault::Passing(reason, asked)) => (reason, asked),
            };
            let bytes = wanted.part.bytes();
            if bytes >= most + HEADWAY {
                (tries, most) = (0, bytes);
            }
            tries += 1;
            if tries >= TRIES {
                return Err(InstallError::Broken { url: shown(url), tries, reason });
            }
            let pause = asked.unwrap_or(PAUSE * 2_u32.pow(tries - 1)).min(LONGEST_PAUSE);
            wanted.watch.retrying(&reason, pause);
            tokio::time::sleep(pause).await;
        }
    }

    /// Makes one request for what is missing.
    async fn ask(&self, url: &Url, wanted: Wanted<'_>) -> Result<(), Fault> {
        let Wanted { part, bytes, .. } = wanted;
        if part.bytes() > bytes {
            part.clear()?;
        }
        let (at, tag) = (part.bytes(), part.tag());
        if at == bytes {
            return Ok(());
        }
        let mut request = self.http.get(url.clone()).header(ACCEPT_ENCODING, "identity");
        if at > 0 {
            request = request.header(RANGE, format!("bytes={at}-"));
            if let Some(tag) = &tag {
                request = request.header(IF_RANGE, tag);
            }
        }
        let response =
            timeout(self.stall, request.send()).await.map_err(|_| self.silent())?.map_err(passing)?;
        match response.status() {
            StatusCode::PARTIAL_CONTENT if at > 0 => {
                if !goes_on(response.headers(), at, bytes) || (tag.is_some() && strong_tag(&response) != tag)
                {
                    return Err(start_over(part, "the file has changed on the server")?);
                }
            }
            StatusCode::OK => {
                if let Some(length) = response.content_length().filter(|length| *length != bytes) {
                    return Err(other_length(url, bytes, length.to_string()).into());
                }
                part.begin(strong_tag(&response).as_deref())?;
            }
            StatusCode::RANGE_NOT_SATISFIABLE => {
                return Err(start_over(part, "the server cannot go on where it stopped")?);
            }
            status => return Err(refused(url, status, response.headers())),
        }
        self.receive(response, url, wanted).await
    }

    /// Appends the body of an answer to the part.
    async fn receive(&self, mut response: Response, url: &Url, wanted: Wanted<'_>) -> Result<(), Fault> {
        let part = wanted.part;
        let mut file = tokio::fs::File::from_std(part.append()?);
        let received = self.copy(&mut response, &mut file, url, wanted).await;
        // What has come is to be in the file before anybody looks how long it is.
        file.flush().await.map_err(InstallError::disk("write", part.path()))?;
        if let Err(Fault::Final(InstallError::Length { .. })) = received {
            part.clear()?;
        }
        received
    }

    async fn copy(
        &self,
        response: &mut Response,
        file: &mut tokio::fs::File,
        url: &Url,
        wanted: Wanted<'_>,
    ) -> Result<(), Fault> {
        let Wanted { part, bytes, watch, .. } = wanted;
        let (mut at, mut rate, mut told) = (part.bytes(), Rate::new(), None::<Instant>);
        // How long was waited lately, and for how much.
        let mut lately = (Duration::ZERO, 0);
        loop {
            let asked = Instant::now();
            let chunk = timeout(self.stall, response.chunk()).await.map_err(|_| self.silent())?;
            let Some(chunk) = chunk.map_err(passing)? else { break };
            let length = chunk.len() as u64;
            at += length;
            if at > bytes {
                return Err(other_length(url, bytes, "more".to_owned()).into());
            }
            file.write_all(&chunk).await.map_err(InstallError::disk("write", part.path()))?;
            rate.add(length);
            if at == bytes || told.is_none_or(|told| told.elapsed() >= TELL) {
                watch.came(at, bytes, &rate);
                told = Some(Instant::now());
            }
            lately = (lately.0 + asked.elapsed(), lately.1 + length);
            if lately.0 >= self.stall {
                if lately.1 < LEAST && at < bytes {
                    return Err(self.silent());
                }
                lately = (Duration::ZERO, 0);
            }
        }
        if at == bytes {
            return Ok(());
        }
        Err(Fault::Passing(format!("the server ended after {at} of {bytes} bytes"), None))
    }

    fn silent(&self) -> Fault {
        let stall = Span(self.stall);
        Fault::Passing(format!("the server sent next to nothing for {stall}"), None)
    }
}

/// Whether a part of the file begins where ours ends, and the whole is as long as ours.
fn goes_on(headers: &HeaderMap, at: u64, bytes: u64) -> bool {
    let range = headers.get(CONTENT_RANGE).and_then(|range| range.to_str().ok());
    let read = |range: &str| {
        let (range, whole) = range.strip_prefix("bytes ")?.split_once('/')?;
        let first: u64 = range.split_once('-')?.0.trim().parse().ok()?;
        Some(first == at && (whole == "*" || whole.trim().parse() == Ok(bytes)))
    };
    range.and_then(read).unwrap_or(false)
}

/// What the server calls this version of the file, if that means the very bytes.
fn strong_tag(response: &Response) -> Option<String> {
    let tag = response.headers().get(ETAG)?.to_str().ok()?;
    (tag.starts_with('"') && tag.ends_with('"')).then(|| tag.to_owned())
}

fn start_over(part: &Part, reason: &str) -> Result<Fault, InstallError> {
    part.clear()?;
    Ok(Fault::Passing(format!("{reason}; it is downloaded from its beginning"), None))
}

fn refused(url: &Url, status: StatusCode, headers: &HeaderMap) -> Fault {
    match status {
        StatusCode::NOT_FOUND | StatusCode::GONE => Fault::Missing(status),
        StatusCode::REQUEST_TIMEOUT | StatusCode::TOO_EARLY | StatusCode::TOO_MANY_REQUESTS => {
            Fault::Passing(format!("the server answers {status}"), retry_after(headers))
        }
        status if status.is_server_error() => {
            Fault::Passing(format!("the server answers {status}"), retry_after(headers))
        }
        status => InstallError::Refused { url: shown(url), status: status.to_string() }.into(),
    }
}

/// In seconds, or until a moment.
fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let text = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    if let Ok(seconds) = text.parse() {
        return Some(Duration::from_secs(seconds));
    }
    Some(httpdate::parse_http_date(text).ok()?.duration_since(SystemTime::now()).unwrap_or_default())
}

fn other_length(url: &Url, expected: u64, found: String) -> InstallError {
    let hint =
        "; the address has another file than the catalogue's: --mirror URL names another server".to_owned();
    InstallError::Length { file: shown(url), expected, found, hint }
}

fn passing(error: reqwest::Error) -> Fault {
    let reason = root(&error.without_url());
    Fault::Passing(reason, None)
}

/// The innermost cause, which says it shortest.
fn root(error: &reqwest::Error) -> String {
    let mut cause: &dyn std::error::Error = error;
    while let Some(source) = cause.source() {
        cause = source;
    }
    cause.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_rest_of_the_same_file_goes_on() {
        let goes_on = |range: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(CONTENT_RANGE, range.parse().unwrap());
            super::goes_on(&headers, 7, 100)
        };
        assert!(goes_on("bytes 7-99/100") && goes_on("bytes 7-99/*"));
        for range in
            ["bytes 0-99/100", "bytes 7-99/101", "bytes 8-99/100", "bytes */100", "7-99/100", "bytes"]
        {
            assert!(!goes_on(range), "{range}");
        }
        assert!(!super::goes_on(&HeaderMap::new(), 7, 100));
    }

    #[test]
    fn servers_say_in_two_ways_when_they_want_to_be_asked_again() {
        let read = |text: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(RETRY_AFTER, text.parse().unwrap());
            retry_after(&headers)
        };
        assert_eq!(read("7"), Some(Duration::from_secs(7)));
        assert_eq!(read("Wed, 21 Oct 2015 07:28:00 GMT"), Some(Duration::ZERO));
        assert_eq!(read("soon"), None);
    }
}
