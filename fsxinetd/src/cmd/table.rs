//! A routing answer for people: a padded table, as `lcr` shows it in FreeSWITCH.

use std::collections::HashMap;
use std::fmt::Write;

use fsx_core::data::{Index, RoutingData};
use fsx_wire::answer::RouteAnswer;

/// Longest text of a cell; what is cut ends in an ellipsis.
const WIDEST: usize = 40;

/// The answer in words and a table. `names` gives carriers of the why list their names.
pub(super) fn human(answer: &RouteAnswer, why: bool, names: &HashMap<u32, String>) -> String {
    let mut out = String::new();
    // Writing to a String cannot fail.
    let _ = write!(out, "{}  organisation {}", answer.number, answer.org);
    if !answer.data_centre.is_empty() {
        let _ = write!(out, "  {}", answer.data_centre);
    }
    let _ = writeln!(out, "  {}  generation {}", answer.at, answer.generation);
    if answer.decision == "reject" {
        let (reason, cause) = (answer.reason.as_deref().unwrap_or(""), answer.cause.unwrap_or(0));
        let _ = writeln!(out, "rejected: {reason} (cause {cause})");
    } else if answer.emergency {
        out.push_str("emergency: not priced, not capped, not blocked\n");
    }
    if !answer.routes.is_empty() {
        let mut rows = vec![
            ["", "Carrier", "Gateway", "Prefix", "Band", "Rate", "Cost/min", "Dial string"]
                .map(str::to_owned),
        ];
        for (at, route) in (1..).zip(&answer.routes) {
            let mut rate = format!("{} {}", route.rate, route.currency);
            if !matches!(route.setup.as_str(), "0" | "") {
                let _ = write!(rate, " + {}", route.setup);
            }
            if (route.initial_increment_s, route.next_increment_s) > (1, 1) {
                let _ = write!(rate, " {}/{}", route.initial_increment_s, route.next_increment_s);
            }
            rows.push([
                format!("{at}"),
                route.carrier.clone(),
                route.gateway_id.to_string(),
                route.prefix.clone(),
                route.band.clone(),
                if answer.emergency { String::new() } else { rate },
                if answer.emergency { String::new() } else { route.cost_per_min.clone() },
                route.dial_string.clone(),
            ]);
        }
        out.push_str(&padded(&rows));
    }
    if why && !answer.excluded.is_empty() {
        let mut rows = vec![["Left out", "Gateway", "Step", "Reason"].map(str::to_owned)];
        for row in &answer.excluded {
            let name = names.get(&row.carrier_id).map_or("", String::as_str);
            rows.push([
                format!("{} {name}", row.carrier_id),
                row.gateway_id.map_or(String::new(), |id| id.to_string()),
                row.step.clone(),
                row.reason.clone(),
            ]);
        }
        out.push_str(&padded(&rows));
    }
    out
}

/// The names of all carriers of the data.
pub(super) fn carrier_names(data: &impl RoutingData) -> HashMap<u32, String> {
    (0..).map_while(|at| data.carrier(Index(at))).map(|c| (c.id, c.name.to_owned())).collect()
}

fn padded<const N: usize>(rows: &[[String; N]]) -> String {
    let cut = |cell: &str, last: bool| {
        if last || cell.chars().count() <= WIDEST {
            return cell.to_owned();
        }
        cell.chars().take(WIDEST - 1).chain(['…']).collect()
    };
    let rows: Vec<Vec<String>> = rows
        .iter()
        .map(|row| row.iter().enumerate().map(|(at, cell)| cut(cell, at == N - 1)).collect())
        .collect();
    let width = |at: usize| rows.iter().map(|row| row[at].chars().count()).max().unwrap_or(0);
    let widths: Vec<usize> = (0..N).map(width).collect();
    let mut out = String::new();
    for row in &rows {
        let mut line = String::new();
        for (cell, width) in row.iter().zip(&widths) {
            let _ = write!(line, "{cell:<width$}  ");
        }
        out.push_str(line.trim_end());
        out.push('\n');
    }
    out
}

#[cfg(test)]
mod tests {
    use fsx_wire::answer::{Excluded, Route};

    use super::*;

    #[test]
    fn columns_line_up_whatever_is_in_them() {
        let route = |carrier: &str, rate: &str| Route {
            carrier: carrier.to_owned(),
            gateway_id: 3001,
            prefix: "4477".to_owned(),
            band: "A band whose name is far too long for any table to show whole".to_owned(),
            rate: rate.to_owned(),
            currency: "GBP".to_owned(),
            cost_per_min: rate.to_owned(),
            dial_string: "sofia/gateway/gw3001/447700900123".to_owned(),
            ..Route::default()
        };
        let answer = RouteAnswer {
            number: "447700900123".to_owned(),
            decision: "route".to_owned(),
            routes: vec![route("Ä", "0.1"), route("A much longer name", "0.0125")],
            excluded: vec![Excluded {
                carrier_id: 7,
                step: "rate".to_owned(),
                reason: "no rate in force".to_owned(),
                ..Excluded::default()
            }],
            ..RouteAnswer::default()
        };
        let names = HashMap::from([(7, "Seven".to_owned())]);
        let text = human(&answer, true, &names);
        let at = |line: &str, part: &str| {
            line.find(part).map(|byte| line[..byte].chars().count()).expect("is there")
        };
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(at(lines[1], "Dial string"), at(lines[2], "sofia"));
        assert_eq!(at(lines[1], "Dial string"), at(lines[3], "sofia"));
        assert!(lines[2].contains("far too long for a…"));
        assert!(lines[5].contains("7 Seven") && lines[5].ends_with("no rate in force"));
        assert!(!human(&answer, false, &names).contains("Seven"));
    }
}
