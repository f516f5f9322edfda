//! From decoded samples to the finished object.

use bytes::Bytes;
use steno_shared::object::{ObjectError, ObjectKey, ObjectStore, Stored};
use tokio::fs::File;
use tokio::io::AsyncReadExt;

use crate::verdict::Decoded;

/// Frames that are read at once.
const FRAMES: usize = 32 * 1024;

impl Decoded {
    /// Finishes the object, and says how many channels it has: of channels that are all the same, one is kept.
    /// That they are shows at the end only, so what was stored is then written once more.
    ///
    /// # Errors
    /// If it cannot be stored.
    pub async fn finish(self, objects: &dyn ObjectStore, key: &ObjectKey) -> Result<u16, ObjectError> {
        self.writer.finish().await?;
        if self.channels == 1 || !self.is_uniform {
            return Ok(self.channels);
        }
        keep_one(objects, key, usize::from(self.channels)).await?;
        Ok(1)
    }
}

/// Replaces an object of several channels by the first of them.
async fn keep_one(objects: &dyn ObjectStore, key: &ObjectKey, channels: usize) -> Result<(), ObjectError> {
    let stored = objects.local(key).await?;
    let unreadable = ObjectError::io("read the channels of samples");
    let mut file = File::open(stored.path()).await.map_err(&unreadable)?;
    let mut writer = objects.create(key).await?;
    let mut block = vec![0; FRAMES * 2 * channels];
    loop {
        let mut filled = 0;
        loop {
            match file.read(&mut block[filled..]).await.map_err(&unreadable)? {
                0 => break,
                count => filled += count,
            }
        }
        let first = block[..filled].chunks_exact(2 * channels).flat_map(|frame| [frame[0], frame[1]]);
        writer.write(first.collect::<Bytes>()).await?;
        if filled < block.len() {
            break;
        }
    }
    writer.finish().await.map(|_: Stored| ())
}
