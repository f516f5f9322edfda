//! Files brought by hand, and looking after what is installed.

use super::*;

/// A shelf whose catalogue knows this content, and none where to find it.
fn shelf(content: &[u8]) -> Shelf {
    let mut known = file(content, &[]);
    known["urls"] = json!([]);
    Shelf::new(&json!([entry(&known)]))
}

#[tokio::test]
async fn a_file_brought_by_hand_is_checked_and_copied_or_moved() {
    let content = weights(100_000);
    for moves in [false, true] {
        let shelf = shelf(&content);
        let own = shelf.path("download.bin");
        std::fs::write(&own, &content).unwrap();
        let arguments = ["add", ID, own.to_str().unwrap(), "--move"];
        shelf.run(&arguments[..if moves { 4 } else { 3 }]).await.ok();
        shelf.holds(&content).await;
        assert_eq!(own.exists(), !moves);
    }
}

#[tokio::test]
async fn a_model_that_tells_speakers_apart_is_in_another_format() {
    let content = b"\x08\x07 and the graph".to_vec();
    let mut known = file(&content, &[]);
    known["urls"] = json!([]);
    let mut entry = entry(&known);
    entry["kind"] = json!("speaker_embedding");
    let shelf = Shelf::new(&json!([entry]));
    let own = shelf.path("own.onnx");
    for (wrong, sentence) in [
        (weights(100), "not in the ONNX format"),
        (b"BZh91AY".to_vec(), "take the .onnx file"),
        (b"<html>".to_vec(), "a web page"),
    ] {
        std::fs::write(&own, wrong).unwrap();
        let refused = shelf.run(&["add", ID, own.to_str().unwrap()]).await;
        assert!(refused.failed().contains(sentence), "{} is not about {sentence}", refused.failed());
    }
    std::fs::write(&own, &content).unwrap();
    shelf.run(&["add", ID, own.to_str().unwrap()]).await.ok();
    shelf.holds(&content).await;
}

#[tokio::test]
async fn what_is_no_such_model_is_refused_with_what_it_is() {
    let shelf = shelf(&weights(100_000));
    let own = shelf.path("own.bin");
    for (content, sentence) in [
        (b"GGUF and more".to_vec(), "in the GGUF format"),
        (b"PK\x03\x04archive/data.pkl".to_vec(), "a PyTorch or other archive"),
        (b"version https://git-lfs.github.com/spec/v1\noid".to_vec(), "a pointer of Git LFS"),
        (b"<!DOCTYPE html>".to_vec(), "a web page"),
        (Vec::new(), "not in whisper.cpp's format"),
        (weights(99_999), "has 99999 bytes, not 100000; is it whole"),
        (weights(100_001)[1..].to_vec(), "not in whisper.cpp's format"),
        ([&weights(99_999)[..], b"x"].concat(), "--unverified installs it all the same"),
    ] {
        std::fs::write(&own, content).unwrap();
        let added = shelf.run(&["add", ID, own.to_str().unwrap()]).await;
        assert!(added.failed().contains(sentence), "{sentence}: {}", added.err);
        assert_eq!(shelf.state().await["state"], "absent");
    }
    for (arguments, sentence) in [
        (["add", ID, "missing.bin"], "cannot read missing.bin: No such file"),
        (["add", ID, "."], "cannot read .: "),
        (["add", "mini", "own.bin"], "mini comes with Steno"),
        (["add", "nothing", "own.bin"], "there is no model \"nothing\""),
    ] {
        let added = shelf.run(&arguments).await;
        assert!(added.failed().contains(sentence), "{sentence}: {}", added.err);
    }
}

#[tokio::test]
async fn a_model_that_nobody_has_a_checksum_of_is_recorded_as_such() {
    let content = weights(50_000);
    let own_entry = entry(&json!({"name": FILE}));
    for (shelf, unknown) in [(shelf(&weights(100_000)), false), (Shelf::new(&json!([own_entry])), true)] {
        std::fs::write(shelf.path("own.bin"), &content).unwrap();
        let refused = shelf.run(&["add", ID, "own.bin"]).await;
        assert!(refused.failed().contains("--unverified installs it all the same"), "{}", refused.err);
        assert_eq!(refused.err.contains("no checksum"), unknown);
        let added = shelf.run(&["add", ID, "own.bin", "--unverified"]).await;
        assert!(added.ok().contains("installed unverified"), "{}", added.out);
        assert_eq!(shelf.state().await["state"], "unverified");
        assert!(shelf.run(&["verify"]).await.ok().contains("as it was added"));
        let mut damaged = content.clone();
        damaged[30_000] ^= 1;
        std::fs::write(shelf.model(FILE), damaged).unwrap();
        let verified = shelf.run(&["verify"]).await;
        assert!(
            verified.failed().contains("`steno models add tiny-test FILE` replaces it"),
            "{}",
            verified.err
        );
    }
}

#[tokio::test]
async fn damage_is_found_and_named_with_the_command_that_mends_it() {
    let content = weights(100_000);
    let hub = Hub::start(content.clone(), |_| Serve::default()).await;
    let shelf = Shelf::at(&hub, &content);
    let absent = shelf.run(&["verify", ID]).await;
    assert!(absent.failed().contains("`steno models pull tiny-test` installs it"), "{}", absent.err);
    shelf.pull().await.ok();
    let mut damaged = content.clone();
    damaged[50_000] ^= 1;
    std::fs::write(shelf.model(FILE), &damaged).unwrap();
    let verified = shelf.run(&["verify", "--json"]).await;
    let said = verified.failed();
    assert!(said.contains(&sha256(&content)) && said.contains(&sha256(&damaged)), "{said}");
    assert!(said.ends_with("`steno models rm tiny-test && steno models pull tiny-test` mends it"), "{said}");
    assert!(verified.document()["models"][0]["error"].is_string());
    std::fs::write(shelf.model(FILE), &content[..50_000]).unwrap();
    assert_eq!(shelf.state().await["state"], "incomplete");
    shelf.run(&["rm", ID]).await.ok();
    shelf.pull().await.ok();
    shelf.holds(&content).await;
}

#[tokio::test]
async fn removing_takes_the_model_and_nothing_else() {
    let content = weights(1000);
    let hub = Hub::start(content.clone(), |_| Serve::default()).await;
    let shelf = Shelf::at(&hub, &content);
    shelf.pull().await.ok();
    std::fs::write(shelf.model("notes.txt"), "mine").unwrap();
    std::fs::write(shelf.part(), "x").unwrap();
    assert!(
        shelf.run(&["rm", ID]).await.ok().contains("is removed; a worker that has it in memory keeps it")
    );
    let left: Vec<_> =
        std::fs::read_dir(shelf.path(ID)).unwrap().map(|left| left.unwrap().file_name()).collect();
    assert_eq!(left, ["notes.txt"]);
    std::fs::remove_file(shelf.model("notes.txt")).unwrap();
    shelf.pull().await.ok();
    shelf.run(&["rm", ID]).await.ok();
    assert!(!shelf.path(ID).exists());
    assert!(shelf.run(&["rm", ID]).await.ok().contains("was not installed"));
    assert!(shelf.run(&["rm", "mini"]).await.failed().contains("mini comes with Steno"));
}
