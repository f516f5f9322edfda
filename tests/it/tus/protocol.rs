//! What is answered to what, one request after the other.

use reqwest::Method;
use steno_tests::client::{Client, answer};
use steno_tests::score::Score;
use steno_tests::world::{SOON, World};

use super::client::{
    CONTENT, append, clip, create, head, job, media, metadata, offset, parts, patch, patching, request,
    transcript,
};
use crate::rows;

const CHECKSUM_OF_ABC: &str = "sha1 qZk+NkcGgWq6PiVxeFDCbJzQ2J0=";

#[tokio::test]
async fn an_upload_in_pieces_becomes_a_job() {
    let world = World::start().await;
    let client = world.keyed_client().await;
    let media = media();
    let pairs = [("filename", "my talk.flac"), ("diarize", "false"), ("language", "en"), ("speakers", "2")];
    let path = create(&client, media.len(), &pairs).await;
    assert!(path.starts_with("/v1/uploads/job_"), "{path}");
    let fresh = head(&client, &path).await;
    assert_eq!(fresh.header("upload-offset"), "0");
    assert_eq!(fresh.header("upload-length"), media.len().to_string());
    assert_eq!(fresh.header("upload-metadata"), metadata(&pairs));
    assert_eq!(fresh.header("cache-control"), "no-store");
    assert_eq!(fresh.header("x-job-id"), "");

    let (one, two) = (media.len() / 3, media.len() / 3 * 2);
    append(&client, &path, 0, &media[..one]).await;
    let appended = append(&client, &path, one, &media[one..two]).await;
    assert_eq!(appended.header("x-job-id"), "");
    assert!(appended.header("upload-expires").ends_with(" GMT"));
    assert!(rows::jobs(&world).await.is_empty());
    let last = append(&client, &path, two, &media[two..]).await;
    let id = last.header("x-job-id").to_owned();
    assert_eq!(last.header("location"), format!("/v1/jobs/{id}"));
    assert_eq!(last.header("upload-expires"), "");
    assert_eq!(path, format!("/v1/uploads/{id}"));
    assert!(parts(&world).await.is_empty());

    let said = transcript(&client, &id, SOON).await;
    let score = Score::of(&clip().text, &said);
    assert!(score.percent() < 50.0, "{said}");
    let read = client.get(&format!("/v1/jobs/{id}")).await.ok();
    assert_eq!(read["file_name"], "my talk.flac");
    assert_eq!(
        (&read["language"], &read["diarize"], &read["speakers"]),
        (&"en".into(), &false.into(), &2.into())
    );
    assert_eq!(rows::upload_sha256(&world, &id).await, super::client::sha256(&media));

    // A client that has not seen the last answer asks again, and sends nothing once more.
    assert_eq!(job(&client, &path).await, id);
    assert_eq!(offset(&client, &path).await, media.len());
    assert_eq!(append(&client, &path, media.len(), &[]).await.header("x-job-id"), id);
    assert_eq!(rows::jobs(&world).await, std::slice::from_ref(&id));
    assert_eq!(world.results_alone().await, [format!("transcripts/{id}.1")]);
    // Without the upload, the job stays.
    assert_eq!(answer(request(&client, Method::DELETE, &path)).await.status, 204);
    assert_eq!(head(&client, &path).await.status, 404);
    assert_eq!(client.get(&format!("/v1/jobs/{id}")).await.ok()["state"], "completed");
}

#[tokio::test]
async fn what_is_spoken_is_said_without_being_asked_in_the_protocol() {
    let world = World::start().await;
    let client = world.client();
    let options = answer(client.request(Method::OPTIONS, "/v1/uploads")).await;
    assert_eq!(options.status, 204);
    for (name, value) in [
        ("tus-resumable", "1.0.0"),
        ("tus-version", "1.0.0"),
        ("tus-extension", "creation,termination,checksum,expiration"),
        ("tus-max-size", "2147483648"),
        ("tus-checksum-algorithm", "sha1,sha256"),
    ] {
        assert_eq!(options.header(name), value);
    }
    let exposed = options.header("access-control-expose-headers");
    for name in ["Location", "Upload-Offset", "Upload-Length", "Upload-Expires", "Tus-Resumable", "X-Job-Id"]
    {
        assert!(exposed.contains(name), "{exposed}");
    }
    let preflight = client
        .request(Method::OPTIONS, "/v1/uploads/job_0")
        .header("Origin", "https://page.example")
        .header("Access-Control-Request-Method", "PATCH");
    let preflight = answer(preflight).await;
    assert_eq!(preflight.status, 204);
    assert!(preflight.header("access-control-allow-methods").contains("PATCH"));

    for version in [None, Some("0.2.2"), Some("")] {
        for (method, path) in [(Method::POST, "/v1/uploads"), (Method::PATCH, "/v1/uploads/job_0")] {
            let request = client.request(method, path);
            let request =
                version.iter().fold(request, |request, version| request.header("Tus-Resumable", *version));
            let refused = answer(request).await;
            assert!(refused.refused(412).contains("Tus-Resumable: 1.0.0"), "{}", refused.body);
            assert_eq!(refused.header("tus-version"), "1.0.0");
            assert_eq!(refused.header("tus-resumable"), "1.0.0");
        }
    }
    let wrong = request(&client, Method::GET, "/v1/uploads/job_0");
    let wrong = answer(wrong).await;
    assert_eq!(wrong.refused(405), "this address takes HEAD, PATCH, DELETE only");
    assert_eq!(wrong.header("tus-resumable"), "1.0.0");
}

