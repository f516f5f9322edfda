//! Faults: processes that die at the worst moment, files that kill, signals in mid-work. After each, the
//! invariants: every job that was created ends (I1), with exactly one result (I2), and the queue is empty (I5).

use std::time::Duration;

use rustix::process::Signal;
use steno_shared::job::{Lane, StageKind};
use steno_tests::client::{Answer, Client, form, form_of};
use steno_tests::score::Score;
use steno_tests::world::{Plan, SOON, World};
use steno_tests::{clips, wait};
use tokio::task::JoinHandle;

use crate::rows;

/// A takeover waits for the lease (3 s) to run out; ten times that and of what the work takes.
const TAKEOVER: Duration = Duration::from_secs(120);

fn clip() -> clips::Clip {
    clips::heldout().into_iter().find(|clip| !clip.heldout && clip.seconds > 3.0).unwrap()
}

/// A file of several chunks.
fn long_file(folder: &std::path::Path) -> std::path::PathBuf {
    let file = folder.join("long.wav");
    clips::join(&clips::heldout()[..40], 0.4, 150.0, &file);
    file
}

/// Sends a file in the background.
fn send(client: Client, file: &std::path::Path) -> JoinHandle<Answer> {
    let form = form(file, &[]);
    tokio::spawn(async move { client.transcribe(form).await })
}

/// Waits for the end of every job and holds the invariants. Returns the states.
async fn invariants(world: &World) -> Vec<String> {
    let store = world.store().await;
    let ids: Vec<_> = rows::jobs(world).await.iter().map(|id| id.parse().unwrap()).collect();
    wait::until("I1: every job to end", TAKEOVER, async || {
        (store.settled(&ids).await.unwrap().len() == ids.len()).then_some(())
    })
    .await;
    world.queue_is_empty().await;
    let mut states = Vec::new();
    let mut results = Vec::new();
    for id in ids {
        let job = store.job(id).await.unwrap().unwrap();
        assert!(job.failure.is_some() == (job.state.as_str() == "failed"), "{job:?}");
        results.extend(job.transcript.map(|key| key.to_string()));
        states.push(job.state.to_string());
    }
    let completed = states.iter().filter(|state| *state == "completed").count();
    assert_eq!(results.len(), completed, "I2: one result for each completed job");
    wait::until("I2: no result besides", TAKEOVER, async || {
        let names = world.object_names().await;
        let transcripts = names.iter().filter(|name| name.starts_with("transcripts/")).count();
        (transcripts == completed).then_some(())
    })
    .await;
    states
}

async fn attempts(world: &World, kind: StageKind) -> u32 {
    let id = rows::jobs(world).await[0].parse().unwrap();
    let stages = world.store().await.stages(id).await.unwrap();
    stages.iter().find(|stage| stage.kind == kind).unwrap().attempts
}

/// Stops a worker as the kernel would, but not while it holds the database, which would stop everybody.
async fn fall_asleep(world: &mut World, lane: Lane) {
    wait::until("a worker to sleep and the database to be free", SOON, async || {
        world.worker(lane).signal(Signal::STOP);
        let is_free = rows::are_writable(world).await;
        if !is_free {
            world.worker(lane).signal(Signal::CONT);
        }
        is_free.then_some(())
    })
    .await;
}

/// The API dies at each of its steps: before the job is created nothing is left of it, after that it ends.
#[tokio::test]
async fn the_api_may_die_at_any_step() {
    for (step, created) in
        [("api.spooled", false), ("api.stored", false), ("api.created", true), ("api.finished", true)]
    {
        let mut world =
            Plan::default().set("STENO_SWEEP_AGE", "2s").set("STENO_SWEEP_EVERY", "500ms").start().await;
        world.kill_api();
        world.start_api(&[("STENO_FAILPOINTS", &format!("{step}=abort"))]).await;
        let sent = send(world.keyed_client().await, &clip().path());
        world.api().end(SOON).await;
        assert!(sent.await.is_err(), "{step}: an answer from a dead API");
        world.start_api(&[]).await;
        let states = invariants(&world).await;
        if created {
            assert_eq!(states, ["completed"], "{step}");
            let id = &rows::jobs(&world).await[0];
            let store = world.store().await;
            assert!(store.job(id.parse().unwrap()).await.unwrap().unwrap().upload.is_none());
        } else {
            assert!(states.is_empty(), "{step}: {states:?}");
            world.objects_are_gone().await;
        }
    }
}

