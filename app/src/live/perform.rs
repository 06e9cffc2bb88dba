//! What the world asks for, done in the browser: frames into the socket, questions to the server, timers, storage.

use super::keeper::{self, Order};
use super::world::{Ask, PAGE, Request};
use super::{Link, Live, offline, ring, storage};
use crate::api::{self, ApiError};
use crate::socket::{self, Timer, Wake};
use futures::channel::mpsc::{self, UnboundedSender};
use leptos::prelude::*;
use leptos::task::spawn_local;
use protocol::{ClientFrame, Code, ConversationId, MessageId, Presence, ServerFrame, limits};
use std::time::Duration;

/// Milliseconds a message may be on its way before the connection is taken for dead.
const STALLED: u64 = 2 * limits::HEARTBEAT_MS as u64;
/// A page that is hidden for this long has nobody at it.
const AWAY: Duration = Duration::from_secs(5 * 60);
/// Wait after people could not be asked for.
const PEOPLE_AGAIN: Duration = Duration::from_secs(5);

/// The way to everything outside.
#[derive(Default)]
pub(super) struct Outside {
    /// To the connection; none before [`Live::start`].
    wakes: Option<UnboundedSender<Wake>>,
    /// To what keeps my unsent requests; none before [`Live::start`].
    orders: Option<UnboundedSender<Order>>,
    /// Rings when a hidden page has been hidden for long.
    away: Option<TimeoutHandle>,
    /// The one timer: when it rings.
    timer: Option<(u64, TimeoutHandle)>,
    /// Whether people are being asked for.
    asking: bool,
}

impl Live {
    /// Opens the connection and listens to the browser.
    pub(super) fn connect(self) {
        let (wakes, receiver) = mpsc::unbounded();
        let (orders, ordered) = mpsc::unbounded();
        let first = self.with(|shared| {
            let first = !std::mem::replace(&mut shared.signals.started, true);
            if first {
                shared.outside.wakes = Some(wakes);
                shared.outside.orders = Some(orders);
            }
            first
        });
        if !first {
            return;
        }
        storage::drop_others(self.me());
        self.run(|world, moment| {
            // Whether this tab sends, and what is kept from before, comes with the answers of the browser.
            world.outbox.keep();
            world.may_send(false, moment);
        });
        spawn_local(keeper::run(self, ordered));
        // They last as long as the tab, as everything here does.
        let _ = window_event_listener_untyped("online", move |_| self.wake(Wake::Online));
        let _ = window_event_listener_untyped("offline", move |_| self.wake(Wake::Offline));
        let _ = window_event_listener_untyped("pageshow", move |_| self.wake(Wake::Visible));
        let _ = window_event_listener_untyped("visibilitychange", move |_| {
            if document().hidden() {
                offline::visited(None);
            } else {
                self.wake(Wake::Visible);
            }
            self.watch_presence();
        });
        offline::start();
        ring::start();
        spawn_local(socket::run(self, receiver));
    }

    /// A page somebody sees is used; one that is hidden is soon not.
    fn watch_presence(self) {
        let hidden = document().hidden();
        let leave = move || self.step(Presence::Away);
        self.with(|shared| {
            if let Some(handle) = shared.outside.away.take() {
                handle.clear();
            }
            shared.outside.away = hidden.then(|| set_timeout_with_handle(leave, AWAY).ok()).flatten();
        });
        if !hidden {
            self.step(Presence::Online);
        }
    }

    /// Tells what keeps my unsent requests.
    pub(super) fn tell_keeper(self, order: Order) {
        self.with(|shared| {
            if let Some(orders) = &shared.outside.orders {
                // It listens as long as the tab lives.
                let _ = orders.unbounded_send(order);
            }
        });
    }

    fn wake(self, wake: Wake) {
        self.with(|shared| {
            if let Some(wakes) = &shared.outside.wakes {
                // The connection only stops listening when the session ended.
                let _ = wakes.unbounded_send(wake);
            }
        });
    }

    /// A socket is being opened.
    pub(crate) fn connecting(self) {
        self.link_is(Link::Connecting);
    }

    /// The first frame of a socket.
    pub(crate) fn hello(self) -> ClientFrame {
        self.run(|world, _| world.hello())
    }

    /// A frame came.
    pub(crate) fn frame(self, frame: ServerFrame) {
        if let ServerFrame::Live {} = frame {
            storage::reload_worked();
            // From here on the world says whether all is complete.
            self.with(|shared| shared.link = Link::Live);
        }
        self.run(|world, moment| world.frame(frame, moment));
    }

