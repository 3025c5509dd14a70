//! That the CDDL bites, and bites where the code does: one wrong thing in a sample is refused by both, what is
//! allowed to grow is accepted by both, and no optional field is without a sample with it and one without it.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on should stop")]

mod common;
#[path = "common/judge.rs"]
mod judge;

use common::cddl;
use common::mutant::{Spoil, bytes_for_list, extra_key, mutants, too_long, too_short, wrong_type};
use common::{Sample, hex, samples};
use judge::Judge;

/// Asks CDDL and code about every mutant, and `expect` whether the two answers (in this order) are right.
/// Gives how many mutants there were.
fn each_mutant(samples: Vec<Sample>, spoil: Spoil, expect: fn(bool, bool) -> bool) -> usize {
    let mut judge = Judge::new(cddl::TEXT);
    let mut count = 0;
    for sample in samples {
        for mutant in mutants(&sample, spoil) {
            let valid = judge.validate(&sample.rule, &mutant).is_ok();
            let decodes = (sample.again)(&mutant).is_ok();
            let start = hex(&mutant[..mutant.len().min(200)]);
            assert!(expect(valid, decodes), "{}: CDDL {valid}, code {decodes}: {start}", sample.name);
            count += 1;
        }
    }
    count
}

#[test]
fn a_wrong_type_is_refused_everywhere() {
    assert!(each_mutant(samples(), wrong_type, |valid, decodes| !valid && !decodes) > 500);
}

#[test]
fn a_byte_string_is_no_list() {
    assert!(each_mutant(samples(), bytes_for_list, |valid, decodes| !valid && !decodes) > 10);
}

#[test]
fn what_is_too_long_is_refused_everywhere() {
    assert!(each_mutant(samples(), too_long, |valid, decodes| !valid && !decodes) > 200);
}

#[test]
fn what_is_missing_is_judged_alike() {
    let mut samples = samples();
    // A P-256 key without its y is a CoseKey in code, and refused when it is made a DeviceKey.
    samples.retain(|sample| !sample.name.contains("p256"));
    assert!(each_mutant(samples, too_short, |valid, decodes| valid == decodes) > 100);
}

#[test]
fn every_map_may_gain_keys() {
    assert!(each_mutant(samples(), extra_key, |valid, decodes| valid && decodes) > 60);
}

/// Each line `? key: type` of the CDDL, changed to forbid the key (nothing on the wire is a float) and changed to demand it: unless some sample
/// is refused each time, the field has no sample with it, or none without it.
#[test]
fn every_optional_field_has_samples_with_and_without_it() {
    let text = bare();
    let optional: Vec<usize> = text.match_indices("? ").map(|(at, _)| at).collect();
    let judged = judged();
    let mut unseen = Vec::new();
    let mut fields = 0;
    for at in optional {
        let field = text[at..].lines().next().unwrap();
        let key = field[2..].split_once(':').map(|(key, _)| key);
        if key.is_none_or(|key| key.parse::<u64>().is_err()) {
            continue;
        }
        fields += 1;
        let before = &text[..at];
        let demanded = format!("{before}{}", &text[at + 2..]);
        let colon = at + field.find(':').unwrap();
        let forbidden = format!("{}: float, ? 999: {}", &text[..colon], &text[colon + 1..]);
        for (changed, what) in [(demanded, "without"), (forbidden, "with")] {
            if is_valid_everywhere(&changed, rule_around(before), &judged) {
                unseen.push(format!("no sample {what} `{field}`"));
            }
        }
    }
    assert!(fields >= 30, "only {fields} optional fields found");
    assert!(unseen.is_empty(), "{unseen:#?}");
}

/// The CDDL without its comments: the parser counts lines from the beginning for every node, and here it parses once for each change.
fn bare() -> String {
    let lines = cddl::TEXT.lines().map(|line| line.split(';').next().unwrap_or_default().trim_end());
    lines.filter(|line| !line.is_empty()).flat_map(|line| [line, "\n"]).collect()
}

/// Rule and bytes of every sample.
fn judged() -> Vec<(String, Vec<u8>)> {
    let signed = common::signed::steps(&common::signed::Example::new());
    let signed =
        signed.into_iter().filter_map(|step| Some((step.rule?.to_string(), common::unhex(&step.hex))));
    samples().into_iter().map(|sample| (sample.rule.to_string(), sample.payload)).chain(signed).collect()
}

/// The rule that is open where this text ends.
fn rule_around(before: &str) -> &str {
    let lines = before.lines().rev();
    lines
        .filter(|line| line.starts_with(|char: char| char.is_ascii_alphabetic()))
        .find_map(|line| line.split_whitespace().next())
        .unwrap_or_default()
}

fn is_valid_everywhere(text: &str, likely: &str, judged: &[(String, Vec<u8>)]) -> bool {
    let mut judge = Judge::new(text);
    // Samples of the rule that was changed are the first to be refused: there are thousands of others.
    let (first, others): (Vec<_>, Vec<_>) = judged.iter().partition(|(rule, _)| rule == likely);
    first.into_iter().chain(others).all(|(rule, payload)| judge.validate(rule, payload).is_ok())
}
