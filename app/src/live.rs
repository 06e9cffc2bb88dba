//! The one owner of what a tab shows and of its connection. Created once, above the router, on both sides: on the
//! server it only holds the [`Boot`](crate::boot::Boot) data; in the browser [`Live::start`] connects it.
//!
//! Views read signals and call methods; nothing else in `app` opens a socket or applies an event.
//!
//! [`world`] decides, without a browser: it takes frames, answers and wishes and says what to draw and what to do.
//! [`draw`] puts the one into signals, `perform` does the other.

#[cfg(feature = "hydrate")]
mod database;
mod draw;
#[cfg(feature = "hydrate")]
mod keeper;
#[cfg(feature = "hydrate")]
mod locks;
#[cfg(feature = "hydrate")]
mod offline;
#[cfg(feature = "hydrate")]
mod perform;
#[cfg(feature = "hydrate")]
mod ring;
#[cfg(feature = "hydrate")]
mod storage;
pub mod world;

use crate::boot::Viewer;
use crate::outbox::Act;
use crate::timeline::{Quoted, TimelineState};
use draw::Signals;
use leptos::prelude::*;
use protocol::rest::PatchSettings;
use protocol::{Code, Conversation, ConversationId, Emoji, MessageId, Nonce, Presence, Text, User, UserId};
use world::{Moment, World};

/// State of the connection, as the page shows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Link {
    /// Nothing to show: not started (the server's rendering), or live and complete.
    Live,
    /// Trying, or fetching what happened meanwhile; shown as *connecting* when it lasts.
    Connecting,
    /// No connection; trying again in a while. Shown as *offline*, with the number of messages waiting.
    Offline,
    /// The session ended (signed out elsewhere): the page offers to sign in, nothing is retried.
    Ended,
}

/// Something I did was refused and has been taken back from the page; shown until dismissed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Notice {
    /// Its key.
    pub number: u64,
    /// The stable reason.
    pub code: Code,
    /// For people.
    pub message: String,
    /// What I did.
    pub act: Act,
}

/// Handle to everything; cheap to copy into closures and views.
#[derive(Clone, Copy)]
pub struct Live {
    me: UserId,
    shared: StoredValue<Shared>,
}

/// One per tab, or per rendering on the server.
struct Shared {
    world: World,
    signals: Signals,
    /// State of the socket; without one (on the server, and until [`Live::start`]) as if all were well.
    link: Link,
    #[cfg(feature = "hydrate")]
    outside: perform::Outside,
}

impl Live {
    /// Takes over what the page carries. Lives as long as the owner it is created in: call it above the router,
    /// and `provide_context` the result.
    pub fn new(viewer: &Viewer) -> Self {
        let world = World::new(viewer);
        let signals = Signals::new(&world);
        Self {
            me: viewer.me.user.id,
            shared: StoredValue::new(Shared {
                world,
                signals,
                link: Link::Live,
                #[cfg(feature = "hydrate")]
                outside: perform::Outside::default(),
            }),
        }
    }

    /// Connects. Browser only, from an `Effect`; on the server it does nothing.
    pub fn start(self) {
        #[cfg(feature = "hydrate")]
        self.connect();
    }

    /// My id.
    pub fn me(self) -> UserId {
        self.me
    }

    /// My display name.
    pub fn my_name(self) -> Signal<String> {
        let me = self.person(self.me);
        Signal::derive(move || {
            me.with(|me| me.as_ref().map(|me| me.display_name.clone()).unwrap_or_default())
        })
    }

    /// State of the connection.
    pub fn link(self) -> Signal<Link> {
        self.signal(|signals| signals.link.clone())
    }

    /// My messages that are neither acknowledged nor refused, in all conversations.
    pub fn waiting(self) -> Signal<usize> {
        self.signal(|signals| signals.waiting.clone())
    }

    /// Unread messages in all conversations.
    pub fn unread_total(self) -> Signal<u64> {
        self.signal(|signals| signals.unread_total.clone())
    }

    /// My conversations that belong in the list: pinned ones first, then newest activity first.
    pub fn order(self) -> Signal<Vec<ConversationId>> {
        self.signal(|signals| signals.order.clone())
    }

    /// My conversations that are put away, newest activity first. One with something unread comes back into
    /// [`Live::order`], except while it is muted.
    pub fn archived(self) -> Signal<Vec<ConversationId>> {
        self.signal(|signals| signals.archived.clone())
    }

