//! What live transcription is like: speech of the held-out set, sent as fast as it is spoken.

mod figures;
mod replay;

use std::path::Path;
use std::time::Duration;

use futures::future::join_all;
use steno_shared::job::Lane;
use steno_tests::clips;
use steno_tests::score::Score;
use steno_tests::world::{Plan, World};

use figures::{Figures, median, percentile};
use replay::{Heard, Speech, replay};

/// Lengths of frames, in milliseconds: of a telephone, of this server's page, of pages that read 4096 samples at once.
const FRAMES_MS: [u64; 3] = [20, 100, 256];
/// Length of the speech at each, and of each session when there are many, in seconds.
const SPEECH: f64 = 60.0;
const CROWDED: f64 = 30.0;
/// What a word may wait for while sessions are counted, in seconds.
const LAG: f64 = 1.0;
const MOST_SESSIONS: usize = 512;
const RATE: f64 = 16_000.0;

/// How to measure.
#[derive(Debug, clap::Args)]
pub(crate) struct Live {
    /// Sessions at once, instead of counting how many a core holds
    #[arg(long, value_name = "SESSIONS")]
    at_once: Option<usize>,
}

/// Everything, as a part of the whole bench.
pub(crate) async fn cost() {
    run(&Live { at_once: None }).await;
}

/// Measures, and prints.
pub(crate) async fn run(what: &Live) {
    let mut world = Plan::default().lanes(&[Lane::Intake, Lane::Transcribe, Lane::Stream]).start().await;
    println!("\nlive, one session, {SPEECH:.0} s of the held-out set with pauses between the sentences");
    let speech = Speech::of(&clips::heldout(), SPEECH);
    // The model is loaded, and a decoding state opened, before anything is measured.
    let _ = replay(world.port(), &Speech::of(&clips::heldout(), 3.0), FRAMES_MS[1]).await;
    for frame in FRAMES_MS {
        let before = world.worker(Lane::Stream).cpu();
        let heard = replay(world.port(), &speech, frame).await.unwrap_or_else(|refused| panic!("{refused}"));
        let work = world.worker(Lane::Stream).cpu() - before;
        println!("  frames of {frame} ms");
        print(&Figures::of(&speech, &heard));
        println!("    CPU s per audio s     {:6.3}", work / speech.seconds());
        println!(
            "    word errors           {:6.1} %",
            Score::of(&speech.text(), &heard.transcript).percent()
        );
    }
    println!("    of the same as a file {:6.1} %", of_a_file(&world, &speech).await.percent());
    match what.at_once {
        Some(sessions) => {
            crowd(&mut world, sessions).await;
        }
        None => count(&mut world).await,
    }
}

fn print(figures: &Figures) {
    let line = |name: &str, values: &[f64]| {
        println!("    {name:21} p50 {:5.2} s   p95 {:5.2} s", median(values), percentile(values, 0.95));
    };
    line("first partial", &figures.first_partials);
    line("final after the end", &figures.finals);
    line("lag of a partial", &figures.lags);
    println!(
        "    erasure               {:6.3}   ({:.3} of the words alone)",
        figures.erasure, figures.word_erasure
    );
    if figures.unheard > 0 {
        println!("    sentences without any text: {}", figures.unheard);
    }
}

/// The same speech, transcribed as a file.
async fn of_a_file(world: &World, speech: &Speech) -> Score {
    let folder = tempfile::TempDir::new().unwrap();
    let file = folder.path().join("speech.wav");
    write(speech, &file);
    let fields = [("diarize", "false"), ("language", "en")];
    let transcript = world.client().transcribe_file(&file, &fields).await.ok();
    Score::of(&speech.text(), transcript["text"].as_str().unwrap())
}

fn write(speech: &Speech, file: &Path) {
    let bytes: Vec<u8> = speech.samples.iter().flat_map(|sample| sample.to_le_bytes()).collect();
    clips::write_wav(&bytes, file);
}

/// Doubles the sessions until words wait too long or a session is refused, and tries the middle once.
async fn count(world: &mut World) {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    println!(
        "  sessions at once, {CROWDED:.0} s each; held: no session refused, the lag's p95 below {LAG:.0} s"
    );
    let (mut held, mut sessions) = (0, 1);
    while sessions <= MOST_SESSIONS && crowd(world, sessions).await {
        held = sessions;
        sessions *= 2;
    }
    let middle = held + held / 2;
    if held > 1 && crowd(world, middle).await {
        held = middle;
    }
    println!(
        "    held: {held}, {:.1} for each of {cores} cores, which also ran the bench",
        held as f64 / cores as f64
    );
}

/// Many sessions at once, each with speech of its own, begun one after the other; whether they were held.
async fn crowd(world: &mut World, sessions: usize) -> bool {
    let mut clips = clips::heldout();
    let speeches: Vec<_> = (0..sessions)
        .map(|_| {
            let last = clips.len();
            clips.rotate_left(7 % last);
            Speech::of(&clips, CROWDED)
        })
        .collect();
    let before = world.worker(Lane::Stream).cpu();
    let port = world.port();
    let all = join_all(speeches.iter().enumerate().map(|(number, speech)| async move {
        // Not all at the same beat: as people come, within a few seconds.
        tokio::time::sleep(Duration::from_millis(3000 * number as u64 / sessions as u64)).await;
        replay(port, speech, FRAMES_MS[1]).await.map(|heard: Heard| Figures::of(speech, &heard))
    }))
    .await;
    let work = world.worker(Lane::Stream).cpu() - before;
    let audio: f64 = speeches.iter().map(Speech::seconds).sum();
    let refused: Vec<_> = all.iter().filter_map(|figures| figures.as_ref().err()).collect();
    let lags: Vec<f64> = all.iter().flatten().flat_map(|figures| figures.lags.iter().copied()).collect();
    let finals: Vec<f64> = all.iter().flatten().flat_map(|figures| figures.finals.iter().copied()).collect();
    let lag = percentile(&lags, 0.95);
    println!(
        "    {sessions:3}: lag p50 {:5.2} s, p95 {lag:5.2} s; final p95 {:5.2} s; {:.3} CPU s per audio s; {} refused",
        median(&lags),
        percentile(&finals, 0.95),
        work / audio,
        refused.len()
    );
    if let Some(first) = refused.first() {
        println!("         {first}");
    }
    refused.is_empty() && lag < LAG
}
