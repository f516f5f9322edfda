//! `/v1/admin`: keys and accounts, for callers with an admin key.

use poem::web::Data;
use poem::{Request, RequestBody};
use poem_openapi::param::Path;
use poem_openapi::payload::Json;
use poem_openapi::registry::Registry;
use poem_openapi::{ApiExtractor, ApiExtractorType, ApiResponse, ExtractParamOptions, Object, OpenApi};
use steno_shared::account::AccountId;
use steno_shared::store::{AccountRecord, KeyRecord, Used};
use steno_shared::time::rfc3339;

use super::Tag;
use crate::auth::Caller;
use crate::error::{ApiError, Cause};
use crate::issue::{self, NotIssued, Wanted};
use crate::json_body::JsonBody;
use crate::state::App;

#[derive(Debug)]
pub(crate) struct Routes;

/// A key, without what is secret of it.
#[derive(Debug, Object)]
#[oai(rename = "Key")]
struct KeyDocument {
    /// The part of it that may be shown.
    id: String,
    /// What its owner calls it.
    label: String,
    /// Whose it is.
    account: String,
    /// The name of the account's tier.
    tier: String,
    /// Whether it may manage keys and accounts.
    admin: bool,
    /// RFC 3339.
    created_at: String,
    /// When it was revoked.
    #[oai(skip_serializing_if_is_none)]
    revoked_at: Option<String>,
}

/// A key that was just made.
#[derive(Debug, Object)]
struct NewKey {
    /// The key itself. It is shown this once.
    key: String,
    /// What is kept of it.
    #[oai(flatten)]
    record: KeyDocument,
}

/// The keys that were issued.
#[derive(Debug, Object)]
struct Keys {
    /// The oldest first.
    keys: Vec<KeyDocument>,
}

/// The key that is wanted.
#[derive(Debug, Object)]
struct KeyRequest {
    /// The name of the new account's tier. Needed unless `account` is given.
    tier: Option<String>,
    /// The account that it is for; a new one unless given.
    account: Option<String>,
    /// What its owner calls it.
    label: Option<String>,
    /// Whether it may manage keys and accounts.
    admin: Option<bool>,
    /// Credits to add to the account's balance.
    credits: Option<u32>,
}

/// An account.
#[derive(Debug, Object)]
#[oai(rename = "Account")]
struct AccountDocument {
    /// Its name.
    id: String,
    /// The name of its tier.
    tier: String,
    /// What its first key was called.
    label: String,
    /// RFC 3339.
    created_at: String,
}

/// The accounts.
#[derive(Debug, Object)]
struct Accounts {
    /// The oldest first.
    accounts: Vec<AccountDocument>,
}

/// What is to be changed of an account.
#[derive(Debug, Object)]
struct AccountRequest {
    /// The name of its tier from the next request on.
    tier: String,
}

/// Credits to be granted.
#[derive(Debug, Object)]
struct CreditsRequest {
    /// How many.
    credits: u32,
    /// What they are for.
    note: Option<String>,
}

/// The credits of an account.
#[derive(Debug, Object)]
struct Balance {
    /// Whose they are.
    account: String,
    /// All that it was given.
    granted: u64,
    /// By completed jobs.
    used: u64,
    /// By jobs under way.
    reserved: u64,
    /// What is left.
    remaining: u64,
}

#[derive(ApiResponse)]
enum CreateResponse {
    /// It is made.
    #[oai(status = 201)]
    Created(Json<NewKey>),
}

#[derive(ApiResponse)]
enum RevokeResponse {
    /// The next request with it is refused.
    #[oai(status = 204)]
    Revoked,
}

/// A caller with an admin key. It is known before the body is read.
#[derive(Debug)]
struct Admin;

impl<'a> ApiExtractor<'a> for Admin {
    const TYPES: &'static [ApiExtractorType] = &[ApiExtractorType::SecurityScheme];
    type ParamType = ();
    type ParamRawType = ();

    fn register(registry: &mut Registry) {
        Caller::register(registry);
    }

    fn security_schemes() -> Vec<&'static str> {
        Caller::security_schemes()
    }

    async fn from_request(
        request: &'a Request,
        _: &mut RequestBody,
        _: ExtractParamOptions<()>,
    ) -> poem::Result<Self> {
        let app = App::of(request)?;
        Caller::of(request, &app).await?.require_admin()?;
        Ok(Self)
    }
}

