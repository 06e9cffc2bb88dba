//! The pages, one file each, by the paths of [`App`](crate::App).

pub mod conversation;
pub mod home;
pub mod new;
pub mod not_found;
pub mod register;
pub mod settings;
pub mod sign_in;