    /// What was refused, oldest first, at most five.
    pub fn notices(self) -> Signal<Vec<Notice>> {
        self.signal(|signals| signals.notices.clone())
    }

    /// Takes a notice away.
    pub fn dismiss(self, number: u64) {
        self.run(|world, _| world.dismiss(number));
    }

    /// A conversation, with exact unread count, read mark, last message and members; none while I am no member.
    pub fn conversation(self, id: ConversationId) -> Signal<Option<Conversation>> {
        self.with(|shared| shared.signals.conversation(&shared.world, id)).into()
    }

    /// What is on the page of a conversation's messages.
    pub fn timeline(self, id: ConversationId) -> Signal<TimelineState> {
        self.with(|shared| shared.signals.timeline(&shared.world, id)).into()
    }

    /// A message of a conversation, for a quote of it: from what is here, else asked for once. Follows what happens to it.
    pub fn message(self, id: ConversationId, message: MessageId) -> Signal<Quoted> {
        let quoted = self.with(|shared| {
            shared.world.quote(id, message);
            shared.signals.quoted(&shared.world, message)
        });
        self.run(|_, _| ()); // asks for it once started
        quoted.into()
    }

    /// Who is writing in a conversation just now, without me.
    pub fn typists(self, id: ConversationId) -> Signal<Vec<UserId>> {
        self.with(|shared| shared.signals.typists(&shared.world, id)).into()
    }

    /// Counts up whenever another message may be pinned in a conversation.
    pub fn pins_changed(self, id: ConversationId) -> Signal<u64> {
        self.with(|shared| shared.signals.pins(&shared.world, id)).into()
    }

    /// A person. One this tab does not know is asked for, together with others of the same moment.
    pub fn person(self, id: UserId) -> Signal<Option<User>> {
        let (person, wanted) = self.with(|shared| {
            let wanted = shared.world.people.want(id);
            (shared.signals.person(&shared.world, id), wanted)
        });
        if wanted {
            self.run(|_, _| ()); // asks for people once started
        }
        person.into()
    }

    /// Loads a conversation's newest page, unless it is there.
    pub fn open(self, id: ConversationId) {
        self.run(|world, _| world.open(id));
        #[cfg(feature = "hydrate")]
        offline::visited(Some(id));
    }

    /// Sends a message; its echo is on the page at once. Says whether it was taken: where too many wait already it is
    /// not, and belongs back into the composer.
    pub fn send(self, id: ConversationId, text: Text, reply_to: Option<MessageId>) -> bool {
        self.run(|world, moment| world.act(id, Nonce::generate(), Act::Send { text, reply_to }, moment))
    }

    /// Gives one of my messages other words. Like everything below, it is on the page at once, is kept until the server has
    /// stored it, and is taken back with a [`Notice`] where the server refuses it.
    pub fn edit(self, id: ConversationId, message: MessageId, text: Text) {
        self.act(id, Act::Edit { message, text });
    }

    /// Takes a message back for everybody.
    pub fn recall(self, id: ConversationId, message: MessageId) {
        self.act(id, Act::Recall { message });
    }

    /// Puts my reaction under a message, or takes it away.
    pub fn react(self, id: ConversationId, message: MessageId, emoji: Emoji, on: bool) {
        self.act(id, Act::React { message, emoji, on });
    }

    /// Pins a message, or unpins it.
    pub fn pin(self, id: ConversationId, message: MessageId, on: bool) {
        self.act(id, Act::Pin { message, on });
    }

    fn act(self, id: ConversationId, act: Act) {
        self.run(|world, moment| world.act(id, Nonce::generate(), act, moment));
    }

    /// Changes what only I see of a conversation: shown at once, sent when there is a connection.
    pub fn set(self, id: ConversationId, patch: PatchSettings) {
        self.run(|world, moment| world.set(id, patch, moment));
    }

    /// Keeps a conversation as unread from this message on, until I read it again.
    pub fn mark_unread(self, id: ConversationId, seq: u64) {
        self.run(|world, moment| world.mark_unread(id, seq, moment));
    }

    /// The words not sent yet, here or on another device. [`Live::conversation`] has them in its settings too, and says
    /// when they change.
    pub fn draft(self, id: ConversationId) -> String {
        self.with(|shared| {
            let entry = shared.world.inbox.get(id);
            entry.map(|entry| entry.conversation().settings.draft.clone()).unwrap_or_default()
        })
    }

