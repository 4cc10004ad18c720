//! What the rounds say: in words, and as JSON.

use std::fmt;

use serde_json::{Value, json};

use crate::site::Site;

/// Share of the calls a second of `static` that `fsx` must keep.
const MIN_RATE: f64 = 0.97;

/// Most that half of the local decisions may take, in microseconds.
const MAX_MEDIAN_US: f64 = 10.0;

/// A histogram: the upper end of each bucket, in microseconds (`None` for the last), and its count.
pub(crate) type Buckets = Vec<(Option<f64>, u64)>;

/// One round of one variant.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Round {
    /// Calls placed, all of them answered.
    pub(crate) calls: u32,
    /// How long they took, in seconds.
    pub(crate) wall_s: f64,
    /// Processor time of the switch meanwhile, in seconds.
    pub(crate) processor_s: f64,
}

impl Round {
    fn rate(&self) -> f64 {
        f64::from(self.calls) / self.wall_s
    }

    fn processor_us(&self) -> f64 {
        self.processor_s * 1e6 / f64::from(self.calls)
    }
}

/// All rounds.
#[derive(Debug)]
pub(crate) struct Figures {
    names: Vec<&'static str>,
    host: String,
    rounds: Vec<Vec<Round>>,
    decisions: Vec<Option<Buckets>>,
    /// Of each variant's switch, half through and at the end.
    memory_kib: [Vec<u64>; 2],
}

impl Figures {
    pub(crate) fn new(site: &Site) -> Self {
        let names: Vec<&'static str> = site.variants.iter().map(|variant| variant.name).collect();
        Self {
            host: site.host.clone(),
            rounds: Vec::new(),
            decisions: Vec::new(),
            memory_kib: [Vec::new(), Vec::new()],
            names,
        }
    }

    /// Takes down a round of every variant.
    pub(crate) fn add(&mut self, round: Vec<Round>) {
        self.rounds.push(round);
    }

    /// Half of the rounds are over.
    pub(crate) fn half_way(&mut self, site: &Site) {
        self.memory_kib[0] =
            (0..self.names.len()).map(|variant| site.memory_kib(variant)).collect();
    }

    /// By how much a variant's switch has grown since then, in KiB. Shown, not judged: one that has no fsx
    /// in it goes up and down by megabytes too. What is never given back is what `memory_checked` sees.
    fn growth_kib(&self, variant: usize) -> i64 {
        let [half, end] = &self.memory_kib;
        let at = |all: &[u64]| all.get(variant).map_or(0, |&kib| kib as i64);
        at(end) - at(half)
    }

    /// Takes down what the modules counted of themselves.
    ///
    /// # Panics
    /// When a call took more than one attempt: it would be compared with one that took one.
    pub(crate) fn inside(&mut self, site: &Site) {
        let all = 0..self.names.len();
        for variant in all.clone() {
            if variant > 0 {
                let calls = Some(u64::from(self.calls(variant)));
                assert_eq!(site.attempts(variant), calls, "attempts of {}", self.names[variant]);
            }
        }
        self.decisions = all.clone().map(|variant| site.decisions(variant)).collect();
        self.memory_kib[1] = all.map(|variant| site.memory_kib(variant)).collect();
    }

    /// A round in one line.
    pub(crate) fn line(&self, round: &[Round]) -> String {
        let each: Vec<String> = self
            .names
            .iter()
            .zip(round)
            .map(|(name, r)| format!("{name} {:.1}/s {:.0} us", r.rate(), r.processor_us()))
            .collect();
        each.join(", ")
    }

    /// Median over the rounds of a figure of a variant.
    fn median(&self, variant: usize, of: impl Fn(&Round) -> f64) -> f64 {
        self.quantile(0.5, |round| of(&round[variant]))
    }

    /// Quantile over the rounds of a variant's figure against that of the first variant.
    fn against(&self, q: f64, variant: usize, of: impl Fn(&Round) -> f64) -> f64 {
        self.quantile(q, |round| of(&round[variant]) / of(&round[0]))
    }

    fn quantile(&self, q: f64, of: impl Fn(&[Round]) -> f64) -> f64 {
        let mut all: Vec<f64> = self.rounds.iter().map(|round| of(round)).collect();
        all.sort_unstable_by(f64::total_cmp);
        let at = q * (all.len().saturating_sub(1)) as f64;
        let (low, high) = (all[at.floor() as usize], all[at.ceil() as usize]);
        low + (high - low) * at.fract()
    }

    fn calls(&self, variant: usize) -> u32 {
        self.rounds.iter().map(|round| round[variant].calls).sum()
    }

