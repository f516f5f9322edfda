//! One attempt to deliver: signed, sent, judged by its status.

use std::time::{Duration, Instant, SystemTime};

use reqwest::header::{CONTENT_TYPE, RETRY_AFTER};
use reqwest::{Response, StatusCode};
use standardwebhooks::Webhook;
use steno_shared::outside::OutsideUrl;
use steno_shared::store::{AttemptEnd, DueDelivery, NextStep};

use crate::dial::Dialer;
use crate::fault::{describe, seconds};
use crate::schedule::{Schedule, retry_after};

/// So much of an answer is read, so that its sender is not cut off in the middle; none of it is kept.
const MAX_ANSWER: usize = 1024;

/// What attempts need.
#[derive(Debug, Clone)]
pub(crate) struct Sender {
    pub(crate) dialer: Dialer,
    pub(crate) schedule: Schedule,
    /// How long an endpoint may take to answer.
    pub(crate) timeout: Duration,
}

/// What came of the request.
enum Answer {
    Status(StatusCode, Option<Duration>),
    Failed(String),
}

impl Sender {
    /// Makes one attempt.
    pub(crate) async fn attempt(&self, due: &DueDelivery) -> AttemptEnd {
        let began = Instant::now();
        let answer = match tokio::time::timeout(self.timeout, self.send(due)).await {
            Ok(Ok(answer)) => answer,
            Ok(Err(reason)) => Answer::Failed(reason),
            Err(_) => Answer::Failed(format!("no answer within {}", seconds(self.timeout))),
        };
        let elapsed = began.elapsed();
        let again = |asked| {
            let wait = self.schedule.wait_after(due.number, asked);
            wait.map_or(NextStep::GiveUp, NextStep::Retry)
        };
        let (status, error, next) = match answer {
            Answer::Status(status, _) if status.is_success() => (Some(status), None, NextStep::Delivered),
            Answer::Status(status, asked) => {
                let next = if status == StatusCode::GONE { NextStep::Gone } else { again(asked) };
                (Some(status), Some(complaint(status)), next)
            }
            Answer::Failed(reason) => (None, Some(reason), again(None)),
        };
        AttemptEnd { status: status.map(|status| status.as_u16()), error, elapsed, next }
    }

    async fn send(&self, due: &DueDelivery) -> Result<Answer, String> {
        let url: OutsideUrl = due.url.parse().map_err(|error| format!("{error}"))?;
        let client = self.dialer.client(&url).map_err(|refused| refused.to_string())?;
        let at = due.now / 1000;
        let request = client
            .post(url.as_str())
            .header(CONTENT_TYPE, "application/json")
            .header("webhook-id", due.id.to_string())
            .header("webhook-timestamp", at)
            .header("webhook-signature", signatures(due, at)?)
            .body(due.body.clone());
        let mut response = request.send().await.map_err(|error| describe(&error))?;
        let status = response.status();
        let throttled = matches!(status, StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE);
        let asked = response.headers().get(RETRY_AFTER).filter(|_| throttled);
        let asked = asked.and_then(|value| retry_after(value.to_str().ok()?, SystemTime::now()));
        read_a_little(&mut response).await;
        Ok(Answer::Status(status, asked))
    }
}

/// One signature for each secret that holds, as `v1,...` and separated by spaces.
fn signatures(due: &DueDelivery, at: i64) -> Result<String, String> {
    let sign = |secret: &steno_shared::webhook::Secret| {
        Webhook::new(secret.reveal())?.sign(&due.id.to_string(), at, due.body.as_bytes())
    };
    let signed: Result<Vec<_>, _> = due.secrets.iter().map(sign).collect();
    // Secrets are made here, so this would be our own fault.
    signed.map(|signed| signed.join(" ")).map_err(|error| format!("the delivery cannot be signed: {error}"))
}

async fn read_a_little(response: &mut Response) {
    let mut read = 0;
    // The status has been said: what breaks off now changes nothing.
    while let Ok(Some(chunk)) = response.chunk().await {
        read += chunk.len();
        if read >= MAX_ANSWER {
            return;
        }
    }
}

fn complaint(status: StatusCode) -> String {
    let redirects = if status.is_redirection() { "; redirects are not followed" } else { "" };
    format!("the endpoint answered {status}{redirects}")
}
