//! A client of the protocol that can do everything wrong.

use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use reqwest::{Method, RequestBuilder};
use steno_tests::client::{Answer, Client, answer};
use steno_tests::clips::Clip;
use steno_tests::world::{SOON, World};
use steno_tests::{clips, wait};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

pub(super) const CONTENT: &str = "application/offset+octet-stream";

/// A clip of speech that the miniature model has heard the voice of.
pub(super) fn clip() -> Clip {
    clips::heldout().into_iter().find(|clip| !clip.heldout && clip.seconds > 3.0).unwrap()
}

/// The clip's file.
pub(super) fn media() -> Vec<u8> {
    std::fs::read(clip().path()).unwrap()
}

/// The value of `Upload-Metadata`.
pub(super) fn metadata(pairs: &[(&str, &str)]) -> String {
    let pair = |(key, value): &(&str, &str)| format!("{key} {}", STANDARD.encode(value));
    pairs.iter().map(pair).collect::<Vec<_>>().join(",")
}

/// A request in the protocol's version.
pub(super) fn request(client: &Client, method: Method, path: &str) -> RequestBuilder {
    client.request(method, path).header("Tus-Resumable", "1.0.0")
}

/// Begins an upload and returns its path.
pub(super) async fn create(client: &Client, length: usize, pairs: &[(&str, &str)]) -> String {
    let request = request(client, Method::POST, "/v1/uploads").header("Upload-Length", length);
    let created = answer(request.header("Upload-Metadata", metadata(pairs))).await;
    assert_eq!(created.status, 201, "{}", created.body);
    assert_eq!(created.header("tus-resumable"), "1.0.0");
    assert!(created.header("upload-expires").ends_with(" GMT"), "{:?}", created.headers);
    created.header("location").to_owned()
}

/// A PATCH that is not sent yet.
pub(super) fn patching(client: &Client, path: &str, offset: usize, bytes: &[u8]) -> RequestBuilder {
    let request = request(client, Method::PATCH, path).header("Upload-Offset", offset);
    request.header("Content-Type", CONTENT).body(bytes.to_vec())
}

/// Sends bytes.
pub(super) async fn patch(client: &Client, path: &str, offset: usize, bytes: &[u8]) -> Answer {
    answer(patching(client, path, offset, bytes)).await
}

/// Sends bytes, and holds what the answer must be.
pub(super) async fn append(client: &Client, path: &str, offset: usize, bytes: &[u8]) -> Answer {
    let appended = patch(client, path, offset, bytes).await;
    assert_eq!(appended.status, 204, "{}", appended.body);
    assert_eq!(appended.header("tus-resumable"), "1.0.0");
    assert_eq!(appended.header("upload-offset"), (offset + bytes.len()).to_string());
    appended
}

/// Asks where an upload stands.
pub(super) async fn head(client: &Client, path: &str) -> Answer {
    let head = answer(request(client, Method::HEAD, path)).await;
    assert_eq!(head.header("tus-resumable"), "1.0.0");
    assert!(head.body.is_empty());
    head
}

/// Where an upload stands.
pub(super) async fn offset(client: &Client, path: &str) -> usize {
    let head = head(client, path).await;
    assert_eq!(head.status, 200);
    head.header("upload-offset").parse().unwrap()
}

/// Sends the header of a PATCH that announces `length` bytes, and these, and leaves the connection open.
pub(super) async fn half_a_patch(
    world: &World,
    path: &str,
    (offset, length): (usize, usize),
    bytes: &[u8],
) -> TcpStream {
    let mut stream = TcpStream::connect(("127.0.0.1", world.port())).await.unwrap();
    let head = format!(
        "PATCH {path} HTTP/1.1\r\nHost: x\r\nTus-Resumable: 1.0.0\r\nUpload-Offset: {offset}\r\n\
         Content-Type: {CONTENT}\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n"
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    stream.write_all(bytes).await.unwrap();
    stream
}

/// Reads an answer until the server closes.
pub(super) async fn read_to_end(stream: &mut TcpStream) -> String {
    let mut bytes = Vec::new();
    let read = tokio::time::timeout(SOON, stream.read_to_end(&mut bytes)).await;
    read.expect("the server keeps the connection open").unwrap();
    String::from_utf8(bytes).unwrap()
}

/// Waits until an upload has its job, and returns the id.
pub(super) async fn job(client: &Client, path: &str) -> String {
    wait::until("the upload to have a job", SOON, async || {
        let head = head(client, path).await;
        let id = head.header("x-job-id").to_owned();
        (!id.is_empty()).then_some(id)
    })
    .await
}

/// Waits for the transcript of a job.
pub(super) async fn transcript(client: &Client, job: &str, within: Duration) -> String {
    let path = format!("/v1/jobs/{job}/transcript");
    let transcript = wait::until("the transcript", within, async || {
        let answer = client.get(&path).await;
        (answer.status != 409).then_some(answer)
    });
    transcript.await.ok()["text"].as_str().unwrap().to_owned()
}

/// The keys of the parts that are stored.
pub(super) async fn parts(world: &World) -> Vec<String> {
    let names = world.object_names().await;
    names.into_iter().filter(|name| name.starts_with("parts/")).collect()
}

/// The bytes that are counted, without asking the API, which would take the upload from whoever is sending.
pub(super) async fn received(world: &World, path: &str) -> usize {
    let id = path.rsplit('/').next().unwrap().parse().unwrap();
    world.store().await.upload(id).await.unwrap().unwrap().received as usize
}

/// SHA-256 in lower-case hexadecimal.
pub(super) fn sha256(bytes: &[u8]) -> String {
    use sha2::Digest;
    sha2::Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The same of a file.
pub(super) fn sha256_of_file(file: &std::path::Path) -> String {
    use sha2::Digest;
    let mut hash = sha2::Sha256::new();
    let mut file = std::fs::File::open(file).unwrap();
    let mut block = vec![0; 1 << 20];
    while let read @ 1.. = std::io::Read::read(&mut file, &mut block).unwrap() {
        hash.update(&block[..read]);
    }
    hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
}
