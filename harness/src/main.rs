//! `confab-harness`: drives a running server from outside.

use clap::{Parser, Subcommand};
use harness::check;
use harness::demo;
use harness::demo::people::{ROOMS, TEAM};
use harness::demo::script::Size;
use harness::{Error, faults, floor, load};
use std::process::ExitCode;
use std::time::Instant;

/// Drives a running Confab server over its public interface.
#[derive(Debug, Parser)]
#[command(name = "confab-harness", version)]
struct Arguments {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// Fills a server with a believable team. Run twice, it adds nothing.
    Demo {
        /// Where the server is.
        #[arg(long, default_value = "http://127.0.0.1:3000")]
        url: String,
        /// The same seed writes the same messages.
        #[arg(long, default_value_t = 1)]
        seed: u64,
        /// How many people, at most 20.
        #[arg(long, default_value_t = TEAM.len() as u64, value_parser = clap::value_parser!(u64).range(2..=TEAM.len() as u64))]
        people: u64,
        /// How many conversations, at most 12; only those where at least two of the people are members.
        #[arg(long, default_value_t = ROOMS.len() as u64, value_parser = clap::value_parser!(u64).range(1..=ROOMS.len() as u64))]
        conversations: u64,
        /// How many messages in all conversations together.
        #[arg(long, default_value_t = 5000, value_parser = clap::value_parser!(u64).range(0..=1_000_000))]
        messages: u64,
    },
    /// Judges a history that a run has written. Exit 1: a rule is broken; 2: the history cannot be read.
    Check {
        /// The history.
        history: std::path::PathBuf,
    },
    /// Breaks a server of its own in every way it can while people write, and judges what they saw. Exit 1: something
    /// that must be zero is not.
    Faults(faults::Options),
    /// Measures a server of its own, beside bare programs that do the same work, and prints a table.
    Load(load::Options),
    /// Two people who talk beside a crowd: a part of `load`.
    #[command(hide = true)]
    Beside(load::beside::Options),
    /// Runs one of the bare programs by itself.
    Floor {
        /// Which one.
        #[command(subcommand)]
        program: floor::Program,
    },
}

#[tokio::main]
async fn main() -> ExitCode {
    match Arguments::parse().what {
        What::Demo { url, seed, people, conversations, messages } => {
            let [people, conversations, messages] = [people, conversations, messages].map(|n| n as usize);
            play_demo(&url, seed, Size { people, conversations, messages }).await
        }
        What::Load(options) => apart(move || load::run(&options, say)).await,
        What::Beside(options) => apart(move || load::beside::run(&options, say)).await,
        What::Floor { program } => apart(move || floor::run(program, say)).await,
        What::Check { history } => match check::command::run(&history) {
            Ok((verdict, code)) => {
                say(verdict.trim_end());
                code
            }
            Err(error) => {
                eprintln!("confab-harness: {error}");
                ExitCode::from(check::command::UNREADABLE)
            }
        },
        What::Faults(options) => match Box::pin(faults::run(&options, &mut say)).await {
            Ok(true) => ExitCode::SUCCESS,
            Ok(false) => ExitCode::FAILURE,
            Err(error) => {
                eprintln!("confab-harness: the run stopped: {error}");
                ExitCode::FAILURE
            }
        },
    }
}

/// Runs what blocks its thread.
async fn apart(work: impl FnOnce() -> Result<(), Error> + Send + 'static) -> ExitCode {
    let error = match tokio::task::spawn_blocking(work).await {
        Ok(Ok(())) => return ExitCode::SUCCESS,
        Ok(Err(error)) => error.to_string(),
        Err(error) => error.to_string(),
    };
    eprintln!("confab-harness: {error}");
    ExitCode::FAILURE
}

#[expect(clippy::print_stdout, reason = "a tool for the terminal: its answer belongs there")]
fn say(line: &str) {
    println!("{line}");
}

async fn play_demo(url: &str, seed: u64, size: Size) -> ExitCode {
    let begun = Instant::now();
    match demo::play(url, seed, size).await {
        Ok(report) => {
            print(url, size, report, begun);
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("confab-harness: the demo stopped: {error}");
            ExitCode::FAILURE
        }
    }
}

#[expect(clippy::print_stdout, reason = "a tool for the terminal: its answer belongs there")]
fn print(url: &str, size: Size, report: demo::Report, begun: Instant) {
    let demo::Report { accounts, stored, known } = report;
    println!("{accounts} new accounts, {stored} new messages, {known} known ones, {:.1?}", begun.elapsed());
    println!("Sign in at {url}/sign-in as any of these, password {}", demo::PASSWORD);
    for mate in &TEAM[..size.people] {
        println!("  {:<16} {}", mate.username, mate.name);
    }
}
