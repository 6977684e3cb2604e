//! A UDP socket that lets packets gather for a moment under load.
//!
//! Each packet taken alone costs a wake-up of the endpoint, one of the connection's thread, and a system call. Packets of
//! many quiet peers come evenly spread, so while packets come, what arrives within [`MOMENT`] is taken together. A
//! packet after a silence is taken at once.

use std::{
    fmt, io,
    net::SocketAddr,
    pin::Pin,
    sync::{Arc, Mutex, PoisonError},
    task::{Context, Poll, ready},
    time::Duration,
};

use quinn::{
    AsyncUdpSocket, Runtime, UdpPoller,
    udp::{RecvMeta, Transmit},
};
use tokio::time::{Sleep, sleep};

/// How long packets gather: much less than anybody notices, and longer than it takes to handle a few.
const MOMENT: Duration = Duration::from_millis(2);

/// The socket.
pub struct Gathering {
    socket: Arc<dyn AsyncUdpSocket>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// Packets have come since the last wait, so more are likely.
    busy: bool,
    waiting: Option<Pin<Box<Sleep>>>,
}

impl Gathering {
    /// Wraps a socket for use with `runtime`.
    pub fn new(socket: std::net::UdpSocket, runtime: &dyn Runtime) -> io::Result<Arc<Self>> {
        Ok(Arc::new(Self { socket: runtime.wrap_udp_socket(socket)?, state: Mutex::default() }))
    }
}

impl fmt::Debug for Gathering {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Gathering").field(&self.socket).finish()
    }
}

impl AsyncUdpSocket for Gathering {
    fn create_io_poller(self: Arc<Self>) -> Pin<Box<dyn UdpPoller>> {
        self.socket.clone().create_io_poller()
    }

    fn try_send(&self, transmit: &Transmit<'_>) -> io::Result<()> {
        self.socket.try_send(transmit)
    }

    fn poll_recv(
        &self,
        cx: &mut Context<'_>,
        bufs: &mut [io::IoSliceMut<'_>],
        meta: &mut [RecvMeta],
    ) -> Poll<io::Result<usize>> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        loop {
            if let Some(waiting) = &mut state.waiting {
                ready!(waiting.as_mut().poll(cx));
                state.waiting = None;
            }
            match self.socket.poll_recv(cx, bufs, meta) {
                Poll::Ready(received) => {
                    state.busy = true;
                    return Poll::Ready(received);
                }
                Poll::Pending if state.busy => {
                    state.busy = false;
                    state.waiting = Some(Box::pin(sleep(MOMENT)));
                }
                // The socket wakes us at the next packet.
                Poll::Pending => return Poll::Pending,
            }
        }
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.socket.local_addr()
    }

    fn max_transmit_segments(&self) -> usize {
        self.socket.max_transmit_segments()
    }

    fn max_receive_segments(&self) -> usize {
        self.socket.max_receive_segments()
    }

    fn may_fragment(&self) -> bool {
        self.socket.may_fragment()
    }
}
