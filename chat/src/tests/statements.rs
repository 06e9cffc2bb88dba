//! Counts the queries of a future, whatever else runs in this process.

use std::sync::Once;
use std::sync::atomic::{AtomicUsize, Ordering};
use tokio::sync::Mutex;
use tracing::field::{Field, Visit};
use tracing::{Event, Instrument, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::layer::{Context, SubscriberExt};
use tracing_subscriber::registry::LookupSpan;

/// Queries run inside the span `counted`: the store's threads enter the span of who asks.
static QUERIES: AtomicUsize = AtomicUsize::new(0);

struct Count;

impl<S: Subscriber + for<'a> LookupSpan<'a>> Layer<S> for Count {
    fn on_event(&self, event: &Event<'_>, context: Context<'_, S>) {
        let counted = context.lookup_current().is_some_and(|span| span.name() == "counted");
        if counted && event.metadata().target() == "sqlx::query" {
            event.record(&mut Self);
        }
    }
}

impl Visit for Count {
    fn record_str(&mut self, field: &Field, value: &str) {
        // Not what opens a connection or ends a snapshot, whenever that is.
        let query = value.starts_with("SELECT") || value.starts_with("WITH");
        if field.name() == "summary" && query {
            QUERIES.fetch_add(1, Ordering::Relaxed);
        }
    }

    fn record_debug(&mut self, _: &Field, _: &dyn std::fmt::Debug) {}
}

/// What a future answers, and how many queries it asked. One at a time.
pub(super) async fn counted<T>(future: impl Future<Output = T>) -> (T, usize) {
    static ONCE: Once = Once::new();
    static TURN: Mutex<()> = Mutex::const_new(());
    ONCE.call_once(|| {
        tracing::subscriber::set_global_default(tracing_subscriber::registry().with(Count)).unwrap();
    });
    let _turn = TURN.lock().await;
    QUERIES.store(0, Ordering::Relaxed);
    let answer = future.instrument(tracing::info_span!("counted")).await;
    (answer, QUERIES.load(Ordering::Relaxed))
}
