//! The CDDL as a table of frame types.

use std::sync::LazyLock;

use quipu_protocol::FrameType;

pub const TEXT: &str = include_str!("../../spec/quipu.cddl");

/// One line `; frame 0xNN Name` and the rule behind it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FrameRule {
    pub ty: FrameType,
    pub message: String,
    pub rule: String,
}

/// The same as [`frames`]; every sample asks.
pub static FRAMES: LazyLock<Vec<FrameRule>> = LazyLock::new(frames);

/// All frames the CDDL names, in its order.
pub fn frames() -> Vec<FrameRule> {
    let mut lines = TEXT.lines();
    let mut frames = Vec::new();
    while let Some(line) = lines.next() {
        let Some((number, message)) = line.strip_prefix("; frame 0x").and_then(|rest| rest.split_once(' '))
        else {
            continue;
        };
        let rule = lines.next().and_then(|line| line.split_once(" =")).unwrap().0;
        frames.push(FrameRule {
            ty: FrameType(u64::from_str_radix(number, 16).unwrap()),
            message: message.to_owned(),
            rule: rule.to_owned(),
        });
    }
    frames
}