#[OpenApi]
impl Routes {
    /// Make a key.
    #[oai(path = "/v1/admin/keys", method = "post", operation_id = "create_key", tag = "Tag::Admin")]
    async fn create_key(
        &self,
        _admin: Admin,
        app: Data<&App>,
        request: JsonBody<KeyRequest>,
    ) -> Result<CreateResponse, ApiError> {
        let JsonBody(request) = request;
        let wanted = Wanted {
            tier: request.tier,
            account: request.account.map(AccountId::of_row),
            label: request.label.unwrap_or_default(),
            admin: request.admin.unwrap_or_default(),
            credits: request.credits,
        };
        let issued = wanted.issue(&app.store, &app.tiers).await?;
        tracing::info!(key.id = issued.record.id, account.id = %issued.record.account, "key issued");
        let key = issued.key.reveal().to_owned();
        Ok(CreateResponse::Created(Json(NewKey { key, record: key_document(issued.record) })))
    }

    /// List the keys.
    #[oai(path = "/v1/admin/keys", method = "get", operation_id = "list_keys", tag = "Tag::Admin")]
    async fn list_keys(&self, _admin: Admin, app: Data<&App>) -> Result<Json<Keys>, ApiError> {
        let keys = app.store.keys().await?;
        Ok(Json(Keys { keys: keys.into_iter().map(key_document).collect() }))
    }

    /// Revoke a key.
    #[oai(path = "/v1/admin/keys/:id", method = "delete", operation_id = "revoke_key", tag = "Tag::Admin")]
    async fn revoke_key(
        &self,
        _admin: Admin,
        app: Data<&App>,
        /// The key's id.
        id: Path<String>,
    ) -> Result<RevokeResponse, ApiError> {
        if !app.store.revoke_key(&id).await? {
            return Err(ApiError::new(Cause::NotFound, "no such key"));
        }
        tracing::info!(key.id = id.0, "key revoked");
        Ok(RevokeResponse::Revoked)
    }

    /// List the accounts.
    #[oai(path = "/v1/admin/accounts", method = "get", operation_id = "list_accounts", tag = "Tag::Admin")]
    async fn list_accounts(&self, _admin: Admin, app: Data<&App>) -> Result<Json<Accounts>, ApiError> {
        let accounts = app.store.accounts().await?;
        Ok(Json(Accounts { accounts: accounts.into_iter().map(account_document).collect() }))
    }

    /// Put an account into another tier.
    #[oai(
        path = "/v1/admin/accounts/:account",
        method = "patch",
        operation_id = "update_account",
        tag = "Tag::Admin"
    )]
    async fn update_account(
        &self,
        _admin: Admin,
        app: Data<&App>,
        /// The account's id.
        account: Path<String>,
        request: JsonBody<AccountRequest>,
    ) -> Result<Json<AccountDocument>, ApiError> {
        let tier = issue::known_tier(&app.tiers, &request.0.tier)?;
        let id = AccountId::of_row(account.0);
        app.store.set_tier(&id, tier).await?;
        let account = app.store.account(&id).await?.ok_or_else(no_such_account)?;
        tracing::info!(account.id = %id, account.tier = tier, "tier changed");
        Ok(Json(account_document(account)))
    }

    /// Add credits to an account's balance.
    #[oai(
        path = "/v1/admin/accounts/:account/credits",
        method = "post",
        operation_id = "grant_credits",
        tag = "Tag::Admin"
    )]
    async fn grant_credits(
        &self,
        _admin: Admin,
        app: Data<&App>,
        /// The account's id.
        account: Path<String>,
        request: JsonBody<CreditsRequest>,
    ) -> Result<Json<Balance>, ApiError> {
        let CreditsRequest { credits, note } = request.0;
        let id = AccountId::of_row(account.0);
        let balance = issue::grant(&app.store, &id, credits, &note.unwrap_or_default()).await?;
        tracing::info!(account.id = %id, account.credits = credits, "credits granted");
        Ok(Json(balance_document(&id, &balance)))
    }
}

impl From<NotIssued> for ApiError {
    fn from(error: NotIssued) -> Self {
        match error {
            NotIssued::Store(error) => error.into(),
            NotIssued::UnknownAccount(_) => no_such_account(),
            error => Self::field(error.to_string()),
        }
    }
}

fn no_such_account() -> ApiError {
    ApiError::new(Cause::NotFound, "no such account")
}

fn key_document(record: KeyRecord) -> KeyDocument {
    KeyDocument {
        id: record.id,
        label: record.label,
        account: record.account.to_string(),
        tier: record.tier,
        admin: record.admin,
        created_at: rfc3339(record.created_at),
        revoked_at: record.revoked_at.map(rfc3339),
    }
}

fn account_document(record: AccountRecord) -> AccountDocument {
    AccountDocument {
        id: record.id.to_string(),
        tier: record.tier,
        label: record.label,
        created_at: rfc3339(record.created_at),
    }
}

fn balance_document(account: &AccountId, credits: &Used) -> Balance {
    Balance {
        account: account.to_string(),
        granted: credits.granted,
        used: credits.used,
        reserved: credits.reserved,
        remaining: credits.left_of(credits.granted),
    }
}
