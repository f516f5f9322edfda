//! Who asks: the key in the `Authorization` header, or a caller without one from some place.

use std::net::{IpAddr, Ipv4Addr};

use poem::http::header::AUTHORIZATION;
use poem::{Addr, Request, RequestBody};
use poem_openapi::registry::{MetaSecurityScheme, Registry};
use poem_openapi::{ApiExtractor, ApiExtractorType, ExtractParamOptions};
use steno_shared::account::{ANONYMOUS_TIER, AccountId, Tier, UNLIMITED_TIER};
use steno_shared::job::Job;
use steno_shared::key::ApiKey;

use crate::address;
use crate::error::{ApiError, Cause};
use crate::state::App;

const SCHEME: &str = "BearerAuth";

/// Who asks, and what they may use. As the first argument of a route it is known before the body is read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Caller {
    account: AccountId,
    /// The tier's name.
    pub(crate) tier: String,
    pub(crate) limits: Tier,
    /// Whether the key may manage keys and accounts.
    is_admin: bool,
}

impl Caller {
    /// The account that jobs are kept under.
    pub(crate) fn account(&self) -> &AccountId {
        &self.account
    }

    /// Whether no key was sent.
    pub(crate) fn is_anonymous(&self) -> bool {
        self.account.is_anonymous()
    }

    /// A job is read by its account, an anonymous one by whoever holds its id.
    pub(crate) fn may_read(&self, job: &Job) -> bool {
        self.may_use(&job.account)
    }

    /// What belongs to an account is used by it alone, what is anonymous by whoever can name it.
    pub(crate) fn may_use(&self, account: &AccountId) -> bool {
        account.is_anonymous() || *account == self.account
    }

    /// The largest file that the caller may send.
    pub(crate) fn max_file(&self, app: &App) -> u64 {
        let all = app.settings.max_file.0;
        self.limits.max_file.map_or(all, |limit| limit.0.min(all))
    }

    /// For what belongs to an account.
    pub(crate) fn require_key(&self) -> Result<(), ApiError> {
        if self.is_anonymous() {
            let message = "this needs an API key: send it as `Authorization: Bearer KEY`";
            return Err(ApiError::new(Cause::InvalidKey, message));
        }
        Ok(())
    }

    /// For what concerns the keys and accounts of others.
    pub(crate) fn require_admin(&self) -> Result<(), ApiError> {
        self.require_key()?;
        if self.is_admin {
            return Ok(());
        }
        let message = "this needs an admin key; `steno keys create --admin --tier TIER` makes one";
        Err(ApiError::new(Cause::Forbidden, message))
    }

    /// Who sends this request.
    pub(crate) async fn of(request: &Request, app: &App) -> Result<Self, ApiError> {
        Self::known_by(request, None, app).await
    }

    /// Who sends this request, which may have a key elsewhere than in its header.
    pub(crate) async fn known_by(request: &Request, key: Option<&str>, app: &App) -> Result<Self, ApiError> {
        let caller = match (request.headers().get(AUTHORIZATION), key) {
            (Some(header), _) => Self::with_header(header.to_str().unwrap_or_default(), app).await?,
            (None, Some(key)) => Self::with_key(key, app).await?,
            (None, None) => Self::without_key(request, app)?,
        };
        caller.counted(app)
    }

    /// Who has this key, which came after the request.
    pub(crate) async fn of_key(key: &str, app: &App) -> Result<Self, ApiError> {
        Self::with_key(key, app).await?.counted(app)
    }

    fn counted(self, app: &App) -> Result<Self, ApiError> {
        app.rates.count(&self.account, self.limits.requests_per_minute).map_err(|seconds| {
            let message = format!("too many requests; try again in {seconds} s");
            ApiError::new(Cause::RateLimited, message).retry_after(seconds)
        })?;
        Ok(self)
    }

    fn without_key(request: &Request, app: &App) -> Result<Self, ApiError> {
        if !app.settings.serves_anonymous() {
            let message = "an API key is needed: send it as `Authorization: Bearer KEY`";
            return Err(ApiError::new(Cause::InvalidKey, message));
        }
        let peer = match request.remote_addr().0 {
            Addr::SocketAddr(peer) => peer.ip(),
            // The edge listens on TCP only.
            _ => IpAddr::V4(Ipv4Addr::UNSPECIFIED),
        };
        let address = app.settings.trusted_proxies.caller(peer, request.headers());
        if !app.settings.limits_anonymous(peer, request.headers()) {
            return Ok(Self {
                account: AccountId::anonymous(),
                tier: UNLIMITED_TIER.to_owned(),
                limits: Tier::default(),
                is_admin: false,
            });
        }
        let account = AccountId::anonymous_at(&address::place(address), &app.address_secret);
        Self::in_tier(app, account, ANONYMOUS_TIER.to_owned())
    }

    async fn with_header(header: &str, app: &App) -> Result<Self, ApiError> {
        let (scheme, key) = header.split_once(' ').unwrap_or_default();
        if !scheme.eq_ignore_ascii_case("bearer") {
            let message = "the Authorization header must be `Bearer KEY`, with an API key of this server";
            return Err(ApiError::new(Cause::InvalidKey, message));
        }
        Self::with_key(key, app).await
    }

    async fn with_key(key: &str, app: &App) -> Result<Self, ApiError> {
        let invalid = |message: &str| ApiError::new(Cause::InvalidKey, message);
        // The checksum is looked at first: a typo costs no query.
        let malformed = |_| invalid("this API key is malformed; was it copied whole?");
        let key: ApiKey = key.trim().parse().map_err(malformed)?;
        let unknown = || invalid("this API key is unknown or revoked");
        let record = app.store.key(&key).await?.ok_or_else(unknown)?;
        let caller = Self::in_tier(app, record.account, record.tier)?;
        Ok(Self { is_admin: record.admin, ..caller })
    }

    /// Whoever has this account, of this tier.
    pub(crate) fn in_tier(app: &App, account: AccountId, tier: String) -> Result<Self, ApiError> {
        let Some(limits) = app.tiers.get(&tier).cloned() else {
            let message = format!(
                "the account's tier {tier:?} is not defined on this server; its operator can add it to --tiers"
            );
            return Err(ApiError::new(Cause::Forbidden, message));
        };
        Ok(Self { account, tier, limits, is_admin: false })
    }
}

/// By hand, since the derived fallback would take a wrong key for none.
impl<'a> ApiExtractor<'a> for Caller {
    const TYPES: &'static [ApiExtractorType] = &[ApiExtractorType::SecurityScheme];
    type ParamType = ();
    type ParamRawType = ();

    fn register(registry: &mut Registry) {
        let scheme = MetaSecurityScheme {
            ty: "http",
            description: Some("An API key of this server. Without one, a request is anonymous."),
            name: None,
            key_in: None,
            scheme: Some("bearer"),
            bearer_format: None,
            flows: None,
            openid_connect_url: None,
        };
        registry.create_security_scheme(SCHEME, scheme);
    }

    fn security_schemes() -> Vec<&'static str> {
        vec![SCHEME]
    }

    fn has_security_fallback() -> bool {
        true
    }

    async fn from_request(
        request: &'a Request,
        _: &mut RequestBody,
        _: ExtractParamOptions<()>,
    ) -> poem::Result<Self> {
        let app = App::of(request)?;
        Ok(Self::of(request, &app).await?)
    }
}
