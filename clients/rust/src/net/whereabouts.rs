//! What is known of where to go, how long that is believed, and what is done where it is doubted.

use std::{
    pin::pin,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use futures::future::BoxFuture;
use tokio::time::{Instant, sleep, timeout};

/// How long an answer is used. Certificates and their hashes change, so it does not last.
const LASTS: Duration = Duration::from_mins(1);

/// Longest wait for an answer while an older one is at hand.
const REFRESH: Duration = Duration::from_secs(3);

/// Between two questions while it is doubted.
const AGAIN: Duration = Duration::from_secs(1);

/// Asks.
pub(super) type Ask<'a, P> = &'a (dyn Fn() -> BoxFuture<'a, Result<P, String>> + Sync);

/// Where to go, as the last answer said.
#[derive(Debug)]
pub(super) struct Whereabouts<P>(Mutex<Option<Known<P>>>);

#[derive(Debug, Clone)]
struct Known<P> {
    place: P,
    at: Instant,
    /// What was there is lost: it may be elsewhere by now.
    doubted: bool,
}

impl<P: Clone + PartialEq> Whereabouts<P> {
    pub(super) const fn new() -> Self {
        Self(Mutex::new(None))
    }

    /// It is no longer there.
    pub(super) fn forget(&self) {
        self.set(None);
    }

    /// It may no longer be there.
    pub(super) fn doubt(&self) {
        if let Some(known) = &mut *self.0.lock().unwrap_or_else(PoisonError::into_inner) {
            known.doubted = true;
        }
    }

    /// Asks, if nothing is known or that was long ago.
    pub(super) async fn find(&self, ask: Ask<'_, P>) -> Result<P, String> {
        let Some(known) = self.get() else {
            let place = ask().await?;
            self.learn(&place);
            return Ok(place);
        };
        if known.doubted || known.at.elapsed() < LASTS {
            return Ok(known.place);
        }
        // Where it was is better than nowhere.
        Ok(self.asked(ask).await.unwrap_or(known.place))
    }

    /// Goes there. While that is doubted it asks meanwhile, and goes elsewhere as soon as it is told so: to reach for
    /// what is gone may take long, and the place may be right all the same, with nobody there to ask.
    pub(super) async fn reach<'a, T>(
        &self,
        ask: Ask<'_, P>,
        go: impl Fn(P) -> BoxFuture<'a, Result<T, String>>,
    ) -> Result<T, String> {
        let place = self.find(ask).await?;
        let mut going = go(place.clone());
        if !self.get().is_some_and(|known| known.doubted) {
            return going.await;
        }
        loop {
            let (mut asking, mut failed) = (pin!(self.asked(ask)), None);
            let answer = loop {
                tokio::select! {
                    answer = &mut asking => break answer,
                    gone = &mut going, if failed.is_none() => match gone {
                        Ok(reached) => return Ok(reached),
                        Err(error) => failed = Some(error),
                    },
                }
            };
            match (answer, failed) {
                (Ok(other), _) if other != place => return go(other).await,
                (_, Some(error)) => return Err(error),
                (Ok(_), None) => return going.await,
                (Err(_), None) => {}
            }
            tokio::select! {
                gone = &mut going => return gone,
                () = sleep(AGAIN) => {}
            }
        }
    }

    async fn asked(&self, ask: Ask<'_, P>) -> Result<P, String> {
        let place = timeout(REFRESH, ask()).await.map_err(|_| "no answer in time")??;
        self.learn(&place);
        Ok(place)
    }

    fn learn(&self, place: &P) {
        self.set(Some(Known { place: place.clone(), at: Instant::now(), doubted: false }));
    }

    fn get(&self) -> Option<Known<P>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn set(&self, known: Option<Known<P>>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = known;
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

    use super::*;

    /// Places are numbers. To reach one takes as long as the test says, and fails where it says so.
    const OLD: u32 = 1;
    const NEW: u32 = 2;
    /// What it takes until somebody gives up who reaches for what is gone.
    const GIVES_UP: Duration = Duration::from_secs(10);

    fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    async fn after<T>(time: Duration, result: Result<T, &str>) -> Result<T, String> {
        sleep(time).await;
        result.map_err(str::to_owned)
    }

    /// Knows the old place, and doubts it.
    async fn doubting() -> Whereabouts<u32> {
        let known = Whereabouts::new();
        known.find(&|| Box::pin(after(ms(0), Ok(OLD)))).await.unwrap();
        known.doubt();
        known
    }

    /// Tries to get somewhere. What was reached, or why nothing, and after what time.
    async fn reached(
        known: &Whereabouts<u32>,
        old: (Duration, Result<u32, &'static str>),
        answers: impl Fn(usize) -> (Duration, Result<u32, &'static str>) + Sync,
    ) -> (Result<u32, String>, u128) {
        let (start, asked) = (Instant::now(), AtomicUsize::new(0));
        let ask = || -> BoxFuture<'_, _> {
            let (time, answer) = answers(asked.fetch_add(1, Relaxed));
            Box::pin(after(time, answer))
        };
        let go = |place| -> BoxFuture<'_, _> {
            let (time, result) = if place == OLD { old } else { (ms(50), Ok(NEW)) };
            Box::pin(after(time, result))
        };
        (known.reach(&ask, go).await, start.elapsed().as_millis())
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_elsewhere_now_is_reached_at_once() {
        let known = doubting().await;
        let way = reached(&known, (GIVES_UP, Err("nobody")), |_| (ms(20), Ok(NEW))).await;
        assert_eq!(way, (Ok(NEW), 70), "nobody waits for what is gone");
        let way = reached(&known, (GIVES_UP, Err("nobody")), |_| panic!("it is known")).await;
        assert_eq!(way, (Ok(NEW), 50));
        // Also where the old place refuses before there is an answer.
        let way = reached(&doubting().await, (ms(1), Err("refused")), |_| (ms(20), Ok(NEW))).await;
        assert_eq!(way, (Ok(NEW), 70));
    }

    #[tokio::test(start_paused = true)]
    async fn who_has_no_answer_yet_asks_again() {
        let answers = |asked| if asked < 3 { (ms(10), Err("refused")) } else { (ms(10), Ok(NEW)) };
        let way = reached(&doubting().await, (GIVES_UP, Err("nobody")), answers).await;
        assert_eq!(way, (Ok(NEW), 3 * 1010 + 60));
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_still_there_is_reached_without_an_answer() {
        let known = doubting().await;
        let silent = |_| (GIVES_UP * 100, Ok(NEW));
        assert_eq!(reached(&known, (ms(30), Ok(OLD)), silent).await, (Ok(OLD), 30));
        // Told that it is there: it may take its time.
        assert_eq!(reached(&known, (ms(9000), Ok(OLD)), |_| (ms(20), Ok(OLD))).await, (Ok(OLD), 9000));
        assert_eq!(reached(&known, (ms(30), Ok(OLD)), |_| panic!("it is not doubted any more")).await.1, 30);
    }

    #[tokio::test(start_paused = true)]
    async fn where_nobody_is_and_nobody_answers_it_fails_with_what_the_place_said() {
        let way = reached(&doubting().await, (ms(1), Err("refused")), |_| (ms(5), Err("no host"))).await;
        assert_eq!(way, (Err("refused".into()), 5));
        let silent = |_| (GIVES_UP * 100, Ok(NEW));
        let way = reached(&doubting().await, (ms(1), Err("refused")), silent).await;
        assert_eq!(way, (Err("refused".into()), 3000));
        let way = reached(&doubting().await, (ms(1), Err("refused")), |_| (ms(5), Ok(OLD))).await;
        assert_eq!(way, (Err("refused".into()), 5));
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_long_ago_is_asked_for_again_and_used_where_nobody_answers() {
        let known = Whereabouts::new();
        let find = async |time, answer: Result<u32, &'static str>| {
            known.find(&|| Box::pin(after(time, answer))).await
        };
        assert_eq!(find(ms(1), Err("no host")).await, Err("no host".into()), "nothing is known");
        assert_eq!(find(ms(1), Ok(OLD)).await, Ok(OLD));
        assert_eq!(find(ms(1), Ok(NEW)).await, Ok(OLD), "just now");
        tokio::time::advance(LASTS).await;
        assert_eq!(find(GIVES_UP, Ok(NEW)).await, Ok(OLD), "in vain");
        assert_eq!(find(ms(1), Ok(NEW)).await, Ok(NEW));
        known.forget();
        assert_eq!(find(ms(1), Ok(OLD)).await, Ok(OLD));
    }
}
