//! Many at once, and a short one among long ones.

use std::time::{Duration, Instant};

use steno_shared::job::Lane;
use steno_tests::clips::{self, Clip};
use steno_tests::is_long_run;
use steno_tests::score::Score;
use steno_tests::world::World;

const CLIENTS: usize = 100;
/// What the transcriber's memory may differ by after another hundred clips.
const FLAT: u64 = 32 << 20;

async fn text(world: &World, clip: &Clip) -> String {
    let answer = world.client().transcribe_file(&clip.path(), &[("diarize", "false")]).await.ok();
    answer["text"].as_str().unwrap().to_owned()
}

/// Whether it is the text of the same clip: whisper.cpp's beam search draws by chance, so that a word or two may
/// differ from one time to the next.
fn same(alone: &str, text: &serde_json::Value) -> bool {
    Score::of(alone, text.as_str().unwrap_or_default()).percent() <= 50.0
}

#[tokio::test]
async fn a_hundred_clients_at_once_get_their_own_texts() {
    let mut world = World::start().await;
    let clips: Vec<_> = clips::heldout().into_iter().filter(|clip| clip.seconds > 2.0).take(10).collect();
    let mut alone = Vec::new();
    for clip in &clips {
        alone.push(text(&world, clip).await);
    }
    let mut memory = Vec::new();
    // The first round leaves the allocator with what it will use again.
    for _ in 0..3 {
        let began = Instant::now();
        let sent: Vec<_> = (0..CLIENTS)
            .map(|number| {
                let (client, path) = (world.client(), clips[number % clips.len()].path());
                tokio::spawn(async move { client.transcribe_file(&path, &[("diarize", "false")]).await })
            })
            .collect();
        for (number, answer) in sent.into_iter().enumerate() {
            let answer = answer.await.unwrap().ok();
            assert!(same(&alone[number % clips.len()], &answer["text"]), "client {number}: {answer}");
        }
        println!("{CLIENTS} clips at once took {:.1} s", began.elapsed().as_secs_f64());
        memory.push(world.worker(Lane::Transcribe).anonymous_memory());
    }
    let mebibytes: Vec<_> = memory.iter().map(|bytes| bytes >> 20).collect();
    println!("the transcriber's memory, in MiB: {mebibytes:?}");
    assert!(memory[2] < memory[1] + FLAT, "{mebibytes:?} MiB");
    world.queue_is_empty().await;
}

/// A short clip sent while two long files are being transcribed: three times its idle time plus two seconds is
/// the target, and ten times that fails. Two hours each in the long run, twenty minutes in the plain one.
#[tokio::test]
async fn a_short_clip_does_not_wait_for_long_files() {
    let world = World::start().await;
    let folder = tempfile::TempDir::new().unwrap();
    let file = folder.path().join("long.wav");
    let seconds = if is_long_run() { 7200.0 } else { 1200.0 };
    clips::join(&clips::heldout(), 0.4, seconds, &file);
    let clip = clips::heldout().into_iter().find(|clip| clip.seconds > 4.0).unwrap();
    text(&world, &clip).await;
    let began = Instant::now();
    let alone = text(&world, &clip).await;
    let idle = began.elapsed();

    let long: Vec<_> = (0..2)
        .map(|_| {
            let (client, file) = (world.client(), file.clone());
            tokio::spawn(async move { client.transcribe_file(&file, &[("diarize", "false")]).await })
        })
        .collect();
    let store = world.store().await;
    steno_tests::wait::until("both long files to be transcribed", Duration::from_secs(300), async || {
        let workers = store.workers().await.unwrap();
        workers.iter().any(|w| w.lane == Lane::Transcribe && w.slots - w.free == 2).then_some(())
    })
    .await;
    let target = idle * 3 + Duration::from_secs(2);
    for _ in 0..5 {
        let began = Instant::now();
        let beside = text(&world, &clip).await;
        let waited = began.elapsed();
        assert!(same(&alone, &beside.as_str().into()), "{beside} is not {alone}");
        println!("a short clip: {idle:.2?} alone, {waited:.2?} beside two long files; target {target:.2?}");
        assert!(waited < target * 10);
    }
    assert!(long.iter().any(|answer| !answer.is_finished()), "the long files were done too soon to tell");
    for answer in long {
        answer.abort();
    }
}
