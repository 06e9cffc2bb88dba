//! What a recount of everything that is derived from the rows says: [`Chat::examine`](crate::Chat::examine).

/// What an examination found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// What was looked at, as one sentence.
    pub looked_at: String,
    /// What does not agree, one sentence each; at most [`FINDINGS`] of a kind.
    pub findings: Vec<String>,
}

/// Most findings of one kind that are told one by one; the rest are counted in a sentence of their own.
pub const FINDINGS: u32 = 20;
