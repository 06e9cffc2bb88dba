//! The verdict, as a value and as a table.

use super::facts::Facts;
use std::fmt;

/// What must hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[expect(missing_docs, reason = "`title` says what each is")]
pub enum Rule {
    C1,
    C2,
    C3,
    C4,
    C5,
    C6,
    C7,
    C8,
    C9,
    C10,
    C11,
    C12,
}

impl Rule {
    /// All of them, in order.
    pub const ALL: [Self; 12] = [
        Self::C1,
        Self::C2,
        Self::C3,
        Self::C4,
        Self::C5,
        Self::C6,
        Self::C7,
        Self::C8,
        Self::C9,
        Self::C10,
        Self::C11,
        Self::C12,
    ];

    /// What breaks it.
    pub const fn title(self) -> &'static str {
        match self {
            Self::C1 => "acknowledged but missing",
            Self::C2 => "doubled",
            Self::C3 => "out of order",
            Self::C4 => "holes in seq or rev",
            Self::C5 => "phantom, or refused yet stored",
            Self::C6 => "damaged text, or words taken back",
            Self::C7 => "delivered outside membership",
            Self::C8 => "retry answered with another place",
            Self::C9 => "read mark or head moved back",
            Self::C10 => "screen, REST and rows differ",
            Self::C11 => "stuck clients",
            Self::C12 => "unread wrong at rest",
        }
    }
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self, f)
    }
}

/// One breach.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// Of which rule.
    pub rule: Rule,
    /// What happened, for people.
    pub words: String,
}

/// What there was to judge.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    /// Lines of the history.
    pub records: usize,
    /// Devices.
    pub clients: usize,
    /// Conversations.
    pub conversations: usize,
    /// Messages that somebody tried to send.
    pub sent: usize,
    /// Of those, acknowledged.
    pub acked: usize,
    /// Things that somebody tried to do to messages.
    pub acts: usize,
    /// Of those, acknowledged.
    pub acts_acked: usize,
    /// Attempts beyond the first of each.
    pub retries: usize,
    /// Acknowledgements that found the message stored already.
    pub absorbed: usize,
    /// Attempts that were refused.
    pub refused: usize,
    /// Attempts whose answer the connection's death took.
    pub unknown: usize,
    /// Screens, REST readings and tables of rows that were compared.
    pub screens: usize,
    /// Conversations read over REST.
    pub rests: usize,
    /// Conversations read from the database.
    pub rows: usize,
}

impl Totals {
    pub(super) fn of(facts: &Facts<'_>) -> Self {
        facts.totals()
    }
}

/// The verdict on a history.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// What there was to judge.
    pub totals: Totals,
    /// Every breach, in order of the rules.
    pub findings: Vec<Finding>,
    /// Whether the history's last line was cut short.
    pub torn: bool,
}

/// Breaches of one rule that are written out; the rest is counted.
const WRITTEN: usize = 5;

impl Report {
    pub(super) fn new(totals: Totals, mut findings: Vec<Finding>) -> Self {
        findings.sort_by_key(|finding| finding.rule);
        Self { totals, findings, torn: false }
    }

    /// How often a rule was broken.
    pub fn count(&self, rule: Rule) -> usize {
        self.of(rule).count()
    }

    /// Breaches of one rule.
    pub fn of(&self, rule: Rule) -> impl Iterator<Item = &Finding> {
        self.findings.iter().filter(move |finding| finding.rule == rule)
    }

    /// The rules that were broken.
    pub fn broken(&self) -> Vec<Rule> {
        Rule::ALL.into_iter().filter(|rule| self.count(*rule) > 0).collect()
    }

    /// Whether every rule holds.
    pub fn is_clean(&self) -> bool {
        self.findings.is_empty()
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Totals {
            records,
            clients,
            conversations,
            sent,
            acked,
            acts,
            acts_acked,
            retries,
            absorbed,
            refused,
            unknown,
            ..
        } = self.totals;
        writeln!(f, "{records} records of {clients} clients in {conversations} conversations")?;
        writeln!(
            f,
            "{sent} messages sent, {acked} acknowledged; {acts} things done to them, {acts_acked} acknowledged; {retries} retries, {absorbed} absorbed, {refused} refused, \
             {unknown} left open"
        )?;
        let Totals { screens, rests, rows, .. } = self.totals;
        writeln!(f, "compared: {screens} screens, {rests} REST readings, {rows} tables of rows")?;
        if rows == 0 {
            writeln!(f, "the database's rows were not compared")?;
        }
        if self.torn {
            writeln!(f, "the last line was cut short and is left out")?;
        }
        writeln!(f)?;
        for rule in Rule::ALL {
            writeln!(f, "{:<4} {:<36} {:>7}", rule.to_string(), rule.title(), self.count(rule))?;
        }
        for rule in self.broken() {
            writeln!(f, "\n{rule} {}:", rule.title())?;
            for finding in self.of(rule).take(WRITTEN) {
                writeln!(f, "  {}", finding.words)?;
            }
            let more = self.count(rule).saturating_sub(WRITTEN);
            if more > 0 {
                writeln!(f, "  and {more} more")?;
            }
        }
        Ok(())
    }
}
