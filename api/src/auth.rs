//! Who asks: the key in the `Authorization` header, or nobody in particular.

use poem::http::header::AUTHORIZATION;
use poem::{Request, RequestBody};
use poem_openapi::registry::{MetaSecurityScheme, Registry};
use poem_openapi::{ApiExtractor, ApiExtractorType, ExtractParamOptions};
use steno_shared::job::{ANONYMOUS, Job};
use steno_shared::key::ApiKey;

use crate::error::{ApiError, Cause};
use crate::state::App;

const SCHEME: &str = "BearerAuth";

/// Who asks. As the first argument of a route it is known before the body is read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Caller {
    /// Nobody in particular, where that is allowed.
    Anonymous,
    /// The holder of the key with this id.
    Key(String),
}

impl Caller {
    /// The account that jobs are kept under.
    pub(crate) fn account(&self) -> &str {
        match self {
            Self::Anonymous => ANONYMOUS,
            Self::Key(id) => id,
        }
    }

    /// A job is read by its account, an anonymous one by whoever holds its id.
    pub(crate) fn may_read(&self, job: &Job) -> bool {
        job.account == ANONYMOUS || job.account == self.account()
    }

    async fn of(request: &Request, app: &App) -> Result<Self, ApiError> {
        let invalid = |message: &str| ApiError::new(Cause::InvalidKey, message);
        let Some(header) = request.headers().get(AUTHORIZATION) else {
            return if app.settings.serves_anonymous() {
                Ok(Self::Anonymous)
            } else {
                Err(invalid("an API key is needed: send it as `Authorization: Bearer KEY`"))
            };
        };
        let (scheme, key) = header.to_str().ok().and_then(|text| text.split_once(' ')).unwrap_or_default();
        if !scheme.eq_ignore_ascii_case("bearer") {
            return Err(invalid(
                "the Authorization header must be `Bearer KEY`, with an API key of this server",
            ));
        }
        // The checksum is looked at first: a typo costs no query.
        let malformed = |_| invalid("this API key is malformed; was it copied whole?");
        let key: ApiKey = key.trim().parse().map_err(malformed)?;
        if app.store.accepts_key(&key).await? {
            Ok(Self::Key(key.id().to_owned()))
        } else {
            Err(invalid("this API key is unknown or revoked"))
        }
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
