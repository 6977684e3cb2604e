//! `fanfare watch`: where agents are, live.

mod loss;
mod screen;
mod view;

use std::{
    io::{self, IsTerminal},
    time::Duration,
};

use anyhow::{Context, bail};
use clap::Args;
use fanfare::auth::policy::Role;
use fanfare_client::{
    Change, Client, Positions, Updates,
    proto::{DepartmentId, OrgId, UserId},
};
use tokio::time::{Instant, sleep_until};

use self::{loss::Loss, view::Sort};
use super::link::{self, Link, Mint, Stop};

/// How often the round trip is measured.
const PING: Duration = Duration::from_secs(2);

/// Options of `fanfare watch`.
#[derive(Debug, Args)]
pub(super) struct Watch {
    #[command(flatten)]
    link: Link,
    /// A token, or @ and a file that holds it, instead of one minted for a supervisor
    #[arg(long, value_name = "TOKEN")]
    token: Option<String>,
    /// The organisation, where a token is minted
    #[arg(long, default_value = "demo")]
    org: OrgId,
    /// Agents of this department only
    #[arg(long)]
    department: Option<DepartmentId>,
    /// By what agents are sorted
    #[arg(long, value_enum, default_value_t)]
    sort: Sort,
    /// Wait so long (2 s if not said), print the table once and end
    #[arg(long, value_name = "SECONDS", num_args = 0..=1, default_missing_value = "2")]
    once: Option<f64>,
    /// How often the table is printed where there is no terminal
    #[arg(long, value_name = "SECONDS", default_value_t = 5.0)]
    every: f64,
}

/// A live view, and what is counted about it.
struct Watching {
    client: Client,
    positions: Positions,
    updates: Updates,
    loss: Loss,
}

impl Watch {
    pub(super) async fn run(self, common: &super::Common) -> anyhow::Result<()> {
        let wait = self.once.unwrap_or(self.every);
        let Ok(wait) = Duration::try_from_secs_f64(wait) else {
            bail!("--once and --every must not be below 0");
        };
        let mut watching = self.begin(common).await?;
        let done = if self.once.is_some() {
            watching.print_in(wait, self.sort).await
        } else if io::stdout().is_terminal() && io::stdin().is_terminal() {
            screen::show(&mut watching, self.sort).await
        } else {
            watching.print_every(wait.max(Duration::from_millis(100)), self.sort).await
        };
        watching.client.close().await;
        done
    }

    async fn begin(&self, common: &super::Common) -> anyhow::Result<Watching> {
        let token = if let Some(token) = &self.token {
            link::given(token)?
        } else {
            let mint = Mint::new(common, self.org.clone())?;
            let departments: Vec<_> = self.department.iter().cloned().collect();
            mint.token(&UserId::new("watch")?, Role::Supervisor, &departments)?
        };
        let mut config = self.link.config(token, link::device("watch")?);
        config.limits.ping = PING;
        let (client, events) = Client::connect(config)?;
        // Only positions are wanted.
        drop(events);
        link::opened(&client).await?;
        let positions = client.positions(self.department.clone()).await.context("positions")?;
        // So that even the first headline has a round trip. Without one it says so.
        let _ = client.ping().await;
        let updates = positions.updates();
        Ok(Watching { client, positions, updates, loss: Loss::default() })
    }
}

impl Watching {
    /// Takes the next changes. Cancel safe.
    async fn gather(&mut self) -> anyhow::Result<()> {
        let Some(changes) = self.updates.next().await else {
            bail!("the connection ended: {}", self.headline());
        };
        for change in changes {
            match change {
                Change::Moved(agent) => self.loss.came(&agent.agent_id, agent.time),
                Change::Removed(agent) => self.loss.gone(&agent),
            }
        }
        Ok(())
    }

    fn headline(&self) -> String {
        let state = self.client.state().borrow().clone();
        let agents = self.positions.len();
        view::headline(&state, &self.client.stats(), self.loss.share(), agents)
    }

    /// Watches for a while, then prints.
    async fn print_in(&mut self, wait: Duration, sort: Sort) -> anyhow::Result<()> {
        let end = Instant::now() + wait;
        loop {
            tokio::select! {
                gathered = self.gather() => gathered?,
                () = sleep_until(end) => break,
            }
        }
        let rows = view::rows(self.positions.all(), sort, "");
        super::say(&format!("{}\n{}", self.headline(), view::plain(&rows)))?;
        Ok(())
    }

    async fn print_every(&mut self, every: Duration, sort: Sort) -> anyhow::Result<()> {
        let mut stop = Stop::new()?;
        loop {
            tokio::select! {
                printed = self.print_in(every, sort) => printed?,
                () = stop.asked() => return Ok(()),
            }
            super::say("")?;
        }
    }
}