    /// Keeps words not sent yet: here at once, on my other devices within two seconds.
    pub fn set_draft(self, id: ConversationId, text: String) {
        self.run(|world, moment| world.set_draft(id, text, moment));
    }

    /// Sends the draft now: call it when the field is left.
    pub fn flush_draft(self, id: ConversationId) {
        self.run(|world, moment| world.flush_draft(id, moment));
    }

    /// I am writing: call it at every key, the others hear of it every three seconds.
    pub fn typing(self, id: ConversationId) {
        self.run(|world, moment| world.typing(id, moment));
    }

    /// Somebody is at this device, or nobody ([`Presence::Away`]).
    pub fn step(self, state: Presence) {
        self.run(|world, _| world.step(state));
    }

    /// Sends a refused message again.
    pub fn retry(self, id: ConversationId, nonce: Nonce) {
        self.run(|world, moment| world.retry(id, &nonce, Nonce::generate(), moment));
    }

    /// Drops a refused message.
    pub fn discard(self, id: ConversationId, nonce: Nonce) {
        self.run(|world, _| world.discard(id, &nonce));
    }

    /// Moves the window towards older messages, fetching them where the cache ends.
    pub fn show_older(self, id: ConversationId) {
        self.run(|world, _| world.show_older(id));
    }

    /// Moves the window towards newer messages, fetching them where the cache ends.
    pub fn show_newer(self, id: ConversationId) {
        self.run(|world, _| world.show_newer(id));
    }

    /// Moves the window to the newest message.
    pub fn show_newest(self, id: ConversationId) {
        self.run(|world, _| world.show_newest(id));
    }

    /// Moves the window around message `seq`, fetching its surroundings where they are not cached.
    pub fn show_around(self, id: ConversationId, seq: u64) {
        self.run(|world, _| world.show_around(id, seq));
    }

    /// I have read up to `seq`: the unread count drops at once, the server hears of it within a second.
    pub fn mark_read(self, id: ConversationId, seq: u64) {
        self.run(|world, moment| world.mark_read(id, seq, moment));
    }

    /// Takes in a conversation the caller just created or changed, and people it learnt about.
    pub fn know(self, conversation: Conversation, people: Vec<User>) {
        self.run(|world, moment| world.know(conversation, people, moment));
    }

    /// Drops a conversation the caller just left.
    pub fn forget(self, id: ConversationId) {
        self.run(|world, _| world.forget(id));
    }

    /// Drops everything unsent, also what the browser keeps of it and of the pages: call it when signing out.
    pub fn forget_unsent(self) {
        self.run(|world, _| world.forget_unsent());
        #[cfg(feature = "hydrate")]
        {
            self.tell_keeper(keeper::Order::Clear);
            offline::forget();
        }
    }

    fn with<R>(self, act: impl FnOnce(&mut Shared) -> R) -> R {
        self.shared.try_update_value(act).expect("Live is owned above everything that uses it")
    }

    fn signal<T: Clone + Send + Sync + 'static>(self, of: fn(&Signals) -> ArcRwSignal<T>) -> Signal<T> {
        self.with(|shared| of(&shared.signals)).into()
    }

    /// Lets something happen to the world, then draws and performs what follows from it.
    fn run<R>(self, act: impl FnOnce(&mut World, Moment) -> R) -> R {
        let (result, drawing) = self.with(|shared| {
            let moment = moment();
            shared.world.clock(moment.now);
            let result = act(&mut shared.world, moment);
            let changed = shared.world.take_changed();
            let link = match shared.link {
                Link::Live if !shared.world.is_complete() && shared.signals.started => Link::Connecting,
                link => link,
            };
            (result, shared.signals.drawing(&shared.world, &changed, link))
        });
        // Outside the lock: whoever hears of a signal may look at the world.
        drawing.draw();
        #[cfg(feature = "hydrate")]
        self.perform();
        result
    }
}

/// Whether somebody looks at this tab: the page is visible and its window has the focus. Browser only.
pub fn is_attended() -> bool {
    let page = document();
    page.visibility_state() == web_sys::VisibilityState::Visible && page.has_focus().unwrap_or(false)
}

/// Now, and some chance. The server's rendering has no use for either.
fn moment() -> Moment {
    #[cfg(feature = "hydrate")]
    {
        Moment { now: js_sys::Date::now() as u64, random: js_sys::Math::random() }
    }
    #[cfg(not(feature = "hydrate"))]
    {
        Moment { now: 0, random: 0.5 }
    }
}