    /// The socket is gone.
    pub(crate) fn disconnected(self) {
        self.with(|shared| shared.link = Link::Connecting);
        self.run(|world, _| world.disconnected());
    }

    /// The next try is a while away.
    pub(crate) fn offline(self) {
        self.link_is(Link::Offline);
    }

    /// The session is over; what was not sent is nobody's any more.
    pub(crate) fn ended(self) {
        self.tell_keeper(Order::Clear);
        offline::forget();
        self.link_is(Link::Ended);
    }

    /// Whether a message has been on its way for so long that the connection must be dead.
    pub(crate) fn is_stalled(self) -> bool {
        let now = super::moment().now;
        self.with(|shared| shared.world.outbox.sent_at()).is_some_and(|at| at + STALLED < now)
    }

    /// Loads the page anew, for a server that speaks a newer contract; says whether this tab has not tried before.
    pub(crate) fn reload_once(self) -> bool {
        storage::first_reload() && location().reload().is_ok()
    }

    fn link_is(self, link: Link) {
        self.with(|shared| shared.link = link);
        self.run(|_, _| ());
    }

    /// Does what the world asked for.
    pub(super) fn perform(self) {
        let (requests, people) = self.with(|shared| {
            let people = shared.signals.started
                && shared.world.people.wants()
                && !std::mem::replace(&mut shared.outside.asking, true);
            (shared.world.take_requests(), people)
        });
        for request in requests {
            match request {
                Request::Frame(frame) => match serde_json::to_string(&frame) {
                    Ok(text) => self.wake(Wake::Frame(text)),
                    Err(error) => leptos::logging::error!("a frame could not be written: {error}"),
                },
                Request::Page(ask) => spawn_local(self.fetch_page(ask)),
                Request::Conversation(id) => spawn_local(self.fetch_conversation(id)),
                Request::Message(id) => spawn_local(self.fetch_message(id)),
                Request::Keep(nonce) => {
                    if let Some(saved) = self.with(|shared| shared.world.outbox.saved(&nonce)) {
                        self.tell_keeper(Order::Keep(saved));
                    }
                }
                Request::Drop { nonce, stored } => self.tell_keeper(Order::Drop { nonce, stored }),
                Request::Refused(nonce, refusal) => self.tell_keeper(Order::Refused(nonce, refusal)),
                Request::Reconnect => self.wake(Wake::Deaf),
                Request::Ring(id, rev) => self.ring(id, rev),
            }
        }
        if people {
            spawn_local(self.fetch_people());
        }
        self.set_timer();
    }

    async fn fetch_page(self, ask: Ask) {
        let page = api::history(ask.conversation, ask.span, PAGE).await;
        let page = page.map_err(|error| self.failed(&error));
        self.run(|world, _| world.page(ask, page));
    }

    async fn fetch_conversation(self, id: ConversationId) {
        let conversation = api::conversation(id).await.map_err(|error| self.failed(&error));
        self.run(|world, moment| world.conversation_fetched(id, conversation, moment));
    }

    async fn fetch_message(self, id: MessageId) {
        let message = api::message(id).await.map_err(|error| self.failed(&error));
        self.run(|world, _| world.message_fetched(id, message));
    }

    /// Asks for everybody who is wanted, in batches: those of one moment go together.
    async fn fetch_people(self) {
        leptos::task::tick().await;
        loop {
            let ids = self.with(|shared| shared.world.people.take());
            if ids.is_empty() {
                break;
            }
            let people = api::people(ids.clone()).await.map_err(|error| self.failed(&error));
            let failed = people.is_err();
            self.run(|world, _| world.people_fetched(ids, people));
            if failed {
                Timer::after(PEOPLE_AGAIN).await;
            }
        }
        self.with(|shared| shared.outside.asking = false);
    }

    /// What an answer that is none says; one that says the session is over ends everything.
    fn failed(self, error: &ApiError) -> Code {
        if error.code == Code::Unauthorized {
            self.wake(Wake::Ended);
        }
        error.code
    }

    /// Has the timer ring when the world next has something to do.
    fn set_timer(self) {
        self.with(|shared| {
            let at = shared.world.wake_at();
            if shared.outside.timer.as_ref().map(|(at, _)| *at) == at {
                return;
            }
            if let Some((_, handle)) = shared.outside.timer.take() {
                handle.clear();
            }
            let Some(at) = at else { return };
            let wait = Duration::from_millis(at.saturating_sub(super::moment().now));
            let ring = move || {
                self.with(|shared| shared.outside.timer = None);
                self.run(|world, moment| world.tick(moment));
            };
            shared.outside.timer = set_timeout_with_handle(ring, wait).ok().map(|handle| (at, handle));
        });
    }
}
