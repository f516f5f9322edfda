//! One call to a server: its address, the key, and what the answer means.

use std::time::Duration;

use reqwest::header::{AUTHORIZATION, HeaderMap, HeaderValue, LOCATION, RETRY_AFTER};
use reqwest::redirect::Policy;
use reqwest::{Client, Method, RequestBuilder, Response, StatusCode, Url};
use serde_json::{Value, json};

use super::connection::Network;
use super::error::{ClientError, Refusal};

/// A server that does not take a connection in this time is not there.
const CONNECT: Duration = Duration::from_secs(10);
/// A call that only reads or changes a row.
pub(crate) const QUICK: Duration = Duration::from_secs(30);
/// Bytes that nobody acknowledges for this long mean that the other side is gone.
const UNACKNOWLEDGED: Duration = Duration::from_secs(60);
/// Of an answer that is not JSON, so much is shown.
const SHOWN: usize = 200;

/// A server, and the key it is called with.
#[derive(Debug, Clone)]
pub(crate) struct Server {
    base: Url,
    key: Option<HeaderValue>,
    http: Client,
}

impl Server {
    /// The server at this address.
    ///
    /// # Errors
    /// If the machine's certificates cannot be read.
    ///
    /// # Panics
    /// If the process has not installed what TLS is done with.
    pub(crate) fn new(base: Url, key: Option<HeaderValue>, network: Network) -> Result<Self, ClientError> {
        let mut client = Client::builder()
            .user_agent(concat!("steno/", env!("CARGO_PKG_VERSION")))
            .connect_timeout(CONNECT)
            .tcp_user_timeout(UNACKNOWLEDGED)
            // A POST that is redirected becomes a GET: better to be told.
            .redirect(Policy::none());
        if network == Network::Loopback {
            client = client.no_proxy();
        }
        let unusable =
            |error: reqwest::Error| ClientError::Setting(format!("no HTTP client: {}", root(&error)));
        Ok(Self { base, key, http: client.build().map_err(unusable)? })
    }

    /// The header that says who calls.
    #[cfg(test)]
    pub(crate) fn key(&self) -> Option<&HeaderValue> {
        self.key.as_ref()
    }

    /// The address of a resource, each part of its path escaped.
    pub(crate) fn url(&self, path: &[&str]) -> Url {
        let mut url = self.base.clone();
        // Cannot fail for http and https.
        if let Ok(mut segments) = url.path_segments_mut() {
            segments.pop_if_empty().extend(path);
        }
        url
    }

    /// A request with the key.
    pub(crate) fn request(&self, method: Method, url: Url) -> RequestBuilder {
        let request = self.http.request(method, url);
        match &self.key {
            Some(key) => request.header(AUTHORIZATION, key.clone()),
            None => request,
        }
    }

    /// Sends a request once.
    ///
    /// # Errors
    /// If there is no answer, or the answer is a refusal.
    pub(crate) async fn send(&self, request: RequestBuilder) -> Result<Response, ClientError> {
        let response = request.send().await.map_err(|error| self.failed(&error))?;
        if response.status().is_success() {
            return Ok(response);
        }
        Err(self.refusal(response).await)
    }

    /// The JSON document of an answer.
    ///
    /// # Errors
    /// If the answer breaks off or is none.
    pub(crate) async fn document(&self, response: Response) -> Result<Value, ClientError> {
        let body = response.bytes().await.map_err(|error| self.failed(&error))?;
        serde_json::from_slice(&body).map_err(|_| self.foreign("its answer is not JSON"))
    }

    /// Reads one resource as JSON, without a second try.
    ///
    /// # Errors
    /// If there is no such answer.
    pub(crate) async fn read(&self, url: Url) -> Result<Value, ClientError> {
        let response = self.send(self.request(Method::GET, url).timeout(QUICK)).await?;
        self.document(response).await
    }

    /// An answer that no Steno server gives.
    pub(crate) fn foreign(&self, what: &str) -> ClientError {
        ClientError::Foreign { server: self.base.to_string(), what: what.to_owned() }
    }

    /// A connection that broke.
    pub(crate) fn broken(&self, reason: &str) -> ClientError {
        ClientError::Broken { server: self.base.to_string(), reason: reason.to_owned() }
    }

    /// What a failed connection means.
    pub(crate) fn failed(&self, error: &reqwest::Error) -> ClientError {
        let (server, reason) = (self.base.to_string(), root(error));
        if error.is_connect() {
            ClientError::Unreachable { server, reason }
        } else {
            ClientError::Broken { server, reason }
        }
    }

    /// What an answer that is no success means.
    pub(crate) async fn refusal(&self, response: Response) -> ClientError {
        let (status, headers) = (response.status(), response.headers().clone());
        if status.is_redirection() {
            let target = headers.get(LOCATION).and_then(|value| value.to_str().ok()).unwrap_or("elsewhere");
            return self.foreign(&format!("it redirects to {target}; give --server that address"));
        }
        // The status alone tells enough if the body breaks off.
        let body = response.text().await.unwrap_or_default();
        let (message, document) = sentence(status, &body);
        ClientError::Refused(Box::new(Refusal {
            status,
            message,
            document,
            retry_after: retry_after(&headers),
            is_final: headers.get("x-should-retry").is_some_and(|value| value == "false"),
        }))
    }
}

/// The sentence of a refusal, and its document; something in between answers without.
fn sentence(status: StatusCode, body: &str) -> (String, Value) {
    let document = serde_json::from_str::<Value>(body).unwrap_or_default();
    if let Some(message) = document["error"].as_str() {
        return (message.to_owned(), document);
    }
    let shown: String = body.trim().chars().filter(|letter| !letter.is_control()).take(SHOWN).collect();
    let message = match shown.as_str() {
        "" => format!("the server answered {status}"),
        shown => format!("the server answered {status}: {shown}"),
    };
    let document = json!({"error": message, "code": format!("http_{}", status.as_u16())});
    (message, document)
}

fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let seconds = headers.get(RETRY_AFTER)?.to_str().ok()?.trim().parse().ok()?;
    Some(Duration::from_secs(seconds))
}

/// The innermost cause, which says it shortest.
fn root(error: &reqwest::Error) -> String {
    let mut cause: &dyn std::error::Error = error;
    while let Some(source) = cause.source() {
        cause = source;
    }
    if error.is_timeout() { "it does not answer in time".to_owned() } else { cause.to_string() }
}
