//! A server of model files, which does with each request what a script says.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

/// A request for a file.
#[derive(Debug, Clone)]
pub(super) struct Ask {
    pub(super) path: String,
    /// The first byte that is wanted.
    pub(super) from: Option<usize>,
    /// The version of the file that a part is wanted of.
    pub(super) if_range: Option<String>,
    /// How many requests came before.
    pub(super) nth: usize,
}

/// How a request is answered. Unless changed: well, with what is wanted.
#[derive(Debug, Clone)]
pub(super) struct Serve {
    /// Instead of 200 or 206; then there is no body.
    pub(super) status: Option<u16>,
    /// Further lines of the header.
    pub(super) headers: String,
    /// The version of the file.
    pub(super) tag: Option<&'static str>,
    /// Instead of the hub's file.
    pub(super) content: Option<Vec<u8>>,
    /// Whether parts are served.
    pub(super) ranges: bool,
    /// Whether a part is served of whatever version.
    pub(super) any_version: bool,
    /// Whether the length is announced.
    pub(super) length: bool,
    /// Hangs up after so many bytes.
    pub(super) cut: Option<usize>,
    /// Sends this many bytes and then nothing more.
    pub(super) stall: Option<usize>,
    /// Sends a byte from time to time.
    pub(super) trickle: bool,
}

impl Default for Serve {
    fn default() -> Self {
        Self {
            status: None,
            headers: String::new(),
            tag: Some("\"one\""),
            content: None,
            ranges: true,
            any_version: false,
            length: true,
            cut: None,
            stall: None,
            trickle: false,
        }
    }
}

impl Serve {
    /// An answer without a body.
    pub(super) fn status(status: u16) -> Self {
        Self { status: Some(status), ..Self::default() }
    }
}

/// The running server. It ends when dropped.
#[derive(Debug)]
pub(super) struct Hub {
    address: SocketAddr,
    asked: Arc<Mutex<Vec<Ask>>>,
    task: JoinHandle<()>,
}

impl Hub {
    /// Serves this file at every path.
    pub(super) async fn start(
        content: Vec<u8>,
        script: impl Fn(&Ask) -> Serve + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let (asked, content, script) =
            (Arc::<Mutex<Vec<Ask>>>::default(), Arc::new(content), Arc::new(script));
        let kept = Arc::clone(&asked);
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (asked, content, script) = (Arc::clone(&kept), Arc::clone(&content), Arc::clone(&script));
                tokio::spawn(async move {
                    let mut stream = BufReader::new(stream);
                    let Some(ask) = read(&mut stream, &asked).await else { return };
                    // A client that leaves early is no concern of the server's.
                    let _ = answer(&ask, &script(&ask), &content, stream.get_mut()).await;
                });
            }
        });
        Self { address, asked, task }
    }

    pub(super) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// The requests so far.
    pub(super) fn asked(&self) -> Vec<Ask> {
        self.asked.lock().unwrap().clone()
    }
}

impl Drop for Hub {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn read(stream: &mut BufReader<TcpStream>, asked: &Mutex<Vec<Ask>>) -> Option<Ask> {
    let mut lines = Vec::new();
    loop {
        let mut line = String::new();
        match stream.read_line(&mut line).await.ok()? {
            0 => return None,
            1 | 2 => break,
            _ => lines.push(line.trim_end().to_owned()),
        }
    }
    let header = |name: &str| {
        let named = |line: &&String| line.to_ascii_lowercase().starts_with(&format!("{name}: "));
        lines.iter().find(named).map(|line| line[name.len() + 2..].to_owned())
    };
    let from = header("range").map(|range| {
        let first = range.strip_prefix("bytes=").unwrap().strip_suffix('-').unwrap();
        first.parse().unwrap()
    });
    let path = lines[0].split(' ').nth(1)?.to_owned();
    let mut asked = asked.lock().unwrap();
    let ask = Ask { path, from, if_range: header("if-range"), nth: asked.len() };
    asked.push(ask.clone());
    Some(ask)
}

async fn answer(ask: &Ask, serve: &Serve, content: &[u8], stream: &mut TcpStream) -> std::io::Result<()> {
    let content = serve.content.as_deref().unwrap_or(content);
    let mut head = String::new();
    if let Some(status) = serve.status {
        head.push_str(&format!("HTTP/1.1 {status} Scripted\r\ncontent-length: 0\r\n{}", serve.headers));
        stream.write_all(format!("{head}connection: close\r\n\r\n").as_bytes()).await?;
        return stream.shutdown().await;
    }
    let same = ask.if_range.as_deref().is_none_or(|tag| Some(tag) == serve.tag) || serve.any_version;
    let from = ask.from.filter(|from| serve.ranges && same && *from < content.len());
    let body = &content[from.unwrap_or(0)..];
    match from {
        Some(from) => head.push_str(&format!(
            "HTTP/1.1 206 Partial Content\r\ncontent-range: bytes {from}-{}/{}\r\n",
            content.len() - 1,
            content.len()
        )),
        None => head.push_str("HTTP/1.1 200 OK\r\n"),
    }
    if serve.length {
        head.push_str(&format!("content-length: {}\r\n", body.len()));
    }
    if let Some(tag) = serve.tag {
        head.push_str(&format!("etag: {tag}\r\n"));
    }
    stream.write_all(format!("{head}{}connection: close\r\n\r\n", serve.headers).as_bytes()).await?;
    if serve.trickle {
        for byte in body {
            stream.write_all(&[*byte]).await?;
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
    let end = serve.cut.or(serve.stall).unwrap_or(body.len()).min(body.len());
    stream.write_all(&body[..end]).await?;
    if serve.stall.is_some() {
        std::future::pending::<()>().await;
    }
    stream.shutdown().await
}