#[tokio::test]
async fn a_creation_is_refused_at_once_for_what_would_fail_in_the_end() {
    let world = World::start().await;
    let client = world.client();
    let post = |headers: Vec<(&'static str, String)>| {
        let request = request(&client, Method::POST, "/v1/uploads");
        answer(headers.into_iter().fold(request, |request, (name, value)| request.header(name, value)))
    };
    let of = |pairs: &[(&str, &str)]| {
        vec![("Upload-Length", "100".to_owned()), ("Upload-Metadata", metadata(pairs))]
    };
    for (headers, status, expected) in [
        (vec![], 400, "Upload-Length must be a number"),
        (vec![("Upload-Length", "-1".to_owned())], 400, "Upload-Length must be a number"),
        (vec![("Upload-Length", "+7".to_owned())], 400, "Upload-Length must be a number"),
        (vec![("Upload-Length", "1e3".to_owned())], 400, "Upload-Length must be a number"),
        (vec![("Upload-Length", "9".repeat(40))], 400, "Upload-Length must be a number"),
        (vec![("Upload-Length", "0".to_owned())], 400, "empty"),
        (vec![("Upload-Defer-Length", "1".to_owned())], 400, "Upload-Defer-Length is not supported"),
        (vec![("Upload-Length", ((2u64 << 30) + 1).to_string())], 413, "larger than 2GiB"),
        (vec![("Upload-Length", "18446744073709551615".to_owned())], 413, "larger than 2GiB"),
        (
            vec![("Upload-Length", "100".to_owned()), ("Upload-Metadata", "filename *".to_owned())],
            400,
            "base 64",
        ),
        (of(&[("filename", "a"), ("filename", "b")]), 400, "twice"),
        (of(&[("model", "nonsense")]), 400, "unknown model"),
        (of(&[("model", "large-v3")]), 503, "not installed"),
        (of(&[("language", "xx")]), 400, "unknown language"),
        (of(&[("speakers", "33")]), 400, "speakers"),
        (of(&[("diarize", "perhaps")]), 400, "diarize"),
        (of(&[("response_format", "docx")]), 400, "format"),
        (of(&[("url", "https://example.org/a.mp3")]), 400, "POST /v1/jobs"),
        (of(&[("dry_run", "true")]), 400, "POST /v1/jobs"),
        (of(&[("webhook_url", "https://example.org/hook")]), 401, "API key"),
    ] {
        let shown = format!("{headers:?}");
        let refused = post(headers).await;
        assert!(refused.refused(status).contains(expected), "{shown}: {}", refused.body);
        assert_eq!(refused.header("tus-resumable"), "1.0.0");
    }
    let refused = request(&client.clone().with_key("wrong"), Method::POST, "/v1/uploads");
    assert_eq!(answer(refused).await.status, 401);
}

