//! Live transcription, over WebSocket.

mod browser;
mod page;
mod sdk;
