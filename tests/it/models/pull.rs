//! Downloads that go well, and what comes of them.

use super::*;

#[tokio::test]
async fn a_pulled_model_is_listed_verified_and_not_pulled_again() {
    let content = weights(300_000);
    let hub = Hub::start(content.clone(), |_| Serve::default()).await;
    let shelf = Shelf::at(&hub, &content);
    assert_eq!(shelf.state().await["state"], "absent");
    let done = shelf.pull().await;
    assert_eq!(done.ok(), format!("{ID} is installed, in {}\n", shelf.path(ID).display()));
    assert!(done.err.contains("downloading, ") && done.err.contains(" of 292.97 KiB ("), "{}", done.err);
    shelf.holds(&content).await;
    let manifest = std::fs::read_to_string(shelf.model("manifest.json")).unwrap();
    assert!(manifest.contains(&hub.url("/org/model/resolve/main/weights.bin")), "{manifest}");
    let again = shelf.run(&["pull", ID, "--json"]).await;
    again.ok();
    assert_eq!(again.document()["models"][0]["already"], true);
    assert_eq!(hub.asked().len(), 1);
    assert_eq!(shelf.run(&["verify"]).await.ok(), format!("{ID} is what the catalogue has\n"));
}

#[tokio::test]
async fn redirects_are_followed_with_the_range_that_is_wanted() {
    let content = weights(200_000);
    let hub = Hub::start(content.clone(), |ask| match ask.path.as_str() {
        "/cdn/object" => Serve { cut: (ask.nth < 2).then_some(60_000), ..Serve::default() },
        _ => Serve { headers: "location: /cdn/object\r\n".to_owned(), ..Serve::status(302) },
    })
    .await;
    let shelf = Shelf::at(&hub, &content);
    shelf.pull().await.ok();
    shelf.holds(&content).await;
    let last = hub.asked().last().unwrap().clone();
    assert_eq!((last.path.as_str(), last.from), ("/cdn/object", Some(60_000)));
}

#[tokio::test]
async fn a_mirror_is_asked_in_place_of_the_catalogues_server() {
    let content = weights(1000);
    let hub = Hub::start(content.clone(), |_| Serve::default()).await;
    let url = "https://hub.invalid/org/model/resolve/main/weights.bin".to_owned();
    let shelf = Shelf::new(&json!([entry(&file(&content, &[url]))]));
    shelf.run(&["pull", ID, "--mirror", &hub.url("/models/")]).await.ok();
    shelf.holds(&content).await;
    assert_eq!(hub.asked()[0].path, "/models/org/model/resolve/main/weights.bin");
    shelf.run(&["rm", ID]).await.ok();
    let mut command = shelf.command(&["pull", ID]);
    done(command.env("STENO_MODEL_MIRROR", hub.url("")).spawn().unwrap()).await.ok();
    assert_eq!(hub.asked()[1].path, "/org/model/resolve/main/weights.bin");
    let done = shelf.run(&["pull", ID, "--mirror", "mirror.example.org"]).await;
    assert_eq!(done.status, Some(2), "{}", done.err);
    assert!(done.err.contains("not an address such as"), "{}", done.err);
}

#[tokio::test]
async fn the_next_address_is_asked_where_the_first_has_the_file_no_more() {
    let content = weights(1000);
    let hub = Hub::start(content.clone(), |ask| match ask.path.as_str() {
        "/old" => Serve::status(404),
        _ => Serve::default(),
    })
    .await;
    let shelf = Shelf::new(&json!([entry(&file(&content, &[hub.url("/old"), hub.url("/new")]))]));
    shelf.pull().await.ok();
    shelf.holds(&content).await;
}

#[tokio::test]
async fn of_several_models_the_others_are_pulled_where_one_fails() {
    let content = weights(1000);
    let hub = Hub::start(content.clone(), |ask| match ask.path.as_str() {
        "/missing" => Serve::status(404),
        _ => Serve::default(),
    })
    .await;
    let mut other = entry(&file(&content, &[hub.url("/missing")]));
    other["id"] = json!("other");
    let shelf = Shelf::new(&json!([entry(&file(&content, &[hub.url("/here")])), other]));
    let done = shelf.run(&["pull", "other", ID, "--json"]).await;
    assert_eq!(done.status, Some(1), "{}", done.err);
    assert!(done.err.contains("steno: other: ") && done.err.contains("404 Not Found"), "{}", done.err);
    let models = done.document()["models"].clone();
    assert!(models[0]["error"].is_string(), "{models}");
    assert_eq!(models[1]["state"], "installed");
    shelf.holds(&content).await;
}
