//! A store between the server and the real one, for tests that stop it or cut it off.

/// Makes a store of a type that has a `store` and an `async fn pass(&self, call: &str) -> Result<(), StoreError>`, which is
/// asked before each call. With `shared` it outlives the server: closing it does nothing.
macro_rules! passing {
    ($type:ty) => {
        passing! { $type, |way: &$type| {
            let store = way.store.clone();
            async move { fanfare::store::Store::close(&*store).await }
        } }
    };
    ($type:ty, shared) => {
        passing! { $type, |_: &$type| std::future::ready(()) }
    };
    ($type:ty, $close:expr) => {
        passing! { $type, $close,
            append(append: Append) -> Appended;
            read(topic: &Topic, from: From, limit: usize, max_bytes: usize) -> Page;
            heads(topics: &[Topic]) -> Vec<Head>;
            amend(topic: &Topic, seq: Seq, revision: u32, name: String, data: Bytes) -> u32;
            expire(kind: TopicKind, before: UnixMs) -> u64;
            get(slot: &Slot, now: UnixMs) -> Option<Record>;
            put_by(slot: &Slot, expect: Option<u64>, put: Put, by: Option<UserId>, now: UnixMs) -> u64;
            history(slot: &Slot, after: u64, limit: usize, max_bytes: usize) -> History;
            restore(topic: &Topic, events: Vec<Event>) -> ();
            begin_history(slot: &Slot, last: u64) -> ();
            list(org: &Tenant, kind: RecordKind, partition: &str, after: Option<&str>, limit: usize, now: UnixMs) -> Vec<(String, Record)>;
            put_fixes(fixes: Vec<StoredFix>) -> ();
            track(org: &Tenant, agent: &UserId, span: RangeInclusive<UnixMs>, after: Option<FixKey>, limit: usize) -> Vec<StoredFix>;
            latest(org: &Tenant, since: UnixMs) -> Vec<StoredFix>;
            window(org: &Tenant, among: Option<Arc<BTreeSet<UserId>>>, span: RangeInclusive<UnixMs>, after: Option<WindowKey>, limit: usize) -> Window;
            expire_fixes(class: FixClass, before: UnixMs) -> u64;
            mark(topic: &Topic, user: &UserId, kind: MarkKind, to: Position) -> Mark;
            marks(topic: &Topic) -> Vec<(UserId, Mark)>;
            marks_of(user: &UserId, topics: &[Topic]) -> Vec<Mark>;
            set_timer(timer: Timer) -> ();
            due_timers(now: UnixMs, lease_ms: u64, limit: usize) -> Vec<Timer>;
            clear_timer(key: &str) -> ();
            index_text(topic: &Topic, seq: Seq, text: &str) -> ();
            search_text(topics: &[Topic], query: &str, limit: usize) -> Vec<(Topic, Seq)>;
            begin(topic: &Topic, first: Seq, count: u64) -> ();
            roll(what: Roll, after: Option<String>, limit: usize) -> RollPage;
        }
    };
    ($type:ty, $close:expr, $($name:ident($($arg:ident: $ty:ty),*) -> $answer:ty;)*) => {
        const _: () = {
            use std::{collections::BTreeSet, ops::RangeInclusive, sync::Arc};

            use bytes::Bytes;
            use fanfare::{
                id::{Tenant, Topic},
                store::{
                    Append, Appended, Event, FixClass, FixKey, From, Head, History, Mark, MarkKind, Page, Position, Put, Record,
                    RecordKind, Roll, RollPage, Slot, Store, StoreError, StoredFix, Timer, Window, WindowKey,
                },
            };
            use fanfare_proto::{Seq, TopicKind, UnixMs, UserId};

            #[async_trait::async_trait]
            impl Store for $type {
                $(async fn $name(&self $(, $arg: $ty)*) -> Result<$answer, StoreError> {
                    self.pass(stringify!($name)).await?;
                    self.store.$name($($arg),*).await
                })*

                fn trouble(&self) -> Option<String> {
                    self.store.trouble()
                }

                async fn close(&self) {
                    ($close)(self).await;
                }
            }
        };
    };
}

pub(crate) use passing;
