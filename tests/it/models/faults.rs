//! Downloads that cannot succeed: what is said, and that nothing is left that could be taken for a model.

use super::*;

/// Pulls, fails, and returns the sentence; nothing is installed.
async fn fails(shelf: &Shelf, arguments: &[&str]) -> String {
    let done = shelf.run(&[&["pull", ID], arguments].concat()).await;
    let sentence = done.failed().to_owned();
    assert!(!shelf.model(FILE).exists() && !shelf.model("manifest.json").exists(), "{sentence}");
    sentence
}

#[tokio::test]
async fn a_wrong_checksum_is_told_with_both_and_nothing_is_kept() {
    let (right, wrong) = (weights(1000), weights(1000).into_iter().rev().collect::<Vec<_>>());
    let hub = Hub::start(wrong.clone(), |_| Serve::default()).await;
    let shelf = Shelf::at(&hub, &right);
    let sentence = fails(&shelf, &[]).await;
    assert!(sentence.contains(&sha256(&right)) && sentence.contains(&sha256(&wrong)), "{sentence}");
    assert!(sentence.contains("--mirror"), "{sentence}");
    assert!(!shelf.part().exists());
    assert_eq!(shelf.state().await["state"], "absent");
}

#[tokio::test]
async fn more_or_less_than_the_catalogue_has_is_another_file() {
    let content = weights(1000);
    for (served, length, sentence) in [
        (weights(1001), true, "has 1001 bytes, not 1000"),
        (weights(999), true, "has 999 bytes, not 1000"),
        (weights(5_000_000), false, "has more bytes, not 1000"),
        (b"<!doctype html><p>Please accept our terms.".to_vec(), true, "has 42 bytes, not 1000"),
    ] {
        let hub = Hub::start(served, move |_| Serve { length, ..Serve::default() }).await;
        let shelf = Shelf::at(&hub, &content);
        let said = fails(&shelf, &[]).await;
        assert!(said.contains(sentence) && said.contains("another file than the catalogue's"), "{said}");
        assert!(!shelf.part().exists());
        assert_eq!(hub.asked().len(), 1);
    }
}

#[tokio::test]
async fn refusals_are_told_at_once_with_what_may_help() {
    for (status, sentence) in [
        (403, "answers 403 Forbidden; if it cannot be reached from here, --mirror URL names another server"),
        (401, "answers 401 Unauthorized"),
        (404, "answers 404 Not Found; is there a mirror that has it?"),
        (410, "answers 410 Gone"),
        (204, "answers 204 No Content"),
    ] {
        let hub = Hub::start(Vec::new(), move |_| Serve::status(status)).await;
        let said = fails(&Shelf::at(&hub, &weights(1000)), &[]).await;
        assert!(said.contains(sentence), "{said}");
        assert_eq!(hub.asked().len(), 1);
    }
}

#[tokio::test]
async fn a_server_that_stalls_or_trickles_is_given_up_and_what_came_is_kept() {
    let content = weights(500_000);
    for serve in [
        Serve { stall: Some(0), ..Serve::default() },
        Serve { stall: Some(10_000), ..Serve::default() },
        Serve { trickle: true, ..Serve::default() },
        Serve { cut: Some(10_000), length: false, ..Serve::default() },
    ] {
        let hub = Hub::start(content.clone(), move |_| serve.clone()).await;
        let shelf = Shelf::at(&hub, &content);
        let said = fails(&shelf, &["--stall", "300ms"]).await;
        assert!(said.contains("failed 5 times: the server ") && said.contains("goes on there"), "{said}");
        assert_eq!(hub.asked().len(), 5);
        let kept = std::fs::read(shelf.part()).unwrap_or_default();
        assert!(content.starts_with(&kept), "what was kept is not the file's beginning");
    }
}

#[tokio::test]
async fn nobody_listens_or_the_name_is_unknown() {
    let closed = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    for url in [format!("http://{closed}/x"), "http://hub.invalid/x".to_owned()] {
        let shelf = Shelf::new(&json!([entry(&file(&weights(1000), &[url]))]));
        let said = fails(&shelf, &[]).await;
        assert!(said.contains("failed 5 times: "), "{said}");
    }
}

#[tokio::test]
async fn what_does_not_fit_is_not_begun() {
    let hub = Hub::start(Vec::new(), |_| Serve::default()).await;
    let mut large = file(b"x", &[hub.url("/x")]);
    large["bytes"] = json!(1_u64 << 62);
    let shelf = Shelf::new(&json!([entry(&large)]));
    let said = fails(&shelf, &[]).await;
    assert!(said.contains("free, and 4.00 EiB are needed; make room"), "{said}");
    assert!(hub.asked().is_empty());
}

#[tokio::test]
async fn what_cannot_be_pulled_says_why() {
    let shelf = Shelf::new(&json!([entry(&json!({"name": FILE}))]));
    for (id, sentence) in [
        ("mini", "mini: mini comes with Steno"),
        (ID, "the catalogue has no address for tiny-test; `steno models add tiny-test FILE`"),
        ("largest", "there is no model \"largest\" in the catalogue, which has large-v3-turbo, "),
    ] {
        let said = shelf.run(&["pull", id]).await;
        assert!(said.failed().contains(sentence), "{}", said.err);
    }
    assert!(!shelf.path("largest").exists());
}
