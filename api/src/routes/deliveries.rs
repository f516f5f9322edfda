//! What was sent to webhooks: the log, and another try.

use poem::web::Data;
use poem_openapi::param::{Path, Query};
use poem_openapi::payload::Json;
use poem_openapi::{ApiResponse, Object, OpenApi};
use steno_shared::id::DeliveryId;
use steno_shared::store::Resent;
use steno_shared::time::rfc3339;
use steno_shared::webhook::{Delivery, DeliveryAttempt};

use super::Tag;
use super::webhooks::{disabled, find, owner};
use crate::auth::Caller;
use crate::error::{ApiError, Cause};
use crate::state::App;

/// Deliveries on a page, unless another number is asked for, and at most.
const PAGE: u32 = 50;
const MAX_PAGE: u32 = 200;

#[derive(Debug)]
pub(crate) struct Routes;

/// A message to a webhook.
#[derive(Debug, Object)]
#[oai(rename = "Delivery")]
struct DeliveryDocument {
    /// Its name, the same in the header `webhook-id` of all its attempts.
    id: String,
    /// The webhook it goes to.
    webhook_id: String,
    /// The job that it is about.
    #[oai(skip_serializing_if_is_none)]
    job_id: Option<String>,
    /// job.completed, job.failed, job.cancelled or webhook.test.
    event: String,
    /// pending, delivered or failed.
    state: String,
    /// When it is tried next, while it is pending.
    #[oai(skip_serializing_if_is_none)]
    next_at: Option<String>,
    /// RFC 3339.
    created_at: String,
    /// When it was delivered or given up.
    #[oai(skip_serializing_if_is_none)]
    finished_at: Option<String>,
    /// The tries so far, the first one first.
    attempts: Vec<AttemptDocument>,
}

/// One try to deliver.
#[derive(Debug, Object)]
#[oai(rename = "DeliveryAttempt")]
struct AttemptDocument {
    /// From 1.
    number: u32,
    /// When it ended.
    at: String,
    /// The status that the endpoint answered, if it did.
    #[oai(skip_serializing_if_is_none)]
    status: Option<u16>,
    /// Why it failed, if it did.
    #[oai(skip_serializing_if_is_none)]
    error: Option<String>,
    /// How long it took.
    elapsed_ms: u64,
}

/// A page of deliveries.
#[derive(Debug, Object)]
struct Deliveries {
    /// The newest first. They are kept for 30 days.
    deliveries: Vec<DeliveryDocument>,
    /// What to send as `cursor` for the next page; absent on the last.
    #[oai(skip_serializing_if_is_none)]
    next_cursor: Option<String>,
}

#[derive(ApiResponse)]
enum ResendResponse {
    /// It is on its way.
    #[oai(status = 202)]
    Queued(Json<DeliveryDocument>),
}

#[OpenApi]
impl Routes {
    /// List a webhook's deliveries.
    #[oai(
        path = "/v1/webhooks/:id/deliveries",
        method = "get",
        operation_id = "list_deliveries",
        tag = "Tag::Webhooks"
    )]
    #[expect(clippy::too_many_arguments, reason = "poem-openapi takes each parameter by itself")]
    async fn list(
        &self,
        caller: Caller,
        app: Data<&App>,
        /// The webhook's id.
        id: Path<String>,
        /// How many, from 1 to 200; 50 unless given.
        limit: Query<Option<u32>>,
        /// The `next_cursor` of the page before.
        cursor: Query<Option<String>>,
    ) -> Result<Json<Deliveries>, ApiError> {
        let webhook = find(&app, &caller, &id).await?;
        let limit = limit.0.unwrap_or(PAGE);
        if !(1..=MAX_PAGE).contains(&limit) {
            return Err(ApiError::field(format!("limit must be from 1 to {MAX_PAGE}, not {limit}")));
        }
        let unknown = |_| ApiError::field("this cursor is not one of this list; leave it out to begin anew");
        let before = cursor.0.map(|cursor| cursor.parse().map_err(unknown)).transpose()?;
        // One more than asked for tells whether there is another page.
        let mut deliveries = app.store.deliveries(webhook.id, before, limit + 1).await?;
        let more = deliveries.len() > limit as usize;
        deliveries.truncate(limit as usize);
        let next_cursor = deliveries.last().filter(|_| more).map(|last| last.id.to_string());
        Ok(Json(Deliveries { deliveries: deliveries.into_iter().map(document).collect(), next_cursor }))
    }

    /// Send a delivery again.
    ///
    /// At once, with the same id, whatever became of it.
    #[oai(
        path = "/v1/deliveries/:id/resend",
        method = "post",
        operation_id = "resend_delivery",
        tag = "Tag::Webhooks"
    )]
    async fn resend(
        &self,
        caller: Caller,
        app: Data<&App>,
        /// The delivery's id.
        id: Path<String>,
    ) -> Result<ResendResponse, ApiError> {
        let account = owner(&caller)?;
        let missing = || ApiError::new(Cause::NotFound, "no such delivery");
        let id: DeliveryId = id.parse().map_err(|_| missing())?;
        match app.store.resend(account, id).await? {
            Resent::Queued => {}
            Resent::Disabled => return Err(disabled()),
            Resent::Missing => return Err(missing()),
        }
        let delivery = app.store.delivery(account, id).await?.ok_or_else(missing)?;
        Ok(ResendResponse::Queued(Json(document(delivery))))
    }
}

fn document(delivery: Delivery) -> DeliveryDocument {
    DeliveryDocument {
        id: delivery.id.to_string(),
        webhook_id: delivery.webhook.to_string(),
        job_id: delivery.job.map(|job| job.to_string()),
        event: delivery.event.to_string(),
        state: delivery.state.to_string(),
        next_at: delivery.next_at.map(rfc3339),
        created_at: rfc3339(delivery.created_at),
        finished_at: delivery.finished_at.map(rfc3339),
        attempts: delivery.attempts.into_iter().map(attempt).collect(),
    }
}

fn attempt(attempt: DeliveryAttempt) -> AttemptDocument {
    AttemptDocument {
        number: attempt.number,
        at: rfc3339(attempt.at),
        status: attempt.status,
        error: attempt.error,
        elapsed_ms: attempt.elapsed.as_millis() as u64,
    }
}
