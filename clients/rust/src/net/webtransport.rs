//! WebTransport: requests on one or two streams of ours, events on two of the server's, ticks in datagrams.

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use fanfare_proto::frame::{self, Content};
use tokio::{sync::mpsc, task::JoinSet, time::timeout};
use web_transport_quinn::{RecvStream, SendStream, Session, SessionError, WebTransportError};

use crate::{
    Transport,
    compress::{self, Agreed},
    link::{Ended, Ends, Goodbye, Incoming, Link, goodbye},
};

/// First byte of the server's streams: the lane. Both are read alike, so it is only checked.
const LANES: std::ops::RangeInclusive<u8> = 0..=1;
/// Most streams of the server that are read; it opens two.
const MAX_LANES: usize = 4;
/// Most bytes of requests in one write.
const BATCH: usize = 32 * 1024;
/// What a stream is read in.
const CHUNK: usize = 16 * 1024;
/// Longest goodbye.
const GOODBYE: Duration = Duration::from_secs(1);
/// How long a session may go on without one of its lanes: as long as its end may be on the way.
const LAST_WORD: Duration = Duration::from_secs(1);

/// Makes a session a link. Its stream for requests is opened at once.
pub(super) async fn link(session: Session) -> Result<Link, String> {
    let requests = session.open_bi().await.map_err(|e| e.to_string())?;
    let (link, ends) = Link::new(Transport::WebTransport);
    tokio::spawn(run(session, requests, ends));
    Ok(link)
}

/// Runs until either side closes. The readers end before the last word is passed on, so nothing comes after it.
async fn run(session: Session, requests: (SendStream, RecvStream), ends: Ends) {
    let mut readers = JoinSet::new();
    readers.spawn(accept(session.clone(), ends.incoming.clone()));
    readers.spawn(read_datagrams(session.clone(), ends.incoming.clone()));
    let mut writers = JoinSet::new();
    writers.spawn(write_requests(requests, ends.ordered, ends.agreed));
    writers.spawn(write_urgent(session.clone(), ends.urgent));
    writers.spawn(write_datagrams(session.clone(), ends.packets));

    let ended = tokio::select! {
        error = session.closed() => ended(error),
        said = goodbye(ends.goodbye) => {
            close(&session, said).await;
            return;
        }
        broken = first(&mut readers, &mut writers) => {
            if let Ok(error) = timeout(LAST_WORD, session.closed()).await {
                ended(error)
            } else {
                session.close(u32::from(Goodbye::DONE.code), broken.as_bytes());
                Ended { code: None, reason: broken }
            }
        }
    };
    drop(writers);
    // A reader may wait for room; the client is still taking what came before the end.
    let rest = async { while readers.join_next().await.is_some() {} };
    let _ = timeout(GOODBYE, rest).await;
    let _ = ends.incoming.send(Incoming::Ended(ended)).await;
}

async fn close(session: &Session, said: Goodbye) {
    session.close(u32::from(said.code), said.reason.as_bytes());
    // The library waits for the server's part, but not for ever.
    let _ = timeout(GOODBYE, session.closed()).await;
}

/// Waits for a task to end: none does while all is well. Writers end without a fault when the client goes.
async fn first(readers: &mut JoinSet<String>, writers: &mut JoinSet<Result<(), String>>) -> String {
    loop {
        tokio::select! {
            Some(ended) = readers.join_next() => return ended.unwrap_or_else(|e| e.to_string()),
            Some(ended) = writers.join_next() => match ended {
                Ok(Ok(())) => {}
                Ok(Err(broken)) => return broken,
                Err(panic) => return panic.to_string(),
            },
        }
    }
}

fn ended(error: SessionError) -> Ended {
    match error {
        SessionError::WebTransportError(WebTransportError::Closed(code, reason)) => {
            Ended { code: Some(code), reason }
        }
        other => Ended { code: None, reason: other.to_string() },
    }
}

/// Reads the server's lanes until one of them ends.
async fn accept(session: Session, incoming: mpsc::Sender<Incoming>) -> String {
    let mut lanes = JoinSet::new();
    loop {
        tokio::select! {
            stream = session.accept_uni(), if lanes.len() < MAX_LANES => match stream {
                Ok(stream) => {
                    lanes.spawn(read_lane(stream, incoming.clone()));
                }
                Err(error) => break drain(lanes, error.to_string()).await,
            },
            Some(ended) = lanes.join_next() => {
                let reason = ended.unwrap_or_else(|e| Some(e.to_string()));
                if let Some(reason) = reason {
                    break drain(lanes, reason).await;
                }
            }
        }
    }
}

