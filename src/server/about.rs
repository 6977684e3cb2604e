//! What a server is, in its log when it starts. Secrets are no part of it.

use super::{Server, store};
use crate::config::{Algorithm, Config, StoreKind};

/// Open files beside those of connections: databases, sockets, keys.
const OTHERS: u64 = 200;

impl Server {
    /// Says what runs, and with which settings of those that an operator asks for first.
    pub fn log(&self, config: &Config) {
        let tls = match &config.tls.certificate {
            Some(path) => path.display().to_string(),
            None => "none: TCP is plain, QUIC has a development certificate".to_owned(),
        };
        let kind = if config.store.kind == StoreKind::Sqlite { "sqlite" } else { "scylla" };
        tracing::info!(
            version = env!("CARGO_PKG_VERSION"),
            store = kind,
            place = store::name(config),
            shards = self.shards.len(),
            tls,
            auth = auth(config),
            origins = config.origins.join(" "),
            trusted_proxies = config.trusted_proxies.len(),
            "fanfare"
        );
        let (files, wanted) = (open_files(), wanted(config));
        match files {
            Some(files) if files < wanted => tracing::warn!(
                files,
                wanted,
                connections = config.limits.connections,
                "this process may open fewer files than limits.connections and limits.lobby need: raise its limit \
                 (LimitNOFILE of systemd, ulimit -n) or lower the settings"
            ),
            Some(files) => tracing::info!(files, wanted, "open files"),
            None => {}
        }
    }
}

/// Raises the number of files that this process may open to what the system allows it.
pub fn raise_open_files() {
    if let Err(error) = rlimit::increase_nofile_limit(u64::MAX) {
        tracing::debug!(%error, "the limit of open files stays");
    }
}

fn open_files() -> Option<u64> {
    rlimit::Resource::NOFILE.get().ok().map(|(soft, _)| soft)
}

/// Each WebSocket is a file, and so is each connection that has not authenticated yet.
fn wanted(config: &Config) -> u64 {
    (config.limits.connections + config.limits.lobby) as u64 + OTHERS
}

/// Whose tokens count, by name.
fn auth(config: &Config) -> String {
    let auth = &config.auth;
    let key = match auth.algorithm {
        _ if auth.secret.is_none() && auth.secret_file.is_none() && auth.public_key.is_none() => None,
        Algorithm::HS256 => Some("shared secret (HS256)".to_owned()),
        algorithm => Some(format!("public key ({algorithm:?})")),
    };
    let names = auth.issuers.keys().map(|name| format!("issuer {name}"));
    key.into_iter().chain(names).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_limit_is_raised_to_what_the_system_allows() {
        raise_open_files();
        let (soft, hard) = rlimit::Resource::NOFILE.get().unwrap();
        assert!(soft == hard || cfg!(target_os = "macos"), "{soft} of {hard}");
    }

    #[test]
    fn no_secret_is_told() {
        let mut config = Config::default();
        config.auth.secret = Some("a secret that is long enough for HS256".into());
        assert_eq!(auth(&config), "shared secret (HS256)");
    }
}
