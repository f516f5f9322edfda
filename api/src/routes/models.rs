//! `GET /v1/models`.

use poem::web::Data;
use poem_openapi::param::Query;
use poem_openapi::payload::Json;
use poem_openapi::{Object, OpenApi};
use steno_shared::catalog;

use super::Tag;
use crate::error::ApiError;
use crate::state::App;

#[derive(Debug)]
pub(crate) struct Routes;

/// The models that can be asked for.
#[derive(Debug, Object)]
struct Models {
    /// The most capable first.
    models: Vec<ModelEntry>,
}

/// A model.
#[derive(Debug, Object)]
#[oai(rename = "Model")]
struct ModelEntry {
    /// What to send as `model`.
    id: String,
    /// What people call it.
    name: String,
    /// How many languages it knows.
    languages: u32,
    /// standard, fast or `very_fast`.
    speed: String,
    /// What it is good for.
    description: String,
    /// Whether a worker has it.
    installed: bool,
}

#[OpenApi]
impl Routes {
    /// List the models.
    ///
    /// Those that are installed on this server; with `all=true` the whole catalogue.
    #[oai(path = "/v1/models", method = "get", operation_id = "list_models", tag = "Tag::Catalogue")]
    async fn list(
        &self,
        app: Data<&App>,
        /// List what is not installed, too.
        #[oai(default)]
        all: Query<bool>,
    ) -> Result<Json<Models>, ApiError> {
        let installed = app.registry.workers().await?.models();
        let entry = |model: &catalog::Model| ModelEntry {
            id: model.id.to_string(),
            name: model.name.clone(),
            languages: model.languages,
            speed: model.speed.clone(),
            description: model.description.clone(),
            installed: installed.contains(&model.id),
        };
        let models = catalog::models().iter().map(entry).filter(|model| all.0 || model.installed).collect();
        Ok(Json(Models { models }))
    }
}
