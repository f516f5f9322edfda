//! A server that answers by a script, for what a real one does only when something is wrong: it hangs up, is
//! busy, refuses before the body has come.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

/// A request, read to its end unless the script did not want its body.
#[derive(Debug, Clone)]
pub struct Request {
    /// Such as `POST`.
    pub method: String,
    /// Path and query.
    pub path: String,
    /// Lines of the header, names in lower case.
    pub headers: Vec<(String, String)>,
    /// The body, without the marks of chunks.
    pub body: Vec<u8>,
}

/// What the server does with a request.
#[derive(Debug, Clone)]
pub enum Act {
    /// Answers: status, further lines of the header, body.
    Answer(u16, Vec<(&'static str, String)>, String),
    /// Answers before the body has come, and then reads on.
    Early(u16, String),
    /// Announces more than it sends.
    BreakOff(String),
    /// Hangs up without an answer.
    HangUp,
    /// Reads no body and says nothing.
    Stall,
    /// Reads on and on and says nothing.
    Swallow,
}

/// The running server. It ends when dropped.
#[derive(Debug)]
pub struct Scripted {
    /// Its address.
    pub url: String,
    record: Arc<Record>,
    task: JoinHandle<()>,
}

/// What has happened so far.
#[derive(Debug, Default)]
struct Record {
    seen: Mutex<Vec<Request>>,
    swallowed: AtomicU64,
}

impl Scripted {
    /// Starts a server. The script is given each request's header, and how many came before to the same address.
    ///
    /// # Panics
    /// If there is no port.
    pub async fn start(script: impl Fn(&Request, usize) -> Act + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let (script, record) = (Arc::new(script), Arc::<Record>::default());
        let kept = Arc::clone(&record);
        let task = tokio::spawn(async move {
            while let Ok((socket, _)) = listener.accept().await {
                let (script, record) = (Arc::clone(&script), Arc::clone(&kept));
                // A client that hangs up ends its own connection alone.
                tokio::spawn(async move { converse(socket, &*script, &record).await });
            }
        });
        Self { url, record, task }
    }

    /// The requests so far with this method and path, without the query.
    ///
    /// # Panics
    /// Never.
    #[must_use]
    pub fn seen(&self, method: &str, path: &str) -> Vec<Request> {
        let all = self.record.seen.lock().unwrap();
        all.iter().filter(|request| request.method == method && request.address() == path).cloned().collect()
    }

    /// How many bytes of bodies were swallowed.
    #[must_use]
    pub fn swallowed(&self) -> u64 {
        self.record.swallowed.load(Ordering::Relaxed)
    }
}

impl Drop for Scripted {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Request {
    /// The path without the query.
    #[must_use]
    pub fn address(&self) -> &str {
        self.path.split('?').next().unwrap_or_default()
    }

    /// A header's value, empty if it is not there.
    #[must_use]
    pub fn header(&self, name: &str) -> &str {
        self.headers.iter().find(|(other, _)| other == name).map_or("", |(_, value)| value)
    }
}

async fn converse(
    mut socket: TcpStream,
    script: &(dyn Fn(&Request, usize) -> Act + Send + Sync),
    record: &Record,
) -> Option<()> {
    let mut bytes = Vec::new();
    let end = loop {
        if let Some(at) = find(&bytes, b"\r\n\r\n") {
            break at + 4;
        }
        if socket.read_buf(&mut bytes).await.ok()? == 0 {
            return None;
        }
    };
    let mut request = parse(std::str::from_utf8(&bytes[..end]).ok()?)?;
    let rest = bytes.split_off(end);
    let before = {
        let seen = record.seen.lock().unwrap();
        let same = |other: &&Request| other.method == request.method && other.address() == request.address();
        seen.iter().filter(same).count()
    };
    let act = script(&request, before);
    if let Act::Answer(..) | Act::BreakOff(_) = act {
        request.body = body(&request, rest, &mut socket).await?;
    }
    record.seen.lock().unwrap().push(request);
    match act {
        Act::Answer(status, headers, body) => write(&mut socket, status, &headers, &body).await,
        Act::Early(status, body) => {
            write(&mut socket, status, &[], &body).await?;
            swallow(&mut socket, record).await
        }
        Act::BreakOff(body) => {
            let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{body}", body.len() + 100);
            socket.write_all(head.as_bytes()).await.ok()
        }
        Act::HangUp => None,
        Act::Stall => std::future::pending().await,
        Act::Swallow => swallow(&mut socket, record).await,
    }
}

async fn swallow(socket: &mut TcpStream, record: &Record) -> Option<()> {
    let mut waste = vec![0; 1 << 18];
    loop {
        match socket.read(&mut waste).await.ok()? {
            0 => return Some(()),
            bytes => record.swallowed.fetch_add(bytes as u64, Ordering::Relaxed),
        };
    }
}

fn parse(head: &str) -> Option<Request> {
    let mut lines = head.lines();
    let mut first = lines.next()?.split(' ');
    let (method, path) = (first.next()?.to_owned(), first.next()?.to_owned());
    let header =
        |line: &str| line.split_once(": ").map(|(name, value)| (name.to_lowercase(), value.to_owned()));
    Some(Request { method, path, headers: lines.filter_map(header).collect(), body: Vec::new() })
}

async fn body(request: &Request, mut bytes: Vec<u8>, socket: &mut TcpStream) -> Option<Vec<u8>> {
    let chunked = request.header("transfer-encoding") == "chunked";
    let length: usize = request.header("content-length").parse().unwrap_or(0);
    while if chunked { !bytes.ends_with(b"0\r\n\r\n") } else { bytes.len() < length } {
        if socket.read_buf(&mut bytes).await.ok()? == 0 {
            return None;
        }
    }
    if !chunked {
        return Some(bytes);
    }
    let (mut whole, mut at) = (Vec::new(), 0);
    loop {
        let line = find(&bytes[at..], b"\r\n")?;
        let size = usize::from_str_radix(std::str::from_utf8(&bytes[at..at + line]).ok()?, 16).ok()?;
        if size == 0 {
            return Some(whole);
        }
        let begin = at + line + 2;
        whole.extend(&bytes[begin..begin + size]);
        at = begin + size + 2;
    }
}

async fn write(socket: &mut TcpStream, status: u16, headers: &[(&str, String)], body: &str) -> Option<()> {
    let mut head =
        format!("HTTP/1.1 {status} Scripted\r\nconnection: close\r\ncontent-length: {}\r\n", body.len());
    for (name, value) in headers {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    socket.write_all(format!("{head}\r\n{body}").as_bytes()).await.ok()?;
    socket.flush().await.ok()
}

/// Where `part` begins.
#[must_use]
pub fn find(bytes: &[u8], part: &[u8]) -> Option<usize> {
    bytes.windows(part.len()).position(|window| window == part)
}
