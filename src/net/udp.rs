//! One UDP port served by several threads, each with a socket of its own.
//!
//! A connection's packets must all reach the thread that owns it, also after its client's address changed, so the
//! kernel sorts them by what stays the same: the first byte of the connection id, modulo the number of sockets. The
//! endpoint of each socket gives out ids that lead to itself.

use std::{
    io,
    net::{SocketAddr, UdpSocket},
};

use quinn_proto::{ConnectionId, ConnectionIdGenerator, HashedConnectionIdGenerator, InvalidCid};
use socket2::{Domain, Protocol, Socket, Type};

/// Most sockets of a port: what a byte can tell apart.
const MAX: usize = 256;

/// Binds `count` sockets to `address`, in the order of their numbers. Just one where this system cannot sort.
pub fn bind(address: SocketAddr, count: usize) -> io::Result<Vec<UdpSocket>> {
    let count = if cfg!(target_os = "linux") { count.clamp(1, MAX) } else { 1 };
    let mut sockets: Vec<UdpSocket> = Vec::with_capacity(count);
    for _ in 0..count {
        let address = sockets.first().map_or(Ok(address), UdpSocket::local_addr)?;
        let socket = Socket::new(Domain::for_address(address), Type::DGRAM, Some(Protocol::UDP))?;
        #[cfg(unix)]
        socket.set_reuse_port(count > 1)?;
        socket.bind(&address.into())?;
        sockets.push(socket.into());
    }
    #[cfg(target_os = "linux")]
    if count > 1 {
        sort(&sockets[0], count as u32)?;
    }
    Ok(sockets)
}

/// Tells the kernel which socket of the port a packet is for. See RFC 9000, section 17, for where the id stands.
#[cfg(target_os = "linux")]
fn sort(socket: &UdpSocket, count: u32) -> io::Result<()> {
    use nix::{
        libc::{self, sock_filter, sock_fprog},
        sys::socket::{setsockopt, sockopt::AttachReusePortCbpf},
    };

    const LONG_HEADER: u32 = 0x80;
    const LOAD: u32 = libc::BPF_LD | libc::BPF_B | libc::BPF_ABS;
    let step = |code: u32, jt, jf, k| sock_filter { code: code as u16, jt, jf, k };
    let mut program = [
        step(LOAD, 0, 0, 0),
        step(libc::BPF_JMP | libc::BPF_JSET | libc::BPF_K, 0, 2, LONG_HEADER),
        step(LOAD, 0, 0, 6),
        step(libc::BPF_JMP | libc::BPF_JA, 0, 0, 1),
        step(LOAD, 0, 0, 1),
        step(libc::BPF_ALU | libc::BPF_MOD | libc::BPF_K, 0, 0, count),
        step(libc::BPF_RET | libc::BPF_A, 0, 0, 0),
    ];
    let program = sock_fprog { len: program.len() as u16, filter: program.as_mut_ptr() };
    setsockopt(socket, AttachReusePortCbpf, &program).map_err(io::Error::from)
}

/// Gives out connection ids that lead to one of the sockets of a port.
pub struct Ids {
    /// Ids that tell whether they were made with the same key.
    made: HashedConnectionIdGenerator,
    socket: u8,
    sockets: usize,
}

impl std::fmt::Debug for Ids {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Ids")
            .field("socket", &self.socket)
            .field("sockets", &self.sockets)
            .finish_non_exhaustive()
    }
}

impl Ids {
    /// Ids of socket number `socket` of `sockets`. Those of earlier lives with the same `key` are known again.
    pub fn new(key: u64, socket: usize, sockets: usize) -> Self {
        Self { made: HashedConnectionIdGenerator::from_key(key), socket: socket as u8, sockets }
    }
}

impl ConnectionIdGenerator for Ids {
    fn generate_cid(&mut self) -> ConnectionId {
        // The first byte is random: this takes as many tries as there are sockets, on average.
        loop {
            let id = self.made.generate_cid();
            if usize::from(id[0]) % self.sockets == usize::from(self.socket) {
                return id;
            }
        }
    }

    fn validate(&self, id: &ConnectionId) -> Result<(), InvalidCid> {
        self.made.validate(id)
    }

    fn cid_len(&self) -> usize {
        self.made.cid_len()
    }

    fn cid_lifetime(&self) -> Option<std::time::Duration> {
        self.made.cid_lifetime()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn ids_lead_to_their_socket() {
        let mut seen = HashSet::new();
        for socket in 0..3 {
            let mut ids = Ids::new(7, socket, 3);
            for _ in 0..100 {
                let id = ids.generate_cid();
                assert_eq!(usize::from(id[0]) % 3, socket);
                assert!(Ids::new(7, 0, 3).validate(&id).is_ok(), "every socket knows the port's ids");
                assert!(seen.insert(id));
            }
        }
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn packets_reach_the_socket_of_their_id() {
        let sockets = bind("127.0.0.1:0".parse().unwrap(), 4).unwrap();
        let to = sockets[0].local_addr().unwrap();
        for socket in &sockets {
            socket.set_nonblocking(true).unwrap();
        }
        let mut received = [0; 64];
        for (number, first) in (0..=255_u8).enumerate() {
            // Each from another port, as after a move.
            let from = UdpSocket::bind("127.0.0.1:0").unwrap();
            let short = [0x40, first, 0, 0, 0, 0, 0, 0, 0, 0];
            let long = [0xc3, 0, 0, 0, 1, 8, first, 0, 0, 0];
            for packet in [short, long] {
                from.send_to(&packet, to).unwrap();
                let (length, _) = sockets[number % 4].recv_from(&mut received).expect("at its socket");
                assert_eq!(received[..length], packet);
            }
        }
    }
}