    /// The bucket that holds the given share of a variant's decisions, in microseconds; `None` past the
    /// last, or without decisions.
    fn decided_under(&self, variant: usize, share: f64) -> Option<f64> {
        let buckets = self.decisions.get(variant)?.as_ref()?;
        let total: u64 = buckets.iter().map(|(_, count)| count).sum();
        let wanted = (total as f64 * share).ceil() as u64;
        let mut sum = 0;
        let found = buckets.iter().find(|(_, count)| {
            sum += count;
            sum >= wanted
        });
        found.filter(|_| total > 0)?.0
    }

    /// Whether fsx costs no more than it may.
    pub(crate) fn within_limits(&self) -> bool {
        let rate = self.against(0.5, 1, Round::rate) >= MIN_RATE;
        let decision = self.decided_under(1, 0.5).is_some_and(|us| us <= MAX_MEDIAN_US);
        rate && decision
    }

    /// Everything, for machines.
    pub(crate) fn json(&self) -> Value {
        let variants: Vec<Value> = (0..self.names.len())
            .map(|v| {
                json!({
                    "name": self.names[v],
                    "calls": self.calls(v),
                    "calls_per_s": self.median(v, Round::rate),
                    "processor_us_per_call": self.median(v, Round::processor_us),
                    "rate_against_static": {
                        "median": self.against(0.5, v, Round::rate),
                        "quartiles": [self.against(0.25, v, Round::rate), self.against(0.75, v, Round::rate)],
                    },
                    "processor_against_static": {
                        "median": self.against(0.5, v, Round::processor_us),
                        "quartiles": [
                            self.against(0.25, v, Round::processor_us),
                            self.against(0.75, v, Round::processor_us),
                        ],
                    },
                    "decision_under_us": {
                        "median": self.decided_under(v, 0.5),
                        "p99": self.decided_under(v, 0.99),
                    },
                    "memory_kib": self.memory_kib[1].get(v),
                    "memory_kib_half_way": self.memory_kib[0].get(v),
                    "rounds": self.rounds.iter().map(|round| json!({
                        "wall_s": round[v].wall_s,
                        "processor_s": round[v].processor_s,
                    })).collect::<Vec<_>>(),
                })
            })
            .collect();
        json!({
            "bench": "freeswitch",
            "host": self.host,
            "rounds": self.rounds.len(),
            "limits": {
                "rate_against_static": MIN_RATE,
                "decision_median_us": MAX_MEDIAN_US,
            },
            "within_limits": self.within_limits(),
            "variants": variants,
        })
    }
}

impl fmt::Display for Figures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}; {} rounds", self.host, self.rounds.len())?;
        writeln!(
            f,
            "{:<12} {:>7} {:>8} {:>24} {:>9} {:>24} {:>10} {:>8} {:>18}",
            "variant",
            "calls",
            "calls/s",
            "of static (quartiles)",
            "cpu/call",
            "of static (quartiles)",
            "decision",
            "p99",
            "memory, 2nd half"
        )?;
        for (v, name) in self.names.iter().enumerate() {
            let share = |of: fn(&Round) -> f64| {
                let at = |q| self.against(q, v, of);
                format!("{:.3} ({:.3} to {:.3})", at(0.5), at(0.25), at(0.75))
            };
            let under = |share| {
                self.decided_under(v, share).map_or("-".to_owned(), |us| format!("<{us} us"))
            };
            writeln!(
                f,
                "{name:<12} {:>7} {:>8.1} {:>24} {:>6.0} us {:>24} {:>10} {:>8} {:>7} {:>+6} KiB",
                self.calls(v),
                self.median(v, Round::rate),
                share(Round::rate),
                self.median(v, Round::processor_us),
                share(Round::processor_us),
                under(0.5),
                under(0.99),
                self.memory_kib[1].get(v).map_or(0, |kib| kib / 1024).to_string() + " MiB",
                self.growth_kib(v),
            )?;
        }
        if let Some(Some(buckets)) = self.decisions.get(1) {
            write!(f, "decisions of fsx:")?;
            for (under, count) in buckets.iter().filter(|(_, count)| *count > 0) {
                match under {
                    Some(us) => write!(f, " <{us} us {count},")?,
                    None => write!(f, " longer {count},")?,
                }
            }
            writeln!(f)?;
        }
        let word = if self.within_limits() { "within" } else { "OUTSIDE" };
        write!(
            f,
            "{word} our limits: fsx at {MIN_RATE} of static or better, half of the decisions under {MAX_MEDIAN_US} us"
        )
    }
}
