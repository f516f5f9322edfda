//! What the options of text, the channels and the window make of a recording.

use std::process::Command;
use std::time::Duration;

use bytes::Bytes;
use reqwest::Method;
use serde_json::{Value, json};
use steno_shared::account::{AccountId, UNLIMITED_TIER};
use steno_shared::id::{JobId, WorkerId};
use steno_shared::job::{Admission, JobOptions, Lane, MediaOptions, NewJob, StageKind};
use steno_shared::language::Language;
use steno_shared::object::{DirStore, ObjectKey, ObjectStore};
use steno_shared::store::{IntakeEnd, IntakeOutput};
use steno_shared::time::Millis;
use steno_tests::client::{Client, form};
use steno_tests::world::{Plan, SOON, World};
use steno_tests::{clips, wait};

use crate::rows;
use crate::stores::new_job;

const SECOND: usize = 16_000;

/// Clips that the model hears well.
fn some_clips(count: usize) -> Vec<clips::Clip> {
    let clear = |clip: &clips::Clip| !clip.heldout && clip.source == "template" && clip.seconds > 2.5;
    clips::heldout().into_iter().filter(clear).take(count).collect()
}

fn codes(transcript: &Value) -> Vec<&str> {
    transcript["warnings"].as_array().unwrap().iter().map(|w| w["code"].as_str().unwrap()).collect()
}

#[tokio::test]
async fn strict_makes_a_loss_a_failure_that_costs_nothing() {
    let world = World::start().await;
    let (client, account) = world.client_of_tier(UNLIMITED_TIER).await;
    let folder = tempfile::TempDir::new().unwrap();
    let whole = folder.path().join("whole.wav");
    clips::join(&some_clips(3), 0.5, 0.0, &whole);
    let cut = folder.path().join("cut.wav");
    let bytes = std::fs::read(&whole).unwrap();
    std::fs::write(&cut, &bytes[..bytes.len() * 2 / 3]).unwrap();
    let fields = |strict| [("strict", strict), ("language", "en"), ("diarize", "false")];

    let lenient = client.transcribe_file(&cut, &fields("false")).await.ok();
    assert!(codes(&lenient).contains(&"truncated_media"), "{lenient}");
    let used = world.store().await.usage(&account).await.unwrap().month;

    let failed = client.transcribe_file(&cut, &fields("true")).await;
    let sentence = failed.refused(422);
    assert_eq!(failed.json()["code"], "incomplete");
    assert!(sentence.contains("incomplete") && sentence.contains("ends"), "{sentence}");
    let id = failed.json()["job_id"].as_str().unwrap_or_else(|| panic!("{}", failed.body)).to_owned();
    let job = client.get(&format!("/v1/jobs/{id}")).await.ok();
    assert_eq!((&job["state"], &job["error"]["code"]), (&json!("failed"), &json!("incomplete")));
    let store = world.store().await;
    let stages = store.stages(id.parse().unwrap()).await.unwrap();
    let attempts = stages.iter().find(|stage| stage.kind == StageKind::Transcribe).unwrap().attempts;
    assert_eq!(attempts, 1, "another try would come to the same");
    assert_eq!(store.usage(&account).await.unwrap().month, used, "a failure costs nothing");
    // What a client that has got its answer already is told later.
    let refused = client.get(&format!("/v1/jobs/{id}/transcript")).await.refused(409);
    assert!(refused.contains("failed"), "{refused}");

    let complete = client.transcribe_file(&some_clips(1)[0].path(), &fields("1")).await.ok();
    assert_eq!(codes(&complete), Vec::<&str>::new());
    let silence = clips::not_speech().into_iter().find(|(name, _)| name.contains("silence")).unwrap().1;
    let silent = client.transcribe_file(&silence, &fields("yes")).await.ok();
    assert_eq!(codes(&silent), ["no_speech"], "silence is no loss");
    world.queue_is_empty().await;
}

/// Spanish, by the synthesiser that the model has learnt it from.
fn spanish(text: &str) -> Vec<i16> {
    let folder = tempfile::TempDir::new().unwrap();
    let file = folder.path().join("es.wav");
    let status = Command::new("espeak-ng").args(["-v", "es", "-w"]).arg(&file).arg(text).status().unwrap();
    assert!(status.success());
    clips::samples(&file)
}

