//! A database or broker of one's own, by way of `scripts/services`: started empty, killed, paused, brought back, removed.

use crate::Error;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use tokio::task::spawn_blocking;

/// A private server that is no Confab. Dropped: killed, and its folder removed.
#[derive(Debug)]
pub struct Service {
    script: PathBuf,
    kind: &'static str,
    name: String,
    url: String,
}

impl Service {
    /// Starts an empty one of a kind that the script knows; one of the same name goes first.
    pub async fn start(script: &Path, kind: &'static str, name: String) -> Result<Self, Error> {
        // The script goes to its own folder by itself, so the way to it must hold from anywhere.
        let script = std::fs::canonicalize(script)
            .map_err(|error| Error::Process(format!("{}: {error}", script.display())))?;
        let mut service = Self { script, kind, name, url: String::new() };
        service.ask("start").await?;
        service.url = service.ask("url").await?.trim().to_owned();
        Ok(service)
    }

    /// Its address, the same after every restart.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// What it is: `postgres`, `redis`, `nats` or `kafka`.
    pub fn kind(&self) -> &'static str {
        self.kind
    }

    /// Ends it as a crash does; its data stays.
    pub async fn kill(&self) -> Result<(), Error> {
        self.ask("kill").await.map(drop)
    }

    /// Brings it back on its port with its data, and waits until it answers.
    pub async fn restart(&self) -> Result<(), Error> {
        self.ask("restart").await.map(drop)
    }

    /// Stops its processes where they are; its connections stay open.
    pub async fn pause(&self) -> Result<(), Error> {
        self.ask("pause").await.map(drop)
    }

    /// Lets them go on.
    pub async fn resume(&self) -> Result<(), Error> {
        self.ask("resume").await.map(drop)
    }

    fn command(&self, verb: &str) -> Command {
        let mut command = Command::new(&self.script);
        command.args([verb, self.kind, &self.name]).stdin(Stdio::null());
        command
    }

    async fn ask(&self, verb: &'static str) -> Result<String, Error> {
        let mut command = self.command(verb);
        let output = spawn_blocking(move || command.output()).await;
        let output = output.map_err(|error| Error::Process(error.to_string()))??;
        if output.status.success() {
            return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
        }
        let said = String::from_utf8_lossy(&output.stderr).trim().to_owned();
        Err(Error::Process(format!("{verb} {}: {said}", self.name)))
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        if !self.command("stop").status().is_ok_and(|status| status.success()) {
            eprintln!("{} could not be stopped", self.name);
        }
    }
}
