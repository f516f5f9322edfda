//! A server on a port of its own, and an API's end of a link.

use std::sync::Arc;
use std::time::Duration;

use steno_runtime::models::Models;
use steno_shared::live::link::{self, Audio, Frame, VERSION};
use steno_shared::live::{
    ENDPOINT_MS, FailReason, Reply, Request, Resumption, SessionNumber, SessionOptions,
};
use steno_stream::server::Server;
use steno_stream::server::admission::Admission;
use steno_tests::wait;
use tempfile::TempDir;
use tokio::io::AsyncWriteExt;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::scripted::{Loader, Scripted};

/// Ten times what anything here takes on a busy machine.
pub(crate) const SOON: Duration = Duration::from_secs(60);
/// What APIs and workers know.
pub(crate) const SECRET: &str = "stn_the_secret";

/// A running server with an engine that does as it is told.
pub(crate) struct Lab {
    pub(crate) engine: Scripted,
    pub(crate) loader: Loader,
    pub(crate) server: Arc<Server<Scripted>>,
    pub(crate) closing: CancellationToken,
    pub(crate) serving: JoinHandle<()>,
    pub(crate) address: String,
    _folder: TempDir,
}

impl Lab {
    pub(crate) async fn start() -> Self {
        Self::with_grace(SOON).await
    }

    pub(crate) async fn with_grace(grace: Duration) -> Self {
        let folder = TempDir::new().unwrap();
        steno_whisper::bundled::install(folder.path()).unwrap();
        let (engine, loader) = (Scripted::default(), Loader::default());
        let models = Arc::new(Models::new(folder.path().to_owned(), Arc::new(loader.clone())));
        let admission = Admission::new(2000, 64);
        let server = Arc::new(Server::new(engine.clone(), models, SECRET.to_owned(), admission));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let closing = CancellationToken::new();
        let serving = tokio::spawn(Arc::clone(&server).serve(listener, closing.clone(), grace));
        Self { engine, loader, server, closing, serving, address, _folder: folder }
    }

    /// A link that is welcome.
    pub(crate) async fn api(&self) -> Api {
        Api::connect(&self.address, SECRET).await
    }

    /// Waits until there are so many sessions.
    pub(crate) async fn has_sessions(&self, count: usize) {
        let what = format!("{count} sessions");
        wait::until(&what, SOON, async || (self.server.sessions() == count).then_some(())).await;
    }
}

/// An API's end of a link.
pub(crate) struct Api {
    read: OwnedReadHalf,
    write: OwnedWriteHalf,
}

impl Api {
    /// A link on which nothing was said yet.
    pub(crate) async fn dial(address: &str) -> Self {
        let (read, write) = TcpStream::connect(address).await.unwrap().into_split();
        Self { read, write }
    }

    pub(crate) async fn connect(address: &str, secret: &str) -> Self {
        let mut api = Self::dial(address).await;
        api.send(&Request::Hello { version: VERSION, secret: secret.to_owned() }).await;
        assert_eq!(api.next().await, Reply::Welcome);
        api
    }

    pub(crate) async fn send(&mut self, request: &Request) {
        link::write(&mut self.write, request).await.unwrap();
    }

    pub(crate) async fn raw(&mut self, bytes: &[u8]) {
        // The other side may have closed the link already.
        let _ = self.write.write_all(bytes).await;
    }

    /// The next reply; none at the end.
    pub(crate) async fn reply(&mut self) -> Option<Reply> {
        let read = tokio::time::timeout(SOON, link::read::<Reply>(&mut self.read)).await;
        match read.expect("no reply and no end") {
            Ok(Some(Frame::Message(reply))) => Some(reply),
            Ok(Some(Frame::Audio(_))) => panic!("a worker sends no audio"),
            // What was not read has the system end it like this.
            Ok(None) | Err(_) => None,
        }
    }

    pub(crate) async fn next(&mut self) -> Reply {
        self.reply().await.expect("a reply")
    }

    /// The next reply that is not about how far a session is.
    pub(crate) async fn word(&mut self) -> Reply {
        loop {
            match self.next().await {
                Reply::Heard { .. } => {}
                reply => return reply,
            }
        }
    }

    pub(crate) async fn open(&mut self, session: u64) {
        let session = SessionNumber(session);
        self.send(&Request::Open { session }).await;
        assert_eq!(self.word().await, Reply::Opened { session });
    }

    pub(crate) async fn begin(&mut self, session: u64, name: &str) {
        self.begin_at(session, name, None).await;
        assert_eq!(self.word().await, Reply::Ready { session: SessionNumber(session) });
    }

    pub(crate) async fn begin_at(&mut self, session: u64, name: &str, resumption: Option<Resumption>) {
        let options = options("mini", name);
        self.send(&Request::Begin { session: SessionNumber(session), options, resumption }).await;
    }

    pub(crate) async fn audio(&mut self, session: u64, start: u64, samples: &[i16]) {
        let audio = Audio { session: SessionNumber(session), start, samples: samples.to_vec() };
        link::write_audio(&mut self.write, &audio).await.unwrap();
    }

    pub(crate) async fn stop(&mut self, session: u64) {
        self.send(&Request::Stop { session: SessionNumber(session) }).await;
    }

    /// The session fails next, for this reason and with this in the message.
    pub(crate) async fn fails(&mut self, session: u64, reason: FailReason, with: &str) {
        match self.word().await {
            Reply::Failed { session: failed, reason: why, message } => {
                assert_eq!((failed.0, why), (session, reason), "{message}");
                assert!(message.contains(with), "{message}");
            }
            other => panic!("{other:?}"),
        }
    }
}

pub(crate) fn options(model: &str, name: &str) -> SessionOptions {
    SessionOptions {
        model: model.into(),
        language: None,
        endpoint_ms: ENDPOINT_MS,
        partials: true,
        prompt: Some(name.to_owned()),
    }
}
