//! A browser that hears a recording as its microphone: the page /live, and a page as users write theirs.

use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;
use steno_shared::job::Lane;
use steno_tests::browser::Browser;
use steno_tests::clips;
use steno_tests::score::Score;
use steno_tests::world::{Plan, World};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;

/// Ten times what a few words take.
const HEARD: Duration = Duration::from_secs(120);
const WER_PERCENT: f64 = 25.0;
const PAUSE: usize = 16_000;

async fn world() -> World {
    let plan = Plan::default().set("STENO_MODEL_ALIASES", "large-v3-turbo=mini");
    plan.lanes(&[Lane::Stream]).start().await
}

/// Three sentences with pauses between them, and what is said.
fn speech() -> (Vec<i16>, String) {
    let (mut samples, mut said) = (vec![0; PAUSE], Vec::new());
    for clip in clips::heldout().into_iter().filter(|clip| !clip.heldout).take(3) {
        samples.extend(clips::samples(&clip.path()));
        samples.resize(samples.len() + PAUSE, 0);
        said.push(clip.text);
    }
    (samples, said.join(" "))
}

fn is_right(said: &str, heard: &Value) {
    let heard = heard.as_str().unwrap();
    let score = Score::of(said, heard);
    assert!(score.percent() < WER_PERCENT, "{heard:?} instead of {said:?}");
}

fn stays_here(browser: &Browser, more: usize) {
    let here = ["http://127.0.0.1:", "ws://127.0.0.1:", "data:,", "blob:", "about:"];
    let elsewhere: Vec<_> =
        browser.requests().iter().filter(|url| !here.iter().any(|begin| url.starts_with(begin))).collect();
    assert!(elsewhere.is_empty(), "{elsewhere:?}");
    assert!(browser.requests().len() >= more, "{:?}", browser.requests());
    assert!(browser.complaints().is_empty(), "{:?}", browser.complaints());
}