#[tokio::test]
async fn a_patch_is_refused_and_the_upload_stands_where_it_stood() {
    let world = World::start().await;
    let client = world.client();
    let path = create(&client, 100, &[]).await;
    append(&client, &path, 0, b"abc").await;
    let chunked = |bytes: Vec<u8>| {
        let stream = futures::stream::iter([Ok::<_, std::io::Error>(bytes)]);
        reqwest::Body::wrap_stream(stream)
    };
    let plain = || patching(&client, &path, 3, b"abc");
    let typed = |name: &str| {
        let request = request(&client, Method::PATCH, &path).header("Upload-Offset", 3);
        request.header("Content-Type", name.to_owned()).body("abc")
    };
    let at = |offset: &str| {
        let request = request(&client, Method::PATCH, &path).header("Upload-Offset", offset.to_owned());
        request.header("Content-Type", CONTENT).body("abc")
    };
    for (request, status, expected) in [
        (typed("application/octet-stream"), 415, CONTENT),
        (typed("application/offset+octet-stream; charset=utf-8"), 415, CONTENT),
        (request(&client, Method::PATCH, &path).header("Upload-Offset", 3).body("abc"), 415, CONTENT),
        (at(""), 400, "Upload-Offset"),
        (at("three"), 400, "Upload-Offset"),
        (at("-3"), 400, "Upload-Offset"),
        (request(&client, Method::PATCH, &path).header("Content-Type", CONTENT), 400, "Upload-Offset"),
        (at("0"), 409, "stands at 3"),
        (at("4"), 409, "stands at 3"),
        (at("18446744073709551615"), 409, "stands at 3"),
        (patching(&client, &path, 3, &[1; 98]), 413, "beyond the upload's 100 bytes"),
        (patching(&client, &path, 3, b"").body(chunked(vec![1; 98])), 413, "beyond the upload's 100 bytes"),
        (plain().header("Upload-Checksum", "md5 kAFQmDzST7DWlj99KOF/cg=="), 400, "sha1,sha256"),
        (plain().header("Upload-Checksum", "sha1"), 400, "Upload-Checksum"),
        (plain().header("Upload-Checksum", "sha1 AAAA"), 400, "Upload-Checksum"),
        (plain().header("Upload-Checksum", CHECKSUM_OF_ABC.replace('q', "r")), 460, "do not match"),
        (patching(&client, &path, 3, b"").header("Upload-Checksum", CHECKSUM_OF_ABC), 460, "do not match"),
    ] {
        let refused = answer(request).await;
        assert!(refused.refused(status).contains(expected), "{}", refused.body);
        assert_eq!(refused.header("tus-resumable"), "1.0.0");
        assert_eq!(offset(&client, &path).await, 3);
    }
    assert_eq!(parts(&world).await.len(), 1, "what was refused is kept");
    assert_eq!(answer(plain().header("Upload-Checksum", CHECKSUM_OF_ABC)).await.status, 204);
    let sha256 = "sha256 ungWv48Bz+pBQUDeXa4iI7ADYaOWF3qctBD/YfIAFa0=";
    let next = patching(&client, &path, 6, b"abc").header("Upload-Checksum", sha256);
    assert_eq!(answer(next).await.status, 204);
    // Without a length.
    let next = patching(&client, &path, 9, b"").body(chunked(b"defg".to_vec()));
    assert_eq!(answer(next).await.header("upload-offset"), "13");
}

#[tokio::test]
async fn an_upload_is_used_by_its_account_and_an_anonymous_one_by_who_holds_its_id() {
    let world = World::start().await;
    let (anonymous, one, other) = (world.client(), world.keyed_client().await, world.keyed_client().await);
    let refused = async |client: &Client, path: &str| {
        for method in [Method::HEAD, Method::DELETE] {
            assert_eq!(answer(request(client, method, path)).await.status, 404);
        }
        let refused = patch(client, path, 0, b"abc").await;
        assert_eq!(refused.refused(404), "no such upload");
    };
    let path = create(&one, 100, &[]).await;
    for client in [&other, &anonymous] {
        refused(client, &path).await;
    }
    append(&one, &path, 0, b"abc").await;
    let path = create(&anonymous, 100, &[]).await;
    append(&one, &path, 0, b"abc").await;
    append(&anonymous, &path, 3, b"abc").await;
    for path in ["/v1/uploads/job_0", "/v1/uploads/..%2f..", "/v1/uploads/job_00000000000000000000000000"] {
        refused(&one, path).await;
    }
}

#[tokio::test]
async fn a_client_that_knows_post_only_says_what_it_means() {
    let world = World::start().await;
    let client = world.client();
    let path = create(&client, 100, &[]).await;
    let post = |method: &str| {
        request(&client, Method::POST, &path).header("X-HTTP-Method-Override", method.to_owned())
    };
    let patched = post("PATCH").header("Upload-Offset", 0).header("Content-Type", CONTENT).body("abc");
    assert_eq!(answer(patched).await.header("upload-offset"), "3");
    assert_eq!(answer(post("TRACE")).await.status, 405);
    assert_eq!(answer(post("DELETE")).await.status, 204);
    assert_eq!(head(&client, &path).await.status, 404);
}
