//! The client of the tests: what a user's program sends, and what it sees.

use std::path::Path;

use reqwest::multipart::{Form, Part};
use reqwest::{Method, RequestBuilder, StatusCode};
use serde_json::Value;

/// A client of one server.
#[derive(Debug, Clone)]
pub struct Client {
    base: String,
    key: Option<String>,
    http: reqwest::Client,
}

/// An answer, read to its end.
#[derive(Debug)]
pub struct Answer {
    /// Its status.
    pub status: StatusCode,
    /// Its headers.
    pub headers: reqwest::header::HeaderMap,
    /// Its body.
    pub body: String,
}

impl Client {
    /// A client of the server on this port of the loopback.
    ///
    /// # Panics
    /// Never, in a build that works.
    #[must_use]
    pub fn new(port: u16) -> Self {
        // What reqwest does TLS with; an error says only that there is one already.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let http = reqwest::Client::builder().no_proxy().build().unwrap();
        Self { base: format!("http://127.0.0.1:{port}"), key: None, http }
    }

    /// The same with a key.
    #[must_use]
    pub fn with_key(self, key: &str) -> Self {
        Self { key: Some(key.to_owned()), ..self }
    }

    /// A request to a path.
    pub fn request(&self, method: Method, path: &str) -> RequestBuilder {
        let request = self.http.request(method, format!("{}{path}", self.base));
        match &self.key {
            Some(key) => request.bearer_auth(key),
            None => request,
        }
    }

    /// Sends a GET.
    pub async fn get(&self, path: &str) -> Answer {
        answer(self.request(Method::GET, path)).await
    }

    /// Sends a DELETE.
    pub async fn delete(&self, path: &str) -> Answer {
        answer(self.request(Method::DELETE, path)).await
    }

    /// Sends a form to `/v1/transcribe`.
    pub async fn transcribe(&self, form: Form) -> Answer {
        answer(self.request(Method::POST, "/v1/transcribe").multipart(form)).await
    }

    /// Sends a file and fields to `/v1/transcribe`.
    ///
    /// # Panics
    /// If the file cannot be read.
    pub async fn transcribe_file(&self, file: &Path, fields: &[(&str, &str)]) -> Answer {
        self.transcribe(form(file, fields)).await
    }
}

/// A form with a file and fields.
///
/// # Panics
/// If the file cannot be read.
#[must_use]
pub fn form(file: &Path, fields: &[(&str, &str)]) -> Form {
    let name = file.file_name().unwrap().to_string_lossy().into_owned();
    form_of(std::fs::read(file).unwrap(), &name, fields)
}

/// A form with a file of these bytes, and fields.
#[must_use]
pub fn form_of(bytes: Vec<u8>, name: &str, fields: &[(&str, &str)]) -> Form {
    let form = Form::new().part("file", Part::bytes(bytes).file_name(name.to_owned()));
    fields.iter().fold(form, |form, (name, value)| form.text((*name).to_owned(), (*value).to_owned()))
}

/// Sends a request and reads the answer.
///
/// # Panics
/// If the connection fails.
pub async fn answer(request: RequestBuilder) -> Answer {
    let response = request.send().await.unwrap();
    let (status, headers) = (response.status(), response.headers().clone());
    Answer { status, headers, body: response.text().await.unwrap() }
}

impl Answer {
    /// The body as JSON.
    ///
    /// # Panics
    /// If it is none.
    #[must_use]
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {:?}", self.body))
    }

    /// A header's value, empty if it is not there.
    #[must_use]
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
    }

    /// Asserts success and returns the JSON.
    ///
    /// # Panics
    /// If the status is another than 200.
    #[must_use]
    pub fn ok(&self) -> Value {
        assert_eq!(self.status, StatusCode::OK, "{}", self.body);
        self.json()
    }

    /// Asserts a refusal in the one form of errors, and returns its sentence.
    ///
    /// # Panics
    /// If the status or the form is another.
    #[must_use]
    pub fn refused(&self, status: u16) -> String {
        assert_eq!(self.status.as_u16(), status, "{}", self.body);
        assert!(self.header("content-type").starts_with("application/json"), "{:?}", self.headers);
        let body = self.json();
        assert!(body["code"].is_string() && body["request_id"].is_string(), "{body}");
        assert_eq!(body["request_id"], self.header("x-request-id"));
        body["error"].as_str().unwrap_or_else(|| panic!("no error in {body}")).to_owned()
    }
}
