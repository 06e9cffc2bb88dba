//! Line icons, drawn in the colour of the text around them. Decoration only: the button or state around one says
//! in words what it means.

use leptos::prelude::*;

/// Which picture.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Icon {
    /// Start something.
    Plus,
    /// Settings.
    Gear,
    /// Send.
    Send,
    /// To the previous screen.
    Back,
    /// The side panel.
    Panel,
    /// Close, remove.
    Cross,
    /// Down to the newest message.
    Down,
    /// Search.
    Search,
    /// A message on its way.
    Clock,
    /// A stored message.
    Tick,
    /// A message the other person has read.
    Ticks,
    /// Something went wrong.
    Alert,
    /// Conversations.
    Bubbles,
    /// A group.
    People,
    /// Take back.
    Undo,
    /// Not read.
    Unread,
    /// Seen.
    Eye,
    /// Pinned.
    Pin,
    /// An address.
    Link,
    /// Copy.
    Copy,
    /// Edit.
    Pencil,
    /// More.
    Dots,
    /// Emoji.
    Smile,
    /// Answer a message.
    Reply,
    /// Calls again.
    Bell,
    /// Silent.
    BellOff,
    /// Put away.
    Archive,
    /// Go away for good.
    Leave,
}

impl Icon {
    const fn path(self) -> &'static str {
        match self {
            Self::Plus => "M12 5v14M5 12h14",
            Self::Gear => {
                "M12 15.2a3.2 3.2 0 1 0 0-6.4 3.2 3.2 0 0 0 0 6.4zM19.4 13.5a7.6 7.6 0 0 0 0-3l2-1.5-2-3.4-2.3 1a7.6 7.6 0 0 0-2.6-1.5L14.2 \
                 2.6h-4.4l-.3 2.5a7.6 7.6 0 0 0-2.6 1.5l-2.3-1-2 3.4 2 1.5a7.6 7.6 0 0 0 0 3l-2 1.5 2 3.4 2.3-1a7.6 7.6 0 0 0 2.6 1.5l.3 \
                 2.5h4.4l.3-2.5a7.6 7.6 0 0 0 2.6-1.5l2.3 1 2-3.4z"
            }
            Self::Send => "M5 12h13M12.5 5.5 19 12l-6.5 6.5",
            Self::Back => "M15 5l-7 7 7 7",
            Self::Panel => "M4 5h16v14H4zM14.5 5v14",
            Self::Cross => "M6 6l12 12M18 6 6 18",
            Self::Down => "M12 5v13M5.5 12l6.5 6.5 6.5-6.5",
            Self::Search => "M11 18a7 7 0 1 0 0-14 7 7 0 0 0 0 14zM16.2 16.2 20.5 20.5",
            Self::Clock => "M12 21a9 9 0 1 0 0-18 9 9 0 0 0 0 18zM12 7v5.4l3.4 2",
            Self::Tick => "M4.5 12.8 9.6 18 19.5 6.5",
            Self::Ticks => "M1.5 12.8 6.6 18l9.9-11.5M11 16.4l1.6 1.6 9.9-11.5",
            Self::Alert => "M12 21a9 9 0 1 0 0-18 9 9 0 0 0 0 18zM12 7.5v5.2M12 16.2v.3",
            Self::Bell => "M6 16.5V11a6 6 0 0 1 12 0v5.5l1.5 1.5h-15zM10.2 21h3.6",
            Self::BellOff => {
                "M6 16.5V11c0-.8.2-1.6.5-2.3M9 5.8a6 6 0 0 1 9 5.2v3M16 18H4.5L6 16.5M10.2 21h3.6M4 4l16 16"
            }
            Self::Archive => "M3.5 5h17v4h-17zM5 9v10h14V9M10 13h4",
            Self::Leave => "M13 5H5v14h8M10 12h10.5M17 8l4 4-4 4",
            Self::Reply => "M9.5 6 4 11.5 9.5 17M4 11.5h9a7 7 0 0 1 7 7",
            Self::Smile => "M12 21a9 9 0 1 0 0-18 9 9 0 0 0 0 18zM8 14a4.6 4.6 0 0 0 8 0M9 9.2v.4M15 9.2v.4",
            Self::Dots => {
                "M5 12a.7.7 0 1 0 1.4 0 .7.7 0 0 0-1.4 0zM11.3 12a.7.7 0 1 0 1.4 0 .7.7 0 0 0-1.4 0zM17.6 12a.7.7 0 1 0 1.4 0 .7.7 0 0 0-1.4 0z"
            }
            Self::Pencil => "M4 20l1-4.2L16.6 4.2a1.7 1.7 0 0 1 2.4 0l.8.8a1.7 1.7 0 0 1 0 2.4L8.2 19z",
            Self::Copy => "M9 9h11v11H9zM5 15H4V4h11v1",
            Self::Link => {
                "M10 14a4 4 0 0 0 5.7 0l3.5-3.5a4 4 0 0 0-5.7-5.7l-1 1M14 10a4 4 0 0 0-5.7 0l-3.5 3.5a4 4 0 0 0 5.7 5.7l1-1"
            }
            Self::Pin => "M9 4h6l-1 6 3.5 3.5h-11L10 10zM12 13.5V20",
            Self::Eye => {
                "M2.5 12S6 5.5 12 5.5 21.5 12 21.5 12 18 18.5 12 18.5 2.5 12 2.5 12zM12 14.8a2.8 2.8 0 1 0 0-5.6 2.8 2.8 0 0 0 0 5.6z"
            }
            Self::Unread => {
                "M20 10.5V18a1 1 0 0 1-1 1H5a1 1 0 0 1-1-1V7a1 1 0 0 1 1-1h8M4 7.5l8 6 2.5-1.9M19 7.5a2.5 2.5 0 1 0 0-5 2.5 2.5 0 0 0 0 5z"
            }
            Self::Undo => "M8 5 4 9l4 4M4 9h9.5a5.5 5.5 0 0 1 0 11H8",
            Self::People => {
                "M9 11.5a3.5 3.5 0 1 0 0-7 3.5 3.5 0 0 0 0 7zM2.5 19.5a6.5 6.5 0 0 1 13 0M16 4.9a3.5 3.5 0 0 1 0 6.2M18.4 14.2a6.5 6.5 0 0 1 3.1 \
                 5.3"
            }
            Self::Bubbles => {
                "M4 5h11a2 2 0 0 1 2 2v5a2 2 0 0 1-2 2H9l-4 3.4V14H4a2 2 0 0 1-2-2V7a2 2 0 0 1 2-2zM20 9.5a2 2 0 0 1 2 2v5a2 2 0 0 1-2 \
                 2h-.6V21l-3.4-2.5h-4"
            }
        }
    }
}

/// One icon.
#[component]
pub fn Picture(
    /// Which.
    icon: Icon,
) -> impl IntoView {
    view! {
        <svg class="icon" viewBox="0 0 24 24" aria-hidden="true">
            <path d=icon.path()></path>
        </svg>
    }
    .into_any()
}
