//! Moving bicycles through the city.

use super::Language::{English, German, Spanish};
use super::{Thread, thread};

pub(super) const THREADS: &[Thread] = &[
    thread(
        English,
        &[
            (0, "{station} is full again, {n} bikes on {m} docks. Riders are leaving them on the pavement."),
            (1, "I'm ten minutes away with the van, can take {m}."),
            (0, "Please. The market opens at {time} and the city inspector was there last week 😬"),
            (
                1,
                "Loaded {m}. Dropping half at {station2}, the rest goes to the workshop, two have flat tyres.",
            ),
            (2, "{station2} can take more than half, it was empty all morning."),
            (0, "Then everything to {station2} please, except the flats."),
            (1, "Done. {station} is back to normal 👌"),
        ],
    ),
    thread(
        English,
        &[
            (
                0,
                "Heads up: {street} is closed on {day} for the half marathon, from {time} until the evening.",
            ),
            (1, "Which stations does that touch?"),
            (
                0,
                "{station} and {station2}. I'll switch both to \"return only\" the evening before so they drain in the right direction.",
            ),
            (
                1,
                "And the people who ride in to watch? Last year we had {n} bikes piled up behind the finish line.",
            ),
            (
                0,
                "Good point. Let's put a temporary zone on the school yard, capacity {n}. I'll ask the city today.",
            ),
            (2, "I can staff it. Bring me a coffee and I'll even smile at people."),
            (0, "Deal ☕"),
            (
                0,
                "City said yes, permit is in the shared folder: https://files.loopline.example/permits/marathon.pdf",
            ),
        ],
    ),
    thread(
        English,
        &[
            (0, "Rebalancing for tomorrow, from the forecast:"),
            (
                0,
                "1. {station}: +{m} before 7:00\n2. {station2}: -{m} before 8:30\n3. {station3}: leave alone, rain until noon\n4. Everything along {street}: check for the blue e-bikes, they pile up there",
            ),
            (1, "Can we swap 1 and 2? The van starts closer to {station2}."),
            (
                0,
                "Only if you're at {station} by 7:15. The hospital shift ends then and last time {n} nurses stood there without a bike.",
            ),
            (1, "7:15 works."),
        ],
    ),
    thread(
        English,
        &[
            (0, "Somebody parked {bike} in the canal. Again."),
            (1, "In as in next to?"),
            (0, "In as in *in*. I can see the handlebar."),
            (2, "I have the hook from last time, still in the van."),
            (1, "Third one this month at that bridge. Can we move the station to the other bank?"),
            (0, "I'll write it up. Fishing first 🎣"),
            (2, "Got it out. Frame is fine, the battery is a fish tank now."),
        ],
    ),
    thread(
        English,
        &[
            (0, "Who has the key for the storage at {station3}?"),
            (1, "Should be in the lock box, code is in the handbook."),
            (0, "Box is empty."),
            (2, "That was me, sorry!! It's in my jacket. I'm at {station}, can be there at {time}."),
            (0, "No worries, I'll have lunch until then."),
        ],
    ),
    thread(
        English,
        &[
            (
                0,
                "Storm warning for {day}: gusts up to {n} km/h. I'd lock the bikes at the seafront from noon on.",
            ),
            (1, "Agree. Better a dull afternoon than {m} bikes in the sea."),
            (
                0,
                "I'll set {station} and {station2} to closed and put a banner in the app. {name}, could you write two friendly sentences for it?",
            ),
            (
                2,
                "\"The wind would win today. Our seafront stations rest until the storm has passed; everything inland is open as usual.\"",
            ),
            (0, "Lovely, thanks."),
            (1, "All secured. {n} bikes strapped, tarps on the terminals. Now I need a dry pair of socks."),
        ],
    ),
    thread(
        English,
        &[
            (
                0,
                "Numbers for last week: {n}00 trips, {m} complaints about missing bikes, average time to rebalance {m} min. That's the first week under 45 min since spring, and it happened although two vans were in the garage. What made the difference as far as I can tell: we stopped driving full loops and went where the forecast said, even if that meant passing a half-empty station; the new rule that whoever stands closest takes the job, no matter whose district it is; and the mechanics fixing small things on the spot instead of bringing everything home. Please keep doing exactly that. The next step would be to move the morning shift 30 minutes earlier, because the peak at {station} now starts at 6:40 and we are always just too late for it. Tell me if that is impossible for you, I know what mornings with children are like.",
            ),
            (1, "Earlier is fine for me in summer, harder from October on."),
            (2, "👏👏👏"),
            (0, "Then summer only, and we look at it again in September."),
        ],
    ),
    thread(
        English,
        &[
            (0, "{bike} has been moving for six hours at walking speed."),
            (1, "Someone taking it for a walk? 🐕"),
            (0, "Along {street}, back and forth. I think it's in a delivery van."),
            (
                2,
                "I'm on {street} now… it IS in a van. Bakery. They thought it was lost and wanted to bring it back after the round.",
            ),
            (0, "That's the kindest theft report I've ever closed."),
        ],
    ),
    thread(
        English,
        &[
            (0, "Photo check at {station}, please: a rider says the sign is gone."),
            (1, "Not gone, turned. You read it perfectly if you stand in the river."),
            (0, "😂 Can you turn it back?"),
            (1, "Needs a 13 mm spanner and a ladder. On my list for {day}."),
        ],
    ),
    thread(
        Spanish,
        &[
            (0, "Buenos días. {station} está vacía y hay {n} personas esperando."),
            (1, "Salgo ahora con la furgoneta, llevo {m} bicis."),
            (0, "¿Cuánto tardas?"),
            (1, "Con este tráfico, veinte minutos. ¿Puedes avisar en la app?"),
            (0, "Hecho. Y si pasas por {station2}, trae también las dos del pinchazo."),
            (1, "Listo, descargadas. La gente ha aplaudido, en serio 😄"),
        ],
    ),
    thread(
        Spanish,
        &[
            (0, "El ayuntamiento quiere que quitemos la estación de la plaza durante la feria."),
            (1, "¿Toda la semana?"),
            (0, "Del {day} al domingo. Nos ofrecen la esquina de la biblioteca a cambio."),
            (1, "Ahí caben {m} como mucho, pero mejor que nada."),
            (0, "Les digo que sí y pido dos aparcamientos más junto al río."),
        ],
    ),
    thread(
        German,
        &[
            (0, "Moin, am Hafen stehen {n} Räder auf {m} Plätzen. Wer ist in der Nähe?"),
            (1, "Ich, in einer Viertelstunde. Anhänger ist leer."),
            (0, "Super. Bitte die mit rotem Licht zuerst, die haben kaum noch Akku."),
            (1, "Fünf mit rotem Licht, eines ganz ohne Sattel 🤷"),
            (0, "Das ohne Sattel direkt in die Werkstatt."),
            (1, "Erledigt, {station} ist wieder frei."),
        ],
    ),
];
