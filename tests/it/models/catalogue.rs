//! What can be pulled, and the operator's own entries.

use super::*;

#[tokio::test]
async fn the_whole_catalogue_is_listed_with_sizes_and_licences() {
    let shelf = Shelf::new(&json!([]));
    let listed = shelf.run(&["list", "--all", "--json"]).await.document();
    let models = listed["models"].as_array().unwrap();
    for id in
        ["large-v3-turbo", "large-v3-turbo-q5_0", "large-v3", "medium-q8_0", "small-q5_1", "silero-v6.2.0"]
    {
        let model = models.iter().find(|model| model["id"] == id).unwrap();
        assert!(model["bytes"].as_u64().unwrap() > 800_000, "{model}");
        assert_eq!((&model["state"], &model["licence"]), (&json!("absent"), &json!("MIT")));
    }
    let table = shelf.run(&["list", "--all"]).await;
    let lines: Vec<_> = table.ok().lines().collect();
    let at = lines[0].find("SIZE").unwrap();
    assert!(
        lines[1..].iter().all(|line| line.as_bytes()[at - 1] == b' ' && line.as_bytes()[at] != b' '),
        "{lines:#?}"
    );
    assert!(lines[1].starts_with("large-v3-turbo ") && lines[1].contains("1.51 GiB"), "{lines:#?}");
    let none = shelf.run(&["list"]).await;
    assert_eq!(none.ok(), "");
    assert!(none.err.contains("`steno models list --all`"), "{}", none.err);
}

#[tokio::test]
async fn an_invalid_catalogue_is_named_with_what_is_wrong_by_every_executable() {
    let mut wrong = entry(&json!({"name": FILE}));
    wrong["speed"] = json!("quick");
    let shelf = Shelf::new(&json!([wrong]));
    let sentence = "catalog.json: the model \"tiny-test\": speed must be standard, fast or very_fast";
    let listed = shelf.run(&["list"]).await;
    assert!(listed.failed().contains(sentence), "{}", listed.err);
    let data = TempDir::new().unwrap();
    for (program, arguments) in [("steno", &["serve", "--port", "0"][..]), ("steno-transcribe", &[])] {
        let mut command = Command::new(executable(program));
        command.args(arguments).arg("--data").arg(data.path()).arg("--models").arg(shelf.folder.path());
        let output = command.stdin(Stdio::null()).output().await.unwrap();
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(!output.status.success() && said.contains(sentence), "{program}: {said}");
    }
}

#[tokio::test]
async fn an_alias_that_leads_nowhere_stops_the_server() {
    let shelf = Shelf::new(&json!([entry(&json!({"name": FILE}))]));
    let data = TempDir::new().unwrap();
    let mut command = Command::new(executable("steno"));
    command.args(["serve", "--port", "0", "--model-aliases", "own=tiny-test,other=nothing"]);
    command.arg("--data").arg(data.path()).arg("--models").arg(shelf.folder.path());
    let migrated =
        Command::new(executable("steno")).args(["migrate", "--data"]).arg(data.path()).output().await;
    assert!(migrated.unwrap().status.success());
    let output = command.stdin(Stdio::null()).output().await.unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(said.contains("\"other\" leads to \"nothing\", which is not in the catalogue"), "{said}");
}
