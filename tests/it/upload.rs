//! Uploads: the forms that clients send, the ones that are refused, and what is left of those.

use std::time::Duration;

use reqwest::multipart::{Form, Part};
use reqwest::{Body, Method};
use steno_tests::client::{Answer, answer, form_of};
use steno_tests::clips;
use steno_tests::world::{Plan, World};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

const MIB: u64 = 1 << 20;

/// A WAV file of silence, `bytes` long in all, in blocks.
fn silence(bytes: u64) -> impl futures::Stream<Item = Result<Vec<u8>, std::io::Error>> + Send + 'static {
    let length = u32::try_from(bytes - 8).unwrap_or(u32::MAX);
    let mut header = Vec::new();
    header.extend(b"RIFF");
    header.extend(length.to_le_bytes());
    header.extend(b"WAVEfmt ");
    header.extend(16u32.to_le_bytes());
    header.extend([1, 0, 2, 0]);
    // 48 kHz stereo: a large file of few hours.
    header.extend(48_000u32.to_le_bytes());
    header.extend(192_000u32.to_le_bytes());
    header.extend([4, 0, 16, 0]);
    header.extend(b"data");
    header.extend((length - 36).to_le_bytes());
    let rest = bytes - header.len() as u64;
    let blocks = rest / MIB;
    let blocks = (0..=blocks).map(move |block| if block < rest / MIB { MIB } else { rest % MIB });
    let blocks = blocks.map(|bytes| Ok(vec![0; bytes as usize]));
    futures::stream::iter(std::iter::once(Ok(header)).chain(blocks))
}

fn streamed(bytes: u64) -> Form {
    let body = Body::wrap_stream(silence(bytes));
    Form::new()
        .text("diarize", "false")
        .part("file", Part::stream_with_length(body, bytes).file_name("long.wav"))
}

async fn post(world: &World, content_type: &str, body: impl Into<Body>) -> Answer {
    let request = world.client().request(Method::POST, "/v1/transcribe");
    answer(request.header("Content-Type", content_type).body(body)).await
}

#[tokio::test]
async fn fields_come_before_or_after_the_file_and_the_last_counts() {
    let world = World::start().await;
    let clip = &clips::heldout()[0];
    let bytes = std::fs::read(clip.path()).unwrap();
    let file = || Part::bytes(bytes.clone()).file_name("clip.flac");
    let before = Form::new().text("response_format", "txt").part("file", file());
    let after =
        Form::new().part("file", file()).text("response_format", "srt").text("response_format", "txt");
    let unknown = Form::new().text("surprise", "x").part("file", file()).text("response_format", "text");
    for form in [before, after, unknown] {
        let answer = world.client().transcribe(form).await;
        assert_eq!(answer.status, 200, "{}", answer.body);
        assert_eq!(answer.header("content-type"), "text/plain; charset=utf-8");
    }
}

#[tokio::test]
async fn a_form_without_a_length_is_accepted() {
    let world = World::start().await;
    let clip = std::fs::read(clips::heldout()[0].path()).unwrap();
    let blocks = futures::stream::iter(
        clip.chunks(1000).map(|block| Ok::<_, std::io::Error>(block.to_vec())).collect::<Vec<_>>(),
    );
    let form = Form::new().part("file", Part::stream(Body::wrap_stream(blocks)).file_name("clip.flac"));
    let answer = world.client().transcribe(form).await;
    assert_eq!(answer.status, 200, "{}", answer.body);
}

#[tokio::test]
async fn bodies_that_are_no_form_are_refused_with_the_fix() {
    let world = World::start().await;
    let multipart = "multipart/form-data; boundary=b";
    let part = |header: &str, content: &str| {
        format!("--b\r\nContent-Disposition: form-data; {header}\r\n\r\n{content}\r\n")
    };
    let file = part("name=\"file\"; filename=\"a.wav\"", "RIFFxxxxWAVE");
    let many: String = (0..101).map(|n| part(&format!("name=\"f{n}\""), "x")).collect();
    let huge_name = part(&format!("name=\"{}\"", "n".repeat(4 << 20)), "x");
    for (content_type, body, expected) in [
        (multipart, "[object FormData]".to_owned(), "fs.openAsBlob"),
        ("text/plain;charset=UTF-8", "[object FormData]".to_owned(), "fs.openAsBlob"),
        ("application/json", "{}".to_owned(), "multipart/form-data"),
        ("application/x-www-form-urlencoded", "file=a.mp3".to_owned(), "multipart/form-data"),
        ("multipart/form-data", file.clone(), "multipart/form-data"),
        ("", file.clone(), "multipart/form-data"),
        (multipart, String::new(), "breaks off"),
        (multipart, "garbage".to_owned(), "breaks off"),
        (multipart, file.clone(), "breaks off"),
        (multipart, format!("{}--b--\r\n", part("name=\"model\"", "mini")), "no file"),
        (multipart, format!("{}--b--\r\n", part("name=\"file\"; filename=\"a\"", "")), "empty"),
        (multipart, format!("{file}{file}--b--\r\n"), "more than one file"),
        (multipart, format!("{}--b--\r\n", part("name=\"file\"", "recording.mp3")), "-F file=@"),
        (multipart, format!("{many}{file}--b--\r\n"), "more than 100 fields"),
        (
            multipart,
            format!("{}{file}--b--\r\n", part("name=\"model\"", &"m".repeat(70_000))),
            "longer than 64 KiB",
        ),
        (
            multipart,
            format!("{}{file}--b--\r\n", part("name=\"video\"", &"v".repeat(2 << 20))),
            "belongs in \"file\"",
        ),
        (multipart, format!("{huge_name}{file}--b--\r\n"), "more than 1 MiB besides its file"),
    ] {
        let shown: String = body.chars().take(60).collect();
        let sentence = post(&world, content_type, body).await.refused(400);
        assert!(sentence.contains(expected), "{content_type} {shown:?}: {sentence}");
    }
    let not_utf8 =
        [part("name=\"language\"", "").trim_end().as_bytes(), b"\r\n\r\n\xff\xfe\r\n", file.as_bytes()]
            .concat();
    let sentence = post(&world, multipart, not_utf8).await.refused(400);
    assert!(sentence.contains("UTF-8"), "{sentence}");
    world.objects_are_gone().await;
    world.queue_is_empty().await;
}

