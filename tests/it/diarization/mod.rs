//! Who spoke when, through the whole path: how right it is, and what long files cost.

mod accuracy;
mod long;

use serde_json::Value;
use steno_tests::client::Client;
use steno_tests::diarization::Turn;

/// Who speaks when, as a job's speakers tell it, and how many there are.
async fn found(client: &Client, job: &str) -> (Vec<Turn>, usize) {
    let told = client.get(&format!("/v1/jobs/{job}/speakers")).await.ok();
    let turn = |turn: &Value| Turn {
        start: turn["start"].as_f64().unwrap(),
        end: turn["end"].as_f64().unwrap(),
        speaker: turn["speaker"].as_str().unwrap().to_owned(),
    };
    let turns = told["turns"].as_array().unwrap().iter().map(turn).collect();
    (turns, told["count"]["found"].as_u64().unwrap() as usize)
}
