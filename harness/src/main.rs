//! `confab-harness`: drives a running server from outside.

use clap::{Parser, Subcommand};
use harness::demo;
use harness::demo::people::{ROOMS, TEAM};
use harness::demo::script::Size;
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
}

#[tokio::main]
async fn main() -> ExitCode {
    let What::Demo { url, seed, people, conversations, messages } = Arguments::parse().what;
    let size =
        Size { people: people as usize, conversations: conversations as usize, messages: messages as usize };
    let begun = Instant::now();
    match demo::play(&url, seed, size).await {
        Ok(report) => {
            print(&url, size, report, begun);
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