#[tokio::test]
async fn the_api_may_die_during_an_upload_and_while_a_client_waits() {
    let mut world =
        Plan::default().set("STENO_SWEEP_AGE", "2s").set("STENO_SWEEP_EVERY", "500ms").start().await;
    // An upload that never ends.
    let endless = futures::stream::unfold((), |()| async {
        tokio::time::sleep(Duration::from_millis(5)).await;
        Some((Ok::<_, std::io::Error>(vec![0; 10_000]), ()))
    });
    let part = reqwest::multipart::Part::stream(reqwest::Body::wrap_stream(endless)).file_name("a.wav");
    let client = world.client();
    let upload =
        tokio::spawn(
            async move { client.transcribe(reqwest::multipart::Form::new().part("file", part)).await },
        );
    wait::until("the upload to be staged", SOON, async || {
        (!world.object_names().await.is_empty()).then_some(())
    })
    .await;
    world.kill_api();
    assert!(upload.await.is_err());
    world.start_api(&[]).await;
    world.objects_are_gone().await;

    world.kill_workers(Lane::Transcribe);
    world.start_worker(Lane::Transcribe, &[("STENO_FAILPOINTS", "transcribe.claimed=sleep(1500)")]);
    let waiting = send(world.keyed_client().await, &clip().path());
    wait::until("the job to be created", SOON, async || (!rows::jobs(&world).await.is_empty()).then_some(()))
        .await;
    world.kill_api();
    assert!(waiting.await.is_err());
    world.start_api(&[]).await;
    assert_eq!(invariants(&world).await, ["completed"]);
}

/// A worker dies at each of its steps while a client waits: another takes over, and the client gets its text.
#[tokio::test]
async fn a_worker_may_die_at_any_step() {
    let folder = tempfile::TempDir::new().unwrap();
    let file = long_file(folder.path());
    for (lane, step, attempts_needed) in [
        (Lane::Intake, "intake.claimed", 2),
        (Lane::Intake, "intake.stored", 2),
        (Lane::Intake, "intake.finished", 1),
        (Lane::Transcribe, "transcribe.claimed", 2),
        (Lane::Transcribe, "transcribe.chunk", 2),
        (Lane::Transcribe, "transcribe.stored", 2),
        (Lane::Transcribe, "transcribe.finished", 1),
        (Lane::Diarize, "diarize.claimed", 2),
        (Lane::Diarize, "diarize.stored", 2),
        (Lane::Diarize, "diarize.finished", 1),
    ] {
        let program = if lane == Lane::Diarize { Lane::Transcribe } else { lane };
        let mut world =
            Plan::default().set("STENO_SWEEP_AGE", "2s").set("STENO_SWEEP_EVERY", "500ms").start().await;
        world.kill_workers(program);
        world.start_worker(program, &[("STENO_FAILPOINTS", &format!("{step}=abort"))]);
        let sent = send(world.keyed_client().await, &file);
        world.worker(program).end(SOON).await;
        world.start_worker(program, &[]);
        let answer = tokio::time::timeout(TAKEOVER, sent).await.expect("no answer").unwrap();
        assert_eq!(answer.status, 200, "{step}: {}", answer.body);
        // What a dead attempt has left is swept when the API starts, and every ten minutes.
        world.kill_api();
        world.start_api(&[]).await;
        assert_eq!(invariants(&world).await, ["completed"], "{step}");
        let kind = StageKind::ALL.iter().find(|kind| kind.lane() == lane).unwrap();
        assert_eq!(attempts(&world, *kind).await, attempts_needed, "{step}");
    }
}

