//! When words are said, against the times that the synthesiser tells.

use steno_tests::clips;
use steno_tests::score::{matches, words};
use steno_tests::world::World;

/// The goal: half of the words begin no further from their true time than this, in seconds.
const MEDIAN: f64 = 0.15;
const GAP: f64 = 1.0;
/// Of the held-out set, every so manieth clip.
const EVERY: usize = 5;

#[tokio::test]
async fn half_of_the_words_are_within_150_ms_of_their_true_times() {
    let world = World::start().await;
    let clips: Vec<_> = clips::heldout().into_iter().step_by(EVERY).collect();
    let folder = tempfile::TempDir::new().unwrap();
    let file = folder.path().join("joined.wav");
    clips::join(&clips, GAP, 0.0, &file);
    let fields = [("language", "en"), ("diarize", "false")];
    let transcript = world.client().transcribe_file(&file, &fields).await.ok();

    let (mut said, mut begins, mut before) = (Vec::new(), Vec::new(), 0.0);
    for clip in &clips {
        for word in &clip.words {
            said.push(words(&word.word).join(""));
            begins.push((before + word.start, before + word.end));
        }
        before += clips::samples(&clip.path()).len() as f64 / 16_000.0 + GAP;
    }
    let segments = transcript["segments"].as_array().unwrap();
    let heard: Vec<_> = segments.iter().flat_map(|segment| segment["words"].as_array().unwrap()).collect();
    let spelled: Vec<_> = heard.iter().map(|word| words(word["word"].as_str().unwrap()).join("")).collect();
    let found = matches(&said, &spelled);
    let off = |name: &str, truth: fn(&(f64, f64)) -> f64| {
        let off =
            found.iter().map(|(at, of)| (heard[*of][name].as_f64().unwrap() - truth(&begins[*at])).abs());
        let mut off: Vec<_> = off.collect();
        off.sort_by(f64::total_cmp);
        off
    };
    let (starts, ends) = (off("start", |(start, _)| *start), off("end", |(_, end)| *end));
    let at = |off: &[f64], share: f64| off[((off.len() - 1) as f64 * share) as usize];
    println!("{} words of {} found, in a file of {:.0} s; off by", found.len(), said.len(), before);
    for (name, off) in [("starts", &starts), ("ends", &ends)] {
        println!(
            "  {name:7} {:.3} s in the median, {:.3} s at most for nine of ten",
            at(off, 0.5),
            at(off, 0.9)
        );
    }
    assert!(found.len() * 2 > said.len(), "too few words are found to judge their times");
    assert!(at(&starts, 0.5) < MEDIAN, "{} s", at(&starts, 0.5));
}
