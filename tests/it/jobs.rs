//! `/v1/jobs/{id}`: reading, cancelling, deleting, and the transcript in every form.

use steno_shared::id::JobId;
use steno_tests::client::Client;
use steno_tests::clips;
use steno_tests::wait;
use steno_tests::world::{Plan, SOON, World};

async fn finished(client: &Client) -> String {
    let answer = client.transcribe_file(&clips::heldout()[0].path(), &[("speakers", "2")]).await;
    assert_eq!(answer.status, 200, "{}", answer.body);
    answer.header("x-job-id").to_owned()
}

#[tokio::test]
async fn a_finished_job_can_be_read_exported_and_deleted() {
    let world = World::start().await;
    let client = world.client();
    let id = finished(&client).await;
    let job = client.get(&format!("/v1/jobs/{id}")).await.ok();
    assert_eq!(job["id"], id);
    assert_eq!(job["state"], "completed");
    assert_eq!(job["model"], "mini");
    assert_eq!(job["speakers"], 2);
    assert_eq!(job["file_name"], "everyday-000.flac");
    assert!(job["duration"].as_f64().unwrap() > 1.0);
    assert!(job.get("error").is_none() && job.get("progress").is_none(), "{job}");
    for name in ["created_at", "started_at", "finished_at"] {
        let at = job[name].as_str().unwrap();
        assert!(at.starts_with("20") && at.ends_with('Z'), "{name}: {at}");
    }
    for (query, content_type) in [
        ("", "application/json"),
        ("?format=json", "application/json"),
        ("?format=txt", "text/plain; charset=utf-8"),
        ("?format=srt", "application/x-subrip; charset=utf-8"),
        ("?format=vtt&speaker_labels=false", "text/vtt; charset=utf-8"),
    ] {
        let transcript = client.get(&format!("/v1/jobs/{id}/transcript{query}")).await;
        assert_eq!(transcript.status, 200, "{}", transcript.body);
        assert_eq!(transcript.header("content-type"), content_type);
    }
    let refused = client.get(&format!("/v1/jobs/{id}/transcript?format=docx")).await;
    assert!(refused.refused(400).contains("json, txt, srt, vtt or tsv"));

    // Its audio is gone already; the transcript and who speaks in it go with the job.
    let kept = [format!("diarizations/{id}.1"), format!("transcripts/{id}.1")];
    wait::until("the audio to be gone", SOON, async || {
        let mut names = world.object_names().await;
        names.sort();
        (names == kept).then_some(())
    })
    .await;
    assert_eq!(client.delete(&format!("/v1/jobs/{id}")).await.status, 204);
    world.objects_are_gone().await;
    for path in [format!("/v1/jobs/{id}"), format!("/v1/jobs/{id}/transcript")] {
        assert_eq!(client.get(&path).await.refused(404), "no such job");
    }
    assert_eq!(client.delete(&format!("/v1/jobs/{id}")).await.refused(404), "no such job");
}

#[tokio::test]
async fn a_job_is_read_by_its_account_and_an_anonymous_one_by_who_holds_its_id() {
    let world = World::start().await;
    let (anonymous, one, other) = (world.client(), world.keyed_client().await, world.keyed_client().await);
    let ours = finished(&one).await;
    for stranger in [&anonymous, &other] {
        for path in [format!("/v1/jobs/{ours}"), format!("/v1/jobs/{ours}/transcript")] {
            assert_eq!(stranger.get(&path).await.refused(404), "no such job");
        }
        assert_eq!(stranger.delete(&format!("/v1/jobs/{ours}")).await.refused(404), "no such job");
    }
    assert_eq!(one.get(&format!("/v1/jobs/{ours}")).await.status, 200);
    let open = finished(&anonymous).await;
    assert_eq!(other.get(&format!("/v1/jobs/{open}")).await.status, 200);
    let unknown = JobId::random();
    assert_eq!(one.get(&format!("/v1/jobs/{unknown}")).await.refused(404), "no such job");
}

#[tokio::test]
async fn a_running_job_shows_its_progress_and_can_be_cancelled() {
    let world = Plan::default()
        .set("STENO_FAILPOINTS", "transcribe.chunk=sleep(300)")
        .set("STENO_SYNC_HOLD", "100ms")
        .start()
        .await;
    let folder = tempfile::TempDir::new().unwrap();
    let file = folder.path().join("long.wav");
    clips::join(&clips::heldout()[..20], 0.5, 600.0, &file);
    let client = world.keyed_client().await;
    let response = client
        .request(reqwest::Method::POST, "/v1/transcribe")
        .multipart(steno_tests::client::form(&file, &[]))
        .send()
        .await
        .unwrap();
    let id = response.headers()["x-job-id"].to_str().unwrap().to_owned();
    drop(response);
    let job = wait::until("some progress", SOON, async || {
        let job = client.get(&format!("/v1/jobs/{id}")).await.ok();
        let done = job["progress"]["done_seconds"].as_f64().unwrap_or_default();
        (job["progress"]["stage"] == "transcribe" && done > 0.0).then_some(job)
    })
    .await;
    assert_eq!(job["state"], "processing");
    assert_eq!(job["progress"]["attempts"], 1);
    let total = job["progress"]["total_seconds"].as_f64().unwrap();
    assert!((total - 600.0).abs() < 30.0, "{job}");
    assert!(job["progress"]["done_seconds"].as_f64().unwrap() < total);
    let early = client.get(&format!("/v1/jobs/{id}/transcript")).await;
    assert!(early.refused(409).contains("not ready"));

    let cancelled = client.delete(&format!("/v1/jobs/{id}")).await.ok();
    assert_eq!(cancelled["state"], "cancelled");
    assert!(client.get(&format!("/v1/jobs/{id}/transcript")).await.refused(409).contains("cancelled"));
    world.objects_are_gone().await;
    // The worker has let go: its slot is free for the next.
    assert_eq!(client.transcribe_file(&clips::heldout()[0].path(), &[]).await.status, 200);
    assert_eq!(client.delete(&format!("/v1/jobs/{id}")).await.status, 204);
}