/// The successor of a transcriber that dies after its third chunk transcribes the others only.
#[tokio::test]
async fn the_successor_of_a_killed_transcriber_does_not_start_from_zero() {
    let folder = tempfile::TempDir::new().unwrap();
    let file = long_file(folder.path());
    let mut world = World::start().await;
    let whole = world.client().transcribe_file(&file, &[]).await.ok();
    world.kill_workers(Lane::Transcribe);
    world.start_worker(Lane::Transcribe, &[("STENO_FAILPOINTS", "transcribe.chunk=abort#3")]);
    let sent = send(world.keyed_client().await, &file);
    world.worker(Lane::Transcribe).end(SOON).await;
    let id = rows::jobs(&world).await[1].parse().unwrap();
    let stored = world.store().await.chunks(id).await.unwrap();
    assert_eq!(stored.len(), 3);
    // A mark in a stored chunk shows in the end whether it was used.
    let mut marked = stored[0].clone();
    let word = whole["segments"][0]["words"][0]["punctuated_word"].as_str().unwrap();
    assert!(marked.content.contains(word), "{} is not in {}", word, marked.content);
    marked.content = marked.content.replacen(word, "Kilroy", 1);
    world.store().await.put_chunk(id, marked).await.unwrap();
    world.start_worker(Lane::Transcribe, &[]);
    let answer = tokio::time::timeout(TAKEOVER, sent).await.expect("no answer").unwrap().ok();
    let text = answer["text"].as_str().unwrap();
    assert!(text.starts_with("Kilroy"), "{text}");
    // Where the engine was unsure it tries again by chance, so that the rest is not the same to the letter.
    let difference = Score::of(whole["text"].as_str().unwrap(), text);
    assert!(difference.percent() < 10.0, "{text} is not {whole}");
    assert_eq!(invariants(&world).await, ["completed", "completed"]);
}

