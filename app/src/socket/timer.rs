//! A wait in the browser.

use futures::channel::oneshot;
use leptos::prelude::{TimeoutHandle, set_timeout_with_handle};
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

/// Ready after a while; dropped before, its timer is cleared.
pub struct Timer {
    over: oneshot::Receiver<()>,
    handle: Option<TimeoutHandle>,
}

impl Timer {
    /// Starts one.
    pub fn after(wait: Duration) -> Self {
        let (ring, over) = oneshot::channel();
        let ring = move || {
            let _ = ring.send(()); // nobody waits any more: fine
        };
        // Without a window there is no timer, and the dropped sender makes it ready at once.
        Self { over, handle: set_timeout_with_handle(ring, wait).ok() }
    }
}

impl Future for Timer {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        Pin::new(&mut self.over).poll(context).map(|_| ())
    }
}

impl Drop for Timer {
    fn drop(&mut self) {
        if let Some(handle) = self.handle.take() {
            handle.clear();
        }
    }
}
