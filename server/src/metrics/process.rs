//! The process itself, under the names all Prometheus clients give it. What the system does not say is left out.

use super::Page;
use std::time::{SystemTime, UNIX_EPOCH};

/// What the system says of this process.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Process {
    resident: Option<u64>,
    open: Option<usize>,
    most: Option<u64>,
}

impl Process {
    /// Asks `/proc`, where there is one (Linux).
    pub(super) fn read() -> Self {
        let line = |file: &str, start: &str| {
            let text = std::fs::read_to_string(file).ok()?;
            text.lines().find_map(|line| line.strip_prefix(start)?.split_whitespace().next()?.parse().ok())
        };
        Self {
            resident: line("/proc/self/status", "VmRSS:").map(|kib: u64| kib * 1024),
            // One of them is the folder's own.
            open: std::fs::read_dir("/proc/self/fd").ok().map(|open| open.count().saturating_sub(1)),
            most: line("/proc/self/limits", "Max open files"),
        }
    }

    pub(super) fn tell(self, page: &mut Page, started: SystemTime) {
        let started = started.duration_since(UNIX_EPOCH).map(|since| since.as_millis() as f64 / 1e3);
        page.gauge(
            "process_start_time_seconds",
            "When the process began to serve, since 1970.",
            started.ok(),
        );
        page.gauge("process_resident_memory_bytes", "Memory of the process.", self.resident);
        page.gauge("process_open_fds", "Open files and sockets.", self.open);
        page.gauge("process_max_fds", "How many may be open.", self.most);
        page.each("confab_build_info", "gauge", "Always 1.", "version", [(env!("CARGO_PKG_VERSION"), 1)]);
    }
}
