//! The team of Loopline, a small bicycle-sharing company, and the rooms it talks in.

use super::threads::{Language, Subject};

/// One of the team.
#[derive(Debug)]
pub struct Teammate {
    /// Signs in with this.
    pub username: &'static str,
    /// The name shown.
    pub name: &'static str,
    /// What colleagues call them.
    pub short: &'static str,
    /// Speaks this beside English.
    pub language: Option<Language>,
}

const fn teammate(
    username: &'static str,
    name: &'static str,
    short: &'static str,
    language: Option<Language>,
) -> Teammate {
    Teammate { username, name, short, language }
}

/// Everybody, in the order they joined the company: a smaller demo takes the first ones.
pub const TEAM: [Teammate; 20] = [
    teammate("mara.lindqvist", "Mara Lindqvist", "Mara", None),
    teammate("priya.nair", "Priya Nair", "Priya", None),
    teammate("jonas.becker", "Jonas Becker", "Jonas", Some(Language::German)),
    teammate("ines.duarte", "Inés Duarte", "Inés", Some(Language::Spanish)),
    teammate("lin.yating", "林雅婷", "Yating", Some(Language::Chinese)),
    teammate("chen.wei", "陈伟", "Wei", Some(Language::Chinese)),
    teammate("omar.haddad", "عمر حداد", "Omar", Some(Language::Arabic)),
    teammate("layla.nasser", "ليلى ناصر", "Layla", Some(Language::Arabic)),
    teammate("kenji.mori", "森 健司", "Kenji", Some(Language::Japanese)),
    teammate("yuki.tanaka", "田中 由紀", "Yuki", Some(Language::Japanese)),
    teammate("felix.braun", "Felix Braun", "Felix", Some(Language::German)),
    teammate("diego.paz", "Diego Paz", "Diego", Some(Language::Spanish)),
    teammate("sofia.reyes", "Sofía Reyes", "Sofía", Some(Language::Spanish)),
    teammate("anke.vogel", "Anke Vogel", "Anke", Some(Language::German)),
    teammate("samuel.okoye", "Samuel Okoye", "Samuel", None),
    teammate("hannah.wright", "Hannah Wright", "Hannah", None),
    teammate("mei.huang", "黄美玲", "Mei", Some(Language::Chinese)),
    teammate("noah.keller", "Noah Keller", "Noah", Some(Language::German)),
    teammate("zara.malik", "Zara Malik", "Zara", Some(Language::Arabic)),
    teammate("oleg.petrov", "Oleg Petrov", "Oleg", None),
];

/// A conversation of the team.
#[derive(Debug)]
pub struct Room {
    /// A group's title; `None` for a conversation of two.
    pub title: Option<&'static str>,
    /// Indices into [`TEAM`]; the first founds it.
    pub members: &'static [usize],
    /// What is talked about.
    pub subjects: &'static [Subject],
    /// Share of all messages.
    pub weight: usize,
}

const fn group(
    title: &'static str,
    members: &'static [usize],
    subjects: &'static [Subject],
    weight: usize,
) -> Room {
    Room { title: Some(title), members, subjects, weight }
}

const fn direct(members: &'static [usize; 2], subjects: &'static [Subject], weight: usize) -> Room {
    Room { title: None, members, subjects, weight }
}

/// Every room, the most important first: a smaller demo takes the first ones.
pub const ROOMS: [Room; 12] = [
    group(
        "Everyone at Loopline",
        &[0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19],
        &[Subject::Office, Subject::Launch],
        10,
    ),
    direct(&[0, 1], &[Subject::Launch, Subject::Office, Subject::Product], 7),
    group("Street team", &[2, 3, 11, 12, 10, 16, 14], &[Subject::Street], 12),
    group("App & backend", &[1, 8, 9, 17, 19, 14, 4], &[Subject::Code, Subject::Product], 13),
    group("Rider support", &[6, 7, 18, 12, 1, 15], &[Subject::Support], 11),
    group("Fleet hardware 车队硬件", &[4, 5, 16, 19, 10], &[Subject::Fleet, Subject::Workshop], 10),
    direct(&[8, 9], &[Subject::Code, Subject::Product], 6),
    group("Sevilla launch", &[0, 3, 12, 11, 1, 18, 13], &[Subject::Launch, Subject::Street], 9),
    direct(&[6, 7], &[Subject::Support], 5),
    group("Workshop", &[10, 11, 2, 3, 5], &[Subject::Workshop], 8),
    group("Lunch & weekend 🚲", &[15, 9, 12, 17, 7, 13, 18, 16, 3], &[Subject::Office], 6),
    direct(&[4, 5], &[Subject::Fleet], 5),
];
