//! `fanfare replay`: plays recorded tracks as agents that move now.

mod agent;
mod progress;
mod read;
mod tally;
mod track;

use std::{net::Ipv6Addr, path::PathBuf, sync::Arc, time::Duration};

use anyhow::{Context, bail};
use clap::Args;
use fanfare::auth::policy::Role;
use fanfare_client::{
    Config, Token,
    proto::{DepartmentId, DeviceId, OrgId},
    quinn::Endpoint,
};
use tokio::{
    sync::{Semaphore, watch},
    task::JoinSet,
    time::{Instant, interval, sleep_until, timeout},
};

use self::{
    agent::{Agent, Failed, Pace},
    progress::Progress,
    tally::{Tally, Total},
    track::Track,
};
use super::link::{self, Link, Mint};

/// Agents that connect at the same time. Hundreds of handshakes at once would only wait for each other.
const CONNECTING: usize = 16;

/// How often progress is shown on a terminal.
const SHOW: Duration = Duration::from_millis(200);

/// Longest wait for the last packets of closed connections.
const FAREWELL: Duration = Duration::from_secs(2);

/// Options of `fanfare replay`.
#[derive(Debug, Args)]
pub(super) struct Replay {
    /// Tracks: .gpx, or .csv with the columns longitude, latitude, timestamp and name_id, in any order
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    #[command(flatten)]
    link: Link,
    /// How much faster than recorded. Reported speeds stay those of the recording
    #[arg(long, default_value_t = 150.0)]
    speed: f64,
    /// Fixes a second of each agent; places between recorded ones are interpolated
    #[arg(long, default_value_t = 1.0)]
    hz: f64,
    /// Begin each track again when it ends
    #[arg(long = "loop")]
    again: bool,
    /// Play the first so many tracks only
    #[arg(long, value_name = "N")]
    agents: Option<usize>,
    /// End after so many seconds
    #[arg(long, value_name = "SECONDS")]
    duration: Option<f64>,
    /// The agents' organisation
    #[arg(long, default_value = "demo")]
    org: OrgId,
    /// A department of the agents; may be given more than once
    #[arg(long = "department")]
    departments: Vec<DepartmentId>,
    /// Tokens to use instead of minted ones: a file with one a line, for the tracks in their order
    #[arg(long, value_name = "FILE")]
    tokens: Option<PathBuf>,
    /// The time zone of times in .csv files that name none, such as Europe/Berlin. UTC, if not given
    #[arg(long, value_name = "ZONE")]
    zone: Option<read::Zone>,
    /// How often a line is printed where there is no terminal
    #[arg(long, value_name = "SECONDS", default_value_t = 5.0)]
    every: f64,
}

impl Replay {
    pub(super) async fn run(self, common: &super::Common) -> anyhow::Result<()> {
        let pace = self.pace()?;
        let duration = self.duration.map(|s| seconds("--duration", s)).transpose()?;
        let every = seconds("--every", self.every)?;
        let mut tracks = read::tracks(&self.files, self.zone.as_ref(), |told| eprintln!("{told}"))?;
        tracks.truncate(self.agents.unwrap_or(usize::MAX));
        let tokens = self.tokens(common, &tracks)?;
        // Longer than tokens, tracks have nobody to play them.
        tracks.truncate(tokens.len());
        let endpoint = if self.link.may_quic() { Some(endpoint()?) } else { None };

        let mut run = Run {
            tally: Arc::new(Tally::new(tracks.len())),
            stop: watch::Sender::new(false),
            agents: JoinSet::new(),
            failed: Vec::new(),
        };
        let gate = Arc::new(Semaphore::new(CONNECTING));
        let count = tracks.len() as u32;
        for (number, (track, token)) in tracks.into_iter().zip(tokens).enumerate() {
            let config = self.config(&track, token, endpoint.as_ref())?;
            let agent = Agent {
                number,
                track,
                config,
                pace,
                phase: pace.period * number as u32 / count.max(1),
                gate: gate.clone(),
                tally: run.tally.clone(),
                stop: run.stop.subscribe(),
            };
            run.agents.spawn(agent.play());
        }
        let mut progress = Progress::new(duration, every)?;
        run.until_end(duration, &mut progress).await?;
        progress.end();
        let elapsed = progress.elapsed();
        if let Some(endpoint) = endpoint {
            // Whoever does not answer by then is not waited for.
            let _ = timeout(FAREWELL, endpoint.wait_idle()).await;
        }
        summary(&run, elapsed)
    }

