//! Where a server is between its start and its end. Who must know watches it.

use tokio::sync::watch;

/// Where a server is. Stages come in this order and do not return.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Stage {
    /// Not all of it runs yet.
    Starting,
    /// It takes clients.
    Serving,
    /// It says that it is not ready, and serves as before.
    Fading,
    /// Nobody is let in; who is here is told to move.
    Moving,
    /// Who is here is closed.
    Closing,
}

/// Tells the stage, and when it changes.
pub type Stages = watch::Receiver<Stage>;

impl Stage {
    /// Whether balancers may send clients.
    pub const fn is_ready(self) -> bool {
        matches!(self, Self::Serving)
    }

    /// Whether clients are let in.
    pub const fn lets_in(self) -> bool {
        !matches!(self, Self::Moving | Self::Closing)
    }
}

/// Waits until nobody is let in any more.
pub async fn moving(stages: &mut Stages) {
    // An error means that the server is gone.
    let _ = stages.wait_for(|stage| !stage.lets_in()).await;
}
