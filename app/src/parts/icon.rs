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