    fn pace(&self) -> anyhow::Result<Pace> {
        if !self.speed.is_finite() || self.speed <= 0.0 {
            bail!("--speed must be above 0");
        }
        if !(0.01..=50.0).contains(&self.hz) {
            bail!("--hz must be 0.01 to 50");
        }
        Ok(Pace { speed: self.speed, period: Duration::from_secs_f64(1.0 / self.hz), again: self.again })
    }

    fn tokens(&self, common: &super::Common, tracks: &[Track]) -> anyhow::Result<Vec<Token>> {
        if let Some(path) = &self.tokens {
            let text = std::fs::read_to_string(path).with_context(|| path.display().to_string())?;
            let lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
            return Ok(lines.map(Token::fixed).collect());
        }
        let mint = Mint::new(common, self.org.clone())?;
        let token = |track: &Track| mint.token(&track.agent, Role::Agent, &self.departments);
        tracks.iter().map(token).collect()
    }

    fn config(&self, track: &Track, token: Token, endpoint: Option<&Endpoint>) -> anyhow::Result<Config> {
        let device = DeviceId::new(&format!("replay-{}", track.agent))?;
        let config = self.link.config(token, device);
        Ok(match endpoint {
            Some(endpoint) => config.endpoint(endpoint.clone()),
            None => config,
        })
    }
}

/// One UDP socket for all agents, for both families where the machine has them.
fn endpoint() -> anyhow::Result<Endpoint> {
    Endpoint::client((Ipv6Addr::UNSPECIFIED, 0).into())
        .or_else(|_| Endpoint::client(([0, 0, 0, 0], 0).into()))
        .context("UDP socket")
}

fn seconds(name: &str, seconds: f64) -> anyhow::Result<Duration> {
    match Duration::try_from_secs_f64(seconds) {
        Ok(duration) if !duration.is_zero() => Ok(duration),
        _ => bail!("{name} must be above 0"),
    }
}

/// A replay under way.
struct Run {
    tally: Arc<Tally>,
    stop: watch::Sender<bool>,
    agents: JoinSet<Result<(), Failed>>,
    failed: Vec<Failed>,
}

impl Run {
    /// Waits until all agents have ended; they do when it is time, or after Ctrl-C. A second one does not wait.
    async fn until_end(&mut self, duration: Option<Duration>, progress: &mut Progress) -> anyhow::Result<()> {
        let mut stop = link::Stop::new()?;
        let end = duration.map(|duration| Instant::now() + duration);
        let mut show = interval(SHOW);
        loop {
            let stopping = *self.stop.borrow();
            tokio::select! {
                ended = self.agents.join_next() => match ended {
                    Some(Ok(Ok(()))) => {}
                    Some(Ok(Err(failed))) => self.failed.push(failed),
                    Some(Err(error)) => bail!("an agent's task ended: {error}"),
                    None => return Ok(()),
                },
                () = until(end), if !stopping => {
                    self.stop.send_replace(true);
                }
                () = stop.asked() => {
                    if stopping {
                        return Ok(());
                    }
                    progress.say("ending: waiting for the last fixes to be stored (again Ctrl-C: at once)");
                    self.stop.send_replace(true);
                }
                _ = show.tick() => progress.show(self.tally.total()),
            }
        }
    }
}

async fn until(end: Option<Instant>) {
    match end {
        Some(end) => sleep_until(end).await,
        None => std::future::pending().await,
    }
}

fn summary(run: &Run, elapsed: Duration) -> anyhow::Result<()> {
    let Total { agents, count, .. } = run.tally.total();
    super::say(&format!("{agents} agents in {:.1} s: {count}", elapsed.as_secs_f64()))?;
    if let Some(first) = run.failed.first() {
        bail!("{} of {agents} agents failed, the first: {first}", run.failed.len());
    }
    match count.unknown() {
        0 => Ok(()),
        fixes => bail!("{fixes} fixes are not known to be stored"),
    }
}
