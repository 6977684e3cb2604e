//! A small queue within one shard. A channel between threads would set aside some kilobytes for each connection.

use std::{
    cell::RefCell,
    collections::VecDeque,
    rc::Rc,
    task::{Context, Poll, Waker},
};

/// A queue of up to `bound` items: what goes in, and what comes out. Each end sees when the other is dropped.
pub(super) fn bounded<T>(bound: usize) -> (Sender<T>, Receiver<T>) {
    let shared = Rc::new(RefCell::new(Shared { items: VecDeque::new(), bound, reader: None, open: true }));
    (Sender(Rc::clone(&shared)), Receiver(shared))
}

#[derive(Debug)]
struct Shared<T> {
    items: VecDeque<T>,
    bound: usize,
    reader: Option<Waker>,
    open: bool,
}

#[derive(Debug)]
pub(super) struct Sender<T>(Rc<RefCell<Shared<T>>>);

impl<T> Sender<T> {
    /// Puts `item` in, or gives it back where the queue is full or nobody reads it.
    pub(super) fn try_send(&self, item: T) -> Result<(), T> {
        let mut shared = self.0.borrow_mut();
        if !shared.open || shared.items.len() >= shared.bound {
            return Err(item);
        }
        shared.items.push_back(item);
        let reader = shared.reader.take();
        drop(shared);
        if let Some(reader) = reader {
            reader.wake();
        }
        Ok(())
    }
}

impl<T> Drop for Sender<T> {
    fn drop(&mut self) {
        let mut shared = self.0.borrow_mut();
        shared.open = false;
        let reader = shared.reader.take();
        drop(shared);
        if let Some(reader) = reader {
            reader.wake();
        }
    }
}

#[derive(Debug)]
pub(super) struct Receiver<T>(Rc<RefCell<Shared<T>>>);

impl<T> Receiver<T> {
    /// The next item; `None` once the sender is gone and the queue empty.
    pub(super) fn poll_recv(&self, cx: &mut Context<'_>) -> Poll<Option<T>> {
        let mut shared = self.0.borrow_mut();
        if let Some(item) = shared.items.pop_front() {
            return Poll::Ready(Some(item));
        }
        if !shared.open {
            return Poll::Ready(None);
        }
        shared.reader = Some(cx.waker().clone());
        Poll::Pending
    }
}

impl<T> Drop for Receiver<T> {
    fn drop(&mut self) {
        // The items go now, not with the sender: some are streams that the peer waits on.
        let items = {
            let mut shared = self.0.borrow_mut();
            shared.open = false;
            std::mem::take(&mut shared.items)
        };
        drop(items);
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;

    use super::*;

    #[tokio::test]
    async fn items_come_out_in_order_and_the_end_is_seen() {
        let (sender, receiver) = bounded(2);
        assert_eq!(sender.try_send(1), Ok(()));
        assert_eq!(sender.try_send(2), Ok(()));
        assert_eq!(sender.try_send(3), Err(3));
        let next = || poll_fn(|cx| receiver.poll_recv(cx));
        assert_eq!(next().await, Some(1));
        let (got, ()) = tokio::join!(async { (next().await, next().await, next().await) }, async {
            tokio::task::yield_now().await;
            assert_eq!(sender.try_send(4), Ok(()));
            tokio::task::yield_now().await;
            drop(sender);
        });
        assert_eq!(got, (Some(2), Some(4), None));
    }

    #[test]
    fn nothing_goes_in_without_a_reader() {
        let (sender, receiver) = bounded(2);
        let item = Rc::new(());
        assert!(sender.try_send(Rc::clone(&item)).is_ok());
        drop(receiver);
        assert_eq!(Rc::strong_count(&item), 1);
        assert!(sender.try_send(item).is_err());
    }
}
