//! Riders who need help.

use super::Language::{Arabic, English, Spanish};
use super::{Thread, thread};

pub(super) const THREADS: &[Thread] = &[
    thread(
        English,
        &[
            (0, "Rider writes that {bike} did not lock and she paid for {n} minutes."),
            (
                1,
                "I see it: the lock reported closed, then lost signal. The trip ended when the van passed by.",
            ),
            (0, "Refund the difference?"),
            (
                1,
                "Yes, and {m} free minutes. She waited next to the bike so that nobody would take it, that's worth something.",
            ),
            (0, "Done. She answered: \"best customer service I've had from a bicycle\"."),
        ],
    ),
    thread(
        English,
        &[
            (0, "Anyone speak Turkish? A rider at {station} is on the phone."),
            (1, "Not me, but the courier next door does, I'll ask."),
            (0, "Solved, he only wanted to say that the bell is very nice 🔔"),
        ],
    ),
    thread(
        English,
        &[
            (0, "The same question {n} times since yesterday: \"where is the invoice for last month?\""),
            (1, "It moved from Account to Trips in {ver}."),
            (0, "Could the old place say so for a while?"),
            (2, "Yes, one line with a link. In the app by tomorrow."),
            (0, "And I'll put it on top of the help page: https://help.loopline.example/invoices"),
            (1, "Questions went from {n} to {m} a day. Thank you both."),
        ],
    ),
    thread(
        English,
        &[
            (0, "Lost and found of the week: one umbrella, two left gloves, a cello."),
            (1, "A CELLO?"),
            (0, "In the basket of a cargo bike at {station2}. It's in the office, next to the plants."),
            (2, "Please tell me nobody tries to play it."),
            (1, "Too late 🎻"),
            (0, "The owner came. She cried a little and then played for us. Best Friday in months."),
        ],
    ),
    thread(
        English,
        &[
            (0, "Template for the storm closure, please read it once:"),
            (
                0,
                "> Hello {name}, the seafront stations are closed today because of the wind. Your trip can be ended at any other station, and the detour is on us. If you cannot ride on safely, lock the bike where you are, send us a photo, and walk home dry.",
            ),
            (1, "\"Walk home dry\" in a storm?"),
            (0, "…\"walk home safely\"."),
            (1, "Good to go."),
        ],
    ),
    thread(
        English,
        &[
            (0, "Rider reports being charged for two bikes at once."),
            (1, "Family account? The second one was unlocked 40 seconds later at the same station."),
            (0, "He says he has no family account."),
            (1, "His daughter does: same card, her phone. He has a family account now, in every sense."),
            (0, "😄 closing it."),
        ],
    ),
    thread(
        English,
        &[
            (
                0,
                "Weekly summary. {n} conversations, median first answer {m} minutes, four out of five solved with one reply. Top three reasons: the lock needed a second try (mostly the older ones at {station}, the firmware update comes on {day}), the invoice question (should vanish now), and people who could not find the return zone at {street} since the construction fence went up. For that last one the street team puts a second sign on the fence tomorrow. One wish for all of us: if a rider thanks you by name, please copy it into the channel. It's the only part of this report people read twice.",
            ),
            (1, "Reading it twice, as told."),
            (2, "For the fence: sign is up since {time}."),
        ],
    ),
    thread(
        Arabic,
        &[
            (0, "صباح الخير، عندي راكب يقول إن الدراجة رقم {bikeno} لم تُغلق بعد الرحلة."),
            (1, "صباح النور. أراها في النظام، القفل أرسل إشارة ثم انقطع الاتصال."),
            (0, "هل نعيد له المبلغ؟"),
            (1, "نعم، ونضيف له {m} دقيقة مجانية."),
            (0, "تم. شكرنا كثيراً وقال إنه سينصح أصدقاءه بنا 😊"),
        ],
    ),
    thread(
        Arabic,
        &[
            (0, "وصلتنا اليوم {n} رسالة عن الفاتورة."),
            (1, "لأن مكانها تغيّر في التحديث الأخير."),
            (0, "هل يمكن أن نضع رابطاً في المكان القديم؟"),
            (1, "طلبت ذلك من الفريق، سيكون جاهزاً غداً."),
            (0, "ممتاز، سأحدّث صفحة المساعدة أيضاً: https://help.loopline.example/ar/invoices"),
        ],
    ),
    thread(
        Arabic,
        &[
            (0, "من سيكون في المناوبة يوم الجمعة؟"),
            (1, "أنا من الثامنة حتى الثالثة، ثم أنتِ؟"),
            (0, "نعم، من الثالثة حتى العاشرة. لا تنسَ أن تترك لي ملاحظة عن الحالات المفتوحة."),
            (1, "أكيد. حتى الآن ثلاث حالات فقط، يوم هادئ الحمد لله."),
        ],
    ),
    thread(
        Arabic,
        &[
            (
                0,
                "أقترح أن نكتب ردود المساعدة بالعربية من جديد، لا أن نترجمها. الترجمة صحيحة لكنها باردة، والراكب الذي يقف تحت المطر مع قفل لا يُفتح لا يريد جملة رسمية من ثلاثة أسطر. يريد أن يعرف شيئين فقط: هل سيدفع ثمن هذا، وماذا يفعل الآن.",
            ),
            (1, "أوافقك تماماً. نبدأ بأكثر عشر رسائل استعمالاً؟"),
            (0, "نعم، وأرسل لك المسودة قبل الساعة {time}."),
        ],
    ),
    thread(
        Spanish,
        &[
            (0, "Un usuario pregunta si puede llevar a su perro en la cesta 🐶"),
            (1, "¿Qué tamaño?"),
            (0, "Manda foto. Es un gran danés."),
            (1, "Entonces… el perro puede llevarlo a él."),
            (0, "Le he contestado que hasta ocho kilos y con arnés. Y que el perro es precioso."),
        ],
    ),
];
