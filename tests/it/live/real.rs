//! Sessions with the real worker, its engine and the miniature model.

use std::time::Duration;

use serde_json::{Value, json};
use steno_shared::job::Lane;
use steno_tests::clips::{self, Clip};
use steno_tests::live::Live;
use steno_tests::score::Score;
use steno_tests::wait;
use steno_tests::world::{Plan, SOON, World};
use tokio::time::Instant;

use super::open_sessions;

const RATE: usize = 16_000;
/// As many samples are sent at once, each at its time.
const FRAME: usize = RATE / 10;
const WER_PERCENT: f64 = 25.0;
/// Of the API, for a thousand sessions that say nothing: 100 KiB each.
const IDLE_BYTES: u64 = 100 << 20;

async fn world() -> World {
    Plan::default().lanes(&[Lane::Stream]).start().await
}

/// Clips with a second of silence after each, and what is said in them.
fn speech(count: usize) -> (Vec<i16>, String) {
    let chosen: Vec<Clip> = clips::heldout().into_iter().filter(|clip| !clip.heldout).take(count).collect();
    let mut samples = Vec::new();
    for clip in &chosen {
        samples.extend(clips::samples(&clip.path()));
        samples.resize(samples.len() + RATE, 0);
    }
    (samples, chosen.iter().map(|clip| clip.text.as_str()).collect::<Vec<_>>().join(" "))
}

/// Says samples as a microphone does, from one to another of them.
async fn say(live: &mut Live, samples: &[i16], began: Instant, from: usize) {
    for (number, frame) in samples.chunks(FRAME).enumerate() {
        let at = from + number * FRAME;
        tokio::time::sleep_until(began + Duration::from_millis((at * 1000 / RATE) as u64)).await;
        live.audio(frame).await;
    }
}

fn is_right(said: &str, last: &Value) {
    let heard = last["transcript"].as_str().unwrap();
    let score = Score::of(said, heard);
    assert!(score.percent() < WER_PERCENT, "{heard:?} instead of {said:?}");
}

/// The promise of the contract about times, over all finals of a session.
fn are_in_order(finals: &[Value], duration: f64) {
    let mut earlier = 0.0;
    for said in finals {
        for word in said["words"].as_array().unwrap() {
            let (start, end) = (word["start"].as_f64().unwrap(), word["end"].as_f64().unwrap());
            assert!(
                earlier <= start && start <= end && end <= duration,
                "{word} after {earlier} of {duration}"
            );
            earlier = start;
        }
    }
}

#[tokio::test]
async fn a_worker_that_is_killed_in_mid_sentence_costs_a_pause_and_no_word() {
    let mut world = world().await;
    let (samples, said) = speech(4);
    let mut live = Live::open(world.port()).await;
    live.json(json!({"language": "en", "store": true})).await;
    let began = Instant::now();
    let middle = samples.len() / 2 / FRAME * FRAME;
    say(&mut live, &samples[..middle], began, 0).await;
    // Somebody is speaking, and something of it is on the screen.
    live.until(|message| message["text"].as_str().is_some_and(|text| !text.is_empty())).await;
    world.kill_workers(Lane::Stream);
    world.start_worker(Lane::Stream, &[]);
    say(&mut live, &samples[middle..], began, middle).await;
    live.json(json!({"action": "stop"})).await;
    let (messages, code) = live.rest().await;
    assert!(messages.iter().all(|message| message["error"].is_null()), "{messages:?}");
    let last = messages.last().unwrap();
    assert_eq!((last["is_final"].as_bool(), code), (Some(true), 1000));
    is_right(&said, last);
    let duration = last["duration"].as_f64().unwrap();
    assert_eq!(duration, (samples.len() as f64 / RATE as f64 * 1000.0).round() / 1000.0);
    let finals: Vec<_> = messages.iter().filter(|message| message["words"].is_array()).cloned().collect();
    are_in_order(&finals, duration);
    // What is kept is the same.
    let client = world.client();
    let path = format!("/v1/jobs/{}/transcript", last["job_id"].as_str().unwrap());
    let kept = client.get(&path).await.ok();
    assert_eq!(kept["text"], last["transcript"]);
    assert!(client.get(&format!("{path}?format=vtt")).await.body.starts_with("WEBVTT"));
    assert!(open_sessions(&world).await.is_empty());
}

#[tokio::test]
async fn audio_at_ten_times_its_pace_is_heard_whole() {
    let world = world().await;
    let (samples, said) = speech(4);
    let mut live = Live::open(world.port()).await;
    live.json(json!({"language": "en"})).await;
    // As fast as the server reads: ten seconds ahead of the clock it stops.
    for frame in samples.chunks(FRAME) {
        live.audio(frame).await;
    }
    live.json(json!({"action": "stop"})).await;
    let (last, code) = live.last().await;
    assert_eq!(code, 1000);
    is_right(&said, &last);
}

#[tokio::test]
async fn silence_has_no_text_and_the_language_is_found_out() {
    let world = world().await;
    let mut silent = Live::open(world.port()).await;
    silent.json(json!({})).await;
    silent.audio(&vec![0; 6 * RATE]).await;
    silent.json(json!({"action": "stop"})).await;
    let (messages, _) = silent.rest().await;
    assert!(
        messages.iter().all(|message| message["partial"].as_str().is_none_or(str::is_empty)),
        "{messages:?}"
    );
    assert_eq!(messages.last().unwrap()["transcript"], "");

    let (samples, said) = speech(2);
    let mut live = Live::open(world.port()).await;
    live.json(json!({"language": "auto"})).await;
    live.audio(&samples).await;
    let found = live.until(|message| message["event"] == "language").await;
    assert_eq!(found["language"], "en");
    live.json(json!({"action": "stop"})).await;
    let (last, _) = live.last().await;
    assert_eq!(last["language"], "en");
    is_right(&said, &last);
}

/// They have not said what they wish: whoever has is taken to be about to speak.
#[tokio::test]
async fn a_thousand_idle_sockets_cost_little_and_one_that_speaks_is_served() {
    let mut world = world().await;
    let before = world.api().anonymous_memory();
    let mut idle = Vec::new();
    for _ in 0..1000 {
        idle.push(Live::open(world.port()).await);
    }
    let taken = world.api().anonymous_memory().saturating_sub(before);
    assert!(taken < IDLE_BYTES, "{taken} bytes for a thousand idle sockets");
    let (samples, said) = speech(1);
    let mut live = Live::open(world.port()).await;
    live.json(json!({"language": "en"})).await;
    live.audio(&samples).await;
    live.json(json!({"action": "stop"})).await;
    is_right(&said, &live.last().await.0);
    for mut live in idle {
        let (messages, code) = live.rest().await;
        assert_eq!((&messages[0]["code"], messages.len(), code), (&json!("no_config"), 1, 1008));
    }
    wait::until("all sessions to be settled", SOON, async || {
        open_sessions(&world).await.is_empty().then_some(())
    })
    .await;
}
