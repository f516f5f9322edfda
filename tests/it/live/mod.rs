//! Live transcription, over WebSocket.

mod browser;
mod documented;
mod page;
mod sdk;
