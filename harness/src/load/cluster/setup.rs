//! A bus, and whether messages are queued in it before they are stored.

use std::fmt;
use std::str::FromStr;

/// Longest median from sending to `accepted`, in milliseconds.
pub const ACCEPTED: f64 = 2.0;

/// How nodes hear of each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bus {
    /// Not at all: there is one.
    Channel,
    /// Redis.
    Redis,
    /// NATS with JetStream.
    Nats,
    /// Kafka.
    Kafka,
}

impl Bus {
    /// As `scripts/services` and the addresses call it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Channel => "channel",
            Self::Redis => "redis",
            Self::Nats => "nats",
            Self::Kafka => "kafka",
        }
    }
}

/// What is measured together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Setup {
    /// Between the nodes.
    pub bus: Bus,
    /// Whether messages are queued first.
    pub queued: bool,
}

impl Setup {
    /// Whether there can be a second node.
    pub fn is_shared(self) -> bool {
        self.bus != Bus::Channel
    }

    /// Fewest sends a second; none where no target says so.
    pub fn sends(self) -> Option<f64> {
        match (self.queued, self.bus) {
            (false, _) => Some(20_000.0),
            (true, Bus::Kafka) => Some(15_000.0),
            (true, _) => None,
        }
    }

    /// Longest median from sending to the `ack`, in milliseconds, idle.
    pub fn ack(self) -> Option<f64> {
        match self.bus {
            Bus::Channel => None,
            Bus::Kafka => Some(8.0),
            Bus::Redis | Bus::Nats => Some(3.0),
        }
    }

    /// Longest median from sending to the event at another node, in milliseconds, idle.
    pub fn delivery(self) -> Option<f64> {
        self.ack()
    }
}

impl fmt::Display for Setup {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", self.bus.name(), if self.queued { ":queued" } else { "" })
    }
}

impl FromStr for Setup {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (bus, queued) = match text.strip_suffix(":queued") {
            Some(bus) => (bus, true),
            None => (text, false),
        };
        let bus = [Bus::Channel, Bus::Redis, Bus::Nats, Bus::Kafka].into_iter().find(|it| it.name() == bus);
        match bus {
            Some(bus) if bus != Bus::Channel || !queued => Ok(Self { bus, queued }),
            _ => Err("accepts channel, and redis, nats or kafka, each perhaps with `:queued`".to_owned()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_setup_is_read_as_it_is_written() {
        for text in ["channel", "redis", "nats:queued", "kafka", "kafka:queued"] {
            assert_eq!(text.parse::<Setup>().unwrap().to_string(), text);
        }
        assert!("channel:queued".parse::<Setup>().is_err() && "mqtt".parse::<Setup>().is_err());
    }
}
