//! The JSON body of a small request, read with a bound: poem's own would hold whatever is sent.

use poem::{Request, RequestBody};
use poem_openapi::payload::{Json, Payload};
use poem_openapi::registry::{MetaMediaType, MetaRequest, Registry};
use poem_openapi::types::{ParseFromJSON, Type};
use poem_openapi::{ApiExtractor, ApiExtractorType, ExtractParamOptions};
use serde_json::Value;

use crate::error::{ApiError, Cause};

/// What such a request may hold.
const MAX_JSON: usize = 64 * 1024;

/// A JSON body that has been read.
#[derive(Debug)]
pub(crate) struct JsonBody<T>(pub(crate) T);

impl<'a, T: ParseFromJSON> ApiExtractor<'a> for JsonBody<T> {
    const TYPES: &'static [ApiExtractorType] = &[ApiExtractorType::RequestObject];
    type ParamType = ();
    type ParamRawType = ();

    fn register(registry: &mut Registry) {
        <T as Type>::register(registry);
    }

    fn request_meta() -> Option<MetaRequest> {
        let content = MetaMediaType { content_type: Json::<T>::CONTENT_TYPE, schema: T::schema_ref() };
        Some(MetaRequest { description: None, content: vec![content], required: true })
    }

    async fn from_request(
        _: &'a Request,
        body: &mut RequestBody,
        _: ExtractParamOptions<()>,
    ) -> poem::Result<Self> {
        let invalid = |message: String| ApiError::new(Cause::InvalidBody, message);
        let bytes = body.take()?.into_bytes_limit(MAX_JSON).await;
        let bytes = bytes.map_err(|_| invalid("the body breaks off, or is larger than 64 KiB".to_owned()))?;
        let value: Value = serde_json::from_slice(&bytes)
            .map_err(|error| invalid(format!("the body is not JSON: {error}")))?;
        let parsed = T::parse_from_json(Some(value));
        parsed.map(Self).map_err(|error| {
            invalid(format!("the body is not as it must be: {}", error.into_message())).into()
        })
    }
}
