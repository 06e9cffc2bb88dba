//! A pair that talks beside a crowd, in a process of its own: in the crowd's it would wait until the load has read what ten
//! thousand members were sent, and that is not the server's doing.
//!
//! The process reads who it is from the first line of its input and sends on until the input ends. At every further line it
//! prints what its messages took since the line before.

use super::latency::Latency;
use super::pairs::{Couples, Pairs};
use crate::Error;
use clap::Args;
use std::io::{BufRead, BufReader, Write};
use std::net::SocketAddr;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::task::LocalSet;

/// Longer than any row.
const FOREVER: Duration = Duration::from_secs(3_600);

/// Where and how often.
#[derive(Clone, Debug, Args)]
pub struct Options {
    /// The server.
    #[arg(long)]
    address: SocketAddr,
    /// Messages a second.
    #[arg(long)]
    rate: f64,
}

/// Talks until the input ends. Blocks.
pub fn run(options: &Options, mut tell: impl FnMut(&str)) -> Result<(), Error> {
    let mut first = String::new();
    std::io::stdin().read_line(&mut first)?;
    let couples = Couples::from_line(first.trim())?;
    let (asked, mut asks) = mpsc::channel(1);
    // Ends with the input, or with the process.
    std::thread::spawn(move || {
        for line in std::io::stdin().lines() {
            if line.is_err() || asked.blocking_send(()).is_err() {
                return;
            }
        }
    });
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    LocalSet::new().block_on(&runtime, async {
        let pairs = Pairs::connect(options.address, &couples).await?;
        let answers = async {
            while asks.recv().await.is_some() {
                tell(&pairs.take().received.to_line());
            }
        };
        tokio::select! {
            () = answers => Ok(()),
            failed = pairs.open(options.rate, FOREVER) => failed,
        }
    })
}

/// The process, as the row sees it. Dropped: ended.
#[derive(Debug)]
pub struct Beside {
    child: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
}

impl Beside {
    /// Starts it; it inherits the load's core.
    pub fn start(address: SocketAddr, couples: &Couples, rate: f64) -> Result<Self, Error> {
        let mut child = Command::new(std::env::current_exe()?)
            .args(["beside", "--address", &address.to_string(), "--rate", &rate.to_string()])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let (Some(input), Some(output)) = (child.stdin.take(), child.stdout.take()) else {
            return Err(Error::Process("no standard input or output".into()));
        };
        let mut beside = Self { child, input, output: BufReader::new(output) };
        writeln!(beside.input, "{}", couples.to_line())?;
        Ok(beside)
    }

    /// How long its messages took to the other side since the last call. Blocks for a moment.
    pub fn take(&mut self) -> Result<Latency, Error> {
        writeln!(self.input)?;
        let mut line = String::new();
        if self.output.read_line(&mut line)? == 0 {
            return Err(Error::Process("the pair beside the crowd has ended".into()));
        }
        Latency::from_line(line.trim())
    }
}

impl Drop for Beside {
    fn drop(&mut self) {
        // Already gone is as good.
        let _gone = self.child.kill().and_then(|()| self.child.wait());
    }
}
