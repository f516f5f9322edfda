//! `GET /health` for people and clients, `/health/live` and `/health/ready` for balancers.

use poem::web::Data;
use poem_openapi::payload::Json;
use poem_openapi::{ApiResponse, Object, OpenApi};

use super::Tag;
use crate::state::App;

#[derive(Debug)]
pub(crate) struct Routes;

/// How the server is.
#[derive(Debug, Object)]
struct Health {
    /// ok; degraded: something is missing, see /health/ready; unavailable: nothing can be transcribed.
    status: String,
    /// Whether a worker computes on a GPU.
    gpu_available: bool,
    /// Its name; null without one.
    #[oai(skip_serializing_if = "never")]
    gpu_name: Option<String>,
    /// Its memory, in MiB; 0 without one.
    gpu_memory_mb: u64,
}

/// The contract wants `"gpu_name": null`, not its absence.
fn never<T>(_: &T) -> bool {
    false
}

/// Whether each part works.
#[derive(Debug, Object)]
struct Readiness {
    /// True if every part works.
    ready: bool,
    /// The parts that do not work, with what mends them.
    problems: Vec<String>,
}

/// The process lives.
#[derive(Debug, Object)]
struct Liveness {
    /// Always ok.
    status: String,
}

#[derive(ApiResponse)]
enum ReadinessResponse {
    /// Everything works.
    #[oai(status = 200)]
    Ready(Json<Readiness>),
    /// Something does not; requests may be refused.
    #[oai(status = 503)]
    NotReady(Json<Readiness>),
}

#[OpenApi]
impl Routes {
    /// How the server is.
    #[oai(path = "/health", method = "get", operation_id = "get_health", tag = "Tag::Health")]
    async fn health(&self, app: Data<&App>) -> Json<Health> {
        let problems = app.readiness.problems(&app).await;
        let workers = app.registry.workers().await.ok();
        let transcribes = workers
            .as_ref()
            .is_some_and(|workers| workers.missing_lane().is_none() && !workers.models().is_empty());
        let status = match (problems.is_empty(), transcribes) {
            (true, _) => "ok",
            (false, true) => "degraded",
            (false, false) => "unavailable",
        };
        let gpu = workers.as_ref().and_then(|workers| workers.gpu());
        Json(Health {
            status: status.to_owned(),
            gpu_available: gpu.is_some(),
            gpu_name: gpu.map(|(name, _)| name.to_owned()),
            gpu_memory_mb: gpu.map_or(0, |(_, memory)| memory),
        })
    }

    /// Whether the process lives.
    #[oai(path = "/health/live", method = "get", operation_id = "get_liveness", tag = "Tag::Health")]
    async fn live(&self) -> Json<Liveness> {
        Json(Liveness { status: "ok".to_owned() })
    }

    /// Whether requests can be served.
    #[oai(path = "/health/ready", method = "get", operation_id = "get_readiness", tag = "Tag::Health")]
    async fn ready(&self, app: Data<&App>) -> ReadinessResponse {
        let problems = app.readiness.problems(&app).await;
        let readiness = Readiness { ready: problems.is_empty(), problems };
        if readiness.ready {
            ReadinessResponse::Ready(Json(readiness))
        } else {
            ReadinessResponse::NotReady(Json(readiness))
        }
    }
}
