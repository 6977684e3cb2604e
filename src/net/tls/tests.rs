use std::{
    fs,
    time::{Duration, SystemTime},
};

use super::*;

const DAY: u64 = 24 * 60 * 60;

#[test]
fn a_development_certificate_is_kept_until_it_nears_its_end() {
    let directory = tempfile::tempdir().unwrap();
    let now = SystemTime::now();
    let later = |days: u64| now + Duration::from_secs(days * DAY);
    let identity = Identity::development(directory.path().join("new"), now).unwrap();
    let first = identity.hashes();
    assert_eq!(first.len(), 1);
    assert!(!identity.refresh(later(9)).unwrap());
    let again = Identity::development(directory.path().join("new"), later(9)).unwrap();
    assert_eq!(again.hashes(), first);
    assert!(identity.refresh(later(10)).unwrap());
    assert_ne!(identity.hashes(), first);
    assert!(!identity.refresh(later(10)).unwrap());
    // Another process finds it renewed.
    assert!(again.refresh(later(10)).unwrap());
    assert_eq!(again.hashes(), identity.hashes());
    // A clock set back by a year: it would not be valid yet.
    let mut past = now - Duration::from_secs(365 * DAY);
    assert!(identity.refresh(past).unwrap());
    past += Duration::from_secs(DAY);
    assert!(!identity.refresh(past).unwrap());
}

#[cfg(unix)]
#[test]
fn only_the_owner_may_read_the_key() {
    use std::os::unix::fs::PermissionsExt;
    let directory = tempfile::tempdir().unwrap();
    Identity::development(directory.path().into(), SystemTime::now()).unwrap();
    let mode = fs::metadata(development::path(directory.path())).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
}

#[test]
fn files_are_taken_when_they_change_and_left_when_they_are_bad() {
    let directory = tempfile::tempdir().unwrap();
    let (chain, key) = (directory.path().join("chain.pem"), directory.path().join("key.pem"));
    let make = || {
        let made = rcgen::generate_simple_self_signed(["a.example".to_owned()]).unwrap();
        (made.cert.pem(), made.signing_key.serialize_pem())
    };
    assert!(matches!(Identity::from_files(chain.clone(), key.clone()), Err(TlsError::Io { .. })));
    let (old, new) = (make(), make());
    fs::write(&chain, &old.0).unwrap();
    fs::write(&key, &old.1).unwrap();
    let identity = Identity::from_files(chain.clone(), key.clone()).unwrap();
    assert!(identity.hashes().is_empty());
    let present = || identity.key.load().cert[0].clone();
    let first = present();
    let now = SystemTime::now();
    assert!(!identity.refresh(now).unwrap());

    // Halfway through a replacement they do not belong together.
    fs::write(&chain, &new.0).unwrap();
    assert!(matches!(identity.refresh(now), Err(TlsError::Content { .. })));
    assert_eq!(present(), first);
    fs::write(&key, &new.1).unwrap();
    assert!(identity.refresh(now).unwrap());
    assert_ne!(present(), first);
    fs::write(&key, "rubbish").unwrap();
    assert!(identity.refresh(now).is_err());
    fs::remove_file(&key).unwrap();
    assert!(identity.refresh(now).is_err());
}
