//! What the team talks about: threads whose lines follow from each other, by subject and language.
//!
//! A line begins with the number of its speaker within the thread. Words in braces are filled in once per
//! thread, so that everybody in it means the same bicycle: see [`Blanks`](super::script::Blanks).

mod code;
mod fleet;
mod launch;
mod office;
mod product;
mod street;
mod support;
mod workshop;

/// What a thread is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Subject {
    /// Moving bicycles through the city.
    Street,
    /// Mending them.
    Workshop,
    /// The software.
    Code,
    /// What the software should be.
    Product,
    /// Riders who need help.
    Support,
    /// Locks, batteries, firmware.
    Fleet,
    /// The next city.
    Launch,
    /// Lunch, travel, birthdays.
    Office,
}

/// In which language. English is everybody's and the default.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Language {
    /// English.
    English,
    /// Simplified Chinese.
    Chinese,
    /// Arabic.
    Arabic,
    /// Japanese.
    Japanese,
    /// Spanish.
    Spanish,
    /// German.
    German,
}

/// A short talk.
#[derive(Debug)]
pub struct Thread {
    /// In which language.
    pub language: Language,
    /// Speaker's number and words, in order.
    pub lines: &'static [(usize, &'static str)],
}

impl Thread {
    /// How many people speak in it.
    pub fn voices(&self) -> usize {
        self.lines.iter().map(|&(speaker, _)| speaker + 1).max().unwrap_or_default()
    }
}

const fn thread(language: Language, lines: &'static [(usize, &'static str)]) -> Thread {
    Thread { language, lines }
}

/// The threads of a subject.
pub const fn about(subject: Subject) -> &'static [Thread] {
    match subject {
        Subject::Street => street::THREADS,
        Subject::Workshop => workshop::THREADS,
        Subject::Code => code::THREADS,
        Subject::Product => product::THREADS,
        Subject::Support => support::THREADS,
        Subject::Fleet => fleet::THREADS,
        Subject::Launch => launch::THREADS,
        Subject::Office => office::THREADS,
    }
}

/// Things said in passing, between the lines of a thread.
pub const fn asides(language: Language) -> &'static [&'static str] {
    match language {
        Language::English => &[
            "ok",
            "👍",
            "thanks!",
            "on it",
            "+1",
            "makes sense",
            "nice 🎉",
            "noted",
            "😂",
            "good catch",
            "🙏",
            "yes",
            "same here",
            "one sec",
            "brb",
            "agreed",
            "let me check",
            "perfect",
        ],
        Language::Chinese => &["好的", "收到", "👌", "辛苦了", "没问题", "谢谢！", "稍等", "哈哈", "对"],
        Language::Arabic => &["تمام", "شكراً", "حسناً", "👍", "ممتاز", "لحظة من فضلك", "إن شاء الله"],
        Language::Japanese => {
            &["了解です", "ありがとうございます！", "🙇", "はい", "助かります", "なるほど", "承知しました"]
        }
        Language::Spanish => {
            &["vale", "gracias 🙌", "perfecto", "jajaja", "voy", "de acuerdo", "ok, lo miro"]
        }
        Language::German => &["passt", "danke!", "👍", "klar", "mach ich", "alles klar", "super", "bin dran"],
    }
}
