//! Other people's servers: what URLs lead to, well and badly behaved.

use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use steno_tests::clips;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};

/// A server on an address of the loopback. It ends with the test.
#[derive(Debug, Clone)]
pub(crate) struct Origin {
    address: SocketAddr,
    hits: Arc<Mutex<Vec<String>>>,
}

impl Origin {
    /// Starts one.
    pub(crate) async fn start(ip: [u8; 4]) -> Self {
        let listener = TcpListener::bind((IpAddr::from(ip), 0)).await.unwrap();
        let origin = Self { address: listener.local_addr().unwrap(), hits: Arc::default() };
        let serving = origin.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let origin = serving.clone();
                // A client that leaves early is no concern of the server's.
                tokio::spawn(async move { origin.serve(stream).await.unwrap_or_default() });
            }
        });
        origin
    }

    /// The URL of a path.
    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    pub(crate) fn port(&self) -> u16 {
        self.address.port()
    }

    /// The targets of all requests so far.
    pub(crate) fn hits(&self) -> Vec<String> {
        self.hits.lock().unwrap().clone()
    }

    async fn serve(&self, stream: TcpStream) -> std::io::Result<()> {
        let mut stream = BufReader::new(stream);
        let mut lines = Vec::new();
        loop {
            let mut line = String::new();
            if stream.read_line(&mut line).await? <= 2 {
                break;
            }
            lines.push(line);
        }
        let Some(target) = lines.first().and_then(|line| line.split(' ').nth(1)) else { return Ok(()) };
        let earlier = self.hits().iter().filter(|hit| *hit == target).count();
        self.hits.lock().unwrap().push(target.to_owned());
        answer(target, earlier, stream.get_mut()).await?;
        stream.get_mut().shutdown().await
    }
}

/// Writes the answer to the request for `target`, which was made so often before.
async fn answer(target: &str, earlier: usize, stream: &mut TcpStream) -> std::io::Result<()> {
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let clip = std::fs::read(clips::heldout()[0].path())?;
    let header = |status: &str, more: &str| format!("HTTP/1.1 {status}\r\nconnection: close\r\n{more}\r\n");
    let whole = |more: &str| header("200 OK", &format!("content-length: {}\r\n{more}", clip.len()));
    if let Some(status) = path.strip_prefix("/status/") {
        let head = header(&format!("{status} Status"), "content-length: 0\r\n");
        return stream.write_all(head.as_bytes()).await;
    }
    if let Some(rest) = path.strip_prefix("/hops/") {
        let left: u32 = rest.parse().unwrap();
        let next = if left == 0 { "/x/clip.flac".to_owned() } else { format!("/hops/{}", left - 1) };
        let head = header("307 Temporary Redirect", &format!("location: {next}\r\n"));
        return stream.write_all(head.as_bytes()).await;
    }
    match path {
        "/to" => stream.write_all(header("302 Found", &format!("location: {query}\r\n")).as_bytes()).await,
        "/named" => {
            let name = "content-disposition: attachment; filename=\"../in/Talk.flac\"\r\n";
            stream.write_all(whole(name).as_bytes()).await?;
            stream.write_all(&clip).await
        }
        "/unavailable-once" if earlier == 0 => {
            stream.write_all(header("503 Service Unavailable", "").as_bytes()).await
        }
        "/broken" => {
            stream.write_all(whole("").as_bytes()).await?;
            stream.write_all(&clip[..clip.len() / 2]).await
        }
        "/broken-once" | "/stalled-once" if earlier == 0 => {
            stream.write_all(whole("").as_bytes()).await?;
            stream.write_all(&clip[..clip.len() / 2]).await?;
            if path == "/stalled-once" {
                std::future::pending::<()>().await;
            }
            Ok(())
        }
        "/silent" => std::future::pending().await,
        "/stalled" => {
            stream.write_all(whole("").as_bytes()).await?;
            std::future::pending().await
        }
        "/large" => {
            let head = header("200 OK", "content-length: 99999999999\r\n");
            stream.write_all(head.as_bytes()).await?;
            std::future::pending().await
        }
        "/endless" => {
            stream.write_all(header("200 OK", "").as_bytes()).await?;
            loop {
                stream.write_all(&[0; 64 * 1024]).await?;
            }
        }
        "/trickle" => {
            stream.write_all(header("200 OK", "").as_bytes()).await?;
            loop {
                stream.write_all(b"x").await?;
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        }
        "/empty" => stream.write_all(header("200 OK", "content-length: 0\r\n").as_bytes()).await,
        "/page" => {
            let page = "<!doctype html><html><body>not a recording</body></html>";
            let head = header("200 OK", &format!("content-length: {}\r\n", page.len()));
            stream.write_all(format!("{head}{page}").as_bytes()).await
        }
        _ => {
            stream.write_all(whole("").as_bytes()).await?;
            stream.write_all(&clip).await
        }
    }
}
