//! The software.

use super::Language::{English, German, Japanese};
use super::{Thread, thread};

pub(super) const THREADS: &[Thread] = &[
    thread(
        English,
        &[
            (0, "Release {ver} is on staging. Please try to break it until {time}."),
            (1, "Unlocking feels faster. Is that real?"),
            (
                0,
                "Real: 1.9 s down to 0.7 s at the median. We no longer wait for the map before asking the lock.",
            ),
            (
                2,
                "Found one: if I deny the location permission, the list of stations is empty instead of alphabetical.",
            ),
            (0, "Reproduced, fixing."),
            (0, "Fixed in {pr}. Could somebody review?"),
            (1, "Approved, with one nit about the name."),
            (0, "Shipping 🚢"),
        ],
    ),
    thread(
        English,
        &[
            (0, "Why does this return one station too many?"),
            (
                0,
                "```rust\nfn nearest(stations: &[Station], here: Point, n: usize) -> Vec<&Station> {\n    let mut sorted: Vec<_> = stations.iter().collect();\n    sorted.sort_by(|a, b| a.distance(here).total_cmp(&b.distance(here)));\n    sorted[..=n].to_vec()\n}\n```",
            ),
            (1, "`..=n` is inclusive. And it panics if there are fewer than n stations."),
            (0, "Of course. `sorted.truncate(n)` then."),
            (
                1,
                "`select_nth_unstable_by` if you want to avoid sorting all {n} of them, but honestly nobody will notice.",
            ),
            (0, "Truncate it is. Test added for an empty city."),
        ],
    ),
    thread(
        English,
        &[
            (0, "Alert at {time}: payment webhooks are {n} seconds behind."),
            (1, "Looking."),
            (1, "Queue is growing since the deploy of {pr}. We retry the ones that are already done."),
            (0, "Roll back?"),
            (1, "Rolled back. Queue is draining, {n}00 left… {m} left… empty."),
            (2, "Did riders notice?"),
            (1, "Receipts were late, nobody was charged twice. The idempotency key did its job 🧡"),
            (0, "Please write the five lines for the incident page while it's fresh."),
            (1, "https://wiki.loopline.example/incidents/late-receipts"),
        ],
    ),
    thread(
        English,
        &[
            (
                0,
                "Question about time zones: a trip that starts before midnight and ends after. Which day does the daily cap count for?",
            ),
            (1, "The day it started, in the city's zone, not in the rider's."),
            (0, "And in the night of the clock change?"),
            (
                1,
                "Duration is measured monotonically, only the *label* uses the wall clock. There are three tests for it.",
            ),
            (0, "I wish every question here had an answer that ended like that."),
        ],
    ),
    thread(
        English,
        &[
            (0, "The map tiles cost us {n} € yesterday. Usually it's {m}."),
            (1, "Somebody loads the whole city at zoom 18?"),
            (0, "The kiosk build. It reloads every ten seconds because of the watchdog."),
            (2, "That's mine. The watchdog should only fire if the page doesn't answer."),
            (2, "Fixed and rolled out to all kiosks: {pr}"),
            (0, "Back to normal. Let's add a budget alarm at twice the average."),
        ],
    ),
    thread(
        English,
        &[
            (0, "How do I run only the trip tests?"),
            (1, "`cargo test -p trips -- pricing` for one module, or `make test` for everything."),
            (0, "Takes four minutes for everything, is that normal?"),
            (1, "First time, yes. Afterwards about forty seconds."),
            (0, "Forty-one ✅"),
        ],
    ),
    thread(
        English,
        &[
            (0, "I'd like to delete the old pricing table. Nothing reads it since {ver}."),
            (1, "The monthly export does."),
            (0, "grep says no…"),
            (1, "It builds the name from two strings. I'm not proud of it."),
            (0, "OK: export first, then the table. {pr} does both, in that order, in two commits."),
            (2, "Thank you for two commits 🙏"),
        ],
    ),
    thread(
        English,
        &[
            (
                0,
                "Small thing I learned today and want to pass on. We had a flaky test for months that failed about once in {n} runs, always \"station not found\". Everybody, me included, restarted it and went on. Today I finally looked: the test created a station and then asked the *search index*, which is updated by a background job, so it passed only when the job was faster than the test. The wrong fix is a sleep; it makes the test slow and still flaky. The right fix was to wait for the condition itself (\"until the index has seen revision 7\"), which takes 3 ms, and while doing that I found that the page has exactly the same race: after creating a station you were sent to a list that didn't have it yet. So riders saw our flaky test too, they just couldn't restart it. Moral: a flaky test is a bug report that nobody signed.",
            ),
            (1, "Framing the last sentence."),
            (2, "Where's the button to pin this"),
        ],
    ),
    thread(
        English,
        &[
            (0, "Can I get a second pair of eyes on this query? It's the slow one on the dashboard."),
            (
                0,
                "```sql\nSELECT station, count(*) AS trips\nFROM trips\nWHERE ended_at::date = '2026-11-20'\nGROUP BY station\nORDER BY trips DESC;\n```",
            ),
            (1, "The cast on the column hides the index. Compare against a range:"),
            (1, "```sql\nWHERE ended_at >= '2026-11-20' AND ended_at < '2026-11-21'\n```"),
            (0, "2.4 s → 11 ms. I feel silly and happy."),
        ],
    ),
    thread(
        Japanese,
        &[
            (0, "解錠画面の文言を見直したいのですが、今日少しお時間ありますか？"),
            (1, "{time}以降なら大丈夫です。"),
            (0, "ありがとうございます。案を三つ用意しておきます。"),
            (1, "短い方がいいと思います。歩きながら読む人が多いので。"),
            (0, "では「ロックを解除しています…」だけにして、説明は二行目に小さく出します。"),
            (1, "いいですね。スクリーンリーダー用の読み上げもお願いします。"),
            (0, "{pr} に入れました。確認お願いします🙏"),
        ],
    ),
    thread(
        Japanese,
        &[
            (0, "昨夜のデプロイのあと、地図の読み込みが遅くなっています。"),
            (1, "どの駅でも同じですか？"),
            (0, "中心部だけです。ピンが{n}個を超えると重くなります。"),
            (1, "クラスタリングの条件が逆になっていました。すぐ直します。"),
            (0, "直りました！60fpsに戻りました。"),
        ],
    ),
    thread(
        German,
        &[
            (0, "Kurze Frage: Warum heißt das Feld `Abgabe` in der API eigentlich `dock_out`?"),
            (1, "Historisch. Aus Sicht des Docks geht das Rad raus, wenn jemand losfährt."),
            (0, "Also ist die Abgabe `dock_in`. Das erklärt meinen Nachmittag."),
            (1, "Tut mir leid 😅 In {ver} benennen wir es um und nehmen beide Namen an."),
            (0, "Danke! Ich ergänze die Doku."),
        ],
    ),
];
