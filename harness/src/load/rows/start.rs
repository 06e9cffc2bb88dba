//! Row 14: from nothing to accepting, what an idle server holds, how big the program is.

use crate::Error;
use crate::load::Bench;
use crate::load::latency::Latency;
use crate::load::process::Process;
use crate::load::report::Figure;

/// Start, memory, size.
pub(crate) async fn row_14(bench: Bench<'_>) -> Result<Vec<Figure>, Error> {
    let binary = &bench.options.binary;
    let shelf = bench.library.shelf(bench).await?;
    let mut starts = Latency::default();
    let mut process = Process::on(binary, shelf.folder.path()).await?;
    let repeats = bench.options.size(10, 3);
    for _ in 0..repeats {
        process.stop().await?;
        process.start().await?;
        starts.record(process.started_in);
    }
    process.rest().await?;
    let memory = process.memory()?;
    let (empty, ()) = Process::seeded(binary, |_| Ok(())).await?;
    let size = std::fs::metadata(binary)?.len() as f64 / 1_048_576.0;
    let messages = bench.options.stored();
    Ok(vec![
        Figure::new(
            14,
            format!("start to accepting, {messages} messages stored, p50"),
            "ms",
            starts.p50(),
            repeats,
        )
        .at_most(100.0)
        .times(&starts)
        .note(format!("empty database: {:.1} ms", empty.started_in.as_secs_f64() * 1e3)),
        Figure::new(14, "resident memory, idle", "MiB", memory.resident as f64 / 1_048_576.0, 1)
            .at_most(30.0)
            .note(format!("{:.1} MiB its own", memory.anonymous as f64 / 1_048_576.0)),
        Figure::new(14, "size of the program, the page inside", "MiB", size, 1).at_most(25.0),
    ])
}