/// A file that kills its worker, each time: the job fails after three attempts and says so; the others go on.
#[tokio::test]
async fn a_file_that_kills_its_worker_fails_alone() {
    for lane in [Lane::Intake, Lane::Transcribe] {
        let mut world = World::start().await;
        let poison = [("STENO_FAILPOINTS", format!("{lane}.claimed=abort@poison"))];
        let poison = poison.each_ref().map(|(name, value)| (*name, value.as_str()));
        world.kill_workers(lane);
        world.start_worker(lane, &poison);
        let client = world.keyed_client().await;
        let bytes = std::fs::read(clip().path()).unwrap();
        let poisoned = form_of(bytes.clone(), "poison.wav", &[]);
        let (sender, good) = (client.clone(), client.clone());
        let poisoned = tokio::spawn(async move { sender.transcribe(poisoned).await });
        let good = tokio::spawn(async move { good.transcribe(form_of(bytes, "good.wav", &[])).await });
        let mut deaths = 0;
        while !(poisoned.is_finished() && good.is_finished()) {
            if world.worker(lane).ended().is_some() {
                deaths += 1;
                world.start_worker(lane, &poison);
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        let failed = poisoned.await.unwrap();
        assert!(failed.refused(500).contains("stopped 3 times"), "{}", failed.body);
        assert_eq!(failed.json()["code"], "worker_lost");
        assert!(failed.json()["job_id"].as_str().unwrap().starts_with("job_"));
        assert_eq!(good.await.unwrap().status, 200);
        assert!(deaths >= 2, "{deaths} deaths seen");
        let mut states = invariants(&world).await;
        states.sort();
        assert_eq!(states, ["completed", "failed"]);
        assert_eq!(client.transcribe_file(&clip().path(), &[]).await.status, 200);
    }
}

/// A worker told to stop hands its work back, uncounted, and another finishes it.
#[tokio::test]
async fn a_worker_told_to_stop_hands_its_work_back() {
    let folder = tempfile::TempDir::new().unwrap();
    let file = long_file(folder.path());
    let mut world = Plan::default()
        .set("STENO_FAILPOINTS", "transcribe.chunk=sleep(800)")
        .set("STENO_GRACE", "100ms")
        .start()
        .await;
    let sent = send(world.keyed_client().await, &file);
    let store = world.store().await;
    wait::until("a chunk to be stored", SOON, async || {
        let id = rows::jobs(&world).await.first()?.parse().unwrap();
        (!store.chunks(id).await.unwrap().is_empty()).then_some(())
    })
    .await;
    world.worker(Lane::Transcribe).signal(Signal::TERM);
    assert!(world.worker(Lane::Transcribe).end(SOON).await.success());
    let id = rows::jobs(&world).await[0].parse().unwrap();
    let stage = store.stages(id).await.unwrap().pop().unwrap();
    assert_eq!((stage.state.as_str(), stage.attempts), ("queued", 0));
    assert!(store.workers().await.unwrap().iter().all(|worker| worker.lane != Lane::Transcribe));
    world.start_worker(Lane::Transcribe, &[("STENO_FAILPOINTS", "")]);
    let answer = tokio::time::timeout(TAKEOVER, sent).await.expect("no answer").unwrap();
    assert_eq!(answer.status, 200, "{}", answer.body);
    assert_eq!(invariants(&world).await, ["completed"]);
    assert_eq!(attempts(&world, StageKind::Transcribe).await, 1);
}

/// A worker whose leash is let go stops as if it were told to.
#[tokio::test]
async fn a_worker_stops_when_its_leash_is_let_go() {
    let mut world = World::start().await;
    for lane in [Lane::Intake, Lane::Transcribe] {
        world.worker(lane).let_go();
        assert!(world.worker(lane).end(SOON).await.success());
    }
}

/// A client that waits while the API is told to stop learns its job's id, and the job goes on.
#[tokio::test]
async fn an_api_told_to_stop_tells_those_who_wait() {
    let mut world = Plan::default().set("STENO_FAILPOINTS", "transcribe.claimed=sleep(2000)").start().await;
    let sent = send(world.client(), &clip().path());
    wait::until("the job to be created", SOON, async || (!rows::jobs(&world).await.is_empty()).then_some(()))
        .await;
    world.api().signal(Signal::TERM);
    assert!(world.api().end(SOON).await.success());
    let told = sent.await.unwrap();
    assert!(told.refused(503).contains("being stopped"));
    let id = told.json()["job_id"].as_str().unwrap().to_owned();
    world.start_api(&[]).await;
    assert_eq!(invariants(&world).await, ["completed"]);
    let transcript = world.client().get(&format!("/v1/jobs/{id}/transcript")).await.ok();
    let score = Score::of(&clip().text, transcript["text"].as_str().unwrap());
    assert!(score.percent() < 50.0, "{transcript}");
}

/// A worker that sleeps past its lease finds its work taken when it wakes, and writes nothing.
#[tokio::test]
async fn a_worker_that_was_asleep_writes_nothing() {
    let mut world =
        Plan::default().set("STENO_SWEEP_AGE", "2s").set("STENO_SWEEP_EVERY", "500ms").start().await;
    world.kill_workers(Lane::Transcribe);
    world.start_worker(Lane::Transcribe, &[("STENO_FAILPOINTS", "transcribe.stored=sleep(10000)")]);
    let sent = send(world.keyed_client().await, &clip().path());
    wait::until("the result to be stored", SOON, async || {
        world.object_names().await.iter().any(|name| name.starts_with("transcripts/")).then_some(())
    })
    .await;
    fall_asleep(&mut world, Lane::Transcribe).await;
    // The first worker is not the last any more, so that it can be woken below.
    world.start_worker(Lane::Transcribe, &[]);
    let answer = tokio::time::timeout(TAKEOVER, sent).await.expect("no answer").unwrap();
    assert_eq!(answer.status, 200, "{}", answer.body);
    world.wake_first_worker(Lane::Transcribe);
    // It writes its late result, is refused, and removes it.
    assert_eq!(invariants(&world).await, ["completed"]);
    assert_eq!(attempts(&world, StageKind::Transcribe).await, 2);
}
