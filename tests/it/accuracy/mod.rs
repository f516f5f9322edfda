//! What the miniature model hears of the frozen held-out set, through the whole path.

mod conditions;
mod word_times;

use std::collections::BTreeMap;

use steno_tests::score::Score;
use steno_tests::world::World;
use steno_tests::{client::Client, clips};

/// The goal for the whole set, in percent of the words.
const MOST_ERRORS: f64 = 20.0;
/// How much worse, in points, the clips joined to one file may be.
const MOST_LOST: f64 = 2.0;

async fn text(client: &Client, file: &std::path::Path) -> String {
    let fields = [("language", "en"), ("diarize", "false")];
    let transcript = client.transcribe_file(file, &fields).await.ok();
    transcript["text"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn the_heldout_set_is_heard_well_enough_and_joined_no_worse() {
    let world = World::start().await;
    let client = world.client();
    let clips = clips::heldout();
    let mut by_voice: BTreeMap<(bool, String), Score> = BTreeMap::new();
    let mut by_source: BTreeMap<String, Score> = BTreeMap::new();
    let (mut total, mut unheard) = (Score::default(), Score::default());
    for clip in &clips {
        let score = Score::of(&clip.text, &text(&client, &clip.path()).await);
        by_voice.entry((clip.heldout, clip.voice.clone())).or_default().add(score);
        by_source.entry(clip.source.clone()).or_default().add(score);
        total.add(score);
        if clip.heldout {
            unheard.add(score);
        }
    }
    println!("WER on the held-out set, {} clips, {} words:", clips.len(), total.words);
    for ((heldout, voice), score) in &by_voice {
        let kind = if *heldout { "never in training" } else { "in training" };
        println!("  {voice:24} {kind:18} {:5} words {:5.1} %", score.words, score.percent());
    }
    for (source, score) in &by_source {
        println!("  {source:43} {:5} words {:5.1} %", score.words, score.percent());
    }
    println!("  {:43} {:5} words {:5.1} %", "in all", total.words, total.percent());

    let folder = tempfile::TempDir::new().unwrap();
    let file = folder.path().join("joined.wav");
    clips::join(&clips, 1.0, 0.0, &file);
    let said: Vec<_> = clips.iter().map(|clip| clip.text.as_str()).collect();
    let joined = Score::of(&said.join(" "), &text(&client, &file).await);
    println!(
        "  {:43} {:5} words {:5.1} %",
        "joined to one file, 1 s between",
        joined.words,
        joined.percent()
    );

    assert!(total.words >= 1000 && unheard.words * 2 >= total.words, "{total:?} {unheard:?}");
    assert!(total.percent() <= MOST_ERRORS, "{:.1} % of the words are wrong", total.percent());
    assert!(joined.percent() <= total.percent() + MOST_LOST, "joining costs too much");
}

#[tokio::test]
async fn what_is_not_speech_gives_no_text() {
    let world = World::start().await;
    let clips = clips::not_speech();
    for wanted in ["silence", "noise", "beep", "music"] {
        assert!(clips.iter().any(|(name, _)| name.contains(wanted)), "no clip of {wanted}");
    }
    for (name, file) in clips {
        let transcript = world.client().transcribe_file(&file, &[("diarize", "false")]).await.ok();
        assert_eq!(transcript["text"], "", "{name}: {transcript}");
        assert_eq!(transcript["segments"], serde_json::json!([]), "{name}");
        assert_eq!(transcript["speakers"], serde_json::json!([]), "{name}");
        let warnings = transcript["warnings"].as_array().unwrap();
        assert!(warnings.iter().any(|warning| warning["code"] == "no_speech"), "{name}: {transcript}");
        for format in ["txt", "srt"] {
            let answer = world.client().transcribe_file(&file, &[("response_format", format)]).await;
            assert_eq!((answer.status.as_u16(), answer.body.as_str()), (200, ""), "{name}");
        }
    }
}
