//! `fanfare token`: a token for trying things out, signed with the configured shared secret.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use anyhow::{Context, bail};
use clap::Args;
use fanfare::{
    auth::{Units, jwt, policy::Role},
    config::{Algorithm, Config},
    files,
    store::sqlite,
    time::Clock,
};
use fanfare_proto::{DepartmentId, OrgId, TeamId, UserId, id};

/// Options of `fanfare token`.
#[derive(Debug, Args)]
pub(super) struct Token {
    /// The user
    user: UserId,
    /// The organisation
    #[arg(long, default_value = "demo")]
    org: OrgId,
    /// A role; may be given more than once
    #[arg(long = "role", default_value = "member")]
    roles: Vec<String>,
    /// A department; may be given more than once
    #[arg(long = "department")]
    departments: Vec<DepartmentId>,
    /// A team; may be given more than once
    #[arg(long = "team")]
    teams: Vec<TeamId>,
    /// How long it is valid
    #[arg(long, default_value_t = 24, value_name = "HOURS")]
    hours: u64,
}

impl Token {
    pub(super) fn run(self, common: &super::Common) -> anyhow::Result<()> {
        let config = common.load()?;
        let policy = config.policy()?;
        for role in &self.roles {
            if !policy.knows(role) {
                let own = config.auth.roles.keys().map(String::as_str);
                let known: Vec<_> = Role::ALL.iter().map(|role| role.as_str()).chain(own).collect();
                bail!("no such role: {role} (there are {})", known.join(", "));
            }
        }
        if self.roles.iter().any(|role| role == Role::Platform.as_str()) && !config.auth.platform {
            bail!(
                "the role platform counts only where auth.platform = true, or with --dev and its own secret"
            );
        }
        let units = Units::new(self.departments, self.teams);
        println!("{}", mint(&config, self.user, self.org, self.roles, &units, self.hours)?);
        Ok(())
    }
}

/// Signs a token with the configuration's shared secret.
pub(super) fn mint(
    config: &Config,
    user: UserId,
    org: OrgId,
    roles: Vec<String>,
    units: &Units,
    hours: u64,
) -> anyhow::Result<String> {
    if config.auth.algorithm != Algorithm::HS256 {
        bail!("only a shared secret can sign here; with a public key, tokens come from its owner");
    }
    let now = Clock::system().now().0 / 1000;
    let claims = jwt::Claims {
        roles,
        departments: units.departments().to_vec(),
        teams: units.teams().to_vec(),
        iat: Some(now),
        iss: config.auth.issuer.clone(),
        aud: config.auth.audience.clone(),
        ..jwt::Claims::new(user, org, now + hours * 3600)
    };
    Ok(jwt::mint(&claims, &config.secret()?)?)
}

/// Digits of a development secret.
const SECRET: usize = 64;
/// A shorter one is no secret for HS256: it was cut off. People write longer ones by hand.
const LEAST: usize = 32;

/// Where a data folder's development secret is.
pub(super) fn development_path(data_dir: &Path) -> PathBuf {
    data_dir.join("development.secret")
}

/// The development secret of a data folder, made at first use and readable by its owner only.
///
/// One that is empty or cut off is replaced: tokens made with it count no more, and new ones cost nothing.
pub(super) fn development_secret(data_dir: &Path) -> anyhow::Result<PathBuf> {
    let path = development_path(data_dir);
    let whole = match fs::read(&path) {
        Ok(kept) => Some(kept.trim_ascii().len() >= LEAST),
        Err(error) if error.kind() == io::ErrorKind::NotFound => None,
        Err(error) => return Err(error).with_context(|| path.display().to_string()),
    };
    if whole == Some(true) {
        return Ok(path);
    }
    sqlite::make_dir(data_dir).with_context(|| format!("making {}", data_dir.display()))?;
    let mut bytes = [0; SECRET / 2];
    aws_lc_rs::rand::fill(&mut bytes).context("no random numbers")?;
    let text = id::hex(&bytes);
    let written = if whole.is_some() {
        eprintln!("fanfare: {} is empty or cut off: another secret is made", path.display());
        files::write(&path, text.as_bytes())
    } else {
        // Another process may do the same: then its secret is the one.
        files::write_new(&path, text.as_bytes()).map(drop)
    };
    written.with_context(|| format!("writing {}", path.display()))?;
    Ok(path)
}