#[tokio::test]
async fn the_language_may_change_within_a_file() {
    let world = World::start().await;
    let client = world.client();
    let english: Vec<_> = some_clips(2).iter().map(|clip| clips::samples(&clip.path())).collect();
    let spanish =
        spanish("La reuni\u{F3}n empieza ma\u{F1}ana, y el tren llega tarde. La casa es muy grande.");
    let gap = vec![0; SECOND * 3 / 2];
    let samples = [&english[0][..], &gap, &spanish, &gap, &english[1]].concat();
    let borders =
        [english[0].len() + gap.len() / 2, english[0].len() + gap.len() + spanish.len() + gap.len() / 2];
    let borders = borders.map(|border| border as f64 / SECOND as f64);
    let folder = tempfile::TempDir::new().unwrap();
    let file = folder.path().join("two.wav");
    clips::write_wav(&samples.iter().flat_map(|sample| sample.to_le_bytes()).collect::<Vec<_>>(), &file);

    let transcript = client.transcribe_file(&file, &[("multilingual", "true"), ("diarize", "no")]).await.ok();
    let segments = transcript["segments"].as_array().unwrap();
    for segment in segments {
        let middle = (segment["start"].as_f64().unwrap() + segment["end"].as_f64().unwrap()) / 2.0;
        let expected = if middle > borders[0] && middle < borders[1] { "es" } else { "en" };
        assert_eq!(segment["language"], expected, "{transcript}");
    }
    for code in ["en", "es"] {
        assert!(segments.iter().any(|segment| segment["language"] == code), "no {code} in {transcript}");
    }
    assert!(transcript["text"].as_str().unwrap().contains("tren"), "{transcript}");

    let one = client.transcribe_file(&file, &[("diarize", "no")]).await.ok();
    assert!(one["segments"].as_array().unwrap().iter().all(|segment| segment.get("language").is_none()));
    let fields = [("multilingual", "true"), ("language", "en"), ("diarize", "no")];
    let given = client.transcribe_file(&file, &fields).await.ok();
    assert_eq!((&given["language"], &given["language_probability"]), (&json!("en"), &json!(1.0)));
    assert!(given["segments"].as_array().unwrap().iter().all(|segment| segment["language"] == "en"));
}

#[tokio::test]
async fn words_are_written_as_the_caller_wants_them() {
    let world = World::start().await;
    let client = world.client();
    let clip = some_clips(1)[0].path();
    let plain = client.transcribe_file(&clip, &[("language", "en"), ("diarize", "no")]).await.ok();
    let words = plain["segments"][0]["words"].as_array().unwrap();
    let word = |at: usize| words[at]["word"].as_str().unwrap();
    assert!(words.len() >= 4 && word(1) != word(2), "{plain}");
    let (first, second) = (format!("{}:REPLACED indeed", word(1).to_uppercase()), format!("{}:", word(2)));
    let fields = [("language", "en"), ("diarize", "no"), ("replace", &first), ("replace[]", &second)];
    let replaced = client.transcribe_file(&clip, &fields).await.ok();
    let text = replaced["text"].as_str().unwrap();
    assert!(text.starts_with(&format!("{} REPLACED indeed", word(0))), "{text} was {plain}");
    let new = replaced["segments"][0]["words"].as_array().unwrap();
    assert_eq!((&new[1]["word"], &new[2]["word"]), (&json!("REPLACED"), &json!("indeed")));
    assert_eq!((&new[1]["start"], &new[2]["end"]), (&words[1]["start"], &words[1]["end"]));
    assert_eq!(new[3]["word"], words[3]["word"], "{text}");
    // The subtitles have it too.
    let srt = [("language", "en"), ("response_format", "srt"), ("replace", &first)];
    assert!(client.transcribe_file(&clip, &srt).await.body.contains("REPLACED indeed"));
}

