//! Locks, batteries, firmware.

use super::Language::{Chinese, English};
use super::{Thread, thread};

pub(super) const THREADS: &[Thread] = &[
    thread(
        English,
        &[
            (0, "Firmware {ver} goes to the first {m} locks tonight, all at {station}."),
            (1, "With the slower retry?"),
            (
                0,
                "Yes: 1 s, 2 s, 4 s, then sleep. The old one tried every second until the battery was empty.",
            ),
            (1, "And if the update fails halfway?"),
            (
                0,
                "Two slots. It boots the old one and reports `rollback`. I pulled the plug {n} times to be sure.",
            ),
            (2, "Morning check: all {m} updated, none rolled back, battery drain down by a third 🔋"),
            (0, "Then the next three hundred on {day}."),
        ],
    ),
    thread(
        English,
        &[
            (0, "{bike} reports 71 °C. Outside it's 9."),
            (1, "Sensor or fire?"),
            (0, "Sensor, I hope. Sending somebody."),
            (2, "Standing next to it. Cold as a stone. Water in the connector."),
            (0, "Thanks. I'll make the alarm compare with the neighbours before it wakes people up."),
            (1, "But keep the loud one above 90, please."),
        ],
    ),
    thread(
        English,
        &[
            (0, "Battery swaps this week: {n}. Last week: 2{m}."),
            (1, "The firmware or the weather?"),
            (0, "Half and half. I compared with the old locks in the same streets."),
            (
                0,
                "```\n            old lock   new lock\nper trip    0.41 Wh    0.27 Wh\nidle/day    1.90 Wh    1.10 Wh\n```",
            ),
            (1, "Idle is where it is. Can we sleep longer at night?"),
            (
                0,
                "Up to 30 s between listens from 1:00 to 5:00. Unlocking then takes up to half a minute, with a note in the app.",
            ),
            (2, "Half a minute is fine at three in the morning. Just say it."),
        ],
    ),
    thread(
        English,
        &[
            (0, "New lock samples arrived. They click beautifully."),
            (1, "Beautifully is not in the specification 😄 Salt spray test?"),
            (0, "500 hours, started today. I also froze one."),
            (1, "And?"),
            (0, "Opens at −18 °C, grumpily."),
        ],
    ),
    thread(
        Chinese,
        &[
            (0, "新版固件 {ver} 今晚先推 {m} 把锁，都在 {station}。"),
            (1, "重试间隔改了吗？"),
            (0, "改了，一秒、两秒、四秒，然后休眠。之前每秒重试一次，电池一晚上就没了。"),
            (1, "升级到一半断电怎么办？"),
            (0, "双分区，启动失败会自动回到旧版本，我断电测了 {n} 次。"),
            (1, "那就放心了。明早一起看数据。"),
            (0, "早上好，全部升级成功，没有回滚，耗电降了三分之一 🔋"),
        ],
    ),
    thread(
        Chinese,
        &[
            (0, "供应商说电池要晚两周到。"),
            (1, "库存还能撑多久？"),
            (0, "按现在每天换 {m} 块算，能撑十天。"),
            (1, "那就把夜间的监听间隔调长一点，三十秒一次，可以省出四天。"),
            (0, "可以，但要在应用里提示用户，夜里开锁会慢一点。"),
            (1, "我写一句：“夜间车锁在打盹，请给它半分钟。”"),
            (0, "哈哈，就用这句。"),
        ],
    ),
    thread(
        Chinese,
        &[
            (0, "{bike} 显示温度 71 度，可是外面只有 9 度。"),
            (1, "传感器进水了吧？"),
            (0, "我让附近的同事去看一下。"),
            (0, "确认了，接头里有水，车身是凉的。"),
            (1, "告警应该先和旁边的车比较一下，不要半夜把人叫醒。"),
            (0, "同意，我今天改。超过九十度的还是要立刻响。"),
        ],
    ),
    thread(
        Chinese,
        &[
            (
                0,
                "今天把盐雾试验的结果整理了一下：五百小时之后，新锁的外壳没有锈点，锁舌的弹簧有轻微变色，但力值还在标准之内。旧锁同样的条件下三百小时就卡住了。低温的那一把，零下十八度能打开，就是慢，大概要四秒。我的建议是采用新锁，但弹簧换成上次说的那种不锈钢的，每把贵不到两块钱，可以省掉一次上门。大家看看有没有不同意见，没有的话我明天回复供应商。",
            ),
            (1, "同意换弹簧。"),
            (0, "好，那就这么定。样品周{weekday}寄出。"),
            (1, "辛苦了，这份报告很清楚 👍"),
        ],
    ),
    thread(Chinese, &[(0, "中午吃什么？"), (1, "楼下那家牛肉面？"), (0, "走，十二点半门口见 🍜")]),
];
