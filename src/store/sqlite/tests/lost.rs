//! Files that are removed or replaced while the store has them open.

use super::*;

async fn until<F: Future<Output = bool>>(mut holds: impl FnMut() -> F) {
    for _ in 0..300 {
        if holds().await {
            return;
        }
        // Between two looks: the writer's check of its files has no event to wait for.
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("it never came to that");
}

#[tokio::test]
async fn nothing_is_confirmed_that_goes_into_removed_files() {
    for lost in ["core.db", "core.db-wal", ""] {
        let parent = tempfile::tempdir().unwrap();
        let (dir, aside) = (parent.path().join("data"), parent.path().join("aside"));
        let (store, heard) = open(&dir, &Options::default());
        store.append(append(TopicKind::Conversation, 1, 1)).await.unwrap();
        assert_eq!(store.trouble(), None);
        let path = if lost.is_empty() { dir.clone() } else { dir.join(lost) };
        std::fs::rename(&path, &aside).unwrap();
        let refused = store.append(append(TopicKind::Conversation, 2, 1)).await;
        assert!(
            matches!(&refused, Err(StoreError::Unavailable(why)) if why.contains("removed")),
            "{refused:?}"
        );
        assert!(store.trouble().is_some());
        assert_eq!(*heard.seqs.lock().unwrap(), [1], "nobody was told of it");
        // Another one in its place is no better.
        std::fs::write(&path, "").unwrap();
        let refused = store.append(append(TopicKind::Conversation, 2, 1)).await;
        assert!(matches!(&refused, Err(StoreError::Unavailable(_))), "{refused:?}");
        std::fs::remove_file(&path).unwrap();
        // Back in its place it goes on, and the server is ready without anyone's doing.
        std::fs::rename(&aside, &path).unwrap();
        until(async || store.trouble().is_none()).await;
        let stored = store.append(append(TopicKind::Conversation, 2, 1)).await.unwrap();
        assert_eq!(stored.outcomes[0].seq, Seq(2));
    }
}

#[tokio::test]
async fn removed_files_are_noticed_while_nothing_is_written() {
    for lost in ["core.db", "ticks.db", "ticks.db-shm"] {
        let dir = tempfile::tempdir().unwrap();
        let (store, _) = open(dir.path(), &Options::default());
        store.append(append(TopicKind::Conversation, 1, 1)).await.unwrap();
        store.put_fixes(Vec::new()).await.unwrap();
        std::fs::remove_file(dir.path().join(lost)).unwrap();
        until(async || store.trouble().is_some()).await;
    }
}

#[tokio::test]
async fn the_folder_has_one_owner_whatever_becomes_of_its_lock() {
    let dir = tempfile::tempdir().unwrap();
    let (store, _) = open(dir.path(), &Options::default());
    std::fs::remove_file(dir.path().join("lock")).unwrap();
    let second = Sqlite::open(dir.path(), Arc::<Heard>::default(), &Options::default());
    assert!(second.unwrap_err().to_string().contains("in use by another process"));
    store.close().await;
    open(dir.path(), &Options::default());
}