/// Lets the other lanes hand on what they have.
async fn drain(mut lanes: JoinSet<Option<String>>, reason: String) -> String {
    let rest = async { while lanes.join_next().await.is_some() {} };
    let _ = timeout(LAST_WORD, rest).await;
    reason
}

/// Reads one lane to its end; `None` where the stream is no lane.
async fn read_lane(mut stream: RecvStream, incoming: mpsc::Sender<Incoming>) -> Option<String> {
    let mut lane = [0];
    if stream.read_exact(&mut lane).await.is_err() || !LANES.contains(&lane[0]) {
        return None;
    }
    let mut buffer = BytesMut::new();
    loop {
        match frame::decode(&mut buffer, frame::MAX_EVENT) {
            Ok(Some(content)) => {
                let event = match content {
                    Content::Text(text) => text,
                    Content::Compressed(bytes) => match compress::inflate(&bytes) {
                        Ok(text) => text,
                        Err(error) => return Some(error),
                    },
                };
                if incoming.send(Incoming::Event(event)).await.is_err() {
                    return Some("the client has gone".into());
                }
            }
            Ok(None) => match stream.read_chunk(CHUNK, true).await {
                Ok(Some(chunk)) => buffer.extend_from_slice(&chunk.bytes),
                Ok(None) => return Some("the server ended a lane".into()),
                Err(error) => return Some(error.to_string()),
            },
            Err(error) => return Some(error.to_string()),
        }
    }
}

async fn read_datagrams(session: Session, incoming: mpsc::Sender<Incoming>) -> String {
    loop {
        match session.read_datagram().await {
            // No room: what it held is sent again, or newer by then.
            Ok(packet) => drop(incoming.try_send(Incoming::Packet(packet))),
            Err(SessionError::WebTransportError(WebTransportError::UnknownSession)) => {}
            Err(error) => return error.to_string(),
        }
    }
}

/// Writes requests. The answers come on the server's streams; our stream's other direction stays silent, but
/// dropping it would tell the server to stop.
async fn write_requests(
    (mut stream, _silent): (SendStream, RecvStream),
    texts: mpsc::Receiver<String>,
    agreed: Agreed,
) -> Result<(), String> {
    write(&mut stream, texts, BytesMut::new(), &agreed).await
}

/// Opens the second stream when the first urgent request comes.
async fn write_urgent(session: Session, mut texts: mpsc::Receiver<String>) -> Result<(), String> {
    let Some(first) = texts.recv().await else {
        return Ok(());
    };
    let (mut stream, _silent) = session.open_bi().await.map_err(|e| e.to_string())?;
    stream.set_priority(1).map_err(|e| e.to_string())?;
    let mut buffer = BytesMut::new();
    frame::encode(first.as_bytes(), &mut buffer);
    // What is urgent goes as it is.
    write(&mut stream, texts, buffer, &Agreed::default()).await
}

/// Writes `buffer` and then whatever comes, as much as is there in one go.
async fn write(
    stream: &mut SendStream,
    mut texts: mpsc::Receiver<String>,
    mut buffer: BytesMut,
    agreed: &Agreed,
) -> Result<(), String> {
    loop {
        while buffer.len() < BATCH
            && let Ok(text) = texts.try_recv()
        {
            agreed.frame(&text, &mut buffer);
        }
        if buffer.is_empty() {
            let Some(text) = texts.recv().await else {
                // The client lets go of the link: its goodbye closes the session.
                return Ok(());
            };
            agreed.frame(&text, &mut buffer);
            continue;
        }
        stream.write_chunk(buffer.split().freeze()).await.map_err(|e| e.to_string())?;
    }
}

async fn write_datagrams(session: Session, mut packets: mpsc::Receiver<Vec<u8>>) -> Result<(), String> {
    while let Some(packet) = packets.recv().await {
        match session.send_datagram(Bytes::from(packet)) {
            Ok(()) => {}
            // The path carries no such datagram (any more): its fixes go out again reliably.
            Err(SessionError::SendDatagramError(error)) => {
                tracing::debug!(%error, "datagram not sent");
            }
            Err(error) => return Err(error.to_string()),
        }
    }
    Ok(())
}