#[tokio::test]
async fn the_limit_is_inclusive_and_one_byte_more_is_refused() {
    let world = Plan::default().set("STENO_MAX_FILE", "1MiB").start().await;
    let accepted = world.client().transcribe(streamed(MIB)).await;
    assert_eq!(accepted.status, 200, "{}", accepted.body);
    let id = accepted.header("x-job-id").to_owned();
    world.client().delete(&format!("/v1/jobs/{id}")).await;

    let unannounced = Part::stream(Body::wrap_stream(silence(MIB + 1))).file_name("long.wav");
    for form in [streamed(MIB + 1), streamed(3 * MIB), Form::new().part("file", unannounced)] {
        let refused = world.client().transcribe(form).await;
        let sentence = refused.refused(413);
        assert!(sentence.contains("larger than 1MiB"), "{sentence}");
        assert_eq!(refused.header("x-should-retry"), "false");
    }
    world.objects_are_gone().await;
}

#[tokio::test]
async fn nothing_is_left_of_uploads_that_break_off() {
    let world = World::start().await;
    let head = "POST /v1/transcribe HTTP/1.1\r\nHost: x\r\nContent-Length: 50000000\r\n\
                Content-Type: multipart/form-data; boundary=b\r\n\r\n--b\r\nContent-Disposition: form-data; \
                name=\"file\"; filename=\"a.wav\"\r\n\r\n";
    for kilobytes in [0, 1, 300, 3000] {
        for _ in 0..5 {
            let mut stream = TcpStream::connect(("127.0.0.1", world.port())).await.unwrap();
            stream.write_all(head.as_bytes()).await.unwrap();
            stream.write_all(&vec![1; kilobytes * 1024]).await.unwrap();
        }
    }
    world.objects_are_gone().await;
    assert_eq!(world.client().get("/health").await.ok()["status"], "ok");
}

/// The API's memory while a file passes through it. 256 MiB in the plain run, 2 GiB in the long one.
#[tokio::test]
async fn a_large_file_passes_through_little_memory() {
    const ALLOWED: u64 = 64 * MIB;
    let long = steno_tests::is_long_run();
    let bytes = if long { 2048 * MIB } else { 256 * MIB };
    let mut world = World::start().await;
    // The first request warms what is made once.
    let _ = world.client().transcribe(streamed(MIB)).await.ok();
    let before = world.api().anonymous_memory();
    let client = world.client();
    let upload = tokio::spawn(async move { client.transcribe(streamed(bytes)).await });
    let mut most = before;
    while !upload.is_finished() {
        most = most.max(world.api().anonymous_memory());
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let transcript = upload.await.unwrap().ok();
    let seconds = (bytes - 44) as f64 / 192_000.0;
    assert!((transcript["duration"].as_f64().unwrap() - seconds).abs() < 0.01, "{}", transcript["duration"]);
    let grown = most - before;
    println!("{} MiB through the API: its memory grew by {} KiB", bytes / MIB, grown / 1024);
    assert!(grown < ALLOWED, "the API grew by {grown} bytes");
    if long {
        let refused = world.client().transcribe(streamed(bytes + 1)).await;
        assert!(refused.refused(413).contains("2GiB"));
    }
}

#[tokio::test]
async fn a_file_is_told_by_its_content_and_not_by_its_name() {
    let world = World::start().await;
    let clip = std::fs::read(clips::heldout()[0].path()).unwrap();
    for name in ["clip.txt", "", "päper/../../x.pdf", "a\"b.exe"] {
        let answer = world.client().transcribe(form_of(clip.clone(), name, &[])).await;
        assert_eq!(answer.status, 200, "{name}: {}", answer.body);
    }
}
