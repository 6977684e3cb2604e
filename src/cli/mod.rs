//! Subcommands, one file each.

mod serve;
mod token;

use std::{path::PathBuf, process::ExitCode};

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
    /// Make a token with the configured shared secret
    Token(token::Token),
}

/// Runs the subcommand. Errors are printed with their causes.
pub(crate) async fn run(arguments: Arguments) -> ExitCode {
    let Arguments { common, command } = arguments;
    let command = command.unwrap_or_else(|| Command::Serve(serve::Serve::default()));
    let done = match command {
        Command::Serve(serve) => serve.run(&common).await,
        Command::Token(token) => token.run(&common),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("fanfare: {error:#}");
            ExitCode::FAILURE
        }
    }
}

impl Common {
    fn load(&self) -> anyhow::Result<Config> {
        let mut config = Config::load(self.config.as_deref()).context("configuration")?;
        if let Some(dir) = &self.data_dir {
            config.data_dir.clone_from(dir);
        }
        let auth = &config.auth;
        let keyless = auth.secret.is_none() && auth.secret_file.is_none();
        if self.dev && auth.algorithm == Algorithm::HS256 && keyless {
            config.auth.secret_file = Some(token::development_secret(&config.data_dir)?);
        }
        Ok(config)
    }
}
