//! Helper tasks that end with their owner.

use tokio::task::JoinHandle;

/// Ends the task when dropped, so that no helper outlives the link it serves.
#[derive(Debug)]
pub(super) struct AbortOnDrop(JoinHandle<()>);

impl AbortOnDrop {
    /// Starts `future` on this shard.
    pub(super) fn spawn_local(future: impl Future<Output = ()> + 'static) -> Self {
        Self(tokio::task::spawn_local(future))
    }
}

impl Drop for AbortOnDrop {
    fn drop(&mut self) {
        self.0.abort();
    }
}
