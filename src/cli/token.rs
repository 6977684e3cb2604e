//! `fanfare token`: a token for trying things out, signed with the configured shared secret.

use std::{
    io::Write,
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
};

use anyhow::{Context, bail};
use clap::Args;
use fanfare::{
    auth::{Units, jwt, policy::Role},
    config::{Algorithm, Config},
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

/// Where a data folder's development secret is.
pub(super) fn development_path(data_dir: &Path) -> PathBuf {
    data_dir.join("development.secret")
}

/// The development secret of a data folder, made at first use and readable by its owner only.
pub(super) fn development_secret(data_dir: &Path) -> anyhow::Result<PathBuf> {
    let path = development_path(data_dir);
    if !path.exists() {
        sqlite::make_dir(data_dir).with_context(|| format!("making {}", data_dir.display()))?;
        let mut bytes = [0; 32];
        aws_lc_rs::rand::fill(&mut bytes).context("no random numbers")?;
        let text = id::hex(&bytes);
        let file = std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path);
        file.and_then(|mut file| file.write_all(text.as_bytes()))
            .with_context(|| format!("writing {}", path.display()))?;
    }
    Ok(path)
}
