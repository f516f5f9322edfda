//! tuspy, a client that we did not write, over connections that break.

use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use steno_tests::score::Score;
use steno_tests::world::World;
use steno_tests::{clips, is_long_run};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use super::client::{clip, transcript};
use crate::rows;

const MIB: u64 = 1 << 20;
const BREAKS: u64 = 10;
/// What the API's memory may grow by, however large the file.
const ALLOWED: u64 = 64 * MIB;

/// For the hour and a half of a GiB, most of it silence; ten times what it takes.
const DECODED: Duration = Duration::from_secs(900);

/// A proxy that cuts its connections in mid-request, each time another `every` bytes have passed.
#[derive(Debug)]
struct Proxy {
    to: u16,
    every: u64,
    passed: AtomicU64,
    broken: AtomicUsize,
}

impl Proxy {
    async fn start(to: u16, every: u64) -> (u16, Arc<Self>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let proxy = Arc::new(Self { to, every, passed: AtomicU64::new(0), broken: AtomicUsize::new(0) });
        let accepting = Arc::clone(&proxy);
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                tokio::spawn(Arc::clone(&accepting).pass(client));
            }
        });
        (port, proxy)
    }

    async fn pass(self: Arc<Self>, client: TcpStream) {
        let server = TcpStream::connect(("127.0.0.1", self.to)).await.unwrap();
        let (mut client_in, mut client_out) = client.into_split();
        let (mut server_in, mut server_out) = server.into_split();
        let back = tokio::spawn(async move { tokio::io::copy(&mut server_in, &mut client_out).await });
        let mut block = vec![0; 64 * 1024];
        while let Ok(read @ 1..) = client_in.read(&mut block).await {
            let before = self.passed.fetch_add(read as u64, Ordering::SeqCst);
            let breaks = (before + read as u64) / self.every;
            if breaks > before / self.every && breaks <= BREAKS {
                self.broken.fetch_add(1, Ordering::SeqCst);
                // Half a block gets through, and then nothing, either way.
                let _ = server_out.write_all(&block[..read / 2]).await;
                back.abort();
                return;
            }
            if server_out.write_all(&block[..read]).await.is_err() {
                break;
            }
        }
        let _ = server_out.shutdown().await;
        let _ = back.await;
    }
}

/// Speech, then silence up to `bytes`: 48 kHz stereo, so that a large file is of few hours. Silence is a hole.
fn recording(folder: &Path, bytes: u64) -> PathBuf {
    let file = folder.join("long.wav");
    let clip = clip().path();
    clips::ffmpeg(&["-i", clip.to_str().unwrap(), "-ac", "2", "-ar", "48000", "-c:a", "pcm_s16le"], &file);
    let open = std::fs::File::options().write(true).open(&file).unwrap();
    open.set_len(bytes).unwrap();
    let wav = std::fs::read(&file).unwrap();
    let data = wav.windows(4).position(|window| window == b"data").unwrap() as u64;
    for (at, length) in [(4, bytes - 8), (data + 4, bytes - data - 8)] {
        open.write_all_at(&u32::try_from(length).unwrap().to_le_bytes(), at).unwrap();
    }
    file
}

/// What tuspy prints: the upload's address and the job's id. With the API's memory while it ran.
async fn upload(world: &mut World, arguments: &[&str]) -> (String, u64) {
    let python = clips::root().join("target/python/bin/python");
    assert!(python.is_file(), "{} is missing; run: scripts/python.sh", python.display());
    let mut command = Command::new(python);
    command.arg(clips::root().join("tests/python/tus_upload.py")).args(arguments);
    let before = world.api().anonymous_memory();
    let running = tokio::task::spawn_blocking(move || command.output().unwrap());
    let mut most = before;
    while !running.is_finished() {
        most = most.max(world.api().anonymous_memory());
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let output = running.await.unwrap();
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{error}");
    (String::from_utf8(output.stdout).unwrap(), most - before)
}

/// 64 MiB in the plain run, 1 GiB in the long one; with checksums, 64 MiB.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_large_file_arrives_over_ten_broken_connections() {
    let most = if is_long_run() { 1024 * MIB } else { 64 * MIB };
    let folder = tempfile::TempDir::new().unwrap();
    let mut world = World::start().await;
    for (checksum, bytes, chunk) in [("", most, most / 4), ("checksum", 64 * MIB, 2 * MIB)] {
        let file = recording(folder.path(), bytes);
        let (port, proxy) = Proxy::start(world.port(), bytes / (BREAKS + 1)).await;
        let (url, chunk) = (format!("http://127.0.0.1:{port}/v1/uploads"), chunk.to_string());
        let began = Instant::now();
        let (printed, grown) = upload(&mut world, &[file.to_str().unwrap(), &url, &chunk, checksum]).await;
        let (address, id) = printed.trim().split_once(' ').unwrap();
        assert_eq!(address, format!("{url}/{id}"));
        assert_eq!(proxy.broken.load(Ordering::SeqCst) as u64, BREAKS);
        println!(
            "{} MiB by tuspy{} over {BREAKS} broken connections: {:.1} s, the API's memory grew by {} KiB",
            bytes / MIB,
            if checksum.is_empty() { "" } else { " with checksums" },
            began.elapsed().as_secs_f64(),
            grown / 1024
        );
        assert!(grown < ALLOWED, "the API grew by {grown} bytes");
        assert_eq!(rows::upload_sha256(&world, id).await, super::client::sha256_of_file(&file));
        let said = transcript(&world.client(), id, DECODED).await;
        assert!(Score::of(&clip().text, &said).percent() < 50.0, "{said}");
        assert_eq!(world.client().delete(&format!("/v1/jobs/{id}")).await.status, 204);
        world.objects_are_gone().await;
    }
}
