//! `/v1/webhooks`: endpoints that are told when jobs end.

use poem::web::Data;
use poem_openapi::param::Path;
use poem_openapi::payload::Json;
use poem_openapi::{ApiResponse, Object, OpenApi};
use steno_shared::account::AccountId;
use steno_shared::id::WebhookId;
use steno_shared::outside::{OutsideUrl, RefusedUrl};
use steno_shared::store::NewWebhook;
use steno_shared::time::rfc3339;
use steno_shared::webhook::{MAX_WEBHOOKS, Webhook};

use super::Tag;
use crate::auth::Caller;
use crate::error::{ApiError, Cause};
use crate::json_body::JsonBody;
use crate::state::App;

#[derive(Debug)]
pub(crate) struct Routes;

/// An endpoint that is told when jobs end.
///
/// Deliveries are signed by the Standard Webhooks scheme (<https://www.standardwebhooks.com>): the headers
/// `webhook-id`, `webhook-timestamp` and `webhook-signature`. One that is not answered with a status from 200 to 299 is
/// tried again over three days; redirects are failures, 410 disables the webhook.
#[derive(Debug, Object)]
#[oai(rename = "Webhook")]
struct WebhookDocument {
    /// Its name.
    id: String,
    /// Where deliveries are sent.
    url: String,
    /// What signs them. Shown when it is made or rotated, and by `GET /v1/webhooks/{id}/secret`.
    #[oai(skip_serializing_if_is_none)]
    secret: Option<String>,
    /// account: it is told of all jobs; job: of those that named it as their `webhook_url`.
    scope: String,
    /// enabled or disabled.
    state: String,
    /// Since when no delivery has succeeded, if the last one failed.
    #[oai(skip_serializing_if_is_none)]
    failing_since: Option<String>,
    /// Why it is disabled.
    #[oai(skip_serializing_if_is_none)]
    disabled_reason: Option<String>,
    /// RFC 3339.
    created_at: String,
}

/// The webhooks of an account.
#[derive(Debug, Object)]
struct Webhooks {
    /// The oldest first.
    webhooks: Vec<WebhookDocument>,
}

/// What signs a webhook's deliveries.
#[derive(Debug, Object)]
struct WebhookSecret {
    /// `whsec_` and base 64.
    secret: String,
    /// The one before the last rotation, as long as it signs too.
    #[oai(skip_serializing_if_is_none)]
    previous_secret: Option<String>,
}

/// Where an endpoint is.
#[derive(Debug, Object)]
struct WebhookRequest {
    /// An https or http URL on the public internet, or in a network that the operator allows.
    url: String,
}

/// A delivery that was made.
#[derive(Debug, Object)]
struct DeliveryReference {
    /// The delivery's id, the same in the header `webhook-id`.
    id: String,
}

#[derive(ApiResponse)]
enum CreateResponse {
    /// It is made.
    #[oai(status = 201)]
    Created(
        Json<WebhookDocument>,
        /// Where it can be read.
        #[oai(header = "Location")]
        String,
    ),
}

#[derive(ApiResponse)]
enum DeleteResponse {
    /// It is gone, and its deliveries with it.
    #[oai(status = 204)]
    Deleted,
}

#[derive(ApiResponse)]
enum TestResponse {
    /// A delivery is on its way.
    #[oai(status = 202)]
    Sent(Json<DeliveryReference>),
}

#[OpenApi]
impl Routes {
    /// Make a webhook.
    ///
    /// It is told of every job of the account that is completed, fails or is cancelled.
    #[oai(path = "/v1/webhooks", method = "post", operation_id = "create_webhook", tag = "Tag::Webhooks")]
    async fn create(
        &self,
        caller: Caller,
        app: Data<&App>,
        request: JsonBody<WebhookRequest>,
    ) -> Result<CreateResponse, ApiError> {
        let account = owner(&caller)?;
        let refused = |error: RefusedUrl| ApiError::field(error.to_string());
        let url: OutsideUrl = request.0.url.parse().map_err(refused)?;
        url.check_literal(&app.networks).map_err(refused)?;
        match app.store.create_webhook(account, url.as_str()).await? {
            NewWebhook::Made(webhook) => {
                tracing::info!(webhook.id = %webhook.id, url = %url, "webhook made");
                let location = format!("/v1/webhooks/{}", webhook.id);
                Ok(CreateResponse::Created(Json(with_secret(webhook)), location))
            }
            NewWebhook::Exists(id) => {
                let message = format!("the webhook {id} has this URL already");
                Err(ApiError::new(Cause::WebhookExists, message))
            }
            NewWebhook::TooMany => {
                let message = format!("an account has at most {MAX_WEBHOOKS} webhooks; delete one first");
                Err(ApiError::new(Cause::TooManyWebhooks, message))
            }
        }
    }

    /// List the webhooks.
    #[oai(path = "/v1/webhooks", method = "get", operation_id = "list_webhooks", tag = "Tag::Webhooks")]
    async fn list(&self, caller: Caller, app: Data<&App>) -> Result<Json<Webhooks>, ApiError> {
        let webhooks = app.store.webhooks(owner(&caller)?).await?;
        Ok(Json(Webhooks { webhooks: webhooks.into_iter().map(document).collect() }))
    }

