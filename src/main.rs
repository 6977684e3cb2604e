//! The program: one binary that serves, and that helps to try and to run what is served.

mod cli;

use clap::Parser;

#[tokio::main]
async fn main() -> std::process::ExitCode {
    cli::run(cli::Arguments::parse()).await
}
