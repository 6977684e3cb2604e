//! An event on its way out: encoded once, and compressed at most once, however many receive it.

use std::sync::Arc;

use tokio::sync::OnceCell;
use tokio_tungstenite::tungstenite::Utf8Bytes;

use crate::{
    metrics::{Label, Metrics},
    net::{Deflated, Event},
};

/// Frames of up to so many bytes are never compressed, whatever the settings: they have no room for it.
pub const SMALL: usize = 256;

/// An encoded event. Cheap to clone: all who receive it share its bytes, in both forms.
#[derive(Debug, Clone)]
pub struct Frame(Form);

#[derive(Debug, Clone)]
enum Form {
    /// It goes out as it is.
    Text(Utf8Bytes),
    /// It may go out compressed.
    Large(Arc<Large>),
}

#[derive(Debug)]
struct Large {
    text: Utf8Bytes,
    /// Made when the first connection that can take it writes it; `None` in it: it would be no smaller.
    compressed: OnceCell<Option<Deflated>>,
}

impl From<String> for Frame {
    fn from(text: String) -> Self {
        if text.len() <= SMALL {
            Self(Form::Text(text.into()))
        } else {
            Self(Form::Large(Arc::new(Large { text: text.into(), compressed: OnceCell::new() })))
        }
    }
}

impl Frame {
    /// Bytes of its text, which bound what goes out in either form.
    pub fn size(&self) -> usize {
        self.text().len()
    }

    /// Its text.
    pub fn text(&self) -> &Utf8Bytes {
        match &self.0 {
            Form::Text(text) => text,
            Form::Large(large) => &large.text,
        }
    }

    /// The same, never to be compressed.
    #[must_use]
    pub fn as_text(self) -> Self {
        match self.0 {
            Form::Text(_) => self,
            Form::Large(large) => Self(Form::Text(large.text.clone())),
        }
    }
}

/// Chooses the form in which frames go out.
#[derive(Debug, Clone)]
pub struct Compressor {
    /// Frames above this are compressed.
    above: usize,
    metrics: Arc<Metrics>,
}

impl Compressor {
    /// For frames of more than `above` bytes.
    pub const fn new(above: usize, metrics: Arc<Metrics>) -> Self {
        Self { above, metrics }
    }

    /// The frames as they go out. Where another thread is compressing one of them right now, that is waited for, and
    /// this thread does other things meanwhile.
    pub async fn events(&self, frames: Vec<Frame>) -> Vec<Event> {
        let mut events = Vec::with_capacity(frames.len());
        for frame in frames {
            events.push(self.event(frame).await);
        }
        events
    }

    async fn event(&self, frame: Frame) -> Event {
        let large = match frame.0 {
            Form::Large(large) if large.text.len() > self.above => large,
            Form::Large(large) => return Event::Text(large.text.clone()),
            Form::Text(text) => return Event::Text(text),
        };
        let mut made = false;
        let compressed = large.compressed.get_or_init(async || {
            made = true;
            self.compress(large.text.as_bytes())
        });
        let compressed = compressed.await.clone();
        if made {
            // A turn of its own: what is urgent must not wait for a whole batch.
            tokio::task::yield_now().await;
        }
        let Some(compressed) = compressed else { return Event::Text(large.text.clone()) };
        self.metrics.sent_compressed.inc();
        let event = Event::Compressed(compressed);
        self.metrics.compression_saved_bytes.inc_by((large.text.len() - event.size()) as u64);
        event
    }

    fn compress(&self, text: &[u8]) -> Option<Deflated> {
        let compressed = Deflated::of(text);
        let outcome = if compressed.is_some() { "smaller" } else { "not_smaller" };
        self.metrics.compressed.get_or_create(&Label::of(outcome)).inc();
        compressed
    }
}

#[cfg(test)]
mod tests {
    use fanfare_proto::deflate;

    use super::*;

    fn compressor(above: usize) -> (Compressor, Arc<Metrics>) {
        let metrics = Arc::<Metrics>::default();
        (Compressor::new(above, metrics.clone()), metrics)
    }

    fn times(metrics: &Metrics, outcome: &'static str) -> u64 {
        metrics.compressed.get_or_create(&Label::of(outcome)).get()
    }

    /// As shards do: threads that know nothing of each other.
    #[test]
    fn receivers_on_many_threads_share_one_compression() {
        let (compressor, metrics) = compressor(1024);
        let text = "Gate 4 is open. ".repeat(1000);
        let frame = Frame::from(text.clone());
        let threads: Vec<_> = (0..8)
            .map(|_| {
                let (compressor, frames) = (compressor.clone(), vec![frame.clone(); 25]);
                std::thread::spawn(move || {
                    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
                    runtime.block_on(compressor.events(frames))
                })
            })
            .collect();
        let mut sent = threads.into_iter().flat_map(|thread| thread.join().unwrap());
        let Some(Event::Compressed(first)) = sent.next() else { panic!("compressed") };
        assert_eq!(deflate::inflate(&first.content(), text.len()).unwrap(), text.as_bytes());
        let alike = |event: Event| matches!(event, Event::Compressed(c) if c.message().as_ptr() == first.message().as_ptr());
        assert_eq!(sent.filter(|event| alike(event.clone())).count(), 199, "the same bytes for all");
        assert_eq!(times(&metrics, "smaller"), 1);
        assert_eq!(metrics.sent_compressed.get(), 200);
    }

    #[tokio::test]
    async fn what_is_small_or_must_not_wait_stays_text() {
        let (compressor, metrics) = compressor(1024);
        let kept = ["x".repeat(1024), "x".repeat(SMALL), String::new()];
        let mut frames: Vec<Frame> = kept.clone().map(Frame::from).into();
        frames.push(Frame::from("x".repeat(4096)).as_text());
        let events = compressor.events(frames).await;
        assert!(events.iter().all(|event| matches!(event, Event::Text(_))));
        assert_eq!(times(&metrics, "smaller"), 0);
    }

    #[tokio::test]
    async fn what_would_not_get_smaller_stays_text() {
        let (compressor, metrics) = compressor(SMALL);
        let mut state = 1_u64;
        let noise: String = (0..SMALL + 4)
            .map(|_| {
                state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                char::from((state >> 40) as u8 & 0x7f)
            })
            .collect();
        let events = compressor.events(vec![Frame::from(noise.clone())]).await;
        assert!(matches!(&events[..], [Event::Text(text)] if **text == noise));
        assert_eq!((times(&metrics, "smaller"), times(&metrics, "not_smaller")), (0, 1));
    }

    #[test]
    fn a_frame_is_small() {
        assert_eq!(
            size_of::<Frame>(),
            size_of::<Utf8Bytes>(),
            "it waits in the outboxes of all its receivers"
        );
    }
}