    /// Read a webhook.
    #[oai(path = "/v1/webhooks/:id", method = "get", operation_id = "get_webhook", tag = "Tag::Webhooks")]
    async fn get(
        &self,
        caller: Caller,
        app: Data<&App>,
        /// The webhook's id.
        id: Path<String>,
    ) -> Result<Json<WebhookDocument>, ApiError> {
        find(&app, &caller, &id).await.map(document).map(Json)
    }

    /// Read a webhook's secret.
    #[oai(
        path = "/v1/webhooks/:id/secret",
        method = "get",
        operation_id = "get_webhook_secret",
        tag = "Tag::Webhooks"
    )]
    async fn secret(
        &self,
        caller: Caller,
        app: Data<&App>,
        /// The webhook's id.
        id: Path<String>,
    ) -> Result<Json<WebhookSecret>, ApiError> {
        let webhook = find(&app, &caller, &id).await?;
        Ok(Json(WebhookSecret {
            secret: webhook.secret.reveal().to_owned(),
            previous_secret: webhook.previous_secret.map(|secret| secret.reveal().to_owned()),
        }))
    }

    /// Delete a webhook.
    ///
    /// Its deliveries go with it, those that wait as well.
    #[oai(
        path = "/v1/webhooks/:id",
        method = "delete",
        operation_id = "delete_webhook",
        tag = "Tag::Webhooks"
    )]
    async fn delete(
        &self,
        caller: Caller,
        app: Data<&App>,
        /// The webhook's id.
        id: Path<String>,
    ) -> Result<DeleteResponse, ApiError> {
        let removed = app.store.remove_webhook(owner(&caller)?, parse(&id)?).await?;
        if removed { Ok(DeleteResponse::Deleted) } else { Err(no_such_webhook()) }
    }

    /// Give a webhook a new secret.
    ///
    /// For 24 hours deliveries are signed with the old one too.
    #[oai(
        path = "/v1/webhooks/:id/rotate",
        method = "post",
        operation_id = "rotate_webhook_secret",
        tag = "Tag::Webhooks"
    )]
    async fn rotate(
        &self,
        caller: Caller,
        app: Data<&App>,
        /// The webhook's id.
        id: Path<String>,
    ) -> Result<Json<WebhookDocument>, ApiError> {
        let webhook = app.store.rotate_secret(owner(&caller)?, parse(&id)?).await?;
        webhook.map(with_secret).map(Json).ok_or_else(no_such_webhook)
    }

    /// Enable a webhook that was disabled.
    ///
    /// Deliveries that failed meanwhile can be sent again one by one.
    #[oai(
        path = "/v1/webhooks/:id/enable",
        method = "post",
        operation_id = "enable_webhook",
        tag = "Tag::Webhooks"
    )]
    async fn enable(
        &self,
        caller: Caller,
        app: Data<&App>,
        /// The webhook's id.
        id: Path<String>,
    ) -> Result<Json<WebhookDocument>, ApiError> {
        let webhook = app.store.enable_webhook(owner(&caller)?, parse(&id)?).await?;
        webhook.map(document).map(Json).ok_or_else(no_such_webhook)
    }

    /// Try a webhook out.
    ///
    /// Sends a delivery of the type `webhook.test`, which says nothing.
    #[oai(
        path = "/v1/webhooks/:id/test",
        method = "post",
        operation_id = "test_webhook",
        tag = "Tag::Webhooks"
    )]
    async fn test(
        &self,
        caller: Caller,
        app: Data<&App>,
        /// The webhook's id.
        id: Path<String>,
    ) -> Result<TestResponse, ApiError> {
        let webhook = find(&app, &caller, &id).await?;
        match app.store.test_webhook(&webhook.account, webhook.id).await? {
            Some(id) => Ok(TestResponse::Sent(Json(DeliveryReference { id: id.to_string() }))),
            None => Err(disabled()),
        }
    }
}

/// The account whose webhooks are meant: those of nobody in particular do not exist.
pub(super) fn owner(caller: &Caller) -> Result<&AccountId, ApiError> {
    caller.require_key()?;
    Ok(caller.account())
}

/// The webhook, if the caller has it.
pub(super) async fn find(app: &App, caller: &Caller, id: &str) -> Result<Webhook, ApiError> {
    let account = owner(caller)?;
    app.store.webhook(account, parse(id)?).await?.ok_or_else(no_such_webhook)
}

/// Its webhook is told nothing.
pub(super) fn disabled() -> ApiError {
    let message = "the webhook is disabled; POST /v1/webhooks/{id}/enable first";
    ApiError::new(Cause::WebhookDisabled, message)
}

fn parse(id: &str) -> Result<WebhookId, ApiError> {
    id.parse().map_err(|_| no_such_webhook())
}

fn no_such_webhook() -> ApiError {
    ApiError::new(Cause::NotFound, "no such webhook")
}

fn document(webhook: Webhook) -> WebhookDocument {
    WebhookDocument {
        id: webhook.id.to_string(),
        url: webhook.url,
        secret: None,
        scope: webhook.scope.to_string(),
        state: webhook.state.to_string(),
        failing_since: webhook.failing_since.map(rfc3339),
        disabled_reason: webhook.disabled_reason,
        created_at: rfc3339(webhook.created_at),
    }
}

fn with_secret(webhook: Webhook) -> WebhookDocument {
    let secret = webhook.secret.reveal().to_owned();
    WebhookDocument { secret: Some(secret), ..document(webhook) }
}
