//! The parts pages are made of: one file each, with its styles in `style/` under the same name.

pub mod avatar;
pub mod composer;
pub mod conversation_list;
pub mod conversation_row;
pub mod details;
pub mod dividers;
pub mod frame;
pub mod header;
pub mod icon;
pub mod keyboard;
pub mod link_status;
pub mod message_row;
pub mod message_text;
pub mod notice;
pub mod page_title;
pub mod people_picker;
pub mod scroll;
pub mod timeline_view;
