//! What a page starts from: read on the server before it renders, carried in the HTML, taken over by the browser.
//! The first list and the first page of messages are therefore never fetched a second time.

use protocol::rest::{Group, Me, Messages};
use protocol::{Conversation, ConversationId, Epoch, Message, Timestamp, User};
use serde::{Deserialize, Serialize};

/// Everything one rendering needs to know.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Boot {
    /// Who is signed in, and what they have; none on the sign-in and registration pages.
    pub viewer: Option<Viewer>,
    /// Language of this rendering: the account's, else the browser's; `en` or `zh-CN`.
    pub locale: String,
    /// The browser's time zone (an IANA name from the `tz` cookie); none before the first visit: UTC.
    pub time_zone: Option<String>,
    /// The server's clock at rendering, so that "today" means the same day on both sides.
    pub now: Timestamp,
    /// Whether `/register` takes new accounts.
    pub registration_open: bool,
    /// Nonces for the forms that work without script, drawn by the server: sending a form twice stores one message.
    pub form_nonce: String,
    /// Results of the search for people of `/new?q=…`, which works without script.
    pub found: Option<Vec<User>>,
    /// The groups of `/new?kind=find`, likewise.
    pub groups: Option<Vec<Group>>,
    /// The devices listed on `/settings`; none elsewhere.
    pub sessions: Option<Vec<protocol::rest::Session>>,
}

/// The signed-in person's world.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Viewer {
    /// My account.
    pub me: Me,
    /// Incarnation of the database the numbers belong to.
    pub epoch: Epoch,
    /// My conversations, newest activity first.
    pub conversations: Vec<Conversation>,
    /// The people they mention: members, senders.
    pub people: Vec<User>,
    /// The conversation of `/c/{id}`, or the newest one on `/` for wide screens.
    pub open: Option<Open>,
}

/// The open conversation's first page.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Open {
    /// Which one.
    pub conversation: ConversationId,
    /// Its newest messages, or those around the one of `/c/{id}/m/{seq}`.
    pub page: Messages,
    /// Its pinned messages, ascending `seq`; none where they are too many to be carried, and are fetched.
    pub pins: Option<Vec<Message>>,
}