/// Words said, as a condition of the page: that as many as in `said`, or nearly, are in an element.
fn all_said(element: &str, said: &str) -> String {
    let words = said.split_whitespace().count() * 4 / 5;
    format!("document.getElementById('{element}').textContent.split(/\\s+/).length >= {words}")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_page_shows_what_the_microphone_hears() {
    let (samples, said) = speech();
    let world = world().await;
    let mut browser = Browser::start(&samples).await;
    browser.open(&format!("http://127.0.0.1:{}/live?raw=1", world.port())).await;
    assert_eq!(browser.evaluate("document.getElementById('cleaning').checked").await, false);
    browser.until("document.querySelector('#language option[value=en]')", HEARD).await;
    browser.evaluate("document.getElementById('language').value = 'en'").await;
    let count = "void new MutationObserver(() => { globalThis.tails = (globalThis.tails ?? 0) + 1; })\
        .observe(document.getElementById('partial'), { childList: true })";
    browser.evaluate(count).await;

    browser.evaluate("document.getElementById('button').click()").await;
    browser.until("document.getElementById('state').textContent === 'listening'", HEARD).await;
    browser.until(&all_said("text", &said), HEARD).await;
    assert!(browser.evaluate("globalThis.tails").await.as_u64().unwrap() > 0, "no partial text was shown");
    assert_eq!(browser.evaluate("document.getElementById('button').textContent").await, "Stop");

    browser.evaluate("document.getElementById('button').click()").await;
    // It says so once the server's last message is there and the connection closed, and would tell of an error else.
    browser.until("document.getElementById('state').textContent === 'not listening'", HEARD).await;
    assert_eq!(browser.evaluate("document.getElementById('error').hidden").await, true);
    assert_eq!(browser.evaluate("document.getElementById('partial').textContent").await, "");
    is_right(&said, &browser.evaluate("document.getElementById('text').innerText").await);

    // Once more, on the same page: what was there goes, and the microphone is heard anew.
    browser.evaluate("document.getElementById('button').click()").await;
    browser.until("document.querySelectorAll('#text p').length === 0", HEARD).await;
    browser.until("document.querySelectorAll('#text p').length > 0", HEARD).await;
    browser.evaluate("document.getElementById('button').click()").await;
    browser.until("document.getElementById('state').textContent === 'not listening'", HEARD).await;
    stays_here(&browser, 6);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_page_says_in_words_why_it_gets_no_session() {
    // A key is looked at before a worker is looked for.
    let world = Plan::default().lanes(&[]).start().await;
    let mut browser = Browser::start(&[0; 1600]).await;
    browser.open(&format!("http://127.0.0.1:{}/live", world.port())).await;
    assert_eq!(browser.evaluate("document.getElementById('cleaning').checked").await, true);
    for (key, words) in [("not a key", "no key has"), ("sk-unknown", "refused the session")] {
        browser.evaluate(&format!("document.getElementById('key').value = '{key}'")).await;
        browser.evaluate("document.getElementById('button').click()").await;
        browser
            .until(&format!("document.getElementById('error').innerText.includes('{words}')"), HEARD)
            .await;
        browser.until("document.getElementById('state').textContent === 'not listening'", HEARD).await;
    }
}

/// Passes connections on to a server, until it is told to break those that are open.
async fn breakable(to: u16) -> (u16, Arc<Notify>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let breaks = Arc::new(Notify::new());
    let told = Arc::clone(&breaks);
    tokio::spawn(async move {
        while let Ok((mut client, _)) = listener.accept().await {
            let told = Arc::clone(&told);
            tokio::spawn(async move {
                let mut server = TcpStream::connect(("127.0.0.1", to)).await.unwrap();
                tokio::select! {
                    _ = tokio::io::copy_bidirectional(&mut client, &mut server) => {}
                    () = told.notified() => {}
                }
            });
        }
    });
    (port, breaks)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_page_takes_a_broken_session_up_again() {
    let (samples, said) = speech();
    let world = world().await;
    let (port, breaks) = breakable(world.port()).await;
    let mut browser = Browser::start(&samples).await;
    browser.open(&format!("http://127.0.0.1:{port}/live?raw=1")).await;
    browser.until("document.querySelector('#language option[value=en]')", HEARD).await;
    browser.evaluate("document.getElementById('language').value = 'en'").await;
    browser.evaluate("document.getElementById('button').click()").await;
    browser.until("document.querySelectorAll('#text p').length > 0", HEARD).await;
    breaks.notify_waiters();
    browser.until("document.getElementById('state').textContent.includes('broke')", HEARD).await;
    browser.until("document.getElementById('state').textContent === 'listening'", HEARD).await;
    browser.until(&all_said("text", &said), HEARD).await;
    browser.evaluate("document.getElementById('button').click()").await;
    browser.until("document.getElementById('state').textContent === 'not listening'", HEARD).await;
    assert_eq!(browser.evaluate("document.getElementById('error').hidden").await, true);
    // Nothing is missing, and nothing is there twice.
    is_right(&said, &browser.evaluate("document.getElementById('text').innerText").await);
}

/// Serves one page, whatever is asked for, from another origin than the API's.
async fn serve(page: String) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        while let Ok((mut client, _)) = listener.accept().await {
            let mut request = [0; 4096];
            if client.read(&mut request).await.is_ok_and(|read| read > 0) {
                let length = page.len();
                let head = format!(
                    "HTTP/1.1 200 OK\r\ncontent-type: text/html\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n"
                );
                client.write_all((head + &page).as_bytes()).await.unwrap();
            }
        }
    });
    port
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_page_of_someone_elses_works() {
    let (samples, said) = speech();
    let world = world().await;
    let port = serve(std::fs::read_to_string(clips::root().join("tests/browser/sample.html")).unwrap()).await;
    let mut browser = Browser::start(&samples).await;
    browser.open(&format!("http://127.0.0.1:{port}/?server=ws://127.0.0.1:{}", world.port())).await;
    browser.evaluate("listen()").await;
    browser.until(&all_said("text", &said), HEARD).await;
    let ended = browser.evaluate("stop()").await;
    assert_eq!(ended["code"], 1000);
    let messages = ended["messages"].as_array().unwrap();
    assert_eq!(messages[0]["status"], "ready");
    assert_eq!(messages[0]["model"], "mini");
    let partials =
        messages.iter().filter(|message| message["partial"].as_str().is_some_and(|text| !text.is_empty()));
    assert!(partials.clone().count() > 0, "{messages:?}");
    assert!(partials.clone().all(|message| message.get("text").is_none()), "{messages:?}");
    let lasts: Vec<_> = messages.iter().filter(|message| message["is_final"] == true).collect();
    assert_eq!(lasts.len(), 1, "{messages:?}");
    assert_eq!(messages.last().unwrap(), lasts[0]);
    is_right(&said, &browser.evaluate("document.getElementById('text').textContent").await);
    is_right(&said, &lasts[0]["transcript"]);
    stays_here(&browser, 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_program_of_the_documentation_works() {
    let (samples, said) = speech();
    let world = world().await;
    let mut browser = Browser::start(&samples).await;
    browser.open(&format!("http://127.0.0.1:{}/live", world.port())).await;
    browser.evaluate("globalThis.said = []; console.log = (text) => { said.push(text); };").await;
    // What the browser makes of the sound by itself is not what is tested.
    let raw = "{ audio: { echoCancellation: false, noiseSuppression: false, autoGainControl: false } }";
    let program = super::documented::program("js", world.port()).replace("{ audio: true }", raw);
    assert!(program.contains(raw));
    browser.evaluate(&format!("{program}; 0")).await;
    let words = said.split_whitespace().count() * 4 / 5;
    browser.until(&format!("said.join(' ').split(' ').length >= {words}"), HEARD).await;
    browser.evaluate("socket.send(JSON.stringify({ action: 'stop' }))").await;
    browser.until("socket.readyState === WebSocket.CLOSED", HEARD).await;
    is_right(&said, &browser.evaluate("said.join(' ')").await);
}
