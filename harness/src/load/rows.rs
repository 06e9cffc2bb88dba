//! The measurements, one function for each row of the list of targets.

mod fan_out;
mod logins;
mod mix;
pub mod reading;
mod sends;
mod sockets;
mod start;

use super::Bench;
use super::report::Figure;
use crate::Error;

/// Number and name of every row, in the order they are measured. 6 and 13 wait for what they measure.
pub const ALL: [(u8, &str); 16] = [
    (1, "memory of an idle socket"),
    (2, "single messages to 1,000 members"),
    (3, "bursts of 16 to 1,000 members"),
    (4, "the last of many receivers"),
    (5, "durable sends"),
    (6, "durable sends on Postgres"),
    (7, "send to ack and to receive, idle"),
    (8, "many logins at once"),
    (9, "everybody comes back at once"),
    (10, "catching up after an absence"),
    (11, "the conversation list"),
    (12, "pages of history"),
    (13, "search"),
    (14, "start, idle memory, size"),
    (19, "bytes stored for a message"),
    (21, "users of a realistic mix"),
];

/// Measures one row.
pub(crate) async fn one(number: u8, bench: Bench<'_>) -> Result<Vec<Figure>, Error> {
    match number {
        1 => sockets::row_1(bench).await,
        2 => fan_out::row_2(bench).await,
        3 => fan_out::row_3(bench).await,
        4 => fan_out::row_4(bench).await,
        5 => sends::row_5(bench).await,
        7 => sends::row_7(bench).await,
        8 => logins::row_8(bench).await,
        9 => sockets::row_9(bench).await,
        10 => reading::row_10(bench).await,
        11 => reading::row_11(bench).await,
        12 => reading::row_12(bench).await,
        14 => start::row_14(bench).await,
        19 => sends::row_19(bench).await,
        21 => mix::row_21(bench).await,
        6 => Err(Error::Process("skipped: this server has no Postgres store".into())),
        13 => Err(Error::Process("skipped: this server has no search".into())),
        _ => Err(Error::Process("no such row".into())),
    }
}
