//! Subcommands, one file each.

mod backup;
mod chat;
mod health;
mod link;
mod migrate;
mod replay;
mod serve;
mod token;
mod transfer;
mod watch;

use std::{
    io::{self, ErrorKind, Write},
    path::PathBuf,
    process::ExitCode,
};

use anyhow::Context;
use clap::{Args, Parser, Subcommand};
use fanfare::config::{Algorithm, Config};

/// A realtime server: WebTransport first, WebSocket where that is not to be had.
#[derive(Debug, Parser)]
#[command(version)]
pub(crate) struct Arguments {
    #[command(flatten)]
    common: Common,
    #[command(subcommand)]
    command: Option<Command>,
}

/// What every subcommand that reads the configuration takes.
#[derive(Debug, Clone, Args)]
struct Common {
    /// Configuration file [default: fanfare.toml, where there is one]
    #[arg(long, global = true, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Folder of the embedded store
    #[arg(long, global = true, value_name = "DIR")]
    data_dir: Option<PathBuf>,
    /// Development: make and keep a secret for tokens in the data folder when none is configured
    #[arg(long, global = true)]
    dev: bool,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Serve (the default)
    Serve(serve::Serve),
    /// Ask the running server whether it takes clients: ends with 0 if it does, with 1 otherwise
    Health(health::Health),
    /// Bring the tables of the CQL database up to date
    Migrate,
    /// Make a token with the configured shared secret
    Token(token::Token),
    /// Play recorded tracks as agents that move now
    Replay(replay::Replay),
    /// Show where agents are
    Watch(watch::Watch),
    /// Chat (times are UTC)
    Chat(chat::Chat),
    /// Write everything that the store keeps to a file, while no server runs on it
    Export(transfer::Export),
    /// Put what `export` wrote into an empty store
    Import(transfer::Import),
    /// Copy the embedded store into a new folder, also while a server runs on it
    Backup(backup::Backup),
    /// Put what `backup` copied into the data folder, while no server runs on it
    Restore(backup::Restore),
}

/// Runs the subcommand. Errors are printed with their causes.
pub(crate) async fn run(arguments: Arguments) -> ExitCode {
    let Arguments { common, command } = arguments;
    let command = command.unwrap_or_else(|| Command::Serve(serve::Serve::default()));
    let done = match command {
        Command::Serve(serve) => serve.run(&common).await,
        Command::Health(health) => health.run(&common).await,
        Command::Migrate => migrate::run(&common),
        Command::Token(token) => token.run(&common),
        Command::Replay(replay) => replay.run(&common).await,
        Command::Watch(watch) => watch.run(&common).await,
        Command::Chat(chat) => chat.run(&common).await,
        Command::Export(export) => export.run(&common).await,
        Command::Import(import) => import.run(&common).await,
        Command::Backup(backup) => backup.run(&common),
        Command::Restore(restore) => restore.run(&common),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        // Who reads our output has seen enough, as `head` does.
        Err(error) if is_broken_pipe(&error) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("fanfare: {}", explain(&error));
            ExitCode::FAILURE
        }
    }
}

/// A line on standard output.
fn say(line: &str) -> io::Result<()> {
    writeln!(io::stdout(), "{line}")
}

/// An error with its causes. Some tell their cause themselves: it is not told again.
fn explain(error: &anyhow::Error) -> String {
    let mut told = error.to_string();
    for cause in error.chain().skip(1).map(ToString::to_string) {
        if !told.ends_with(&cause) {
            told = format!("{told}: {cause}");
        }
    }
    told
}

fn is_broken_pipe(error: &anyhow::Error) -> bool {
    let cause = error.downcast_ref::<io::Error>();
    cause.is_some_and(|error| error.kind() == ErrorKind::BrokenPipe)
}

/// In development somebody's own page may be on whatever port.
const PAGES_OF_THIS_MACHINE: [&str; 6] = [
    "http://localhost:*",
    "https://localhost:*",
    "http://127.0.0.1:*",
    "https://127.0.0.1:*",
    "http://[::1]:*",
    "https://[::1]:*",
];

/// Stands for a development secret where none is made.
const STAND_IN: &str = "no secret, but long enough for one";

impl Common {
    fn load(&self) -> anyhow::Result<Config> {
        self.read(|config| {
            config.auth.secret_file = Some(token::development_secret(&config.data_dir)?);
            Ok(())
        })
    }

    /// The same, to be looked at only: nothing is made.
    fn look(&self) -> anyhow::Result<Config> {
        self.read(|config| {
            let path = token::development_path(&config.data_dir);
            if path.exists() {
                config.auth.secret_file = Some(path);
            } else {
                config.auth.secret = Some(STAND_IN.into());
            }
            Ok(())
        })
    }

    /// `secret` gives it a development secret, where it is to have one.
    fn read(&self, secret: impl FnOnce(&mut Config) -> anyhow::Result<()>) -> anyhow::Result<Config> {
        let mut config = Config::load(self.config.as_deref()).context("configuration")?;
        if let Some(dir) = &self.data_dir {
            config.data_dir.clone_from(dir);
        }
        if self.dev {
            config.origins.extend(PAGES_OF_THIS_MACHINE.map(str::to_owned));
        }
        let auth = &config.auth;
        let keyless = auth.secret.is_none() && auth.secret_file.is_none();
        if self.dev && auth.algorithm == Algorithm::HS256 && keyless {
            secret(&mut config)?;
            let auth = &mut config.auth;
            // Only who reads the data folder can sign with it.
            auth.platform = true;
            // Beside other issuers, whose users are then somebody else.
            if auth.user_prefix.is_empty() && !auth.issuers.is_empty() {
                auth.user_prefix = "dev:".into();
            }
        }
        Ok(config)
    }
}
