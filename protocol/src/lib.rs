//! The words both ends speak. One definition of every message struct, shared by the server, the browser and
//! the harness. No I/O, no runtime, no user interface.
//!
//! In reading order: [`id`] names things, [`time`] stamps them, [`limits`] bounds them, [`user`], [`message`],
//! [`conversation`] and [`change`] are the objects, [`mention`] finds `@name` in a text, [`frame`] carries them over the socket, [`rest`] over HTTP,
//! [`error`] says what went wrong.

pub mod change;
pub mod conversation;
pub mod error;
pub mod frame;
pub mod id;
pub mod limits;
pub mod mention;
pub mod message;
pub mod rest;
pub mod time;
pub mod user;

pub use change::{Change, ChangeKind};
pub use conversation::{Conversation, History, Kind, Member, Role, Settings};
pub use error::{Code, FieldError, Problem};
pub use frame::{ClientFrame, Refusal, ServerFrame};
pub use id::{ConversationId, Epoch, MessageId, SessionId, UserId};
pub use message::{Body, Emoji, Message, Nonce, Reaction, Text};
pub use time::Timestamp;
pub use user::{Presence, User};
