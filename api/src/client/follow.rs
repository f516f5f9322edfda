//! Following a job to its end by long polls, and what is done to jobs.

use std::time::{Duration, Instant};

use reqwest::{Method, Response, Url};

use super::Watch;
use super::error::ClientError;
use super::job::Job;
use super::retry::Retries;
use super::server::{QUICK, Server};
use super::shape::Shape;
use super::upload::plain;

/// How long the server holds a poll: as often, the watcher sees the progress.
const HELD: Duration = Duration::from_secs(2);
/// Polls are no closer than this, should the server not hold them.
const APART: Duration = Duration::from_millis(500);

/// What has become of the wish to cancel a job.
#[derive(Debug)]
pub(crate) enum Cancelled {
    /// It is cancelled.
    Now(Job),
    /// It had ended before.
    TooLate(Job),
}

impl Server {
    /// The address of a job.
    pub(crate) fn job_url(&self, id: &str) -> Url {
        self.url(&["v1", "jobs", id])
    }

    /// Reads a job.
    ///
    /// # Errors
    /// If there is none for this caller.
    pub(crate) async fn job(&self, id: &str) -> Result<Job, ClientError> {
        Job::of(self, self.read(self.job_url(id)).await?)
    }

    /// Follows a job to its end.
    ///
    /// # Errors
    /// If the server cannot be asked any more.
    pub(crate) async fn follow(&self, id: &str, watch: &dyn Watch) -> Result<Job, ClientError> {
        let mut url = self.job_url(id);
        url.query_pairs_mut().append_pair("wait", &HELD.as_secs().to_string());
        let mut retries = Retries::new(watch);
        loop {
            let asked = Instant::now();
            match self.poll(url.clone()).await {
                Ok(job) if job.is_final() => return Ok(job),
                Ok(job) => {
                    watch.job(&job);
                    retries.succeeded();
                    tokio::time::sleep(APART.saturating_sub(asked.elapsed())).await;
                }
                Err(error) => retries.after(error).await?,
            }
        }
    }

    async fn poll(&self, url: Url) -> Result<Job, ClientError> {
        let response = self.send(self.request(Method::GET, url).timeout(HELD + QUICK)).await?;
        Job::of(self, self.document(response).await?)
    }

    /// Asks for a job's transcript in a form and shape; its body is read by whoever writes it.
    ///
    /// # Errors
    /// If there is none, or not yet.
    pub(crate) async fn transcript(
        &self,
        id: &str,
        format: &str,
        shape: &Shape,
    ) -> Result<Response, ClientError> {
        let mut url = self.url(&["v1", "jobs", id, "transcript"]);
        let shape = shape.fields().map(|(name, value)| (name, plain(&value)));
        url.query_pairs_mut().append_pair("format", format).extend_pairs(shape);
        self.send(self.request(Method::GET, url)).await
    }

    /// Cancels a job, if it is still active.
    ///
    /// # Errors
    /// If there is none for this caller.
    pub(crate) async fn cancel(&self, id: &str) -> Result<Cancelled, ClientError> {
        let url = self.url(&["v1", "jobs", id, "cancel"]);
        match self.send(self.request(Method::POST, url).timeout(QUICK)).await {
            Ok(response) => Job::of(self, self.document(response).await?).map(Cancelled::Now),
            Err(error) => {
                let job = self.job(id).await?;
                if job.is_final() { Ok(Cancelled::TooLate(job)) } else { Err(error) }
            }
        }
    }

    /// Cancels an active job, or deletes a finished one, as the server has it: `None` = deleted.
    ///
    /// # Errors
    /// If there is none for this caller.
    pub(crate) async fn end(&self, id: &str) -> Result<Option<Job>, ClientError> {
        let response = self.send(self.request(Method::DELETE, self.job_url(id)).timeout(QUICK)).await?;
        if response.status() == reqwest::StatusCode::NO_CONTENT {
            return Ok(None);
        }
        Job::of(self, self.document(response).await?).map(Some)
    }
}