#[tokio::test]
async fn prompts_keywords_and_temperatures_are_taken_and_their_limits_told() {
    let world = World::start().await;
    let client = world.client();
    let clip = some_clips(1)[0].path();
    let with = |fields: &[(&'static str, String)]| {
        let common = [("language", "en"), ("diarize", "no")];
        let all: Vec<_> =
            common.into_iter().chain(fields.iter().map(|(name, value)| (*name, value.as_str()))).collect();
        form(&clip, &all)
    };
    let few = [("prompt", "About the budget.".to_owned()), ("keywords", "Ana Silva, steno".to_owned())];
    let heard = client.transcribe(with(&few)).await.ok();
    // A prompt may do the miniature model harm; that it was shortened is not among it.
    let shortened = |transcript: &Value| codes(transcript).contains(&"prompt_shortened");
    assert!(!shortened(&heard), "{heard}");
    assert!(!heard["text"].as_str().unwrap().contains("Silva"), "nobody said that: {heard}");

    let words: Vec<_> = (0..100).map(|number| format!("keyword number {number}")).collect();
    let told = client.transcribe(with(&[("keywords[]", words.join(","))])).await.ok();
    assert!(shortened(&told), "{told}");
    assert!(told["warnings"][0]["message"].as_str().unwrap().contains("of 100"), "{told}");

    let free = client.transcribe(with(&[("temperature", "0.8".to_owned())])).await.ok();
    assert!(!shortened(&free), "{free}");
    let deaf = [("temperature", "0.8".to_owned()), ("prompt", "About the budget.".to_owned())];
    assert!(shortened(&client.transcribe(with(&deaf)).await.ok()));
}

/// Makes a job whose intake is done: these samples, of media of this length.
async fn heard(world: &World, new: NewJob, channels: &[Vec<i16>], duration: Millis) -> JobId {
    let store = world.store().await;
    assert_eq!(store.create_job(&new).await.unwrap(), Admission::Created);
    let owner = WorkerId::of_this_process("intake");
    let claimed = store.claim(Lane::Intake, &owner, Duration::from_secs(60), None).await.unwrap();
    let (claim, _) = claimed.unwrap();
    let key = ObjectKey::samples(new.id, 1);
    let mut bytes = Vec::new();
    for at in 0..channels[0].len() {
        bytes.extend(channels.iter().flat_map(|channel| channel[at].to_le_bytes()));
    }
    let objects = DirStore::open(&world.objects()).await.unwrap();
    let mut writer = objects.create(&key).await.unwrap();
    writer.write(Bytes::from(bytes)).await.unwrap();
    writer.finish().await.unwrap();
    let output =
        IntakeOutput { samples: key, duration, channels: channels.len() as u16, warnings: Vec::new() };
    assert_eq!(store.finish_intake(&claim, &output).await.unwrap(), IntakeEnd::Queued);
    new.id
}

/// The job at its end.
async fn ended(client: &Client, id: JobId) -> Value {
    wait::until("the job's end", SOON, async || {
        let job = client.get(&format!("/v1/jobs/{id}?wait=20")).await.ok();
        ["completed", "failed"].contains(&job["state"].as_str().unwrap()).then_some(job)
    })
    .await
}

fn a_job(account: AccountId, media: MediaOptions) -> NewJob {
    let new = new_job("x");
    let options = JobOptions { diarize: true, language: Language::parse("en").ok(), media, ..new.options };
    NewJob { account, options, ..new }
}

#[tokio::test]
async fn each_channel_is_a_speaker_and_events_have_them_in_order_of_time() {
    let world = Plan::default().lanes(&[Lane::Transcribe]).start().await;
    let (client, account) = world.client_of_tier(UNLIMITED_TIER).await;
    // They take turns, and now and then talk at once; the second begins.
    let clips: Vec<_> = some_clips(6).iter().map(|clip| clips::samples(&clip.path())).collect();
    let mut channels = [Vec::new(), vec![0; SECOND]];
    for (number, clip) in clips.iter().cycle().take(18).enumerate() {
        let own = (number + 1) % 2;
        channels[own].extend(clip);
        let length = channels[own].len() - if number % 5 == 0 { SECOND } else { 0 };
        let other = &mut channels[1 - own];
        other.resize(length.max(other.len()), 0);
    }
    let frames = channels.iter().map(Vec::len).max().unwrap();
    channels.iter_mut().for_each(|channel| channel.resize(frames, 0));
    let duration = Millis::of_samples(frames as u64);
    let media = MediaOptions { multichannel: true, ..MediaOptions::default() };
    let id = heard(&world, a_job(account, media), &channels, duration).await;

    let events = client.request(Method::GET, &format!("/v1/jobs/{id}/events")).send();
    let events =
        tokio::time::timeout(SOON, async { events.await.unwrap().text().await.unwrap() }).await.unwrap();
    assert_eq!(ended(&client, id).await["state"], "completed");
    let transcript = client.get(&format!("/v1/jobs/{id}/transcript")).await.ok();
    let segments = transcript["segments"].as_array().unwrap();
    assert!(segments.len() >= 12, "{transcript}");
    let mut earlier = 0.0;
    for segment in segments {
        let start = segment["start"].as_f64().unwrap();
        assert!(start >= earlier, "{transcript}");
        earlier = start;
        let (channel, speaker) = (&segment["channel"], segment["speaker"].as_str().unwrap());
        assert!([1, 2].map(Value::from).contains(channel));
        // The second channel begins.
        assert_eq!(speaker, if *channel == 2 { "Speaker 1" } else { "Speaker 2" });
        assert_eq!(segment["words"][0]["speaker"], speaker);
    }
    assert_eq!(transcript["speakers"], json!(["Speaker 1", "Speaker 2"]));
    assert!(!codes(&transcript).contains(&"diarization_unavailable"), "{transcript}");
    assert!(transcript["speech_seconds"].as_f64().unwrap() > duration.as_seconds() * 0.5, "{transcript}");
    let told: Vec<Value> = events
        .split("\n\n")
        .filter(|event| event.contains("\nevent: segment\n"))
        .map(|event| serde_json::from_str(event.split_once("data: ").unwrap().1).unwrap())
        .collect();
    assert_eq!(told, *segments, "events and transcript are of the same segments");
}

#[tokio::test]
async fn a_window_is_told_in_the_times_of_the_file_and_its_progress_is_its_own() {
    let world = Plan::default().lanes(&[Lane::Transcribe]).start().await;
    let (client, account) = world.client_of_tier(UNLIMITED_TIER).await;
    let clips: Vec<_> = some_clips(4).iter().map(|clip| clips::samples(&clip.path())).collect();
    let gap = vec![0; SECOND * 2];
    let window = clips.iter().flat_map(|clip| [&clip[..], &gap[..]]).collect::<Vec<_>>().concat();
    let length = Millis::of_samples(window.len() as u64);
    let from = Millis(3_600_000);
    let media = MediaOptions { from: Some(from), until: Some(from + length), ..MediaOptions::default() };
    let id = heard(&world, a_job(account, media), &[window], Millis(7_200_000)).await;
    let events = client.request(Method::GET, &format!("/v1/jobs/{id}/events")).send();
    let events =
        tokio::time::timeout(SOON, async { events.await.unwrap().text().await.unwrap() }).await.unwrap();
    let job = ended(&client, id).await;
    assert_eq!((&job["state"], &job["duration"]), (&json!("completed"), &json!(7200.0)));
    let transcript = client.get(&format!("/v1/jobs/{id}/transcript")).await.ok();
    assert_eq!(transcript["duration"], 7200.0);
    let segments = transcript["segments"].as_array().unwrap();
    assert!(segments.len() >= 4, "{transcript}");
    let within =
        |time: &Value| (from.as_seconds()..=(from + length).as_seconds()).contains(&time.as_f64().unwrap());
    for segment in segments {
        assert!(within(&segment["start"]) && within(&segment["end"]), "{segment}");
        assert!(segment["words"].as_array().unwrap().iter().all(|word| within(&word["start"])), "{segment}");
    }
    assert!(transcript["speech_seconds"].as_f64().unwrap() <= length.as_seconds());
    let count = events.matches("\nevent: segment\n").count();
    assert_eq!(count, segments.len());
    for event in events.split("\n\n").filter(|event| event.contains("\nevent: progress\n")) {
        let job: Value = serde_json::from_str(event.split_once("data: ").unwrap().1).unwrap();
        assert_eq!(job["progress"]["total_seconds"], length.as_seconds(), "{job}");
        assert!(job["progress"]["done_seconds"].as_f64().unwrap() <= length.as_seconds(), "{job}");
    }
    let stages = world.store().await.stages(id).await.unwrap();
    let progress = stages.iter().find(|stage| stage.kind == StageKind::Transcribe).unwrap().progress;
    assert_eq!(progress.total.unwrap_or(length), length);
    assert_eq!(rows::jobs(&world).await.len(), 1);
}
