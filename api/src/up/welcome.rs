//! The first proof: a recording through the real endpoint over HTTP, and what to type next.

use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, bail};
use reqwest::multipart::{Form, Part};

use super::console::Console;
use crate::settings::UpSettings;

const TIMEOUT: Duration = Duration::from_secs(600);

/// Transcribes the recording of the settings, if there is one, and prints what it says.
///
/// # Errors
/// If it cannot be transcribed, or its transcript is empty.
pub(super) async fn prove(
    settings: &UpSettings,
    console: &Console,
    address: SocketAddr,
) -> anyhow::Result<()> {
    let Some(recording) = &settings.recording else { return Ok(()) };
    let key_file = settings.serve.common.key_file();
    let transcript = transcribe(&url(address), recording, &key_file).await?;
    console.step(&format!("{} says:", recording.display()));
    console.line("");
    for line in transcript.lines() {
        console.line(&format!("    {line}"));
    }
    console.line("");
    if transcript.trim().is_empty() {
        bail!("the transcript of {} is empty", recording.display());
    }
    Ok(())
}

/// Says what can be done now.
pub(super) fn greet(settings: &UpSettings, console: &Console, address: SocketAddr) -> anyhow::Result<()> {
    let example = match &settings.recording {
        Some(recording) => std::path::absolute(recording)?.display().to_string(),
        None => "recording.mp3".to_owned(),
    };
    let key = if settings.serve.api.serves_anonymous() {
        String::new()
    } else {
        let key_file = std::path::absolute(settings.serve.common.key_file())?;
        format!(" -H \"Authorization: Bearer $(cat '{}')\"", key_file.display())
    };
    console.line(&format!("Steno listens on http://{address}. Try it from another terminal:"));
    console.line("");
    console.line(&format!("    curl -F file=@'{example}' -F response_format=txt{key} {}", url(address)));
    console.line("");
    console.line(&format!("Or speak, in a browser on this machine: http://{address}/live"));
    console.line("");
    console.line("Ctrl-C stops it; no job is lost.");
    Ok(())
}

fn url(address: SocketAddr) -> String {
    format!("http://{address}/v1/transcribe")
}

async fn transcribe(url: &str, recording: &Path, key_file: &Path) -> anyhow::Result<String> {
    let bytes = tokio::fs::read(recording)
        .await
        .with_context(|| format!("cannot read the recording {}", recording.display()))?;
    let name = recording.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let form = Form::new().part("file", Part::bytes(bytes).file_name(name)).text("response_format", "txt");
    let client = reqwest::Client::builder().no_proxy().timeout(TIMEOUT).build()?;
    let mut request = client.post(url).multipart(form);
    // With the key where there is one: it serves where nobody is served without.
    if let Ok(key) = tokio::fs::read_to_string(key_file).await {
        request = request.bearer_auth(key.trim());
    }
    let response = request.send().await.context("the API does not answer")?;
    let status = response.status();
    let text = response.text().await.context("the answer breaks off")?;
    if !status.is_success() {
        bail!("the recording was not transcribed: {status} {text}");
    }
    Ok(text)
}
