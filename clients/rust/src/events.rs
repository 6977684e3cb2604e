//! The application's end of the stream of events.

use std::{
    pin::Pin,
    task::{Context, Poll},
};

use futures::Stream;
use tokio::sync::mpsc;

use crate::{Cursors, Event, cursors::Move};

/// What the client puts into the queue: an event, and how cursors stand once the application has it.
#[derive(Debug)]
pub(crate) struct Item {
    pub(crate) event: Option<Event>,
    pub(crate) moves: Vec<Move>,
}

/// The events, in order. Ends when the client has ended.
///
/// Take them without delay: when [`Limits::events`](crate::Limits::events) wait, the connection is closed until half
/// of them are taken. Drop this if the application wants none.
#[derive(Debug)]
pub struct Events {
    items: mpsc::Receiver<Item>,
    cursors: Cursors,
}

impl Events {
    pub(crate) fn new(items: mpsc::Receiver<Item>, cursors: Cursors) -> Self {
        Self { items, cursors }
    }

    /// The next event; `None` when the client has ended. Cancel safe.
    pub async fn next(&mut self) -> Option<Event> {
        std::future::poll_fn(|cx| self.poll(cx)).await
    }

    /// Where the device stands after the events taken so far. Kept across a restart and given as
    /// [`Config::cursors`](crate::Config::cursors), what was not taken comes again.
    pub fn cursors(&self) -> &Cursors {
        &self.cursors
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Option<Event>> {
        loop {
            let Poll::Ready(item) = self.items.poll_recv(cx) else {
                return Poll::Pending;
            };
            let Some(item) = item else {
                return Poll::Ready(None);
            };
            for change in item.moves {
                self.cursors.apply(change);
            }
            if let Some(event) = item.event {
                return Poll::Ready(Some(event));
            }
        }
    }
}

impl Stream for Events {
    type Item = Event;
    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Event>> {
        self.poll(cx)
    }
}
